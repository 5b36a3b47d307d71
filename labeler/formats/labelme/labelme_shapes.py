"""The shapes of one labelme file as objects: what each type means, and which of them are one object.

Format: https://github.com/wkentaro/labelme, `labelme/label_file.py` and `labelme/shape.py` (`utils/shape.py`
up to version 5): points are (x, y) in pixels of the photo as it is displayed, its top left corner being
(0, 0). The two points of a mask are its first and its last pixel, both of them its own. X-AnyLabeling
(https://github.com/CVHub520/X-AnyLabeling) has rectangles of four points, rotations and quadrilaterals, and
keys of its own. Shapes of one label and one `group_id` are one object, as labelme's own converters say.
"""

from collections.abc import Iterable, Sequence
from math import atan2, degrees, hypot, isfinite
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.geometry import bounds, from_bits, paste, rasterise
from labeler.core.records import Box, Mask, Part, Points, Polygons, Shape
from labeler.core.rle import MAX_PIXELS
from labeler.formats.coco.own_shape import FARTHEST
from labeler.formats.cvat.turned_shapes import ellipse
from labeler.formats.gates import (
    OBJECT,
    TEXT,
    Fields,
    Kind,
    RefusalError,
    packed,
    plain_object,
)
from labeler.formats.json_files.collecting import UNLABELLED
from labeler.formats.json_files.picture_text import PngMasks
from labeler.formats.report import Verdict

