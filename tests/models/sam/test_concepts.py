"""SAM 3 told in words: a small one of random weights, saved in the published checkpoint's form."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labeler.core.geometry import to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Mask
from labeler.errors import ModelError
from labeler.models.files.pickles import load_state_dict, tensor_shapes
from labeler.models.protocols import Detector
from labeler.models.sam import concepts
from labeler.models.ultralytics_home import import_ultralytics
from labeler.registry import discover

SMALL = concepts.Sam3Sizes(128, 4, 592, 64, 2, 200, 32, 336)
"""The published one is (1024, 32, 4736, 1024, 24, 49408, 32, 1008)."""
TEXT = "a bus, a person"

needs_open_clip = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None, reason="needs open_clip, of an extra"
)


def tokens(texts: list[str], context_length: int) -> Any:
    """Stands for the tokenizer of an extra: letters as tokens, between a start and the highest as the end."""
    import torch

    rows = [[198, *(ord(letter) for letter in text), 199] for text in texts]
    return torch.tensor([(row + [0] * context_length)[:context_length] for row in rows])


@pytest.fixture(scope="module", autouse=True)
def ultralytics_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELER_DATA_DIR", str(tmp_path_factory.mktemp("home")))
        import_ultralytics()
        yield


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    found = importlib.util.find_spec("ultralytics")
    assert found is not None
    assert found.origin is not None
    return read_pixels(Path(found.origin).parent / "assets/bus.jpg").rgb


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Detector and tracker in one state dict, and tables that the detector computes by itself."""
    import torch

    pytest.importorskip("timm", reason="ultralytics' SAM 3 needs timm, which an extra brings")
    torch.manual_seed(7)
    state = concepts._model(SMALL, tokens).state_dict()
    for name, value in state.items():
        if not torch.isfinite(value).all() or "positional_embedding" in name or "text_projection" in name:
            torch.nn.init.normal_(value, std=0.02)  # left empty where they are made
    content = {f"detector.{name}": value for name, value in state.items()}
    content["detector.backbone.vision_backbone.trunk.blocks.0.attn.freqs_cis"] = torch.zeros(24 * 24, 32)
    content["detector.geometry_encoder.norm.weight"] = torch.ones(256)
    content["tracker.maskmem_tpos_enc"] = torch.zeros(7, 1, 1, 64)
    path = tmp_path_factory.mktemp("sam3") / "sam3.pt"
    torch.save(content, path)
    return path


def loaded(path: Path) -> Detector:
    """As the plugin loads it, with `tokens` for the tokenizer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labeler.models.text_encoders.import_module", lambda _: _Module)
        model = discover(safe_mode=True).open_file(path).load()
    assert isinstance(model, Detector)
    return model


class _Module:
    """In place of the module `open_clip.tokenizer`."""

    @staticmethod
    def SimpleTokenizer() -> Any:  # noqa: N802  # the package's name
        return tokens


def test_a_checkpoint_is_known_by_what_is_in_it(checkpoint) -> None:
    spec = discover(safe_mode=True).open_file(checkpoint)
    assert (spec.title, spec.task, spec.reads_text) == ("SAM 3 (sam3)", "detector", True)
    assert concepts.sizes_of(tensor_shapes(checkpoint)) == SMALL


def test_text_gives_what_ultralytics_predictor_gives_before_its_nms(checkpoint, pixels) -> None:
    from ultralytics.models.sam import SAM3SemanticPredictor

    candidates = loaded(checkpoint).detect(pixels, TEXT)
    assert {one.label for one in candidates} == {"a bus", "a person"}
    assert all(one.confidence > 0.001 for one in candidates)

    options = {"imgsz": SMALL.side, "device": "cpu", "conf": 0.05, "iou": 1.0}
    predictor = SAM3SemanticPredictor(overrides={**options, "save": False, "verbose": False})
    built = concepts.build(SMALL, load_state_dict(checkpoint), tokens)
    predictor.setup_model(built, verbose=False)
    predictor.imgsz = [SMALL.side, SMALL.side]
    (found,) = predictor(np.ascontiguousarray(pixels[..., ::-1]), text=["a bus", "a person"])
    assert found.boxes is not None
    confident = [one for one in candidates if one.confidence > 0.05]
    assert len(confident) == len(found.boxes) > 10
    for ours, score, kind, mask in zip(
        confident[:20], found.boxes.conf, found.boxes.cls, found.masks.data, strict=False
    ):
        assert ours.confidence == pytest.approx(float(score), abs=1e-5)
        assert ours.label == ("a bus", "a person")[int(kind)]
        assert isinstance(ours.shape, Mask)
        assert np.count_nonzero(to_bits(ours.shape, pixels.shape[:2]) != mask.numpy()) < 1e-3 * mask.numel()


def test_it_must_be_told_what_to_look_for(checkpoint, pixels) -> None:
    with pytest.raises(ModelError, match="say what to look for"):
        loaded(checkpoint).detect(pixels, " ")


def test_a_checkpoint_that_lacks_weights_is_refused(checkpoint, tmp_path) -> None:
    import torch

    content = torch.load(checkpoint, weights_only=True)
    del content["detector.dot_prod_scoring.hs_proj.weight"]
    short = tmp_path / "short.pt"
    torch.save(content, short)
    with pytest.raises(ModelError, match=r"1 of its weights are missing, the first “dot_prod_scoring"):
        loaded(short)


@pytest.mark.skipif(importlib.util.find_spec("open_clip") is not None, reason="open_clip is installed")
def test_without_a_tokenizer_it_is_one_sentence(checkpoint) -> None:
    spec = discover(safe_mode=True).open_file(checkpoint)
    with pytest.raises(ModelError, match=r"open_clip, which is not installed; install labeler\[open-vocab"):
        spec.load()


@needs_open_clip
@pytest.mark.filterwarnings("default")  # open_clip's own, at its import
def test_open_clip_cuts_text_as_sam_3_expects() -> None:
    from labeler.models.text_encoders import tokenizer

    cut = tokenizer()(["a photo of a cat"], context_length=32)  # the tokens that CLIP's paper's code gives
    assert cut.shape == (1, 32)
    assert cut[0, :8].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407, 0]
