"""The fast layer: a COCO JSON file as raw items with just enough read to find them by image.

Format: https://cocodataset.org/#format-data. Items stay the text that the file has, so opening 100,000
annotations makes no Python object for a coordinate, unknown keys cannot be lost, and what was not touched
is written back byte for byte. Reading switches the cyclic garbage collector off, which would otherwise
take more than half of the time.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
from msgspec import Raw, Struct

from labeler.core.files import atomic_write
from labeler.errors import FormatError
from labeler.formats.gates import BAD_JSON
from labeler.formats.json_text import no_collection, parsed, read_bytes
from labeler.formats.report import Note

RawText: TypeAlias = Raw | bytes

LISTS = ("images", "annotations", "categories")


class Head(Struct, frozen=True, gc=False):
    """What is read of every annotation at once; None where it is missing or no whole number."""

    image_id: int | None = None
    id: int | None = None


class Document(Struct, frozen=True):
    """A COCO file, opened. Items are raw JSON texts that share the file's buffer."""

    name: str
    images: list[Raw]
    annotations: list[Raw]
    categories: list[Raw]
    extra: dict[str, Raw]
    """All other keys of the top level: info, licenses and unknown ones."""
    heads: list[Head]
    """One for each annotation."""
    by_image: dict[int | None, list[int]]
    """Places in `annotations` by image id."""
    notes: tuple[Note, ...] = ()
    """What had to be put right in the text before it was JSON."""

    def encode(self) -> bytes:
        """The document as JSON, one item a line."""
        return encode(
            images=self.images, annotations=self.annotations, categories=self.categories, extra=self.extra
        )

    def save(self, path: Path) -> None:
        """Write it in one atomic step."""
        atomic_write(path, self.encode())


class _Top(Struct):
    images: list[Raw] | None = None
    annotations: list[Raw] | None = None
    categories: list[Raw] | None = None


_TOP = msgspec.json.Decoder(_Top)
_ITEMS = msgspec.json.Decoder(list[Raw])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_HEAD = msgspec.json.Decoder(Head)


def open_document(path: Path) -> Document:
    """Open a COCO file. Raises FormatError, one sentence, when it is not JSON or not COCO."""
    data = read_bytes(path)
    with no_collection():
        top, data, notes = parsed(data, path, _TOP)
        if top.images is None:
            raise FormatError(f"“{path}” has no list “images”, so it is no COCO annotations file.")
        lists = {name: getattr(top, name) or [] for name in LISTS}
        missing = [name for name in LISTS if getattr(top, name) is None]
        notes += tuple(
            Note("repaired", "file", None, name, "Has no such list; taken as empty.") for name in missing
        )
        rest = _without(data, lists.values())
        for name in LISTS:
            if len(re.findall(rb'"%s"\s*:\s*\[' % name.encode(), rest)) > 1:
                sentence = "The key occurs twice at the top; only the last list was taken."
                notes += (Note("refused", "file", None, name, sentence),)
        extra = {key: raw for key, raw in _FIELDS.decode(rest).items() if key not in LISTS}
        heads = _heads(lists["annotations"])
        by_image: defaultdict[int | None, list[int]] = defaultdict(list)
        for place, head in enumerate(heads):
            by_image[head.image_id].append(place)
        return Document(path.name, **lists, extra=extra, heads=heads, by_image=dict(by_image), notes=notes)


def open_list(path: Path) -> tuple[list[Raw], tuple[Note, ...]]:
    """The items of a file that is one JSON list (COCO results). Raises FormatError, one sentence."""
    data = read_bytes(path)
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


def _heads(annotations: Sequence[Raw]) -> list[Head]:
    decode = _HEAD.decode
    try:
        return [decode(raw) for raw in annotations]
    except BAD_JSON:
        return [_head(raw) for raw in annotations]


def _head(raw: Raw) -> Head:
    try:
        return _HEAD.decode(raw)
    except BAD_JSON:
        return Head()


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
