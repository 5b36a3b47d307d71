"""Snapshots are taken on a connection of their own, while whoever writes to the project goes on."""

import logging
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labeler.core.files import sync_file, sync_folder
from labeler.errors import ProjectError
from labeler.project import schema
from labeler.project.keeping import snapshots

_PAGES = 2048
"""So many pages, 8 MiB, are copied between two looks at whether to stop."""

logger = logging.getLogger(__name__)

_underway: set[Path] = set()
"""The copies that threads of this process are writing: an import secures what upkeep may just be copying."""


def never() -> bool:
    """Nothing stops it."""
    return False


class CopyStoppedError(ProjectError):
    """A copy that was not finished because somebody waits; nothing is left of it."""


class Pinned:
    """What a project was at one moment, whatever is written to it since.

    It may be used on another thread than it was made on, by one thread at a time. While it is open the
    write-ahead log grows, so it is not to be kept.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        self._db = schema.connect_to_read(project, any_thread=True)
        try:
            self._db.execute("BEGIN")
            (value,) = self._db.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
        except BaseException:
            self._db.close()
            raise
        self.revision = int(value)

    def close(self) -> None:
        """Let go of that moment."""
        self._db.close()

    def copy_to(self, target: Path, *, stop: Callable[[], bool]) -> None:
        """Write all of it to a new file; raises `CopyStoppedError` once `stop` gives True."""

        def look(*_: int) -> None:
            if stop():
                raise CopyStoppedError(f"The snapshot of {self.project.name} was not finished.")

        schema.make_file(target, like=self.project)
        with closing(schema.connect(target, mode="rw")) as copy:
            # it is flushed once, as a whole, before it gets its name
            copy.execute("PRAGMA synchronous = OFF")
            self._db.backup(copy, pages=_PAGES, progress=look)
            copy.execute("PRAGMA journal_mode = delete")


def take(
    project: Path,
    *,
    folder: Path | None = None,
    midway: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = never,
) -> Path:
    """Make a snapshot of a project as it is now; see `keep`."""
    with closing(Pinned(project)) as pinned:
        return keep(pinned, folder=folder, midway=midway, stop=stop)


def secure(
    project: Path,
    *,
    midway: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = never,
    tell: Callable[[str], object] = logger.info,
) -> Path | None:
    """`take` where the newest snapshot is not the project as it is now; None where it is."""
    with closing(Pinned(project)) as pinned:
        return None if is_kept(pinned) else keep(pinned, midway=midway, stop=stop, tell=tell)


def is_kept(pinned: Pinned) -> bool:
    """Whether the newest snapshot is of that moment."""
    newest = next(iter(snapshots.listed(pinned.project)), None)
    return newest is not None and snapshots.revision(newest) == pinned.revision


def keep(
    pinned: Pinned,
    *,
    folder: Path | None = None,
    midway: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = never,
    tell: Callable[[str], object] = logger.info,
) -> Path:
    """Write a snapshot, check it, publish it, and let old ones go; gives its path.

    `midway` is called when the copy is written but not yet published, `tell` with a sentence where fewer
    are kept than usual. Raises `CopyStoppedError` once `stop`
    gives True, `DamagedProjectError` where what was copied is not whole, and what the disk raises.
    """
    project = pinned.project
    folder = folder or snapshots.folder_to_write(project)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"*{snapshots.TEMPORARY}"):
        if left not in _underway:
            left.unlink(missing_ok=True)
    temporary = folder / f"{project.stem}-{uuid.uuid4().hex}{snapshots.TEMPORARY}"
    _underway.add(temporary)
    try:
        pinned.copy_to(temporary, stop=stop)
        midway()
        sync_file(temporary)
        _check(project, temporary, stop)
        target = _free_name(folder, project.stem)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        _underway.discard(temporary)
    sync_folder(folder)
    if few := snapshots.rotate(folder, project.stem, keeping=target):
        tell(few)
    return target


def _free_name(folder: Path, stem: str) -> Path:
    """The name of a snapshot of now; a clock that was put back gives a moment twice."""
    now = datetime.now(UTC)
    while (name := folder / f"{stem}-{now.strftime(snapshots.STAMP)}{schema.SUFFIX}").exists():
        now += timedelta(microseconds=1)
    return name


def _check(project: Path, copy: Path, stop: Callable[[], bool]) -> None:
    try:
        reason = schema.damage(copy, stop=stop)
    except ProjectError as error:
        if stop():
            raise CopyStoppedError(f"The snapshot of {project.name} was not finished.") from error
        raise
    if reason:
        raise snapshots.DamagedProjectError(project, reason, snapshots.newest_good(project))


def secure_for_import(path: Path, secure: Callable[[], object]) -> None:
    """Have a snapshot made before an import. Raises ProjectError, one sentence, where there can be none."""
    try:
        secure()
    except (OSError, sqlite3.Error) as error:
        raise ProjectError(
            f"Nothing was imported: no snapshot of {path.name} could be made before it ({error}). Make room "
            "beside the project, or let Labeler write there, and import again."
        ) from error
