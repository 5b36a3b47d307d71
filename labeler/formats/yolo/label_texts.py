"""Many small text files of one folder, read a few at a time so that a silent disk costs one wait."""

import codecs
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from labeler.core.photos.patience import patiently
from labeler.core.photos.photo_files import SUFFIXES, readable
from labeler.errors import FormatError, ImageError, ImportStoppedError

_TOGETHER = 64
_IN_A_FOLDER = 500
"""Names of one folder that are looked at to find out what it is."""
_FOLDERS = 200
LARGEST_TEXT = 64 << 20
"""Bytes of one label file: more than 500,000 boxes."""
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

NO_TEXT = "Is no text file; left out."
TOO_LARGE = "Is larger than {} MB, which no label file is; left out."


def texts_of(
    base: Path, names: Sequence[str], should_stop: Callable[[], bool]
) -> Iterator[tuple[str | None, str]]:
    """The text of each file below `base`, in order, and why there is none: (text, "") or (None, sentence).

    Raises ImportStoppedError when stopped, and FormatError where the disk does not answer.
    """
    for start in range(0, len(names), _TOGETHER):
        if should_stop():
            raise ImportStoppedError("Nothing was imported: it was stopped.")
        try:
            found = patiently(
                base, partial(_texts, [base / name for name in names[start : start + _TOGETHER]])
            )
        except ImageError as error:
            raise FormatError(str(error)) from error
        yield from found


def _texts(paths: Sequence[Path]) -> list[tuple[str | None, str]]:
    return [_text(path) for path in paths]


def _text(path: Path) -> tuple[str | None, str]:
    try:
        with readable(path) as file:
            data = file.read(LARGEST_TEXT + 1)
    except ImageError as error:
        return None, f"Cannot be read: {error}"
    if len(data) > LARGEST_TEXT:
        return None, TOO_LARGE.format(LARGEST_TEXT >> 20)
    if data[:2] in _WIDE:
        return data.decode("utf-16", "replace"), ""
    if b"\0" in data:
        return None, NO_TEXT
    return data.decode("utf-8", "replace").removeprefix("\ufeff"), ""


def head_of(path: Path, size: int = 1 << 16) -> str:
    """The first bytes of a file as text, without a last line that may be cut; "" for what is no text."""
    with readable(path) as file:
        data = file.read(size + 1)
    if b"\0" in data:
        return ""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    return text.rpartition("\n")[0] if len(data) > size else text


def some_files(folder: Path, ending: str, *, most: int = 40, looks: int = 4000) -> Iterator[Path]:
    """Some files of an ending in a folder and those below, the outer first; looks at `looks` names at most.

    For finding out what a folder is: hidden names and links to folders are left out.
    """
    waiting, given = [folder], 0
    for here in waiting:
        inner: list[Path] = []
        for entry in _names_in(here, min(looks, _IN_A_FOLDER)):
            looks -= 1
            if entry.suffix.lower() == ending:
                given += 1
                yield entry
            elif (
                entry.suffix.lower() not in SUFFIXES
                and len(waiting) + len(inner) < 200
                and _is_real_folder(entry)
            ):
                inner.append(entry)
            if given >= most or looks <= 0:
                return
        waiting += sorted(inner)


def _names_in(folder: Path, most: int) -> list[Path]:
    found = []
    try:
        for entry in folder.iterdir():
            if not entry.name.startswith("."):
                found.append(entry)
            if len(found) >= most:
                break
    except OSError:
        return []
    return sorted(found)


def _is_real_folder(path: Path) -> bool:
    return path.suffix.lower() not in SUFFIXES and path.is_dir() and not path.is_symlink()
