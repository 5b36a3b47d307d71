"""The wheel and the source archive work without the checkout, from an empty environment.

Run with `-m packages`; uv builds in an environment of its own, and installs what a stranger gets today. Where
`LABELER_PROGRAM` names a program, as a frozen app's, what is asked of the installed one is asked of it too.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from msgspec import Struct

from labeler import __version__
from tests.test_house import ROOT, tracked

pytestmark = [pytest.mark.packages, pytest.mark.timeout(1800)]

INSIDE = {"labeler": "labeler", "resources": "labeler/_resources", "plugins": "labeler/_plugins"}
"""The top-level folders that ship, each with its place in the wheel."""


def uv(*arguments: str | Path) -> None:
    """Run uv as somebody who has no settings; fails the test with what it says where it fails."""
    program = shutil.which("uv")
    if program is None:
        pytest.skip("needs uv")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=1500)
    if done.returncode:
        pytest.fail(f"uv {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}", pytrace=False)


class Built(Struct, frozen=True):
    """The files of both archives by their names, the source archive's without its first folder."""

    path: Path
    wheel: dict[str, bytes]
    source: dict[str, bytes]


def in_wheel(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both archives, the wheel made of the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--no-config", "--out-dir", folder, ROOT)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        files = {one.name.partition("/")[2]: archive.extractfile(one) for one in archive if one.isfile()}
        sources = {name: file.read() for name, file in files.items() if file is not None}
    return Built(wheel, in_wheel(wheel), sources)


def test_all_that_ships_is_in_both_and_nothing_else_is_in_the_wheel(built: Built) -> None:
    ours = {path.relative_to(ROOT): path.read_bytes() for path in tracked()}
    shipped = {path: data for path, data in ours.items() if path.parts[0] in INSIDE}
    assert any(path.suffix == ".onnx" for path in shipped)
    assert Path("plugins/label_formats.py") in shipped
    wanted = {Path(INSIDE[path.parts[0]], *path.parts[1:]).as_posix(): data for path, data in shipped.items()}
    code = {name: data for name, data in built.wheel.items() if name.startswith("labeler/")}
    assert wanted.keys() ^ code.keys() == set()
    assert [name for name, data in wanted.items() if code[name] != data] == []
    assert {path.as_posix() for path in ours} - built.source.keys() == set()
    assert [path for path, data in ours.items() if built.source[path.as_posix()] != data] == []


def test_the_licence_of_each_thing_that_ships_is_told(built: Built) -> None:
    told = {name.partition("/licenses/")[2] for name in built.wheel if "/licenses/" in name}
    there = {path.relative_to(ROOT).as_posix() for path in tracked() if path.name in ("LICENSE", "NOTICE")}
    assert told == there


def test_the_source_archive_makes_the_same_wheel_as_the_checkout(built: Built, tmp_path: Path) -> None:
    uv("build", "--quiet", "--no-config", "--wheel", "--out-dir", tmp_path, ROOT)
    assert in_wheel(tmp_path / built.path.name) == built.wheel


# --- installed ----------------------------------------------------------------------------------------
class Installed(Struct, frozen=True):
    """A program that has nothing of the checkout."""

    program: Path
    home: Path

    def __call__(self, *words: str) -> str:
        """What the command `labeler` prints, from another folder and with a home of its own."""
        gone = ("PYTHON", "LABELER_", "QT_", "VIRTUAL_ENV", "XDG_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(gone)}
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            kept.pop(name, None)
        own = {f"LABELER_{kind}_DIR": str(self.home / kind) for kind in ("DATA", "CACHE", "CONFIG", "LOG")}
        done = subprocess.run(
            [self.program, *words],
            env=kept | own,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"labeler {' '.join(words)}\n{done.stdout}{done.stderr}"
        # how a run goes on is told there; what the log warns of is not expected
        assert not re.search("Traceback|WARNING|ERROR", done.stderr), done.stderr
        return done.stdout


@pytest.fixture(scope="module", params=["wheel", "frozen"])
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """The wheel with all that it needs: some 6 GB on Linux, as links into uv's cache where that can be.

    And the frozen app, where there is one.
    """
    place = tmp_path_factory.mktemp("installed")
    folder, home = place / "environment", place / "elsewhere"
    home.mkdir()
    if request.param == "frozen":
        if "LABELER_PROGRAM" not in os.environ:
            pytest.skip("LABELER_PROGRAM names no frozen app")
        yield Installed(Path(os.environ["LABELER_PROGRAM"]).absolute(), home)
        return
    uv("venv", "--quiet", "--no-config", "--python", sys.executable, folder)
    wheel = request.getfixturevalue("built").path
    uv("pip", "install", "--quiet", "--no-config", "--python", folder, wheel)
    yield Installed(folder / ("Scripts" if sys.platform == "win32" else "bin") / "labeler", home)
    shutil.rmtree(folder)


def test_it_tells_its_version(installed: Installed) -> None:
    assert installed("--version") == f"labeler {__version__}\n"


@pytest.mark.parametrize("words", [("formats", "--json"), ("train", "--list"), ("models", "list")])
def test_its_plugins_bring_what_they_bring_here(installed: Installed, words: tuple[str, ...]) -> None:
    here = subprocess.run(
        [sys.executable, "-m", "labeler", *words, "--safe-mode"],
        env=os.environ | {f"LABELER_{kind}_DIR": str(installed.home / kind) for kind in ("DATA", "CACHE")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert installed(*words) == here.stdout


def test_the_doctor_finds_nothing_broken_in_it(installed: Installed) -> None:
    found = json.loads(installed("doctor", "--json"))
    state = {one["topic"]: one["state"] for one in found}
    assert state["torch"] == state["torchvision"] == state["ultralytics"] == "good"
    assert state["torch cpu"] in ("good", "slow")
    assert "Shipped files" not in state


def test_its_demo_labels_the_photos(installed: Installed) -> None:
    lines = installed("demo", "--off-screen").splitlines()
    named = dict(line.split(": ", 1) for line in lines if line.startswith(("pictures: ", "COCO file: ")))
    pictures = sorted(Path(named["pictures"].strip()).glob("*.png"))
    assert pictures
    for picture in pictures:
        assert cv2.imread(str(picture)).std() > 20, "an empty window"
    assert len(json.loads(Path(named["COCO file"].strip()).read_text("utf-8"))["annotations"]) >= 5


def test_its_children_train_and_predict(installed: Installed, tmp_path: Path) -> None:
    photos, labels = tmp_path / "photos", tmp_path / "labels.json"
    photos.mkdir()
    images, objects = [], []
    for number in range(1, 5):
        pixels = np.full((64, 64, 3), 30, np.uint8)
        cv2.circle(pixels, (16 + 8 * number, 30), 10, (200, 220, 90), -1)
        cv2.imwrite(str(photos / f"{number}.png"), pixels)
        images.append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 64})
        x = 6 + 8 * number
        ring = [x, 20, x + 20, 20, x + 20, 40, x, 40]
        objects.append(
            {"id": number, "image_id": number, "category_id": 1, "bbox": [x, 20, 20, 20], "area": 400,
             "segmentation": [ring], "iscrowd": 0}
        )  # fmt: skip
    document = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "disc"}]}
    labels.write_text(json.dumps(document), "utf-8")
    options = ("--images", str(photos), "--out", str(tmp_path / "run"), "--epochs", "1", "--size", "64")
    installed("train", str(labels), "--model", "unet", *options)
    results = tmp_path / "results.json"
    installed("predict", str(photos), "--model", str(tmp_path / "run"), "--out", str(results))
    assert isinstance(json.loads(results.read_text("utf-8")), list)
    shipped = tmp_path / "shipped.json"
    installed("predict", str(photos), "--model", "yolo11n", "--out", str(shipped))
    assert isinstance(json.loads(shipped.read_text("utf-8")), list)
