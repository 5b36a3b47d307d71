"""How much two shapes overlap: IoU, Dice and boundary IoU.

Boxes are exact arithmetic on `(x0, y0, x1, y1)`; masks are counted on the part where their crops meet, so
that the cost follows the objects and not the image.
"""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from labeler.core import geometry
from labeler.core.boxes import as_boxes
from labeler.core.records import Bits, Box, Mask, Shape

Matrix: TypeAlias = NDArray[np.float64]


class Overlap(Struct, frozen=True):
    """The areas of two shapes and of what they share, in square pixels."""

    intersection: float
    area_a: float
    area_b: float

    @property
    def union(self) -> float:
        """Area covered by either shape."""
        return self.area_a + self.area_b - self.intersection

    @property
    def iou(self) -> float:
        """Intersection over union (Jaccard index), 0 to 1; 0.0 when both shapes are empty."""
        return self.intersection / self.union if self.union > 0 else 0.0

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum of both areas, 0 to 1; 0.0 when both shapes are empty."""
        total = self.area_a + self.area_b
        return 2.0 * self.intersection / total if total > 0 else 0.0


class Agreement(Struct, frozen=True):
    """How well an annotation agrees with a prediction: IoU, Dice, and boundary IoU where it was asked."""

    iou: float
    dice: float
    boundary: float | None


def box_area(boxes: ArrayLike) -> Matrix:
    """Areas (N,) of boxes (N, 4) xyxy, in square pixels; 0 for an inverted box."""
    sides = np.maximum(np.diff(as_boxes(boxes).reshape(-1, 2, 2), axis=1)[:, 0], 0.0)
    areas: Matrix = sides[:, 0] * sides[:, 1]
    return areas


def box_intersection(a: ArrayLike, b: ArrayLike) -> Matrix:
    """Shared areas (N, M), in square pixels, of the boxes `a` (N, 4) with the boxes `b` (M, 4), both xyxy."""
    a, b = as_boxes(a, "a"), as_boxes(b, "b")
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    shared: Matrix = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    return shared


def _ratio(part: Matrix, whole: Matrix) -> Matrix:
    """`part / whole`, 0 where the whole is not positive."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def box_iou(a: ArrayLike, b: ArrayLike) -> Matrix:
    """IoU (N, M) float64 of every box of `a` (N, 4) with every one of `b` (M, 4), both xyxy.

    A pair without any area has IoU 0. Raises ValueError for other shapes of array.
    """
    shared = box_intersection(a, b)
    return _ratio(shared, box_area(a)[:, None] + box_area(b)[None, :] - shared)


