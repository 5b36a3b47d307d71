"""Errors while writing: whether the disk is to blame, and what is to be said."""

import contextlib
import sqlite3
from pathlib import Path

from labeler.core.full_disk import disk_of
from labeler.errors import CannotWriteError, LabelerError, ProjectError
from labeler.project.keeping.whereabouts import AwayError, what_happened
from labeler.project.store import Store

_HELD = "another program holds the project file"
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_READONLY: "the project file has become read-only",
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_PROTOCOL: _HELD,
    sqlite3.SQLITE_CANTOPEN: "the project file cannot be reached",
    sqlite3.SQLITE_PERM: "writing to the project file is not allowed",
    sqlite3.SQLITE_NOMEM: "there is too little memory",
    sqlite3.SQLITE_CORRUPT: "the project file is damaged",
    sqlite3.SQLITE_NOTADB: "the project file is damaged",
}


def _code(error: Exception) -> int:
    """The primary result code of SQLite; 0 for another error."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def reason(error: Exception) -> str:
    """What is wrong around the project; "" where the fault is in the work itself."""
    if isinstance(error, AwayError):
        return f"the project file {what_happened(error.path, error.change, error.now_at)}"
    return _REASONS.get(_code(error), "") if isinstance(error, sqlite3.Error) else ""


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, so that trying again would be wrong."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def sentence(path: Path, error: Exception, rescue: Path | None) -> str:
    """What a person is told while edits wait; `rescue` is the file that holds them, if one does."""
    kept = f"They are safe in {rescue}" if rescue else "They are only in memory, so leave Labeler open"
    then = (
        "open the project again to restore its newest snapshot"
        if is_damage(error)
        else "saving is tried again by itself"
    )
    return f"Edits are not saved in {path.name}: {reason(error)}. {kept}; {then}."


def told(path: Path, error: Exception) -> Exception:
    """The error for the owner of work that is not tried again."""
    why = reason(error)
    if not why:
        return error
    refusal = ProjectError(
        f"{path.name} could not be read or written: {why}. Nothing was changed; try it again."
    )
    refusal.__cause__ = error
    return refusal


def cannot_take_up(path: Path, error: Exception, rescue: Path) -> CannotWriteError:
    """The refusal of a project that has rescued edits to take up while its disk takes nothing."""
    return CannotWriteError(
        f"{path.name} has edits of an earlier session to take up, and {reason(error) or error} (disk "
        f"{disk_of(path)}). They stay safe in {rescue}: see to the disk and open it again, or "
        "open it read-only."
    )


def reconnect(store: Store, error: Exception) -> None:
    """Open the file anew where the connection may have lost it; it stays as it is where that fails."""
    if _code(error) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        with contextlib.suppress(LabelerError, sqlite3.Error, OSError):
            store.file.reconnect()
