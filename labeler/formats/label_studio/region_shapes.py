"""The regions of Label Studio's results as our shapes, and ours as values.

Format: https://labelstud.io/guide/task_format (units of image annotations) and the tags' pages. Numbers are
percent of the image's width and height; a rectangle is turned by `rotation` degrees clockwise about its top
left corner, an ellipse about its centre. Where the image was turned (`image_rotation`), they are of that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from labeler.core.records import Box, Mask, Part, Points, Polygons, Shape
from labeler.formats.coco.shapes import MASK_BUDGET
from labeler.formats.cvat.turned_shapes import as_ellipse, as_turned_box, ellipse, turned_box
from labeler.formats.gates import RefusalError
from labeler.formats.label_studio.brush_runs import packed_brush, painted

_FARTHEST = 1e6
"""Percent beyond which nothing is meant."""
_QUARTERS = (0, 90, 180, 270)


class RegionReader:
    """Reads the regions of one file, its brushes within what fits into memory."""

    def __init__(self, pixels: int = MASK_BUDGET) -> None:
        self._left = pixels

    def shape(self, value: Mapping[str, Any], size: tuple[int, int], turn: float) -> tuple[Shape, str]:
        """The shape of a result's value on an image of (width, height), and what it was if ours is no such.

        Raises RefusalError for what has no area or cannot be read.
        """
        if "rle" in value:
            return self._brush(value["rle"], size), ""
        if turn % 360 not in _QUARTERS:
            raise RefusalError("image_rotation", "Is on an image that is turned by no quarters.")
        quarters = int(turn % 360) // 90
        seen = size if quarters % 2 == 0 else (size[1], size[0])
        shape, was = _drawn(value, seen)
        return (_turned_back(shape, size, quarters) if quarters else shape), was

    def _brush(self, code: object, size: tuple[int, int]) -> Mask:
        if not isinstance(code, list):
            raise RefusalError("rle", "Has no code of a brush.")
        try:
            mask = painted(code, (size[1], size[0]))
        except ValueError as error:
            raise RefusalError("rle", str(error)) from error
        if not mask.bits.size:
            raise RefusalError("rle", "Has no painted pixels.")
        self._left -= mask.bits.size
        if self._left < 0:
            raise RefusalError("rle", f"The masks before it take the {MASK_BUDGET} pixels that one file may.")
        return mask


def _drawn(value: Mapping[str, Any], size: tuple[int, int]) -> tuple[Shape, str]:
    across, down = size[0] / 100, size[1] / 100
    if "points" in value:
        return Polygons((Part(_points(value["points"]) * (across, down)),)), ""
    x, y = _number(value, "x") * across, _number(value, "y") * down
    angle = _number(value, "rotation") if value.get("rotation") is not None else 0.0
    if "radiusX" in value:
        rx, ry = abs(_number(value, "radiusX")) * across, abs(_number(value, "radiusY")) * down
        if not rx or not ry:
            raise RefusalError("radiusX", "Has no extent.")
        return ellipse(x, y, rx, ry, angle), "ellipse"
    if "width" not in value:
        raise RefusalError("", "Is a point, which has no area.")
    width, height = _number(value, "width") * across, _number(value, "height") * down
    box = Box(min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height))
    if angle % 360 == 0:
        return box, ""
    return turned_box(box, angle, about=(x, y)), "turned box"


def _number(value: Mapping[str, Any], name: str) -> float:
    try:
        number = msgspec.convert(value.get(name), float, strict=False)
    except msgspec.ValidationError as error:
        raise RefusalError(name, "Must be a number.") from error
    if not abs(number) <= _FARTHEST:
        raise RefusalError(name, "Is far from every image.")
    return number


def _points(points: object) -> Points:
    try:
        found = np.array(msgspec.convert(points, list[tuple[float, float]]))
    except msgspec.ValidationError as error:
        raise RefusalError("points", "Must be a list of pairs of numbers.") from error
    if len(found) and not (np.abs(found) <= _FARTHEST).all():
        raise RefusalError("points", "Has points that are far from every image.")
    return found.reshape(-1, 2)


def _turned_back(shape: Shape, size: tuple[int, int], quarters: int) -> Shape:
    """A shape of the image turned by quarters clockwise, on the image of (width, height) as it is."""
    width, height = size

    def back(points: Points) -> Points:
        x, y = points[:, 0], points[:, 1]
        if quarters == 1:
            return np.stack((y, height - x), axis=1)
        return np.stack((width - x, height - y) if quarters == 2 else (width - y, x), axis=1)

    if isinstance(shape, Box):
        corners = back(np.array([(shape.x0, shape.y0), (shape.x1, shape.y1)]))
        (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return Box(x0, y0, x1, y1)
    assert isinstance(shape, Polygons)
    return Polygons(tuple(Part(back(part.outer)) for part in shape.parts))


# --- out ----------------------------------------------------------------------------------------------
def value_of(shape: Shape, size: tuple[int, int], was: object) -> tuple[str, dict[str, Any]]:
    """The type of a shape ("rectangle", ...) and its value on an image of (width, height)."""
    across, down = 100 / size[0], 100 / size[1]
    if isinstance(shape, Mask):
        return "brush", {"format": "rle", "rle": packed_brush(shape, (size[1], size[0]))}
    if isinstance(shape, Box):
        return "rectangle", _rectangle((shape.x0, shape.y0), shape, 0, size)
    ring = shape.parts[0].outer
    if was == "turned box" and (turned := as_turned_box(shape)):
        box, angle = turned
        return "rectangle", _rectangle(ring[0].tolist(), box, angle, size)
    if was == "ellipse" and (found := as_ellipse(shape)):
        x, y, rx, ry, angle = found
        return "ellipse", {
            "x": x * across,
            "y": y * down,
            "radiusX": rx * across,
            "radiusY": ry * down,
            "rotation": round(angle, 6) % 360,
        }
    return "polygon", {"points": (ring * (across, down)).tolist(), "closed": True}


def _rectangle(corner: Sequence[float], box: Box, angle: float, size: tuple[int, int]) -> dict[str, Any]:
    """A box's value, turned about its top left corner, which is at `corner`."""
    across, down = 100 / size[0], 100 / size[1]
    x, y = corner
    return {
        "x": x * across,
        "y": y * down,
        "width": box.width * across,
        "height": box.height * down,
        "rotation": round(angle, 6) % 360,
    }