KEY = "labelme"
"""The key, beside an object or an image of ours, of what only labelme's files have a place for."""
OURS = "labeler"
"""The key, beside a shape of labelme's, of what only our records or other formats have a place for."""
ROTATION = "labelme_rotation"
"""The direction of a rotated rectangle; dropped by whoever reshapes it, as the name is one of geometry."""
_PLAIN = frozenset({"polygon", "rectangle", "mask", "circle"})
"""Types that can be told from a shape."""
_STANDARD = frozenset({"label", "points", "shape_type", "mask", "attributes", OURS})
_SAYS_NOTHING = {
    "group_id": (b"null", b'""'),
    "flags": (b"null", b"{}", b""),
    "description": (b"null", b'""'),
    "mask": (b"null",),
    "attributes": (b"null", b"{}"),
}
_NOT_OURS = frozenset(
    {"id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "attributes"}
)
"""Keys that mean something beside an object, so that no file may bring them under the key of ours."""

_POINTS: Kind[list[tuple[float, float]]] = Kind(list[tuple[float, float]], "a list of points [x, y]")
_LOOSE: Kind[list[list[float | str]]] = Kind(list[list[float | str]], "a list of points [x, y]")
_NO_POINTS = Raw(b"[]")
_NULL = Raw(b"null")
_THIN = frozenset({"point", "points", "line", "linestrip", "linestripe"})
_RING = frozenset({"polygon", "quadrilateral", "rotation"})
_FEWEST = 3
FOUR = 4

NO_NAME = "Has no label; taken into “unlabelled”."


class LabelmeObject(Struct, frozen=True, eq=False):
    """One object of a file: of one shape, or of several that are its parts."""

    places: tuple[int, ...]
    """Which of the file's shapes."""
    label: str
    """As the category is called."""
    shape: Shape
    attributes: dict[str, Any] = {}
    extra: bytes = b""
    spelled: str = ""
    """The label with the blanks around it; "" where it has none."""


class ShapeRemark(Struct, frozen=True):
    """What is to be told of a shape of a file."""

    place: int
    verdict: Verdict
    field: str
    sentence: str


class LabelmeObjects(Struct, frozen=True, eq=False):
    """All that the shapes of a file are."""

    items: tuple[LabelmeObject, ...]
    kept: tuple[int, ...]
    """Shapes without an area, which stay in the file's own form."""
    remarks: tuple[ShapeRemark, ...]


def found_in(shapes: Sequence[Raw], size: tuple[int, int], masks: PngMasks) -> LabelmeObjects:
    """The objects of a file's shapes on an image of `size` (width, height), 0 by 0 where it is not known."""
    items: list[LabelmeObject] = []
    kept: list[int] = []
    remarks: list[ShapeRemark] = []
    groups: dict[tuple[str, bytes], list[int]] = {}
    for place, raw in enumerate(shapes):
        try:
            fields = OBJECT.read(raw, "")
            kind = _kind_of(fields)
            shape = _shape_of(fields, kind, masks)
            if shape is None:
                kept.append(place)
                sentence = f"Is a “{kind}”, which has no area: it is kept for labelme, and not shown."
                remarks.append(ShapeRemark(place, "told", "shape_type", sentence))
                continue
            spelled = _label_of(fields)
            label = spelled.strip()
        except RefusalError as refusal:
            remarks.append(ShapeRemark(place, "refused", refusal.field, refusal.sentence))
            continue
        if not label:
            remarks.append(ShapeRemark(place, "repaired", "label", NO_NAME))
        attributes = plain_object(fields["attributes"]) if "attributes" in fields else None
        extra = _extra_of(fields, kind, bool(attributes))
        item = LabelmeObject(
            (place,), label or UNLABELLED, shape, attributes or {}, extra, spelled if label else ""
        )
        if "group_id" in fields and bytes(fields["group_id"]) not in _SAYS_NOTHING["group_id"]:
            groups.setdefault((item.label, bytes(fields["group_id"])), []).append(len(items))
        items.append(item)
    _join(items, groups.values(), size, remarks)
    return LabelmeObjects(tuple(item for item in items if item.places), tuple(kept), tuple(remarks))


def _kind_of(fields: Fields) -> str:
    raw = fields.get("shape_type", _NULL)
    if TEXT.matches(raw):
        return TEXT.read(raw, "shape_type").strip().lower() or "polygon"
    return "mask" if TEXT.matches(fields.get("mask", _NULL)) else "polygon"


def _label_of(fields: Fields) -> str:
    """The label; numbers as texts, "" where there is none."""
    raw = fields.get("label", _NULL)
    if TEXT.matches(raw):
        return TEXT.read(raw, "label")
    written = bytes(raw).strip()
    if written[:1] in (b"[", b"{"):
        raise RefusalError("label", "Is no text.")
    return "" if written == b"null" else written.decode("utf-8", "replace")


def points_of(raw: Raw) -> list[tuple[float, float]]:
    """The points of a shape; numbers may be texts, and what follows x and y is left out."""
    try:
        points = _POINTS.read(raw, "points")
    except RefusalError:
        points = _pairs(_LOOSE.read(raw, "points"))
    if points and (max(map(max, points)) > FARTHEST or min(map(min, points)) < -FARTHEST):
        raise RefusalError("points", "Has points that are farther away than any image is large.")
    return points


def _pairs(rows: list[list[float | str]]) -> list[tuple[float, float]]:
    try:
        points = [(float(row[0]), float(row[1])) for row in rows]
    except (ValueError, IndexError) as error:
        raise RefusalError("points", "Must be a list of points [x, y].") from error
    if not all(isfinite(number) for point in points for number in point):
        raise RefusalError("points", "Has numbers that are not finite.")
    return points


def _shape_of(fields: Fields, kind: str, masks: PngMasks) -> Shape | None:
    """The shape of an object; None for what has no area. Raises RefusalError for what is wrong."""
    points = points_of(fields.get("points", _NO_POINTS))
    if kind == "rectangle":
        return _rectangle(points)
    if kind == "circle":
        centre, rim = _two(points, "a circle", "its centre and one of its rim")
        return circle_of(centre, rim)
    if kind == "mask":
        return _mask(fields, points, masks)
    if len(points) >= _FEWEST and kind not in _THIN:  # that of a newer version has its corners there too
        return Polygons((Part(np.array(points)),))
    if kind in _RING:
        raise RefusalError("points", f"Has {len(points)} points, where an outline has three or more.")
    return None


def circle_of(centre: tuple[float, float], rim: tuple[float, float]) -> Polygons:
    """The outline of a circle by its centre and a point of its rim, which is its first corner."""
    right, down = rim[0] - centre[0], rim[1] - centre[1]
    radius = hypot(right, down)
    return ellipse(*centre, radius, radius, degrees(atan2(down, right)))


def _two(points: list[tuple[float, float]], what: str, which: str) -> list[tuple[float, float]]:
    if len(points) != 2:
        raise RefusalError("points", f"Has {len(points)} points, where {what} has two: {which}.")
    return points


def _rectangle(points: list[tuple[float, float]]) -> Shape:
    """A box from two corners in any order, or from four; an outline if those do not stand upright."""
    if len(points) == FOUR:
        xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
        if len(xs) != 2 or len(ys) != 2:
            return Polygons((Part(np.array(points)),))
        return Box(xs[0], ys[0], xs[1], ys[1])
    (ax, ay), (bx, by) = _two(points, "a rectangle", "corners across from each other")
    return Box(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))


