"""From the bytes of a file to JSON: what is nearly JSON is put right and named, the rest is one sentence."""

import codecs
import gc
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from labeler.core.photos.patience import patiently
from labeler.errors import FormatError, ImageError
from labeler.formats.encodings import reading
from labeler.formats.gates import BAD_JSON
from labeler.formats.report import FieldNote

T = TypeVar("T")

NOT_FINITE = b"1e999"
"""What NaN and infinities become: JSON by its grammar, and out of the range of every number type."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\."
)
_LONE_SURROGATE = 6
"""Bytes of an escape that stands for half a character."""
_POSITION = re.compile(r"\(byte (\d+)\)")
_WIDE_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


LARGEST_FILE = 2 << 30
"""Bytes that are read of a labels file, all of it being in memory at once."""


def read_bytes(path: Path, *, encoding: str = "") -> bytes:
    """The content of a labels file, as UTF-8 where a person has named its `encoding`.

    Raises FormatError, one sentence, when there is none, it is not in that encoding, or its disk does not
    answer.
    """
    try:
        data = patiently(path, lambda: _content(path))
    except ImageError as error:
        raise FormatError(str(error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"“{path}” cannot be read: {reason}.") from error
    if not data or data.isspace():
        raise FormatError(f"“{path}” is empty.")
    return _decoded(data, path, encoding) if encoding else data


def read_text(path: Path, *, encoding: str = "") -> tuple[str, tuple[FieldNote, ...]]:
    """A text file that is no JSON, and what had to be put right in it; see `read_bytes`."""
    data, notes = _as_utf8(read_bytes(path, encoding=encoding), path)
    return data.decode("utf-8"), notes


def _content(path: Path) -> bytes:
    about = path.stat()
    if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
        raise FormatError(f"“{path}” cannot be read: it is no file but a pipe or a device.")
    if about.st_size > LARGEST_FILE:
        raise FormatError(
            f"“{path}” is {about.st_size / 1e9:.1f} GB; up to {LARGEST_FILE / 1e9:.1f} GB are read. "
            "Split it by images."
        )
    return path.read_bytes()


def _decoded(data: bytes, path: Path, encoding: str) -> bytes:
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode()
    except LookupError as error:
        sentence = f"“{encoding}” is no encoding of texts; name one such as gb18030, shift_jis or cp1252."
        raise FormatError(sentence) from error
    except UnicodeError as error:
        at = f", as byte {error.start} shows" if isinstance(error, UnicodeDecodeError) else ""
        raise FormatError(f"“{path}” is not in the encoding {encoding}{at}; name another.") from error


@contextmanager
def no_collection() -> Iterator[None]:
    """Switch the cyclic garbage collector off: it takes more than half of the time of parsing large files."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parsed(
    data: bytes, path: Path, decoder: "msgspec.json.Decoder[T]"
) -> tuple[T, bytes, tuple[FieldNote, ...]]:
    """What `decoder` makes of the text, the text as it was decoded, and what had to be put right in it.

    Raises FormatError with line and column when it is not JSON, or has another structure.
    """
    if data.isascii() and b"\0" not in data[:4]:
        notes: tuple[FieldNote, ...] = ()
    else:
        data, notes = _as_utf8(data, path)
    try:
        return decoder.decode(data), data, notes
    except msgspec.ValidationError as error:
        raise FormatError(f"“{path}” has not the structure of such a file: {error}.") from error
    except BAD_JSON:
        data, more = _put_right(data)
    try:
        return decoder.decode(data), data, notes + more
    except msgspec.ValidationError as error:
        raise FormatError(f"“{path}” has not the structure of such a file: {error}.") from error
    except BAD_JSON as error:
        raise FormatError(_sentence(path, data, error)) from error


def _file_note(sentence: str) -> tuple[FieldNote, ...]:
    return (FieldNote("repaired", "file", None, "", sentence),)


def _as_utf8(data: bytes, path: Path) -> tuple[bytes, tuple[FieldNote, ...]]:
    """The text as UTF-8. Raises FormatError where its encoding is not certain: no name is ever guessed."""
    if data.startswith(codecs.BOM_UTF8):
        data, notes = (
            data[len(codecs.BOM_UTF8) :],
            _file_note("Began with a byte order mark, which was left out."),
        )
    elif encoding := _wide(data):
        try:
            return data.decode(encoding).encode(), _file_note("Was UTF-16, read as such.")
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise FormatError(f"“{path}” is damaged: its UTF-16 text breaks off ({error.reason}).") from error
    else:
        notes = ()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = reading(data)
        if found is None:
            raise FormatError(
                f"“{path}” is not UTF-8 (from byte {error.start} on), and its encoding is not certain; "
                "name the one that it was written in, as by --encoding gb18030, or convert it, as by: "
                "iconv -f GB18030 -t UTF-8."
            ) from error
        data = found[0].encode()
        notes += _file_note(f"Is not UTF-8 from byte {error.start} on; read as {found[1].upper()}.")
    return data, notes


def _wide(data: bytes) -> str:
    """UTF-16 by its mark, or by the zeros in its first characters; "" for anything else."""
    if encoding := _WIDE_MARKS.get(data[:2]):
        return encoding
    if len(data) > 3 and data[:1] in b"{[" and data[1:2] == b"\0" and data[2:3] != b"\0":
        return "utf-16-le"
    if len(data) > 3 and data[:1] == b"\0" and data[1:2] in (b"{", b"["):
        return "utf-16-be"
    return ""


def _put_right(data: bytes) -> tuple[bytes, tuple[FieldNote, ...]]:
    """Numbers that JSON does not have and halves of characters, replaced by what can be refused or shown."""
    numbers = halves = 0

    def escape(match: re.Match[bytes]) -> bytes:
        nonlocal halves
        if len(match[0]) != _LONE_SURROGATE:
            return match[0]
        halves += 1
        return rb"\ufffd" + match[0][2:]

    def token(match: re.Match[bytes]) -> bytes:
        nonlocal numbers
        if match[0].startswith(b'"'):
            return _ESCAPE.sub(escape, match[0]) if b"\\u" in match[0] else match[0]
        numbers += 1
        return NOT_FINITE

    data = _TOKEN.sub(token, data)
    notes: tuple[FieldNote, ...] = ()
    if numbers:
        notes += _file_note(
            f"Has {numbers} times NaN or Infinity, which JSON does not know; each is looked at in its place."
        )
    if halves:
        notes += _file_note(
            f"Has {halves} lone surrogates in texts, each now “\N{REPLACEMENT CHARACTER}” and its number."
        )
    return data, notes


def _sentence(path: Path, data: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"“{path}” cannot be read: its lists are nested too deeply."
    found = _POSITION.search(str(error))
    if found is None:
        lines = data.count(b"\n") + 1
        return f"“{path}” is not whole: its JSON ends in the middle, in line {lines}."
    position = int(found[1])
    line = data.count(b"\n", 0, position) + 1
    column = position - (data.rfind(b"\n", 0, position) + 1) + 1
    reason = str(error).removeprefix("JSON is malformed: ").split(" (byte")[0]
    return f"“{path}” is not JSON: {reason} at line {line}, column {column} (byte {position})."
