"""A project that is replaced, deleted or moved while it is open: noticed, told, and nothing lost."""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from project_model import prepare

from labeler.core.records import Annotation, Box, Category, Change, Edit
from labeler.errors import ProjectError
from labeler.project.keeping import kept, snapshots, upkeep
from labeler.project.keeping.whereabouts import AwayError
from labeler.project.store import Store
from labeler.project.writer import Writer

CATEGORY = Edit("Add category", (Change(None, Category(1, "person", "#ff0000")),))


def add(key: int) -> Edit:
    return Edit(f"Add {key}", (Change(None, Annotation(key, 1, 1, Box(0, 0, key, key))),))


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder / "labels.labeler"


class Open:
    """A writer with three objects in its project, and what it told."""

    def __init__(self, path: Path) -> None:
        self.told: list[tuple[str, Path]] = []
        self.trouble: list[str] = []
        self.writer = Writer.open(
            path,
            on_trouble=self.trouble.append,
            on_away=lambda text, target: self.told.append((text, target)),
        )
        self.writer.call(prepare)
        self.writer.call(lambda store: store.apply(CATEGORY))
        for key in (1, 2, 3):
            self.apply(key)

    def apply(self, key: int) -> list[tuple[str, Path]]:
        """Apply an edit; gives what was told before it was saved."""
        done: list[list[tuple[str, Path]]] = []
        ended = threading.Event()

        def take(_: object) -> None:
            done.append(list(self.told))
            ended.set()

        self.writer.apply(add(key), take, lambda _: ended.set())
        assert ended.wait(60)
        assert done, "the edit failed"
        return done[0]


@pytest.fixture
def opened(path: Path):
    one = Open(path)
    yield one
    one.writer.close()


def other_project(folder: Path) -> Path:
    path = folder / "other.labeler"
    with Store.open(path) as store:
        prepare(store)
        store.apply(Edit("Add", (Change(None, Category(1, "theirs", "#000000")),)))
    return path


def objects(path: Path) -> list[int]:
    with Store.open(path, read_only=True) as store:
        return [annotation.id for annotation in store.all_annotations()]


def by_rename(path: Path, other: Path) -> None:
    os.replace(other, path)  # noqa: PTH105


def by_checkout(path: Path, other: Path) -> None:
    path.unlink()
    shutil.copy(other, path)


