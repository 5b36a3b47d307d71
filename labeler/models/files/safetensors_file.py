"""Weights as safetensors files: tensors by name, and a few texts that say what they are.

A file is 8 bytes with the little-endian length of a JSON header, the header, and the tensors' bytes. Nothing
in it can run. What the models that were trained here say in its `__metadata__` is in `made`.
"""

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from labeler.core.files import atomic_write
from labeler.errors import ModelError

_LENGTH = struct.Struct("<Q")
_MOST = 16 << 20
"""Bytes of a header; those of networks of a thousand layers take a tenth of a megabyte."""


def header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, {} where it has none; its tensors are not read.

    Raises ModelError with one sentence where it is no such file, or is cut off, and OSError where it cannot
    be read.
    """
    with path.open("rb") as file:
        start = file.read(_LENGTH.size)
        length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else 0
        left = os.fstat(file.fileno()).st_size - _LENGTH.size
        if not 2 <= length <= min(left, _MOST):
            raise _foreign(path)
        text = file.read(length)
    try:
        entries = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(entries.pop("__metadata__", b"{}"), type=dict[str, str])
        ends = [msgspec.json.decode(entry, type=_Entry).data_offsets[1] for entry in entries.values()]
    except (msgspec.DecodeError, RecursionError) as error:  # lists may be nested deeper than anybody reads
        raise _foreign(path) from error
    if max(ends, default=0) != left - length:
        raise ModelError(f"“{path.name}” is cut off; copy or download it again.")
    return metadata


def save(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write arrays of any shape under their names, with texts about them; the file is whole or not there.

    The same arrays and texts always give the same bytes, so that a file can be known by its hash.

    A torch state dict goes in as `{name: tensor.numpy() for name, tensor in ...}`. Raises OSError where it
    cannot be written.
    """
    from safetensors.numpy import save as encoded  # noqa: PLC0415 - in a child only

    rows = {name: np.array(values, order="C", copy=None) for name, values in tensors.items()}
    atomic_write(path, _steady(encoded(rows, metadata=dict(metadata))))


def load(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file by name.

    Raises ModelError with one sentence where it is no such file, or cannot be read.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - in a child only
    from safetensors.numpy import load as decoded  # noqa: PLC0415

    try:
        arrays: dict[str, NDArray[Any]] = decoded(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"The model file “{path}” cannot be read ({error.strerror or error}); choose it again."
        ) from error
    except SafetensorError as error:
        raise _foreign(path) from error
    return arrays


def _steady(data: bytes) -> bytes:
    """The same file with its texts in the order of their names; the library writes them in any order."""
    length = _LENGTH.unpack_from(data)[0]
    entries = msgspec.json.decode(data[_LENGTH.size : _LENGTH.size + length], type=dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(entries.get("__metadata__", b"{}"), type=dict[str, str])
    entries["__metadata__"] = msgspec.Raw(msgspec.json.encode(metadata, order="sorted"))
    text = msgspec.json.encode(entries, order="sorted")
    text = text.ljust(-(-len(text) // 8) * 8)  # tensors begin at multiples of 8
    return _LENGTH.pack(len(text)) + text + data[_LENGTH.size + length :]


class _Entry(msgspec.Struct, frozen=True):
    data_offsets: tuple[int, int]


def _foreign(path: Path) -> ModelError:
    return ModelError(f"“{path.name}” is no safetensors file, or is damaged; choose another file.")
