"""YOLO trained by ultralytics: inside the run's folder, stopped and resumed, never worse than before."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeler.core.geometry import rasterise, to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Box, Mask, Part, Polygons
from labeler.errors import LabelerError
from labeler.models.files import catalog
from labeler.models.files.checkpoints import check_pickles
from labeler.registry import discover
from labeler.training import events
from labeler.training.run import RunFolder
from labeler.training.specs import StoppedError
from labeler.training.yolo import files as yolo_files
from tests.training.shapes import NAMES, make_run

CHILD = Path(__file__).with_name("yolo_training_child.py")
BACKBONE = "backbone:\n" + "  - [-1, 1, Conv, [16, 3, 2]]\n" * 5
HEADS = {"detect": "Detect, [nc]", "segment": "Segment, [nc, 8, 16]"}
QUICK = {"epochs": 2, "batch": 3, "size": 64, "workers": 0}


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for the module: ultralytics keeps the one that it was imported with."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
            patch.setenv(f"LABELER_{kind}_DIR", str(folder / kind.lower()))
        patch.setenv("LABELER_THREADS", "1")
        yield folder


@pytest.fixture(scope="module")
def tiny(home, tmp_path_factory) -> dict[str, Path]:
    """Small networks of random weights that know the categories in another order, and a third."""
    from labeler.models.ultralytics_home import import_ultralytics

    package = import_ultralytics()
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tiny")
    found = {}
    for task, head in HEADS.items():
        recipe = folder / f"tiny-{task}.yaml"
        recipe.write_text(f"nc: 3\n{BACKBONE}head:\n  - [[2, 3, 4], 1, {head}]\n")
        torch.manual_seed(1)
        model = package.YOLO(str(recipe), task=task)
        model.model.names = {0: "other", 1: "Dark", 2: "bright"}
        found[task] = recipe.with_suffix(".pt")
        model.save(str(found[task]))
    return found


def trained(run: RunFolder, told: list[events.Event], *, should_stop=lambda: False) -> Path:
    return discover(safe_mode=True).trainer("yolo").train(run, told.append, should_stop)


def of_kind(told: list[events.Event], kind: type) -> list:
    return [event for event in told if isinstance(event, kind)]


# --- the files that it learns from --------------------------------------------------------------------
def test_a_joined_ring_covers_what_its_parts_cover_without_their_holes() -> None:
    def square(x: float, y: float, side: float) -> np.ndarray:
        return np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], dtype=float)

    shape = Polygons((Part(square(5, 5, 40), (square(15, 15, 10),)), Part(square(60, 50, 20))))
    ring = yolo_files.joined(yolo_files.rings_of(shape))
    drawn = np.zeros((100, 100), np.uint8)
    cv2.fillPoly(drawn, [ring.round().astype(np.int32)], 1)
    bits = to_bits(rasterise(shape, size=(100, 100)), (100, 100))
    assert (drawn.astype(bool) & bits).sum() / (drawn.astype(bool) | bits).sum() > 0.9
    assert drawn[20, 20] == 0, "the hole is filled"


def test_lines_are_shares_of_the_image_and_leave_out_what_the_format_cannot_say() -> None:
    box = Annotation(1, 1, 7, Box(-10, 20, 50, 60))
    crowd = Annotation(2, 1, 7, Box(0, 0, 9, 9), crowd=True)
    outside = Annotation(3, 1, 7, Box(300, 0, 310, 9))
    mask = Annotation(4, 1, 9, Mask(10, 20, np.ones((30, 40), dtype=bool)))
    items, classes = (box, crowd, outside, mask), {7: 0, 9: 1}
    lines = yolo_files.label_lines(items, classes, size=(100, 200), masks=False)
    assert lines == ["0 0.125000 0.400000 0.250000 0.400000", "1 0.150000 0.350000 0.200000 0.300000"]
    (line,) = yolo_files.label_lines(items, classes, size=(100, 200), masks=True)
    numbers = np.array(line.split()[1:], dtype=float).reshape(-1, 2)
    assert line.startswith("1 ")
    np.testing.assert_allclose([*numbers.min(axis=0), *numbers.max(axis=0)], [0.05, 0.2, 0.25, 0.5])


# --- whole runs ---------------------------------------------------------------------------------------
def test_a_run_begins_as_good_as_its_weights_and_ends_as_a_model_of_ours(tiny, tmp_path) -> None:
    run = make_run(tmp_path / "run", "yolo", weights=str(tiny["detect"]), **QUICK)
    before = {path.name: path.read_bytes() for path in run.images.iterdir()}
    told: list[events.Event] = []
    path = trained(run, told)
    (started,) = of_kind(told, events.Started)
    assert (started.epochs, started.first_epoch, started.batch) == (2, 1, 3)
    epochs = of_kind(told, events.Epoch)
    assert [epoch.epoch for epoch in epochs] == [0, 1, 2]
    assert all({"AP", "AP50"} <= epoch.metrics.keys() for epoch in epochs)
    assert all(epoch.losses["loss"] > 0 and math.isfinite(epoch.losses["loss"]) for epoch in epochs[1:])
    steps = of_kind(told, events.Step)
    assert {(step.epoch, step.step, step.steps) for step in steps} >= {(1, 2, 2), (2, 2, 2)}
    assert all((run.path / sample.picture).is_file() for sample in of_kind(told, events.Sample))
    assert {path.name: path.read_bytes() for path in run.images.iterdir()} == before
    assert not (run.path / "yolo").exists(), "what ultralytics worked with is left behind"
    assert "Remapped 2/2 cls head rows" in run.log.read_text(), "known categories are learnt anew"

    check_pickles(path)
    assert str(tmp_path).encode() not in path.read_bytes(), "the weights name a path of this machine"
    spec = discover(safe_mode=True).open_file(path)
    assert (spec.title, spec.categories) == ("Shapes", NAMES)
    spec.load().detect(read_pixels(run.validation_set().images[0].path).rgb)


def test_masks_are_learnt_from_outlines(tiny, tmp_path) -> None:
    run = make_run(tmp_path / "run", "yolo", weights=str(tiny["segment"]), **QUICK | {"epochs": 1})
    told: list[events.Event] = []
    path = trained(run, told)
    assert {"mask AP", "mask AP50"} <= of_kind(told, events.Epoch)[-1].metrics.keys()
    assert discover(safe_mode=True).open_file(path).categories == NAMES
    boxes = make_run(tmp_path / "boxes", "yolo", masks=False, weights=str(tiny["segment"]), **QUICK)
    with pytest.raises(LabelerError, match="no outlines"):
        trained(boxes, told)
    assert any("5 objects were left out" in note.sentence for note in of_kind(told, events.Note))


def test_a_stopped_run_goes_on_where_it_was_and_a_finished_one_only_ends(tiny, tmp_path) -> None:
    run = make_run(tmp_path / "run", "yolo", weights=str(tiny["detect"]), **QUICK)
    first: list[events.Event] = []
    with pytest.raises(StoppedError):
        trained(run, first, should_stop=lambda: any(one.epoch == 1 for one in of_kind(first, events.Epoch)))
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.pt", "last.pt"]
    run = RunFolder(Path(run.path.rename(tmp_path / "moved")))
    second: list[events.Event] = []
    trained(run, second)
    assert of_kind(second, events.Started)[0].first_epoch == 2
    assert [epoch.epoch for epoch in of_kind(second, events.Epoch)] == [2]
    (run.path / "weights.pt").unlink()
    third: list[events.Event] = []
    assert trained(run, third).is_file()
    assert of_kind(third, events.Step) == []


def test_a_run_that_only_got_worse_ends_with_what_it_began_with(tiny, tmp_path, monkeypatch) -> None:
    from labeler.training.yolo import trainer as yolo_trainer

    real, figures = yolo_trainer._Sitting._keep, iter([0.5, 0.4, 0.3])

    def keep(self, trainer) -> None:
        assert trainer.best_fitness >= trainer.fitness
        real(self, trainer)

    def measured(trainer) -> tuple[dict[str, float], float]:
        figure = next(figures)
        trainer.best_fitness = max(trainer.best_fitness or 0.0, figure)
        return {"metrics/mAP50-95(B)": figure, "metrics/mAP50(B)": figure}, figure

    from labeler.models.ultralytics_home import import_ultralytics

    import_ultralytics()
    from ultralytics.engine.trainer import BaseTrainer

    monkeypatch.setattr(yolo_trainer._Sitting, "_keep", keep)
    monkeypatch.setattr(BaseTrainer, "validate", measured)
    run = make_run(tmp_path / "run", "yolo", weights=str(tiny["detect"]), **QUICK)
    told: list[events.Event] = []
    path = trained(run, told)
    assert [epoch.best for epoch in of_kind(told, events.Epoch)] == [True, False, False]
    from labeler.models.ultralytics_home import load_checkpoint

    start, end = load_checkpoint(tiny["detect"]).state_dict(), load_checkpoint(path).state_dict()
    name = "model.0.conv.weight"
    np.testing.assert_allclose(end[name], start[name], atol=1e-3)  # float16 on the way


def test_a_loss_that_is_no_number_keeps_the_best_weights(tiny, tmp_path) -> None:
    run = make_run(tmp_path / "run", "yolo", weights=str(tiny["detect"]), **QUICK, rate=1.0)
    told: list[events.Event] = []
    from labeler.training.yolo import trainer as yolo_trainer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yolo_trainer, "_losses", lambda _: {"loss": float("nan")})
        path = trained(run, told)
    assert path.is_file()
    assert "NaN or infinite in epoch 1" in of_kind(told, events.Note)[-1].sentence


def test_where_none_are_named_it_starts_from_those_that_come_along(tmp_path) -> None:
    run = make_run(tmp_path / "run", "yolo", **QUICK | {"epochs": 1})
    path = trained(run, [])
    from labeler.models.ultralytics_home import load_checkpoint

    assert discover(safe_mode=True).open_file(path).categories == tuple(NAMES)
    shipped = load_checkpoint(catalog.shipped_folder(catalog.entry("yolo11n")) / "yolo11n.pt").state_dict()
    name = "model.0.conv.weight"
    np.testing.assert_allclose(load_checkpoint(path).state_dict()[name], shipped[name], atol=0.02)


# --- weights that are not what they should be ---------------------------------------------------------
def test_weights_that_are_missing_or_wrong_are_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(catalog, "shipped_folder", lambda _: None)  # a distribution may leave it out
    with pytest.raises(LabelerError, match=r"no YOLO weights to start from: download .*yolo11n"):
        trained(make_run(tmp_path / "none", "yolo"), [])
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(LabelerError, match=r"“bad\.pt” is not a YOLO checkpoint"):
        trained(make_run(tmp_path / "bad", "yolo", weights=str(tmp_path / "bad.pt")), [])


def test_a_checkpoint_that_would_run_code_is_refused(tiny, tmp_path) -> None:
    import torch

    canary = tmp_path / "canary"

    class Hostile:
        def __reduce__(self):
            return (os.system, (f"touch {canary}",))

    content = torch.load(tiny["detect"], weights_only=False)  # our own file, made above
    torch.save(content | {"train_args": Hostile()}, tmp_path / "hidden.pt")
    with pytest.raises(LabelerError, match="would call"):
        trained(make_run(tmp_path / "run", "yolo", weights=str(tmp_path / "hidden.pt")), [])
    assert not canary.exists()


# --- what it does by itself ---------------------------------------------------------------------------
def test_nothing_is_looked_up_and_nothing_written_elsewhere(tiny, tmp_path) -> None:
    """In a child, its working folder and user's home empty ones: they stay so, and its stdout is ours."""
    run = make_run(tmp_path / "run", "yolo", weights=str(tiny["detect"]), **QUICK | {"epochs": 1})
    places = {name: tmp_path / name for name in ("user", "here")}
    for place in places.values():
        place.mkdir()
    environment = {
        **os.environ,
        "HOME": str(places["user"]),
        "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
        "LABELER_THREADS": "1",
        **{f"LABELER_{kind}_DIR": str(tmp_path / "own") for kind in ("DATA", "CACHE", "CONFIG", "LOG")},
    }
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "YOLO_CONFIG_DIR", "MPLCONFIGDIR"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, str(CHILD), str(run.path)],
        cwd=places["here"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"lookups": [], "weights": "weights.pt"}
    assert [path for place in places.values() for path in place.rglob("*") if path.is_file()] == []


