"""From the bytes of a file to JSON: what is nearly JSON is put right and named, the rest is one sentence."""

import codecs
import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from labeler.errors import FormatError
from labeler.formats.gates import BAD_JSON
from labeler.formats.report import Note

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


def read_bytes(path: Path) -> bytes:
    """The content of a labels file. Raises FormatError, one sentence, when there is none."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"“{path}” cannot be read: {reason}.") from error
    if not data.strip():
        raise FormatError(f"“{path}” is empty.")
    return data


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


def parsed(data: bytes, path: Path, decoder: "msgspec.json.Decoder[T]") -> tuple[T, bytes, tuple[Note, ...]]:
    """What `decoder` makes of the text, the text as it was decoded, and what had to be put right in it.

    Raises FormatError with line and column when it is not JSON, or has another structure.
    """
    if data.isascii():
        notes: tuple[Note, ...] = ()
    else:
        data, notes = _as_utf8(data)
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


def _file_note(sentence: str) -> tuple[Note, ...]:
    return (Note("repaired", "file", None, "", sentence),)


def _as_utf8(data: bytes) -> tuple[bytes, tuple[Note, ...]]:
    if data.startswith(codecs.BOM_UTF8):
        data, notes = (
            data[len(codecs.BOM_UTF8) :],
            _file_note("Began with a byte order mark, which was left out."),
        )
    elif encoding := _WIDE_MARKS.get(data[:2]):
        text = data.decode(encoding, "replace")
        return text.encode("utf-8", "replace"), _file_note("Was UTF-16, read as such.")
    else:
        notes = ()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        data = data.decode("utf-8", "replace").encode()
        notes += _file_note(
            f"Is not UTF-8 from byte {error.start} on; such characters became “\N{REPLACEMENT CHARACTER}”."
        )
    return data, notes


def _put_right(data: bytes) -> tuple[bytes, tuple[Note, ...]]:
    """Numbers that JSON does not have and halves of characters, replaced by what can be refused or shown."""
    numbers = halves = 0

    def escape(match: re.Match[bytes]) -> bytes:
        nonlocal halves
        if len(match[0]) != _LONE_SURROGATE:
            return match[0]
        halves += 1
        return rb"\ufffd"

    def token(match: re.Match[bytes]) -> bytes:
        nonlocal numbers
        if match[0].startswith(b'"'):
            return _ESCAPE.sub(escape, match[0]) if b"\\u" in match[0] else match[0]
        numbers += 1
        return NOT_FINITE

    data = _TOKEN.sub(token, data)
    notes: tuple[Note, ...] = ()
    if numbers:
        notes += _file_note(
            f"Has {numbers} times NaN or Infinity, which JSON does not know; each is looked at in its place."
        )
    if halves:
        notes += _file_note(
            f"Has {halves} lone surrogates in texts, which became “\N{REPLACEMENT CHARACTER}”."
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
