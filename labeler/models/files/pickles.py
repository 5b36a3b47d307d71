"""What is in a file of weights, told without importing or running anything that is in it.

A torch checkpoint is a zip with a pickle, and a pickle is a program. Here it is read by an unpickler that
knows no class and no function: whatever the file names becomes an `Opaque` that only remembers what it was
made from. Loading the weights themselves is left to libraries in their safe modes, in a child process.
"""

import io
import json
import math
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labeler.errors import ModelError
from labeler.models.files.opener import first_line

_LONGEST_PICKLE = 16 << 20
"""Bytes; the structure of the largest checkpoints takes less than 2 MB, since tensors lie beside it."""
_LONGEST_HEADER = 16 << 20
_SAFETENSORS = ".safetensors"


class Opaque:
    """Something that a checkpoint is made of: what it calls itself, and what it was made from."""

    name = ""
    """Module and name, "torch.nn.modules.conv.Conv2d"."""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any, **_options: Any) -> "Opaque":
        """An object that remembers the arguments, whatever they are."""
        made = super().__new__(cls)
        made.arguments = arguments
        made.state = None
        return made

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        pass  # they are kept already, since pickles may make objects without this

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass  # items of a mapping of a kind unknown here are not needed by anyone

    def append(self, item: Any) -> None:
        """Take an item of a list of a kind unknown here, which nobody needs."""

    def part(self, name: str) -> Any:
        """The attribute of that name that the object would have; None where it has none."""
        return self.state.get(name) if isinstance(self.state, dict) else None

    @property
    def modules(self) -> Mapping[str, Any]:
        """The parts of a torch module, by name."""
        found = self.part("_modules")
        return found if isinstance(found, dict) else {}


class _Items(dict[Any, Any]):
    """A dict that takes attributes, as torch gives its state dicts some."""


# the one in C can be made to ask for gigabytes by 5 bytes (python/cpython#115952); this one cannot
class _InertUnpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for everything; ordered dicts are dicts."""
        if (module, name) == ("collections", "OrderedDict"):
            return _Items
        return type("Opaque", (Opaque,), {"name": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Any:
        """A tensor's storage: the tuple that describes it."""
        return pid


def outline(path: Path) -> Any:
    """The structure of a torch checkpoint: dicts, lists, numbers and texts as they are, the rest `Opaque`.

    Raises ModelError where the file is no such zip or is damaged, OSError where it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _InertUnpickler(io.BytesIO(_pickle_in(archive))).load()
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged zip or pickle may raise anything
        raise ModelError(
            f"“{path.name}” is no PyTorch checkpoint, or it is damaged; choose another."
        ) from error


def _pickle_in(archive: zipfile.ZipFile) -> bytes:
    """The one pickle of a torch checkpoint, "<any name>/data.pkl"; ValueError where there is no such one."""
    (name,) = (name for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"])
    if archive.getinfo(name).file_size > _LONGEST_PICKLE:
        raise ValueError("its structure is too large")
    return archive.read(name)


def try_outline(path: Path) -> Any:
    """As `outline`, and None where the file is something else or damaged: for sniffing."""
    try:
        return outline(path)
    except ModelError:
        return None


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the tensors of a file of weights alone: .safetensors, or a torch state dict.

    {} where it is something else, or damaged. Raises OSError where it cannot be read.
    """
    if path.suffix.lower() == _SAFETENSORS:
        header = _safetensors_header(path)
        sizes = {name: entry.get("shape") for name, entry in header.items() if isinstance(entry, dict)}
        return {name: tuple(size) for name, size in sizes.items() if isinstance(size, list)}
    shapes = {name: _shape(value) for name, value in state_dict_of(try_outline(path)).items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def state_dict_of(content: Any) -> dict[str, Any]:
    """The state dict in a checkpoint's content, or under the key where scripts put it; {} for none."""
    if not isinstance(content, dict):
        return {}
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(content.get(key), dict):
            return {name: value for name, value in content[key].items() if isinstance(name, str)}
    return {name: value for name, value in content.items() if isinstance(name, str)}


def class_names(path: Path) -> tuple[str, ...]:
    """The class names that a file of weights carries under "names" or "categories"; () for none.

    In a torch checkpoint a list of texts, in .safetensors metadata the JSON text of one.
    """
    if path.suffix.lower() == _SAFETENSORS:
        content = _safetensors_header(path).get("__metadata__")
    else:
        content = try_outline(path)
    for key in ("names", "categories"):
        names = content.get(key) if isinstance(content, dict) else None
        if isinstance(names, str):
            names = _from_json(names)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return ()


def load_state_dict(path: Path) -> dict[str, Any]:
    """The tensors of a file of weights alone, on the CPU, loaded in torch's safe mode. In a child only.

    Raises ModelError with one sentence.
    """
    import torch  # noqa: PLC0415  # heavy: in a child only

    try:
        if path.suffix.lower() == _SAFETENSORS:
            return _safetensors(path)
        return state_dict_of(torch.load(path, map_location="cpu", weights_only=True))
    except MemoryError:
        raise
    except Exception as error:  # torch raises what it likes for damaged files
        raise ModelError(
            f"The weights in “{path.name}” cannot be loaded safely ({first_line(error)})."
        ) from error


def _safetensors(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors file: each a slice of the bytes after the header."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    return {
        name: torch.frombuffer(
            data,
            dtype=kinds[entry["dtype"]],
            count=math.prod(entry["shape"]),
            offset=start + entry["data_offsets"][0],
        ).reshape(entry["shape"])
        for name, entry in _safetensors_header(path).items()
        if name != "__metadata__"
    }


def _shape(value: Any) -> tuple[int, ...] | None:
    """The size of a tensor as its rebuilding function gets it (torch._utils._rebuild_tensor_v2)."""
    if not isinstance(value, Opaque):
        return None
    if value.name == "torch._utils._rebuild_parameter" and value.arguments:
        return _shape(value.arguments[0])
    if value.name != "torch._utils._rebuild_tensor_v2" or len(value.arguments) < 3:
        return None
    size = value.arguments[2]
    return size if isinstance(size, tuple) and all(isinstance(side, int) for side in size) else None


def _safetensors_header(path: Path) -> dict[str, Any]:
    """The JSON header, {} for none: 8 bytes of its length, little-endian, then the text."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if 0 < length <= _LONGEST_HEADER else b""
    header = _from_json(text)
    return header if isinstance(header, dict) else {}


def _from_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
