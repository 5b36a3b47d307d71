"""A part with holes as one ring, for formats that know no holes.

Each hole is joined to the ring around it by a seam: an edge that is walked there and back, and so encloses
nothing, neither by the even-odd rule nor, since holes run the other way round, by winding number.
"""

from collections.abc import Sequence

import numpy as np

from labeler.core.records import Part, Points


def seamed(part: Part) -> Points:
    """One ring (N, 2) that encloses what the part does; the outer ring itself where there are no holes.

    From the leftmost point of each hole, the leftmost hole first, the seam runs straight to the left until
    it meets the ring, so it crosses nothing (D. Eberly, "Triangulation by Ear Clipping", 2002, looks for the
    same place).
    """
    if not part.holes:
        return part.outer
    ring = part.outer if _turn(part.outer) >= 0 else part.outer[::-1]
    for hole in sorted(part.holes, key=lambda points: (points[:, 0].min(), points[:, 1].min())):
        ring = _joined(ring, hole if _turn(hole) < 0 else hole[::-1])
    return ring


def linked(rings: Sequence[Points]) -> Points:
    """One ring (N, 2) that encloses what separate outer rings do, each joined by a seam to those before it.

    The seam runs between the nearest corners of the two, there and back, as ultralytics joins the parts of
    an object; where rings lie in each other's way it may cross one, which encloses nothing either.
    """
    first, *others = rings
    ring = first if _turn(first) >= 0 else first[::-1]
    for other in others:
        right = other if _turn(other) >= 0 else other[::-1]
        here, there = _nearest(ring, right)
        turned = np.concatenate((right[there:], right[: there + 1]))
        ring = np.concatenate((ring[: here + 1], turned, ring[here:]))
    return ring


_PAIRS = 1 << 22
"""Distances worked out at once, so that long rings cost no more memory."""


def _nearest(ring: Points, other: Points) -> tuple[int, int]:
    """The places of the nearest corners of two rings."""
    best, found = np.inf, (0, 0)
    step = max(1, _PAIRS // len(other))
    for start in range(0, len(ring), step):
        rows = ring[start : start + step]
        far = np.square(rows[:, None] - other[None]).sum(axis=2)
        place = int(far.argmin())
        if far.flat[place] < best:
            best, found = float(far.flat[place]), (start + place // len(other), place % len(other))
    return found


def _turn(ring: Points) -> float:
    """Twice the signed area of a ring."""
    x, y = (ring - ring[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def _joined(ring: Points, hole: Points) -> Points:
    start = int(np.lexsort((hole[:, 1], hole[:, 0]))[0])
    hole = np.concatenate((hole[start:], hole[: start + 1]))
    place, meeting = _left_of(ring, hole[0])
    before, after = ring[: place + 1], ring[place + 1 :]
    seam = [meeting[None], hole, meeting[None], after]
    joined = np.concatenate([before, *seam])
    return joined[np.any(joined != np.roll(joined, 1, axis=0), axis=1)]


def _left_of(ring: Points, point: Points) -> tuple[int, Points]:
    """The edge, by the place of its first point, that is met first to the left of a point, and where.

    A hole that sticks out of the ring, which only a careless hand draws, is joined to the nearest corner.
    """
    x, y = point
    following = np.roll(ring, -1, axis=0)
    crossing = np.flatnonzero((ring[:, 1] <= y) != (following[:, 1] <= y))
    (x0, y0), (x1, y1) = ring[crossing].T, following[crossing].T
    at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    at[at > x] = -np.inf
    if not len(at) or at.max() == -np.inf:
        nearest = int(np.hypot(*(ring - point).T).argmin())
        return nearest, ring[nearest]
    best = int(at.argmax())
    return int(crossing[best]), np.array([at[best], y])
