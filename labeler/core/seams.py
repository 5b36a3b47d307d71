"""A part with holes as one ring, for formats that know no holes.

Each hole is joined to the ring around it by a seam: an edge that is walked there and back, and so encloses
nothing, neither by the even-odd rule nor, since holes run the other way round, by winding number.
"""

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
