"""The disk fails under a real window, which then recovers, closes or is killed: nothing promised is lost."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "project"))
from failing_disk import SYNCS, WRITES, environment

from labeler.core.records import Box
from labeler.paths import data_dir
from labeler.project.writer import Writer


def boxes_after(steps: int) -> list[float]:
    """Where the boxes are that a hand has drawn, of which it took each fourth step to take one back."""
    there: list[float] = []
    for number in range(1, steps + 1):
        if number % 4 == 0:
            there.pop()
        else:
            there.append(float(number))
    return there


def said_by(command: list[str], env: dict[str, str], *, kill: bool) -> dict[str, object]:
    """The last of each word that a window said; it is killed once nothing more comes by itself."""
    said: dict[str, object] = {"begun": 0, "ack": 0, "safe": 0}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as window:
        for line in window.stdout:
            word, _, value = line.partition(" ")
            said[word] = json.loads(value)
            if kill and word == "settled":
                window.kill()
    return said


def suffer(folder: Path, files: list[str], calls: int, error: int, *, for_good: bool, then: str) -> None:
    fault = {"calls": calls, "after": 1, "error": error, "for_good": for_good, "halved": calls == WRITES}
    child = str(Path(__file__).with_name("failing_disk_window.py"))
    request = json.dumps({"files": files, "fault": fault, "then": then})
    env = environment(folder.parent)
    said = said_by([sys.executable, child, str(folder), request], env, kill=then == "kill")
    assert "fired" in said, said
    assert ("closed" in said) == (then != "kill"), said
    saved, label, toasts = said["shown"]
    if said["ack"] < said["begun"]:
        assert "Edits are not saved in" in saved
        assert "Not saved" in label
        assert saved in toasts
    project = next(folder.glob("*.labeler"))
    told: list[str] = []
    writer = Writer.open(project, on_told=told.append)
    found = writer.call(lambda store: [one.shape for one in store.all_annotations()])
    writer.close()
    assert all(isinstance(shape, Box) for shape in found)
    places = sorted(shape.x0 for shape in found)
    due = [boxes_after(n) for n in range(max(said["ack"], said["safe"]), said["begun"] + 1)]
    assert places in due, said
    if then == "recover":
        assert said["ack"] == said["begun"]
    assert told == []
    assert not list((data_dir() / "rescue").glob("*"))


def test_what_a_window_says_to_be_safe_survives_a_failing_disk_and_a_kill(photos: Path) -> None:
    suffer(photos, ["wal"], SYNCS, errno.EIO, for_good=True, then="kill")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("then", ["recover", "close", "kill"])
@pytest.mark.parametrize("files", [["wal"], ["project", "wal"], ["wal", "rescue"]], ids="+".join)
@pytest.mark.parametrize(("calls", "error"), [(WRITES, errno.ENOSPC), (SYNCS, errno.EIO)])
def test_a_window_lives_through_any_failing_disk(
    photos: Path, files: list[str], calls: int, error: int, then: str
) -> None:
    suffer(photos, files, calls, error, for_good=True, then=then)
