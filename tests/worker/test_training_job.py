"""A run in the real child process: to its end, stopped, killed and gone on with, and what goes wrong.

An evaluation, which is a child's other long work, is here too.
"""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labeler.errors import LabelerError
from labeler.evaluation import findings
from labeler.models.files import safetensors_file
from labeler.models.files.weights import folder as weights_folder
from labeler.project.keeping import lock
from labeler.registry import discover
from labeler.training.events import (
    Doing,
    Epoch,
    Event,
    Failed,
    Finished,
    Note,
    Prepared,
    Started,
    Step,
    Stopped,
)
from labeler.training.preparation import adopt
from labeler.training.run import RunFolder, RunSpec
from labeler.wire.host_protocol import AskFailed as Refused
from labeler.wire.host_protocol import Frames, Stop, frame
from labeler.wire.job_protocol import Done, EvaluateSpec, RunEvent, TrainSpec, decode_from_job
from labeler.worker.training_job import register, train
from tests.child_processes import workers

pytestmark = pytest.mark.usefixtures("small_trainer")

EPOCHS = 60
"""Of the run that is killed again and again."""

DEFAULTS = {"epochs": 3, "batch": 4, "pause": 0.0, "size": 100, "spoilt": 0, "broken": False}


class Job:
    """A child as the window has it."""

    def __init__(self, spec: TrainSpec | EvaluateSpec) -> None:
        command = [sys.executable, "-P", "-m", "labeler.worker", "job", "--parent", str(os.getpid())]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        self.send(spec)

    def send(self, message: TrainSpec | EvaluateSpec | Stop) -> None:
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
            if isinstance(message, RunEvent) and isinstance(message.event, kind):
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
def start() -> Iterator[Callable[[RunFolder | EvaluateSpec], Job]]:
    """Starts a child on a run, or an evaluation; none of them outlives the test."""
    jobs: list[Job] = []

    def begin(work: RunFolder | EvaluateSpec) -> Job:
        is_run = isinstance(work, RunFolder)
        jobs.append(Job(TrainSpec(str(work.path), threads=1) if is_run else work))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.close()
    assert not workers()


@pytest.fixture
def new_run(two_colours: Path, tmp_path: Path) -> Callable[..., RunFolder]:
    """Makes a run with its labels, as the window does it."""

    def make(name: str = "run", **options: bool | int | float) -> RunFolder:
        folder = RunFolder.create(tmp_path / name, RunSpec("small", name, DEFAULTS | options))
        adopt(folder, two_colours / "labels.json", two_colours / "images")
        return folder

    return make


def told(messages: list[object]) -> list[Event]:
    """What was said and is kept."""
    said = [message.event for message in messages if isinstance(message, RunEvent)]
    return [event for event in said if not isinstance(event, Doing)]


def weights(folder: RunFolder) -> dict[str, bytes]:
    stored = safetensors_file.load(folder.path / "weights.safetensors")
    return {name: array.tobytes() for name, array in stored.items()}


