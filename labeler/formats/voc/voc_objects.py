"""One `object` of a VOC file as what we know of it, and back.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf (section 4.2). Which pixels the numbers
of `bndbox` mean is the trap of this format, and a shift of one pixel. The official files count pixels from 1
and include the last one: the box of the first pixel is 1 1 1 1. labelImg, CVAT, Datumaro, X-AnyLabeling and
torchvision's loaders take the numbers as edges from 0, as we do: it is 0 0 1 1. A file that says that it is
of the official data (its `database` is "The VOC2007 Database" or its like) is read and written by the first
rule, every other by the second. Numbers that are written are whole, since many loaders call `int` on them;
the exact ones stand beside them under our own name, and count while both agree.
"""

from math import ceil, floor, isfinite, pi
from typing import Any
from xml.etree.ElementTree import Element

import msgspec
import numpy as np
from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Mask, Part, Polygons, Shape
from labeler.formats.gates import BAD_JSON, RefusalError, packed, unpacked
from labeler.formats.voc.voc_attributes import NAMES, meant_by, said_in, said_of, written
from labeler.formats.voc.xml_text import (
    Tree,
    checked_tree,
    escaped,
    escaped_json,
    survives,
    text_of,
    tree_of,
    written_tree,
)

VOC = "voc"
"""The key of what VOC says of an object or an image beside what we have fields for."""
OURS = "labeler"
"""The element with what the others do not hold exactly, as JSON."""
ROUNDED = "Has fractions of pixels, of which other programs get the nearest whole ones."
UNNAMED = "unlabelled"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_READ = NAMES | {"name", "bndbox", "deleted", OURS}
_PLACES = frozenset({*_CORNERS, "x", "y", "x1", "y1", "cx", "cy"})
"""Elements that are somewhere on the image."""


class _Own(Struct, frozen=True, omit_defaults=True):
    """What stands under our own name in an object."""

    name: str = ""
    box: tuple[float, float, float, float] | None = None
    attributes: dict[str, Any] = {}
    extra: dict[str, Raw] = {}


class _Kept(Struct, frozen=True, omit_defaults=True):
    """What VOC says of an object that we do not edit: `extra["voc"]`."""

    rest: Tree = []
    of: tuple[float, float, float, float] | None = None
    """Bounds of the shape that places in `rest` and `box` belong to."""
    box: tuple[float, float, float, float] | None = None
    """The `bndbox` of an object whose shape is more than that."""


_OWN = msgspec.json.Decoder(_Own)
_KEPT = msgspec.json.Decoder(_Kept)


class Found(Struct, frozen=True):
    """An object as it was read."""

    name: str
    shape: Shape
    attributes: dict[str, Any]
    extra: bytes
    repairs: tuple[str, ...] = ()


def read_object(element: Element, *, base: int) -> Found | None:
    """An `object` whose pixels are counted from `base`; None for one that is marked as deleted.

    Raises RefusalError where it has no box and no outline.
    """
    if text_of(element, "deleted") in ("1", "true"):
        return None
    repairs: list[str] = []
    own = _own(text_of(element, OURS))
    said = said_in(element)
    box = _box(element, own, base, repairs)
    outline = _outline(element, base)
    shape = outline if outline is not None else box
    if shape is None:
        raise RefusalError("bndbox", "Has no bndbox with xmin, ymin, xmax and ymax.")
    name = text_of(element, "name")
    if own.name and name == _plain(own.name):
        name = own.name
    if not name.strip():
        repairs.append(f"Has no name; taken into “{UNNAMED}”.")
        name = UNNAMED
    exact = bool(own.attributes) and said_of(own.attributes) == said
    attributes = own.attributes if exact else meant_by(said)
    rest = [one for one in element if one.tag not in _READ and not (one.tag == "polygon" and outline)]
    extra: dict[str, Raw | bytes] = dict(own.extra)
    kept = _Kept(_shifted(tree_of(rest), -base), corners(shape), corners(box) if box and outline else None)
    if kept.rest or kept.box:
        extra[VOC] = msgspec.json.encode(kept)
    return Found(name, shape, attributes, packed(extra), tuple(repairs))


def with_mask(found: Found, mask: Mask) -> Found:
    """An object whose pixels a picture of segments has; its own box is kept where it is another."""
    fields: dict[str, Raw | bytes] = dict(unpacked(found.extra))
    kept = _kept(fields.pop(VOC, None))
    box = corners(found.shape)
    kept = replace(kept, of=corners(mask), box=box if box != corners(mask) else None)
    if kept.rest or kept.box:
        fields[VOC] = msgspec.json.encode(kept)
    return replace(found, shape=mask, extra=packed(fields))


def _own(text: str) -> _Own:
    try:
        return _OWN.decode(text) if text else _Own()
    except BAD_JSON:
        return _Own()


def _plain(name: str) -> str:
    """A name as XML has it where that is not exactly the same."""
    return ascii(name)[1:-1]


def corners(shape: Shape) -> tuple[float, float, float, float]:
    """The bounds of a shape as x0, y0, x1, y1."""
    box = bounds(shape)
    return box.x0, box.y0, box.x1, box.y1


def _number(text: str | None, field: str) -> float:
    try:
        value = float((text or "").strip().replace(",", "."))
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        said = (text or "").strip()[:40]
        raise RefusalError(field, f"Has “{said}” for {field}, which is no number.")
    return value


