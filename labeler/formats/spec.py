"""What a labels format must do: the record that a plugin describes it with, and where such records come from.

Every file of labels is read and checked as COCO in the end: what a format's `read` gives is written as COCO
in memory and goes through the same gates as a file does, so no format can bring what a file could not.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from labeler.core.photos.patience import patiently
from labeler.core.records import Annotation, Category, Image
from labeler.errors import FormatError, LabelerError

T = TypeVar("T")


class Places(Struct, frozen=True):
    """Where in the lists of the file the records of a data set are; None for what the file has not."""

    images: tuple[int | None, ...] = ()
    categories: tuple[int | None, ...] = ()
    annotations: tuple[int | None, ...] = ()


class Dataset(Struct, frozen=True):
    """What a labels file holds, with ids of our own (from 1) and the file's in `file_id`.

    `Image.path` is the file's name for it, which nobody has checked: resolve it with `image_paths`.
    """

    images: tuple[Image, ...]
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]
    extra: bytes = b""
    """A JSON object of the other top-level keys: info, licenses and unknown ones."""
    places: Places = Places()


class FormatSpec(Struct, frozen=True):
    """A labels format that a plugin offers: records in and out, never a half result."""

    id: str
    title: str
    suffixes: tuple[str, ...]
    """In lower case, with the dot; a file to be written is of the format that its ending says."""
    sniff: Callable[[Path], bool]
    """Whether a file of one of the suffixes is of this format; reads as little as it can."""
    read: Callable[[Path], Dataset]
    """The records of a file; raises FormatError with one sentence. Sizes may be 0 where it has none."""
    write: Callable[[Dataset, Path], None]
    """Write the records to a file that is not there yet; raises FormatError with one sentence."""


_provider: Callable[[], Sequence[FormatSpec]] = tuple


def come_from(provider: Callable[[], Sequence[FormatSpec]]) -> None:
    """Have the formats beside COCO asked of `provider`, on any thread and only when a file needs one.

    Whoever starts a program says so once: the formats are of plugins, which this layer knows nothing of.
    """
    global _provider  # noqa: PLW0603 - one program has one set of plugins
    _provider = provider


def endings() -> frozenset[str]:
    """The endings of files of labels, in lower case with the dot."""
    return frozenset([".json", *(suffix for spec in _provider() for suffix in spec.suffixes)])


def format_of(path: Path) -> FormatSpec | None:
    """The format that knows a file, None where none does.

    Raises LabelerError, one sentence, where a format cannot look at it or its disk does not answer.
    """
    suffix = path.suffix.lower()
    return next((one for one in _provider() if suffix in one.suffixes and _knows(one, path)), None)


def _knows(spec: FormatSpec, path: Path) -> bool:
    return _tried(spec, path, lambda: patiently(path, lambda: spec.sniff(path)))


def format_to_write(path: Path) -> FormatSpec | None:
    """The format that a file to be written is of by its ending; None for COCO, which is `.json` or no ending.

    FormatError, naming the endings there are, where nothing writes that ending.
    """
    suffix = path.suffix.lower()
    if suffix in ("", ".json"):
        return None
    specs = _provider()
    for spec in specs:
        if suffix in spec.suffixes:
            return spec
    endings = ", ".join([".json (COCO)", *(f"{s} ({spec.title})" for spec in specs for s in spec.suffixes)])
    raise FormatError(f"“{path.name}” ends in “{suffix}”, which is no format to write; there are: {endings}.")


def read_by(spec: FormatSpec, path: Path) -> Dataset:
    """What a format reads in a file; FormatError, one sentence, for whatever it raises."""
    found = _tried(spec, path, lambda: spec.read(path))
    if not isinstance(found, Dataset):
        raise FormatError(f"“{path}” cannot be read: the format {spec.title} gives no Dataset.")
    return found


def write_by(spec: FormatSpec, dataset: Dataset, path: Path) -> None:
    """Write a file, whole or not at all; FormatError, one sentence, for whatever the format raises."""
    made = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        _tried(spec, path, lambda: spec.write(dataset, made), doing="written")
        try:
            made.replace(path)
        except OSError as error:
            raise FormatError(f"“{path}” cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # a name that is too long is said by the write itself
            made.unlink(missing_ok=True)


def _tried(spec: FormatSpec, path: Path, work: Callable[[], T], *, doing: str = "read") -> T:
    """What a plugin's function gives; a plugin may raise anything."""
    try:
        return work()
    except LabelerError:
        raise
    except OSError as error:
        raise FormatError(f"“{path}” cannot be {doing}: {error.strerror or error}.") from error
    except Exception as error:  # a plugin's own mistake must not end the program
        said = " ".join(f"{type(error).__name__}: {error}".split())  # a sentence has one line
        raise FormatError(f"“{path}” cannot be {doing} as {spec.title} ({said}).") from error
