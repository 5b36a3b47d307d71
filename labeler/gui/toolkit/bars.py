"""A small plot of a few lines, and rows of stacked bars; both tell what was clicked."""

from collections.abc import Sequence

from msgspec import Struct
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
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
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import paint_swatch

_ROW = 24
_NAME = 92
_NUMBER = 36


class PlotLine(Struct, frozen=True):
    """One line of a plot: its name, its colour, and a value from 0 to 1 at each place, None for a gap."""

    name: str
    color: str
    values: tuple[float | None, ...]


class Plot(QWidget):
    """Values from 0 to 1 over places from left to right, with the names of the lines at their ends.

    The left and right keys walk the places, Enter and a click choose one.
    """

    clicked = Signal(int)
    """The place, from 0, that was nearest to the click, or that was walked to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: list[PlotLine] = []
        self._places: list[str] = []
        self._ends = "", ""
        self._hovered: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_lines(self, lines: Sequence[PlotLine], places: Sequence[str], *, ends: tuple[str, str]) -> None:
        """Show lines; `places` say in words what each place is, `ends` stand under the first and the last."""
        self._lines, self._places, self._ends, self._hovered = list(lines), list(places), ends, None
        told = (f"{line.name} {line.values[-1]:.2f}" for line in lines if line.values and line.values[-1])
        self.setAccessibleName(f"From {ends[0]} to {ends[1]}: {', '.join(told)} at the end")
        self.update()

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(240, 104)

    def minimumSizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(120, 104)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Grid, lines, a dot at each place where there are few, the words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.ui_font(11))
        area, (low, high) = self._area(), self._range()
        self._paint_grid(painter, area, low, high)
        for line in self._lines:
            self._paint_line(painter, line)
        self._paint_names(painter)
        if self._hovered is not None:
            painter.setPen(QPen(QColor(theme.colors().quiet), 1, Qt.PenStyle.DotLine))
            x = self._x(self._hovered)
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        if self.hasFocus():
            paint_focus(painter, QRectF(self.rect()))

    def _paint_grid(self, painter: QPainter, area: QRectF, low: float, high: float) -> None:
        colors = theme.colors()
        for value in (low, (low + high) / 2, high):
            y = self._y(value)
            painter.setPen(QPen(QColor(colors.edge), 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(colors.quiet))
            painter.drawText(QRectF(0, y - 8, area.left() - 6, 16), _RIGHT, f"{value:.2f}")
        foot = QRectF(area.left(), area.bottom() + 4, area.width(), 16)
        painter.drawText(foot, _LEFT, self._ends[0])
        if self._ends[1] != self._ends[0]:
            painter.drawText(foot, _RIGHT, self._ends[1])

    def _paint_line(self, painter: QPainter, line: PlotLine) -> None:
        points = [
            QPointF(self._x(place), self._y(value))
            for place, value in enumerate(line.values)
            if value is not None
        ]
        color = QColor(line.color)
        painter.setPen(
            QPen(color, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        )
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(color)
        for point in points if len(points) <= _DOTS else points[-1:]:
            painter.drawEllipse(point, 2, 2)

    def _paint_names(self, painter: QPainter) -> None:
        """The names right of the last points, moved apart where they would overlap."""
        ends = []
        for line in self._lines:
            last = next((value for value in reversed(line.values) if value is not None), None)
            if last is not None:
                ends.append((self._y(last), line))
        at = -100.0
        for y, line in sorted(ends, key=lambda end: end[0]):
            at = max(y, at + 13)
            painter.setPen(QColor(line.color))
            painter.drawText(QRectF(self._area().right() + 6, at - 8, 60, 16), _LEFT, line.name)

    def _area(self) -> QRectF:
        metrics = QFontMetrics(theme.ui_font(11))
        right = max((metrics.horizontalAdvance(line.name) for line in self._lines), default=0) + 10
        return QRectF(32, 8, max(self.width() - 32 - right, 20), self.height() - 32)

    def _range(self) -> tuple[float, float]:
        values = [value for line in self._lines for value in line.values if value is not None]
        if not values:
            return 0.0, 1.0
        # whole tenths, two of them at least, so that a small change does not look like a jump
        low = min(int(min(values) * 10), 8) / 10
        high = min(-int(-max(values) * 10 // 1) / 10, 1.0)
        return low, max(high, low + 0.2)

    def _x(self, place: int) -> float:
        area = self._area()
        if len(self._places) < 2:
            return area.center().x()
        inset = 4.0
        return area.left() + inset + (area.width() - 2 * inset) * place / (len(self._places) - 1)

    def _y(self, value: float) -> float:
        area, (low, high) = self._area(), self._range()
        return area.bottom() - (value - low) / (high - low) * area.height()

    def place_at(self, x: float) -> int | None:
        """The place nearest to a horizontal position; None without any."""
        places = range(len(self._places))
        return min(places, key=lambda place: abs(self._x(place) - x), default=None)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Mark the place under the pointer."""
        self._hovered = self.place_at(event.position().x())
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Mark nothing."""
        self._hovered = None
        self.update()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk the places, and tell one."""
        places = len(self._places)
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is not None and places:
            self._hovered = _walked(self._hovered, step, places)
            self.setAccessibleDescription(self._told(self._hovered).replace("\n", ", "))
            self.update()
        elif event.key() in CHOOSING and self._hovered is not None:
            self.clicked.emit(self._hovered)
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Mark nothing."""
        self._hovered = None
        self.update()
        super().focusOutEvent(event)

    def _told(self, place: int) -> str:
        """A place in words, a line each."""
        values = ((line.name, line.values[place]) for line in self._lines)
        told = [f"{name} {value:.3f}" for name, value in values if value is not None]
        return "\n".join([self._places[place], *told])

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Tell the place."""
        place = self.place_at(event.position().x())
        if place is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(place)

    def event(self, event: QEvent) -> bool:
        """Say what the place under the pointer is."""
        if isinstance(event, QHelpEvent):
            place = self.place_at(event.pos().x())
            if place is not None:
                QToolTip.showText(event.globalPos(), self._told(place), self)
            return True
        return super().event(event)


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
_DOTS = 16
"""Up to so many points, each has a dot."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