# --- how good -----------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_five_epochs_on_pedestrians_do_not_end_below_the_start(shared, tmp_path) -> None:
    """From the COCO weights, by default settings, on 59 photos; measured on 15 others."""
    weights = shared / "models/yolo/yolov8n-coco.pt"
    if not weights.is_file():
        pytest.skip("needs the weights in the folder `shared` beside the checkout")
    run = make_run(tmp_path / "run", "yolo", weights=str(weights), epochs=5, size=320)
    content = json.loads((shared / "data/pedestrians/annotations.json").read_text())
    validation = {image["id"] for image in content["images"][::5]}
    for labels, is_validation in ((run.train_labels, False), (run.validation_labels, True)):
        part = {"categories": content["categories"]}
        part["images"] = [one for one in content["images"] if (one["id"] in validation) is is_validation]
        part["annotations"] = [
            one for one in content["annotations"] if (one["image_id"] in validation) is is_validation
        ]
        labels.write_text(json.dumps(part))
    for image in content["images"]:
        data = (shared / "data/pedestrians/images" / image["file_name"]).read_bytes()
        (run.images / image["file_name"]).write_bytes(data)
    told: list[events.Event] = []
    trained(run, told)
    start, *others = [epoch.metrics["AP"] for epoch in of_kind(told, events.Epoch)]
    assert start > 0.7, "the class “person” is learnt anew"
    assert max(others) >= start
    assert others[-1] >= start - 0.02
