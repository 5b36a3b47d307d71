"""One closed ring of points (N, 2): area, inside, pixels, clipping, and what of it is nearest to a point."""

import numpy as np
from numpy.typing import NDArray

from labeler.core.records import Bits, Points


def ring_area(ring: Points) -> float:
    """Area of a ring (N, 2) by the shoelace formula, in square pixels, whatever its direction."""
    x, y = (ring - ring[0]).T
    return abs(float(x @ _ahead(y) - y @ _ahead(x))) / 2.0


def _ahead(ring: Points) -> Points:
    """The point after each, around the ring; np.roll takes five times as long on rings as short as these."""
    return np.concatenate((ring[1:], ring[:1]))


def ring_contains(ring: Points, x: float, y: float) -> bool:
    """Even-odd rule: whether a line from (x, y) to the right crosses the ring an odd number of times."""
    x0, y0 = ring.T
    x1, y1 = _ahead(ring).T
    across = (y0 <= y) != (y1 <= y)
    at = x0[across] + (y - y0[across]) * (x1 - x0)[across] / (y1 - y0)[across]
    return bool(np.count_nonzero(at > x) % 2)


def ring_bits(ring: Points, *, x: int, y: int, shape: tuple[int, ...]) -> Bits:
    """The pixels of a window of `shape` (h, w) at (x, y) whose centres lie in the ring, by even-odd."""
    height, width = shape
    runs = np.diff(_toggles(ring, x=x, y=y, shape=shape), prepend=0, append=height * width)
    values = np.zeros(len(runs), dtype=np.bool_)
    values[1::2] = True
    return np.repeat(values, runs).reshape(height, width)


def ring_pixels(ring: Points, *, x: int, y: int, shape: tuple[int, ...]) -> int:
    """How many pixels `ring_bits` gives, counted without making them."""
    toggles = _toggles(ring, x=x, y=y, shape=shape)
    return int((toggles[1::2] - toggles[::2]).sum())


def _toggles(ring: Points, *, x: int, y: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Places in the window, row by row and sorted, from which on pixels are inside, outside, inside, ...

    Every edge toggles, on each row of centres that it crosses, the first pixel to its right. There is an
    even number of them, as a closed ring crosses every row an even number of times.
    """
    height, width = shape
    following = _ahead(ring)
    falls = (ring[:, 1] <= following[:, 1])[:, None]
    # edges are read from top to bottom, in image coordinates whatever the window, so that two shapes that
    # share an edge meet without gap or overlap
    (x0, y0), (x1, y1) = np.where(falls, ring, following).T, np.where(falls, following, ring).T
    first = _within(np.ceil(y0 - 0.5) - y, height)
    counts = _within(np.ceil(y1 - 0.5) - y, height) - first
    edge = np.repeat(np.arange(len(ring)), counts)
    row = np.arange(len(edge)) + (first - np.cumsum(counts) + counts)[edge]
    at = x0[edge] + (row + (y + 0.5) - y0[edge]) * ((x1 - x0)[edge] / (y1 - y0)[edge])
    toggles: NDArray[np.int64] = row * width + _within(np.ceil(at - 0.5) - x, width)
    toggles.sort()
    return toggles


def _within(places: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    return np.minimum(np.maximum(places, 0), limit).astype(np.int64)


def clipped_ring(ring: Points, size: tuple[int, int]) -> Points:
    """The ring's part inside an image of size (H, W); (0, 2) where nothing is left.

    Cut at one border after the other (Sutherland and Hodgman, 1974), so a ring that falls apart stays
    joined along the border.
    """
    height, width = size
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        ring = _cut(ring, axis, limit, sign)
    return ring


def _cut(ring: Points, axis: int, limit: int, sign: int) -> Points:
    if not len(ring):
        return ring
    depth = (ring[:, axis] - limit) * sign
    kept: list[Points] = []
    for index in range(len(ring)):
        before, here = depth[index - 1], depth[index]
        if (before >= 0) != (here >= 0):
            crossing = ring[index - 1] + (ring[index] - ring[index - 1]) * (before / (before - here))
            crossing[axis] = limit
            kept.append(crossing)
        if here >= 0:
            kept.append(ring[index])
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


def distances_to_edges(ring: Points, x: float, y: float) -> tuple[Points, Points]:
    """For each edge of the ring (from point i to the next) its distance (N,) and nearest point (N, 2)."""
    ahead = _ahead(ring) - ring
    offset = (x, y) - ring
    squares = (ahead**2).sum(axis=1)
    along = np.divide((offset * ahead).sum(axis=1), squares, out=np.zeros(len(ring)), where=squares > 0)
    nearest = ring + np.clip(along, 0.0, 1.0)[:, None] * ahead
    return np.hypot(*(nearest - (x, y)).T), nearest
