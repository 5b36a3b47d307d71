"""The folder of weights: what is in it, what comes into it, and what its files are checked by.

Every file is known by its SHA-256: the published one, else the one it had when it was first used here. It
is checked before anything parses it, and again whenever the file has changed on disk. A file that ships with
the app counts as one of the folder, unless the folder has one of its own by that name.
"""

import contextlib
import hashlib
import logging
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from labeler import paths
from labeler.core.files import atomic_write, sync_file
from labeler.errors import ModelError
from labeler.models.files import catalog, fetch
from labeler.models.files.catalog import CatalogEntry
from labeler.models.files.checkpoints import check_pickles
from labeler.models.files.fetch import FetchStoppedError, Progress
from labeler.models.protocols import ModelSpec, Weights

__all__ = [
    "DownloadError",
    "FetchStoppedError",
    "Installed",
    "download",
    "folder",
    "import_file",
    "installed",
    "locate",
    "path_of",
    "remove",
    "verified",
]

SUFFIXES = (".pt", ".pth", ".ts", ".onnx", ".safetensors")
"""Endings of the files that are weights."""

_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


class DownloadError(ModelError):
    """A download that failed; the message has the address to fetch by hand and the folder to put it in."""

    def __init__(self, message: str, *, url: str, folder: Path) -> None:
        super().__init__(message)
        self.url = url
        self.folder = folder


class Installed(Struct, frozen=True):
    """A file of weights in the folder, or one that ships."""

    path: Path
    size: int
    """In bytes."""
    entry: CatalogEntry | None = None
    """What it is in the catalogue; None for a file of the person's own."""
    is_shipped: bool = False
    """It comes with the app: it is not removed."""

    @property
    def id(self) -> str:
        """What it is called on the command line: the catalogue's id, else the file's name."""
        return self.entry.id if self.entry is not None else self.path.name


class _Pin(Struct, frozen=True):
    """What a file was when it was last hashed."""

    sha256: str
    size: int = -1
    mtime: int = 0
    """In nanoseconds."""
    inode: int = 0


def folder() -> Path:
    """Where weights are kept; made when it is not there and can be, ModelError where a file is in its place.

    In a home that takes nothing it is not there; the embedded model works all the same.
    """
    made = paths.data_dir() / "models"
    try:
        made.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise ModelError(
            f"The folder of weights {made} cannot be made ({error.strerror or error}); "
            "move the file that is in its place."
        ) from error
    except OSError:
        # whoever writes there says what is wrong
        pass
    return made


def path_of(entry: CatalogEntry) -> Path:
    """Where an entry's file is, or would be: in the folder, or where it ships."""
    ours = folder() / entry.file
    shipped = catalog.shipped_folder(entry)
    return ours if shipped is None or ours.is_file() else shipped / entry.file


def installed() -> tuple[Installed, ...]:
    """The files that are there, those of the catalogue first and in its order; none of them is read.

    Raises ModelError where the folder cannot be read.
    """
    known = {entry.file: entry for entry in catalog.entries()}
    order = {name: index for index, name in enumerate(known)}
    try:
        found = [
            Installed(path, path.stat().st_size, known.get(path.name))
            for path in (folder().iterdir() if folder().is_dir() else ())
            if path.suffix.lower() in SUFFIXES and path.is_file()
        ]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"The folder of weights {folder()} cannot be read ({reason}).") from error
    there = {one.path.name for one in found}
    found += [one for one in _shipped() if one.path.name not in there]
    found.sort(key=lambda one: (order.get(one.path.name, len(order)), one.path.name.lower()))
    return tuple(found)


def locate(name: str) -> Path | None:
    """The installed file that is called `name`: by the catalogue's id, or by its own with or without suffix.

    None where nothing is called so. Raises ModelError, with how it is had, for an entry of the catalogue
    that is not there.
    """
    for one in installed():
        if name in (one.id, one.path.name, one.path.stem):
            return one.path
    for entry in catalog.entries():
        if name in (entry.id, entry.file):
            raise ModelError(
                f"{entry.title} is not here yet: download it in Model > Models, or by "
                f"`labeler models get {entry.id}`."
            )
    return None


