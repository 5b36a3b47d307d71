"""A brush stroke: a mask that changes in place, measured by the rectangle of each dab."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.geometry import crop, from_bits, paste
from labeler.core.measures.overlap import Overlap, mask_overlap, updated
from labeler.core.records import Mask
from labeler.gui.canvas.viewport import Rect, clipped, united

_SHIFT = 4
"""OpenCV takes coordinates in sixteenths of a pixel."""


class Stroke:
    """The working mask from press to release. Nothing here costs more than the rectangle it touches."""

    def __init__(self, *, size: tuple[int, int], start: Mask | None, reference: Mask | None) -> None:
        self.bits = np.zeros(size, dtype=bool)
        """(H, W) of the image."""
        self.box: Rect | None = None
        """What is set lies within it."""
        self.overlap: Overlap | None = None
        """With the reference, always up to date; None without one."""
        self._reference = reference
        if start is not None and start.bits.size:
            paste(start, self.bits)
            rect = (start.x, start.y, start.x + start.width, start.y + start.height)
            self.box = clipped(rect, size[::-1])
        if reference is not None:
            self.overlap = mask_overlap(self.draft, reference)

    @property
    def draft(self) -> Mask:
        """The mask as it is, sharing the stroke's memory."""
        if self.box is None:
            return Mask(0, 0, np.zeros((0, 0), dtype=bool))
        x0, y0, x1, y1 = self.box
        return Mask(x0, y0, self.bits[y0:y1, x0:x1])

    def finished(self) -> Mask:
        """A tight copy of the mask, empty where nothing is left."""
        draft = self.draft
        return from_bits(draft.bits.copy(), draft.x, draft.y)

    def dab(
        self, a: tuple[float, float], b: tuple[float, float], *, diameter: float, value: bool
    ) -> Rect | None:
        """Set or clear a round line from image point a to b; gives the rectangle that may have changed."""
        radius = max(diameter / 2, 0.5)
        reach = math.ceil(radius) + 1
        height, width = self.bits.shape
        rect = clipped(
            (
                math.floor(min(a[0], b[0])) - reach,
                math.floor(min(a[1], b[1])) - reach,
                math.ceil(max(a[0], b[0])) + reach,
                math.ceil(max(a[1], b[1])) + reach,
            ),
            (width, height),
        )
        if rect is None:
            return None
        x0, y0, x1, y1 = rect
        patch = self.bits[y0:y1, x0:x1]
        before = patch.copy() if self._reference is not None else patch
        _draw_line(patch.view(np.uint8), (a[0] - x0, a[1] - y0), (b[0] - x0, b[1] - y0), radius, int(value))
        if self._reference is not None and self.overlap is not None:
            reference = crop(self._reference, x0, y0, x1, y1)
            self.overlap = updated(self.overlap, before=before, after=patch, reference=reference)
        if value:
            self.box = united(self.box, rect)
        return rect


def _draw_line(
    pixels: NDArray[np.uint8], a: tuple[float, float], b: tuple[float, float], radius: float, value: int
) -> None:
    """A line with round ends: pixels whose centres are within `radius` of it, to OpenCV's rounding."""
    ends = [tuple(round((v - 0.5) * 2**_SHIFT) for v in end) for end in (a, b)]
    reach = round(radius * 2**_SHIFT)
    for end in dict.fromkeys(ends):
        cv2.circle(pixels, end, reach, value, -1, cv2.LINE_8, _SHIFT)
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    if length > 0:
        across = (-(b[1] - a[1]) / length * radius, (b[0] - a[0]) / length * radius)
        corners = [(x + s * across[0], y + s * across[1]) for (x, y), s in ((a, 1), (b, 1), (b, -1), (a, -1))]
        band = np.rint((np.array(corners) - 0.5) * 2**_SHIFT).astype(np.int32)
        cv2.fillConvexPoly(pixels, band, value, cv2.LINE_8, _SHIFT)
