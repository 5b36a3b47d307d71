"""A run in the real child process: to its end, stopped, killed and gone on with, and what goes wrong."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from labeler.models import safetensors_file
from labeler.project import lock
from labeler.training.events import Epoch, Event, Failed, Finished, Note, Prepared, Started, Step, Stopped
from labeler.training.preparing import adopt
from labeler.training.run import RunFolder, RunSpec
from labeler.worker.job_protocol import Done, Told, TrainSpec, decode_from_job
from labeler.worker.protocol import Failed as Refused
from labeler.worker.protocol import Frames, Stop, frame

pytestmark = pytest.mark.usefixtures("small_trainer")

DEFAULTS = {"epochs": 3, "batch": 4, "pause": 0.0, "room": 100, "spoilt": 0, "broken": False}


class Job:
    """A child as the window has it."""

    def __init__(self, folder: RunFolder) -> None:
        command = [sys.executable, "-P", "-m", "labeler.worker", "job", "--parent", str(os.getpid())]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        self.send(TrainSpec(str(folder.path), threads=1))

    def send(self, message: TrainSpec | Stop) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(frame(message))
        self.process.stdin.flush()

    def messages(self) -> Iterator[object]:
        """All that comes until the process ends."""
        assert self.process.stdout is not None
        frames = Frames()
        while data := os.read(self.process.stdout.fileno(), 1 << 16):
            yield from map(decode_from_job, frames.feed(data))

    def until(self, kind: type, number: int = 1) -> None:
        """Wait for so many events of a kind."""
        for message in self.messages():
            if isinstance(message, Told) and isinstance(message.event, kind):
                number -= 1
                if not number:
                    return
        raise AssertionError(f"the child ended before: {self.log()}")

    def rest(self) -> list[object]:
        """What is left to be said; the process is over then."""
        messages = list(self.messages())
        self.process.wait(30)
        return messages

    def log(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def start() -> Iterator[Callable[[RunFolder], Job]]:
    """Starts a child on a run; none of them outlives the test."""
    jobs: list[Job] = []

    def begin(folder: RunFolder) -> Job:
        jobs.append(Job(folder))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.close()
    assert not [child for child in psutil.Process().children() if "labeler.worker" in child.cmdline()]


@pytest.fixture
def new_run(two_colours: Path, tmp_path: Path) -> Callable[..., RunFolder]:
    """Makes a run with its labels, as the window does it."""

    def make(name: str = "run", **options: bool | int | float) -> RunFolder:
        folder = RunFolder.create(tmp_path / name, RunSpec("small", name, DEFAULTS | options))
        adopt(folder, two_colours / "labels.json", two_colours / "images")
        return folder

    return make


def told(messages: list[object]) -> list[Event]:
    return [message.event for message in messages if isinstance(message, Told)]


def weights(folder: RunFolder) -> dict[str, bytes]:
    stored = safetensors_file.load(folder.path / "weights.safetensors")
    return {name: array.tobytes() for name, array in stored.items()}


def run_through(start: Callable[[RunFolder], Job], folder: RunFolder) -> list[object]:
    return start(folder).rest()


def test_a_run_to_its_end(start, new_run) -> None:
    folder = new_run()
    messages = run_through(start, folder)
    said = told(messages)
    assert isinstance(messages[-1], Done)
    assert isinstance(said[0], Prepared)
    assert isinstance(said[-1], Finished)
    assert list(folder.events()) == said, "what was told is in the folder"
    assert folder.state == "finished"
    outcome = folder.outcome()
    assert outcome.metrics["accuracy"] == said[-1].metrics["accuracy"] > 0.9
    assert outcome.judged.metrics["AP50"] > 0.9
    assert Path(outcome.model).read_bytes() == (folder.path / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(start, new_run, how) -> None:
    whole, cut = new_run("whole"), new_run("cut", pause=0.1)
    run_through(start, whole)

    job = start(cut)
    job.until(Step, 2)
    if how == "stop":
        job.send(Stop())
        said = told(job.rest())
        assert isinstance(said[-1], Stopped)
        assert cut.state == "stopped"
    else:
        job.kill()
        assert cut.state == "interrupted"
    said = told(run_through(start, cut))
    assert isinstance(said[0], Started), "the data is not prepared again"
    assert cut.state == "finished"
    assert weights(cut) == weights(whole)
    assert cut.outcome().metrics == whole.outcome().metrics
    epochs = [event.epoch for event in cut.events() if isinstance(event, Epoch)]
    assert epochs == [1, 2, 3]


def test_two_processes_never_train_in_one_folder(start, new_run) -> None:
    folder = new_run(pause=0.2)
    first = start(folder)
    first.until(Step)
    assert folder.state == "running"
    (refused,) = [one for one in run_through(start, folder) if isinstance(one, Refused)]
    assert "is being trained already (process" in refused.sentence
    first.kill()
    assert lock.lock_path(folder.path / "run").exists(), "the dead holder left its lock"
    run_through(start, folder)
    assert folder.state == "finished"


def test_a_child_ends_with_its_parent(start, new_run) -> None:
    job = start(new_run(pause=0.2))
    job.until(Step)
    job.process.stdin.close()
    job.process.wait(10)


def test_memory_that_runs_out_halves_the_batch(start, new_run) -> None:
    folder = new_run(room=2)
    said = told(run_through(start, folder))
    notes = [event.sentence for event in said if isinstance(event, Note)]
    assert notes == ["Memory ran out with 4 images a batch; training goes on with 2."]
    assert folder.state == "finished"


def test_a_machine_that_is_too_small_is_said(start, new_run) -> None:
    folder = new_run(room=1)
    said = told(run_through(start, folder))
    assert isinstance(said[-1], Failed)
    assert "memory is too small for batches of 2 images: choose a smaller batch" in said[-1].sentence
    assert folder.state == "failed"


def test_a_loss_that_is_no_number(start, new_run) -> None:
    good = new_run("good", spoilt=3)
    said = told(run_through(start, good))
    assert any(isinstance(event, Note) and "NaN" in event.sentence for event in said)
    assert isinstance(said[-1], Finished)
    assert said[-1].best_epoch < 3
    bad = new_run("bad", spoilt=1)
    last = told(run_through(start, bad))[-1]
    assert isinstance(last, Failed)
    assert "lower learning rate" in last.sentence


def test_a_trainer_that_breaks_fails_its_run_with_a_sentence(start, new_run) -> None:
    folder = new_run(broken=True)
    messages = run_through(start, folder)
    last = told(messages)[-1]
    assert isinstance(last, Failed)
    assert "“small” failed (KeyError: " in last.sentence
    assert isinstance(messages[-1], Done)
    assert "Traceback" in folder.log.read_text()


def test_the_originals_stay_as_they_are(start, new_run, two_colours) -> None:
    def hashes() -> dict[str, tuple[str, int]]:
        files = [path for path in two_colours.rglob("*") if path.is_file()]
        return {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in files
        }

    before = hashes()
    run_through(start, new_run())
    assert hashes() == before
    assert len(before) == 21


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_kills_leave_no_orphan_and_a_run_that_ends(start, new_run) -> None:
    whole, cut = new_run("whole", epochs=20), new_run("cut", epochs=20, pause=0.05)
    run_through(start, whole)
    chance = random.Random(0)
    kills = 0
    while kills < 50:
        job = start(cut)
        # from its first breath to the middle of training
        moment = chance.random() * 6.0
        limit = time.monotonic() + moment
        while time.monotonic() < limit and job.process.poll() is None:
            time.sleep(0.01)
        if job.process.poll() is not None:
            assert cut.state == "finished", job.log()
            # it ends sooner than 50 kills: another one, from its beginning
            assert weights(cut) == weights(whole)
            cut = new_run(f"cut {kills}", epochs=20, pause=0.05)
            continue
        job.kill()
        kills += 1
        assert cut.state in ("new", "interrupted", "finished")
        list(cut.events())
    run_through(start, cut)
    assert cut.state == "finished"
    assert weights(cut) == weights(whole)
    assert [event.epoch for event in cut.events() if isinstance(event, Epoch)] == list(range(1, 21))
    assert not list(cut.path.rglob(".*.tmp"))