def box_overlap(a: Box, b: Box) -> Overlap:
    """Overlap of two boxes, exact."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return Overlap(max(width, 0.0) * max(height, 0.0), a.area, b.area)


def _count(bits: Bits) -> int:
    # the sum of 0 and 1: OpenCV reads it off faster than its countNonZero does
    return int(cv2.norm(bits.view(np.uint8), cv2.NORM_L1)) if bits.size else 0


def _count_both(a: Bits, b: Bits) -> int:
    # the sum of a where b is set: one pass over both, and nothing written in between
    return int(cv2.norm(a.view(np.uint8), cv2.NORM_L1, b.view(np.uint8))) if a.size else 0


def _shared(a: Mask, b: Mask) -> tuple[Bits, Bits]:
    """Views of both masks on the rectangle where their crops meet, possibly without pixels."""
    x0, y0 = max(a.x, b.x), max(a.y, b.y)
    x1 = max(min(a.x + a.width, b.x + b.width), x0)
    y1 = max(min(a.y + a.height, b.y + b.height), y0)
    return (
        a.bits[max(y0 - a.y, 0) : max(y1 - a.y, 0), max(x0 - a.x, 0) : max(x1 - a.x, 0)],
        b.bits[max(y0 - b.y, 0) : max(y1 - b.y, 0), max(x0 - b.x, 0) : max(x1 - b.x, 0)],
    )


def _intersection(a: Mask, b: Mask) -> int:
    return _count_both(*_shared(a, b))


def mask_overlap(a: Mask, b: Mask) -> Overlap:
    """Overlap of two masks, counted in pixels on the part where their crops meet."""
    return Overlap(_intersection(a, b), _count(a.bits), _count(b.bits))


def updated(overlap: Overlap, *, before: Bits, after: Bits, reference: Bits) -> Overlap:
    """`overlap` of masks a and b after a changed inside one rectangle only, as a brush dab does.

    `before` and `after` are that rectangle of a, `reference` the same rectangle of b: three bool arrays
    of one shape (h, w). The cost is that of the rectangle. Raises ValueError where the shapes differ.
    """
    if not before.shape == after.shape == reference.shape:
        raise ValueError(
            f"before {before.shape}, after {after.shape} and reference {reference.shape} differ in shape."
        )
    return Overlap(
        overlap.intersection + _count_both(after, reference) - _count_both(before, reference),
        overlap.area_a + _count(after) - _count(before),
        overlap.area_b,
    )


def mask_area(masks: Sequence[Mask]) -> Matrix:
    """Areas (N,) float64 of masks, in pixels."""
    return np.array([_count(mask.bits) for mask in masks], dtype=np.float64)


def mask_intersection(a: Sequence[Mask], b: Sequence[Mask]) -> Matrix:
    """Shared pixels (N, M) float64 of every mask of `a` with every one of `b`.

    Pixels are only counted for pairs whose crops meet.
    """
    shared = np.zeros((len(a), len(b)))
    for row, column in np.argwhere(box_intersection(_crops(a), _crops(b)) > 0).tolist():
        shared[row, column] = _intersection(a[row], b[column])
    return shared


def mask_iou(a: Sequence[Mask], b: Sequence[Mask]) -> Matrix:
    """IoU (N, M) float64 of every mask of `a` with every one of `b`; 0 for a pair of empty masks."""
    shared = mask_intersection(a, b)
    return _ratio(shared, mask_area(a)[:, None] + mask_area(b)[None, :] - shared)


def _crops(masks: Sequence[Mask]) -> Matrix:
    corners = [(mask.x, mask.y, mask.x + mask.width, mask.y + mask.height) for mask in masks]
    return np.array(corners, dtype=np.float64).reshape(-1, 4)


def boundary_iou(a: Mask, b: Mask, *, image_size: tuple[int, int], dilation: float = 0.02) -> float:
    """Boundary IoU of two masks in an image of size (H, W), 0 to 1 (Cheng et al., CVPR 2021).

    The IoU of both masks' inner rims: pixels of the mask within d pixels (chessboard distance) of a pixel
    outside it, where d is `dilation` times the image's diagonal, rounded, at least 1. What lies outside
    the image counts as background. 0.0 when both masks are empty.
    """
    height, width = image_size
    distance = max(1, round(dilation * float(np.hypot(height, width))))
    rims = _rim(a, distance), _rim(b, distance)
    return mask_overlap(*rims).iou


def _rim(mask: Mask, distance: int) -> Mask:
    inner = mask.bits
    for axis in (0, 1):
        inner = _all_along(inner, 2 * distance + 1, axis)
    if not inner.size:
        return mask
    rim = mask.bits.copy()
    rim[distance:-distance, distance:-distance] &= ~inner
    return Mask(mask.x, mask.y, rim)


def _all_along(bits: Bits, length: int, axis: int) -> Bits:
    """Whether all of every `length` neighbours along an axis are set: `length` - 1 shorter along it.

    Windows are doubled, so the cost grows with the logarithm of their length.
    """
    wide = max(bits.shape[axis] - length + 1, 0)
    if not wide:
        return bits[:0] if axis == 0 else bits[:, :0]
    lines = bits if axis == 0 else bits.T
    done = 1
    while done < length:
        step = min(done, length - done)
        lines = lines[: len(lines) - step] & lines[step:]
        done += step
    return lines if axis == 0 else lines.T


def shape_overlap(a: Shape, b: Shape, *, size: tuple[int, int]) -> Overlap:
    """Overlap of any two shapes in an image of size (H, W).

    Two boxes are exact; any other pair is compared as rasters, clipped to the image.
    """
    if isinstance(a, Box) and isinstance(b, Box):
        return box_overlap(a, b)
    return mask_overlap(geometry.rasterise(a, size=size), geometry.rasterise(b, size=size))


def agreement(a: Shape, b: Shape, *, size: tuple[int, int], boundary: bool = True) -> Agreement:
    """Agreement of two shapes in an image of size (H, W).

    Boundary IoU is None for two boxes, and when `boundary` is False: it costs more than the other two.
    """
    if isinstance(a, Box) and isinstance(b, Box):
        overlap = box_overlap(a, b)
        return Agreement(overlap.iou, overlap.dice, None)
    first, second = geometry.rasterise(a, size=size), geometry.rasterise(b, size=size)
    overlap = mask_overlap(first, second)
    rim = boundary_iou(first, second, image_size=size) if boundary else None
    return Agreement(overlap.iou, overlap.dice, rim)
