"""Rows of stacked bars that tell which one was clicked, and one bar of shares."""

from collections.abc import Sequence

from msgspec import Struct
from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import paint_swatch

_ROW = 24
_NAME = 92
_NUMBER = 36


class Bar(Struct, frozen=True):
    """One row: a name with its colour, parts that share the width, and a number at the right."""

    key: int
    name: str
    color: str
    parts: tuple[tuple[float, str], ...]
    """(size, colour) from left to right."""
    right: str = ""
    right_color: str = ""
    tooltip: str = ""


class Bars(QWidget):
    """Rows of stacked bars; the up and down keys walk them, Enter and a click choose one."""

    clicked = Signal(int)
    """The key of the bar."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars: list[Bar] = []
        self._current: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: Sequence[Bar]) -> None:
        """Show these, from the top."""
        self.bars, self._current = list(bars), None
        self.setAccessibleName("; ".join(bar.tooltip.replace("\n", ", ") for bar in bars))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """All rows."""
        return QSize(240, _ROW * len(self.bars))

    def minimumSizeHint(self) -> QSize:
        """All rows, however narrow."""
        return QSize(180, _ROW * len(self.bars))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Swatch, name, bar and number of each."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = theme.ui_font(12)
        painter.setFont(font)
        for row, bar in enumerate(self.bars):
            top = row * _ROW
            if row == self._current:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.colors().raised))
                painter.drawRoundedRect(QRectF(-4, top + 1, self.width() + 8, _ROW - 2), 6, 6)
            paint_swatch(painter, QRectF(0, top + 7, 10, 10), bar.color)
            painter.setPen(QColor(theme.colors().text))
            name = QFontMetrics(font).elidedText(bar.name, Qt.TextElideMode.ElideRight, _NAME - 24)
            painter.drawText(QRectF(16, top, _NAME - 20, _ROW), _LEFT, name)
            self._paint_parts(painter, bar, QRectF(_NAME, top + 8, self.width() - _NAME - _NUMBER, 8))
            painter.setPen(QColor(bar.right_color or theme.colors().quiet))
            painter.drawText(QRectF(self.width() - _NUMBER, top, _NUMBER, _ROW), _RIGHT, bar.right)
        if self.hasFocus():
            paint_focus(painter, QRectF(self.rect()))

    def _paint_parts(self, painter: QPainter, bar: Bar, area: QRectF) -> None:
        paint_parts(painter, bar.parts, area)

    def row_at(self, y: float) -> int | None:
        """The row at a height; None below the last."""
        row = int(y // _ROW)
        return row if 0 <= row < len(self.bars) else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light the row under the pointer."""
        self._current = self.row_at(event.position().y())
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Light nothing."""
        self._current = None
        self.update()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk the rows, and tell one."""
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is not None and self.bars:
            self._current = _walked(self._current, step, len(self.bars))
            self.setAccessibleDescription(self.bars[self._current].tooltip.replace("\n", ", "))
            self.update()
        elif event.key() in CHOOSING and self._current is not None:
            self.clicked.emit(self.bars[self._current].key)
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Light nothing."""
        self._current = None
        self.update()
        super().focusOutEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Tell the row."""
        row = self.row_at(event.position().y())
        if row is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self.bars[row].key)

    def event(self, event: QEvent) -> bool:
        """Say what the row under the pointer is."""
        if isinstance(event, QHelpEvent):
            row = self.row_at(event.pos().y())
            if row is not None:
                QToolTip.showText(event.globalPos(), self.bars[row].tooltip, self)
            return True
        return super().event(event)


class Share(QWidget):
    """One stacked bar over the whole width."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts: tuple[tuple[float, str], ...] = ()
        self.setFixedHeight(8)

    def show_parts(self, parts: Sequence[tuple[float, str]]) -> None:
        """Show (size, colour) from left to right."""
        self._parts = tuple(parts)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """The parts."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_parts(painter, self._parts, QRectF(self.rect()))


def paint_parts(painter: QPainter, parts: Sequence[tuple[float, str]], area: QRectF) -> None:
    """Paint (size, colour) side by side over a rounded area, each as wide as its share."""
    whole = sum(size for size, _ in parts)
    painter.save()
    clip = QPainterPath()
    clip.addRoundedRect(area, area.height() / 2, area.height() / 2)
    painter.setClipPath(clip)
    painter.fillRect(area, QColor(theme.colors().raised))
    left = area.left()
    for size, color in parts:
        width = area.width() * size / whole if whole else 0.0
        painter.fillRect(QRectF(left, area.top(), width, area.height()), QColor(color))
        left += width
    painter.restore()


def paint_focus(painter: QPainter, area: QRectF) -> None:
    """A line around what has the keyboard."""
    painter.setPen(QPen(QColor(theme.colors().accent), 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(area.adjusted(0.75, 0.75, -0.75, -0.75), 4, 4)


def _walked(place: int | None, step: int, count: int) -> int:
    """The place one step on, from 0; an end of the row where there was none, and it stays at the ends."""
    if place is None:
        return 0 if step > 0 else count - 1
    return min(max(place + step, 0), count - 1)


CHOOSING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
"""The keys that choose what was walked to."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
