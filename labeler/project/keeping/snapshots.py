"""Whole copies of the project beside it: made atomically, checked, rotated, and restored from."""

import contextlib
import hashlib
import logging
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from labeler.core.files import sync_file, sync_folder
from labeler.core.full_disk import why
from labeler.errors import CannotWriteError, ProjectError
from labeler.paths import data_dir
from labeler.project import schema
from labeler.project.keeping import seals
from labeler.project.keeping.lock import acquire
from labeler.project.keeping.noted import known_revision

KEEP_NEWEST = 10
KEEP_DAYS = 7
KEEP_LEAST = 2
"""So many are kept whatever room they take: one may turn out not to be whole."""
SHARE = 0.1
"""What snapshots of a project may take of the room that the disk has without them ..."""
ALWAYS = 256 << 20
"""... though never less than so many bytes."""
STAMP = "%Y%m%d-%H%M%S-%f"
TEMPORARY = ".tmp"

logger = logging.getLogger(__name__)


class DamagedProjectError(ProjectError):
    """A project file that is damaged. It was not touched; `snapshot` is the newest whole copy, if any."""

    def __init__(self, path: Path, reason: str, snapshot: Path | None) -> None:
        self.path = path
        self.reason = reason
        self.snapshot = snapshot
        self.saves_behind = None if snapshot is None else _saves_behind(path, snapshot)
        """How many saves of the damaged file the snapshot lacks; None where nobody knows."""
        super().__init__(f"{path} is damaged ({reason}). It was left as it is. {self._offer()}.")

    def _offer(self) -> str:
        if self.snapshot is None:
            return "There is no whole copy of it"
        match self.saves_behind:
            case None:
                when = datetime.fromtimestamp(taken(self.snapshot)).astimezone().strftime("%Y-%m-%d %H:%M")
                return f"The newest whole copy, of {when}, can be restored"
            case 0:
                return "The newest whole copy has all that was saved in it and can be restored"
            case 1:
                return "The newest whole copy lacks the last save and can be restored"
            case number:
                return f"The newest whole copy lacks the last {number} saves and can be restored"


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
    """All snapshots of a project, newest first, unchecked.

    The newest is the one of the highest revision, which is in the file: a clock may be put back.
    """
    found = [path for folder in folders(project) for path in _snapshots(folder, project.stem)]
    return sorted(found, key=_order, reverse=True)


def _order(snapshot: Path) -> tuple[int, float]:
    return revision(snapshot), taken(snapshot)


def _snapshots(folder: Path, stem: str) -> Iterator[Path]:
    for path in folder.glob(f"*{schema.SUFFIX}"):
        if path.name.startswith(f"{stem}-"):
            with contextlib.suppress(ValueError):
                taken(path)
                yield path


def taken(snapshot: Path) -> float:
    """When a snapshot was taken by the clock of then, from its name: seconds since 1970, UTC."""
    stamp = "-".join(snapshot.stem.rsplit("-", 3)[1:])
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()


def newest_good(project: Path) -> Path | None:
    """The newest snapshot that passes its check."""
    return next((path for path in listed(project) if is_good(path)), None)


def is_good(snapshot: Path) -> bool:
    """Whether a snapshot is a whole project that this version can open."""
    try:
        return not schema.damage(snapshot)
    except (ProjectError, OSError):
        return False


def rotate(folder: Path, stem: str, *, keeping: Path) -> str:
    """Delete the snapshots in a folder that are superfluous, but never `keeping`, the one just taken.

    Gives a sentence to tell where fewer are kept than usual since they take too much of the disk, else "".
    """
    newest_first = sorted(_snapshots(folder, stem), key=_order, reverse=True)
    sizes = {path: path.stat().st_size for path in newest_first}
    wanted = _wanted(newest_first)
    limit = max(SHARE * (shutil.disk_usage(folder).free + sum(sizes.values())), ALWAYS)
    kept = _within(wanted, sizes, limit)
    for old in newest_first:
        if old != keeping and old not in kept:
            old.unlink(missing_ok=True)
    if len(kept) == len(wanted):
        return ""
    taken_up = sum(sizes[one] for one in kept) / 1e9
    return (
        f"{len(kept)} earlier copies are kept of {stem}, {taken_up:.1f} GB: more would "
        f"take over a tenth of the room on the disk ({limit / 1e9:.1f} GB). Make room there to keep more."
    )


