"""Processes that write to a project are killed; what they acknowledged must be there."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import Struct
from project_model import ProjectModel, prepare, state

from labeler.project.store import Store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL, which Windows does not have")

POINTS = ("before begin", "mid action", "before commit", "after commit", "mid checkpoint", "mid snapshot")
FRESH_AFTER = 25
"""Kills that one project lives through, one upon the other."""


class Toll(Struct):
    """What came of a number of kills."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    """Edits that were acknowledged and are not there."""
    surplus: int = 0
    """Edits that are there beyond the one that was in flight."""
    different: int = 0
    """Projects that are not what their edits make."""
    damaged: int = 0


class Field:
    """Kills one process after the other and looks at what it left."""

    def __init__(self, folder: Path, *, seed: int, broken: bool = False) -> None:
        self.folder = folder
        self.broken = broken
        self.toll = Toll()
        self.rng = random.Random(seed)
        self.project = folder
        self.model = ProjectModel(0)
        child = Path(__file__).with_name("fault_child.py")
        self.nursery = subprocess.Popen(
            [sys.executable, str(child)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        self.nursery.stdin.close()
        self.nursery.wait(10)
        self.nursery.stdout.close()

    def kill(self, point: str = "") -> None:
        """One process: killed at its own hand at a named point, or by us at any moment."""
        if self.toll.kills % FRESH_AFTER == 0:
            self._start_project()
        request = {
            "project": str(self.project),
            "seed": self.model.seed,
            "point": point,
            "count": self.rng.randrange(2 if point in ("mid checkpoint", "mid snapshot") else 4),
            "broken": self.broken,
        }
        self.nursery.stdin.write(json.dumps(request) + "\n")
        self.nursery.stdin.flush()
        # some while they open the project, most while they write to it
        when = "" if point else self.rng.choice(("pid", "ready", "ready"))
        acknowledged, pid = self.model.revision, 0
        for line in self.nursery.stdout:
            word, _, value = line.strip().partition(" ")
            assert word != "failed", line
            if word == "pid":
                pid = int(value)
            if word == when:
                time.sleep(self.rng.random() * 0.06)
                os.kill(pid, signal.SIGKILL)
            elif word == "ack":
                acknowledged = int(value)
            elif word == "gone":
                break
        else:
            raise AssertionError("the process that forks is gone")
        self.toll.kills += 1
        self.toll.acknowledged += acknowledged - self.model.revision
        self._look(acknowledged)

    def _start_project(self) -> None:
        self.model = ProjectModel(self.rng.getrandbits(30))
        self.project = self.folder / f"{self.model.seed}.labeler"
        with Store.open(self.project) as store:
            prepare(store)

    def _look(self, acknowledged: int) -> None:
        with Store.open(self.project) as store:
            found = store.revision
            self.toll.lost += max(0, acknowledged - found)
            self.toll.surplus += max(0, found - acknowledged - 1)
            while self.model.revision < found:
                self.model.step()
            whole = self.model.revision == found and state(store) == self.model.records
            journal = store.history.entries(limit=1_000_000)
            done = [entry.label for entry in reversed(journal) if entry.state == "done"]
            undone = [entry.label for entry in journal if entry.state == "undone"]
            whole &= done == [edit.label for edit in self.model.done]
            whole &= undone == [edit.label for edit in self.model.undone]
            self.toll.different += not whole
        with closing(sqlite3.connect(self.project)) as db:
            self.toll.damaged += db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]


def fight(folder: Path, *, at_random: int, at_each_point: int, seed: int, broken: bool = False) -> Toll:
    field = Field(folder, seed=seed, broken=broken)
    plan = [""] * at_random + list(POINTS) * at_each_point
    field.rng.shuffle(plan)
    try:
        for point in plan:
            field.kill(point)
    finally:
        field.close()
    return field.toll


def check(toll: Toll, *, kills: int) -> None:
    print(toll)
    assert toll.kills == kills
    assert toll.acknowledged > kills
    assert (toll.lost, toll.surplus, toll.different, toll.damaged) == (0, 0, 0, 0)


def test_nothing_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    check(fight(tmp_path, at_random=40, at_each_point=2, seed=1), kills=52)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost_by_a_thousand_kills(tmp_path: Path) -> None:
    check(fight(tmp_path, at_random=1000, at_each_point=20, seed=2), kills=1120)


def test_a_build_that_acknowledges_before_it_commits_is_found_out(tmp_path: Path) -> None:
    toll = fight(tmp_path, at_random=10, at_each_point=1, seed=3, broken=True)
    assert toll.lost > 0
    with pytest.raises(AssertionError):
        check(toll, kills=16)
