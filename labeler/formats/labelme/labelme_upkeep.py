"""One image's labelme file kept up to date while a person labels, without losing what is not ours in it.

What the file says of a shape that nobody touched stays as it is written, and so do its other keys, its
picture, and shapes that have no area or that we cannot read. The file is only written over while it is the
one that the caller has seen: what another program wrote meanwhile is not lost.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct

from labeler.core.files import atomic_write
from labeler.core.full_disk import why
from labeler.core.geometry import bounds, tight
from labeler.core.records import Annotation, Box, Category, Image, Mask, Polygons, Shape
from labeler.errors import FormatError
from labeler.formats.fitting import fitted
from labeler.formats.gates import BAD_JSON, OBJECT, TEXT, Fields, Kind, RefusalError, unpacked
from labeler.formats.json_files.picture_text import PngMasks
from labeler.formats.labelme.labelme_shapes import KEY, LabelmeObject, LabelmeObjects, found_in
from labeler.formats.labelme.labelme_writing import HOLDS, formatted, image_text, shape_texts
from labeler.formats.report import FieldNote
from labeler.formats.spec import Dataset
from labeler.formats.write_options import FOR_OTHERS, Writing

_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
_NEAR = 1e-4
"""Pixels by which numbers may differ that went through a project."""

MOVED = "Points and lines in the file stay where they are, although its image has another size now."


class ChangedOutsideError(FormatError):
    """The file is not the one that the caller has seen; nothing was written."""


class Upkept(Struct, frozen=True):
    """What came of a file's upkeep."""

    mark: str
    """The mark of the file as it is now: what the next upkeep is to be given as `seen`."""
    is_written: bool
    """Whether it had to be written."""
    notes: tuple[FieldNote, ...]
    """What it cannot hold of the objects."""


def mark_of(path: Path) -> str:
    """A mark that changes with any byte of a file; "" where there is none.

    FormatError if it cannot be read.
    """
    data = _content(path)
    return "" if data is None else _mark(data)


def keep_up(
    path: Path,
    image: Image,
    annotations: Sequence[Annotation],
    categories: Iterable[Category],
    *,
    photo: str,
    seen: str,
    writing: Writing = FOR_OTHERS,
) -> Upkept:
    """Bring the labelme file at `path` to what `annotations`, all of the image's, are.

    `photo` is the photo's path from the file's folder, POSIX, for a file that is not there yet; `seen` is the
    mark of the file that the annotations are known to go with (`mark_of`, or `Upkept.mark` of the last time).
    The file is written in one atomic step, and only where something in it changes.

    Raises ChangedOutsideError where it is another than was seen, and FormatError, one sentence, where it
    is no labelme file or the disk does not take it; it is then as it was.
    """
    before = _content(path)
    if ("" if before is None else _mark(before)) != seen:
        raise ChangedOutsideError(
            f"“{path.name}” was changed by another program, so it is not written over: import it, or move it "
            "away."
        )
    try:
        data, notes = updated(before, image, annotations, categories, photo=photo, writing=writing)
    except FormatError as error:
        raise FormatError(f"“{path}” is left as it is: {error}") from error
    if data != before:
        try:
            atomic_write(path, data)
        except OSError as error:
            raise FormatError(f"“{path}” cannot be written: {why(error, path)}.") from error
    return Upkept(_mark(data), data != before, notes)


def updated(
    before: bytes | None,
    image: Image,
    annotations: Sequence[Annotation],
    categories: Iterable[Category],
    *,
    photo: str,
    writing: Writing = FOR_OTHERS,
) -> tuple[bytes, tuple[FieldNote, ...]]:
    """The text of an image's labelme file, given the one it has (None for none), and what it cannot hold.

    It is `before` itself where that says the same. Raises FormatError where `before` is no labelme file.
    """
    names = {category.id: category.name for category in categories}
    if before is None:
        fit, notes, _ = fitted(Dataset((image,), (), tuple(annotations)), HOLDS, writing)
        data, more_of = image_text(fit.images[0], fit.annotations, names, photo)
        return data, (*notes, *more_of)
    fields, shapes = _parsed(before)
    size = image.width, image.height
    found = found_in(shapes, size, PngMasks())
    placed, fresh = _matched(found, annotations, names)
    fit, notes, _ = fitted(Dataset((image,), (), tuple(fresh)), HOLDS, writing)
    gone = {place for item in found.items for place in item.places} - set(placed)
    if not fit.annotations and not gone:
        return before, notes
    more: list[FieldNote] = []
    kept = [place for place in range(len(shapes)) if place not in gone]
    taken = [group for place in kept for group in _group_of(shapes[place])]
    rows = [(place, 0, bytes(shapes[place])) for place in kept]
    after = _places(placed, gone, annotations)
    for count, (one, text) in enumerate(shape_texts(fit.annotations, names, more, taken), 1):
        rows.append((after[one.id], count, text))
    texts = [text for _, _, text in sorted(rows, key=lambda row: row[:2])]
    members: dict[str, Any] = dict(fields) | {"shapes": b"[%b]" % b",".join(texts)}
    if all(size):
        if found.kept and not _says_size(fields, size):
            more.append(FieldNote("told", "file", None, "imageWidth", MOVED))
        members |= {"imageHeight": b"%d" % image.height, "imageWidth": b"%d" % image.width}
    return formatted(members), (*notes, *more)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FormatError(f"“{path}” cannot be read: {error.strerror or error}.") from error


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _parsed(data: bytes) -> tuple[Fields, list[Raw]]:
    """The keys and the shapes of a file, of which nothing is put right: it would be written over."""
    try:
        fields = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Raw])
        return fields, _LIST.read(fields["shapes"], "shapes")
    except (KeyError, RefusalError, *BAD_JSON) as error:
        raise FormatError("it is no labelme file.") from error


