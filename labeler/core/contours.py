"""From pixels to outlines: the rings along the edges of a mask's pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.records import Bits, Mask, Part, Points, Polygons

_Indices = NDArray[np.int64]


def outline(mask: Mask, *, tolerance: float = 0.0) -> Polygons:
    """The mask's contours along its pixels' edges, each part with its holes, in image coordinates.

    Pixels that touch by a corner only belong to different parts. With `tolerance` 0 rasterising the
    result gives back exactly the same mask; else no point of a contour moves by more than `tolerance`
    pixels (Douglas and Peucker, 1973), and rings that this leaves without area are dropped.
    """
    if not mask.bits.any():
        return Polygons(())
    x, y, visits, saddle_side = _corners(mask.bits)
    labels = cv2.connectedComponents(np.ascontiguousarray(mask.bits).view(np.uint8), connectivity=4)[1]
    outers: dict[int, Points] = {}
    holes: dict[int, list[Points]] = {}
    for ring in _cycles(_partners(y, x, visits), _partners(x, y, saddle_side)):
        first = ring[0]
        column, row = int(x[first]), int(y[first])
        points = np.stack((x[ring] + mask.x, y[ring] + mask.y), axis=1).astype(np.float64)
        simple = simplified(points, tolerance)
        # a ring starts at its upper left corner: it runs around foreground or below foreground there
        inside = column < mask.width and row < mask.height and bool(mask.bits[row, column])
        if inside:
            outers[int(labels[row, column])] = simple
        elif len(simple) >= 3:
            holes.setdefault(int(labels[row - 1, column]), []).append(simple)
    return Polygons(
        tuple(Part(outer, tuple(holes.get(label, ()))) for label, outer in outers.items() if len(outer) >= 3)
    )


def _corners(bits: Bits) -> tuple[_Indices, _Indices, _Indices, _Indices]:
    """Where contours turn, row by row: x, y, and how the visits of one corner sort along x and along y.

    A corner between two diagonal pixels is visited twice, and so listed twice: first by the ring that
    uses the edge to its left, then by the one that uses the edge to its right.
    """
    height, width = bits.shape
    padded = np.zeros((height + 2, width + 2), dtype=np.bool_)
    padded[1:-1, 1:-1] = bits
    above = padded[:-1, :-1] ^ padded[:-1, 1:]
    below = padded[1:, :-1] ^ padded[1:, 1:]
    left = padded[:-1, :-1] ^ padded[1:, :-1]
    # an edge above without one below (or the reverse) is a turn; a saddle has all four
    y, x = np.nonzero((above ^ below) | (above & below & left))
    saddle = above[y, x] & below[y, x]
    falling = padded[y, x]  # the foreground lies upper left and lower right
    twice = np.repeat(np.arange(len(x)), 1 + saddle)
    second = np.concatenate(([False], twice[1:] == twice[:-1]))
    # foreground joined by a corner only is kept apart, which fixes the vertical edge of each visit
    along_y = np.where(falling[twice], second, ~second)
    return x[twice], y[twice], second.astype(np.int64), along_y.astype(np.int64)


def _partners(line: _Indices, position: _Indices, visit: _Indices) -> list[int]:
    """For each corner the one at the other end of its edge along a line (a row, or a column)."""
    order = np.lexsort((visit, position, line)).reshape(-1, 2)
    partner = np.empty(order.size, dtype=np.int64)
    partner[order[:, 0]], partner[order[:, 1]] = order[:, 1], order[:, 0]
    partners: list[int] = partner.tolist()
    return partners


def _cycles(along_row: list[int], along_column: list[int]) -> list[list[int]]:
    """The rings as indices of corners: every second step goes along a row, the others along a column."""
    seen = bytearray(len(along_row))
    cycles = []
    for start in range(len(along_row)):
        if seen[start]:
            continue
        cycle: list[int] = []
        here = start
        while not seen[here]:
            across = along_row[here]
            seen[here] = seen[across] = 1
            cycle += (here, across)
            here = along_column[across]
        cycles.append(cycle)
    return cycles


def simplified(ring: Points, tolerance: float) -> Points:
    """A ring (N, 2) with fewer corners, none of which was further than `tolerance` pixels from it.

    By Douglas and Peucker (1973); it may be left with fewer than 3. With 0 it is given back as it is.
    """
    if tolerance <= 0:
        return ring
    origin = ring[0]
    # float32 inside: relative to a corner of the ring, pixel edges stay exact
    points = cv2.approxPolyDP((ring - origin).astype(np.float32), tolerance, closed=True)
    simple: Points = points.reshape(-1, 2).astype(np.float64) + origin
    return simple
