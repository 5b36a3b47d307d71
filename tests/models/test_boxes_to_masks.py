"""Boxes of a detector made masks, by the embedded model."""

from pathlib import Path

import numpy as np
import pytest

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_overlap
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Candidate, Mask, Prompt, Proposal
from labeler.models.boxes_to_masks import boxes_to_masks
from labeler.models.protocols import Embedding, Segmenter
from labeler.registry import discover

PERSON = Box(48, 398, 248, 905)
BUS = Box(10, 230, 805, 750)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return discover(safe_mode=True).model("mobilesam").load()


@pytest.fixture(scope="module")
def photo_pixels() -> np.ndarray:
    import importlib.util

    found = importlib.util.find_spec("ultralytics")
    assert found is not None
    assert found.origin is not None
    return read_pixels(Path(found.origin).parent / "assets/bus.jpg").rgb


def candidate(box: Box, confidence: float = 0.9, label: str = "person") -> Candidate:
    return Candidate(0, 0, 0, 0, box, confidence, label)


def test_each_box_becomes_the_mask_in_it_and_all_else_stays(segmenter, photo_pixels) -> None:
    block = Mask(10, 230, np.ones((520, 795), dtype=np.bool_))  # a mask is asked for again, by its box
    given = [candidate(PERSON), Candidate(0, 0, 0, 0, block, 0.8, "bus")]
    person, bus = boxes_to_masks(segmenter, photo_pixels, given)
    assert [(one.label, one.confidence) for one in (person, bus)] == [("person", 0.9), ("bus", 0.8)]
    for one, box in ((person, PERSON), (bus, BUS)):
        assert isinstance(one.shape, Mask)
        assert box_overlap(bounds(one.shape), box).iou > 0.85
        assert one.shape.bits.mean() < 0.95  # an outline, no filled box


def test_what_is_under_the_floor_or_empty_stays_as_it_is(segmenter, photo_pixels) -> None:
    given = (candidate(PERSON, 0.2), candidate(BUS, 0.6), candidate(Box(5, 5, 5, 9)))
    low, asked, flat = boxes_to_masks(segmenter, photo_pixels, given, floor=0.5, threads=1)
    assert (low, flat) == (given[0], given[2])
    assert isinstance(asked.shape, Mask)


class Counting:
    """Finds the upper left pixel of each box; made of one row, or of nothing in small boxes."""

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def embed(self, image: np.ndarray, **_: object) -> Embedding:
        return Embedding({}, image.shape[:2])

    def segment(self, embedding: Embedding, prompt: Prompt, **_: object) -> tuple[Proposal, ...]:
        self.asked.append(prompt)
        box = prompt.box
        assert box is not None
        bits = np.ones((1, 1 if box.area > 100 else 0), dtype=np.bool_)
        return (Proposal(Mask(int(box.x0), int(box.y0), bits), 0.9, np.zeros((1, 1), np.float32)),)


def test_a_box_that_repeats_a_better_one_of_its_class_shares_its_mask() -> None:
    model = Counting()
    image = np.zeros((100, 100, 3), np.uint8)
    again = candidate(Box(1, 0, 40, 40), 0.5)
    other = candidate(Box(1, 0, 40, 40), 0.4, "bus")
    small, smaller = candidate(Box(60, 60, 69, 69), 0.8), candidate(Box(60, 60, 69, 68.5), 0.3)
    given = [again, small, candidate(Box(0, 0, 40, 40), 0.9), other, smaller, candidate(Box(20, 0, 60, 40))]
    found = boxes_to_masks(model, image, given)
    places = [one.shape.x for one in found if isinstance(one.shape, Mask)]
    assert places == [0, 0, 1, 20], "the less confident has the mask of the better one, another class its own"
    assert len(model.asked) == 4
    assert (found[1], found[4]) == (small, smaller), "nothing is in it"
    assert [(one.confidence, one.label) for one in found] == [(one.confidence, one.label) for one in given]


def test_nothing_to_ask_costs_nothing(photo_pixels) -> None:
    class Unused:
        def embed(self, image: object, **_: object) -> Embedding:
            raise AssertionError("the image was embedded")

        def segment(self, *_: object, **__: object) -> tuple[()]:
            raise AssertionError("a prompt was asked")

    low = candidate(PERSON, 0.01)
    assert boxes_to_masks(Unused(), photo_pixels, []) == ()
    assert boxes_to_masks(Unused(), photo_pixels, [low]) == (low,)
