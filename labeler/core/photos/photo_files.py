"""Photos as files: which of them are photos, opening them so that nothing waits, and what tells them apart.

Only regular files are opened, through links too: a pipe, a device or a socket that is called a photo is
named and costs nobody else anything. Files are only ever opened for reading.
"""

import errno
import hashlib
import importlib.util
import logging
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

from labeler.core.order import natural_key
from labeler.core.photos.patience import patiently, resolved
from labeler.errors import ImageError

READS_HEIC = importlib.util.find_spec("pi_heif") is not None
"""Whether the extra that reads HEIC is installed."""
_SHOWN = "jpg jpeg jpe jfif png webp tif tiff bmp dib gif pbm pgm ppm pnm jp2 j2k avif"
SUFFIXES = frozenset(f".{name}" for name in (_SHOWN + " heic heif hif" * READS_HEIC).split(" "))
"""Lower-case file name endings of images. Only for finding them: what a file is, its content says."""

PLACEHOLDER = "unmatched"
"""The made-up folder of images without a file, whose own name must not be used as a path."""

_PART = 1 << 16
_BLOCK = 1 << 20
_OTHER_KINDS = {
    "HEIC": "heic heif hif",
    "camera raw": "dng cr2 cr3 crw nef nrw arw sr2 raf orf rw2 pef srw raw 3fr iiq x3f erf kdc mrw rwl",
    "DICOM": "dcm dicom",
    "whole-slide": "svs ndpi mrxs scn bif vms vmu svslide",
    "microscope": "czi lif nd2 oib oif lsm stk",
    "JPEG XL": "jxl",
    "video": "mp4 mov avi mkv webm m4v mpg mpeg",
    "PSD": "psd psb",
    "icon": "ico icns cur",
    "DDS": "dds",
    "TGA": "tga",
    "Radiance HDR": "hdr",
    "OpenEXR": "exr",
    "SVG": "svg",
    "PDF": "pdf",
}
OTHER_KINDS = {f".{ending}": kind for kind, endings in _OTHER_KINDS.items() for ending in endings.split(" ")}
"""Endings of pictures that are left out, each with the name of its kind."""

logger = logging.getLogger(__name__)


# --- opening --------------------------------------------------------------------------------------
@contextmanager
def readable(path: Path) -> Iterator[IO[bytes]]:
    """The open file; whatever the system says about it becomes one sentence, as an `ImageError`."""
    try:
        with _regular(path) as file:
            yield file
    except FileNotFoundError as error:
        raise ImageError(f"{path} is missing: put it back, or locate it at its new place.") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read: allow reading it in its file permissions.") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        # a name from a labels file, where the system is told to know ASCII only
        raise ImageError(f"{path} is missing: no file can have this name in {error.encoding}.") from error