def verified(path: Path) -> Weights:
    """A file of the folder or a shipped one, with its SHA-256: the publisher's, or that of its first use.

    The file is read only when it has changed since it was last checked. Raises ModelError with one
    sentence when it cannot be read or is another one.
    """
    shipped = next((one for one in _shipped() if one.path == path), None)
    if shipped is not None:
        return _verified_as_shipped(shipped)
    pins = _read_pins()
    try:
        pin = _pinned(path, pins.get(path.name))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"The model file {path} cannot be read ({reason}).") from error
    entry = next((one for one in catalog.entries() if one.file == path.name), None)
    expected = (entry.sha256 if entry is not None else "") or (
        pins[path.name].sha256 if path.name in pins else ""
    )
    if expected and pin.sha256 != expected:
        raise ModelError(
            f"The model file {path} is not the one that belongs here (its SHA-256 differs); "
            "remove it and get it again."
        )
    if pins.get(path.name) != pin:
        _keep_pin(path.name, pin)
    return Weights(path, pin.sha256)


def download(
    entry: CatalogEntry,
    *,
    progress: Progress = lambda _done, _total: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Path:
    """Fetch an entry's file into the folder, check it, and give its path; one that is there is fetched anew.

    `progress` is called with the bytes done and those in all, on the caller's thread; `is_stopped` is
    asked ten times a second. What came is kept after a failure or a stop, and gone on with the next time.
    Raises DownloadError, within 10 s where there is no network, ModelError where the file is being fetched
    already, and StoppedError.
    """
    target = path_of(entry)
    part = target.with_name(f".{entry.file}.part")
    try:
        with _alone(target):
            digest = fetch.fetch(entry.url, part, progress=progress, is_stopped=is_stopped)
            _check(entry, digest, part)
            _put(part, target)
            fetch.forget(part)
    except fetch.FetchError as error:
        raise _failed(entry, str(error)) from error
    except OSError as error:
        raise _failed(entry, error.strerror or str(error)) from error
    _keep_pin(target.name, _pin(target, digest))
    _log.info("downloaded %s, SHA-256 %s", target.name, digest)
    return target


def import_file(path: Path, *, open_file: Callable[[Path], ModelSpec], name: str = "") -> Installed:
    """Copy a person's own file into the folder, called `name`, by default as it is.

    `open_file` is `Registry.open_file`, which knows the kinds of files. Nothing in the file is run. A file
    that the catalogue knows by its SHA-256 takes its place there, whatever it was called; another one
    keeps its name, with a few letters of its hash where that is taken. Raises ModelError with one
    sentence when it cannot be read or copied, is of no known kind, or would run code when it is loaded.
    """
    try:
        digest, size = _hash(path)
        entry = next((one for one in catalog.entries() if one.sha256 == digest), None)
        if entry is None:
            check_pickles(path)
            open_file(path)
        target = path_of(entry) if entry is not None else _free_name(name or path.name, digest)
        if entry is not None and target.parent == catalog.shipped_folder(entry):
            return Installed(target, size, entry, is_shipped=True)
        if not (target.is_file() and _hash(target)[0] == digest):
            _copy(path, target, digest)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"“{path}” cannot be copied to {folder()} ({reason}).") from error
    _keep_pin(target.name, _pin(target, digest))
    return Installed(target, size, entry)


def remove(path: Path) -> None:
    """Delete a file of the folder, and forget what it was pinned to.

    Raises ModelError with one sentence when that cannot be done.
    """
    for one in _shipped():
        if one.path == path:
            assert one.entry is not None, "what ships is in the catalogue"
            raise ModelError(f"{one.entry.title} comes with Labeler, so it is not removed.")
    if path.parent != folder():
        raise ModelError(f"{path} is not in {folder()}, so it is not removed.")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be removed ({error.strerror or error}).") from error
    _keep_pin(path.name, None)


def _shipped() -> tuple[Installed, ...]:
    """The files that come with the app, in the catalogue's order."""
    found = ((entry, catalog.shipped_folder(entry)) for entry in catalog.entries())
    return tuple(
        Installed(inside / entry.file, (inside / entry.file).stat().st_size, entry, is_shipped=True)
        for entry, inside in found
        if inside is not None
    )


