"""Torchvision's two-stage detectors: what they learn from, what is carried over, and whole small runs."""

import json

import numpy as np
import pytest

from labeler.core.geometry import bounds
from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Box, Candidate
from labeler.errors import LabelerError
from labeler.models.protocols import Detector
from labeler.registry import discover
from labeler.training import events
from labeler.training.precision import JudgedImage, precision
from labeler.training.specs import StoppedError
from tests.training.shapes import NAMES, SIZE, make_run

QUICK = {"epochs": 1, "batch": 1, "size": 64}


@pytest.fixture(autouse=True)
def _one_thread():
    """On images this small, and among other processes, more threads only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def detection():
    from labeler.training import detection

    return detection


def trainer(name: str):
    return discover(safe_mode=True).trainer(name)


def of_kind(run, kind: type) -> list:
    return [one for one in run.events() if isinstance(one, kind)]


def plan(detection, **changes):
    wanted = {
        "trainer": "mask-rcnn",
        "builder": "maskrcnn_mobilenet_v3_large_fpn",
        "weights": None,
        "weights_names": (),
        "epochs": 1,
        "batch": 2,
        "size": 192,
        "rate": 1e-4,
        "masks": True,
    }
    return detection.DetectionPlan(**wanted | changes)


# --- figures ------------------------------------------------------------------------------------------
def test_precision_is_of_known_names_and_nothing_without_truths() -> None:
    truth = Annotation(1, 1, 5, Box(10, 10, 30, 30))
    found = [Candidate(0, 0, 0, 0, Box(10, 10, 30, 30), 0.9, name) for name in ("cat", "cow")]
    assert precision([JudgedImage((50, 50), [truth], found)], {"cat": 5}) == pytest.approx(
        {"AP": 1.0, "AP50": 1.0}
    )
    assert precision([JudgedImage((50, 50), [truth], found[1:])], {"cat": 5}) == {"AP": 0.0, "AP50": 0.0}
    assert precision([JudgedImage((50, 50), [], [])], {"cat": 5}, prefix="mask ") == {}


# --- what is learnt from ------------------------------------------------------------------------------
def test_targets_lie_on_what_the_image_shows(detection, tmp_path) -> None:
    run = make_run(tmp_path / "run", "mask-rcnn", images=5)
    task = detection.DetectionTask(None, run.train_set(), run.validation_set(), plan(detection), 0)
    assert task.steps(2) == 3
    batches = list(task.batches(1, 2))
    assert [len(images) for images, _ in batches] == [2, 2, 1]
    empty = 0
    for images, targets in batches:
        for image, target in zip(images, targets, strict=True):
            assert image.shape == (3, 192, 256)
            if not len(target["labels"]):
                empty += 1
                assert target["boxes"].shape == (0, 4)
                assert target["masks"].shape == (0, 192, 256)
                continue
            mask, grey = target["masks"][0].bool(), image.mean(dim=0)
            bright = bool(grey[mask].mean() > grey[~mask].mean())
            assert target["labels"].tolist() == [1 if bright else 2]
            assert abs(float(grey[mask].mean() - grey[~mask].mean())) > 0.2
            ys, xs = np.nonzero(mask.numpy())
            corners = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            np.testing.assert_allclose(target["boxes"][0], corners, atol=1)
    assert empty == 1
    again = list(task.batches(1, 2))
    assert all((a == b).all() for a, b in zip(batches[0][0], again[0][0], strict=True))
    other = list(task.batches(2, 2))
    assert not all((a == b).all() for a, b in zip(batches[0][0], other[0][0], strict=True))


def test_the_image_is_scaled_as_the_model_would_do_it(detection) -> None:
    rgb = np.zeros((100, 400, 3), np.uint8)
    one = Annotation(1, 1, 1, Box(100, 20, 200, 80))
    loaded = detection.scaled(rgb, [one], side=60)
    assert loaded.rgb.shape == (25, 100, 3)  # the longer side decides: 5/3 x 60
    assert bounds(loaded.annotations[0].shape) == Box(25, 5, 50, 20)


# --- what is carried over -----------------------------------------------------------------------------
def test_rows_of_known_classes_are_carried_over(detection, tmp_path) -> None:
    import torch

    from labeler.models.torchvision_models import build, freeze_norms

    torch.manual_seed(1)
    old = build("fasterrcnn_mobilenet_v3_large_320_fpn", 4)
    torch.save(old.state_dict(), tmp_path / "old.pth")
    new = build("fasterrcnn_mobilenet_v3_large_320_fpn", 3)
    before = new.roi_heads.box_predictor.cls_score.weight.clone()
    detection.carry_over(
        new, tmp_path / "old.pth", ["background", "cat", "Dark", "dog"], ["background", "dark", "bright"]
    )
    ours, theirs = new.roi_heads.box_predictor, old.roi_heads.box_predictor
    torch.testing.assert_close(ours.cls_score.weight[:2], theirs.cls_score.weight[[0, 2]])
    torch.testing.assert_close(ours.cls_score.weight[2], before[2])
    torch.testing.assert_close(ours.bbox_pred.weight[4:8], theirs.bbox_pred.weight[8:12])
    torch.testing.assert_close(new.rpn.head.cls_logits.weight, old.rpn.head.cls_logits.weight)
    images = [torch.rand(3, 64, 64)]
    expected = new.eval().backbone(images[0][None])
    freeze_norms(new)
    for name, values in new.train().backbone(images[0][None]).items():
        torch.testing.assert_close(values, expected[name], atol=1e-4, rtol=1e-3)
    with pytest.raises(LabelerError, match=r"“old\.pth” holds the weights of another model"):
        detection.carry_over(
            build("maskrcnn_mobilenet_v3_large_fpn", 3), tmp_path / "old.pth", ["background"], ["background"]
        )


# --- whole runs ---------------------------------------------------------------------------------------
def test_a_stopped_run_goes_on_and_its_file_is_a_detector(tmp_path) -> None:
    run = make_run(tmp_path / "run", "faster-rcnn", images=2, validation=1, **QUICK)
    originals = {path.name: path.read_bytes() for path in run.images.iterdir()}

    with pytest.raises(StoppedError):
        trainer("faster-rcnn").train(run, run.record, lambda: bool(of_kind(run, events.Step)))
    path = trainer("faster-rcnn").train(run, run.record, lambda: False)
    (epoch,) = of_kind(run, events.Epoch)
    assert len(of_kind(run, events.Step)) == 2, "a step was done twice"
    assert epoch.losses.keys() == {"loss", "class", "box", "proposal", "proposal box"}
    assert {"AP", "AP50"} <= epoch.metrics.keys()
    assert any("learns from nothing" in one.sentence for one in of_kind(run, events.Note))
    assert {path.name: path.read_bytes() for path in run.images.iterdir()} == originals
    spec = discover(safe_mode=True).open_file(path)
    assert (spec.title, spec.categories, spec.task) == ("Shapes", NAMES, "detector")
    model = spec.load()
    assert isinstance(model, Detector)
    assert model._model.transform.min_size == (64,)
    found = model.detect(read_pixels(run.validation_set().images[0].path).rgb)
    assert {one.label for one in found} <= set(NAMES)


def test_masks_are_learnt_from_outlines_only(tmp_path) -> None:
    run = make_run(tmp_path / "run", "mask-rcnn", images=2, validation=1, **QUICK)
    path = trainer("mask-rcnn").train(run, run.record, lambda: False)
    (epoch,) = of_kind(run, events.Epoch)
    assert "mask" in epoch.losses
    assert {"AP", "mask AP", "mask AP50"} <= epoch.metrics.keys()
    spec = discover(safe_mode=True).open_file(path)
    found = spec.load().detect(read_pixels(run.validation_set().images[0].path).rgb)
    assert all(0 <= bounds(one.shape).x0 <= SIZE[1] for one in found)

    boxes = make_run(tmp_path / "boxes", "mask-rcnn", masks=False, **QUICK)
    with pytest.raises(LabelerError, match="No image to learn from has outlines"):
        trainer("mask-rcnn").train(boxes, boxes.record, lambda: False)
    assert any(
        "5 objects were left out" in one.sentence for one in boxes.events() if isinstance(one, events.Note)
    )


def test_weights_of_another_model_are_refused(tmp_path) -> None:
    from labeler.models.files import safetensors_file

    path = tmp_path / "other.safetensors"
    safetensors_file.save(path, {"a": np.zeros(2, np.float32)}, {"names": json.dumps(NAMES)})
    run = make_run(tmp_path / "run", "mask-rcnn", weights=str(path))
    with pytest.raises(LabelerError, match="is not a file of torchvision's Mask R-CNN"):
        trainer("mask-rcnn").train(run, run.record, lambda: False)
