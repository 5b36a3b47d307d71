"""The folder of images: what lies in it, and where its project is kept."""

import hashlib
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psutil
from msgspec import Struct
from msgspec.structs import replace

from labeler.core.images import SUFFIXES, digest
from labeler.core.records import Image
from labeler.errors import ImageError, ProjectError
from labeler.paths import data_dir
from labeler.project import schema
from labeler.project.order import natural_key
from labeler.project.store import Store

PROJECT_NAME = f"labels{schema.SUFFIX}"
MISSING = "missing"
"""The note of an image whose file is not there."""

_NETWORK = frozenset(
    "nfs nfs3 nfs4 cifs smb smb2 smb3 smbfs afpfs webdav davfs ncpfs afs ceph glusterfs lustre beegfs 9p "
    "fuse.sshfs fuse.rclone fuse.glusterfs fuse.s3fs fuse.gvfsd-fuse fuse.davfs".split()
)
"""File systems whose locks and shared memory SQLite cannot rely on (sqlite.org/howtocorrupt.html)."""

logger = logging.getLogger(__name__)


# --- finding images ---------------------------------------------------------------------------


def find_images(folder: Path) -> Iterator[str]:
    """Paths of all images below a folder, relative to it, POSIX style, in natural order.

    They come as they are found, so that a caller can show how far it is. Hidden files and folders are
    left out, and so are folders that may not be read; a link to a folder is followed, but never in a
    circle. Raises `ProjectError` where the folder itself cannot be read.
    """
    try:
        entries = _entries(folder)
    except OSError as error:
        raise ProjectError(f"The folder {folder} cannot be read ({error.strerror}).") from error
    yield from _below(entries, "", (os.path.realpath(folder),))


def _below(entries: Sequence["os.DirEntry[str]"], prefix: str, trail: tuple[str, ...]) -> Iterator[str]:
    for entry in entries:
        if entry.is_dir():
            # a real folder below cannot lead back up; only a link can
            real = os.path.realpath(entry.path) if entry.is_symlink() else ""
            if real in trail:
                continue
            try:
                inner = _entries(entry.path)
            except OSError as error:
                logger.warning("The folder %s was left out: %s", entry.path, error)
                continue
            yield from _below(inner, f"{prefix}{entry.name}/", (*trail, real or os.path.realpath(entry.path)))
        elif entry.name[entry.name.rfind(".") :].lower() in SUFFIXES:
            yield prefix + entry.name


def _entries(folder: str | Path) -> list["os.DirEntry[str]"]:
    """What is in a folder, in natural order, without hidden names."""
    with os.scandir(folder) as found:
        kept = [entry for entry in found if not entry.name.startswith(".") and _is_text(entry.name)]
    kept.sort(key=lambda entry: natural_key(entry.name))
    return kept