def _verified_as_shipped(one: Installed) -> Weights:
    """It is hashed each time: what comes with the app lies where pins are not kept."""
    assert one.entry is not None, "what ships is in the catalogue"
    try:
        digest = _hash(one.path)[0]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"The model file {one.path} cannot be read ({reason}).") from error
    if digest != one.entry.sha256:
        raise ModelError(
            f"The model file {one.path} is not the one that Labeler comes with (its SHA-256 differs); "
            "install Labeler again to restore it."
        )
    return Weights(one.path, digest)


def _failed(entry: CatalogEntry, reason: str) -> DownloadError:
    return DownloadError(
        f"{entry.title} could not be downloaded ({reason}): fetch {entry.url} by hand "
        f"and put it into {folder()}.",
        url=entry.url,
        folder=folder(),
    )


def _check(entry: CatalogEntry, digest: str, part: Path) -> None:
    """Whether a downloaded file is the published one, or the one of the first time."""
    pin = _read_pins().get(entry.file)
    if entry.sha256:
        wrong, what = digest != entry.sha256, "what came is not the published file"
    else:
        wrong, what = pin is not None and digest != pin.sha256, "the file is another one than the first time"
    if wrong:
        fetch.forget(part)
        raise fetch.FetchError(f"{what}, its SHA-256 is {digest}")


def _put(part: Path, target: Path) -> None:
    """Give a whole part file its name, its bytes on disk before."""
    sync_file(part)
    part.replace(target)


def _copy(path: Path, target: Path, digest: str) -> None:
    part = target.with_name(f".{target.name[:64]}.{secrets.token_hex(8)}.part")
    try:
        if shutil.disk_usage(target.parent).free < path.stat().st_size:
            raise ModelError(f"There is no room for “{path.name}” in {target.parent}; free some space.")
        shutil.copyfile(path, part)
        if _hash(part)[0] != digest:
            raise ModelError(f"“{path}” changed while it was copied; try again.")
        _put(part, target)
    finally:
        part.unlink(missing_ok=True)


def _free_name(name: str, digest: str) -> Path:
    """Where a file of the person's own goes: never in the place of the catalogue's, or of another one."""
    target = folder() / name
    of_catalogue = any(entry.file == name for entry in catalog.entries())
    if not of_catalogue and not (target.exists() and _hash(target)[0] != digest):
        return target
    return target.with_name(f"{target.stem}-{digest[:8]}{target.suffix}")


def _hash(path: Path) -> tuple[str, int]:
    """SHA-256 and size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _pin(path: Path, digest: str) -> _Pin:
    status = path.stat()
    return _Pin(digest, status.st_size, status.st_mtime_ns, status.st_ino)


def _pinned(path: Path, before: _Pin | None) -> _Pin:
    """What the file is now; it is hashed when it is not just as it was before."""
    status = path.stat()
    if before is not None and (before.size, before.mtime, before.inode) == (
        status.st_size,
        status.st_mtime_ns,
        status.st_ino,
    ):
        return before
    return _pin(path, _hash(path)[0])


def _pins_path() -> Path:
    return folder() / "pins.json"


def _read_pins() -> dict[str, _Pin]:
    path = _pins_path()
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("%s cannot be read (%s): files without a published hash are pinned anew", path, error)
        return {}


def _keep_pin(name: str, pin: _Pin | None) -> None:
    """Remember what a file is, or forget it; a folder that cannot be written to is only slower."""
    pins = _read_pins()
    if pin is None:
        pins.pop(name, None)
    else:
        pins[name] = pin
    try:
        atomic_write(_pins_path(), msgspec.json.format(msgspec.json.encode(pins)))
    except OSError as error:
        _log.warning("%s cannot be written: %s", _pins_path(), error)


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Nobody else downloads the same file meanwhile; the kernel's lock ends with the process.

    Raises ModelError where somebody does.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - 100 ms that the window's start need not pay

    try:
        with FileLock(target.with_name(f".{target.name}.lock"), blocking=False):
            yield
    except Timeout as error:
        raise ModelError(f"{target.name} is being downloaded already; wait until it is here.") from error
