"""Opening a project file: checked, brought up to date, or made anew."""

import sqlite3
import time
import uuid
from contextlib import closing
from pathlib import Path

from labeler.core.files import sync_folder
from labeler.core.full_disk import disk_of, is_full_disk
from labeler.errors import CannotWriteError, ProjectError
from labeler.project import schema
from labeler.project.keeping import copying, seals, snapshots
from labeler.project.keeping.known import assert_nothing_lost, has_torn_log

_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
CHECKED_AT_ONCE = 16 << 20
"""Files of so many bytes are compared with their checksums before they are opened, larger ones after."""


def connected(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A checked, configured and migrated connection to a project; raises as `Store.open` does."""
    if not path.is_file():
        raise ProjectError(f"There is no project {path}.")
    # SQLite makes another index for a log that it does not take all of
    torn = has_torn_log(path)
    if reason := schema.damage(path, content=path.stat().st_size < CHECKED_AT_ONCE):
        raise snapshots.DamagedProjectError(path, reason, snapshots.newest_good(path))
    assert_nothing_lost(path, torn=torn)
    db = schema.connect_to_read(path) if read_only else schema.connect(path, mode="rw")
    try:
        schema.configure(db, read_only=read_only)
        if not read_only:
            schema.migrate(db, before=lambda: copying.take(path))
            seals.keep_sealed(db)
        else:
            _refuse_older(db, path)
    except sqlite3.Error as error:
        db.close()
        if not read_only and (error.sqlite_errorcode & 0xFF) in _NO_ROOM and is_full_disk(path):
            raise _no_room(path) from error
        raise ProjectError(
            f"{path} cannot be opened ({error}). Check that its folder can be written to."
        ) from error
    except BaseException:
        db.close()
        raise
    return db


def _no_room(path: Path) -> CannotWriteError:
    return CannotWriteError(
        f"{path.name} cannot be opened for writing: the disk {disk_of(path)} is full. Make room there and "
        "open it again, or open it read-only."
    )


def bare_revision(path: Path) -> int:
    """The revision that the main file has without its write-ahead log; -1 where it cannot be read."""
    try:
        with closing(schema.connect(path, mode="immutable")) as db:
            return int(db.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()[0])
    except (sqlite3.Error, TypeError, ValueError):
        return -1


def _refuse_older(db: sqlite3.Connection, path: Path) -> None:
    if schema.version(db) < schema.newest():
        raise ProjectError(
            f"{path} was made by an older version of Labeler. Open it once for writing, which brings it up "
            "to date, before you open it read-only."
        )


def create(path: Path) -> None:
    """An empty project that is there as a whole or not at all; the caller holds its lock."""
    try:
        temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}.tmp")
        try:
            schema.make_file(temporary)
            with closing(schema.connect(temporary, mode="rw")) as db:
                db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
                schema.migrate(db, before=lambda: None)
                seals.keep_sealed(db)
                db.execute("INSERT INTO meta (key, value) VALUES ('created', ?)", (str(time.time()),))
                # snapshots of a project that was here before must not look newer than those of this one
                first = snapshots.next_revision(path)
                db.execute("UPDATE meta SET value = ? WHERE key = 'revision'", (str(first),))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except (OSError, sqlite3.OperationalError) as error:
        raise ProjectError(f"A project cannot be made at {path} ({error}). Choose another folder.") from error
