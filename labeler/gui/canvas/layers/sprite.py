"""A few shapes drawn once for a view, and kept until one of them or the view changes."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from labeler.core.geometry import bounds
from labeler.core.records import Box, Mask, Shape
from labeler.gui.canvas.layers.drawing import REACH, Look, Rgb, draw_shape
from labeler.gui.canvas.layers.qimages import shared_overlay
from labeler.gui.canvas.viewport import Rect, Viewport, clipped, united


class SpriteJob(Struct, frozen=True, eq=False):
    """A shape to be drawn in a colour and a look."""

    shape: Shape
    color: Rgb
    look: Look


def rough_bounds(shape: Shape) -> Box:
    """A box around a shape that costs nothing to know: of a mask its crop."""
    if isinstance(shape, Mask):
        return Box(shape.x, shape.y, shape.x + shape.width, shape.y + shape.height)
    return bounds(shape)


def rect_on_screen(shape: Shape, view: Viewport, *, reach: float = 0.0) -> Rect:
    """The whole pixels that a shape, and `reach` pixels around it, lie on."""
    box = rough_bounds(shape)
    x0, y0 = view.point_on_screen(box.x0, box.y0)
    x1, y1 = view.point_on_screen(box.x1, box.y1)
    return (
        math.floor(x0 - reach),
        math.floor(y0 - reach),
        math.ceil(x1 + reach),
        math.ceil(y1 + reach),
    )


class Sprite:
    """The picture of some jobs, as large as they are on the screen."""

    def __init__(self) -> None:
        self._jobs: tuple[SpriteJob, ...] = ()
        self._for: tuple[Viewport, tuple[int, int], float] | None = None
        self._buffer = np.zeros((0, 0, 4), dtype=np.uint8)
        self._image: QImage | None = None
        """On the buffer's memory."""
        self._corner = QPointF()

    def paint(
        self,
        painter: QPainter,
        jobs: Sequence[SpriteJob],
        view: Viewport,
        size: tuple[int, int],
        ratio: float,
    ) -> None:
        """Paint the jobs for a widget's view and size (width, height)."""
        wanted = (view, size, ratio)
        if self._for != wanted or not _same(self._jobs, jobs):
            self._jobs, self._for = tuple(jobs), wanted
            self._draw(view.magnified(ratio), (round(size[0] * ratio), round(size[1] * ratio)), ratio)
        if self._image is not None:
            painter.drawImage(self._corner, self._image)

    def _draw(self, device: Viewport, room: tuple[int, int], ratio: float) -> None:
        place: Rect | None = None
        for job in self._jobs:
            rect = clipped(rect_on_screen(job.shape, device, reach=REACH * ratio), room)
            place = united(place, rect)
        if place is None:
            self._image = None
            return
        x0, y0, x1, y1 = place
        buffer = np.zeros((y1 - y0, x1 - x0, 4), dtype=np.uint8)
        for job in self._jobs:
            draw_shape(buffer, device.panned(-x0, -y0), job.shape, job.color, job.look, ratio=ratio)
        self._buffer, self._image = buffer, shared_overlay(buffer)
        self._image.setDevicePixelRatio(ratio)
        self._corner = QPointF(x0 / ratio, y0 / ratio)


def _same(a: Sequence[SpriteJob], b: Sequence[SpriteJob]) -> bool:
    """Whether the same shapes (not equal ones: those would cost to compare) are to look the same."""
    return len(a) == len(b) and all(
        one.shape is other.shape and one.color == other.color and one.look is other.look
        for one, other in zip(a, b, strict=True)
    )
