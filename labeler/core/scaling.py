"""Shapes on an image that was scaled."""

from typing import overload

import cv2
import numpy as np
from msgspec.structs import replace

from labeler.core.records import Box, Mask, Part, Polygons, Shape


@overload
def rescaled(shape: Box, x: float, y: float) -> Box: ...
@overload
def rescaled(shape: Polygons, x: float, y: float) -> Polygons: ...
@overload
def rescaled(shape: Mask, x: float, y: float) -> Mask: ...
def rescaled(shape: Shape, x: float, y: float) -> Shape:
    """The shape on an image that is `x` times as wide and `y` times as high, without its origin.

    A mask keeps at least one pixel of what it has: a pixel is set where the middle of it was.
    """
    if isinstance(shape, Box):
        return Box(shape.x0 * x, shape.y0 * y, shape.x1 * x, shape.y1 * y)
    if isinstance(shape, Polygons):
        factor = np.array([x, y])
        parts = (Part(part.outer * factor, tuple(h * factor for h in part.holes)) for part in shape.parts)
        return replace(shape, parts=tuple(parts), origin=b"")
    if not shape.bits.any():
        return replace(shape, origin=b"")
    left, top = int(np.floor(shape.x * x)), int(np.floor(shape.y * y))
    right = max(left + 1, int(np.ceil((shape.x + shape.width) * x)))
    bottom = max(top + 1, int(np.ceil((shape.y + shape.height) * y)))
    move = np.array([[x, 0, shape.x * x - left + (x - 1) / 2], [0, y, shape.y * y - top + (y - 1) / 2]])
    size = (right - left, bottom - top)
    bits = cv2.warpAffine(shape.bits.astype(np.uint8), move, size, flags=cv2.INTER_NEAREST) > 0
    if not bits.any():
        rows, columns = np.nonzero(shape.bits)
        bits[min(int(rows[0] * y), size[1] - 1), min(int(columns[0] * x), size[0] - 1)] = True
    return Mask(left, top, bits)
