"""The folder of images: what lies in it, and where its project is kept."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
from msgspec import Struct
from msgspec.structs import replace

from labeler.core.photos.photo_files import SUFFIXES, photos_below
from labeler.core.records import Image
from labeler.errors import ProjectError
from labeler.paths import data_dir
from labeler.project import schema
from labeler.project.keeping import homes
from labeler.project.keeping.homes import PROJECT_NAME
from labeler.project.photos.survey import CHANGED, MISSING, Stranger, Survey
from labeler.project.store import Store

_NETWORK = frozenset(
    "nfs nfs3 nfs4 cifs smb smb2 smb3 smbfs afpfs webdav davfs ncpfs afs ceph glusterfs lustre beegfs 9p "
    "fuse.sshfs fuse.rclone fuse.glusterfs fuse.s3fs fuse.gvfsd-fuse fuse.davfs".split()
)
"""File systems whose locks and shared memory SQLite cannot rely on (sqlite.org/howtocorrupt.html)."""


# --- finding images ---------------------------------------------------------------------------


def find_images(folder: Path, left_out: Counter[str] | None = None) -> Iterator[str]:
    """Paths of all images below a folder, relative to it, POSIX style, in natural order.

    They come as they are found, so that a caller can show how far it is. Hidden files and folders are
    left out, and so are folders that may not be read; a link is what it leads to, but never in a circle.
    `left_out` counts pictures of kinds that cannot be shown. Raises `ProjectError` where
    the folder itself cannot be read.
    """
    try:
        yield from photos_below(folder, left_out)
    except OSError as error:
        raise ProjectError(f"The folder {folder} cannot be read ({error.strerror}).") from error


class Sync(Struct, frozen=True):
    """What has changed in the folder since the project last looked; true where anything has."""

    added: tuple[Image, ...]
    moved: tuple[Image, ...]
    """Found again at another path, by their content or, where they were never opened, by their name."""
    missing: tuple[Image, ...]
    """Gone since; their labels are kept."""
    returned: tuple[Image, ...]
    """Missing before, or another file, and there again."""
    replaced: tuple[Stranger, ...]
    """Labelled, and another file lies in their place: their record is as it was until a person decides."""
    renewed: tuple[Image, ...] = ()
    """Not labelled, and another file lies in their place, which they are from now on."""
    unsure: tuple[Image, ...] = ()
    """Missing, while several files could be each of them."""

    def __bool__(self) -> bool:
        return bool(self.added or self.moved or self.missing or self.returned or self.renewed)


def take_survey(store: Store, root: Path, seen: Survey) -> Sync:
    """Write down what a survey found, without reading a file; it is left out where an image changed since.

    New files are added, with sizes to be read later; images whose file is gone are marked missing, or take
    the path at which they were found. Nothing is deleted and nothing of it is an edit.
    """
    now = {image.id: image for image in store.images()}
    # nor where a person said meanwhile what photo it is
    same = {
        key
        for key, image in seen.before.items()
        if key in now and (now[key].path, now[key].digest) == (image.path, image.digest)
    }
    labelled = store.photos.labelled()
    gone = [now[i.id] for i in seen.missing if i.id in same]
    missing = tuple(replace(i, note=MISSING) for i in gone if i.note != MISSING)
    there = [now[i.id] for i in seen.present if i.id in same]
    proven = {image_id for image_id, _, _ in seen.seen}
    back = [i for i in there if i.note == MISSING or (i.note == CHANGED and i.id in proven)]
    returned = tuple(replace(i, note="") for i in back)
    strangers = [one for one in seen.strangers if one.image.id in same]
    renewed = [one for one in strangers if one.image.id not in labelled]
    replaced = [Stranger(now[s.image.id], s.found) for s in strangers if s.image.id in labelled]
    moved = [(image, found) for image, found in seen.moved if image.id in same]
    displaced = [image for image in seen.displaced if image.id in same]
    with store.transaction():
        if store.meta("root") == "" or store.root != root.resolve():
            store.set_root(root)
        store.photos.move([*(image for image, _ in moved), *displaced])
        store.photos.update((*missing, *returned))
        store.photos.update(replace(s.image, note=CHANGED) for s in replaced if s.image.note != CHANGED)
        fresh_start = [replace(now[s.image.id], width=0, height=0, digest="", note="") for s in renewed]
        store.photos.update(fresh_start)
        store.photos.keep(seen.seen)
        store.photos.keep((image.id, image.path, found) for image, found in moved if found)
        for one in renewed:
            store.photos.replace(one.image.id, one.found)
        store.predictions.forget_images(one.image.id for one in renewed)
        added = store.photos.add(seen.fresh)
    return Sync(
        added=added,
        moved=tuple(image for image, _ in moved),
        missing=(*missing, *displaced),
        returned=returned,
        replaced=tuple(replaced),
        renewed=tuple(fresh_start),
        unsure=seen.unsure,
    )


def said_of(sync: Sync) -> str:
    """One sentence about photos that moved or cannot be told apart; "" where there are none."""
    if sync.unsure:
        return (
            f"{_photos(len(sync.unsure))} missing, and files of one content make it unclear which is which: "
            "locate each at its new place."
        )
    if not sync.moved:
        return ""
    if len(sync.moved) == 1:
        return f"A photo was found again as {sync.moved[0].path}; its labels went with it."
    return f"{len(sync.moved):,} photos were found again at other paths; their labels went with them."


def _photos(count: int) -> str:
    return f"{count:,} photos are" if count > 1 else "A photo is"


# --- where the project is ---------------------------------------------------------------------


class ProjectPlace(Struct, frozen=True):
    """Where a project is, and the images it is about."""

    project: Path
    root: Path
    """The folder that image paths are relative to."""
    read_only_reason: str
    """Why the project can only be looked at, as a sentence; "" where it can be edited."""
    message: str
    """What a person should know about the place, as a sentence; "" for nothing."""
    movable: bool = False
    """Whether the project lies in the user's data folder, and its folder could take it."""
    other: Path | None = None
    """Another project of the same folder, which has labels too."""
    other_labels: int = 0
    """How many it has."""


