"""One shape made another: cleaned, smoothed, grown, shrunk, simplified, turned into its other kind."""

import cv2
import numpy as np

from labeler.core.contours import outline, simplified
from labeler.core.editing.fine import box_ring, through_cells
from labeler.core.geometry import area, bounds, clipped, from_bits, rasterise
from labeler.core.records import Bits, Box, Mask, Part, Points, Polygons, Shape
from labeler.core.rings import ring_area


def as_polygons(shape: Shape, tolerance: float = 0.0) -> Polygons:
    """The shape as an outline; no corner that goes was further than `tolerance` pixels from it.

    With 0 nothing is lost: a mask's outline runs along the edges of its pixels. What simplifying would leave
    without area goes, except for all of it.
    """
    if isinstance(shape, Mask):
        found = outline(shape, tolerance=tolerance)
        return found if found.parts else outline(shape)
    if isinstance(shape, Box):
        return Polygons((Part(box_ring(bounds(shape))),))
    if tolerance <= 0:
        return shape
    parts = []
    for part in shape.parts:
        outer, *holes = (simplified(ring, tolerance) for ring in (part.outer, *part.holes))
        if _has_area(outer):
            parts.append(Part(outer, tuple(hole for hole in holes if _has_area(hole))))
    return Polygons(tuple(parts)) if parts else shape


def _has_area(ring: Points) -> bool:
    return len(ring) >= 3 and ring_area(ring) > 0


def corners(shape: Shape) -> int:
    """How many corners an outline has in all its rings, a box 4, a mask none."""
    if isinstance(shape, Polygons):
        return sum(len(ring) for part in shape.parts for ring in (part.outer, *part.holes))
    return 4 if isinstance(shape, Box) else 0


def as_mask(shape: Shape, *, size: tuple[int, int]) -> Mask | None:
    """The pixels of an image of size (H, W) whose centres are inside the shape; None where there are none."""
    mask = rasterise(shape, size=size)
    return mask if mask.bits.size else None


def cleaned(shape: Shape, smallest: float) -> Shape:
    """The shape without holes and parts of less than `smallest` square pixels; its largest part stays.

    A box is given back as it is, and so is any other shape that has none.
    """
    if isinstance(shape, Box) or smallest <= 0:
        return shape
    if isinstance(shape, Mask):
        bits = _cleaned_bits(shape.bits, smallest)
        return shape if np.array_equal(bits, shape.bits) else from_bits(bits, shape.x, shape.y)
    largest = max(shape.parts, key=lambda part: area(Polygons((part,))), default=None)
    parts = tuple(
        Part(part.outer, tuple(hole for hole in part.holes if ring_area(hole) >= smallest))
        for part in shape.parts
        if part is largest or area(Polygons((part,))) >= smallest
    )
    found = Polygons(parts)
    return shape if found.parts == shape.parts else found


def _cleaned_bits(bits: Bits, smallest: float) -> Bits:
    """Specks first, so that a speck in a hole does not keep the hole."""
    if not bits.any():
        return bits
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(bits).view(np.uint8), connectivity=8
    )
    keeps = stats[:, cv2.CC_STAT_AREA] >= smallest
    keeps[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())] = True
    keeps[0] = False
    kept = keeps[labels]
    empty = np.pad(~kept, 1, constant_values=True)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(empty.view(np.uint8), connectivity=4)
    fills = stats[:, cv2.CC_STAT_AREA] < smallest
    fills[[0, labels[0, 0]]] = False
    filled: Bits = kept | fills[labels[1:-1, 1:-1]]
    return filled


def smoothed(shape: Shape, radius: float, *, size: tuple[int, int]) -> Shape | None:
    """The shape with its edge averaged over about `radius` pixels; None where nothing is left.

    What is on more than half of its surroundings is inside: three box blurs, which are nearly a Gaussian's
    (W. Wells, 1986), and take as long for any radius.
    """
    if radius <= 0:
        return shape

    def change(mask: Mask, steps: int) -> Mask:
        reach = max(round(radius * steps), 1)
        room = 2 * reach
        wide = np.pad(mask.bits, room).view(np.uint8) * np.uint8(254)
        for _ in range(3):
            wide = cv2.blur(wide, (2 * (reach // 2) + 1,) * 2, borderType=cv2.BORDER_CONSTANT)
        limits = size[0] * steps, size[1] * steps
        return rasterise(Mask(mask.x - room, mask.y - room, wide > 127), size=limits)

    return through_cells(_drawn(shape), change, size=size)


def grown(shape: Shape, by: float, *, size: tuple[int, int]) -> Shape | None:
    """The shape with all within `by` pixels of it; shrunk where that is below 0; None where nothing is left.

    A box grows to a box, anything else with round corners, and never out of an image of size (H, W).
    """
    if by == 0:
        return shape
    if isinstance(shape, Box):
        box = bounds(shape)
        wide = Box(box.x0 - by, box.y0 - by, box.x1 + by, box.y1 + by)
        return clipped(wide, size) if wide.x0 < wide.x1 and wide.y0 < wide.y1 else None

    def change(mask: Mask, steps: int) -> Mask:
        reach = abs(by) * steps
        room = int(np.ceil(reach)) + 1 if by > 0 else 1
        wide = np.pad(mask.bits, room)
        away = (~wide if by > 0 else wide).view(np.uint8)
        far = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        bits = far <= reach if by > 0 else far > reach
        limits = size[0] * steps, size[1] * steps
        return rasterise(Mask(mask.x - room, mask.y - room, bits), size=limits)

    return through_cells(shape, change, size=size)


def _drawn(shape: Shape) -> Shape:
    return as_polygons(shape) if isinstance(shape, Box) else shape
