"""What a file of weights names to be called when it is loaded, found out without loading it.

A pickle is a program. The loaders run none of it that they don't know: they load with `weights_only`, and
ultralytics in its safe mode. This gate stands before them, where a person's file is taken in: it says at
once, in words, what a loader would refuse later, and needs no torch for it.
"""

import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from labeler.errors import ModelError

_LEGACY_PICKLES = 5
"""torch's format before 1.6: magic number, version, system, the object, the keys of its storages."""

_MOST = 16 << 20
"""Bytes of pickle that are looked at: the largest known have 1 MB."""
_MOST_STEPS = 3_000_000
"""Steps of all its pickles that are looked at, two seconds of work: the largest known have 300,000."""

_KNOWN = re.compile(
    r"""
    (__builtin__|builtins)\.(set|frozenset|list|dict|tuple|slice|int|float|bool|complex|bytearray|getattr)
    | collections\.(OrderedDict|defaultdict|Counter)
    | _codecs\.encode
    | pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path
    | argparse\.Namespace
    | numpy\.(dtype|ndarray) | numpy\.dtypes\.\w+ | numpy\.(_core|core)\.multiarray\.(scalar|_reconstruct)
    | torch\.(Size|Tensor|device|\w+Storage|b?float\d\w*|complex\d+|u?int\d+|bool|strided)
    | torch\._utils\._rebuild_\w+ | torch\._tensor\._rebuild_\w+ | torch\.storage\.\w+Storage
    | torch\.serialization\._get_layout
    | torch\.nn\.parameter\.\w+ | torch\.nn\.modules\.\w+\.\w+ | torch\.torch_version\.TorchVersion
    | torchvision\.(models|ops|transforms)\.[\w.]+
    | ultralytics\.nn\.[\w.]+ | ultralytics\.utils\.(loss|tal)\.\w+
    | ultralytics\.(yolo\.)?utils\.IterableSimpleNamespace
    """,
    re.VERBOSE,
)


def check_pickles(path: Path) -> None:
    """Refuse a file that would have something run which is no part of a model.

    Files that hold no pickle (ONNX, safetensors) pass. Raises ModelError with one sentence, and OSError
    where the file cannot be read.
    """
    try:
        foreign = next((name for name in _named(path) if not _KNOWN.fullmatch(name)), None)
    except (ValueError, EOFError, IndexError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ModelError(f"“{path.name}” is damaged, or no model file ({error}).") from error
    if foreign is not None:
        raise ModelError(
            f"“{path.name}” is refused: loading it would call “{foreign}”, which is no part of a model."
        )


def _named(path: Path) -> Iterator[str]:
    """Every "module.name" that the file's pickles look up."""
    left = iter(range(_MOST_STEPS))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".pkl"):
                    if member.file_size > _MOST:
                        raise ValueError("its pickle is too long")
                    with archive.open(member) as file:
                        yield from _globals(file, left)
        return
    with path.open("rb") as file:
        if file.read(1) != pickle.PROTO:
            return
        file.seek(0)
        for _ in range(_LEGACY_PICKLES):
            yield from _globals(file, left)
            if file.peek(1)[:1] != pickle.PROTO:
                return


def _globals(file: IO[bytes], left: Iterator[int]) -> Iterator[str]:
    for opcode, argument, position in pickletools.genops(file):
        if (position or 0) > _MOST or next(left, None) is None:
            raise ValueError("its pickle is too long")
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".", 1)
        elif opcode.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
            yield opcode.name  # torch writes none of these, and its safe path reads none
