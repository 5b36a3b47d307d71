"""The disk fails under a writer, once or for good, and some are killed then: nothing promised is lost."""

import contextlib
import errno
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from failing_disk import SYNCS, TRUNCATES, WRITES, environment
from msgspec import Struct
from project_model import ProjectModel, prepare, state

from labeler.paths import data_dir
from labeler.project import schema
from labeler.project.store import Store
from labeler.project.writer import Writer

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES)
CALLS = {"write": WRITES, "sync": SYNCS, "truncate": TRUNCATES, "write or sync": WRITES | SYNCS}
FILES = (["project"], ["wal"], ["project", "wal"], ["wal", "rescue"], ["project", "wal", "rescue", "note"])
SENTENCE = re.compile(
    r"Edits are not saved in p\.labeler: [a-z][^.]+\. They are (safe in \S+\.jsonl|only in memory, so leave "
    r"Labeler open); [a-z ]+\."
)


class Toll(Struct):
    """What came of a number of faults."""

    faults: int = 0
    kills: int = 0
    acknowledged: int = 0
    rescued: int = 0
    """Edits that were not saved and were said to be safe in the rescue file."""
    problems: list[str] = []


class Said(Struct):
    """What one process said."""

    begun: int = 0
    ack: int = 0
    safe: int = 0
    fired: bool = False
    told: list[str] = []
    failed: list[str] = []
    closed: str | None = None


