"""The wheel and the source archive work without the checkout, from an empty environment.

Run with `-m packages`; uv builds in an environment of its own, and installs what a stranger gets today.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import cv2
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
    """An environment that has the wheel and what it needs, and nothing of the checkout."""

    folder: Path
    home: Path

    def __call__(self, *words: str) -> str:
        """What the command `labeler` prints, from another folder and with a home of its own."""
        gone = ("PYTHON", "LABELER_", "QT_", "VIRTUAL_ENV", "XDG_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(gone)}
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            kept.pop(name, None)
        own = {f"LABELER_{kind}_DIR": str(self.home / kind) for kind in ("DATA", "CACHE", "CONFIG", "LOG")}
        program = self.folder / ("Scripts" if sys.platform == "win32" else "bin") / "labeler"
        done = subprocess.run(
            [program, *words],
            env=kept | own,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"labeler {' '.join(words)}\n{done.stdout}{done.stderr}"
        assert done.stderr == ""
        return done.stdout


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel with all that it needs: some 6 GB on Linux, as links into uv's cache where that can be."""
    place = tmp_path_factory.mktemp("installed")
    folder, home = place / "environment", place / "elsewhere"
    home.mkdir()
    uv("venv", "--quiet", "--no-config", "--python", sys.executable, folder)
    uv("pip", "install", "--quiet", "--no-config", "--python", folder, built.path)
    yield Installed(folder, home)
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
    named = dict(line.split(": ", 1) for line in lines if line.startswith(("screenshot: ", "COCO file: ")))
    assert cv2.imread(named["screenshot"].strip()).std() > 20, "an empty window"
    assert len(json.loads(Path(named["COCO file"].strip()).read_text("utf-8"))["annotations"]) == 5
