"""With nothing to be judged on every trainer trains, and there are no figures; none are made up either."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from labeler.registry import discover
from labeler.training.run import RunFolder
from tests.cli.typed import labeler

pytest.importorskip("torch")

QUICK: dict[str, list[str]] = {
    "instant": ["--set", "steps=20"],
    "localizer": ["--epochs", "1", "--size", "64"],
    "faster-rcnn": ["--epochs", "1", "--size", "64"],
    "mask-rcnn": ["--epochs", "1", "--size", "64"],
    "unet": ["--epochs", "1", "--size", "64", "--set", "width=4"],
    "yolo": ["--epochs", "1", "--size", "64"],
}
"""By the trainer's id: what makes a run of it short."""
BACKBONE = "backbone:\n" + "  - [-1, 1, Conv, [16, 3, 2]]\n" * 5


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for the module: ultralytics keeps the one that it was imported with."""
    import torch

    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
            patch.setenv(f"LABELER_{kind}_DIR", str(folder / kind.lower()))
        patch.setenv("LABELER_THREADS", "1")
        torch.set_num_threads(1)
        yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def yolo(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small YOLO of random weights."""
    from labeler.models.ultralytics_home import import_ultralytics

    recipe = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    recipe.write_text(f"nc: 2\n{BACKBONE}head:\n  - [[2, 3, 4], 1, Detect, [nc]]\n")
    import_ultralytics().YOLO(str(recipe), task="detect").save(str(recipe.with_suffix(".pt")))
    return recipe.with_suffix(".pt")


def labels(folder: Path, names: list[str], *, same: bool = False, empty: str = "") -> Path:
    """A COCO file and its pictures of noise, each with one outlined object; they are alike where `same`."""
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "patch"}]}
    for number, name in enumerate(names, 1):
        rng = np.random.default_rng(0 if same else number)
        small = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
        pixels = cv2.resize(small, (96, 80), interpolation=cv2.INTER_CUBIC)
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
        content["images"].append({"id": number, "file_name": name, "width": 96, "height": 80})
        if empty and name.startswith(empty):
            continue
        ring = [10, 10, 60, 10, 60, 50, 10, 50]
        shape = {"bbox": [10, 10, 50, 40], "area": 2000, "iscrowd": 0, "segmentation": [ring]}
        content["annotations"].append({"id": number, "image_id": number, "category_id": 1, **shape})
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def trained(source: Path, trainer: str, run: Path, *more: str) -> dict[str, Any]:
    """What `labeler train --json` prints, and its warnings under "said"."""
    images = str(source.parent / "images")
    command = ["train", source, "--images", images, "--model", trainer, "--out", run, *QUICK[trainer], *more]
    done = labeler(*command, "--json")
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome | {"said": done.stderr}


def options(trainer: str, yolo: Path) -> list[str]:
    return ["--set", f"weights={yolo}"] if trainer == "yolo" else []


def test_every_trainer_is_tried_here() -> None:
    # what teaches the SAM tools holds out objects itself, and has its own tests of that
    trainers = discover(safe_mode=True).trainers
    assert {one.id for one in trainers if one.task != "segmenter"} == set(QUICK)


_LARGE = pytest.mark.slow  # the same loop as the others, in a large network
EACH = [pytest.param(one, marks=[_LARGE] if "rcnn" in one else []) for one in QUICK]


@pytest.mark.parametrize("trainer", EACH)
def test_a_trainer_without_validation_images(trainer: str, yolo: Path, tmp_path: Path) -> None:
    source = labels(tmp_path, [f"{number}.png" for number in range(4)])
    run = tmp_path / "run"
    outcome = trained(source, trainer, run, "--held-out", "0", *options(trainer, yolo))
    assert (outcome["metrics"], outcome["held_out"]) == ({}, 0)
    assert Path(outcome["model"]).is_file()
    assert RunFolder(run).state == "finished"
    # and the run's folder stands for its model
    out = tmp_path / "results.json"
    found = labeler("predict", tmp_path / "images", "--model", run, "--out", out)
    assert found.returncode == 0, found.stderr
    assert isinstance(json.loads(out.read_text()), list)


@pytest.mark.parametrize(
    ("names", "same"),
    [(["s0/0.png", "s1/0.png"], False), ([f"frame-{number}.png" for number in range(4)], True)],
    ids=["two photos of one name", "frames of a camera that stands still"],
)
def test_what_cannot_be_parted(names: list[str], same: bool, yolo: Path, tmp_path: Path) -> None:
    outcome = trained(
        labels(tmp_path, names, same=same), "yolo", tmp_path / "run", "--set", f"weights={yolo}"
    )
    assert (outcome["metrics"], outcome["held_out"]) == ({}, 0)
    assert "Nothing is left to judge the model on" in outcome["said"]


@pytest.mark.parametrize("trainer", ["yolo", "unet", "localizer", pytest.param("faster-rcnn", marks=_LARGE)])
def test_validation_images_without_objects_has_no_figures(trainer: str, yolo: Path, tmp_path: Path) -> None:
    names = [f"{kind}-{number}.png" for kind in ("full", "bare") for number in range(5)]
    source = labels(tmp_path, names, empty="bare")
    # of these names and this seed only bare ones are held out
    outcome = trained(source, trainer, tmp_path / "run", "--seed", "4", *options(trainer, yolo))
    assert outcome["held_out"] > 0
    assert not RunFolder(tmp_path / "run").validation_set().images[0].annotations
    assert outcome["metrics"] == {}
