"""Torchvision's detectors: told apart by their weights, and raw where their own NMS would have decided."""

from pathlib import Path

import numpy as np
import pytest

from labeler.core.geometry import bounds, to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Candidate, Mask
from labeler.core.suppression import suppress
from labeler.errors import ModelError
from labeler.models.detections import Letterbox, upsampled
from labeler.models.protocols import ModelSpec
from labeler.registry import discover

QUICK = ["fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large"]
SLOW = ["maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn", "fcos_resnet50_fpn"]
NAMES = ["cat", "dog", "red fox"]


def built(name: str):
    """A model of random weights, whose confidences are spread so that some are worth keeping."""
    import torch
    from torchvision.models import detection

    torch.manual_seed(0)
    model = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=4).eval()
    for key, values in model.state_dict().items():
        if key.endswith("cls_score.weight") or ("classification_head" in key and key.endswith(".1.weight")):
            values.mul_(8)
    return model


@pytest.fixture
def small(photo) -> Path:
    """A part of the photo: random networks see nothing in it, but are done sooner."""
    import cv2

    cv2.imwrite(str(photo), cv2.imread(str(photo))[300:620, 100:500])
    return photo


def opened(path: Path) -> ModelSpec:
    return discover(safe_mode=True).open_file(path)


def corners(candidates: list[Candidate]) -> np.ndarray:
    boxes = [bounds(one.shape) for one in candidates]
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes]).reshape(-1, 4)


def check(name: str, small: Path, folder: Path) -> None:
    """After our NMS, the best are what torchvision gives after its own; names are those in the file."""
    import torch

    model = built(name)
    path = folder / f"{name}.pth"
    torch.save({"model": model.state_dict(), "names": NAMES}, path)
    spec = opened(path)
    assert (spec.task, spec.needs_suppression, spec.categories) == ("detector", True, tuple(NAMES))
    rgb = read_pixels(small).rgb
    candidates = spec.load().detect(rgb)
    assert {one.label for one in candidates} <= {"background", *NAMES}

    stage = getattr(model, "roi_heads", model)
    stage.score_thresh = 0.001
    with torch.inference_mode():
        (theirs,) = model([torch.from_numpy(rgb.copy()).permute(2, 0, 1) / 255])
    boxes = corners(list(candidates))
    confidences = np.array([one.confidence for one in candidates])
    labels = [one.label for one in candidates]
    kept = suppress(boxes, confidences, labels, threshold=stage.nms_thresh).kept
    if name != "fcos_resnet50_fpn":  # at random weights its boxes do not overlap
        assert len(kept) < len(candidates), "nothing was left for our NMS"
    sides = theirs["boxes"][:, 2:] - theirs["boxes"][:, :2]
    has_area = (sides > 0).all(dim=1)  # we keep no box that lies outside of the image
    best = theirs["scores"][has_area][:20].numpy()
    assert all(np.abs(confidences - score).min() < 1e-4 for score in best), "one is not among the raw ones"
    # overlaps of exactly the threshold, common among anchors, may fall to either side
    assert sum(np.abs(confidences[kept] - score).min() < 1e-4 for score in best) >= 17
    for place, score in enumerate(best[:5]):
        alike = np.flatnonzero(np.abs(confidences - score) < 1e-4)
        plain = [index for index in alike if not isinstance(candidates[index].shape, Mask)]
        if plain and len(plain) == len(alike):
            assert np.abs(boxes[plain] - theirs["boxes"][has_area][place].numpy()).max(axis=1).min() < 0.5


@pytest.mark.parametrize("name", QUICK)
def test_raw_candidates_become_torchvisions_own_results_by_our_nms(name, small, tmp_path) -> None:
    check(name, small, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_larger_ones_too(name, small, tmp_path) -> None:
    check(name, small, tmp_path)


def test_masks_over_boxes_lie_where_torchvision_pastes_them() -> None:
    import torch
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    y, x = np.mgrid[0:28, 0:28]
    values = (1 / (1 + np.exp((np.hypot(y - 13, x - 11) - 9) / 2))).astype(np.float32)
    box = np.array([30.4, 20.7, 250.2, 190.9])
    width, height = box[2:] - box[:2]
    place = Letterbox((240, 300), 28 / width, 28 / height, -box[0] * 28 / width, -box[1] * 28 / height)
    ours = upsampled(values, box, place, threshold=0.5)
    assert ours is not None
    bits = to_bits(ours, (240, 300))
    pasted = paste_masks_in_image(
        torch.from_numpy(values)[None, None], torch.from_numpy(box)[None], (240, 300)
    )
    theirs = pasted[0, 0].numpy() > 0.5
    assert (bits & theirs).sum() / (bits | theirs).sum() > 0.97


def test_weights_in_safetensors_are_opened_too(tmp_path, small) -> None:
    import json

    state = built(QUICK[1]).state_dict()
    header, data = {"__metadata__": {"names": json.dumps(NAMES)}}, b""
    kinds = {"torch.float32": "F32", "torch.int64": "I64"}
    for key, values in state.items():
        part = values.contiguous().numpy().tobytes()
        shape = list(values.shape)
        header[key] = {
            "dtype": kinds[str(values.dtype)],
            "shape": shape,
            "data_offsets": [len(data), len(data) + len(part)],
        }
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = tmp_path / "ssd.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    spec = opened(path)
    assert spec.title.startswith("SSDlite")
    assert spec.load().detect(read_pixels(small).rgb)


def test_coco_names_where_the_number_of_classes_is_cocos(tmp_path, small) -> None:
    import torch
    from torchvision.models import detection

    torch.manual_seed(0)
    model = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=91)
    torch.save(model.state_dict(), tmp_path / "coco.pth")
    labels = {one.label for one in opened(tmp_path / "coco.pth").load().detect(read_pixels(small).rgb)}
    assert labels & {"person", "bicycle", "toothbrush", "dog", "donut"}


def test_weights_of_something_else_are_refused(tmp_path) -> None:
    import torch

    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(
        ModelError, match=r"“other\.pth” is not a model file that can be opened; choose \w+ one\.$"
    ):
        opened(tmp_path / "other.pth")
    (tmp_path / "noise.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match="is not a model file"):
        opened(tmp_path / "noise.safetensors")