class Ward:
    """One process after the other edits on a disk that fails; its project is then opened on a well one."""

    def __init__(self, folder: Path, *, seed: int, broken: bool = False) -> None:
        self.folder = folder
        self.broken = broken
        self.rng = random.Random(seed)
        self.toll = Toll()
        child = Path(__file__).with_name("failing_disk_child.py")
        self.nursery = subprocess.Popen(
            [sys.executable, str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(folder),
        )

    def close(self) -> None:
        self.nursery.stdin.close()
        self.nursery.wait(10)
        self.nursery.stdout.close()

    def suffer(self, files: list[str], call: str, error: int, *, for_good: bool, kill: bool) -> None:
        """One process with one fault."""
        seed = self.rng.getrandbits(30)
        project = self.folder / str(seed) / "p.labeler"
        project.parent.mkdir()
        with Store.open(project) as store:
            prepare(store)
        fault = {
            "calls": CALLS[call],
            "after": self.rng.randrange(8 if "wal" in files and call != "truncate" else 3),
            "error": error,
            "for_good": for_good,
            "halved": self.rng.random() < 0.3,
        }
        then = "kill" if kill else self.rng.choice(("recover", "close"))
        request = {"project": str(project), "seed": seed, "files": files, "then": then, "broken": self.broken}
        self.nursery.stdin.write(json.dumps({**request, "fault": fault}) + "\n")
        self.nursery.stdin.flush()
        said = self._listen(kill=kill)
        name = f"{'+'.join(files)} {call} {errno.errorcode[error]} {fault} {then} seed {seed}"
        self.toll.faults += said.fired
        self.toll.kills += kill
        self.toll.acknowledged += said.ack
        self.toll.rescued += max(0, said.safe - said.ack)
        found = [*wrong_while_ill(said, then), *wrong_when_well(project, said, seed)]
        self.toll.problems += [f"{name}: {problem}" for problem in found]

    def _listen(self, *, kill: bool) -> Said:
        said, pid = Said(), 0
        when = self.rng.choice(("settled", "settled", "fired")) if kill else ""
        for line in self.nursery.stdout:
            word, _, value = line.partition(" ")
            match word:
                case "pid":
                    pid = json.loads(value)
                case "gone":
                    return said
                case "told" | "failed":
                    getattr(said, word).append(json.loads(value))
                case "fired":
                    said.fired = True
                case "begun" | "ack" | "safe" | "closed":
                    setattr(said, word, json.loads(value))
            if kill and word in (when, "settled"):  # at the latest then: it waits for it
                time.sleep(self.rng.random() * 0.05)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        raise AssertionError("the process that forks is gone")


def wrong_while_ill(said: Said, then: str) -> list[str]:
    """What of the promises was not kept before the process ended."""
    found = [f"told “{sentence}”" for sentence in said.told if sentence and not SENTENCE.fullmatch(sentence)]
    if not said.fired:
        found.append("no fault came about")
    waiting = said.begun - said.ack
    if then != "kill":
        if said.closed is None:
            found.append("it did not close")
        if waiting and not (said.closed and len(said.failed) == waiting):
            found.append(f"{waiting} edits not saved, {len(said.failed)} said so, closed: “{said.closed}”")
        if not waiting and (said.closed or said.failed):
            found.append(f"all saved, yet “{said.closed}”, {said.failed}")
        if said.closed and "They are safe in" in said.closed and said.safe < said.begun:
            found.append(f"“safe”, but only {said.safe} of {said.begun} are")
    if then == "recover" and (waiting or (said.told and said.told[-1])):
        found.append(f"{waiting} edits were not saved on a disk that was well again, told {said.told}")
    return found


def wrong_when_well(project: Path, said: Said, seed: int) -> list[str]:
    """What is not there, or is not as it was, when the project is opened on a disk that is well."""
    found: list[str] = []
    told: list[str] = []
    writer = Writer.open(project, on_told=told.append)
    there = writer.call(state)
    journal = writer.call(lambda store: store.history.entries(limit=1_000_000))
    if trouble := writer.close():
        found.append(f"closing said “{trouble}”")
    done = [entry.label for entry in reversed(journal) if entry.state == "done"]
    undone = [entry.label for entry in journal if entry.state == "undone"]
    model, reached = ProjectModel(seed), -1
    for number in range(said.begun + 1):
        labels = [[edit.label for edit in edits] for edits in (model.done, model.undone)]
        if labels == [done, undone] and model.records == there:
            reached = number
        model.step()
    if reached < max(said.ack, said.safe):
        what = "what no number of edits makes" if reached < 0 else f"{reached} edits"
        found.append(f"{said.ack} acknowledged, {said.safe} safe, there is {what}, told {told}")
    if told:
        found.append(f"opening said {told}")
    if reason := schema.damage(project):
        found.append(reason)
    rescue = data_dir() / "rescue"
    if left := [path.name for path in rescue.glob("*")]:
        found.append(f"left in the rescue folder: {left}")
        for name in left:
            (rescue / name).unlink()
    return found


def every_fault() -> list[tuple[list[str], str, int, bool]]:
    """Each error on each call on each set of files, once and for good, where there is such a call."""
    found = itertools.product(FILES, CALLS, ERRORS, (False, True))
    # the main file is never made shorter
    return [one for one in found if one[1] != "truncate" or "wal" in one[0]]


def suffered(folder: Path, *, seed: int, faults: int, kills: int, broken: bool = False) -> Toll:
    """That many faults drawn of all, each kind of file and call among them, and as many more with a kill."""
    ward = Ward(folder, seed=seed, broken=broken)
    # with a kill, what matters is what lasts
    lasting = [one for one in every_fault() if one[1] != "truncate" and one[3] and "wal" in one[0]]
    plan = [(*one, False) for one in ward.rng.sample(every_fault(), faults)]
    plan += [(*one, True) for one in ward.rng.sample(lasting, kills)]
    try:
        for files, call, error, for_good, kill in plan:
            ward.suffer(files, call, error, for_good=for_good, kill=kill)
    finally:
        ward.close()
    return ward.toll


def check(toll: Toll, *, faults: int, kills: int) -> None:
    print(toll)
    assert toll.problems == []
    assert (toll.faults, toll.kills) == (faults + kills, kills)
    assert toll.acknowledged > 6 * faults
    assert toll.rescued > faults / 4


def test_a_disk_that_fails_harms_nothing(tmp_path: Path) -> None:
    check(suffered(tmp_path, seed=1, faults=9, kills=4), faults=9, kills=4)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_fault_of_the_disk_harms_anything(tmp_path: Path) -> None:
    faults = len(every_fault())
    check(suffered(tmp_path, seed=2, faults=faults, kills=40), faults=faults, kills=40)


def test_a_build_that_says_safe_before_it_is_is_found_out(tmp_path: Path) -> None:
    toll = suffered(tmp_path, seed=3, faults=0, kills=2, broken=True)
    assert toll.problems
