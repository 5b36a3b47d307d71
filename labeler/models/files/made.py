"""A model that was trained here, as a file: its weights, and what they need to be opened.

It is a safetensors file. Its metadata say, all of them as texts:

    labeler     the id of the trainer that made it
    format      "1"
    categories  the names of what it finds, as a list in JSON
    config      how its network is built, as JSON of the trainer's own
    title       what a person calls it: the name of the run
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from numpy.typing import NDArray

from labeler.errors import ModelError
from labeler.models.files import safetensors_file
from labeler.models.files.opener import opened
from labeler.models.protocols import AnyModel, FileSpec, ModelSpec, Portable, Task, Weights

T = TypeVar("T")

_MAKER = "labeler"
_FORMAT = "1"
SUFFIX = ".safetensors"


class Made(Struct, frozen=True):
    """What a file says of the model in it."""

    path: Path
    maker: str
    """The id of its trainer."""
    categories: tuple[str, ...]
    title: str
    """What a person calls it; "" where the file does not say."""
    config: str
    """JSON; see `config_as`."""

    def config_as(self, kind: type[T]) -> T:
        """How its network is built, as the trainer's own record.

        Raises ModelError with one sentence where the file does not say it.
        """
        return _decoded(self.path, self.config, kind)


def save(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    *,
    maker: str,
    categories: Sequence[str],
    config: object,
    title: str,
) -> None:
    """Write a model: the arrays of its network, and what `Made` says. Raises OSError.

    `config` is a record or a dict that `Made.config_as` gives back.
    """
    metadata = {
        _MAKER: maker,
        "format": _FORMAT,
        "categories": msgspec.json.encode(list(categories)).decode(),
        "config": msgspec.json.encode(config).decode(),
        "title": title,
    }
    safetensors_file.save(path, arrays, metadata)


def arrays_of(module: Any) -> dict[str, NDArray[Any]]:
    """The state of a torch module by name, as arrays on the CPU."""
    return {name: values.detach().cpu().contiguous().numpy() for name, values in module.state_dict().items()}


def maker_of(path: Path) -> str:
    """Which trainer of this app made a file, "" for any other file. Raises nothing but OSError."""
    try:
        return safetensors_file.header(path).get(_MAKER, "") if path.suffix.lower() == SUFFIX else ""
    except ModelError:
        return ""


def read(path: Path, maker: str = "") -> Made:
    """What the file of a model says; its weights are not read. `maker`: whose it must be, "" for anybody's.

    Raises ModelError with one sentence where it is another kind of file, or says too little, and OSError.
    """
    about = safetensors_file.header(path)
    found = about.get(_MAKER, "")
    if not found or maker not in ("", found) or about.get("format", _FORMAT) != _FORMAT:
        whose = f"no model of the trainer “{maker}”" if maker else "no model"
        raise ModelError(f"“{path.name}” is {whose} that this version can open; train it again.")
    return Made(
        path=path,
        maker=found,
        categories=_decoded(path, about.get("categories", ""), tuple[str, ...]),
        title=about.get("title", ""),
        config=about.get("config", ""),
    )


def kind(
    file_id: str,
    title: str,
    *,
    maker: str,
    task: Task,
    load: Callable[[Weights, Made], AnyModel],
    portable: Callable[[Weights, Made], Portable] | None = None,
) -> FileSpec:
    """The kind of files that a trainer makes, for its plugin.

    `load` makes the model, in a child, of the file and what it says, `portable` what leaves the app. What it
    finds needs no suppression.
    """

    def open_file(path: Path) -> ModelSpec:
        made = read(path, maker)
        return opened(
            path,
            lambda weights: load(weights, made),
            task=task,
            title=made.title,
            categories=made.categories,
            needs_suppression=False,
            portable=None if portable is None else lambda weights: portable(weights, made),
        )

    return FileSpec(file_id, title, (SUFFIX,), lambda path: maker_of(path) == maker, open_file)


def _decoded(path: Path, text: str, as_kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=as_kind)
    except (msgspec.DecodeError, RecursionError) as error:  # lists may be nested deeper than anybody reads
        raise ModelError(f"“{path.name}” does not say what it was trained for; train it again.") from error
