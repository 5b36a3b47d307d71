"""SAM 2.1 and MobileSAM by ultralytics: random weights, saved in the real checkpoints' form."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labeler.core.geometry import to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Prompt
from labeler.errors import ModelError
from labeler.models.embeddings import EmbeddingCache
from labeler.models.protocols import Embedding, Interrupt, InterruptedWorkError, Segmenter
from labeler.models.ultralytics_home import import_ultralytics
from labeler.registry import discover

LONE = Prompt(np.array([[400.0, 500.0]]), np.array([True]))
SAID = Prompt(np.array([[400.0, 500.0], [150.0, 650.0]]), np.array([True, False]), Box(10, 230, 805, 750))
HALF = 0.5 * 1080 / 1024
"""Ultralytics adds half a pixel of the frame, as SAM does; our coordinates are half-open."""


class Case:
    """A model of ours, ultralytics' predictor on the same weights, and both embeddings of the photo."""

    def __init__(self, path: Path, pixels: np.ndarray, built: Any) -> None:
        from ultralytics.models.sam import Predictor, SAM2Predictor
        from ultralytics.models.sam.modules.sam import SAM2Model

        self.path = path
        self.spec = discover(safe_mode=True).open_file(path)
        model = self.spec.load()
        assert isinstance(model, Segmenter)
        self.model = model
        self.embedding = model.embed(pixels)
        options = {"imgsz": 1024, "device": "cpu", "save": False, "verbose": False}
        self.reference = (SAM2Predictor if isinstance(built, SAM2Model) else Predictor)(overrides=options)
        self.reference.setup_model(built, verbose=False)
        self.reference.set_image(np.ascontiguousarray(pixels[..., ::-1]))

    def expected(self, prompt: Prompt, *, many: bool) -> tuple[np.ndarray, np.ndarray]:
        """Masks (N, H, W) and scores (N,) of the reference, best first where there are many."""
        box = prompt.box
        masks, boxes = self.reference.inference_features(
            self.reference.features,
            src_shape=(1080, 810),
            points=[(prompt.points - HALF).tolist()],
            labels=[prompt.positive.astype(int).tolist()],
            bboxes=None if box is None else [[value - HALF for value in (box.x0, box.y0, box.x1, box.y1)]],
            multimask_output=many,
        )
        scores = boxes[:, 4].numpy()
        order = np.argsort(-scores, kind="stable")
        return masks.numpy()[order], scores[order]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    import importlib.util

    found = importlib.util.find_spec("ultralytics")
    assert found is not None
    assert found.origin is not None
    return read_pixels(Path(found.origin).parent / "assets/bus.jpg").rgb


@pytest.fixture(scope="module", autouse=True)
def ultralytics_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELER_DATA_DIR", str(tmp_path_factory.mktemp("home")))
        import_ultralytics()
        yield


@pytest.fixture(scope="module")
def mobile(pixels, tmp_path_factory) -> Case:
    import torch
    from ultralytics.models.sam import build

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("mobile") / "mobile_sam.pt"
    built = build.build_mobile_sam()
    torch.save(built.state_dict(), path)
    return Case(path, pixels, built)


@pytest.fixture(scope="module")
def sam_2(pixels, tmp_path_factory) -> Case:
    import torch
    from ultralytics.models.sam import build

    torch.manual_seed(3)
    built = build.build_sam2_t()
    state = built.state_dict()
    # what 2.1 has more, with the sizes of the published files
    state["no_obj_embed_spatial"] = torch.randn(1, 64)
    state["obj_ptr_tpos_proj.weight"] = torch.randn(64, 256)
    state["obj_ptr_tpos_proj.bias"] = torch.randn(64)
    path = tmp_path_factory.mktemp("sam2") / "sam2.1_t.pt"
    torch.save({"model": state}, path)
    return Case(path, pixels, built)


@pytest.fixture(params=["mobile", "sam_2"])
def case(request) -> Case:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Case)
    return found


