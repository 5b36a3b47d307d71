"""Projects of folders that could not be written to: kept in the user's data folder, and found again there.

Where a folder's labels are is remembered by the project itself, which names its folder; it is not worked
out anew from what the folder can take today.
"""

import hashlib
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from labeler.errors import ProjectError
from labeler.paths import data_dir
from labeler.project import schema
from labeler.project.keeping import snapshots
from labeler.project.store import Store

PROJECT_NAME = f"labels{schema.SUFFIX}"
_MOVED = ".moved-"
_LOOKED_AT = 200
"""So many photos of a project are compared with those of a folder."""


def kept_for(folder: Path, *, thorough: bool) -> Path | None:
    """The project in the data folder that has a folder's labels; None where there is none.

    With `thorough` it is also found where the folder has moved since, by its photos.
    """
    real = folder.resolve()
    by_name = _named(real)
    if by_name.is_file() and (root := root_of(by_name)) in (None, real):
        return by_name
    if not thorough:
        return None
    others = [path for path in sorted(_folder().glob(f"*{schema.SUFFIX}")) if _MOVED not in path.name]
    roots = {path: root for path in others if (root := root_of(path)) is not None}
    here = next((path for path, root in roots.items() if root == real), None)
    return here or next(
        (path for path, root in roots.items() if not root.is_dir() and _fits(path, real)), None
    )


def new_home(folder: Path) -> Path:
    """Where a new project of a folder goes in the data folder, which is made."""
    first = _named(folder.resolve())
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProjectError(
            f"The labels of {folder} cannot be kept there, nor in {first.parent} ({error.strerror}). "
            "Let Labeler write to one of them."
        ) from error
    names = (first, *(first.with_name(f"{first.stem}-{number}{schema.SUFFIX}") for number in range(2, 1000)))
    return next(name for name in names if not name.exists())


def instead_of(project: Path) -> Path | None:
    """The project that has the labels of a folder whose own `labels.labeler` is not there; None for none."""
    if project.name != PROJECT_NAME or project.exists() or not project.parent.is_dir():
        return None
    return kept_for(project.parent, thorough=True)


def root_of(project: Path) -> Path | None:
    """The folder of images that a project names; None where it names none or cannot be asked."""
    try:
        with schema.reading(project) as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'root'").fetchone()
    except (sqlite3.Error, OSError):
        # what is wrong with the file is said when it is opened
        return None
    return (project.parent / str(row[0])).resolve() if row is not None and row[0] else None


def labels_in(project: Path) -> int:
    """How many annotations a project has; -1 for none where nothing was ever done in it."""
    try:
        with schema.reading(project) as db:
            (labels,) = db.execute("SELECT count(*) FROM annotation").fetchone()
            used = db.execute("SELECT 1 FROM edit LIMIT 1").fetchone()
    except (sqlite3.Error, OSError):
        # it may be damaged, and full of labels
        return 0
    return int(labels) if labels or used else -1


def move_in(home: Path, folder: Path) -> Path:
    """Make the project at `home` the folder's own, `labels.labeler`; gives where that is.

    One that lies there is put aside under another name, and so is the one in the data folder: nothing is
    deleted. Raises `ProjectLockedError` while another window has either, `ProjectError` where it cannot be.
    """
    target = folder / PROJECT_NAME
    with Store.open(home) as store:
        copy = store.securing.snapshot()
        snapshots.restore(target, copy, word="other")
        with Store.open(target) as moved:
            moved.set_root(folder)
    stamp = datetime.now(UTC).strftime(snapshots.STAMP)
    try:
        home.rename(home.with_name(f"{home.stem}{_MOVED}{stamp}{schema.SUFFIX}"))
    except OSError as error:
        raise ProjectError(
            f"The labels are in {target} now, and {home} stays as it was ({error.strerror})."
        ) from error
    return target


def has_photos_in(project: Path, folder: Path) -> bool:
    """Whether a photo of a project lies in a folder by the path that it has there."""
    try:
        with schema.reading(project) as db:
            known = db.execute(f"SELECT path FROM image LIMIT {_LOOKED_AT}").fetchall()
    except (sqlite3.Error, OSError):
        return False
    return any(_size(folder / path) >= 0 for (path,) in known)


def _folder() -> Path:
    return data_dir() / "projects"


def _named(real: Path) -> Path:
    mark = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    return _folder() / f"{real.name or 'disk'}-{mark}{schema.SUFFIX}"


def _fits(project: Path, folder: Path) -> bool:
    """Whether most photos of a project lie in a folder, each with the size that it had."""
    query = f"SELECT path, size FROM image JOIN photo ON image_id = image.id LIMIT {_LOOKED_AT}"
    try:
        with schema.reading(project) as db:
            known = db.execute(query).fetchall()
    except (sqlite3.Error, OSError):
        return False
    there = len([path for path, size in known if _size(folder / path) == size])
    return bool(there) and 2 * there >= len(known)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