def _is_text(name: str) -> bool:
    """Whether a name is Unicode: a name of other bytes cannot be kept in a project or a COCO file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        logger.warning("%a was left out: its name is no valid text. Rename it to label it.", name)
        return False
    return True


class Sync(Struct, frozen=True):
    """What has changed in the folder since the project last looked; true where anything has."""

    added: tuple[Image, ...]
    moved: tuple[Image, ...]
    """Found again at another path, by their content."""
    missing: tuple[Image, ...]
    """Gone since; their labels are kept."""
    returned: tuple[Image, ...]
    """Missing before, and there again."""

    def __bool__(self) -> bool:
        return bool(self.added or self.moved or self.missing or self.returned)


def sync_images(store: Store, root: Path, found: Iterable[str] | None = None) -> Sync:
    """Bring the project's list of images up to date with the folder `root`, and keep that as its root.

    `found` is what `find_images` gave, where the caller has it already. New files are added, with sizes to
    be read later; images whose file is gone are marked missing, or found again by their digest. Nothing
    is deleted and nothing of it is an edit. Raises `ProjectError` where the folder cannot be read.
    """
    there = dict.fromkeys(find_images(root) if found is None else found)
    images = store.images()
    gone = [image for image in images if image.path not in there and not (root / image.path).is_file()]
    known = {image.path for image in images}
    fresh = [path for path in there if path not in known]
    moved = find_moved(gone, fresh, root)
    away = {image.id for image in gone} - {image.id for image in moved}
    missing = tuple(replace(i, note=MISSING) for i in gone if i.id in away and i.note != MISSING)
    lost = {image.id for image in gone}
    returned = tuple(replace(i, note="") for i in images if i.note == MISSING and i.id not in lost)
    with store.transaction():
        if store.meta("root") == "" or store.root != root.resolve():
            store.set_root(root)
        store.update_images((*moved, *missing, *returned))
        taken = {image.path for image in moved}
        added = store.add_images(path for path in fresh if path not in taken)
    return Sync(added=added, moved=moved, missing=missing, returned=returned)


def find_moved(gone: Iterable[Image], paths: Iterable[str], root: Path) -> tuple[Image, ...]:
    """Images that are gone from their path, with the new path of the file that has their digest.

    Only images whose digest was read before can be found; `paths` are files that no image has.
    """
    wanted = {image.digest: image for image in gone if image.digest}
    moved = []
    for path in paths if wanted else ():
        try:
            image = wanted.pop(digest(root / path), None)
        except ImageError:
            continue
        if image is not None:
            note = "" if image.note == MISSING else image.note
            moved.append(replace(image, path=path, note=note))
    return tuple(moved)


# --- where the project is ---------------------------------------------------------------------


class Place(Struct, frozen=True):
    """Where a project is, and the images it is about."""

    project: Path
    root: Path
    """The folder that image paths are relative to."""
    read_only_reason: str
    """Why the project can only be looked at, as a sentence; "" where it can be edited."""
    message: str
    """What a person should know about the place, as a sentence; "" for nothing."""


def locate(path: Path) -> Place:
    """The project of a folder, of the folder an image is in, or of a project file; nothing is made.

    It is `labels.labeler` in the folder. A folder that cannot be written to, or that lies on a network
    disk, gets its project in the user's data folder, under a name by which it is found again. Raises
    `ProjectError` where there is nothing at the path, or a file of another kind.
    """
    path = path.absolute()
    if path.suffix == schema.SUFFIX and not path.is_dir():
        return _of_project(path)
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise ProjectError(f"There is no {path}. Choose a folder of images or a project.")
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        raise ProjectError(
            f"{path.name} is neither an image nor a project. Choose a folder, an image or a project."
        )
    inside = folder / PROJECT_NAME
    obstacle = _obstacle(folder)
    at_home = _home_of(folder)
    if not obstacle or (inside.is_file() and not at_home.is_file()):
        return _of_project(inside)
    return Place(
        project=at_home,
        root=folder.resolve(),
        read_only_reason="",
        message=f"The folder {folder.name} {obstacle}, so its labels are kept in {at_home}.",
    )


def _of_project(project: Path) -> Place:
    if not project.parent.is_dir():
        raise ProjectError(f"There is no folder {project.parent} for a project. Make it first.")
    obstacle = _obstacle(project.parent)
    if not obstacle and project.exists() and not os.access(project, os.W_OK):
        obstacle = "is read-only"
    reason = f"The project can only be looked at: its folder {obstacle}." if obstacle else ""
    return Place(project=project, root=_root_of(project), read_only_reason=reason, message=reason)


def _root_of(project: Path) -> Path:
    """The image folder that a project names; where it cannot be asked, the one it lies in."""
    kept = ""
    if project.is_file():
        try:
            with closing(schema.connect_to_read(project)) as db:
                row = db.execute("SELECT value FROM meta WHERE key = 'root'").fetchone()
                kept = "" if row is None else str(row[0])
        except sqlite3.Error:
            # what is wrong with the file is said when it is opened
            kept = ""
    return (project.parent / kept).resolve()


def _home_of(folder: Path) -> Path:
    real = folder.resolve()
    mark = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    projects = data_dir() / "projects"
    projects.mkdir(exist_ok=True)
    return projects / f"{real.name or 'disk'}-{mark}{schema.SUFFIX}"


def _obstacle(folder: Path) -> str:
    """Why a project in this folder could not be written safely, as what the folder "is"; "" for nothing."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".labeler-"):
            pass
    except OSError:
        return "is read-only"
    kind = network_kind(folder)
    # where the user's own folder is on the network too, there is no better place
    return f"is on a network disk ({kind})" if kind and not network_kind(data_dir()) else ""


def network_kind(folder: Path) -> str:
    """The kind of network disk that a folder lies on, such as "nfs4"; "" for a local one."""
    real = folder.resolve()
    if real.drive.startswith("\\\\"):
        return "network share"
    best, kind = -1, ""
    for disk in psutil.disk_partitions(all=True):
        if real.is_relative_to(disk.mountpoint) and len(disk.mountpoint) >= best:
            best, kind = len(disk.mountpoint), disk.fstype
            if "remote" in disk.opts.split(","):
                kind = "network share"
    return kind if kind in _NETWORK or kind == "network share" else ""
