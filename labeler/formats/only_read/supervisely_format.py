"""Supervisely's projects: a folder with `meta.json` and, by data set, `ann/NAME.json` beside `img/NAME`.

Format: https://docs.supervisely.com/data-organization/00_ann_format_navi. A bitmap is base64 text of a PNG
packed by zlib, whose top left pixel is `origin`; polygons have holes in `interior`; the two points of a
rectangle are taken as its edges, as Supervisely's own window gives them. Tags become attributes.
"""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from labeler.core.geometry import from_bits
from labeler.core.records import Box, Mask, Shape
from labeler.errors import FormatError
from labeler.formats.gates import OBJECT, Fields, Kind, RefusalError, packed
from labeler.formats.json_files.collecting import UNLABELLED, Collecting
from labeler.formats.json_files.json_walk import each_json, knows
from labeler.formats.json_files.picture_text import PngMasks
from labeler.formats.json_files.plain_geometry import (
    no_area,
    number_from,
    number_in,
    value_of,
    with_holes,
)
from labeler.formats.json_text import no_collection
from labeler.formats.spec import FormatSpec, Reading, Source

_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
_ENCODE = msgspec.json.Encoder().encode
_OF_A_PROJECT = (b'"classes"', b'"tags"')

NO_NAME = "Has no class; taken into “unlabelled”."
NO_FILE = "Is no annotation of Supervisely; left out."


def sniff(path: Path) -> bool:
    """Whether a file is an annotation, or half of the first JSON files of a folder are."""
    return knows(path, lambda text: _is_annotation(text) or (path.is_dir() and _is_meta(text)))


def _is_annotation(text: bytes) -> bool:
    has_objects = b'"objects"' in text and b'"size"' in text
    return text[:1] == b"{" and has_objects and (b'"classTitle"' in text or b'"tags"' in text)


def _is_meta(text: bytes) -> bool:
    return all(key in text for key in _OF_A_PROJECT) and b'"shape"' in text


@no_collection()
def read(source: Source) -> Reading:
    """The records of a project, a data set or one annotation; FormatError where a single file is none."""
    found = Collecting()
    masks = PngMasks()
    for name, top in each_json(source, found):
        fields = OBJECT.read(top, "") if OBJECT.matches(top) else {}
        if "objects" in fields and _LIST.matches(fields["objects"]):
            _take(name, fields, source, found, masks)
        elif not source.path.is_dir():
            raise FormatError(f"“{source.path}” is no annotation of Supervisely: it has no list “objects”.")
        elif posixpath.basename(name) not in ("meta.json", "obj_class_to_machine_color.json"):
            found.note("told", NO_FILE, kind="file", at=name)
    return found.reading()


def _take(name: str, fields: Fields, source: Source, found: Collecting, masks: PngMasks) -> None:
    photo = _photo_of(name, source)
    size = _size_of(fields) or source.size(photo) or (0, 0)
    tags = _tags(_value(fields.get("tags")))
    extra = packed({"supervisely": packed({"tags": _ENCODE(tags)})}) if tags else b""
    image = found.image(photo, size, extra=extra)
    rows = _LIST.read(fields["objects"], "objects")
    for at, one, shape in found.shapes_of(rows, f"{name}:objects", lambda one: _shape_of(one, masks)):
        label = one.get("classTitle")
        if not isinstance(label, str) or not label.strip():
            found.note("repaired", NO_NAME, field="classTitle", at=at)
            label = UNLABELLED
        found.add(
            image,
            found.spelled(label),
            shape,
            at,
            attributes=_tags(one.get("tags")),
            extra=_extra_of(one),
        )


def _value(raw: Raw | None) -> Any:
    try:
        return None if raw is None else value_of(raw)
    except RefusalError:
        return None


def _photo_of(name: str, source: Source) -> str:
    """The photo of `set/ann/a.jpg.json`: `set/img/a.jpg`, or beside it."""
    folder, file = posixpath.split(name)
    own = file[: -len(".json")]
    places = [posixpath.join(folder, own)]
    if posixpath.basename(folder) == "ann":
        places.insert(0, posixpath.join(posixpath.dirname(folder), "img", own))
    for place in places:
        there = source.find(place)
        if there is not None and there.startswith(place):
            return there
    return places[0]


def _size_of(fields: Fields) -> tuple[int, int] | None:
    size = _value(fields.get("size"))
    try:
        width, height = (int(number_in(size, side)) for side in ("width", "height"))
    except (RefusalError, TypeError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _tags(tags: Any) -> dict[str, Any]:
    """Tags as attributes: their value, or true where they have none."""
    found: dict[str, Any] = {}
    for tag in tags if isinstance(tags, list) else ():
        name = tag.get("name") if isinstance(tag, dict) else tag
        if isinstance(name, str) and name:
            value = tag.get("value") if isinstance(tag, dict) else None
            found[name] = True if value is None else value
    return found


def _extra_of(one: Mapping[str, Any]) -> bytes:
    kept = {key: one[key] for key in ("description", "instance") if one.get(key)}
    return packed({"supervisely": _ENCODE(kept)}) if kept else b""


def _shape_of(one: Mapping[str, Any], masks: PngMasks) -> Shape:
    kind = str(one.get("geometryType") or one.get("shape") or one.get("type") or "").lower()
    bitmap = one.get("bitmap")
    if kind in ("bitmap", "alpha_mask") or (not kind and isinstance(bitmap, dict)):
        return _bitmap(bitmap, masks)
    points = one.get("points")
    if not isinstance(points, dict):
        raise no_area(kind or "shape without points")
    outer = points.get("exterior")
    holes = points.get("interior") or []
    if kind == "rectangle":
        try:
            (ax, ay), (bx, by) = ([number_from(value, "points") for value in point] for point in outer or ())
        except (TypeError, ValueError) as error:
            raise RefusalError("points", "Has not the two corners of a rectangle.") from error
        return Box(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
    if kind in ("polygon", ""):
        return with_holes(outer, holes if isinstance(holes, list) else [], "points")
    raise no_area(kind)


def _bitmap(bitmap: Any, masks: PngMasks) -> Mask:
    fields = bitmap if isinstance(bitmap, dict) else {}
    text, origin = fields.get("data"), fields.get("origin")
    if not isinstance(text, str) or not isinstance(origin, list) or len(origin) != 2:
        raise RefusalError("bitmap", "Has no data, or no origin.")
    x, y = (int(number_from(value, "origin")) for value in origin)
    mask = from_bits(masks.bits(text, "bitmap", deflated=True), x, y)
    if not mask.bits.size:
        raise RefusalError("bitmap", "The mask has no pixels.")
    return mask


supervisely = FormatSpec(
    "supervisely",
    "Supervisely",
    (".json",),
    sniff,
    read,
    folder=True,
    order=20,
    summary="projects and annotations: bitmaps, polygons, rectangles, tags",
)
"""The format's entry."""
