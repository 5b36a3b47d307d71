"""The localizer: its losses by worked numbers, and whole small runs of it."""

import numpy as np
import pytest

from labeler.core.geometry import bounds
from labeler.core.photos.images import read_pixels
from labeler.errors import LabelerError, ModelError
from labeler.registry import discover
from labeler.training import events
from labeler.training.specs import StoppedError
from tests.training.shapes import NAMES, make_run


@pytest.fixture(autouse=True)
def _one_thread():
    """On images this small, and among other processes, more threads only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def localizer():
    from labeler.training import localizer

    return localizer


def trainer():
    return discover(safe_mode=True).trainer("localizer")


# --- worked numbers -----------------------------------------------------------------------------------
def test_the_total_is_the_class_loss_plus_lambda_times_the_box_loss(localizer) -> None:
    assert localizer.total(0.08, 31, balance=0.1) == pytest.approx(3.18)


def test_lambda_is_in_what_is_learnt_and_in_what_is_told(localizer, tmp_path) -> None:
    import torch

    run = make_run(tmp_path / "run", "localizer")
    found = {}
    for balance in (0.1, 7.0):
        torch.manual_seed(0)
        plan = localizer.LocalizerPlan(None, epochs=1, batch=4, size=64, balance=balance, rate=1e-3)
        module = localizer.Localizer(2)
        task = localizer.LocalizerTask(module, run.train_set(), run.validation_set(), plan, 0)
        found[balance] = task.losses(next(iter(task.batches(1, 4))), torch.device("cpu"))
    for balance, losses in found.items():
        torch.testing.assert_close(losses["loss"], losses["class"] + balance * losses["Smooth L1"])
        torch.testing.assert_close(losses["lambda x Smooth L1"], balance * losses["Smooth L1"])
    torch.testing.assert_close(found[0.1]["Smooth L1"], found[7.0]["Smooth L1"])


# --- data ---------------------------------------------------------------------------------------------
def test_boxes_follow_what_is_done_to_the_image(localizer) -> None:
    rgb = np.zeros((100, 100, 3), dtype=np.uint8)
    rgb[40:60, 30:70] = 255
    box = (0.5, 0.5, 0.4, 0.2)
    shifted = 0
    for number in range(20):
        made, (cx, cy, w, h) = localizer.augmented_with_box(rgb, box, np.random.default_rng(number))
        ys, xs = np.nonzero(made[..., 0] > (int(made.max()) + int(made.min())) / 2)
        found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        told = 100 * np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
        np.testing.assert_allclose(found, told, atol=1.6)
        shifted += abs(cx - 0.5) > 0.02
    assert shifted > 5


def test_an_image_without_an_object_has_no_box_to_learn(localizer, tmp_path) -> None:
    run = make_run(tmp_path / "run", "localizer", images=4)
    plan = localizer.LocalizerPlan(None, epochs=1, batch=4, size=64, balance=1.0, rate=1e-3)
    task = localizer.LocalizerTask(localizer.Localizer(2), run.train_set(), run.validation_set(), plan, 0)
    (batch,) = task.batches(1, 4)
    empty = batch["there"] == 0
    assert empty.sum() == 1
    assert batch["category"][empty].tolist() == [2], "the class after the last one is “nothing”"
    (again,) = task.batches(1, 4)
    assert all((batch[name] == again[name]).all() for name in batch), "an epoch is not the same twice"


# --- whole runs ---------------------------------------------------------------------------------------
def test_it_learns_where_and_what_and_its_file_is_a_detector(tmp_path) -> None:
    run = make_run(
        tmp_path / "run", "localizer", images=24, validation=4, epochs=10, rate=0.002, batch=8, size=64
    )
    told: list[events.Event] = []
    path = trainer().train(run, told.append, lambda: False)
    epochs = [event for event in told if isinstance(event, events.Epoch)]
    assert epochs[-1].losses["loss"] < 0.8 * epochs[0].losses["loss"]
    assert any("(lambda)" in event.sentence for event in told if isinstance(event, events.Note))
    best = max(epoch.metrics["IoU"] for epoch in epochs)
    assert best > 0.2
    spec = discover(safe_mode=True).open_file(path)
    assert (spec.title, spec.categories, spec.needs_suppression) == ("Shapes", NAMES, False)
    model = spec.load()
    overlaps = []
    for image in run.validation_set().images:
        (one,) = model.detect(read_pixels(image.path).rgb)
        truth = bounds(image.annotations[0].shape)
        box = bounds(one.shape)
        right = NAMES[run.validation_set().class_of[image.annotations[0].category_id]] == one.label
        w = min(box.x1, truth.x1) - max(box.x0, truth.x0)
        h = min(box.y1, truth.y1) - max(box.y0, truth.y0)
        shared = max(w, 0) * max(h, 0)
        overlaps.append(right * shared / (box.area + truth.area - shared))
    assert np.mean(overlaps) == pytest.approx(best, abs=1e-3), "the best epoch's weights are not those saved"


def test_a_stopped_run_goes_on_to_the_very_same_weights(tmp_path) -> None:
    options = {"images": 6, "epochs": 2, "batch": 3, "size": 32}
    whole = make_run(tmp_path / "whole", "localizer", **options)
    expected = trainer().train(whole, lambda _: None, lambda: False).read_bytes()
    cut = make_run(tmp_path / "cut", "localizer", **options)

    def told() -> list[int]:
        return [one.epoch for one in cut.events() if isinstance(one, events.Epoch)]

    with pytest.raises(StoppedError):
        trainer().train(cut, cut.record, lambda: bool(told()))
    assert not (cut.path / "weights.safetensors").exists()
    assert trainer().train(cut, cut.record, lambda: False).read_bytes() == expected
    assert told() == [1, 2]


def test_what_cannot_be_learnt_is_said(tmp_path) -> None:
    nothing = make_run(tmp_path / "nothing", "localizer", images=1)
    with pytest.raises(LabelerError, match="No image to learn from has objects"):
        trainer().train(nothing, lambda _: None, lambda: False)
    (tmp_path / "other.pth").write_bytes(b"no weights")
    wrong = make_run(tmp_path / "wrong", "localizer", weights=str(tmp_path / "other.pth"))
    with pytest.raises(LabelerError, match=r"“other\.pth” is not a file of torchvision's MobileNetV3-Small"):
        trainer().train(wrong, lambda _: None, lambda: False)
    gone = make_run(tmp_path / "gone", "localizer", weights=str(tmp_path / "gone.pth"))
    with pytest.raises(LabelerError, match=r"There are no weights “.*gone\.pth”"):
        trainer().train(gone, lambda _: None, lambda: False)


def test_a_file_that_does_not_say_what_it_finds_is_refused(tmp_path) -> None:
    from labeler.models.files import safetensors_file

    path = tmp_path / "mute.safetensors"
    safetensors_file.save(path, {"a": np.zeros(1, np.float32)}, {"labeler": "localizer"})
    with pytest.raises(ModelError, match=r"“mute\.safetensors” does not say what it was trained for"):
        discover(safe_mode=True).open_file(path)


def test_it_starts_from_a_backbone_and_says_when_images_have_several_objects(localizer, tmp_path) -> None:
    import json

    import torch
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(5)
    net = mobilenet_v3_small(weights=None)
    torch.save(net.state_dict(), tmp_path / "backbone.pth")
    module = localizer.Localizer(2)
    localizer._start_from(module, tmp_path / "backbone.pth")
    torch.testing.assert_close(module.features[12][0].weight, net.features[12][0].weight)

    run = make_run(
        tmp_path / "run", "localizer", images=3, epochs=1, size=32, weights=str(tmp_path / "backbone.pth")
    )
    content = json.loads(run.train_labels.read_text())
    small = content["annotations"][0] | {"id": 99, "bbox": [1, 1, 5, 5], "segmentation": []}
    content["annotations"].append(small)
    run.train_labels.write_text(json.dumps(content))
    told: list[events.Event] = []
    trainer().train(run, told.append, lambda: False)
    assert any(
        "1 of 3 images have more than one object" in one.sentence
        for one in told
        if isinstance(one, events.Note)
    )
