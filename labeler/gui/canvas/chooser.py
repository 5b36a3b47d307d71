"""The little list of a prompt's candidates, beside the proposal and never over it."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from labeler.core.records import Mask
from labeler.gui.canvas.layers.sprite import rect_on_screen
from labeler.gui.canvas.viewport import Viewport
from labeler.gui.toolkit import theme

_ROW = 20
_PAD = 8
_GAP = 12


class Chooser(QWidget):
    """Shows the names and confidences; a click chooses one."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setAccessibleName("Candidates of the proposal")
        self._rows: tuple[tuple[str, str], ...] = ()
        self._current = 0
        self.hide()

    def show_rows(self, names: Sequence[str], confidences: Sequence[float], current: int) -> None:
        """Show these candidates, from small to large, and which one is looked at."""
        self._rows = tuple(
            (f"{at + 1} {name}", f"{confidence:.2f}")
            for at, (name, confidence) in enumerate(zip(names, confidences, strict=True))
        )
        self._current = current
        self.resize(self.sizeHint())
        self.update()

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(theme.ui_font(12))
        widest = max(
            (metrics.horizontalAdvance(a) + metrics.horizontalAdvance(b) for a, b in self._rows), default=0
        )
        return QSize(max(round(widest) + 2 * _PAD + 28, 116), _ROW * (len(self._rows) + 1) + 2 * 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(255, 255, 255, 28), 1))
        painter.setBrush(QColor(20, 24, 31, 236))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.setFont(theme.ui_font(11))
        painter.setPen(QColor("#96a0af"))
        painter.drawText(QPointF(_PAD, 4 + _ROW - 6), "Tab steps")
        painter.setFont(theme.ui_font(12))
        for at, (name, confidence) in enumerate(self._rows):
            row = QRectF(4, 4 + _ROW * (at + 1), self.width() - 8, _ROW)
            if at == self._current:
                violet = QColor(theme.PROPOSAL)
                violet.setAlphaF(0.38)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(violet)
                painter.drawRoundedRect(row, 4, 4)
            painter.setPen(QColor("#ffffff" if at == self._current else "#c3cad4"))
            inner = row.adjusted(_PAD - 4, 0, -(_PAD - 4), 0)
            painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
            painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, confidence)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = int((event.position().y() - 4) // _ROW) - 1
        if 0 <= row < len(self._rows):
            self.chosen.emit(row)


def place_beside(
    mask: Mask, view: Viewport, own: QSize, room: QSize, taken: Sequence[QRect] = ()
) -> QRect | None:
    """Where a list of size `own` goes: in the room, off the mask, and near it; None where nothing is free.

    `taken` are rectangles of the room that something else stands on.
    """
    x0, y0, x1, y1 = rect_on_screen(mask, view)
    width, height = own.width(), own.height()
    right, foot = room.width() - width - _GAP, room.height() - height - _GAP
    middle = min(max((y0 + y1 - height) // 2, _GAP), foot)
    center = min(max((x0 + x1 - width) // 2, _GAP), right)
    places = [
        (x1 + _GAP, middle),
        (x0 - _GAP - width, middle),
        (center, y1 + _GAP),
        (center, y0 - _GAP - height),
        (right, middle),
        (_GAP, middle),
        (right, foot),
        (_GAP, foot),
        (right, _GAP),
        (_GAP, _GAP),
    ]
    for x, y in places:
        rect = QRect(x, y, width, height)
        on_view = _GAP <= x <= right and _GAP <= y <= foot
        free = on_view and not any(rect.intersects(other) for other in taken)
        if free and not _covers(rect, mask, view):
            return rect
    return None


def _covers(rect: QRect, mask: Mask, view: Viewport) -> bool:
    """Whether any pixel of the mask lies under a rectangle of the screen."""
    x0, y0, x1, y1 = view.extent((rect.x() - 2, rect.y() - 2, rect.right() + 3, rect.bottom() + 3))
    left, top = max(int(np.floor(x0)) - mask.x, 0), max(int(np.floor(y0)) - mask.y, 0)
    right, bottom = max(int(np.ceil(x1)) - mask.x, 0), max(int(np.ceil(y1)) - mask.y, 0)
    return bool(mask.bits[top:bottom, left:right].any())
