"""Whole copies of the project beside it: made atomically, checked, rotated, and restored from."""

import contextlib
import hashlib
import logging
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from labeler.errors import ProjectError
from labeler.paths import data_dir
from labeler.project import schema
from labeler.project.lock import acquire

KEEP_NEWEST = 10
KEEP_DAYS = 7
_STAMP = "%Y%m%d-%H%M%S-%f"
_TEMPORARY = ".tmp"

logger = logging.getLogger(__name__)


class DamagedProjectError(ProjectError):
    """A project file that is damaged. It was not touched; `snapshot` is the newest whole copy, if any."""

    def __init__(self, path: Path, reason: str, snapshot: Path | None) -> None:
        self.path = path
        self.reason = reason
        self.snapshot = snapshot
        self.minutes_behind = None if snapshot is None else _minutes_behind(path, snapshot)
        """How much older the snapshot is than the last write to the damaged file."""
        offer = "There is no whole copy of it"
        if self.minutes_behind is not None:
            minutes = round(self.minutes_behind)
            offer = f"The newest whole copy is {minutes} min older and can be restored"
        super().__init__(f"{path} is damaged ({reason}). It was left as it is. {offer}.")


def folders(project: Path) -> tuple[Path, Path]:
    """Where snapshots of a project are: beside it, or in the user's data folder where that cannot be."""
    mark = hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:12]
    name = f"{project.name}.backups"
    return project.with_name(name), data_dir() / "backups" / f"{project.stem}-{mark}.backups"


def folder_to_write(project: Path) -> Path:
    """The snapshot folder, made if need be."""
    beside, at_home = folders(project)
    try:
        beside.mkdir(exist_ok=True)
    except OSError:
        at_home.mkdir(parents=True, exist_ok=True)
        return at_home
    return beside if os.access(beside, os.W_OK) else at_home


def listed(project: Path) -> list[Path]:
    """All snapshots of a project, newest first, unchecked."""
    found = [path for folder in folders(project) for path in _snapshots(folder, project.stem)]
    return sorted(found, key=taken, reverse=True)


def _snapshots(folder: Path, stem: str) -> Iterator[Path]:
    for path in folder.glob(f"*{schema.SUFFIX}"):
        if path.name.startswith(f"{stem}-"):
            with contextlib.suppress(ValueError):
                taken(path)
                yield path


def taken(snapshot: Path) -> float:
    """When a snapshot was taken, from its name: seconds since 1970, UTC."""
    stamp = "-".join(snapshot.stem.rsplit("-", 3)[1:])
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()


def newest_good(project: Path) -> Path | None:
    """The newest snapshot that passes its check."""
    return next((path for path in listed(project) if is_good(path)), None)


def is_good(snapshot: Path) -> bool:
    """Whether a snapshot is a whole project that this version can open."""
    try:
        return not schema.damage(snapshot)
    except (ProjectError, OSError):
        return False


def take(
    db: sqlite3.Connection,
    project: Path,
    *,
    folder: Path | None = None,
    midway: Callable[[], None] = lambda: None,
) -> Path:
    """Write a snapshot, check it, publish it under its time, and let old ones go; gives its path.

    `midway` is called when the copy is written but not yet published.
    """
    folder = folder or folder_to_write(project)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"*{_TEMPORARY}"):
        left.unlink(missing_ok=True)
    temporary = folder / f"{project.stem}-{uuid.uuid4().hex}{_TEMPORARY}"
    try:
        db.execute("VACUUM INTO ?", (str(temporary),))
        midway()
        _sync(temporary)
        if reason := schema.damage(temporary):
            raise ProjectError(f"A snapshot of {project} could not be made: the copy is damaged ({reason}).")
        target = folder / f"{project.stem}-{datetime.now(UTC).strftime(_STAMP)}{schema.SUFFIX}"
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(folder)
    for old in _superfluous(sorted(_snapshots(folder, project.stem), key=taken, reverse=True)):
        old.unlink(missing_ok=True)
    return target


def _superfluous(newest_first: Sequence[Path]) -> list[Path]:
    """All but the newest ten and the newest of each of the last seven days that have any."""
    days: dict[str, Path] = {}
    for path in newest_first:
        days.setdefault(datetime.fromtimestamp(taken(path), UTC).strftime("%Y%m%d"), path)
    kept = {*newest_first[:KEEP_NEWEST], *list(days.values())[:KEEP_DAYS]}
    return [path for path in newest_first if path not in kept]


def restore(project: Path, snapshot: Path) -> Path:
    """Put a damaged project aside and a copy of a snapshot in its place; gives where the damaged one is.

    The damaged file keeps its side files and is never deleted. Raises `ProjectLockedError` while
    another process has the project, and `ProjectError` for a snapshot that is not whole.
    """
    if not is_good(snapshot):
        raise ProjectError(f"The snapshot {snapshot} is not whole; choose another one.")
    aside = project.with_name(f"{project.stem}.damaged-{datetime.now(UTC).strftime(_STAMP)}{schema.SUFFIX}")
    temporary = project.with_name(f".{project.name}-{uuid.uuid4().hex}{_TEMPORARY}")
    lock = acquire(project)
    try:
        shutil.copyfile(snapshot, temporary)
        _sync(temporary)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                project.with_name(project.name + suffix).rename(aside.with_name(aside.name + suffix))
        temporary.replace(project)
        sync_folder(project.parent)
    finally:
        temporary.unlink(missing_ok=True)
        lock.release()
    return aside


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system has a way to."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def revision(snapshot: Path) -> int:
    """The project's revision that a snapshot holds; -1 where it cannot be read."""
    try:
        with closing(schema.connect_to_read(snapshot)) as db:
            return int(db.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()[0])
    except (sqlite3.Error, TypeError, ValueError):
        return -1


def _minutes_behind(project: Path, snapshot: Path) -> float:
    written = 0.0
    for suffix in ("", "-wal"):
        with contextlib.suppress(OSError):
            written = max(written, project.with_name(project.name + suffix).stat().st_mtime)
    return max(0.0, (written or time.time()) - taken(snapshot)) / 60
