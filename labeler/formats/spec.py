"""What a labels format must do: the record that a format is described with, and where such records come from.

Every labels file is read and checked as COCO in the end: what a format's `read` gives is written as COCO
in memory and goes through the same gates as a file does, so no format can bring what a file could not. On
the way out the shapes are first made such as the format can hold (`fitting`), so that a `write` has nothing
to decide and all losses are told in one way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from labeler.core.records import Annotation, Category, Image
from labeler.formats.report import FieldNote
from labeler.formats.write_options import FOR_OTHERS, Writing

ShapeKind: TypeAlias = Literal["box", "polygons", "mask"]
PhotosAre: TypeAlias = Literal["left", "copied", "linked"]
SPLIT = "split"
"""The key of an image's `extra` that says its part, "train" or "val", where its folder does not: as others
have it in COCO files, and readers of formats whose parts are lists of names."""


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


class Source(Struct, frozen=True, eq=False):
    """What is to be read, and what may be asked about its photos."""

    path: Path
    """A file, or a folder of files."""
    size: Callable[[str], tuple[int, int] | None] = lambda _: None
    """The (width, height) in pixels of the photo of a name, which is relative to the folder that is read or
    that the file is in; None where there is no such photo. A name may lack its ending. As it is displayed, or
    where a person says that the labels are of photos before EXIF turns them, as it is stored."""
    find: Callable[[str], str | None] = lambda _: None
    """The photo's name as the disk has it, with its ending, relative as above; None where there is none."""
    photos: Callable[[], Sequence[str]] = tuple
    """All photos of the folder by name, sorted: for formats in which one without labels has no file."""
    should_stop: Callable[[], bool] = lambda: False
    """Asked now and then by a `read` that takes long, which then raises ImportStoppedError."""
    encoding: str = ""
    """What a person says texts are encoded in, where it is not UTF-8."""


class Reading(Struct, frozen=True, eq=False):
    """What a format made of its files.

    Everything that is not taken as it stands has a note: told, repaired or refused, with the place in words
    in `FieldNote.at`. A refused item is not in `dataset`; it counts by its note, whose `index` is None.
    """

    dataset: Dataset
    notes: tuple[FieldNote, ...] = ()
    at: Callable[[int], str] = lambda _: ""
    """Where the annotation at a place of `dataset.annotations` stands, as `labels/a.txt:3`, for what the
    gates say of it; "" to count it."""


class Holds(Struct, frozen=True):
    """What a format can say of an object; `fitting` makes the rest into it and tells what is lost."""

    shapes: tuple[ShapeKind, ...] = ("box",)
    """The kinds of shapes; another becomes the nearest of these (a mask polygons rather than a box)."""
    holes: bool = False
    """Whether polygons may have holes; otherwise they are cut out by a seam, or filled."""
    parts: bool = False
    """Whether one object may be several polygons; otherwise its parts are joined by a seam."""
    crowds: bool = False
    attributes: bool = False
    extra: bool = False
    """Whether keys that we have no field for (keypoints, a rotation, a track) stay with the object."""
    keys: tuple[str, ...] = ()
    """Those of these keys that stay where the others do not."""
    reviewed: bool = False
    """Whether which images are reviewed has a place."""
    skeleton: Callable[[Category], bool] = lambda _: False
    """Whether the lines between a category's keypoints have a place."""
    spelled: Callable[[str], str] = str
    """The name of a category as it is read again; "" for one that means "nothing" there."""
    empty_images: bool = True
    """Whether an image without objects can be said to be there."""


class Part(Struct, frozen=True):
    """What goes to one part of a data set. Images have the names that they are to have in it."""

    name: str
    """"train", "val", "test" or another; "" where nothing is parted."""
    dataset: Dataset


class Target(Struct, frozen=True, eq=False):
    """Where and how a format writes."""

    path: Path
    """A file that is not there yet, or an empty folder, as the format's `folder` says."""
    photos: PhotosAre = "left"
    """Where they are copied or linked, that is done for the format, to where its `photo` says."""
    where: Mapping[int, str] = {}
    """By image id the photo's path as the files are to name it: from the data set's folder, or absolute."""
    writing: Writing = FOR_OTHERS
    """How shapes are written, which `fitting` has heeded; what of it only COCO knows is for COCO."""


class FormatSpec(Struct, frozen=True):
    """A labels format: records in and out, never a half result."""

    id: str
    """What `--format` and `--to` call it."""
    title: str
    suffixes: tuple[str, ...]
    """In lower case, with the dot: the endings of its files. What a file is, `sniff` says."""
    sniff: Callable[[Path], bool]
    """Whether a file is of this format, or a folder (asked where `folder` is True), whatever its name; reads
    as little as it can."""
    read: Callable[[Source], Reading]
    """The records of a file or folder; raises FormatError with one sentence. Sizes may be 0 where unknown."""
    write: Callable[[Sequence[Part], Target], Iterable[FieldNote] | None] | None = None
    """Write the parts; gives what else is lost than `holds` says. None for a format that is only read."""
    holds: Holds = Holds()
    folder: bool = False
    """Whether it is a folder of files, which may have parts and photos, and not one file."""
    photo: Callable[[str, str], str] = lambda part, name: f"{part}/{name}" if part else name
    """Where in the folder a photo lies, by its part and its name; POSIX."""
    inside: Callable[[str], str] | None = None
    """Of a format that is one file: its place, by its part, in a folder that has the photos too; POSIX."""
    order: int = 0
    """Formats of a lower number are asked first what a file is; for those whose files look like others'."""
    summary: str = ""
    """One line for a person who chooses: what reads it."""
    alone: str = ""
    """What a data set without its photos is not good for, as a sentence; "" where it is as good. Where
    something is said, the window copies them unless a person chooses otherwise."""


_provider: Callable[[], Sequence[FormatSpec]] = tuple


def come_from(provider: Callable[[], Sequence[FormatSpec]]) -> None:
    """Have the formats beside COCO asked of `provider`, on any thread and only when a file needs one.

    Whoever starts a program says so once: the formats are of plugins, which this layer knows nothing of.
    """
    global _provider  # noqa: PLW0603 - one program has one set of plugins
    _provider = provider


def formats() -> tuple[FormatSpec, ...]:
    """The formats there are beside COCO, in the order in which they are asked what a file is."""
    return tuple(sorted(_provider(), key=lambda spec: spec.order))
