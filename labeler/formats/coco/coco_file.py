"""The fast layer: a COCO JSON file as raw items with just enough read to find them by image.

Format: https://cocodataset.org/#format-data. Items stay the text that the file has, so opening 100,000
annotations makes no Python object for a coordinate, unknown keys cannot be lost, and what was not touched
is written back byte for byte. Reading switches the cyclic garbage collector off, which would otherwise
take more than half of the time.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.files import atomic_write
from labeler.errors import FormatError
from labeler.formats.coco.frames import Choice
from labeler.formats.coco.panoptic import is_panoptic, unfolded
from labeler.formats.door import COCO, format_named, format_of, is_a_folder, read_by
from labeler.formats.gates import BAD_JSON
from labeler.formats.json_text import no_collection, parsed, read_bytes
from labeler.formats.label_kinds import what_is
from labeler.formats.report import FieldNote
from labeler.formats.spec import FormatSpec, Reading

RawText: TypeAlias = Raw | bytes

LISTS = ("images", "annotations", "categories")


class AnnotationHead(Struct, frozen=True, gc=False):
    """What is read of every annotation at once; None where it is missing or no whole number."""

    image_id: int | None = None
    id: int | None = None


class CocoDocument:
    """A COCO file, opened: all of it is known to be JSON, and its annotations are indexed by image.

    The items themselves, raw JSON texts that share the file's buffer, are cut out when first asked for.
    """

    def __init__(
        self,
        name: str,
        data: bytes,
        heads: list[AnnotationHead],
        notes: tuple[FieldNote, ...],
        *,
        at: Callable[[int], str] | None = None,
        refused: Mapping[str, int] = {},
        format: str = "COCO JSON",  # noqa: A002 - the field's word
    ) -> None:
        self.name = name
        self.format = format
        """What it was found to be, in words."""
        self.at = at
        """Where an annotation stands in files of another format that this one was made of."""
        self.refused = refused
        """How many items of each list these files had beside those here, which their format refused."""
        self.heads = heads
        """One for each annotation."""
        self._data = data
        self._notes = notes

    @cached_property
    def by_image(self) -> dict[int | None, list[int]]:
        """Places in `annotations` by image id."""
        places: defaultdict[int | None, list[int]] = defaultdict(list)
        for place, head in enumerate(self.heads):
            places[head.image_id].append(place)
        return dict(places)

    @property
    def images(self) -> list[Raw]:
        """The items of that list, [] where it is missing."""
        return self._top.images or []

    @property
    def annotations(self) -> list[Raw]:
        """The items of that list, [] where it is missing."""
        return self._top.annotations or []

    @property
    def categories(self) -> list[Raw]:
        """The items of that list, [] where it is missing."""
        return self._top.categories or []

    @cached_property
    def extra(self) -> dict[str, Raw]:
        """All other keys of the top level: info, licenses and unknown ones."""
        return {key: raw for key, raw in _FIELDS.decode(self._rest).items() if key not in LISTS}

    @cached_property
    def notes(self) -> tuple[FieldNote, ...]:
        """What is wrong with the file as a whole, put right where that could be done."""
        notes = self._notes
        for name in LISTS:
            if getattr(self._top, name) is None:
                notes += (FieldNote("repaired", "file", None, name, "Has no such list; taken as empty."),)
            if len(re.findall(rb'"%s"\s*:\s*\[' % name.encode(), self._rest)) > 1:
                sentence = "The key occurs twice at the top; only the last list was taken."
                notes += (FieldNote("refused", "file", None, name, sentence),)
        return notes

    def encode(self) -> bytes:
        """The document as JSON, one item a line."""
        return encode(
            images=self.images, annotations=self.annotations, categories=self.categories, extra=self.extra
        )

    def save(self, path: Path) -> None:
        """Write it in one atomic step."""
        atomic_write(path, self.encode())

    @cached_property
    def _top(self) -> "_Top":
        with no_collection():
            return _TOP.decode(self._data)

    @cached_property
    def _rest(self) -> bytes:
        return _without(self._data, (self.images, self.annotations, self.categories))


class _Index(Struct):
    images: list[Raw]
    annotations: list[AnnotationHead] | None = None
    categories: list[Raw] | None = None


class _Top(Struct):
    images: list[Raw] | None = None
    annotations: list[Raw] | None = None
    categories: list[Raw] | None = None


_INDEX = msgspec.json.Decoder(_Index)
_TOP = msgspec.json.Decoder(_Top)
_ITEMS = msgspec.json.Decoder(list[Raw])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_HEAD = msgspec.json.Decoder(AnnotationHead)


def open_document(
    path: Path,
    *,
    encoding: str = "",
    format_id: str = "",
    images: Path | None = None,
    frame: Choice = "auto",
    should_stop: Callable[[], bool] = lambda: False,
) -> CocoDocument:
    """Open a COCO file, or files of another format as the COCO file that says the same.

    The `encoding` and the format are found out where none is named. `images` is where a person says the
    photos are, which some formats need for their sizes, and `frame` in which frame of turned photos their
    labels are: shares of a side become pixels of that frame. Raises FormatError, one sentence, when it is
    nothing that is known, and ImportStoppedError when stopped.
    """
    if format_id not in ("", COCO):
        spec: FormatSpec | None = format_named(format_id)
    elif format_id == "" and (path.suffix.lower() != ".json" or is_a_folder(path)):
        spec = format_of(path)
    else:
        spec = None
    if spec is None:
        if is_a_folder(path):
            raise FormatError(f"“{path}” cannot be read: it is a folder without labels of a known format.")
        data = read_bytes(path, encoding=encoding)
        try:
            return document_in(data, path)
        except FormatError:
            spec = format_of(path) if format_id == "" and path.suffix.lower() == ".json" else None
            if spec is None:
                if format_id == COCO and (known := format_of(path)) is not None:
                    raise FormatError(
                        f"“{path}” is no COCO annotations file. It is {known.title}; without --from it is "
                        "read as what it is."
                    ) from None
                if path.suffix.lower() != ".json" and data.lstrip()[:1] not in (b"{", b"["):
                    # a note or a table that nobody knows: where its JSON is wrong helps no one
                    raise FormatError(f"“{path}” holds no labels in a format that is known.") from None
                raise
    stored = frame in ("stored", "turn")
    reading = read_by(spec, path, images=images, encoding=encoding, stored=stored, should_stop=should_stop)
    return _taken_over(reading, path, spec.title)


def document_in(data: bytes, path: Path) -> CocoDocument:
    """The COCO file whose bytes these are, of `path`; see `open_document`."""
    with no_collection():
        try:
            if not data.isascii():
                data.decode("utf-8")
            index = _INDEX.decode(data)
        except BAD_JSON:
            return _open_slowly(path, data)
    return _unfolded(CocoDocument(path.name, data, index.annotations or [], ()), path)


def _taken_over(reading: Reading, path: Path, title: str) -> CocoDocument:
    """What was read in another format as the COCO file that says the same."""
    from labeler.formats.coco.coco_writing import write_coco  # noqa: PLC0415 - the exporting half, which needs this one

    with no_collection():
        data, written = write_coco(reading.dataset, source=path.name)
    lost = {note.index: note for note in written.items if note.verdict == "refused"}
    kept = [place for place in range(len(reading.dataset.annotations)) if place not in lost]
    told = [
        replace(one, index=None, at=reading.at(place)) for place, one in lost.items() if place is not None
    ]
    heads = _INDEX.decode(data).annotations or []
    notes, refused = _numbered((*reading.notes, *told), lambda kind: len(getattr(_TOP.decode(data), kind)))
    return CocoDocument(
        path.name,
        data,
        heads,
        notes,
        at=lambda place: reading.at(kept[place]),
        refused=refused,
        format=title,
    )


def _numbered(
    notes: Sequence[FieldNote], count: Callable[[str], int]
) -> tuple[tuple[FieldNote, ...], Mapping[str, int]]:
    """The notes, with a place for each refused item behind those that were taken; and their numbers."""
    refused: Counter[str] = Counter()
    found = []
    for note in notes:
        is_item = note.kind in LISTS and note.index is None and note.verdict == "refused"
        found.append(replace(note, index=count(note.kind) + refused[note.kind]) if is_item else note)
        refused[note.kind] += is_item
    return tuple(found), refused


def _open_slowly(path: Path, data: bytes) -> CocoDocument:
    """Open a file of which something is wrong, item by item, or say what it is."""
    with no_collection():
        try:
            top, data, notes = parsed(data, path, _TOP)
        except FormatError as error:
            kind = what_is(data)
            if kind:
                raise FormatError(f"“{path}” is no COCO annotations file.{kind}") from error
            raise
        if top.images is None:
            raise FormatError(
                f"“{path}” has no list “images”, so it is no COCO annotations file.{what_is(data)}"
            )
        heads = [_head(raw) for raw in top.annotations or ()]
        return _unfolded(CocoDocument(path.name, data, heads, notes), path)


def _unfolded(document: CocoDocument, path: Path) -> CocoDocument:
    """A panoptic file with an annotation for each segment; any other as it is."""
    if not is_panoptic(document.annotations):
        return document
    rows, notes = unfolded(path, document.annotations)
    data = encode(
        images=document.images, annotations=rows, categories=document.categories, extra=document.extra
    )
    heads = [_head(Raw(row)) for row in rows]
    return CocoDocument(document.name, data, heads, document.notes + notes)


def open_list(path: Path, *, encoding: str = "") -> tuple[list[Raw], tuple[FieldNote, ...]]:
    """The items of a file that is one JSON list (COCO results), whose `encoding` is found out if not named.

    Raises FormatError, one sentence.
    """
    data = read_bytes(path, encoding=encoding)
    with no_collection():
        items, _, notes = parsed(data, path, _ITEMS)
    return items, notes


def encode(
    *,
    images: Iterable[RawText],
    annotations: Iterable[RawText],
    categories: Iterable[RawText],
    extra: Mapping[str, RawText],
) -> bytes:
    """A COCO file of raw JSON texts: the extra keys first, then the three lists, one item a line."""
    members: list[RawText] = []
    for key, raw in extra.items():
        members += [msgspec.json.encode(key), b": ", raw, b",\n"]
    for name, items in zip(LISTS, (images, annotations, categories), strict=True):
        body = b",\n".join(items)
        members += [f'"{name}": ['.encode(), b"\n" if body else b"", body, b"],\n"]
    members[-1] = b"]"
    return b"".join([b"{", *members, b"}\n"])


def _head(raw: Raw) -> AnnotationHead:
    try:
        return _HEAD.decode(raw)
    except BAD_JSON:
        return AnnotationHead()


def _without(data: bytes, lists: Iterable[Sequence[Raw]]) -> bytes:
    """The file's text without the items of these lists, so that the other keys are found in no time.

    The items are views into `data`, hence their addresses say where they are.
    """
    base = _address(data)
    spans = sorted(
        (_address(items[0]) - base, _address(items[-1]) - base + len(memoryview(items[-1])))
        for items in lists
        if items
    )
    pieces, end = [], 0
    for start, stop in spans:
        pieces.append(data[end:start])
        end = stop
    return b"".join([*pieces, data[end:]])


def _address(buffer: RawText) -> int:
    return int(np.frombuffer(buffer, dtype=np.uint8).ctypes.data)
