"""The shapes of CVAT's XML as ours, and ours as its elements.

Format: "XML annotation format" in the documentation of CVAT (https://docs.cvat.ai/docs/other/xml_format),
version 1.1. Coordinates are pixel edges as ours, floats; a box is turned by `rotation` degrees clockwise
about its centre. A mask is a crop (left, top, width, height) with the lengths of runs in row order, not in
COCO's column order, background first.
"""

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element

import cv2
import msgspec
import numpy as np
from msgspec import Struct

from labeler.core.geometry import tight
from labeler.core.records import Bits, Box, Mask, Part, Points, Polygons, Shape
from labeler.core.rle import MAX_PIXELS
from labeler.formats.coco.shapes import MASK_BUDGET
from labeler.formats.cvat.turned_shapes import as_ellipse, as_turned_box, ellipse, turned_box
from labeler.formats.gates import RefusalError

AREAS = frozenset(("box", "polygon", "mask", "ellipse", "cuboid", "skeleton"))
"""The elements that are objects with an area."""
OTHERS = frozenset(("polyline", "points"))
"""Those that have none."""
_FARTHEST = 1e7
"""Pixels beyond which nothing is meant; what is nearer the gates look at."""
_CUBOID = tuple(
    f"{axis}{corner}{face}" for face in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy"
)
"""The sixteen numbers of a cuboid, as CVAT writes them."""


class CvatShape(Struct, frozen=True, eq=False):
    """A shape, and what else its element says of it."""

    shape: Shape
    facts: Mapping[str, object] = {}
    """What is kept of the shape that ours cannot say."""
    keypoints: tuple[float, ...] = ()
    """x, y, visibility as COCO has it (0 not there, 1 hidden, 2 seen) of each point of a skeleton."""