def _regular(path: Path) -> IO[bytes]:
    """A regular file, opened without waiting for whoever is at the other end of a pipe."""
    _refuse_others(path, Path(path).stat().st_mode)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        _refuse_others(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _refuse_others(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    kinds = (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    what = next((name for asked, name in kinds if asked(mode)), "no regular file")
    raise ImageError(f"{path} is {what}, not an image file: take it out of the folder.")


# --- what tells them apart ------------------------------------------------------------------------
class Fingerprint(Struct, frozen=True):
    """What tells a photo's file from others."""

    size: int
    """In bytes."""
    modified: int
    """When it was written last, in nanoseconds since 1970."""
    digest: str
    """As `digest` gives it."""
    content: str = ""
    """32 hex digits of all its bytes; "" where only the ends were read."""


class Stamp(Struct, frozen=True):
    """What tells a file from the one that was there before, without reading any of it."""

    size: int
    modified: int
    """As in `Fingerprint`."""
    number: int
    """That of the file on its disk: another one that was moved here may have the same size and time."""


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a regular file; None where there is none, or it cannot be looked at."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


def digest(path: Path) -> str:
    """32 hex digits that name a file's content: BLAKE2b of its size, first and last 64 KiB.

    Two files that differ only in the middle, with the same size, get the same digest: where two files are
    to be told apart for certain, `fingerprint` reads the whole. Raises `ImageError` where the file cannot
    be read.
    """
    return fingerprint(path, whole=False).digest


def fingerprint(
    path: Path, *, whole: bool = True, should_stop: Callable[[], bool] = lambda: False
) -> Fingerprint:
    """What tells this file from others; with `whole` it is read to its end, unless that is stopped.

    Raises `ImageError` where the file cannot be read, or its disk does not answer.
    """
    return patiently(path, lambda: _fingerprint(path, whole, should_stop))


def _fingerprint(path: Path, whole: bool, should_stop: Callable[[], bool]) -> Fingerprint:
    with readable(path) as file:
        status = os.fstat(file.fileno())
        size = status.st_size
        ends = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
        first = file.read(_PART)
        ends.update(first)
        file.seek(max(_PART, size - _PART))
        ends.update(file.read(_PART))
        content = _content(file, should_stop) if whole else ""
    return Fingerprint(size, status.st_mtime_ns, ends.hexdigest(), content)


def _content(file: IO[bytes], should_stop: Callable[[], bool]) -> str:
    """32 hex digits of all bytes of an open file; "" where it was stopped."""
    hashed = hashlib.blake2b(digest_size=16)
    file.seek(0)
    while block := file.read(_BLOCK):
        if should_stop():
            return ""
        hashed.update(block)
    return hashed.hexdigest()


# --- finding --------------------------------------------------------------------------------------
def photos_below(folder: Path, left_out: Counter[str] | None = None) -> Iterator[str]:
    """Paths of all photos below a folder, relative to it, POSIX style, in natural order.

    They come as they are found, so that a caller can show how far it is. A link is what it leads to: a
    photo, or a folder, which is followed, but never in a circle. Hidden names are left out, and so is all
    that is neither a folder nor a regular file or that may not be read; pictures of kinds that cannot be
    shown are counted in `left_out` by the kind's name. Raises `OSError` where the folder itself cannot be
    read.
    """
    counted = Counter[str]() if left_out is None else left_out
    for name in files_below(folder):
        ending = Path(name).suffix.lower()
        if ending in SUFFIXES:
            yield name
        elif ending in OTHER_KINDS:
            counted[OTHER_KINDS[ending]] += 1


def files_below(folder: Path) -> Iterator[str]:
    """Paths of all regular files below a folder, whatever they are; see `photos_below` for all else."""
    yield from _below(_entries(folder), "", (str(resolved(Path(folder))),))


def said_left_out(left_out: Mapping[str, int]) -> str:
    """One sentence about the pictures that were left out, such as "12 HEIC files were left out: ..."."""
    if not left_out:
        return ""
    kinds = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{count:,} {kind} {'file' if count == 1 else 'files'}" for kind, count in kinds]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    verb = "was" if sum(left_out.values()) == 1 else "were"
    if set(left_out) == {"HEIC"}:
        return f"{listed} {verb} left out: install the extra labeler[heic] to read them, or save as JPEG."
    more = " (HEIC needs the extra labeler[heic])" if "HEIC" in left_out else ""
    return f"{listed} {verb} left out{more}: save them as JPEG, PNG or TIFF to label them."


def _below(entries: Sequence["os.DirEntry[str]"], prefix: str, trail: tuple[str, ...]) -> Iterator[str]:
    for entry in entries:
        kind = _kind(entry)
        if kind == "folder":
            # a link may lead back up, and from there a real folder down here again
            real = str(resolved(Path(entry.path)))
            if real in trail:
                continue
            try:
                inner = _entries(entry.path)
            except FileNotFoundError:
                continue  # it went since the one around it was listed
            except OSError as error:
                logger.warning("The folder %s was left out: %s", entry.path, error)
                continue
            deeper = (*trail, real)
            yield from _below(inner, f"{prefix}{entry.name}/", deeper)
        elif kind == "file":
            yield prefix + entry.name


def _kind(entry: "os.DirEntry[str]") -> str:
    """What an entry, or what it links to, is: "folder", "file", or "" for what is of no use to anybody."""
    try:
        if not entry.is_symlink():
            return _kind_of(entry)
        return patiently(Path(entry.path), lambda: _kind_of(entry))
    except ImageError as error:
        if Path(entry.name).suffix.lower() in SUFFIXES:  # whoever reads it says so
            return "file"
        logger.warning("%s", error)
    except OSError as error:  # a link in a circle, or to what is out of reach, costs the others nothing
        logger.warning("%s was left out: %s", entry.path, error)
    return ""


def _kind_of(entry: "os.DirEntry[str]") -> str:
    return "folder" if entry.is_dir() else "file" if entry.is_file() else ""


def _entries(folder: str | Path) -> list["os.DirEntry[str]"]:
    """What is in a folder, in natural order, without hidden names."""
    try:
        found = patiently(Path(folder), lambda: list(os.scandir(folder)))
    except ImageError as error:
        raise OSError(errno.ETIMEDOUT, "its disk does not answer", str(folder)) from error
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
