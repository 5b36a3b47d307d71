"""Shapes and points taken from one frame of pixels to another: turned as EXIF says, scaled, or moved."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.geometry import bounds
from labeler.core.records import Bits, Box, Mask, Part, Points, Polygons, Shape


class Affine(Struct, frozen=True):
    """x' = xx x + xy y + x0 and y' = yx x + yy y + y0; sides stay upright, so a box stays a box."""

    xx: float = 1.0
    xy: float = 0.0
    x0: float = 0.0
    yx: float = 0.0
    yy: float = 1.0
    y0: float = 0.0

    def points(self, points: Points) -> Points:
        """Points (N, 2) where they are afterwards."""
        x, y = points[:, 0], points[:, 1]
        return np.stack(
            (self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0), axis=1
        ).astype(np.float64)

    def after(self, first: "Affine") -> "Affine":
        """The same as first `first`, then itself."""
        ends = self.points(first.points(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])))
        (x0, y0), right, down = ends.tolist()
        return Affine(right[0] - x0, down[0] - x0, x0, right[1] - y0, down[1] - y0, y0)

    def shape(self, shape: Shape) -> Shape:
        """A shape where it is afterwards, without the text that it was read from."""
        if isinstance(shape, Box):
            ends = self.points(np.array([[shape.x0, shape.y0], [shape.x1, shape.y1]]))
            (x0, y0), (x1, y1) = ends.min(axis=0).tolist(), ends.max(axis=0).tolist()
            return Box(x0, y0, x1, y1)
        if isinstance(shape, Polygons):
            return Polygons(
                tuple(
                    Part(self.points(part.outer), tuple(map(self.points, part.holes))) for part in shape.parts
                )
            )
        return self._mask(shape)

    def _mask(self, mask: Mask) -> Mask:
        """Each pixel afterwards is what its centre was before."""
        if not mask.bits.size:
            return Mask(mask.x, mask.y, mask.bits)
        box = bounds(self.shape(Box(mask.x, mask.y, mask.x + mask.width, mask.y + mask.height)))
        x0, y0 = int(np.floor(box.x0 + 1e-6)), int(np.floor(box.y0 + 1e-6))
        x1, y1 = int(np.ceil(box.x1 - 1e-6)), int(np.ceil(box.y1 - 1e-6))
        across, down = np.arange(x0, x1) + 0.5 - self.x0, np.arange(y0, y1) + 0.5 - self.y0
        if self.xx:
            columns, rows = across / self.xx, down / self.yy
            bits = _taken(mask.bits, rows - mask.y, columns - mask.x)
        else:
            rows, columns = across / self.xy, down / self.yx
            bits = _taken(mask.bits, rows - mask.y, columns - mask.x).T
        return Mask(x0, y0, np.ascontiguousarray(bits))


def _taken(bits: Bits, rows: NDArray[Any], columns: NDArray[Any]) -> Bits:
    height, width = bits.shape
    row = np.clip(np.floor(rows).astype(np.int64), 0, height - 1)
    column = np.clip(np.floor(columns).astype(np.int64), 0, width - 1)
    taken: Bits = bits[row][:, column]
    return taken


def scaling(x: float, y: float) -> Affine:
    """Everything `x` times as wide and `y` times as high."""
    return Affine(xx=x, yy=y)


def turning(orientation: int, width: float, height: float) -> Affine:
    """From an image as stored, `width` by `height`, to how its EXIF orientation (1 to 8) shows it."""
    turns = {
        2: Affine(-1, 0, width, 0, 1, 0),
        3: Affine(-1, 0, width, 0, -1, height),
        4: Affine(1, 0, 0, 0, -1, height),
        5: Affine(0, 1, 0, 1, 0, 0),
        6: Affine(0, -1, height, 1, 0, 0),
        7: Affine(0, -1, height, -1, 0, width),
        8: Affine(0, 1, 0, -1, 0, width),
    }
    return turns.get(orientation, Affine())


def between(before: Box, after: Box) -> Affine:
    """What takes one box to another: moved and scaled. Sides of no length are only moved."""
    x = after.width / before.width if before.width else 1.0
    y = after.height / before.height if before.height else 1.0
    return Affine(x, 0, after.x0 - before.x0 * x, 0, y, after.y0 - before.y0 * y)
