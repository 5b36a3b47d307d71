"""Data sets that come as a zip: unpacked beside it, within bounds, never outside its folder.

A zip is a stranger's: it may name files elsewhere, hold links, or grow a thousandfold. What is not a plain
file below its folder is left out and counted; more than the disk has room for is refused before it is begun.
"""

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

from labeler.core.files import amount
from labeler.core.full_disk import why
from labeler.core.photos.patience import patiently
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.image_paths import clean

MOST_FILES = 2_000_000
_BLOW_UP = 500
"""How often its own size a zip may unpack to: photos shrink by nothing, label texts up to a hundredfold."""
_SMALL = 1 << 28
"""Bytes that may come out of any zip."""
_ROOM = 1 << 27
"""Bytes that stay free on the disk."""
_STEP = 1 << 20
_ENCRYPTED = 0x1


def is_archive(path: Path) -> bool:
    """Whether a file is a zip, whatever its name."""
    try:
        return path.is_file() and patiently(path, lambda: zipfile.is_zipfile(path))
    except OSError:
        return False


def unpack(path: Path, into: Path, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Unpack a zip into a folder that is not there yet; gives how many entries were left out.

    Raises FormatError, one sentence, where it is damaged, has a password, is too large or the disk does not
    take it, and ImportStoppedError when stopped; the folder is then not there.
    """
    draft = into.with_name(f".{into.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [(entry, _place(entry)) for entry in archive.infolist() if not entry.is_dir()]
            good = [(entry, place) for entry, place in entries if place]
            into.parent.mkdir(parents=True, exist_ok=True)
            _check(path, [entry for entry, _ in good], into)
            draft.mkdir()
            for entry, place in good:
                _write(archive, entry, draft / place, should_stop)
        draft.replace(into)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise FormatError(f"“{path}” cannot be unpacked: it is damaged, or no zip that is known.") from error
    except OSError as error:
        raise FormatError(f"“{path}” cannot be unpacked: {why(error, into)}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(entries) - len(good)


def _place(entry: zipfile.ZipInfo) -> str:
    """Where an entry goes below the folder; "" for what leads elsewhere, is a link, or the maker's litter."""
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return ""
    place = clean(entry.filename)
    is_litter = place.startswith("__MACOSX/") or place.rpartition("/")[2] in (".DS_Store", "Thumbs.db")
    return "" if is_litter else place


def _check(path: Path, entries: list[zipfile.ZipInfo], into: Path) -> None:
    """Raises FormatError for what cannot be unpacked, or not with the room there is."""
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise FormatError(f"“{path}” has a password; unpack it yourself and open the folder.")
    if len(entries) > MOST_FILES:
        raise FormatError(f"“{path}” holds {len(entries):,} files; up to {MOST_FILES:,} are unpacked.")
    size = sum(entry.file_size for entry in entries)
    if size > max(_SMALL, _BLOW_UP * path.stat().st_size):
        raise FormatError(f"“{path}” would unpack to {amount(size)}, as no data set does; left alone.")
    free = shutil.disk_usage(into.parent).free
    if size + _ROOM > free:
        raise FormatError(
            f"“{path}” unpacks to {amount(size)}, and {amount(free)} are free in “{into.parent}”."
        )


def _write(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, to: Path, should_stop: Callable[[], bool]
) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as source, to.open("wb") as target:
        while chunk := source.read(_STEP):
            if should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile("more than its entry says")
            target.write(chunk)


def folder_for(path: Path) -> Path:
    """A folder beside a zip, of its name, that is not there yet.

    A second unpacking gets a number, so that what a person did in the first stays.
    """
    stem = path.name[: -len(path.suffix)] if path.suffix else f"{path.name}-unpacked"
    folder, number = path.with_name(stem), 2
    while folder.exists():
        folder, number = path.with_name(f"{stem}-{number}"), number + 1
    return folder
