"""Detectors that read: small ones of random weights, saved in the real checkpoints' form."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from labeler.core.geometry import bounds
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Mask
from labeler.errors import ModelError
from labeler.models.detections import letterbox
from labeler.models.files import weights
from labeler.models.files.catalog import entry
from labeler.models.protocols import Detector
from labeler.models.text_encoders import load_encoder, phrases_of
from labeler.models.ultralytics_home import import_ultralytics
from labeler.registry import discover

TEXT = "a red bicycle, a bus"
PHRASES = ("a red bicycle", "a bus")

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="needs transformers, of an extra"
)
needs_open_clip = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None, reason="needs open_clip, of an extra"
)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    found = importlib.util.find_spec("ultralytics")
    assert found is not None
    assert found.origin is not None
    return read_pixels(Path(found.origin).parent / "assets/bus.jpg").rgb


@pytest.fixture(scope="module", autouse=True)
def ultralytics_at_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELER_DATA_DIR", str(tmp_path_factory.mktemp("home")))
        import_ultralytics()
        yield


def saved(model: object, path: Path, task: str) -> Path:
    """A network as ultralytics' trainer saves it."""
    import torch

    content = {
        "model": model.half(),
        "ema": None,
        "train_args": {"task": task},
        "epoch": -1,
        "version": "8.4",
    }
    torch.save(content, path)
    return path


