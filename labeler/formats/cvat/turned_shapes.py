"""Turned boxes and ellipses as outlines, and outlines that still are such as boxes and ellipses again.

We edit neither, so they come in as outlines. What an outline once was is not stored as numbers beside it,
which would be wrong as soon as it is moved: it is read off its corners, as long as they still say it. Angles
are degrees clockwise as seen (y runs down).
"""

from math import acos, atan2, ceil, cos, degrees, hypot, pi, radians, sin

import numpy as np

from labeler.core.records import Box, Part, Points, Polygons

_STRAY = 0.02
"""Pixels by which the chords of an ellipse may stray from it."""
_FEWEST, _MOST = 12, 1024
"""Corners of its outline; the most are enough up to a radius of 4,000 pixels."""
_NEAR = 2e-3
"""Pixels by which corners may be off and still be those of a turned box or an ellipse."""


def turned_box(box: Box, angle: float, *, about: tuple[float, float] | None = None) -> Polygons:
    """The outline of a box turned by `angle` about a point, by default its centre.

    Its corners are top left, top right, bottom right, bottom left of the box before it was turned.
    """
    x, y = about or ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    corners = np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])
    return Polygons((Part(_turned(corners, angle, (x, y))),))


def as_turned_box(shape: object) -> tuple[Box, float] | None:
    """The box about its centre and the angle (0 to 360) of an outline; None where it is no rectangle."""
    ring = _one_ring(shape)
    if ring is None or len(ring) != 4:
        return None
    x, y = ring.mean(axis=0).tolist()
    right, down = (ring[1] - ring[0] + ring[2] - ring[3]) / 2, (ring[3] - ring[0] + ring[2] - ring[1]) / 2
    width, height = hypot(*right), hypot(*down)
    angle = degrees(atan2(right[1], right[0])) % 360
    box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    again = turned_box(box, angle).parts[0].outer
    return (box, angle) if np.allclose(again, ring, rtol=0, atol=_NEAR) else None


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> Polygons:
    """The outline of an ellipse about (x, y) whose radius `rx` points to `angle`."""
    step = acos(1 - _STRAY / max(rx, ry, _STRAY))
    count = min(max(_FEWEST, 4 * ceil(pi / step / 4)), _MOST)
    at = 2 * pi * np.arange(count) / count
    ring = np.stack((rx * np.cos(at), ry * np.sin(at)), axis=1)
    return Polygons((Part(_turned(ring + np.array((x, y)), angle, (x, y))),))


def as_ellipse(shape: object) -> tuple[float, float, float, float, float] | None:
    """x, y, rx, ry and angle (0 to 360) of an outline whose corners are even steps around an ellipse.

    So is what `ellipse` gives, and what moving, scaling or mirroring makes of it; else None. The two
    half axes that it was made of are its first Fourier coefficients; where scaling has made them oblique,
    their principal axes are taken (singular value decomposition).
    """
    ring = _one_ring(shape)
    if ring is None or len(ring) < _FEWEST:
        return None
    at = 2 * pi * np.arange(len(ring)) / len(ring)
    centre = ring.mean(axis=0)
    first, second = 2 * np.cos(at) @ ring / len(ring), 2 * np.sin(at) @ ring / len(ring)
    again = centre + np.cos(at)[:, None] * first + np.sin(at)[:, None] * second
    if not np.allclose(again, ring, rtol=0, atol=_NEAR):
        return None
    rx, ry = hypot(*first), hypot(*second)
    if abs(float(first @ second)) > 1e-6 * max(rx * ry, 1e-9):
        axes, lengths, _ = np.linalg.svd(np.stack((first, second), axis=1))
        first, rx, ry = axes[:, 0], float(lengths[0]), float(lengths[1])
    if min(rx, ry) <= 0:
        return None
    return float(centre[0]), float(centre[1]), rx, ry, degrees(atan2(first[1], first[0])) % 360


def _turned(points: Points, angle: float, about: tuple[float, float]) -> Points:
    c, s = cos(radians(angle)), sin(radians(angle))
    centre = np.array(about)
    turned: Points = (points - centre) @ np.array([[c, s], [-s, c]]) + centre
    return turned


def _one_ring(shape: object) -> Points | None:
    """The ring of an outline of one part without holes."""
    if not isinstance(shape, Polygons) or len(shape.parts) != 1 or shape.parts[0].holes:
        return None
    return shape.parts[0].outer
