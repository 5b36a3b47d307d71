"""The shapes of Datumaro's JSON as ours.

Format: https://open-edge-platform.github.io/datumaro (data formats, Datumaro) and what datumaro 1.13 writes.
A `bbox` is x, y, width, height, points are flat, in pixels whose edges are whole numbers; an `rle` is COCO's;
an `ellipse` is the x0, y0, x1, y1 around it; a rotated box has its centre, sides and degrees clockwise.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from labeler.core.records import Box, Mask, Part, Polygons, Shape
from labeler.core.rle import decompress, rle_to_mask
from labeler.formats.coco.shapes import MASK_BUDGET
from labeler.formats.cvat.cvat_shapes import hull_of
from labeler.formats.cvat.turned_shapes import as_ellipse, ellipse, turned_box
from labeler.formats.gates import RefusalError

AREAS = frozenset(("bbox", "polygon", "mask", "ellipse", "rotated_bbox", "cuboid_2d"))
"""Types that are objects with an area."""
OTHERS = frozenset(("label", "caption", "points", "polyline", "cuboid_3d"))
"""Types that have none, which stay with their image."""
_FARTHEST = 1e7


class ShapeReader:
    """Reads shapes of one file, its masks within what fits into memory."""

    def __init__(self, pixels: int = MASK_BUDGET) -> None:
        self._left = pixels

    def shape(self, kind: str, given: Mapping[str, Any]) -> Shape:
        """The shape of an annotation of a type of `AREAS`; RefusalError where it is none."""
        if kind == "bbox":
            return _box(numbers(given, "bbox", 4))
        if kind == "mask":
            return self._mask(given.get("rle"))
        if kind == "polygon":
            flat = numbers(given, "points")
            return Polygons((Part(np.array(flat).reshape(-1, 2)),))
        if kind == "ellipse":
            x0, y0, x1, y1 = numbers(given, "points", 4)
            rx, ry = abs(x1 - x0) / 2, abs(y1 - y0) / 2
            if not rx or not ry:
                raise RefusalError("points", "Has no extent.")
            return ellipse((x0 + x1) / 2, (y0 + y1) / 2, rx, ry)
        if kind == "rotated_bbox":
            x, y, width, height, angle = numbers(given, "points", 5)
            return turned_box(Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), angle)
        points = given.get("points")
        if isinstance(points, list) and all(isinstance(pair, list) for pair in points):
            points = [number for pair in points for number in pair]
        return hull_of(numbers({"points": points}, "points", 16))

    def _mask(self, rle: object) -> Mask:
        if not isinstance(rle, dict):
            raise RefusalError("rle", "Has no run-length mask.")
        try:
            size = msgspec.convert(rle.get("size"), tuple[int, int])
            counts = rle.get("counts")
            runs = decompress(counts) if isinstance(counts, str) else msgspec.convert(counts, list[int])
            mask = rle_to_mask(runs, size)
        except (msgspec.ValidationError, ValueError, OverflowError) as error:
            raise RefusalError("rle", f"Has no run-length mask that can be read ({error}).") from error
        if not mask.bits.size:
            raise RefusalError("rle", "Has no pixels.")
        self._left -= mask.bits.size
        if self._left < 0:
            raise RefusalError("rle", f"The masks before it take the {MASK_BUDGET} pixels that one file may.")
        return mask


def numbers(given: Mapping[str, Any], name: str, count: int | None = None) -> list[float]:
    """A flat list of pixels of a key, `count` of them or pairs; RefusalError where it is none."""
    try:
        flat = msgspec.convert(given.get(name), list[float], strict=False)
    except msgspec.ValidationError as error:
        raise RefusalError(name, "Must be a list of numbers.") from error
    if len(flat) != count if count else len(flat) % 2 or not flat:
        raise RefusalError(name, f"Must be {count or 'pairs of'} numbers, but is {len(flat)}.")
    if not all(-_FARTHEST <= value <= _FARTHEST for value in flat):
        raise RefusalError(name, "Has numbers that are far from every image.")
    return flat


def _box(flat: list[float]) -> Box:
    x, y, width, height = flat
    return Box(min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height))


def as_upright_ellipse(shape: Shape) -> list[float] | None:
    """The x0, y0, x1, y1 around an outline that is an ellipse along the axes; None where it is none."""
    found = as_ellipse(shape)
    if found is None:
        return None
    x, y, rx, ry, angle = found
    quarter = round(angle / 90)
    if abs(angle - 90 * quarter) > 1e-3:
        return None
    rx, ry = (rx, ry) if quarter % 2 == 0 else (ry, rx)
    return [x - rx, y - ry, x + rx, y + ry]