def with_its_side_files(path: Path, other: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(other, path)  # noqa: PTH105


@pytest.mark.parametrize("pause", [False, True], ids=["at once", "after a checkpoint"])
@pytest.mark.parametrize("replace", [by_rename, by_checkout, with_its_side_files])
def test_a_project_replaced_by_another_is_noticed_before_the_next_edit_is_saved(
    opened: Open, path: Path, tmp_path: Path, replace: Callable[[Path, Path], None], pause: bool
) -> None:
    other = other_project(tmp_path)
    theirs = other.read_bytes()
    if pause:
        wait_until(lambda: path.with_name("labels.labeler-wal").stat().st_size == 0)
    replace(path, other)
    ((text, target),) = opened.apply(4)
    assert "was replaced by another file by another program" in text
    assert str(target) in text
    opened.apply(5)
    opened.writer.undo()
    assert opened.writer.close() == ""
    assert len(opened.told) == 1
    assert path.read_bytes() == theirs, "what the other one wrote is left alone"
    assert kept.kept_copies(path) == [target]
    assert objects(target) == [1, 2, 3, 4]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT name FROM category").fetchall() == [("theirs",)]


def test_a_person_takes_theirs_or_mine_and_both_are_kept(opened: Open, path: Path, tmp_path: Path) -> None:
    other = other_project(tmp_path)
    again = shutil.copy(other, tmp_path / "again.labeler")
    by_rename(path, other)
    opened.apply(4)
    opened.writer.close()
    (copy,) = kept.kept_copies(path)
    backups = copy.with_name(f"{copy.name}.backups")
    had = len(snapshots.listed(copy))
    assert had, "one is taken when it is closed"
    aside = kept.use_theirs(path, copy)
    assert kept.kept_copies(path) == []
    assert (objects(aside), objects(path)) == ([1, 2, 3, 4], [])
    assert not backups.exists(), "its snapshots went with it"
    assert len(snapshots.listed(aside)) == had
    assert objects(snapshots.listed(aside)[0]) == [1, 2, 3, 4]
    shutil.copy(aside, copy)
    shutil.copy(again, path)
    backups.mkdir()
    earlier = backups / f"{copy.stem}-20260101-000000-000000.labeler"
    shutil.copy(copy, earlier)
    aside = kept.use_mine(path, copy)
    assert not backups.exists(), list(backups.iterdir())
    taken = [one for one in snapshots.listed(path) if "20260101" in one.name]
    assert len(taken) == 1
    assert snapshots.revision(path) > snapshots.revision(taken[0])
    assert aside is not None
    assert kept.kept_copies(path) == []
    assert (objects(aside), objects(path)) == ([], [1, 2, 3, 4])


@pytest.mark.parametrize("also", [(), ("-wal",), ("-wal", "-shm", ".lock")])
def test_a_project_that_is_deleted_is_written_again(opened: Open, path: Path, also: tuple[str, ...]) -> None:
    for suffix in ("", *also):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    ((text, target),) = opened.apply(4)
    assert "was deleted while it was open. It was written there again" in text
    assert target == path
    opened.apply(5)
    with pytest.raises(ProjectError, match="is open"):
        Store.open(path)
    opened.writer.close()
    assert objects(path) == [1, 2, 3, 4, 5]


def test_it_is_noticed_without_any_edit(opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.05)
    path.unlink()
    wait_until(lambda: opened.told)
    assert objects(path) == [1, 2, 3]


def test_a_project_moved_away_is_written_again_and_the_moved_one_is_whole(
    opened: Open, path: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere.labeler"
    path.rename(moved)
    ((text, target),) = opened.apply(4)
    assert target == path
    assert "was deleted" in text or f"was moved to {moved}" in text
    opened.writer.close()
    assert objects(path) == [1, 2, 3, 4]
    assert objects(moved) == [1, 2, 3]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to follow a folder")  # noqa: PTH112
def test_a_folder_that_is_moved_takes_its_edits_along(opened: Open, path: Path, tmp_path: Path) -> None:
    path.parent.rename(tmp_path / "moved")
    ((text, target),) = opened.apply(4)
    assert target == tmp_path / "moved" / path.name
    assert str(target) in text
    opened.apply(5)
    opened.writer.close()
    assert not path.parent.exists()
    assert objects(target) == [1, 2, 3, 4, 5]


def test_side_files_taken_away_cost_nothing(opened: Open, path: Path, tmp_path: Path) -> None:
    path.with_name("labels.labeler-wal").unlink()
    assert opened.apply(4) == []
    copy = tmp_path / "copy.labeler"
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    assert objects(copy) == [1, 2, 3, 4], "an edit that was saved is not in a file without a name"


def test_a_touched_project_is_no_other_one(opened: Open, path: Path) -> None:
    os.utime(path)
    assert opened.apply(4) == []


def test_a_project_that_is_written_over_goes_on_in_a_copy_with_all_edits(
    opened: Open, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = tmp_path / "early.labeler"
    wait_until(lambda: snapshots.listed(path) and path.with_name("labels.labeler-wal").stat().st_size == 0)
    shutil.copy(other_project(tmp_path), early)
    opened.apply(4)
    with path.open("r+b") as file:  # as `cp` does it: the same file with other content
        file.truncate()
        file.write(early.read_bytes())
    ((text, target),) = opened.apply(5)
    assert "was written into" in text
    opened.apply(6)
    opened.writer.close()
    assert objects(target) == [1, 2, 3, 4, 5, 6]
    assert path.read_bytes() == early.read_bytes()
    assert not path.with_name("labels.labeler-wal").exists()


def test_where_no_copy_can_be_made_edits_wait_and_are_rescued(
    opened: Open, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expect_log
) -> None:
    expect_log("cannot go on in")
    monkeypatch.setattr(Writer, "retry_seconds", 0.05)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    done: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("labeler.project.open_file.write_copy", full)
        by_rename(path, other_project(tmp_path))
        opened.writer.apply(add(4), done.append)
        wait_until(lambda: any("They are safe in" in text for text in opened.trouble))
        assert done == []
        assert "was replaced by another file" in opened.trouble[0]
    wait_until(lambda: done)
    ((_, target),) = opened.told
    opened.writer.close()
    assert objects(target) == [1, 2, 3, 4]


def test_a_command_line_says_that_what_it_wrote_is_not_at_the_path(path: Path, tmp_path: Path) -> None:
    with Store.open(path) as store:
        prepare(store)
        by_rename(path, other_project(tmp_path))
        with pytest.raises(AwayError, match="was replaced by another file"):
            store.apply(CATEGORY)