def _box(element: Element, own: _Own, base: int, repairs: list[str]) -> Box | None:
    """The `bndbox`, by the names of its children in any order; None where there is none."""
    found = element.find("bndbox")
    if found is None:
        return None
    texts = {child.tag.lower(): child.text for child in found if isinstance(child.tag, str)}
    if missing := [name for name in _CORNERS if name not in texts]:
        raise RefusalError("bndbox", f"Has no {missing[0]} in its bndbox.")
    x0, y0, x1, y1 = (_number(texts[name], name) for name in _CORNERS)
    if own.box is not None and _whole(own.box, base) == (x0, y0, x1, y1):
        return Box(*own.box)
    if x0 > x1 or y0 > y1:
        repairs.append("Has xmin and xmax, or ymin and ymax, the wrong way round; turned.")
    left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    return Box(left - base, top - base, right, bottom)


def _outline(element: Element, base: int) -> Polygons | None:
    """The outline of an object that has one: Roboflow's `polygon`, LabelMe's, or roLabelImg's turned box."""
    found = element.find("polygon")
    points = _points(found) if found is not None else []
    if len(points) < 3:
        turned = element.find("robndbox")
        points = _turned(turned) if turned is not None else []
    if len(points) < 3:
        return None
    return Polygons((Part(np.array(points, dtype=np.float64) - base),))


def _points(polygon: Element) -> list[tuple[float, float]]:
    if pairs := polygon.findall("pt"):
        return [(_number(one.findtext("x"), "x"), _number(one.findtext("y"), "y")) for one in pairs]
    numbers = {child.tag: child.text for child in polygon if isinstance(child.tag, str)}
    found: list[tuple[float, float]] = []
    while f"x{len(found) + 1}" in numbers:
        x, y = f"x{len(found) + 1}", f"y{len(found) + 1}"
        found.append((_number(numbers[x], x), _number(numbers.get(y), y)))
    return found


def _turned(box: Element) -> list[tuple[float, float]]:
    """The corners of roLabelImg's `robndbox`: cx, cy, w, h, and the angle in radians, clockwise."""
    cx, cy, width, height, angle = (
        _number(box.findtext(name), name) for name in ("cx", "cy", "w", "h", "angle")
    )
    angle %= pi
    along = np.array([np.cos(angle), np.sin(angle)]) * width / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * height / 2
    centre = np.array([cx, cy])
    steps = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return [tuple((centre + a * along + b * across).tolist()) for a, b in steps]


def _shifted(tree: Tree, by: int, *, inside: bool = False) -> Tree:
    """The elements with the first corner of each `bndbox` moved, by which the two rules differ."""
    if not by:
        return tree
    found: Tree = []
    for name, inner in tree:
        if not isinstance(inner, str):
            found.append((name, _shifted(inner, by, inside=name == "bndbox")))
        elif inside and name in ("xmin", "ymin"):
            try:
                found.append((name, f"{float(inner) + by:.12g}"))
            except ValueError:
                found.append((name, inner))
        else:
            found.append((name, inner))
    return found


def _whole(box: tuple[float, float, float, float], base: int) -> tuple[float, float, float, float]:
    """The corners as they are written: whole, at least one pixel apart, inside what they were inside of."""
    x0, y0, x1, y1 = box
    left, top = min(floor(x0 + 0.5), ceil(x1) - 1), min(floor(y0 + 0.5), ceil(y1) - 1)
    right, bottom = max(floor(x1 + 0.5), left + 1), max(floor(y1 + 0.5), top + 1)
    return left + base, top + base, right, bottom


def written_object(annotation: Annotation, category: str, *, base: int) -> tuple[str, tuple[str, ...]]:
    """The lines of an `object` whose pixels are counted from `base`, and what is to be told of it."""
    place = corners(annotation.shape)
    others = unpacked(annotation.extra)
    kept = _kept(others.pop(VOC, None))
    is_where_it_was = kept.of is not None and np.allclose(kept.of, place, atol=1e-6)
    box = kept.box if kept.box is not None and is_where_it_was else place
    numbers = _whole(box, base)
    exact = (numbers[0] - base, numbers[1] - base, *numbers[2:]) == box
    said = said_of(annotation.attributes)
    own = _Own(
        name="" if survives(category) else category,
        box=None if exact else box,
        attributes={} if meant_by(said) == annotation.attributes else annotation.attributes,
        extra=others,
    )
    rest = kept.rest if is_where_it_was else _placeless(kept.rest)
    lines = "".join(
        f"\t\t\t<{name}>{number:.0f}</{name}>\n" for name, number in zip(_CORNERS, numbers, strict=True)
    )
    more = written_tree(_shifted(rest, base), "\t\t")
    text = (
        f"\t<object>\n\t\t<name>{escaped(_plain(category) if own.name else category)}</name>\n"
        f"{written(said)}\t\t<bndbox>\n{lines}\t\t</bndbox>\n{more}{_written_own(own)}\t</object>\n"
    )
    return text, () if exact else (ROUNDED,)


def _written_own(own: _Own) -> str:
    data = msgspec.json.encode(own)
    return "" if data == b"{}" else f"\t\t<{OURS}>{escaped_json(data)}</{OURS}>\n"


def _kept(raw: Raw | bytes | None) -> _Kept:
    try:
        kept = _KEPT.decode(raw) if raw is not None else _Kept()
    except BAD_JSON:
        return _Kept()
    return replace(kept, rest=checked_tree(kept.rest))


def _placeless(tree: Tree) -> Tree:
    """Elements without those that are somewhere: the object is not there any more."""
    return [(name, inner) for name, inner in tree if not _is_placed(inner)]


def _is_placed(inner: str | Tree) -> bool:
    return not isinstance(inner, str) and any(name in _PLACES or _is_placed(below) for name, below in inner)
