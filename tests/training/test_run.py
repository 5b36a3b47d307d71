"""A run's folder: what it was asked, what it said, who holds it, and what a crash leaves."""

import multiprocessing
import os
import signal
import socket

import msgspec
import pytest

from labeler.errors import LabelerError
from labeler.project.keeping import lock
from labeler.training.events import Epoch, Failed, Finished, Note, Prepared, Stopped
from labeler.training.run import Outcome, RunFolder, RunSpec
from labeler.training.specs import Option

FINISHED = Finished("weights.safetensors", {"AP": 0.5}, 2, 10.0)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", RunSpec("small", "Mine", {"epochs": 3, "rate": 0.1}))


def test_what_was_asked_for_comes_back(folder) -> None:
    again = RunFolder(folder.path)
    assert again.spec == folder.spec
    assert (again.spec.validation_share, again.spec.register) == (0.2, True)
    assert len(again.spec.id) == 8


def test_a_run_on_disk_keeps_its_keys(folder) -> None:
    """`validation_share` and `validation` are `held_out` on disk, as in every run that was ever written."""
    asked = {"trainer": "small", "name": "Old", "held_out": 0.4, "seed": 3, "id": "1", "created": 0.0}
    (folder.path / "run.json").write_bytes(msgspec.json.encode(asked))
    folder.metrics.write_bytes(msgspec.json.encode({"metrics": {"AP": 0.5}, "best_epoch": 2, "held_out": 12}))
    said = {"type": "Prepared", "training": 20, "held_out": 12, "objects": {"cup": 40}}
    folder.events_file.write_bytes(msgspec.json.encode(said) + b"\n")
    again = RunFolder(folder.path)
    assert again.spec.validation_share == 0.4
    assert again.outcome() == Outcome({"AP": 0.5}, 2, 12)
    assert tuple(again.events()) == (Prepared(20, 12, {"cup": 40}),)
    for record in (again.spec, again.outcome(), *again.events()):
        assert "held_out" in msgspec.to_builtins(record)
    assert again.validation_labels.name == "held_out.json"


def test_a_folder_that_is_no_run(tmp_path, folder) -> None:
    with pytest.raises(LabelerError, match=r"is no run: it has no run\.json"):
        RunFolder(tmp_path)
    (folder.path / "run.json").write_text("{")
    with pytest.raises(LabelerError, match="cannot be read"):
        RunFolder(folder.path)


def test_a_run_of_a_newer_version_is_refused(tmp_path) -> None:
    with pytest.raises(LabelerError, match="newer version"):
        RunFolder.create(tmp_path / "run", RunSpec("small", "Mine", format=2))


def test_a_folder_with_something_in_it_is_left_alone(tmp_path) -> None:
    (tmp_path / "diary").touch()
    with pytest.raises(LabelerError, match="is not empty"):
        RunFolder.create(tmp_path, RunSpec("small", "Mine"))


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (None, "new"),
        (Note("."), "interrupted"),
        (Stopped(1), "stopped"),
        (Failed("."), "failed"),
        (FINISHED, "finished"),
    ],
)
def test_its_state_is_its_last_word(folder, last, state) -> None:
    if last is not None:
        folder.record(Prepared(1, 1, {}))
        folder.record(last)
    assert folder.state == state


def test_figures_that_are_no_numbers_are_left_out(folder) -> None:
    folder.record(Epoch(1, {"loss": float("nan"), "box": 1.0}, {"AP": float("inf")}, False, 1.0))
    assert list(folder.events()) == [Epoch(1, {"box": 1.0}, {}, False, 1.0)]


def test_half_a_line_and_half_a_file_are_swept_away(folder) -> None:
    folder.record(Note("whole"))
    with folder.events_file.open("ab") as file:
        file.write(b'{"type":"Note","sen')
    folder.checkpoints.mkdir()
    rest = folder.checkpoints / ".last.pt.0123.tmp"
    rest.touch()
    assert list(folder.events()) == [Note("whole")]
    with folder.held():
        folder.record(Note("next"))
    assert list(folder.events()) == [Note("whole"), Note("next")]
    assert not rest.exists()


def _hold(path, ready) -> None:
    with RunFolder(path).held():
        ready.set()
        signal.pause()


@pytest.mark.skipif(not hasattr(signal, "pause"), reason="needs POSIX signals")
def test_one_process_holds_it_until_it_dies(folder) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(folder.path, ready))
    holder.start()
    try:
        assert ready.wait(30)
        assert folder.state == "running"
        with pytest.raises(LabelerError, match=rf"trained already \(process {holder.pid} on "), folder.held():
            pass
    finally:
        holder.kill()
        holder.join()
    assert folder.state == "new"
    with folder.held():
        assert folder.state == "running"
    assert not lock.lock_path(folder.path / "run").exists()


def test_a_run_of_another_machine_is_not_taken_from_it(folder) -> None:
    other = lock.Holder(os.getpid(), f"not-{socket.gethostname()}", "somebody", 0.0)
    lock.lock_path(folder.path / "run").write_bytes(msgspec.json.encode(other))
    assert folder.state == "running"
    with pytest.raises(LabelerError, match=f"on not-{socket.gethostname()}"), folder.held():
        pass


def test_the_outcome(folder) -> None:
    assert folder.outcome() is None
    outcome = Outcome({"AP": 0.5}, 2, 12)
    folder.metrics.write_bytes(msgspec.json.encode(outcome))
    assert folder.outcome() == outcome
    folder.metrics.write_text("{")
    assert folder.outcome() is None


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [(True, "no", False), (3, "5", 5), (0.1, "1e-3", 0.001), (0.1, "2", 2.0), ("a", "b", "b")],
)
def test_options_are_read_from_text(default, text, value) -> None:
    parsed = Option("name", "Name", default).parsed(text)
    assert parsed == value
    assert type(parsed) is type(default)
