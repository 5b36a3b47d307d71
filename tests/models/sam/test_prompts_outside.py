"""MobileSAM, and what clicks learnt, outside of the app: the program beside gives the masks of the app."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Prompt
from labeler.core.rle import mask_to_rle
from labeler.models.portable import export_model
from labeler.models.protocols import ModelSpec
from labeler.models.sam import clicks_file
from labeler.models.sam.clicks_file import Gate, Taught
from labeler.models.sam.mobile_sam import DECODER
from labeler.models.sam.onnx_decoder import LEARNT, MASKS, read_decoder
from labeler.registry import discover
from tests.models.test_portable import overlap, pixels_apart, run_alone


@pytest.fixture
def photos(shared, tmp_path) -> list[Path]:
    """Three photos without loss: one larger than what the encoder sees, one smaller, one upright."""
    folder = tmp_path / "photos"
    folder.mkdir()
    found = sorted((shared / "data/coco-mini/images").iterdir())[:3]
    for path, size in zip(found, [(2500, 1501), (320, 240), (333, 500)], strict=True):
        with Picture.open(path) as photo:
            photo.convert("RGB").resize(size).save(folder / f"{path.stem}.png", compress_level=1)
    return sorted(folder.iterdir())


def clicks_of(path: Path, kinds: tuple[str, ...]) -> Path:
    """A decoder whose last layers are a little other than MobileSAM's, used for prompts of these kinds."""
    random = np.random.default_rng(1)
    learnt = {
        name.removeprefix(MASKS): (values * random.normal(1, 0.02, values.shape)).astype(np.float32)
        for name, values in read_decoder(DECODER.path).items()
        if name.removeprefix(MASKS).startswith(LEARNT)
    }
    gates = tuple(Gate(kind, 9, (0.5,), (0.6,), is_open=kind in kinds) for kind in ("point", "box"))
    clicks_file.save(path, learnt, Taught(DECODER.sha256, gates, 1), categories=(), title="My clicks")
    return path


def asked_of(photo: Path) -> list[dict]:
    """A lone point, several, a box, and a box with a point."""
    height, width = read_pixels(photo).rgb.shape[:2]
    x, y = width / 2, height / 2
    box = [x / 2, y / 2, width - 20.5, height - 10]
    prompts = (
        {"points": [[x, y]], "positive": [True]},
        {"points": [[x, y], [x / 2, y / 2]], "positive": [True, False]},
        {"box": box},
        {"box": box, "points": [[x, y]], "positive": [True]},
    )
    return [{"photo": photo.name, **prompt} for prompt in prompts]


def prompt_of(asked: dict) -> Prompt:
    box = Box(*asked["box"]) if "box" in asked else None
    points = np.array(asked.get("points", []), dtype=np.float64).reshape(-1, 2)
    return Prompt(points, np.array(asked.get("positive", []), dtype=bool), box)


@pytest.mark.parametrize("kinds", [None, (), ("point",), ("point", "box")])
def test_prompts_are_answered_the_same_outside(kinds, photos, tmp_path) -> None:
    known = discover(safe_mode=True)
    spec: ModelSpec = known.model("mobilesam")
    if kinds is not None:
        spec = known.open_file(clicks_of(tmp_path / "clicks.safetensors", kinds))
    out = tmp_path / "left"
    files = {path.name for path in export_model(spec, "onnx", out)}
    assert ("learnt-decoder.onnx" in files) == bool(kinds)
    asked = [prompt for photo in photos for prompt in asked_of(photo)]
    listed = photos[0].parent / "prompts.json"
    listed.write_text(json.dumps(asked), "utf-8")
    alone = run_alone(out, [listed], within=tmp_path)
    segmenter = spec.load()
    seen = {photo.name: segmenter.embed(read_pixels(photo).rgb) for photo in photos}
    for theirs, one in zip(alone, asked, strict=True):
        embedding = seen[one["photo"]]
        ours = segmenter.segment(embedding, prompt_of(one))[0]
        size = embedding.size
        mask = {"segmentation": {"size": size, "counts": mask_to_rle(ours.mask, size)}}
        assert theirs["score"] == pytest.approx(ours.confidence, abs=1e-3), one
        assert overlap(theirs, mask) >= 0.999 or pixels_apart(theirs, mask) <= 1, one
