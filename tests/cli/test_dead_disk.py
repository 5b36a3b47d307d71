"""The verbs on photos of which a hundred lie on a disk that does not answer: a sentence, and soon an end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labeler import cli
from labeler.core.photos import patience
from labeler.formats.coco.coco_reading import read_coco
from labeler.project.store import Store
from tests.cli import typed
from tests.core.photos.dead_disk import dead_disk

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a file system nobody serves: Linux"),
    pytest.mark.usefixtures("small_trainer"),
]

DEAD = 100
SOON = 110.0
"""Seconds, of which a laden machine takes most; were each of the photos waited for, it would be 500."""


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A process of its own, with all of its patience, which has to end while a thread of it hangs."""
    command = [sys.executable, "-m", "labeler", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SOON)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is short, and nothing was given up yet."""
    monkeypatch.setattr(patience, "SECONDS", 0.4)
    monkeypatch.setattr(patience, "SHORT", 0.2)
    monkeypatch.setattr(patience, "_rows", {})
    monkeypatch.setattr(patience, "_given_up", {})


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[Path]:
    with dead_disk(tmp_path / "dead") as folder:
        yield folder


@pytest.fixture(params=["files", "folder"])
def data(request: pytest.FixtureRequest, two_colours: Path, dead: Path) -> Path:
    """`two_colours` with a hundred labelled photos more: links to files, or below a link to a folder."""
    images = two_colours / "images"
    below = "" if request.param == "files" else "below/"
    if below:
        (images / "below").symlink_to(dead)
    labels = json.loads((two_colours / "labels.json").read_text())
    for number in range(1000, 1000 + DEAD):
        name = f"{below}d{number}.png"
        if not below:
            (images / name).symlink_to(dead / name)
        labels["images"].append({"id": number, "file_name": name, "width": 32, "height": 24})
        box = {"bbox": [0, 0, 32, 24], "area": 768, "iscrowd": 0}
        labels["annotations"].append({"id": number, "image_id": number, "category_id": 7, **box})
    (two_colours / "labels.json").write_text(json.dumps(labels))
    return two_colours


@pytest.fixture
def labeler(data: Path, request: pytest.FixtureRequest) -> Callable[..., typed.Done]:
    """For the links to files the program itself; for the folder in this process, with little patience."""
    if request.node.callspec.params["data"] == "files":
        return program
    request.getfixturevalue("hasty")
    return typed.labeler


def test_labels_come_in_and_go_out(
    data: Path, dead: Path, tmp_path: Path, labeler: Callable[..., typed.Done]
) -> None:
    project, out = tmp_path / "p.labeler", tmp_path / "out.json"
    done = labeler("import", data / "labels.json", project, "--images", data / "images")
    assert done.returncode == 0
    assert f"images: {DEAD + 20} of {DEAD + 20} taken, {DEAD} without a file" in done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert f"the disk at {dead} does not answer" in done.stderr
    with Store.open(project, read_only=True) as store:
        assert sum(bool(image.note) for image in store.images()) == DEAD
        assert all(store.annotations(image.id) for image in store.images())

    done = labeler("export", project, out)
    assert done.returncode == 0
    assert len(json.loads(out.read_text())["annotations"]) == DEAD + 20
    assert len(done.stderr.splitlines()) == 1
    assert f"told {DEAD} images" in done.stderr
    assert f"the disk at {dead} does not answer" in done.stderr

    done = labeler("convert", data / "labels.json", out, "--images", data / "images", "--force")
    assert done.returncode == 0
    assert len(json.loads(out.read_text())["annotations"]) == DEAD + 20


@pytest.mark.usefixtures("hasty")
def test_the_photos_that_answer_are_learnt_from_and_predicted(
    data: Path, dead: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: object) -> list[str]:
        """What a command line says of the disk."""
        cli.run([str(argument) for argument in arguments])
        return [line for line in capsys.readouterr().err.splitlines() if "/d1" in line or str(dead) in line]

    labels, images, results = data / "labels.json", data / "images", tmp_path / "results.json"
    options = ["--model", "small", "--epochs", "1", "--out", tmp_path / "run"]
    (warning,) = said("train", labels, "--images", images, *options)
    assert f"the disk at {dead} does not answer: {DEAD} images" in warning
    assert len(read_coco(tmp_path / "run/train.json")[0].images) >= 10

    (warning,) = said("predict", images, "--model", tmp_path / "run", "--conf", "0", "--out", results)
    assert f"the disk at {dead} does not answer" in warning
    assert len({one["image_id"] for one in json.loads(results.read_text())}) == 20

    (warning,) = said("evaluate", labels, "--images", images, "--model", tmp_path / "run")
    assert f"the disk at {dead} does not answer" in warning


def test_a_folder_of_images_on_it_is_named(
    two_colours: Path, dead: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 1.0)
    monkeypatch.setattr(patience, "_rows", {})
    monkeypatch.setattr(patience, "_given_up", {})
    tried = ((program, "import", "p.labeler", 5), (typed.labeler, "convert", "out.json", 1))
    for labeler, verb, out, seconds in tried:
        done = labeler(verb, two_colours / "labels.json", tmp_path / out, "--images", dead / "images")
        assert done.returncode == 1
        said = f"labeler: {dead / 'images'} has not been read after {seconds} seconds: check"
        assert done.stderr.startswith(said)
        assert len(done.stderr.splitlines()) == 1
