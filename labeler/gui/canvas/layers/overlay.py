"""All annotations and predictions that are not being edited, in one picture over the photo.

The picture belongs to one view. It is scrolled when the view pans, stretched while the view zooms, and
only then drawn again; a change of one entry redraws its rectangle alone.
"""

import math
import time
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter

from labeler.gui.canvas.layers.drawing import REACH, Detail, Look, draw_scene
from labeler.gui.canvas.layers.qimages import Bytes, shared_overlay
from labeler.gui.canvas.scene import Scene
from labeler.gui.canvas.viewport import Rect, Viewport, clipped, united

_CHEAP = 0.006
"""Seconds: a redraw that took no longer is made in every frame of a zoom too."""
_EDGE = 8
"""Widget pixels around a part that is drawn by itself."""


class Overlay:
    """The picture and the view it belongs to, in device pixels."""

    def __init__(self, layers: Sequence[tuple[Scene, Look]]) -> None:
        self._layers = layers
        self._buffer = np.zeros((0, 0, 4), dtype=np.uint8)
        self._spare = self._buffer
        self._image = QImage()
        self._view = Viewport()
        self._ratio = 1.0
        self._stale = True
        self._dirty: Rect | None = None
        self._details: list[Detail | None] = [None] * len(layers)
        self.cost = 0.0
        """Seconds that the last redraw of everything took."""

    def invalidate(self, box: tuple[float, float, float, float] | None = None) -> None:
        """Something within an image box changed; None for everything."""
        if box is None:
            self._stale = True
            return
        x0, y0 = self._view.point_on_screen(*box[:2])
        x1, y1 = self._view.point_on_screen(*box[2:])
        out = math.ceil(REACH * self._ratio)
        rect = (math.floor(x0) - out, math.floor(y0) - out, math.ceil(x1) + out, math.ceil(y1) + out)
        self._dirty = united(self._dirty, rect)

    def paint(
        self, painter: QPainter, view: Viewport, size: tuple[int, int], ratio: float, *, moving: bool
    ) -> bool:
        """Paint the picture for a widget's view and size (width, height); say whether it is sharp.

        `ratio` is device pixels to a widget pixel. While `moving`, a picture that is dear to redraw is
        stretched to the view.
        """
        device = view.magnified(ratio)
        room = (round(size[0] * ratio), round(size[1] * ratio))
        if self._is_for(device, room, ratio):
            self._refresh()
        elif moving and not self._stale and self.cost > _CHEAP and self._fits(room, ratio):
            self._paint_stretched(painter, device, ratio)
            return False
        elif not self._scroll(device, room, ratio):
            self._redraw(device, room, ratio)
        self._image.setDevicePixelRatio(ratio)
        painter.drawImage(0, 0, self._image)
        return True

    def _fits(self, room: tuple[int, int], ratio: float) -> bool:
        return self._buffer.shape[:2] == room[::-1] and ratio == self._ratio

    def _is_for(self, device: Viewport, room: tuple[int, int], ratio: float) -> bool:
        return not self._stale and device == self._view and self._fits(room, ratio)

    def _paint_stretched(self, painter: QPainter, device: Viewport, ratio: float) -> None:
        """The picture as it is, where the present view has its corners."""
        height, width = self._buffer.shape[:2]
        x0, y0 = device.point_on_screen(*self._view.point_in_image(0, 0))
        x1, y1 = device.point_on_screen(*self._view.point_in_image(width, height))
        self._image.setDevicePixelRatio(1)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(QRectF(x0 / ratio, y0 / ratio, (x1 - x0) / ratio, (y1 - y0) / ratio), self._image)

    def _redraw(self, device: Viewport, room: tuple[int, int], ratio: float) -> None:
        started = time.perf_counter()
        if self._buffer.shape[:2] != room[::-1]:
            self._buffer = np.zeros((room[1], room[0], 4), dtype=np.uint8)
            self._spare = np.zeros_like(self._buffer)
            self._image = shared_overlay(self._buffer)
        self._view, self._ratio, self._stale, self._dirty = device, ratio, False, None
        self._draw((0, 0, *room))
        self.cost = time.perf_counter() - started

    def _refresh(self) -> None:
        """Draw again what changed since the last paint."""
        rect, self._dirty = self._dirty, None
        if rect is not None and (rect := clipped(rect, self._room)):
            self._draw(rect)

    @property
    def _room(self) -> tuple[int, int]:
        return self._buffer.shape[1], self._buffer.shape[0]

    def _scroll(self, device: Viewport, room: tuple[int, int], ratio: float) -> bool:
        """Move the picture by whole pixels and draw the strips that come into sight; False if it cannot."""
        if self._stale or device.scale != self._view.scale or not self._fits(room, ratio):
            return False
        shift = (device.offset[0] - self._view.offset[0], device.offset[1] - self._view.offset[1])
        dx, dy = round(shift[0]), round(shift[1])
        if max(abs(shift[0] - dx), abs(shift[1] - dy)) > 0.01 or abs(dx) >= room[0] or abs(dy) >= room[1]:
            return False
        self._refresh()
        width, height = room
        self._spare[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = self._buffer[
            max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
        ]
        self._buffer, self._spare = self._spare, self._buffer
        self._image = shared_overlay(self._buffer)
        self._view = device
        if dx:
            self._draw((0, 0, dx, height) if dx > 0 else (width + dx, 0, width, height))
        if dy:
            self._draw((0, 0, width, dy) if dy > 0 else (0, height + dy, width, height))
        return True

    def _draw(self, rect: Rect) -> None:
        """Draw one rectangle of the picture anew, as plainly as the rest of it.

        It is drawn with a margin, since OpenCV rounds lines differently where it clips them.
        """
        x0, y0, x1, y1 = rect
        whole = rect == (0, 0, *self._room)
        edge = 0 if whole else math.ceil(_EDGE * self._ratio)
        part: Bytes = self._buffer
        if not whole:
            part = np.zeros((y1 - y0 + 2 * edge, x1 - x0 + 2 * edge, 4), dtype=np.uint8)
        else:
            part[:] = 0
            self._details = [None] * len(self._layers)
        view = self._view.panned(edge - x0, edge - y0)
        for at, (scene, look) in enumerate(self._layers):
            detail = draw_scene(part, view, scene, look, ratio=self._ratio, detail=self._details[at])
            self._details[at] = detail
        if not whole:
            self._buffer[y0:y1, x0:x1] = part[edge : edge + y1 - y0, edge : edge + x1 - x0]
