"""The JSON files of a folder, and what a JSON text is by its beginning and its end."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Raw

from labeler.core.order import natural_key
from labeler.core.photos.patience import patiently, unhurried
from labeler.errors import FormatError, ImageError, ImportStoppedError
from labeler.formats.json_files.collecting import Collecting
from labeler.formats.json_text import parsed, read_bytes
from labeler.formats.spec import Source

_TOP = msgspec.json.Decoder(Raw)
_STEP = 256
"""Files between two questions whether to stop."""

_TOGETHER, _BYTES_TOGETHER = 64, 16 << 20
"""Files, and bytes of them, that are read at a time."""
_PIECE = 1 << 16
"""Bytes that are looked at where a file begins, and where it ends."""
_LOOKED_AT = 12
"""Files of a folder that are looked at to know of what format it is."""
_MOST_SEEN = 4096
"""Entries of a folder that are gone through for these."""


def json_below(root: Path) -> list[str]:
    """The JSON files in a folder and below it, relative to it, in natural order.

    Hidden ones are left out, and no link to a folder is followed, so that none leads round in a circle.
    """
    return sorted(_names(root), key=natural_key)


def _names(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(folder).relative_to(root)
        for name in sorted(files):
            if name.lower().endswith(".json") and not name.startswith("."):
                yield (below / name).as_posix()


def first_json(root: Path) -> list[Path]:
    """A few JSON files of a folder, found by going through no more than a bounded part of it."""
    found: list[Path] = []
    seen = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen += len(files) + len(folders)
        names = sorted(name for name in files[:_MOST_SEEN] if not name.startswith("."))
        found += [Path(folder) / name for name in names if name.lower().endswith(".json")]
        if len(found) >= _LOOKED_AT or seen > _MOST_SEEN:
            break
    return found[:_LOOKED_AT]


def ends(path: Path) -> bytes:
    """The first and the last 64 kB of a file without what stands before its first character, as UTF-8.

    What is in the middle may be a picture of many megabytes. b"" for what is no JSON object or list.
    """
    with path.open("rb") as file:
        data = file.read(_PIECE)
        length = file.seek(0, os.SEEK_END)
        if length > _PIECE:
            file.seek(max(_PIECE, length - _PIECE))
            data += file.read(_PIECE)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return data if data[:1] in (b"{", b"[") else b""


def knows(path: Path, test: Callable[[bytes], bool]) -> bool:
    """Whether the `ends` of a file pass a test, or those of half of the first JSON files of a folder."""
    if not path.is_dir():
        return _passes(path, test)
    found = first_json(path)
    passed = sum(_passes(one, test) for one in found)
    return 0 < len(found) <= passed * 2


def _passes(path: Path, test: Callable[[bytes], bool]) -> bool:
    try:
        return test(ends(path))
    except OSError:
        return False


def _texts_of(paths: Sequence[Path], encoding: str) -> Iterator[bytes | FormatError]:
    """The text of each file, or why there is none; a few are read at a time, so that many cost few waits."""
    start = 0
    while start < len(paths):
        found: list[bytes | FormatError] = []
        try:
            patiently(paths[start], partial(_read_some, paths[start : start + _TOGETHER], encoding, found))
        except ImageError:  # a silent disk: each file says so itself
            found = [_read(paths[start], encoding)]
        yield from found
        start += len(found)


def _read_some(paths: Sequence[Path], encoding: str, found: list[bytes | FormatError]) -> None:
    """Read files, up to so many bytes, onto the end of `found`."""
    size = 0
    with unhurried():
        for path in paths:
            found.append(one := _read(path, encoding))
            size += 0 if isinstance(one, FormatError) else len(one)
            if size > _BYTES_TOGETHER:
                return


def _read(path: Path, encoding: str) -> bytes | FormatError:
    try:
        return read_bytes(path, encoding=encoding)
    except FormatError as error:
        return error


def each_json(source: Source, found: Collecting) -> Iterator[tuple[str, Raw]]:
    """The name, from the folder that is read or the file's own, and the JSON text of each file.

    What is wrong with one file of a folder is noted, and the others are given. Raises FormatError for a
    single file, and ImportStoppedError when stopped.
    """
    is_dir = source.path.is_dir()
    names = json_below(source.path) if is_dir else [source.path.name]
    root = source.path if is_dir else source.path.parent
    texts = _texts_of([root / name for name in names], source.encoding)
    for count, name in enumerate(names):
        if count % _STEP == 0 and source.should_stop():
            raise ImportStoppedError("Nothing was imported: it was stopped.")
        path = root / name
        try:
            data = next(texts)
            if isinstance(data, FormatError):
                raise data
            top, _, notes = parsed(data, path, _TOP)
        except FormatError as error:
            if not is_dir:
                raise
            found.note("refused", " ".join(str(error).split()), kind="file", at=name)
            continue
        for note in notes:
            found.note(note.verdict, note.sentence, kind="file", at=name)
        yield name, top
