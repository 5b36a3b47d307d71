"""Everything on an image, by the embedded model's real files on a real photo."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from labeler.core.geometry import bounds, contains
from labeler.core.measures.overlap import box_iou, mask_overlap
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Candidate, Mask, Prompt, Proposal
from labeler.models.point_grid import Grid, everything, grid_points, stability_of
from labeler.models.protocols import Detector, Embedding, Segmenter
from labeler.registry import discover

COARSE = Grid(side=5)


class Remembering:
    """The segmenter, asked the same only once."""

    def __init__(self, model: Segmenter) -> None:
        self._model = model
        self._embedded: dict[bytes, Embedding] = {}
        self._answers: dict[tuple[int, bytes], tuple[Proposal, ...]] = {}

    def embed(self, image: np.ndarray, **_: object) -> Embedding:
        key = image.tobytes()
        if key not in self._embedded:
            self._embedded[key] = self._model.embed(image)
        return self._embedded[key]

    def segment(
        self, embedding: Embedding, prompt: Prompt, *, threads: int = 0, limit: int = 3
    ) -> tuple[Proposal, ...]:
        key = (id(embedding), prompt.points.tobytes())
        if key not in self._answers:
            self._answers[key] = self._model.segment(embedding, prompt, threads=threads, limit=limit)
        return self._answers[key]


@pytest.fixture(scope="module")
def segmenter() -> Remembering:
    return Remembering(discover(safe_mode=True).model("mobilesam").load())


@pytest.fixture(scope="module")
def bus() -> np.ndarray:
    import importlib.util

    found = importlib.util.find_spec("ultralytics")
    assert found is not None
    assert found.origin is not None
    return read_pixels(Path(found.origin).parent / "assets/bus.jpg").rgb


@pytest.fixture(scope="module")
def candidates(segmenter, bus) -> tuple[Candidate, ...]:
    return everything(segmenter, bus, COARSE, together=2)


def corners(candidate: Candidate) -> tuple[float, float, float, float]:
    box = bounds(candidate.shape)
    return box.x0, box.y0, box.x1, box.y1


def test_the_points_are_the_centres_of_equal_cells() -> None:
    assert grid_points(1, (40, 80)).tolist() == [[40, 20]]
    assert grid_points(2, (40, 80)).tolist() == [[20, 10], [60, 10], [20, 30], [60, 30]]


def test_a_sharp_mask_is_stable_and_a_soft_one_is_not() -> None:
    sharp = np.full((8, 8), -9, dtype=np.float32)
    sharp[2:4, 2:4] = 9
    soft = sharp.copy()
    soft[2, 2:4] = 0.5  # in at -1, out at +1
    assert stability_of(sharp, (8, 8)) == 1.0
    assert stability_of(soft, (8, 8)) == 0.5
    assert stability_of(soft, (8, 8), offset=0.4) == 1.0
    assert stability_of(np.full((8, 8), -9, dtype=np.float32), (8, 8)) == 0.0


def test_padding_does_not_count_in_the_stability() -> None:
    logits = np.full((8, 8), 9, dtype=np.float32)
    logits[4:] = 0
    assert stability_of(logits, (50, 100)) == 1.0
    assert stability_of(logits, (100, 100)) == 0.5


def test_it_finds_objects_as_masks_without_a_class(candidates) -> None:
    confidences = [candidate.confidence for candidate in candidates]
    assert confidences == sorted(confidences, reverse=True)
    assert all(COARSE.predicted_iou * COARSE.stability <= one <= 1 for one in confidences)
    assert {(one.label, one.category_id, one.id) for one in candidates} == {("object", 0, 0)}
    assert all(isinstance(one.shape, Mask) and one.shape.bits.any() for one in candidates)
    person = (222, 405, 345, 860)
    assert box_iou([person], [corners(one) for one in candidates]).max() > 0.85


def test_thresholds_drop_what_they_say(segmenter, bus, candidates) -> None:
    strict = structs.replace(COARSE, predicted_iou=0.9, stability=0.95)
    fewer = everything(segmenter, bus, strict, together=2)
    assert 0 < len(fewer) < len(candidates)
    assert set(map(corners, fewer)) <= set(map(corners, candidates))


def test_where_they_are_too_many_those_that_repeat_another_go(segmenter, bus, candidates) -> None:
    bounded = everything(segmenter, bus, structs.replace(COARSE, most=10), together=2)
    assert len(bounded) == 10
    assert bounded[0].confidence == pytest.approx(candidates[0].confidence)
    overlaps = box_iou([corners(one) for one in bounded], [corners(one) for one in bounded])
    assert overlaps[~np.eye(10, dtype=bool)].max() < COARSE.repeats


def test_a_region_is_looked_at_closely_and_what_it_cuts_is_left_out(segmenter, bus) -> None:
    region = Box(0, 380, 405, 1080)  # left half: the bus goes beyond it, the two people do not
    found = everything(segmenter, bus, Grid(side=3), region=region, together=2)
    boxes = np.array([corners(one) for one in found])
    assert len(boxes)
    assert boxes[:, 1].min() > 380
    assert boxes[:, 2].max() < 405
    assert boxes[:, 3].max() <= 1080
    assert any(contains(one.shape, 150, 600) for one in found)  # in the pixels of the whole image


def test_one_by_one_gives_the_same(segmenter, bus) -> None:
    together = everything(segmenter, bus, Grid(side=2), together=2)
    segmenter._answers.clear()
    alone = everything(segmenter, bus, Grid(side=2), together=1)
    assert len(alone) == len(together) > 0
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one.shape, Mask)
        assert isinstance(other.shape, Mask)
        assert mask_overlap(one.shape, other.shape).iou > 0.999


def test_the_plugin_offers_detectors_that_need_no_download() -> None:
    registry = discover(safe_mode=True)
    specs = [registry.model(name) for name in ("everything", "everything-fine")]
    for spec in specs:
        assert (spec.task, spec.needs_suppression, spec.reads_text) == ("detector", True, False)
        assert spec.categories == ("object",)
    assert isinstance(specs[0].load(), Detector)


@pytest.mark.slow
def test_the_plugin_finds_the_people_of_a_photo(bus) -> None:
    found = discover(safe_mode=True).model("everything").load()
    assert isinstance(found, Detector)
    candidates = found.detect(bus)
    # the two that are whole: of the third, cut by the image's edge, MobileSAM gives parts at any prompt
    people = [(48, 398, 248, 905), (222, 405, 345, 860)]
    assert (box_iou(people, [corners(one) for one in candidates]).max(axis=1) > 0.85).all()