def locate(path: Path) -> ProjectPlace:
    """The project of a folder, of the folder an image is in, or of a project file; nothing is made in it.

    It is the one that has the folder's labels, wherever the folder stands by now: `labels.labeler` in it,
    or the project in the user's data folder from when it could not be written to or lay on a network disk.
    Raises `ProjectError` where there is nothing at the path, or a file of another kind.
    """
    path = path.absolute()
    if path.suffix == schema.SUFFIX and not path.is_dir():
        return _at_home(path.parent, home) if (home := homes.instead_of(path)) else _of_project(path)
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise ProjectError(f"There is no {path}. Choose a folder of images or a project.")
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        raise ProjectError(
            f"{path.name} is neither an image nor a project. Choose a folder, an image or a project."
        )
    inside = folder / PROJECT_NAME
    at_home = homes.kept_for(folder, thorough=not inside.is_file())
    if not inside.is_file():
        if at_home is None and not _obstacle(folder):
            return _of_project(inside)
        return _at_home(folder, at_home or homes.new_home(folder))
    return _of_project(inside) if at_home is None else _of_two(folder, inside, at_home)


def _at_home(folder: Path, project: Path) -> ProjectPlace:
    obstacle = _obstacle(folder)
    if obstacle:
        message = f"The folder {folder.name} {obstacle}, so its labels are kept in {project}."
    else:
        message = (
            f"The labels of {folder.name} are kept in {project}, from when the folder could not take them. "
            "They can be moved into it."
        )
    return ProjectPlace(project, folder.resolve(), read_only_reason="", message=message, movable=not obstacle)


def _of_two(folder: Path, inside: Path, at_home: Path) -> ProjectPlace:
    """The project with labels of two; where both have some, the one that can be written to."""
    labels, labels_at_home = homes.labels_in(inside), homes.labels_in(at_home)
    if labels_at_home < 0:
        return _of_project(inside)
    if labels < 0:
        return _at_home(folder, at_home)
    chosen, other = _of_project(inside), at_home
    if chosen.read_only_reason:
        chosen, other = _at_home(folder, at_home), inside
    counts = {inside: labels, at_home: labels_at_home}
    opened = inside if other == at_home else at_home
    message = (
        f"{folder.name} has two projects: {opened} with {counts[opened]:,} labels is open, "
        f"and {other} with {counts[other]:,} is not."
    )
    return replace(chosen, message=message, movable=False, other=other, other_labels=counts[other])


def _of_project(project: Path) -> ProjectPlace:
    if not project.parent.is_dir():
        raise ProjectError(f"There is no folder {project.parent} for a project. Make it first.")
    root = _root_of(project)
    # by its real name, as it is locked by it
    project = Path(os.path.realpath(project))
    obstacle = _obstacle(project.parent)
    if not obstacle and project.exists() and not os.access(project, os.W_OK):
        obstacle = "is read-only"
    reason = f"The project can only be looked at: its folder {obstacle}." if obstacle else ""
    return ProjectPlace(project=project, root=root, read_only_reason=reason, message=reason)


def _root_of(project: Path) -> Path:
    """The image folder that a project names; where it cannot be asked, the one it lies in.

    A project that was moved away from its photos and left a link there is still about those.
    """
    real = Path(os.path.realpath(project))
    root = (homes.root_of(real) if real.is_file() else None) or real.parent
    beside = project.parent.resolve()
    if project.is_symlink() and root != beside and homes.has_photos_in(real, beside):
        return root if homes.has_photos_in(real, root) else beside
    return root


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