def _says_size(fields: Fields, size: tuple[int, int]) -> bool:
    """Whether a file says that size, or none."""
    said = [bytes(fields.get(name, b"null")) for name in ("imageWidth", "imageHeight")]
    return b"null" in said or said == [b"%d" % side for side in size]


def _matched(
    found: LabelmeObjects, annotations: Sequence[Annotation], names: Mapping[int, str]
) -> tuple[dict[int, int], list[Annotation]]:
    """The id of the object that each of the file's shapes still is, and the objects that it does not have."""
    alike: dict[tuple[Any, ...], list[LabelmeObject]] = {}
    for item in reversed(found.items):
        alike.setdefault(_keys(item.label, item.shape, 0)[0], []).append(item)
    placed: dict[int, int] = {}
    fresh: list[Annotation] = []
    for one in annotations:
        same = _taken_from(alike, one, names[one.category_id].strip())
        if same is None:
            fresh.append(one)
        else:
            placed |= dict.fromkeys(same.places, one.id)
    return placed, fresh


def _taken_from(
    alike: Mapping[tuple[Any, ...], list[LabelmeObject]], one: Annotation, label: str
) -> LabelmeObject | None:
    """The first of the file's objects that an object is, which is then no longer among them."""
    for key in _keys(label, one.shape, _NEAR):
        those = alike.get(key, [])
        for place in range(len(those) - 1, -1, -1):
            if _is_same(those[place], one):
                return those.pop(place)
    return None


def _keys(label: str, shape: Shape, near: float) -> list[tuple[Any, ...]]:
    """The pixels that the first corner of a shape may lie in if it is `near` there, with label and kind."""
    box = bounds(shape)
    columns, rows = ({floor(edge - near), floor(edge + near)} for edge in (box.x0, box.y0))
    return [(label, type(shape), x, y) for x in columns for y in rows]


def _is_same(item: LabelmeObject, one: Annotation) -> bool:
    """Whether an object is still as the file has it; one that came another way knows less than the file."""
    return (
        item.attributes == one.attributes
        and _own(one.extra) in (None, _own(item.extra))
        and _is_same_shape(item.shape, one.shape)
    )


def _own(extra: bytes) -> Any:
    raw = unpacked(extra).get(KEY)
    return None if raw is None else msgspec.json.decode(raw)


def _is_same_shape(a: Shape, b: Shape) -> bool:
    if isinstance(a, Mask) and isinstance(b, Mask):
        one, two = tight(a), tight(b)
        return (one.x, one.y) == (two.x, two.y) and np.array_equal(one.bits, two.bits)
    if isinstance(a, Box) and isinstance(b, Box):
        return np.allclose((a.x0, a.y0, a.x1, a.y1), (b.x0, b.y0, b.x1, b.y1), rtol=0, atol=_NEAR)
    if not (isinstance(a, Polygons) and isinstance(b, Polygons)) or len(a.parts) != len(b.parts):
        return False
    return all(
        not q.holes and p.outer.shape == q.outer.shape and np.allclose(p.outer, q.outer, rtol=0, atol=_NEAR)
        for p, q in zip(a.parts, b.parts, strict=True)
    )


def _places(placed: Mapping[int, int], gone: set[int], annotations: Sequence[Annotation]) -> dict[int, int]:
    """Where among the file's shapes each object belongs: a new one where one went, else behind."""
    last = {one: place for place, one in sorted(placed.items())}
    left = sorted(gone)
    after: dict[int, int] = {}
    here = -1
    for one in annotations:
        if one.id in last:
            here = last[one.id]
        elif (free := bisect_right(left, here)) < len(left):
            here = left[free]  # most likely what it was before it was changed
        after[one.id] = here
    return after


def _group_of(raw: Raw) -> list[tuple[str, bytes]]:
    if not OBJECT.matches(raw):
        return []
    fields = OBJECT.read(raw, "")
    label = fields.get("label", Raw(b"null"))
    group = bytes(fields.get("group_id", b"null"))
    return [(TEXT.read(label, "").strip(), group)] if group != b"null" and TEXT.matches(label) else []
