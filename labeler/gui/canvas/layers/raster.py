"""Filling and stroking many rings into a premultiplied buffer with OpenCV.

A buffer is (H, W, 4) uint8 in B, G, R, A order, colours premultiplied by A; a slice of one does as well.
Rings here are (N, 2) float32 x, y in the buffer's own pixels.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.gui.canvas.layers.outlines import Ring
from labeler.gui.canvas.layers.qimages import Bytes

Color = tuple[int, int, int, int]

SHIFT = 4
"""OpenCV takes coordinates in sixteenths of a pixel."""
_MOST_DASHES = 4000


def fixed(points: Ring) -> NDArray[np.int32]:
    """Float points as OpenCV's fixed point ones, pixel centres of ours at whole numbers of its."""
    places: NDArray[np.int32] = np.rint((points - np.float32(0.5)) * np.float32(2**SHIFT)).astype(np.int32)
    return places


def fill(buffer: Bytes, rings: Sequence[NDArray[np.int32]], color: Color) -> None:
    """Replace what lies inside the rings of one shape (`fixed` points), by the even-odd rule."""
    if rings:
        cv2.fillPoly(buffer, rings, color, cv2.LINE_8, SHIFT)


def stroke(
    buffer: Bytes,
    rings: Sequence[NDArray[np.int32]],
    color: Color,
    *,
    width: int,
    smooth: bool,
    closed: bool = True,
) -> None:
    """Draw the lines of `fixed` rings, `width` pixels wide, all of them in one call."""
    if not len(rings):
        return
    if not smooth:
        cv2.polylines(buffer, rings, closed, color, width, cv2.LINE_8, SHIFT)
        return
    # OpenCV's smooth lines come out wider than asked for: thickness 1 is 1.3 px, 2 is 3.4 px. The thinnest
    # one drawn three times is 2.0 px wide, and still much faster than one of thickness 2
    for _ in range(3 if width == 2 else 1):
        cv2.polylines(buffer, rings, closed, color, max(width - 1, 1), cv2.LINE_AA, SHIFT)


def frame_box(words: NDArray[np.uint32], box: Sequence[int], color: int, width: int) -> None:
    """Draw the inner edge of a box that may reach beyond the buffer: x0, y0, x1, y1, half-open.

    `words` is a buffer seen as (H, W) 32-bit words, `color` such a word.
    """
    x0, y0, x1, y1 = box
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = max(x1, 0), max(y1, 0)
    words[top : max(y0 + width, 0), left:right] = color
    words[max(y1 - width, 0) : bottom, left:right] = color
    words[top:bottom, left : max(x0 + width, 0)] = color
    words[top:bottom, max(x1 - width, 0) : right] = color


def dash_box(
    words: NDArray[np.uint32], box: Sequence[int], color: int, width: int, *, on: int, off: int
) -> None:
    """Draw the inner edge of a box as `frame_box` does, in dashes that begin anew at each corner."""
    x0, y0, x1, y1 = box
    right, bottom, period = max(x1, 0), max(y1, 0), on + off
    top, foot = slice(max(y0, 0), max(y0 + width, 0)), slice(max(y1 - width, 0), bottom)
    left, far = slice(max(x0, 0), max(x0 + width, 0)), slice(max(x1 - width, 0), right)
    for shift in range(on):
        across = slice(_from(x0 + shift, period), right, period)
        down = slice(_from(y0 + shift, period), bottom, period)
        words[top, across] = color
        words[foot, across] = color
        words[down, left] = color
        words[down, far] = color


def _from(start: int, period: int) -> int:
    """The first place that is not negative of those a period apart."""
    return start if start >= 0 else start % period


def word(color: Color) -> int:
    """A B, G, R, A colour as the 32-bit word that it is in the memory of this machine."""
    return int(np.array(color, dtype=np.uint8).view(np.uint32)[0])


def dashes(ring: Ring, *, on: float, off: float) -> list[Ring]:
    """The dashes of a closed ring, each a short open line; rings too long for it come back whole."""
    closed = np.concatenate([ring, ring[:1]])
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    period = on + off
    count = int(at[-1] / period) + 1
    if count > _MOST_DASHES or at[-1] < on:
        return [closed]
    starts = np.arange(count) * period
    ends = np.minimum(starts + on, at[-1])
    inner = at[(at % period) < on]
    places = np.concatenate([starts, inner, ends])
    dash = np.concatenate([np.arange(count), (inner / period).astype(int), np.arange(count)])
    order = np.lexsort((places, dash))
    places, dash = places[order], dash[order]
    points = np.stack([np.interp(places, at, closed[:, 0]), np.interp(places, at, closed[:, 1])], axis=1)
    cuts = np.flatnonzero(np.diff(dash)) + 1
    return list(np.split(points.astype(np.float32), cuts))