def _mask(fields: Fields, points: list[tuple[float, float]], masks: PngMasks) -> Mask:
    raw = fields.get("mask", _NULL)
    if not TEXT.matches(raw):
        raise RefusalError("mask", "Is missing, so there are only its corners.")
    bits = masks.bits(TEXT.read(raw, "mask"), "mask")
    (ax, ay), (bx, by) = _two(points, "a mask", "its first and its last pixel")
    x, y = int(min(ax, bx)), int(min(ay, by))
    mask = from_bits(bits, x, y)
    if not mask.bits.size:
        raise RefusalError("mask", "The mask has no pixels.")
    return mask


def _extra_of(fields: Fields, kind: str, has_attributes: bool) -> bytes:
    """What of a shape no record has a field for, as the extra of its object."""
    if fields.keys() <= _STANDARD and kind in _PLAIN and OURS not in fields:
        return b""
    rest: dict[str, Any] = {
        name: raw
        for name, raw in fields.items()
        if (name not in _STANDARD or (name == "attributes" and not has_attributes))
        and bytes(raw) not in _SAYS_NOTHING.get(name, ())
    }
    extra: dict[str, Any] = {}
    if OURS in fields and OBJECT.matches(fields[OURS]):
        ours = OBJECT.read(fields[OURS], OURS)
        extra = {
            name: raw
            for name, raw in ours.items()
            if name not in _NOT_OURS and not name.startswith("labeler") and name != KEY
        }
    if kind == "rotation":
        kept = {"direction": rest.pop("direction")} if "direction" in rest else {}
        extra[ROTATION] = packed({"corners": b"4", **kept})
    if kind not in _PLAIN:
        rest["shape_type"] = msgspec.json.encode(kind)
    if rest:
        extra[KEY] = packed(rest)
    return packed(extra)


def _join(
    items: list[LabelmeObject], groups: Iterable[list[int]], size: tuple[int, int], remarks: list[ShapeRemark]
) -> None:
    """Make one object of the shapes of a group: the first of them is it, the others become empty."""
    for group in groups:
        if len(group) < 2:
            continue
        parts = [items[place] for place in group]
        first = parts[0]
        try:
            shape = _united([part.shape for part in parts], size)
        except RefusalError as refusal:
            remarks.append(ShapeRemark(first.places[0], "told", refusal.field, refusal.sentence))
            continue
        if any((part.extra, part.attributes) != (first.extra, first.attributes) for part in parts[1:]):
            sentence = "Parts of one object say different things beside their shape; those of the first stay."
            remarks.append(ShapeRemark(first.places[0], "told", "group_id", sentence))
        places = tuple(place for part in parts for place in part.places)
        for place in group[1:]:
            items[place] = LabelmeObject((), "", first.shape)
        extra = packed({k: v for k, v in OBJECT.read(Raw(first.extra), "").items() if k != ROTATION})
        items[group[0]] = replace(first, places=places, shape=shape, extra=extra)


def _united(shapes: Sequence[Shape], size: tuple[int, int]) -> Shape:
    """Several shapes as one: outlines of several parts, or the pixels of all if one of them is a mask."""
    if not any(isinstance(shape, Mask) for shape in shapes):
        return Polygons(tuple(part for shape in shapes for part in _parts_of(shape)))
    boxes = [bounds(shape) for shape in shapes]
    x0, y0 = max(0, int(min(box.x0 for box in boxes))), max(0, int(min(box.y0 for box in boxes)))
    x1, y1 = max(box.x1 for box in boxes), max(box.y1 for box in boxes)
    width, height = size if all(size) else (x1, y1)
    right, bottom = int(min(x1, width)) + 1, int(min(y1, height)) + 1
    if right <= x0 or bottom <= y0 or right * bottom > MAX_PIXELS:
        raise RefusalError(
            "group_id", "Its parts reach too far to be joined; they stay objects of their own."
        )
    bits = np.zeros((bottom - y0, right - x0), dtype=np.bool_)
    for shape in shapes:
        mask = rasterise(shape, size=(bottom, right))
        paste(Mask(mask.x - x0, mask.y - y0, mask.bits), bits)
    return from_bits(bits, x0, y0)


def _parts_of(shape: Shape) -> Sequence[Part]:
    if isinstance(shape, Polygons):
        return shape.parts
    box = bounds(shape)
    ring: Points = np.array(
        [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)], dtype=np.float64
    )
    return (Part(ring),)
