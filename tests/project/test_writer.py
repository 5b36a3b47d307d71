"""The writer thread: order, errors, what happens when the disk does not take it, and upkeep."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from project_model import ProjectModel, prepare, state

from labeler.core.records import Annotation, Box, Category, Change, Edit
from labeler.errors import ProjectError, ProjectLockedError
from labeler.paths import data_dir
from labeler.project.journal import MisfitError
from labeler.project.keeping import rescue_file, snapshots, upkeep
from labeler.project.store import Store
from labeler.project.writer import Writer

CATEGORY = Edit("Add category", (Change(None, Category(1, "person", "#ff0000")),))


def add(key: int) -> Edit:
    return Edit(f"Add {key}", (Change(None, Annotation(key, 1, 1, Box(0, 0, key, key))),))


def wait_until(condition) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.002)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.labeler"


@pytest.fixture
def writer(path: Path):
    opened = Writer.open(path)
    opened.call(prepare)
    opened.call(lambda store: store.apply(CATEGORY))
    yield opened
    opened.close()


def test_work_is_done_in_order_on_one_other_thread(writer: Writer) -> None:
    threads, order = set(), []
    for number in range(200):
        writer.post(lambda store: threads.add(threading.get_ident()), lambda _, n=number: order.append(n))
    writer.apply(add(1))
    assert len(writer.call(lambda store: store.annotations(1))) == 1
    assert order == list(range(200))
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    assert writer.pending == 0


def test_an_error_in_work_goes_to_its_owner_and_the_rest_goes_on(writer: Writer) -> None:
    errors = []
    writer.post(lambda store: 1 / 0, failed=errors.append)
    writer.apply(add(1))
    writer.apply(add(1), failed=errors.append)
    with pytest.raises(ProjectError, match="no image 99"):
        writer.call(lambda store: store.image(99))
    assert [type(error) for error in errors] == [ZeroDivisionError, MisfitError]
    assert writer.trouble == ""


def test_a_callback_that_fails_does_not_end_the_thread(writer: Writer, expect_log) -> None:
    expect_log("A callback of the writer")
    writer.post(lambda store: 1, lambda value: value / 0)
    assert writer.call(lambda store: 2) == 2


def test_undo_and_redo_are_work_like_any_other(writer: Writer) -> None:
    done = []
    writer.apply(add(1))
    writer.undo(done.append)
    writer.redo(done.append)
    assert len(writer.call(lambda store: store.annotations(1))) == 1
    assert done == [add(1).inverse(), add(1)]


def test_closing_finishes_all_work_and_then_takes_none(writer: Writer, path: Path) -> None:
    for number in range(1, 101):
        writer.apply(add(number))
    assert writer.close() == ""
    assert writer.close() == ""
    with pytest.raises(ProjectError, match="is closed"):
        writer.apply(add(200))
    with Store.open(path) as store:
        assert len(store.annotations(1)) == 100
    assert not path.with_name("labels.labeler-wal").exists()


def test_a_refused_project_is_refused_where_it_is_opened(writer: Writer, path: Path) -> None:
    with pytest.raises(ProjectLockedError):
        Writer.open(path)


def test_read_only_beside_the_one_who_writes(writer: Writer, path: Path) -> None:
    reader = Writer.open(path, read_only=True)
    writer.call(lambda store: store.apply(add(1)))
    assert len(reader.call(lambda store: store.annotations(1))) == 1
    with pytest.raises(ProjectError, match="read-only"):
        reader.call(lambda store: store.apply(add(2)))
    reader.close()
    assert len(writer.call(lambda store: store.annotations(1))) == 1


# --- upkeep -----------------------------------------------------------------------------------


def test_when_work_pauses_the_main_file_alone_is_the_project(writer, path: Path, tmp_path: Path) -> None:
    writer.call(lambda store: store.apply(add(1)))
    wal = path.with_name("labels.labeler-wal")
    assert wal.stat().st_size > 0
    wait_until(lambda: wal.stat().st_size == 0)
    copy = shutil.copy(path, tmp_path / "copy.labeler")
    with Store.open(copy, read_only=True) as store:
        assert len(store.annotations(1)) == 1


def test_snapshots_are_made_after_opening_at_intervals_and_at_the_end(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(upkeep, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "SNAPSHOT_SECONDS", 0.02)
    writer = Writer.open(path)
    wait_until(lambda: len(snapshots.listed(path)) == 1)
    writer.call(prepare)
    wait_until(lambda: len(snapshots.listed(path)) == 2)
    time.sleep(0.05)
    writer.call(lambda store: store.images())
    writer.close()
    assert len(snapshots.listed(path)) == 2, "nothing new, so no new snapshot"
    writer = Writer.open(path)
    writer.call(lambda store: store.apply(CATEGORY))
    writer.close()
    assert snapshots.revision(snapshots.listed(path)[0]) == 2


# --- a disk that does not take it -------------------------------------------------------------


def _on_a_full_disk(path: Path, then: str) -> dict:
    child = Path(__file__).with_name("full_disk_child.py")
    done = subprocess.run(
        [sys.executable, str(child), str(path), then], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _expected() -> ProjectModel:
    model = ProjectModel(11)
    for _ in range(60):
        model.step()
    return model


needs_limits = pytest.mark.skipif(os.name == "nt", reason="needs RLIMIT_FSIZE, which Windows lacks")


@needs_limits
def test_on_a_full_disk_edits_wait_and_are_saved_when_there_is_space(path: Path) -> None:
    report = _on_a_full_disk(path, "recover")
    assert report["before"] < 60
    assert (report["acknowledged"], report["failed"], report["said"]) == (60, [], "")
    assert re.match(r"Edits are not saved in labels\.labeler: the disk", report["told"][0])
    assert "They are safe in" in report["told"][0]
    assert report["told"][-1] == ""
    with Store.open(path) as store:
        assert state(store) == _expected().records
    assert not list((data_dir() / "rescue").iterdir())


@needs_limits
def test_edits_of_a_session_closed_on_a_full_disk_are_there_in_the_next(path: Path) -> None:
    report = _on_a_full_disk(path, "close")
    assert report["acknowledged"] < 60
    assert len(report["failed"]) == 60 - report["acknowledged"]
    assert "They are safe in" in report["said"]
    with Store.open(path, read_only=True) as store:
        assert state(store) != _expected().records
    writer = Writer.open(path)
    assert writer.call(state) == _expected().records
    assert not list((data_dir() / "rescue").iterdir())
    writer.close()


def test_a_rescue_file_that_was_taken_up_already_is_not_taken_up_again(writer: Writer, path: Path) -> None:
    kept = rescue_file.RescueFile(path)
    token = kept.append(add(1), "a")
    kept.append(add(2), "b")
    with kept.path.open("ab") as file:
        file.write(b'{"number":3,"step":"ed')
    writer.call(lambda store: store.apply(add(1)))
    writer.call(lambda store: store.set_meta("rescued", token))
    writer.close()
    again = Writer.open(path)
    assert [a.id for a in again.call(lambda store: store.annotations(1))] == [1, 2]
    again.close()
    assert not kept.path.exists()


@pytest.mark.parametrize("content", [b"no rescue file", b'"name"\n{"number":1,"step":"undo"}\n{]\n'])
def test_a_rescue_file_that_cannot_be_read_is_kept_for_a_person(writer, path: Path, content: bytes) -> None:
    kept = rescue_file.RescueFile(path).path
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    writer.close()
    told = []
    again = Writer.open(path, on_told=told.append)
    assert again.call(lambda store: len(store.images())) == 3
    again.close()
    (aside,) = kept.parent.iterdir()
    assert aside != kept
    assert aside.read_bytes() == content
    assert str(aside) in told[0]


def test_rescued_edits_that_no_longer_fit_are_kept_for_a_person(writer, path: Path) -> None:
    kept = rescue_file.RescueFile(path)
    for edit in (add(1), add(2)):
        kept.append(edit, edit.label)
    other = Edit("Add 1", (Change(None, Annotation(1, 1, 1, Box(5, 5, 9, 9))),))
    writer.call(lambda store: store.apply(other))
    writer.close()
    told = []
    again = Writer.open(path, on_told=told.append)
    assert [a.id for a in again.call(lambda store: store.annotations(1))] == [1, 2], "what fits is taken up"
    assert again.pending == 0
    again.close()
    assert "1 edit of an earlier session" in told[0]
    (aside,) = kept.path.parent.iterdir()
    assert rescue_file.put_aside_files(path) == [aside]
    assert rescue_file.put_aside_edits(aside) == [add(1)]


def test_what_builds_on_a_rescued_edit_that_does_not_fit_takes_nothing_else_back(writer, path: Path) -> None:
    kept = rescue_file.RescueFile(path)
    for number, step in enumerate((add(1), "undo", "redo", "undo", add(2), "undo", "redo", add(3))):
        kept.append(step, str(number))
    writer.call(lambda store: store.apply(add(1)))
    writer.close()
    again = Writer.open(path)
    assert [a.id for a in again.call(lambda store: store.annotations(1))] == [1, 2, 3]
    assert [entry.label for entry in again.call(lambda store: store.history.entries(limit=3))] == [
        "Add 3",
        "Add 2",
        "Add 1",
    ]
    again.close()


def test_of_a_rescued_edit_what_fits_is_taken_up_and_nothing_newer_is_overwritten(writer, path: Path) -> None:
    first, second, third = (Annotation(n, 1, 1, Box(0, 0, n, n)) for n in (1, 2, 3))
    there = (first, second, third)
    writer.call(lambda store: store.apply(Edit("Add", tuple(Change(None, one) for one in there))))
    moved = [Change(one, replace(one, shape=Box(5, 5, 9, 9), edited=1.0)) for one in there]
    kept = rescue_file.RescueFile(path)
    kept.append(Edit("Move 3", tuple(moved)), "1")
    kept.append(Edit("Note", (Change(second, replace(second, attributes={"a": 1})),)), "2")
    newer = replace(first, shape=Box(7, 7, 8, 8), edited=2.0)
    noted = replace(second, attributes={"b": 2}, edited=2.0)
    since = Edit("Since", (Change(first, newer), Change(second, noted), Change(third, None)))
    writer.call(lambda store: store.apply(since))
    writer.close()
    told = []
    again = Writer.open(path, on_told=told.append)
    found = {a.id: a for a in again.call(lambda store: store.annotations(1))}
    assert found == {1: newer, 2: replace(noted, shape=Box(5, 5, 9, 9), edited=1.0)}
    again.close()
    assert "2 edits of an earlier session" in told[0]
    (aside,) = rescue_file.put_aside_files(path)
    left = [[change.record.id for change in edit.changes] for edit in rescue_file.put_aside_edits(aside)]
    assert left == [[1, 3], [2]]


@pytest.mark.parametrize(
    "changes",
    [(), (Change(Category(1, "person", "#ff0000"), Category(1, "person", "#ff0000")),)],
    ids=["none", "to the same"],
)
def test_a_rescued_edit_that_changes_nothing_is_a_step(writer, path: Path, changes) -> None:
    """Without it the undo after it would take back another, or a redo do again what it ended."""
    writer.close()
    kept = rescue_file.RescueFile(path)
    for step in (add(1), "undo", Edit("Nothing", changes), "undo", "redo"):
        kept.append(step, "")
    told: list[str] = []
    again = Writer.open(path, on_told=told.append)
    journal = again.call(lambda store: [(one.label, one.state) for one in store.history.entries(limit=9)])
    there = again.call(lambda store: store.annotations(1))
    again.close()
    assert journal[0] == ("Nothing", "done")
    assert ("Add 1", "done") not in journal
    assert not there
    assert not told


def test_a_rescued_edit_that_is_there_already_is_not_undone_in_place_of_another(writer, path: Path) -> None:
    writer.call(lambda store: store.apply(add(1)))
    writer.call(lambda store: store.apply(add(2)))
    kept = rescue_file.RescueFile(path)
    kept.append(add(1), "1")
    kept.append("undo", "2")
    writer.close()
    again = Writer.open(path)
    assert [a.id for a in again.call(lambda store: store.annotations(1))] == [1, 2]
    assert {entry.state for entry in again.call(lambda store: store.history.entries())} == {"done"}
    again.close()


def test_a_commit_that_only_seemed_to_fail_is_not_done_twice(path: Path) -> None:
    probe, told, done = _Failing(sqlite3.SQLITE_IOERR_FSYNC, point="after commit"), [], []
    writer = Writer.open(path, on_trouble=told.append, probe=probe)
    writer.retry_seconds = 0.02
    writer.call(prepare)
    writer.call(lambda store: store.apply(CATEGORY))
    probe.on = True
    for key in (1, 2, 3):
        writer.apply(add(key), done.append)
    writer.undo(done.append)
    wait_until(lambda: told)
    probe.on = False
    wait_until(lambda: len(done) == 4)
    assert [a.id for a in writer.call(lambda store: store.annotations(1))] == [1, 2]
    assert done[3] == add(3).inverse()
    assert writer.close() == ""


def test_edits_behind_a_commit_that_only_seemed_to_fail_are_there_after_a_kill(path: Path) -> None:
    """The state that a kill leaves: the first edit is in the project, and all of them in the rescue file."""
    probe, told = _Failing(sqlite3.SQLITE_IOERR_FSYNC, point="after commit"), []
    writer = Writer.open(path, on_trouble=told.append, probe=probe)
    writer.call(prepare)
    writer.call(lambda store: store.apply(CATEGORY))
    probe.on = True
    for key in (1, 2, 3, 4):
        writer.apply(add(key))
    wait_until(lambda: told and writer.pending == 4 and _rescued(path) == 4)
    left = path.with_name("left.labeler")
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), left.with_name(left.name + suffix))
    shutil.copy(rescue_file.RescueFile(path).path, rescue_file.RescueFile(left).path)
    said: list[str] = []
    again = Writer.open(left, on_told=said.append)
    assert [a.id for a in again.call(lambda store: store.annotations(1))] == [1, 2, 3, 4]
    assert said == []
    again.close()
    probe.on = False
    writer.close()


def _rescued(path: Path) -> int:
    file = rescue_file.RescueFile(path).path
    return file.read_bytes().count(b"\n") - 1 if file.exists() else 0


def test_a_rescue_file_whose_first_write_failed_claims_nothing(writer, path: Path) -> None:
    file = rescue_file.RescueFile(path).path
    file.parent.mkdir(parents=True)
    file.touch()
    writer.close()
    told = []
    again = Writer.open(path, on_told=told.append)
    again.call(lambda store: store.apply(add(1)))
    again.close()
    assert told == []
    assert not file.exists()


class _Failing:
    """Lets writes fail with a chosen SQLite error until it is told otherwise."""

    def __init__(self, code: int, *, point: str = "before commit") -> None:
        self.point = point
        self.error = sqlite3.OperationalError("made to fail")
        self.error.sqlite_errorcode = code
        self.on = False

    def __call__(self, point: str) -> None:
        if self.on and point == self.point:
            raise self.error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_READONLY])
def test_any_trouble_of_the_disk_is_waited_out(path: Path, code: int) -> None:
    probe, told = _Failing(code), []
    writer = Writer.open(path, on_trouble=told.append, probe=probe)
    writer.retry_seconds = 0.02
    writer.call(prepare)
    writer.call(lambda store: store.apply(CATEGORY))
    probe.on = True
    writer.apply(add(1))
    wait_until(lambda: told)
    reads = []
    writer.post(lambda store: store.annotations(1), reads.append)
    writer.apply(add(2))
    assert writer.pending == 3
    probe.on = False
    wait_until(lambda: writer.pending == 0)
    assert len(reads[0]) == 1, "a read sees the edits before it, however long they took"
    assert told[-1] == ""
    probe.on = True
    with pytest.raises(ProjectError, match=r"labels\.labeler could not be"):
        writer.call(lambda store: store.set_meta("a", "b"))
    probe.on = False
    assert len(writer.call(lambda store: store.annotations(1))) == 2
    assert writer.close() == ""


def test_a_read_while_closing_does_not_hide_that_edits_were_not_saved(path: Path) -> None:
    probe, told, failed, reads = _Failing(sqlite3.SQLITE_FULL), [], [], []
    writer = Writer.open(path, on_trouble=told.append, probe=probe)
    writer.call(prepare)
    writer.call(lambda store: store.apply(CATEGORY))
    probe.on = True
    writer.apply(add(1), failed=failed.append)
    writer.apply(add(2), failed=failed.append)
    writer.post(lambda store: store.images(), reads.append)
    wait_until(lambda: told)
    assert "the disk is full. They are safe in" in writer.close()
    assert (len(failed), len(reads)) == (2, 1)
    again = Writer.open(path)
    assert len(again.call(lambda store: store.annotations(1))) == 2
    again.close()


def test_closing_tries_once_more(path: Path) -> None:
    probe, told, done = _Failing(sqlite3.SQLITE_FULL), [], []
    writer = Writer.open(path, on_trouble=told.append, probe=probe)
    writer.call(prepare)
    writer.call(lambda store: store.apply(CATEGORY))
    probe.on = True
    writer.apply(add(1), done.append)
    wait_until(lambda: told)
    probe.on = False
    assert writer.close() == ""
    assert len(done) == 1


def test_an_edit_refused_after_the_trouble_is_not_kept_for_the_next_session(path: Path) -> None:
    probe, told, failed = _Failing(sqlite3.SQLITE_FULL), [], []
    writer = Writer.open(path, on_trouble=told.append, probe=probe)
    writer.retry_seconds = 0.02
    writer.call(prepare)
    writer.call(lambda store: store.apply(CATEGORY))
    probe.on = True
    writer.apply(add(1))
    writer.apply(add(1), failed=failed.append)
    wait_until(lambda: told)
    probe.on = False
    wait_until(lambda: writer.pending == 0)
    assert "is in the project already" in str(failed[0])
    assert writer.close() == ""
    assert not list((data_dir() / "rescue").iterdir())


def test_a_file_found_damaged_while_working_is_not_tried_again(path: Path) -> None:
    probe, told = _Failing(sqlite3.SQLITE_CORRUPT), []
    writer = Writer.open(path, on_trouble=told.append, probe=probe)
    writer.retry_seconds = 0.0
    writer.call(prepare)
    writer.call(lambda store: store.apply(CATEGORY))
    probe.on = True
    failed = []
    writer.apply(add(1), failed=failed.append)
    wait_until(lambda: told)
    assert "the project file is damaged" in writer.close()
    assert len(failed) == 1
    again = Writer.open(path)
    assert len(again.call(lambda store: store.annotations(1))) == 1
    again.close()