def _wanted(newest_first: Sequence[Path]) -> list[Path]:
    """The newest ten and the newest of each of the last seven days that have any, the most wanted first.

    That are the two newest, then one a day, then the others from new to old.
    """
    days: dict[str, Path] = {}
    for path in newest_first:
        days.setdefault(datetime.fromtimestamp(taken(path), UTC).strftime("%Y%m%d"), path)
    daily = list(days.values())[:KEEP_DAYS]
    return list(dict.fromkeys((*newest_first[:KEEP_LEAST], *daily, *newest_first[:KEEP_NEWEST])))


def _within(wanted: Sequence[Path], sizes: Mapping[Path, int], limit: float) -> list[Path]:
    """Those of the wanted ones that fit into so many bytes, but always the two newest."""
    kept: list[Path] = []
    taken_up = 0
    for place, path in enumerate(wanted):
        if place >= KEEP_LEAST and taken_up + sizes[path] > limit:
            break
        kept.append(path)
        taken_up += sizes[path]
    return kept


def restore(project: Path, snapshot: Path, *, word: str = "damaged") -> Path:
    """Put a damaged project aside and a copy of a snapshot in its place; gives where the damaged one is.

    The damaged file keeps its side files and is never deleted; `word` says in its name what it is. Raises
    `ProjectLockedError` while another process has the project, and `ProjectError` for a snapshot that is
    not whole.
    """
    if not is_good(snapshot):
        raise ProjectError(f"The snapshot {snapshot} is not whole; choose another one.")
    aside = project.with_name(f"{project.stem}.{word}-{datetime.now(UTC).strftime(STAMP)}{schema.SUFFIX}")
    temporary = project.with_name(f".{project.name}-{uuid.uuid4().hex}{TEMPORARY}")
    lock = acquire(project)
    try:
        shutil.copyfile(snapshot, temporary)
        with contextlib.suppress(OSError):
            shutil.copymode(project if project.exists() else snapshot, temporary)
        # what is restored is newer than every snapshot, those of the way that is left included
        put_ahead(temporary, next_revision(project))
        sync_file(temporary)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                project.with_name(project.name + suffix).rename(aside.with_name(aside.name + suffix))
        temporary.replace(project)
        sync_folder(project.parent)
    except (OSError, sqlite3.OperationalError) as error:
        said = why(error, project) if isinstance(error, OSError) else str(error)
        raise CannotWriteError(
            f"The copy {snapshot.name} could not be put in the place of {project}: {said}. Nothing was lost; "
            "make room or let Labeler write there, and restore it again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
        lock.release()
    return aside


def put_ahead(project: Path, revision: int) -> None:
    """Give a project that nobody has open another revision."""
    with closing(schema.connect(project, mode="rw")) as db:
        seals.keep_sealed(db)
        db.execute("UPDATE meta SET value = ? WHERE key = 'revision'", (str(revision),))


def next_revision(project: Path) -> int:
    """A revision that neither a project nor any snapshot of it has had."""
    had = map(revision, (project, *listed(project)))
    return 1 + max((known_revision(project) or -1, *had))


def revision(snapshot: Path) -> int:
    """The project's revision that a snapshot holds; -1 where it cannot be read."""
    try:
        with closing(schema.connect_to_read(snapshot)) as db:
            if not schema.is_table(db, "meta"):
                return -1
            return int(db.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()[0])
    except (sqlite3.Error, OSError, TypeError, ValueError):
        return -1


def _saves_behind(project: Path, snapshot: Path) -> int | None:
    reached = revision(project)
    return max(0, reached - revision(snapshot)) if reached >= 0 else None
