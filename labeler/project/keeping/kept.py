"""Copies of a project that was replaced while it was open: edits went on there, until somebody decides."""

import contextlib
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from labeler.core.files import sync_file, sync_folder
from labeler.errors import ProjectError
from labeler.paths import data_dir
from labeler.project import schema
from labeler.project.keeping import seals, snapshots
from labeler.project.keeping.lock import acquire
from labeler.project.keeping.noted import note
from labeler.project.keeping.whereabouts import AwayError, Whereabouts

_MARK = ".kept-"


class Undecided(Struct, frozen=True):
    """What was kept of a project because it could not be saved in it."""

    project: Path
    sentence: str
    copy: Path | None = None
    """The copy in which its edits went on."""
    aside: tuple[Path, ...] = ()
    """Files of edits that did not fit."""


def kept_copies(project: Path) -> list[Path]:
    """The copies that wait for a decision, newest first."""
    found: set[Path] = set()
    for folder in (project.parent, data_dir() / "kept"):
        found.update(folder.glob(f"{_escaped(project.stem)}{_MARK}*{schema.SUFFIX}"))
    return sorted((path for path in found if _is_of(path, project)), key=lambda p: p.name, reverse=True)


def _escaped(stem: str) -> str:
    return "".join(f"[{letter}]" if letter in "[]*?" else letter for letter in stem)


def _is_of(copy: Path, project: Path) -> bool:
    """In the user's own folder there are copies of projects of one name from many places."""
    if copy.parent == project.parent:
        return True
    try:
        with closing(schema.connect_to_read(copy)) as db:
            query = "SELECT value FROM meta WHERE key = 'kept of'"
            row = db.execute(query).fetchone() if schema.is_table(db, "meta") else None
    except sqlite3.Error:
        return False
    return row is not None and row[0] == os.fspath(project.resolve())


def place_for(away: AwayError) -> Path:
    """Where to go on with a project whose path means something else now.

    At its own path where nothing is there any more, where its folder went, else in a copy beside, or in the
    user's data folder where that cannot be written to.
    """
    if away.change == "folder moved" and away.now_at is not None:
        return away.now_at
    if away.change in ("deleted", "moved") and os.access(away.path.parent, os.W_OK):
        return away.path
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder = away.path.parent
    if not os.access(folder, os.W_OK):
        folder = data_dir() / "kept"
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{away.path.stem}{_MARK}{stamp}{schema.SUFFIX}"


def sentence(away: AwayError, target: Path) -> str:
    """What a person is told of it; the names of the files and what each has."""
    match away.change:
        case "folder moved":
            then = "Edits are saved there. Open it there to see its photos again"
        case "deleted":
            then = "It was written there again, with all your labels"
            if target != away.path:
                then = f"All your labels and what you do from now on are saved in {target}"
        case "moved":
            then = "It was written again where it was, with all your labels, and edits are saved there"
            if target != away.path:
                then = f"All your labels and what you do from now on are saved in {target}"
        case _:
            then = f"All your labels and what you do from now on are saved in {target}"
    return f"{away} {then}."


def write_copy(source: sqlite3.Connection, target: Path, *, of: Path) -> None:
    """Write what a connection sees to a new file, whole or not at all; never over another one."""
    temporary = target.with_name(f".{target.name}{snapshots.TEMPORARY}")
    try:
        temporary.unlink(missing_ok=True)
        schema.make_file(temporary, like=of)
        with closing(schema.connect(temporary, mode="rw")) as copy:
            copy.execute("PRAGMA synchronous = OFF")
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = delete")
            seals.keep_sealed(copy)
            query = "INSERT OR REPLACE INTO meta (key, value) VALUES ('kept of', ?)"
            copy.execute(query, (os.fspath(of.resolve()),))
        sync_file(temporary)
        if target.exists():
            raise ProjectError(f"{target} is there again; what was open is not written over it.")
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def let_go(db: sqlite3.Connection, whereabouts: Whereabouts, path: Path) -> None:
    """Close a connection whose path means another file now, of which nothing is touched.

    Our side files go: whoever opens the other file would take them for its own.
    """
    with contextlib.suppress(sqlite3.Error):
        watcher = schema.connect(path, mode="ro")
        with closing(watcher):
            with contextlib.suppress(sqlite3.Error):
                # as long as somebody looks on, closing brings nothing into the main file
                watcher.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            db.close()
    db.close()
    for side in whereabouts.own_sides():
        side.unlink(missing_ok=True)


def use_mine(project: Path, copy: Path) -> Path | None:
    """Put a kept copy in the place of the project; gives where the other file is kept, if there was one.

    Raises `ProjectLockedError` while another process has either, `ProjectError` where the copy is not whole.
    """
    acquire(copy).release()
    aside = snapshots.restore(project, copy, word="other")
    copy.unlink()
    _take_snapshots(project, copy)
    return aside if aside.exists() else None


def _take_snapshots(project: Path, copy: Path) -> None:
    """What was kept of the copy is the project's from now on, and older than what is in it."""
    lock = acquire(project)
    try:
        _move_snapshots(copy, project)
        snapshots.put_ahead(project, snapshots.next_revision(project))
    finally:
        lock.release()


def _move_snapshots(copy: Path, to: Path) -> None:
    """What was kept of a copy goes where it is looked for under another name; none is written over."""
    for snapshot in snapshots.listed(copy):
        name = to.stem + snapshot.name.removeprefix(copy.stem)
        target = snapshots.folder_to_write(to) / name
        if target.exists():
            continue
        for side in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                shutil.move(snapshot.with_name(snapshot.name + side), target.with_name(name + side))
    for folder in snapshots.folders(copy):
        with contextlib.suppress(OSError):  # it was never made, or has what is not ours
            folder.rmdir()


def use_theirs(project: Path, copy: Path) -> Path:
    """Leave the project as it is, and keep the copy under a name that asks for nothing; gives that."""
    acquire(copy).release()
    note(project, snapshots.revision(project))
    aside = copy.with_name(copy.name.replace(_MARK, ".mine-"))
    if copy.parent != project.parent:
        aside = aside.with_name(f"{aside.stem}-{os.getpid()}{schema.SUFFIX}")
    shutil.move(copy, aside)
    _move_snapshots(copy, aside)
    return aside
