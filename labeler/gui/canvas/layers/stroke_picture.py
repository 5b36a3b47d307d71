"""The mask under the brush on the screen: the rectangle of each dab is redrawn, not the mask."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage, QPainter

from labeler.core.records import Bits
from labeler.gui.canvas.layers import raster
from labeler.gui.canvas.layers.qimages import premultiplied, shared_overlay
from labeler.gui.canvas.viewport import Rect, Viewport, clipped

_FILL = 0.34


class StrokePicture:
    """A picture of one working mask (H, W) in device pixels."""

    def __init__(self, bits: Bits, color: tuple[int, int, int]) -> None:
        self._bits = bits
        self._fill = raster.word(premultiplied(color, _FILL))
        self._line = raster.word(premultiplied(color, 1))
        self._buffer = np.zeros((0, 0, 4), dtype=np.uint8)
        self._image = QImage()
        self._view: tuple[Viewport, float] | None = None
        self._columns = self._rows = np.zeros(0, dtype=np.int64)

    def paint(self, painter: QPainter, view: Viewport, size: tuple[int, int], ratio: float) -> None:
        """Paint the mask for a widget's view and size; all of it is drawn anew only for another view."""
        room = (round(size[0] * ratio), round(size[1] * ratio))
        if self._view != (view, ratio) or self._buffer.shape[:2] != room[::-1]:
            self._view = (view, ratio)
            self._buffer = np.zeros((room[1], room[0], 4), dtype=np.uint8)
            self._image = shared_overlay(self._buffer)
            self._image.setDevicePixelRatio(ratio)
            device = view.magnified(ratio)
            height, width = self._bits.shape
            self._columns = _sources(room[0], device.offset[0], device.scale, width)
            self._rows = _sources(room[1], device.offset[1], device.scale, height)
            self._draw((0, 0, *room))
        painter.drawImage(0, 0, self._image)

    def touch(self, rect: Rect) -> Rect | None:
        """Redraw a changed rectangle of the image; gives the widget's rectangle to repaint."""
        if self._view is None:
            return None
        view, ratio = self._view
        device = view.magnified(ratio)
        x0, y0 = device.point_on_screen(*rect[:2])
        x1, y1 = device.point_on_screen(*rect[2:])
        out = math.ceil(2 * ratio) + 1
        place = (math.floor(x0) - out, math.floor(y0) - out, math.ceil(x1) + out, math.ceil(y1) + out)
        seen = clipped(place, (self._buffer.shape[1], self._buffer.shape[0]))
        if seen is None:
            return None
        self._draw(seen)
        a, b, c, d = seen
        return math.floor(a / ratio), math.floor(b / ratio), math.ceil(c / ratio), math.ceil(d / ratio)

    def _draw(self, rect: Rect) -> None:
        """Draw one rectangle of the picture: the inside, and a line along its edge."""
        assert self._view is not None
        line = max(round(2 * self._view[1]), 1)
        height, width = self._buffer.shape[:2]
        x0, y0 = max(rect[0] - line, 0), max(rect[1] - line, 0)
        x1, y1 = min(rect[2] + line, width), min(rect[3] + line, height)
        rows, columns = self._rows[y0:y1], self._columns[x0:x1]
        inside = self._bits[np.maximum(rows, 0)][:, np.maximum(columns, 0)]
        inside &= (rows >= 0)[:, None] & (columns >= 0)[None]
        kernel = np.ones((2 * line + 1, 2 * line + 1), dtype=np.uint8)
        core = cv2.erode(inside.view(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE)
        words = np.where(np.asarray(core).view(bool), self._fill, np.where(inside, self._line, 0))
        part = words[rect[1] - y0 : rect[3] - y0, rect[0] - x0 : rect[2] - x0]
        self._buffer.view(np.uint32)[rect[1] : rect[3], rect[0] : rect[2], 0] = part


def _sources(count: int, offset: float, scale: float, size: int) -> NDArray[np.int64]:
    """For each of `count` device pixels the image pixel under its centre, -1 for none."""
    at: NDArray[np.int64] = np.floor((np.arange(count) + 0.5 - offset) / scale).astype(np.int64)
    at[(at < 0) | (at >= size)] = -1
    return at