def normalised(model: object, pixels: np.ndarray, words: str) -> object:
    """Random weights, but such that the features of a photo differ, and some of them are sure."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    frame, _ = letterbox(pixels, side=640, stride=32)
    model.model[-1].nc = 2
    with torch.no_grad():
        model.train().predict(torch.from_numpy(frame), **{words: vectors(PHRASES)})
    for contrast in model.model[-1].cv4:
        torch.nn.init.constant_(contrast.logit_scale, 0.7)
        torch.nn.init.constant_(contrast.bias, -7.0)
    return model.eval()


@pytest.fixture(scope="module")
def world(pixels, tmp_path_factory) -> Path:
    import torch
    from ultralytics.nn.tasks import WorldModel

    torch.manual_seed(5)
    model = normalised(WorldModel("yolov8n-worldv2.yaml", nc=80, verbose=False), pixels, "txt_feats")
    return saved(model, tmp_path_factory.mktemp("world") / "tiny-world.pt", "detect")


@pytest.fixture(scope="module")
def yoloe(pixels, tmp_path_factory) -> Path:
    import torch
    from ultralytics.nn.tasks import YOLOESegModel

    torch.manual_seed(5)
    model = normalised(YOLOESegModel("yoloe-11n-seg.yaml", nc=80, verbose=False), pixels, "tpe")
    return saved(model, tmp_path_factory.mktemp("yoloe") / "tiny-yoloe.pt", "segment")


def vectors(phrases):
    """Stands for the text encoder, whose file is 350 MB: unit vectors that depend on the words alone."""
    import torch

    made = [torch.randn(512, generator=torch.Generator().manual_seed(sum(map(ord, one)))) for one in phrases]
    return torch.nn.functional.normalize(torch.stack(made), dim=-1)[None]


def told(path: Path) -> Detector:
    """The model in a file, with `vectors` for its text encoder."""
    model = discover(safe_mode=True).open_file(path).load()
    model._encode = vectors
    return model


def test_phrases_are_divided_by_commas_stops_and_lines() -> None:
    assert phrases_of(" a red  bicycle, dog;dog.\ncat ") == ("a red bicycle", "dog", "cat")
    assert phrases_of(None) == phrases_of(" ,. ") == ()


def test_checkpoints_are_known_by_what_is_in_them(world, yoloe) -> None:
    registry = discover(safe_mode=True)
    for path in (world, yoloe):
        spec = registry.open_file(path)
        assert (spec.id, spec.task, spec.licence) == (path.stem, "detector", "AGPL-3.0")
        assert (spec.reads_text, spec.needs_suppression) == (True, True)


@pytest.mark.parametrize("which", ["world", "yoloe"])
def test_what_ultralytics_keeps_is_among_our_candidates(which, request, pixels) -> None:
    from ultralytics import YOLOE, YOLOWorld

    path = request.getfixturevalue(which)
    found = told(path).detect(pixels, TEXT)
    reference = (YOLOWorld if which == "world" else YOLOE)(str(path))
    if which == "world":
        reference.model.txt_feats = vectors(PHRASES)
        reference.model.model[-1].nc = 2
        reference.model.names = dict(enumerate(PHRASES))
    else:
        words = reference.model.float().model[-1].get_tpe(vectors(PHRASES))
        reference.model.set_classes(list(PHRASES), words.detach())
    options = {"conf": 0.01, "iou": 0.7, "device": "cpu", "verbose": False, "save": False}
    (result,) = reference.predict(np.ascontiguousarray(pixels[..., ::-1]), **options)
    assert len(result.boxes) > 5
    assert len(found) > len(result.boxes)
    if which == "world":
        corners = np.array([(one.shape.x0, one.shape.y0, one.shape.x1, one.shape.y1) for one in found])
    confidences = np.array([one.confidence for one in found])
    for box, confidence, kind in zip(result.boxes.xyxy, result.boxes.conf, result.boxes.cls, strict=True):
        same = np.abs(confidences - float(confidence)) < 2e-3
        assert same.any()
        labels = {found[index].label for index in np.flatnonzero(same)}
        assert PHRASES[int(kind)] in labels
        if which == "world":
            assert np.abs(corners[same] - box.numpy()).max(axis=1).min() < 0.6


def test_yoloe_gives_masks_inside_the_boxes(yoloe, pixels) -> None:
    found = told(yoloe).detect(pixels, TEXT)
    masks = [one for one in found if isinstance(one.shape, Mask)]
    assert masks
    assert all(one.confidence >= 0.05 for one in masks)
    assert all(bounds(one.shape).x1 <= 810 and bounds(one.shape).y1 <= 1080 for one in masks)


def test_other_words_give_another_answer_and_none_the_models_own(world, pixels) -> None:
    model = told(world)
    first, other = (model.detect(pixels, text) for text in (TEXT, "a zebra"))
    assert {one.label for one in first} <= set(PHRASES)
    assert {one.label for one in other} == {"a zebra"}
    assert all(isinstance(one.shape, Box) for one in first)
    assert {one.label for one in model.detect(pixels)} <= {str(number) for number in range(80)}


def test_yoloe_must_be_told(yoloe, pixels) -> None:
    with pytest.raises(ModelError, match="say what to look for"):
        told(yoloe).detect(pixels, " ")


@pytest.mark.parametrize("which", ["world", "yoloe"])
def test_a_missing_text_encoder_is_one_sentence(which, request, pixels) -> None:
    name = {"world": "clip-vit-b-32", "yoloe": "mobileclip-blt"}[which]
    model = discover(safe_mode=True).open_file(request.getfixturevalue(which)).load()
    with pytest.raises(ModelError, match=f"labeler models get {name}`, or put https://.* into ") as raised:
        model.detect(pixels, TEXT)
    assert str(weights.folder()) in str(raised.value)


def test_another_file_in_the_text_encoders_place_is_not_opened() -> None:
    path = weights.path_of(entry("mobileclip-blt"))
    path.write_bytes(b"something else")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        load_encoder("mobileclip-blt")


@needs_open_clip
@pytest.mark.filterwarnings("default")  # torch deprecates TorchScript
def test_a_torchscript_text_encoder_turns_phrases_into_unit_vectors(tmp_path) -> None:
    import torch

    from labeler.models import text_encoders

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(49408, 16)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.embed(tokens).sum(1)

    path = tmp_path / "tower.ts"
    torch.jit.script(Tower()).save(str(path))
    found = text_encoders._mobile_clip(path)(PHRASES)
    assert found.shape == (1, 2, 16)
    assert torch.allclose(found.norm(dim=-1), torch.ones(1, 2))
    assert not torch.allclose(found[0, 0], found[0, 1])


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is installed")
@pytest.mark.parametrize("kind", ["owlv2", "grounding-dino"])
def test_without_transformers_it_is_one_sentence(kind, tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    spec = discover(safe_mode=True).open_file(tmp_path / "model.safetensors")
    assert (spec.id, spec.reads_text) == (tmp_path.name, True)
    assert spec.needs_suppression is (kind == "owlv2")
    with pytest.raises(ModelError, match=r"transformers is needed; install labeler\[open-vocabulary\]"):
        spec.load()


def owl(folder: Path) -> None:
    import torch
    from transformers import (
        CLIPTokenizer,
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2Processor,
    )

    torch.manual_seed(2)
    letters = [chr(code) for code in range(97, 123)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    layer = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": 52, "eos_token_id": 53, "pad_token_id": 53}
    config = Owlv2Config(
        text_config={**layer, **ends, "vocab_size": len(words), "max_position_embeddings": 64},
        vision_config={**layer, "image_size": 96, "patch_size": 16},
        projection_dim=32,
    )
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=64)
    Owlv2Processor(Owlv2ImageProcessor(size={"height": 96, "width": 96}), tokenizer).save_pretrained(folder)


def dino(folder: Path) -> None:
    import torch
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(2)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "red", "bicycle", "bus", "zebra"]
    vocabulary = {word: index for index, word in enumerate(words)}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2],
            window_size=4, out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32,
        ),
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        num_queries=30, use_timm_backbone=False, **heads,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    image_processor = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    GroundingDinoProcessor(image_processor, BertTokenizer(vocab=vocabulary)).save_pretrained(folder)


@needs_transformers
@pytest.mark.filterwarnings("default")  # transformers' own
@pytest.mark.parametrize(("make", "kind"), [(owl, "owlv2"), (dino, "grounding-dino")])
def test_transformers_models_give_what_their_own_processor_does(make, kind, tmp_path, pixels) -> None:
    import torch
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    make(tmp_path)
    spec = discover(safe_mode=True).open_file(tmp_path / "model.safetensors")
    assert (spec.task, spec.reads_text, spec.needs_suppression) == ("detector", True, kind == "owlv2")
    model = spec.load()
    found = model.detect(pixels, TEXT)
    assert len(found) > 5
    assert {one.label for one in found} <= set(PHRASES)
    processor = AutoProcessor.from_pretrained(tmp_path)
    asked = [[f"a photo of {one}" for one in PHRASES]] if kind == "owlv2" else "a red bicycle. a bus. "
    inputs = processor(text=asked, images=pixels, return_tensors="pt")
    with torch.inference_mode():
        outputs = AutoModelForZeroShotObjectDetection.from_pretrained(tmp_path).eval()(**inputs)
    (expected,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, target_sizes=[(1080, 810)]
    )
    theirs = expected["boxes"].numpy().clip(0, [810, 1080, 810, 1080])
    for one in found:
        corners = np.array([one.shape.x0, one.shape.y0, one.shape.x1, one.shape.y1])
        same = np.abs(theirs - corners).max(axis=1) < 0.1
        assert same.any()
        assert one.confidence <= float(expected["scores"][same].max()) + 1e-4
    if kind == "owlv2":
        assert found[0].confidence == pytest.approx(float(expected["scores"].max()), abs=1e-4)
    with pytest.raises(ModelError, match="say what to look for"):
        model.detect(pixels, "")
