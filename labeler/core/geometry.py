"""Shapes as points and as pixels: measuring, moving, clipping, and rasters to outlines and back.

The one rule of rasters: a pixel belongs to a polygon or box when its centre is inside. `outline` runs
along the pixels' edges, so rasterising what it gives back is exact.
"""

import cv2
import numpy as np
from msgspec import Struct

from labeler.core.boxes import (
    cxcywh_to_xywh,
    cxcywh_to_xyxy,
    decode_deltas,
    encode_deltas,
    xywh_to_cxcywh,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)
from labeler.core.contours import outline
from labeler.core.records import Bits, Box, Mask, Part, Points, Polygons, Shape
from labeler.core.rings import clipped_ring, distances_to_edges, ring_area, ring_bits, ring_contains

__all__ = [
    "Corner",
    "area",
    "bounds",
    "clipped",
    "contains",
    "crop",
    "cxcywh_to_xywh",
    "cxcywh_to_xyxy",
    "decode_deltas",
    "deleted_vertex",
    "encode_deltas",
    "from_bits",
    "inserted_vertex",
    "moved_vertex",
    "nearest_edge",
    "nearest_vertex",
    "outline",
    "paste",
    "rasterise",
    "resized",
    "tight",
    "to_bits",
    "translated",
    "xywh_to_cxcywh",
    "xywh_to_xyxy",
    "xyxy_to_cxcywh",
    "xyxy_to_xywh",
]


class Corner(Struct, frozen=True):
    """A place on an outline: its part, its ring (0 the outer one, k the k-th hole) and the point's index."""

    part: int
    ring: int
    index: int


def _empty() -> Mask:
    return Mask(0, 0, np.zeros((0, 0), dtype=np.bool_))


# measuring


def bounds(shape: Shape) -> Box:
    """The tight box of any shape; a shape without points or pixels gives a box without area."""
    if isinstance(shape, Box):
        xs, ys = sorted((shape.x0, shape.x1)), sorted((shape.y0, shape.y1))
        return Box(xs[0], ys[0], xs[1], ys[1])
    if isinstance(shape, Mask):
        x, y, width, height = _filled(shape.bits)
        return Box(shape.x + x, shape.y + y, shape.x + x + width, shape.y + y + height)
    if not shape.parts:
        return Box(0.0, 0.0, 0.0, 0.0)
    outers = [part.outer for part in shape.parts]
    points = np.concatenate(outers) if len(outers) > 1 else outers[0]
    x0, y0 = np.minimum.reduce(points).tolist()
    x1, y1 = np.maximum.reduce(points).tolist()
    return Box(x0, y0, x1, y1)


def _filled(bits: Bits) -> tuple[int, int, int, int]:
    """x, y, width and height of the foreground's tight rectangle within `bits`; zeros when empty."""
    if not bits.size:
        return 0, 0, 0, 0
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(bits).view(np.uint8))
    return int(x), int(y), int(width), int(height)


def area(shape: Shape) -> float:
    """Area in square pixels: width by height, shoelace less holes over all parts, or a count of pixels."""
    if isinstance(shape, Box):
        return bounds(shape).area
    if isinstance(shape, Mask):
        return float(np.count_nonzero(shape.bits))
    return sum(ring_area(part.outer) - sum(map(ring_area, part.holes)) for part in shape.parts)


def contains(shape: Shape, x: float, y: float) -> bool:
    """Whether the point lies inside the shape; of boxes and masks the right and lower edge lie outside."""
    if isinstance(shape, Box):
        box = bounds(shape)
        return box.x0 <= x < box.x1 and box.y0 <= y < box.y1
    if isinstance(shape, Mask):
        column, row = int(np.floor(x)) - shape.x, int(np.floor(y)) - shape.y
        return 0 <= column < shape.width and 0 <= row < shape.height and bool(shape.bits[row, column])
    return any(
        ring_contains(part.outer, x, y) and not any(ring_contains(hole, x, y) for hole in part.holes)
        for part in shape.parts
    )


# rasters


def rasterise(shape: Shape, *, size: tuple[int, int]) -> Mask:
    """The pixels of an image of size (H, W) whose centres are inside the shape, as a tight mask.

    A polygon's parts are united; each part is its outer ring (even-odd where it crosses itself) less its
    holes. A mask is only clipped. Raises ValueError for coordinates that are not finite.
    """
    if isinstance(shape, Mask):
        return tight(_clipped_mask(shape, size))
    box = bounds(shape)
    corners = box.x0, box.y0, box.x1, box.y1
    if not np.isfinite(corners).all():
        raise ValueError(f"The shape cannot be rasterised: its bounds {corners} are not finite.")
    height, width = size
    x0, y0, x1, y1 = (
        int(np.clip(np.ceil(edge - 0.5), 0, limit))
        for edge, limit in zip(corners, (width, height, width, height), strict=True)
    )
    if x0 >= x1 or y0 >= y1:
        return _empty()
    if isinstance(shape, Box):
        return Mask(x0, y0, np.ones((y1 - y0, x1 - x0), dtype=np.bool_))
    bits = np.zeros((y1 - y0, x1 - x0), dtype=np.bool_)
    for part in shape.parts:
        inside = ring_bits(part.outer, x=x0, y=y0, shape=bits.shape)
        for hole in part.holes:
            inside &= ~ring_bits(hole, x=x0, y=y0, shape=bits.shape)
        bits |= inside
    return from_bits(bits, x0, y0)


