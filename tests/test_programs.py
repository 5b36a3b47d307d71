"""The command of a child, in a checkout and in a frozen app, where the program itself has to be the child."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeler.cli import run
from labeler.core.photos import decode_child
from labeler.gui.children.child_process import ChildProcess, wait_for_all
from labeler.models import checkup
from labeler.programs import CHILD_WORD, CHILDREN, begin_frozen, child_command
from labeler.wire.host_protocol import Hello
from labeler.wire.job_protocol import decode_from_job
from tests.test_house import ROOT, SOURCES

FROZEN = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
sys.frozen = True
from labeler.__main__ import main
sys.exit(main())
"""
"""A program that is the app and nothing else: words that are Python's mean nothing to it."""

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The program of the frozen app that this process is from now on."""
    program = tmp_path / "the app"
    program.write_text(FROZEN, "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def test_only_one_module_knows_how_the_program_is_started_again() -> None:
    knowing = [path for path in SOURCES if "sys.executable" in path.read_text("utf-8")]
    assert knowing == [ROOT / "labeler" / "programs.py"]


def test_a_checkout_asks_python_and_a_frozen_app_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert child_command("labeler.worker", "job", "--parent", "7") == [
        sys.executable, "-P", "-m", "labeler.worker", "job", "--parent", "7",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child_command("labeler.worker", "job", "--parent", "7") == [
        sys.executable, CHILD_WORD, "labeler.worker", "job", "--parent", "7",
    ]  # fmt: skip


def test_what_is_no_child_is_not_started() -> None:
    with pytest.raises(ValueError, match="this is none of"):
        child_command("this")


def test_every_child_that_is_asked_for_is_in_the_table() -> None:
    asked = {
        name
        for path in SOURCES
        for name in re.findall(r'child_command\(\s*"([\w.]+)"', path.read_text("utf-8"))
    }
    assert asked == set(CHILDREN)


@pytest.mark.parametrize("words", [("no.such",), ("labeler.cli", "doctor"), ()])
def test_a_person_who_types_the_word_is_told(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labeler", CHILD_WORD, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    name = words[0] if words else ""
    assert done.stderr == f"labeler: --child is for Labeler itself; there is no child “{name}”.\n"


@pytest.mark.parametrize("before", [None, "", "/of/the/person"])
def test_what_a_frozen_app_opens_elsewhere_does_not_get_its_libraries(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/app")
    monkeypatch.delenv("LD_LIBRARY_PATH_ORIG", raising=False)
    if before is not None:
        monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", before)
    begin_frozen()
    assert os.environ.get("LD_LIBRARY_PATH") == before
    assert "LD_LIBRARY_PATH_ORIG" not in os.environ


@pytest.mark.parametrize("before", [None, "", "/of/the/person", ":/of/the/person:"])
def test_a_child_loads_no_library_from_the_folder_it_is_started_in(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    """OpenCV leaves an empty entry behind, which is the current folder."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    if before is not None:
        monkeypatch.setenv("LD_LIBRARY_PATH", before)
    code = (
        "import os, cv2; from labeler.programs import child_command; child_command('labeler.worker');"
        "print(os.environ.get('LD_LIBRARY_PATH'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    entries = done.stdout.strip().split(os.pathsep)
    assert "" not in entries or entries == [""]  # all of it empty is as if it were not there
    assert ("/of/the/person" in entries) == ("/of/the/person" in (before or ""))


@on_posix
def test_a_frozen_app_is_its_own_worker(frozen: Path, qtbot) -> None:
    child = ChildProcess(None, ["job"], decode_from_job)
    with qtbot.waitSignal(child.message, timeout=30_000) as first:
        child.start()
    assert isinstance(first.args[0], Hello)
    child.end(5.0)
    wait_for_all([child], 10.0)


@on_posix
def test_a_frozen_app_is_its_own_decoder(frozen: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.full((3, 5, 3), 200, np.uint8))
    decode_child.end_child()
    try:
        assert decode_child.read_pixels(photo, budget=100).rgb.tolist() == [[[200] * 3] * 5] * 3
    finally:
        decode_child.end_child()


@on_posix
def test_a_frozen_app_tries_its_devices(frozen: Path) -> None:
    trials, trouble = checkup._tried()
    assert trouble == ""
    assert "torch cpu" in [one.name for one in trials]


@pytest.mark.skipif(sys.platform != "linux", reason="menus have such entries on Linux only")
def test_the_menu_starts_the_frozen_app(frozen: Path, tmp_path: Path) -> None:
    assert run(["desktop-entry", "--folder", str(tmp_path)]) == 0
    entry = (tmp_path / "applications" / "labeler.desktop").read_text("utf-8")
    assert f"Exec='{frozen}' %F" in entry.splitlines()
