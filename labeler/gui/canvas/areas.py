"""The areas of two compared shapes in three colours: what both cover, and what only one does."""

import numpy as np
from msgspec import Struct
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from labeler.core.colors import rgb
from labeler.core.records import Shape
from labeler.gui.canvas.layers import raster
from labeler.gui.canvas.layers.drawing import REACH, Look, draw_shape
from labeler.gui.canvas.layers.outlines import level_for, rings
from labeler.gui.canvas.layers.qimages import Bytes, premultiplied, shared_overlay
from labeler.gui.canvas.layers.sprite import rect_on_screen
from labeler.gui.canvas.viewport import Viewport, clipped, united
from labeler.gui.toolkit import theme

_OPACITY = 0.55
_EDGE = Look(0.0, width=2.0)


class _State(Struct, frozen=True, eq=False):
    shapes: tuple[Shape, Shape]
    view: Viewport
    size: tuple[int, int]
    ratio: float

    def same(self, other: "_State | None") -> bool:
        """Whether the picture would be the same."""
        return (
            other is not None
            and self.shapes[0] is other.shapes[0]
            and self.shapes[1] is other.shapes[1]
            and (self.view, self.size, self.ratio) == (other.view, other.size, other.ratio)
        )


class Areas:
    """Paints intersection, only A and only B; kept until one of the shapes or the view changes."""

    def __init__(self) -> None:
        self._state: _State | None = None
        self._buffer: Bytes = np.zeros((0, 0, 4), dtype=np.uint8)
        self._image: QImage | None = None
        self._corner = QPointF()

    def paint(
        self,
        painter: QPainter,
        shapes: tuple[Shape, Shape],
        view: Viewport,
        size: tuple[int, int],
        ratio: float,
    ) -> None:
        """Paint for a widget's view and size (width, height) with `ratio` device pixels to a pixel."""
        state = _State(shapes, view, size, ratio)
        if not state.same(self._state):
            self._state = state
            self._draw(state)
        if self._image is not None:
            painter.drawImage(self._corner, self._image)

    def _draw(self, state: _State) -> None:
        device, ratio = state.view.magnified(state.ratio), state.ratio
        room = round(state.size[0] * ratio), round(state.size[1] * ratio)
        reach = REACH * ratio
        place = None
        for shape in state.shapes:
            place = united(place, clipped(rect_on_screen(shape, device, reach=reach), room))
        self._image = None
        if place is None:
            return
        x0, y0, x1, y1 = place
        view = device.panned(-x0, -y0)
        inside = [_inside(shape, view, (y1 - y0, x1 - x0)) for shape in state.shapes]
        self._buffer = _table()[inside[0] + 2 * inside[1]]
        for shape, color in zip(state.shapes, (theme.ONLY_A, theme.ONLY_B), strict=True):
            draw_shape(self._buffer, view, shape, rgb(color), _EDGE, ratio=ratio)
        self._image = shared_overlay(self._buffer)
        self._image.setDevicePixelRatio(ratio)
        self._corner = QPointF(x0 / ratio, y0 / ratio)


def _inside(
    shape: Shape, view: Viewport, size: tuple[int, int]
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """(H, W) uint8, 1 inside the shape, in the pixels that `view` maps image pixels to."""
    plane = np.zeros(size, dtype=np.uint8)
    offset = np.asarray(view.offset, dtype=np.float32)
    lines = [ring * np.float32(view.scale) + offset for ring in rings(shape, level_for(view.scale))]
    raster.fill(plane, [raster.fixed(line) for line in lines], (1, 0, 0, 0))
    return plane


def _table() -> Bytes:
    """Premultiplied colours by 1 for inside A plus 2 for inside B."""
    table = np.zeros((4, 4), dtype=np.uint8)
    for place, color in ((1, theme.ONLY_A), (2, theme.ONLY_B), (3, theme.BOTH)):
        table[place] = premultiplied(rgb(color), _OPACITY)
    return table