def tight(mask: Mask) -> Mask:
    """The same pixels in the smallest crop; an empty mask gets bits of shape (0, 0) at (0, 0)."""
    x, y, width, height = _filled(mask.bits)
    if not width:
        return _empty()
    if (width, height) == (mask.width, mask.height):
        return mask
    return Mask(mask.x + x, mask.y + y, mask.bits[y : y + height, x : x + width].copy())


def from_bits(bits: Bits, x: int = 0, y: int = 0) -> Mask:
    """The tight mask of a bool array (h, w) whose first pixel is (x, y) of the image."""
    return tight(Mask(x, y, bits))


def crop(mask: Mask, x0: int, y0: int, x1: int, y1: int) -> Bits:
    """The mask's bits (y1 - y0, x1 - x0) on a rectangle of the image, background outside its own crop."""
    bits = np.zeros((y1 - y0, x1 - x0), dtype=np.bool_)
    paste(Mask(mask.x - x0, mask.y - y0, mask.bits), bits)
    return bits


def paste(mask: Mask, into: Bits) -> None:
    """Set the mask's pixels in the (H, W) bool image `into`; what lies outside is left out."""
    height, width = into.shape
    x0, y0 = max(mask.x, 0), max(mask.y, 0)
    x1, y1 = min(mask.x + mask.width, width), min(mask.y + mask.height, height)
    if x0 < x1 and y0 < y1:
        into[y0:y1, x0:x1] |= mask.bits[y0 - mask.y : y1 - mask.y, x0 - mask.x : x1 - mask.x]


def to_bits(mask: Mask, size: tuple[int, int]) -> Bits:
    """The mask as a whole bool image of size (H, W)."""
    return crop(mask, 0, 0, size[1], size[0])


# moving


def _mapped(shape: Polygons, scale: tuple[float, float], shift: tuple[float, float]) -> Polygons:
    return Polygons(
        tuple(
            Part(part.outer * scale + shift, tuple(hole * scale + shift for hole in part.holes))
            for part in shape.parts
        )
    )


def translated(shape: Shape, dx: float, dy: float) -> Shape:
    """The shape moved by (dx, dy) pixels; a mask moves by whole pixels, rounded."""
    if isinstance(shape, Box):
        return Box(shape.x0 + dx, shape.y0 + dy, shape.x1 + dx, shape.y1 + dy)
    if isinstance(shape, Mask):
        return Mask(shape.x + round(dx), shape.y + round(dy), shape.bits)
    return _mapped(shape, (1.0, 1.0), (dx, dy))


def resized(shape: Shape, from_box: Box, to_box: Box) -> Shape:
    """The shape as the move of `from_box` onto `to_box` carries it; an inverted `to_box` mirrors it.

    A mask is resampled (nearest pixel). Raises ValueError where `from_box` has no width or height.
    """
    if from_box.width == 0 or from_box.height == 0:
        raise ValueError("A shape without width or height cannot be resized.")
    scale = to_box.width / from_box.width, to_box.height / from_box.height
    shift = to_box.x0 - from_box.x0 * scale[0], to_box.y0 - from_box.y0 * scale[1]
    if isinstance(shape, Polygons):
        return _mapped(shape, scale, shift)
    if isinstance(shape, Mask):
        return _resampled(shape, scale, shift)
    xs, ys = ((shape.x0, shape.x1), (shape.y0, shape.y1))
    return bounds(
        Box(
            xs[0] * scale[0] + shift[0],
            ys[0] * scale[1] + shift[1],
            xs[1] * scale[0] + shift[0],
            ys[1] * scale[1] + shift[1],
        )
    )


def _resampled(mask: Mask, scale: tuple[float, float], shift: tuple[float, float]) -> Mask:
    if not mask.bits.size:
        return mask
    if 0.0 in scale:
        return _empty()
    edges = [
        sorted((start * by + to, (start + extent) * by + to))
        for start, extent, by, to in (
            (mask.x, mask.width, scale[0], shift[0]),
            (mask.y, mask.height, scale[1], shift[1]),
        )
    ]
    sources = []
    for (low, high), start, extent, by, to in zip(
        edges, (mask.x, mask.y), (mask.width, mask.height), scale, shift, strict=True
    ):
        centres = np.arange(int(np.ceil(low - 0.5)), int(np.ceil(high - 0.5))) + 0.5
        sources.append(np.clip(np.floor((centres - to) / by).astype(np.int64) - start, 0, extent - 1))
    columns, rows = sources
    bits = mask.bits[np.ix_(rows, columns)]
    return from_bits(bits, int(np.ceil(edges[0][0] - 0.5)), int(np.ceil(edges[1][0] - 0.5)))


