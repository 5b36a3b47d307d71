"""Which part of the open image is looked at, and how near."""

import math

from PySide6.QtCore import QObject, QPointF, QSize, QTimer, Signal
from PySide6.QtWidgets import QWidget

from labeler.core.records import Box
from labeler.gui.canvas.stage import Stage
from labeler.gui.canvas.viewport import LARGEST, SMALLEST, Viewport, fitted, looking_at

_SETTLE = 40
"""Milliseconds after the last step of a zoom until everything is drawn sharp again."""


class Sight(QObject):
    """Moves and zooms the stage's view in a widget, which nobody else does; the image never leaves it."""

    moved = Signal()
    """Another part of the image is in the widget, or it comes to rest after a zoom."""
    zoom_changed = Signal(float)
    """Device pixels to an image pixel."""

    def __init__(self, stage: Stage, widget: QWidget) -> None:
        super().__init__(widget)
        self._stage, self._widget = stage, widget
        self._shown_size = (0, 0)
        self._fits = True
        self.is_moving = False
        """Whether a zoom is under way, so that what is quickly drawn will do."""
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE)
        self._settle.timeout.connect(self._come_to_rest)

    @property
    def view(self) -> Viewport:
        """Where the image lies in the widget."""
        return self._stage.view

    # --- looking about ----------------------------------------------------------------------------

    def fit(self) -> None:
        """Show the whole image."""
        if all(self._stage.size):
            self._show(fitted(self._stage.size, self._room()))
            self._fits = True

    def zoom_to(self, scale: float) -> None:
        """Show the image with `scale` device pixels to its pixel; the middle stays."""
        self.zoom_by(scale / (self.view.scale * self._widget.devicePixelRatioF()))

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom around a point of the widget, its middle by default."""
        width, height = self._room()
        spot = at or QPointF(width / 2, height / 2)
        self.is_moving = True
        self._settle.start()
        self._show(self.view.zoomed(factor, at=(spot.x(), spot.y())))

    def pan(self, dx: float, dy: float) -> None:
        """Move the image by widget pixels."""
        self._show(self.view.panned(dx, dy))

    def look_at(self, box: Box) -> None:
        """Bring a part of the image into the middle, with its surroundings."""
        if all(self._stage.size):
            self._show(looking_at((box.x0, box.y0, box.x1, box.y1), self._stage.size, self._room()))

    def spot(self) -> tuple[float, float, float] | None:
        """The image point in the middle, x and y, and the scale there; None while the whole image shows."""
        if self._fits or not all(self._stage.size):
            return None
        width, height = self._room()
        return (*self.view.point_in_image(width / 2, height / 2), self.view.scale)

    def look_from(self, spot: tuple[float, float, float]) -> None:
        """Show the part of the image that `spot` gave, within the limits of the zoom."""
        x, y, scale = spot
        if all(map(math.isfinite, spot)) and scale > 0:
            scale = min(max(scale, SMALLEST), LARGEST)
            width, height = self._room()
            self._show(Viewport(scale, (width / 2 - x * scale, height / 2 - y * scale)))

    def _room(self) -> tuple[int, int]:
        return self._widget.width(), self._widget.height()

    def _show(self, view: Viewport) -> None:
        """Look at another part, with at least a corner of the image in sight."""
        if not all(self._stage.size):
            return
        before, ratio = self.view.scale, self._widget.devicePixelRatioF()
        view = view.within_reach(self._stage.size, self._room()).snapped(ratio)
        self._stage.view = view
        self._fits = False
        if view.scale != before:
            self.zoom_changed.emit(view.scale * ratio)
        self.moved.emit()

    # --- following the image and the widget -------------------------------------------------------

    def take_photo(self) -> None:
        """Another photo is on the stage: stay where one looks if it is as large, else show it whole."""
        same = self._shown_size == self._stage.size and self._stage.options.keep_view
        self._shown_size = self._stage.size
        if not same or self._fits:
            self.fit()

    def take_room(self, before: QSize) -> None:
        """The widget had this size before: the middle stays, or the whole image is shown."""
        if self._fits:
            self.fit()
        else:
            width, height = self._room()
            self.pan((width - before.width()) / 2, (height - before.height()) / 2)

    def sharpen_soon(self) -> None:
        """What was painted quickly is to be painted anew, once nothing moves."""
        if not self._settle.isActive():
            self._settle.start()

    def _come_to_rest(self) -> None:
        self.is_moving = False
        self.moved.emit()