class MaskReader:
    """Reads the masks of one file, within what fits into memory."""

    def __init__(self, pixels: int = MASK_BUDGET) -> None:
        self._left = pixels

    def mask(self, given: Mapping[str, str]) -> Mask:
        """The mask of an element's attributes; RefusalError where it is none, or too large."""
        x, y, width, height = (whole(given, name) for name in ("left", "top", "width", "height"))
        if width < 1 or height < 1 or width * height > MAX_PIXELS:
            raise RefusalError("rle", f"Has a crop of {width} by {height} pixels, which is none that can be.")
        self._left -= width * height
        if self._left < 0:
            raise RefusalError("rle", f"The masks before it take the {MASK_BUDGET} pixels that one file may.")
        try:
            runs = np.array(given.get("rle", "").split(","), dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise RefusalError("rle", "Has runs that are no whole numbers.") from error
        if len(runs) > width * height + 1 or runs.min() < 0 or runs.max() > width * height:
            raise RefusalError("rle", "Has runs that do not fit into its crop.")
        if (total := int(runs.sum())) > width * height:
            raise RefusalError("rle", f"Has runs of {total} pixels, its crop has {width * height}.")
        values = np.zeros(len(runs), dtype=np.bool_)
        values[1::2] = True
        bits = np.zeros(width * height, dtype=np.bool_)
        bits[:total] = np.repeat(values, runs)
        if not bits.any():
            raise RefusalError("rle", "Has no pixels.")
        return tight(Mask(x, y, bits.reshape(height, width)))


def number(given: Mapping[str, str], name: str) -> float:
    """A number of an attribute; RefusalError where it is missing or none."""
    try:
        value = float(given[name])
    except KeyError as error:
        raise RefusalError(name, "Is missing.") from error
    except ValueError as error:
        raise RefusalError(name, f"Must be a number, but is “{given[name][:40]}”.") from error
    if not abs(value) <= _FARTHEST:
        raise RefusalError(name, f"Must be a number on an image, but is “{given[name][:40]}”.")
    return value


def whole(given: Mapping[str, str], name: str) -> int:
    """A whole number of an attribute, as 3 or 3.0."""
    value = number(given, name)
    if value != int(value):
        raise RefusalError(name, f"Must be a whole number, but is “{given[name][:40]}”.")
    return int(value)


def points_of(text: str) -> Points:
    """The points (N, 2) of a text as "x,y;x,y"."""
    try:
        flat = np.array(list(map(float, text.strip().rstrip(";").replace(";", ",").split(","))))
    except ValueError as error:
        raise RefusalError("points", "Has points that are no numbers.") from error
    if len(flat) % 2:
        raise RefusalError("points", "Has a point of one number.")
    if not (np.abs(flat) <= _FARTHEST).all():
        raise RefusalError("points", "Has points that are far from every image.")
    return flat.reshape(-1, 2)


def box_of(given: Mapping[str, str]) -> CvatShape:
    """A box, or the outline of a turned one."""
    x0, y0, x1, y1 = (number(given, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    box = Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    angle = number(given, "rotation") if "rotation" in given else 0.0
    if angle % 360 == 0:
        return CvatShape(box)
    return CvatShape(turned_box(box, angle), {"shape": "turned box"})


def polygon_of(given: Mapping[str, str]) -> CvatShape:
    """An outline of one ring."""
    return CvatShape(Polygons((Part(points_of(given.get("points", ""))),)))


def ellipse_of(given: Mapping[str, str]) -> CvatShape:
    """The outline of an ellipse, which may be turned."""
    x, y, rx, ry = (number(given, name) for name in ("cx", "cy", "rx", "ry"))
    angle = number(given, "rotation") if "rotation" in given else 0.0
    if not (0 < rx < 1e6 and 0 < ry < 1e6):
        raise RefusalError("rx", "Must have radii above 0.")
    return CvatShape(ellipse(x, y, rx, ry, angle), {"shape": "ellipse"})


def cuboid_of(given: Mapping[str, str]) -> CvatShape:
    """What one sees of a cuboid: the outline around its eight corners."""
    corners = [number(given, name) for name in _CUBOID]
    return CvatShape(hull_of(corners), {"shape": "cuboid", "corners": corners})


def hull_of(corners: Iterable[float]) -> Polygons:
    """The convex outline around points, x0, y0, x1, y1, ..."""
    hull = cv2.convexHull(np.array(corners, dtype=np.float32).reshape(-1, 1, 2))
    return Polygons((Part(hull.reshape(-1, 2).astype(np.float64)),))


def skeleton_of(element: Element, names: list[str]) -> CvatShape:
    """The box around the points of a skeleton; `names` those of its points, which new ones are added to."""
    found: dict[str, tuple[float, float, int]] = {}
    attributes: dict[str, dict[str, str]] = {}
    for place, child in enumerate(element.iter("points")):
        name = child.get("label") or str(place + 1)
        x, y = points_of(child.get("points", ""))[0]
        seen = 0 if child.get("outside") == "1" else 1 if child.get("occluded") == "1" else 2
        found[name] = (float(x), float(y), seen)
        if own := {one.get("name", ""): one.text or "" for one in child.iter("attribute")}:
            attributes[name] = own
    shown = np.array([(x, y) for x, y, seen in found.values() if seen])
    if not len(shown):
        raise RefusalError("points", "Is a skeleton without a point that is there.")
    names += [name for name in found if name not in names]
    (x0, y0), (x1, y1) = shown.min(axis=0).tolist(), shown.max(axis=0).tolist()
    wide, high = (0.5 if x1 - x0 < 1 else 0.0), (0.5 if y1 - y0 < 1 else 0.0)
    flat = tuple(value for name in names for value in found.get(name, (0.0, 0.0, 0)))
    facts: dict[str, object] = {"shape": "skeleton"}
    if attributes:
        facts["of_points"] = attributes
    return CvatShape(Box(x0 - wide, y0 - high, x1 + wide, y1 + high), facts, flat)


# --- out ----------------------------------------------------------------------------------------------
def plain(value: float) -> str:
    """A number in at most ten digits, exact to a millionth of a pixel."""
    return f"{value:.10g}"


def attributes_of(shape: Shape, facts: Mapping[str, object]) -> tuple[str, dict[str, str]]:
    """The element's name and its attributes for a shape, which is again what it was if it still looks so."""
    if isinstance(shape, Box):
        return "box", _corners(shape)
    if isinstance(shape, Mask):
        return "mask", _runs(shape)
    was = facts.get("shape")
    if was == "turned box" and (turned := as_turned_box(shape)):
        return "box", _corners(turned[0]) | {"rotation": _angle(turned[1])}
    if was == "ellipse" and (numbers := as_ellipse(shape)):
        *sizes, angle = numbers
        given = dict(zip(("cx", "cy", "rx", "ry"), map(plain, sizes), strict=True))
        return "ellipse", given | ({} if _angle(angle) == "0" else {"rotation": _angle(angle)})
    ring = shape.parts[0].outer
    if was == "cuboid" and (corners := _corners_of(facts, ring)):
        return "cuboid", dict(zip(_CUBOID, map(plain, corners), strict=True))
    return "polygon", {"points": ";".join([f"{x:.10g},{y:.10g}" for x, y in ring.tolist()])}


def _angle(value: float) -> str:
    return plain(round(value, 6) % 360)


def _corners(box: Box) -> dict[str, str]:
    numbers = map(plain, (box.x0, box.y0, box.x1, box.y1))
    return dict(zip(("xtl", "ytl", "xbr", "ybr"), numbers, strict=True))


def _corners_of(facts: Mapping[str, object], ring: Points) -> list[float]:
    """The corners of a cuboid, while the outline is still the one around them."""
    try:
        corners = msgspec.convert(facts.get("corners"), list[float])
    except msgspec.ValidationError:
        return []
    if len(corners) != len(_CUBOID):
        return []
    again = hull_of(corners).parts[0].outer
    return corners if again.shape == ring.shape and np.allclose(again, ring, rtol=0, atol=2e-3) else []


def _runs(mask: Mask) -> dict[str, str]:
    near = tight(mask)
    crop = {"left": near.x, "top": near.y, "width": near.width, "height": near.height}
    runs = ", ".join(map(str, row_runs(near.bits)))
    return {"rle": runs, **{name: str(value) for name, value in crop.items()}}


def row_runs(bits: Bits) -> list[int]:
    """Lengths of alternating runs of (H, W) pixels in row order, the first of background, maybe 0."""
    flat = bits.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(edges, prepend=0, append=len(flat)).tolist()
    return [0, *runs] if len(flat) and flat[0] else runs
