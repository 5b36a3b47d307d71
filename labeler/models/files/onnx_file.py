"""What an ONNX file says of itself beside its network, read without loading it.

The file is a protobuf `ModelProto` (onnx.proto3): a sequence of fields, each a tag and a length, among them
the graph, which is all but a few hundred bytes of it and is skipped, and `metadata_props`, pairs of texts.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from labeler.errors import ModelError

_METADATA = 14
"""The field's number in `ModelProto`."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""How a field is coded."""
_MOST_FIELDS = 10_000
_LONGEST = 1 << 20
"""Bytes of one pair of texts."""


def metadata(path: Path) -> dict[str, str]:
    """The texts of an ONNX file by their names; {} where it has none.

    Raises ModelError with one sentence for another or a damaged file, and OSError.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        try:
            pairs = [_pair(content) for content in _contents(file, size)]
        except (ValueError, UnicodeDecodeError) as error:
            raise ModelError(f"“{path.name}” is damaged, or no ONNX file; choose another one.") from error
    return dict(pairs)


def _contents(file: IO[bytes], size: int) -> Iterator[bytes]:
    """What is in each metadata field."""
    for _ in range(_MOST_FIELDS):
        if file.tell() == size:
            return
        tag = _number(file)
        kind, length = tag & 7, 0
        if kind == _VARINT:
            _number(file)
        elif kind == _BYTES:
            length = _number(file)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
        if not 0 <= length <= size - file.tell():
            raise ValueError("a field is longer than the file")
        if tag >> 3 == _METADATA and kind == _BYTES:
            if length > _LONGEST:
                raise ValueError("a text is too long")
            yield file.read(length)
        else:
            file.seek(length, 1)
    raise ValueError("there are too many fields")


def _pair(content: bytes) -> tuple[str, str]:
    """The key (field 1) and value (field 2) of a `StringStringEntryProto`."""
    file, found = io.BytesIO(content), {1: "", 2: ""}
    while file.tell() < len(content):
        tag = _number(file)
        length = _number(file)
        if tag & 7 != _BYTES or length > len(content) - file.tell():
            raise ValueError("a pair is cut")
        found[tag >> 3] = file.read(length).decode()
    return found[1], found[2]


def _number(file: IO[bytes]) -> int:
    """A varint: seven bits a byte, the lowest first, until a byte without its highest bit."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number is cut")
