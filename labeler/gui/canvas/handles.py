"""The handles of a frame: where they are, which one the mouse is on, and what dragging one makes."""

import math

from PySide6.QtCore import Qt

from labeler.core.records import Box
from labeler.gui.canvas.stage import REACH

HANDLES = ((0, 0), (0.5, 0), (1, 0), (1, 0.5), (1, 1), (0.5, 1), (0, 1), (0, 0.5))
"""Where the eight handles sit on a frame, as parts of its width and height."""
_DIAGONAL_DOWN, _DIAGONAL_UP = Qt.CursorShape.SizeFDiagCursor, Qt.CursorShape.SizeBDiagCursor
_UPRIGHT, _LEVEL = Qt.CursorShape.SizeVerCursor, Qt.CursorShape.SizeHorCursor
CURSORS = (_DIAGONAL_DOWN, _UPRIGHT, _DIAGONAL_UP, _LEVEL) * 2
"""The cursor over each."""
_INSIDE = 0.25
"""Share of a side, at each of its ends, that may belong to the edges there: the rest is the inside."""


def handle_points(frame: Box) -> list[tuple[float, float]]:
    """The eight handles of a frame, image coordinates, clockwise from the top left."""
    return [(frame.x0 + u * frame.width, frame.y0 + v * frame.height) for u, v in HANDLES]


def handle_at(frame: Box, x: float, y: float, *, scale: float) -> int | None:
    """The place in `HANDLES` of the handle at an image point; None for none.

    `scale` is widget pixels to an image pixel.
    """
    near = [math.hypot(px - x, py - y) * scale for px, py in handle_points(frame)]
    best = min(range(len(near)), key=near.__getitem__)
    return best if near[best] <= REACH + 1 else None


def edge_at(frame: Box, x: float, y: float, *, scale: float) -> tuple[int, float] | None:
    """The corner or edge of a frame at an image point: its place in `HANDLES`, how many widget pixels off.

    All of an edge counts, not only its middle. None for the inside and for what is further off.
    """
    across = _end_at(frame.x0, frame.x1, x, scale)
    down = _end_at(frame.y0, frame.y1, y, scale)
    if across is None or down is None or across[0] == down[0] == 0.5:
        return None
    # of a side that the point is in the middle of, nothing is off
    return HANDLES.index((across[0], down[0])), max(across[1], down[1])


def _end_at(start: float, end: float, at: float, scale: float) -> tuple[float, float] | None:
    """Which end of a side a coordinate is at (0 or 1, 0.5 between them), and how far off on the screen."""
    within = min(REACH, _INSIDE * (end - start) * scale)
    for share, inwards in ((0, (at - start) * scale), (1, (end - at) * scale)):
        if -REACH <= inwards <= within:
            return share, abs(inwards)
    return (0.5, 0.0) if start < at < end else None


def stretched(start: Box, u: float, v: float, x: float, y: float) -> Box:
    """The frame with the handle at (u, v) of it dragged to (x, y); never inverted."""
    xs, ys = [start.x0, start.x1], [start.y0, start.y1]
    if u != 0.5:
        xs[round(u)] = x
    if v != 0.5:
        ys[round(v)] = y
    return Box(min(xs), min(ys), max(xs), max(ys))