def clipped(shape: Shape, size: tuple[int, int]) -> Shape:
    """The part of the shape that lies inside an image of size (H, W).

    A box wholly outside gives a box without area on the border; a polygon loses the parts outside. A shape
    that lies inside is given back as it is, its `origin` with it.
    """
    height, width = size
    box = bounds(shape)
    if box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height:
        return shape
    if isinstance(shape, Box):
        x0, x1 = np.clip((box.x0, box.x1), 0, width).tolist()
        y0, y1 = np.clip((box.y0, box.y1), 0, height).tolist()
        return Box(x0, y0, x1, y1)
    if isinstance(shape, Mask):
        return _clipped_mask(shape, size)
    return Polygons(tuple(part for part in (_clipped_part(part, size) for part in shape.parts) if part))


def _clipped_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    height, width = size
    x0, y0 = max(mask.x, 0), max(mask.y, 0)
    x1, y1 = min(mask.x + mask.width, width), min(mask.y + mask.height, height)
    if x0 >= x1 or y0 >= y1:
        return _empty()
    if (x0, y0, x1 - x0, y1 - y0) == (mask.x, mask.y, mask.width, mask.height):
        return mask
    return Mask(x0, y0, mask.bits[y0 - mask.y : y1 - mask.y, x0 - mask.x : x1 - mask.x].copy())


def _clipped_part(part: Part, size: tuple[int, int]) -> Part | None:
    outer = clipped_ring(part.outer, size)
    if len(outer) < 3:
        return None
    holes = (clipped_ring(hole, size) for hole in part.holes)
    return Part(outer, tuple(hole for hole in holes if len(hole) >= 3))


# vertices


def _ring(part: Part, ring: int) -> Points:
    return part.holes[ring - 1] if ring else part.outer


def _with_ring(shape: Polygons, at: Corner, points: Points) -> Polygons:
    part = shape.parts[at.part]
    if at.ring == 0:
        changed = Part(points, part.holes)
    else:
        changed = Part(part.outer, (*part.holes[: at.ring - 1], points, *part.holes[at.ring :]))
    return Polygons((*shape.parts[: at.part], changed, *shape.parts[at.part + 1 :]))


def nearest_vertex(shape: Polygons, x: float, y: float) -> tuple[Corner, float] | None:
    """The vertex nearest to (x, y) and its distance in pixels; None for an outline without points."""
    best: tuple[Corner, float] | None = None
    for number, part in enumerate(shape.parts):
        for ring, points in enumerate((part.outer, *part.holes)):
            distances = np.hypot(*(points - (x, y)).T)
            index = int(distances.argmin())
            if best is None or distances[index] < best[1]:
                best = Corner(number, ring, index), float(distances[index])
    return best


def nearest_edge(shape: Polygons, x: float, y: float) -> tuple[Corner, tuple[float, float], float] | None:
    """The edge nearest to (x, y): the vertex it starts from, its point nearest to (x, y), the distance.

    Distances in pixels; None for an outline without points.
    """
    best: tuple[Corner, tuple[float, float], float] | None = None
    for number, part in enumerate(shape.parts):
        for ring, points in enumerate((part.outer, *part.holes)):
            distances, nearest = distances_to_edges(points, x, y)
            index = int(distances.argmin())
            if best is None or distances[index] < best[2]:
                point = float(nearest[index, 0]), float(nearest[index, 1])
                best = Corner(number, ring, index), point, float(distances[index])
    return best


def moved_vertex(shape: Polygons, at: Corner, x: float, y: float) -> Polygons:
    """The outline with the vertex `at` moved to (x, y)."""
    points = _ring(shape.parts[at.part], at.ring).copy()
    points[at.index] = x, y
    return _with_ring(shape, at, points)


def inserted_vertex(shape: Polygons, after: Corner, x: float, y: float) -> Polygons:
    """The outline with a new vertex (x, y) on the edge that starts at the vertex `after`."""
    points = np.insert(_ring(shape.parts[after.part], after.ring), after.index + 1, (x, y), axis=0)
    return _with_ring(shape, after, points)


def deleted_vertex(shape: Polygons, at: Corner) -> Polygons:
    """The outline without the vertex `at`.

    A hole that is left with two points goes, and so does a part whose outer ring is.
    """
    part = shape.parts[at.part]
    points = np.delete(_ring(part, at.ring), at.index, axis=0)
    if len(points) >= 3:
        return _with_ring(shape, at, points)
    if at.ring == 0:
        return Polygons((*shape.parts[: at.part], *shape.parts[at.part + 1 :]))
    changed = Part(part.outer, (*part.holes[: at.ring - 1], *part.holes[at.ring :]))
    return Polygons((*shape.parts[: at.part], changed, *shape.parts[at.part + 1 :]))