def test_files_are_known_by_what_is_in_them(mobile, sam_2) -> None:
    assert mobile.spec.title == "MobileSAM (mobile_sam)"
    assert sam_2.spec.title == "SAM 2.1 tiny (sam2.1_t)"
    for one in (mobile, sam_2):
        assert (one.spec.task, one.spec.licence) == ("segmenter", "Apache-2.0")
        assert one.embedding.size == (1080, 810)
    assert list(mobile.embedding.arrays) == ["image"]
    shapes = {name: array.shape for name, array in sam_2.embedding.arrays.items()}
    assert shapes == {
        "image": (1, 256, 64, 64),
        "high_res_0": (1, 32, 256, 256),
        "high_res_1": (1, 64, 128, 128),
    }


def test_a_lone_point_gives_its_predictors_masks(case) -> None:
    proposals = case.model.segment(case.embedding, LONE)
    masks, scores = case.expected(LONE, many=True)
    assert len(proposals) == len(masks) == 3
    for proposal, mask, score in zip(proposals, masks, scores, strict=True):
        assert proposal.confidence == pytest.approx(np.clip(score, 0, 1), abs=1e-4)
        assert np.count_nonzero(to_bits(proposal.mask, (1080, 810)) != mask) < 1e-3 * mask.size


def test_a_box_with_points_gives_its_predictors_single_mask_first(case) -> None:
    (first, *others) = case.model.segment(case.embedding, SAID)
    masks, scores = case.expected(SAID, many=False)
    assert len(others) == 2
    assert first.confidence == pytest.approx(np.clip(scores[0], 0, 1), abs=1e-4)
    assert np.count_nonzero(to_bits(first.mask, (1080, 810)) != masks[0]) < 1e-3 * masks[0].size
    (alone,) = case.model.segment(case.embedding, SAID, limit=1, threads=1)
    assert alone.confidence == pytest.approx(first.confidence, abs=1e-4)


def test_a_box_alone_and_logits_fed_back_are_answered(mobile) -> None:
    (first, *_) = mobile.model.segment(mobile.embedding, Prompt(box=SAID.box))
    (again, *_) = mobile.model.segment(mobile.embedding, Prompt(box=SAID.box, previous=first.logits))
    assert first.logits.shape == again.logits.shape == (256, 256)
    assert np.abs(first.logits - again.logits).max() > 1e-3 * np.abs(first.logits).max()


def test_embeddings_survive_the_cache(sam_2, tmp_path) -> None:
    case = sam_2  # with three arrays the harder one
    cache = EmbeddingCache(tmp_path)
    cache.put(case.spec.fingerprint, "ab" * 20, case.embedding)
    cached = cache.get(case.spec.fingerprint, "ab" * 20)
    assert cached is not None
    fresh = case.model.segment(case.embedding, LONE)[0]
    kept = case.model.segment(cached, LONE)[0]
    assert kept.confidence == pytest.approx(fresh.confidence, abs=1e-2)
    assert np.abs(kept.logits - fresh.logits).max() < 2e-2 * np.abs(fresh.logits).max()


def test_encoding_can_be_called_off(mobile, pixels) -> None:
    interrupt = Interrupt()
    interrupt.set()
    with pytest.raises(InterruptedWorkError):
        mobile.model.embed(pixels, interrupt=interrupt)


@pytest.mark.parametrize("size", [(1080, 810), (333, 500), (40, 3000)])
def test_images_of_any_shape_give_masks_inside_them(mobile, size) -> None:
    embedding = Embedding(mobile.embedding.arrays, size)
    prompt = Prompt(np.array([[size[1] / 2, size[0] / 2]]), np.array([True]))
    for proposal in mobile.model.segment(embedding, prompt):
        assert 0 <= proposal.mask.x <= proposal.mask.x + proposal.mask.width <= size[1]
        assert 0 <= proposal.mask.y <= proposal.mask.y + proposal.mask.height <= size[0]


def test_a_checkpoint_of_other_sizes_is_one_sentence(mobile, tmp_path) -> None:
    import torch

    state = torch.load(mobile.path, weights_only=True)
    state["mask_decoder.iou_token.weight"] = torch.zeros(1, 3)
    odd = tmp_path / "odd.pt"
    torch.save(state, odd)
    spec = discover(safe_mode=True).open_file(odd)
    with pytest.raises(ModelError, match=r"odd\.pt” could not be loaded \(RuntimeError"):
        spec.load()
