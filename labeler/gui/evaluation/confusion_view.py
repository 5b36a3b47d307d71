"""How often each true category was predicted as each, as a matrix of numbers whose cells can be opened."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from labeler.gui.toolkit import theme

_SMALLEST, _LARGEST = 30, 64
"""Of a cell's sides, in pixels."""
_LEFT_MOST, _TOP_MOST = 96, 72
_GAP = 1.0
_TITLE = 18

Cell = tuple[int, int]


class ConfusionMatrix(QWidget):
    """A heat of numbers: row the true category, column the predicted one, the last of each background.

    A row's colours are its shares: green what was found as what it is, red what was taken for another
    category, yellow what was missed, or found where nothing is.
    """

    clicked = Signal(int, int)
    """Row and column of a cell that was clicked, or chosen by Enter."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._counts: NDArray[np.int64] = np.zeros((0, 0), dtype=np.int64)
        self._sums: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._longest = 0
        """Width of the longest name, in pixels: asked for with every cell that is painted."""
        self.current: Cell | None = None
        """The cell that the pointer or the keys are at."""
        self.chosen: Cell | None = None
        """The cell whose objects are shown elsewhere."""
        self.setAccessibleName("Confusion matrix")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_counts(self, names: Sequence[str], counts: NDArray[np.int64]) -> None:
        """Show counts (C + 1, C + 1) of C categories by name; the last row and column are background."""
        if len(names) + 1 != len(counts):
            raise ValueError(f"{len(names)} names for {len(counts)} rows.")
        if tuple(names) != self._names:
            self.current = self.chosen = None
        self._names, self._counts = tuple(names), np.asarray(counts)
        self._sums = self._counts.sum(axis=1)
        metrics = QFontMetrics(theme.ui_font(11))
        self._longest = max(metrics.horizontalAdvance(name) for name in self._labels())
        self.updateGeometry()
        self.update()

    def choose(self, cell: Cell | None) -> None:
        """Mark the cell whose objects are shown, None for none."""
        self.chosen = cell
        self.update()

    def told(self, cell: Cell) -> str:
        """A cell in words."""
        row, column = cell
        count, whole, last = int(self._counts[cell]), int(self._sums[row]), len(self._names)
        if row == last == column:
            return "Background: neither labelled nor predicted"
        if row == last:
            return f"{self._names[column]} predicted where nothing is: {count:,}"
        share = f" of {whole:,} ({count / whole:.0%})" if whole else ""
        if column == last:
            return f"{self._names[row]} missed: {count:,}{share}"
        if row == column:
            return f"{self._names[row]} found: {count:,}{share}"
        return f"{self._names[row]} taken for {self._names[column]}: {count:,}{share}"

    # --- where things are -------------------------------------------------------------------------

    def _labels(self) -> tuple[str, ...]:
        return (*self._names, "background")

    def _left(self) -> int:
        return min(self._longest, _LEFT_MOST) + _TITLE + 8

    def _is_upright(self) -> bool:
        """Whether the names above the columns stand on their side for want of room."""
        return self._longest + 6 > self._side().width()

    def _top(self) -> int:
        # whether names stand upright depends on the cells' width alone, not on this
        return (min(self._longest, _TOP_MOST) + 8 if self._is_upright() else 20) + _TITLE

    def _side(self) -> QSize:
        """Width and height of a cell."""
        count = len(self._counts) or 1
        width = (self.width() - self._left() - 2) // count
        return QSize(min(max(width, _SMALLEST), 2 * _LARGEST), 0)

    def _cell_size(self) -> tuple[float, float]:
        count = len(self._counts) or 1
        height = (self.height() - self._top() - 2) // count
        return self._side().width(), min(max(height, _SMALLEST - 6), _LARGEST)

    def rect_of(self, cell: Cell) -> QRectF:
        """Where a cell is."""
        width, height = self._cell_size()
        return QRectF(self._left() + cell[1] * width, self._top() + cell[0] * height, width, height)

    def cell_at(self, at: QPointF) -> Cell | None:
        """The cell under a point; None beside the matrix."""
        width, height = self._cell_size()
        column, row = int((at.x() - self._left()) // width), int((at.y() - self._top()) // height)
        inside = 0 <= row < len(self._counts) and 0 <= column < len(self._counts)
        return (row, column) if inside and not row == column == len(self._names) else None

    def sizeHint(self) -> QSize:
        """Cells that are easy to hit."""
        return self._size(40)

    def minimumSizeHint(self) -> QSize:
        """Cells as small as they may be."""
        return self._size(_SMALLEST)

    def _size(self, side: int) -> QSize:
        count = len(self._counts) or 1
        top = min(self._longest, _TOP_MOST) + 8 + _TITLE
        return QSize(self._left() + side * count + 2, top + (side - 6) * count + 2)

    # --- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Names, cells that need it, and the frame of the current one."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.ui_font(11))
        self._paint_names(painter)
        exposed = QRectF(event.rect())
        for row in range(len(self._counts)):
            for column in range(len(self._counts)):
                area = self.rect_of((row, column))
                if area.intersects(exposed):
                    self._paint_cell(painter, (row, column), area)
        for cell, width in ((self.chosen, 1.5), (self.current, 1.5)):
            if cell is not None:
                color = theme.colors().accent if cell == self.chosen else theme.colors().text
                painter.setPen(QPen(QColor(color), width))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(self.rect_of(cell).adjusted(1, 1, -1, -1), 3, 3)

    def _paint_names(self, painter: QPainter) -> None:
        metrics = QFontMetrics(painter.font())
        colors = theme.colors()
        width, height = self._cell_size()
        left, top = self._left(), self._top()
        across = QRectF(left, 0, width * len(self._counts), _TITLE)
        painter.setPen(QColor(colors.quiet))
        painter.drawText(across, Qt.AlignmentFlag.AlignCenter, "predicted")
        painter.save()
        painter.translate(0, top + height * len(self._counts))
        painter.rotate(-90)
        down = QRectF(0, 0, height * len(self._counts), _TITLE - 2)
        painter.drawText(down, Qt.AlignmentFlag.AlignCenter, "true")
        painter.restore()
        upright = self._is_upright()
        for place, name in enumerate(self._labels()):
            lit = self.current is not None
            here = self.current or (-1, -1)
            painter.setPen(QColor(colors.text if lit and here[0] == place else colors.quiet))
            words = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, left - _TITLE - 8)
            beside = QRectF(_TITLE, top + place * height, left - _TITLE - 6, height)
            painter.drawText(beside, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
            painter.setPen(QColor(colors.text if lit and here[1] == place else colors.quiet))
            above = QRectF(left + place * width, _TITLE, width, top - _TITLE - 2)
            self._paint_above(painter, name, above, upright=upright)

    def _paint_above(self, painter: QPainter, name: str, area: QRectF, *, upright: bool) -> None:
        metrics = QFontMetrics(painter.font())
        if not upright:
            words = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(area.width()) - 4)
            painter.drawText(area, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter, words)
            return
        words = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, int(area.height()) - 2)
        painter.save()
        painter.translate(area.left(), area.bottom())
        painter.rotate(-90)
        box = QRectF(2, 0, area.height(), area.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()

    def _paint_cell(self, painter: QPainter, cell: Cell, area: QRectF) -> None:
        row, column = cell
        last = len(self._names)
        if row == column == last:
            return
        count, colors = int(self._counts[cell]), theme.colors()
        fill = QColor(colors.raised)
        if count:
            tone = colors.good if row == column else colors.middling if last in cell else colors.bad
            # predictions of nothing have no row to be a share of, so they are shares of their column
            whole = self._counts[:, column].sum() if row == last else self._sums[row]
            fill = _blended(QColor(colors.raised), QColor(tone), 0.15 + 0.7 * count / max(int(whole), 1))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRoundedRect(area.adjusted(_GAP, _GAP, -_GAP, -_GAP), 3, 3)
        if count:
            painter.setPen(_ink(fill))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, _short(count))

    # --- mouse and keys ---------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Mark the cell under the pointer."""
        self._go(self.cell_at(event.position()))
        shape = Qt.CursorShape.PointingHandCursor if self.current else Qt.CursorShape.ArrowCursor
        self.setCursor(shape)

    def leaveEvent(self, event: QEvent) -> None:
        """Mark nothing."""
        if not self.hasFocus():
            self._go(None)
        super().leaveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Tell the cell."""
        cell = self.cell_at(event.position())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self._go(cell)
            self.clicked.emit(*cell)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows walk the cells, Enter opens one."""
        key = Qt.Key(event.key())
        steps = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current is not None:
            self.clicked.emit(*self.current)
        elif key in steps and len(self._counts) > 1:
            most = len(self._counts) - 1
            row, column = self.current or (0, 0)
            if self.current is not None:
                row, column = row + steps[key][0], column + steps[key][1]
            target = min(max(row, 0), most), min(max(column, 0), most)
            if target != (most, most):
                self._go(target)
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The keys' cell is marked no more."""
        super().focusOutEvent(event)
        self._go(None)

    def _go(self, cell: Cell | None) -> None:
        if cell != self.current:
            self.current = cell
            self.setAccessibleDescription("" if cell is None else self.told(cell))
            self.update()

    def event(self, event: QEvent) -> bool:
        """Say what the cell under the pointer is."""
        if isinstance(event, QHelpEvent):
            cell = self.cell_at(QPointF(event.pos()))
            if cell is not None:
                QToolTip.showText(event.globalPos(), self.told(cell), self)
            return True
        return super().event(event)


def _short(count: int) -> str:
    return f"{count:,}" if count < 10_000 else f"{count / 1000:.0f}k"


def _blended(low: QColor, high: QColor, share: float) -> QColor:
    mixed = (a + (b - a) * share for a, b in zip(_rgb(low), _rgb(high), strict=True))
    return QColor.fromRgbF(*mixed)


def _rgb(color: QColor) -> tuple[float, float, float]:
    return color.redF(), color.greenF(), color.blueF()


def _ink(fill: QColor) -> QColor:
    """Dark or light, whichever stands out more (relative luminance, WCAG 2.1)."""
    parts = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(fill))
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))
    return QColor("#101216") if luminance > 0.179 else QColor("#ffffff")
