"""The program is killed in the middle of training: no orphan, a whole project, a run that goes on."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from labeler.project import schema
from labeler.project.store import Store
from labeler.training.events import Epoch
from labeler.training.run import RunFolder

HERE = Path(__file__).parent
MANY = 10
"""So many kills are more than one run of the program takes."""
ORPHANS = 5.0
"""Seconds after which nothing of a killed program may be left."""


class App:
    """The program, and what it has said."""

    def __init__(self, folder: Path, epochs: int, seconds: float) -> None:
        command = [sys.executable, str(HERE / "training_app.py"), str(folder), str(epochs), str(seconds)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def read(self) -> str:
        """The next line that it says; "" at its end."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        self.lines.append(line)
        return line

    def read_until(self, words: str | tuple[str, ...]) -> str:
        while not (line := self.read()).startswith(words):
            assert line, f"it ended after {self.lines}"
        return line

    def workers(self) -> list[psutil.Process]:
        """Its children."""
        return psutil.Process(self._process.pid).children(recursive=True)

    def kill(self) -> None:
        """Kill it, and see that what it had started is gone soon."""
        workers = self.workers()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self.lines += self._process.stdout.read().splitlines()
        self._process.stdout.close()
        _, alive = psutil.wait_procs(workers, timeout=ORPHANS)
        assert not alive, f"orphans: {alive}"

    def end(self) -> int:
        status = self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status


@pytest.fixture
def folder(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    shutil.copy(HERE / "tiny_trainer.py", plugins)
    monkeypatch.setenv("LABELER_PLUGINS", str(plugins))
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    return photos


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., App]]:
    started: list[App] = []

    def make(epochs: int, seconds: float) -> App:
        started.append(App(folder, epochs, seconds))
        return started[-1]

    yield make
    for app in started:
        if app.is_running:
            app.kill()


def project_of(folder: Path) -> Path:
    return next(folder.glob("*.labeler"))


def check(folder: Path) -> list[RunFolder]:
    """The project opens clean with all its labels; its runs can be read, and none claims to go on."""
    project = project_of(folder)
    assert schema.damage(project) == ""
    with Store.open(project) as store:
        assert sum(image.reviewed for image in store.images()) == 3
        assert len(list(store.all_annotations())) == 3
        runs = [RunFolder(Path(run.folder)) for run in store.runs.list()]
    for run in runs:
        list(run.events())
        assert run.state != "running"
    return runs


def kill_again_and_again(folder: Path, start: Callable[..., App], kills: int, *, seconds: float) -> None:
    chance = random.Random(7)
    before = {path.name: path.read_bytes() for path in folder.glob("*.jpg")}
    for number in range(kills):
        app = start(40, seconds)
        line = app.read_until(("begins", "resumes"))
        if number == 0:
            assert line == "begins"
            app.read_until("epoch")  # the first time surely in the middle of training
            assert app.workers(), "there is a child that could be left over"
        time.sleep(chance.uniform(0.0, 2.5))
        app.kill()
        check(folder)
    app = start(40, seconds)
    app.read_until("resumes" if kills < MANY else ("begins", "resumes"))
    app.read_until("finished")
    assert app.end() == 0
    runs = check(folder)
    assert kills < MANY or len(runs) < kills / 4, "a killed run was begun anew, not resumed"
    for run in runs:
        epochs = [event.epoch for event in run.events() if isinstance(event, Epoch)]
        assert max(epochs) == 40
        # a kill between a checkpoint and the word about it costs a point of the curve, no more
        assert len(set(epochs)) >= 40 - kills
        assert len(epochs) <= 40 + kills, "an epoch was done again although it was saved"
        assert run.state == "finished"
    assert {path.name: path.read_bytes() for path in folder.glob("*.jpg")} == before


def test_a_program_killed_while_it_trains_leaves_no_orphan_and_a_run_that_resumes(folder, start) -> None:
    kill_again_and_again(folder, start, 2, seconds=0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_leave_no_orphan_and_a_run_that_resumes(folder, start) -> None:
    kill_again_and_again(folder, start, 50, seconds=0.5)