@pytest.fixture
def trained() -> Iterator[Callable[[RunFolder], list[Event]]]:
    """Trains in this process, with as many threads as a child, and gives what was said."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def train_here(folder: RunFolder) -> list[Event]:
        said: list[Event] = []
        train(folder, discover(), said.append, lambda: False)
        return said

    yield train_here
    torch.set_num_threads(threads)


def hashes(folder: Path) -> dict[str, tuple[str, int]]:
    """What the files below a folder are, and when they were written."""
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_to_its_end_in_a_child(start, new_run, two_colours) -> None:
    folder, before = new_run(), hashes(two_colours)
    messages = start(folder).rest()
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
    assert Path(outcome.model).name == "run.safetensors"
    assert hashes(two_colours) == before, "a person's own files are only read"
    assert len(before) == 21


def assert_same_run(cut: RunFolder, whole: RunFolder, *, epochs: int = 3) -> None:
    assert cut.state == whole.state == "finished"
    assert weights(cut) == weights(whole)
    assert cut.outcome().metrics == whole.outcome().metrics
    told_of = [event.epoch for event in cut.events() if isinstance(event, Epoch)]
    assert told_of == list(range(1, epochs + 1))


def test_a_stopped_run_goes_on_to_the_same_weights(start, trained, new_run) -> None:
    whole, cut = new_run("whole"), new_run("cut", pause=0.1)
    trained(whole)
    job = start(cut)
    job.until(Step, 2)
    job.send(Stop())
    messages = job.rest()
    assert isinstance(told(messages)[-1], Stopped)
    assert isinstance(messages[-1], Done)
    assert cut.state == "stopped"
    said = trained(cut)
    assert isinstance(said[0], Started), "the data is not prepared again"
    assert_same_run(cut, whole)


def test_a_killed_run_goes_on_to_the_same_weights_and_nobody_else_was_let_in(start, trained, new_run) -> None:
    whole, cut = new_run("whole"), new_run("cut", pause=0.1)
    trained(whole)
    job = start(cut)
    job.until(Step, 2)
    assert cut.state == "running"
    with pytest.raises(LabelerError, match=r"is being trained already \(process \d+"):
        trained(cut)
    job.kill()
    assert lock.lock_path(cut.path / "run").exists(), "the dead holder left its lock"
    assert cut.state == "interrupted"
    trained(cut)
    assert_same_run(cut, whole)


def test_a_folder_that_is_no_run_is_refused(start, new_run) -> None:
    folder = new_run()
    (folder.path / "run.json").unlink()
    (refused,) = [one for one in start(folder).rest() if isinstance(one, Refused)]
    assert "is no run" in refused.sentence


def test_a_child_ends_with_its_parent(start, new_run) -> None:
    job = start(new_run(pause=0.2))
    job.until(Step)
    job.process.stdin.close()
    job.process.wait(10)


def test_a_finished_run_says_so_again_and_does_nothing(trained, new_run) -> None:
    folder = new_run()
    last = trained(folder)[-1]
    before = hashes(folder.path)
    assert trained(folder) == [last]
    del before["log.txt"]
    assert {name: content for name, content in hashes(folder.path).items() if name != "log.txt"} == before


def test_a_run_that_was_cut_off_before_its_last_word_is_judged_once_more(trained, new_run) -> None:
    folder = new_run()
    last = trained(folder)[-1]
    lines = folder.events_file.read_bytes().splitlines(keepends=True)
    folder.events_file.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    assert folder.state == "interrupted"
    said = trained(folder)
    assert not [event for event in said if isinstance(event, Epoch | Step)]
    assert said[-1].metrics == last.metrics
    assert len(list(weights_folder().glob("*.safetensors"))) == 1


def test_the_model_is_judged_beside_the_one_that_it_would_replace(trained, new_run) -> None:
    old, new = new_run("old"), new_run("new")
    trained(old)
    path = new.path / "run.json"
    path.write_text(path.read_text().replace('"replaces": ""', '"replaces": "old.safetensors"'))
    new = RunFolder(new.path)
    trained(new)
    assert new.outcome().replaced == old.outcome().judged
    assert [one.summary.title for one in findings.load(new.evaluation)] == ["new", "old"]


def test_a_model_that_is_gone_is_not_compared_with(trained, new_run) -> None:
    folder = new_run()
    path = folder.path / "run.json"
    path.write_text(path.read_text().replace('"replaces": ""', '"replaces": "gone"'))
    said = trained(RunFolder(folder.path))
    (note,) = [event.sentence for event in said if isinstance(event, Note)]
    assert note.startswith("The model was not compared with the one that it would replace: ")
    assert folder.outcome().judged is not None
    assert folder.outcome().replaced is None


def test_a_quiet_run_is_not_registered(trained, new_run) -> None:
    folder = new_run()
    path = folder.path / "run.json"
    path.write_text(path.read_text().replace('"register": true', '"register": false'))
    folder = RunFolder(folder.path)
    trained(folder)
    assert folder.state == "finished"
    assert folder.outcome().model == ""
    assert not list(weights_folder().glob("*.safetensors"))


def test_memory_that_runs_out_halves_the_batch(trained, new_run) -> None:
    folder = new_run(size=2)
    notes = [event.sentence for event in trained(folder) if isinstance(event, Note)]
    assert notes == ["Memory ran out with 4 images a batch; training goes on with 2."]
    assert folder.state == "finished"


def test_a_machine_that_is_too_small_is_said(trained, new_run) -> None:
    folder = new_run(size=1)
    last = trained(folder)[-1]
    assert isinstance(last, Failed)
    assert "memory is too small for batches of 2 images: choose a smaller batch" in last.sentence
    assert folder.state == "failed"


def test_a_loss_that_is_no_number(trained, new_run) -> None:
    good = new_run("good", spoilt=3)
    said = trained(good)
    assert any(isinstance(event, Note) and "NaN" in event.sentence for event in said)
    assert isinstance(said[-1], Finished)
    assert said[-1].best_epoch < 3
    last = trained(new_run("bad", spoilt=1))[-1]
    assert isinstance(last, Failed)
    assert "lower learning rate" in last.sentence


def test_a_trainer_that_breaks_fails_its_run_with_a_sentence(trained, new_run, expect_log) -> None:
    expect_log("The trainer small failed")
    folder = new_run(broken=True)
    last = trained(folder)[-1]
    assert isinstance(last, Failed)
    assert "“small” failed (KeyError: " in last.sentence
    assert "Traceback" in folder.log.read_text()


def test_a_trainer_that_is_gone_is_said(trained, new_run, small_trainer) -> None:
    (small_trainer / "small_trainer.py").unlink()
    last = trained(new_run())[-1]
    assert isinstance(last, Failed)
    assert "There is no trainer named “small”" in last.sentence


def test_a_full_disk_is_said(trained, new_run, monkeypatch) -> None:
    folder = new_run()

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("labeler.training.checkpoint.atomic_write", full)
    last = trained(folder)[-1]
    assert isinstance(last, Failed)
    assert (
        "last.pt cannot be written (No space left on device): make room on that disk, then" in last.sentence
    )


def test_a_model_is_called_as_its_run_is(trained, new_run) -> None:
    folder = new_run()
    trained(folder)
    path = folder.path / "run.json"
    path.write_text(path.read_text().replace('"name": "run"', '"name": "../Cells: 3/4?"'))
    model = register(RunFolder(folder.path), folder.path / "weights.safetensors", discover())
    assert model.name == "_Cells_ 3_4_.safetensors"
    assert model.parent == weights_folder()


def test_an_evaluation_in_a_child(start, two_colours, tmp_path) -> None:
    results, out = tmp_path / "results.json", tmp_path / "evaluation"
    found = [
        {"image_id": n * 10, "category_id": 7 + n % 2, "bbox": [0, 0, 32, 24], "score": 0.5}
        for n in range(1, 21)
    ]
    results.write_text(json.dumps(found))
    labels = two_colours / "labels.json"
    messages = start(EvaluateSpec(str(labels), (("all", str(results)),), str(out))).rest()
    assert isinstance(messages[-1], Done)
    (evaluation,) = findings.load(out)
    assert evaluation.summary.figures.ap == 1.0
    (refused,) = [
        one
        for one in start(EvaluateSpec("gone.json", (("all", str(results)),), str(out))).rest()
        if isinstance(one, Refused)
    ]
    assert "gone.json" in refused.sentence


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_leave_no_orphan_and_a_run_that_ends(start, trained, new_run) -> None:
    """Half of them at any moment of a child's life, half of them surely in the middle of training."""
    whole = new_run("whole", epochs=EPOCHS)
    trained(whole)
    chance = random.Random(0)
    kills = ends = 0
    cut = new_run("cut 0", epochs=EPOCHS, pause=0.05)
    while kills < 50:
        job = start(cut)
        if kills % 2:
            job.until(Started)
        time.sleep(chance.random() * (0.5 if kills % 2 else 5.0))
        if job.process.poll() is None:
            job.kill()
            kills += 1
            assert cut.state in ("new", "interrupted", "finished")
        else:
            assert cut.state == "finished", job.log()
        list(cut.events())
        if cut.state == "finished":  # sooner than after 50 kills: on with another one
            assert_same_run(cut, whole, epochs=EPOCHS)
            ends += 1
            cut = new_run(f"cut {ends}", epochs=EPOCHS, pause=0.05)
    trained(cut)
    assert_same_run(cut, whole, epochs=EPOCHS)
    assert not list(cut.path.rglob(".*.tmp"))
    print(f"50 kills, {ends + 1} runs ended with the weights of one that was never killed")


def test_what_comes_before_and_after_the_learning_is_counted_but_not_kept(tmp_path, two_colours) -> None:
    folder = RunFolder.create(tmp_path / "counted", RunSpec("small", "Counted", options=DEFAULTS))
    told: list[Event] = []
    train(
        folder,
        discover(),
        told.append,
        lambda: False,
        labels=two_colours / "labels.json",
        images=two_colours / "images",
    )
    last = {event.what: event for event in told if isinstance(event, Doing)}
    assert last["looking"] == Doing("looking", 20, 20)
    assert last["copying"] == Doing("copying", 20, 20)
    outcome = folder.outcome()
    assert outcome is not None
    assert last["judging"] == Doing("judging", outcome.validation, outcome.validation)
    assert not any(isinstance(event, Doing) for event in folder.events())
