"""How the confidences of a model's candidates are spread, with the threshold as a line to drag."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from labeler.gui.predictions.predictions import LEAST, MOST
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.words import counted

BINS = 30
_NAMES = ("waiting", "accepted", "rejected")
_GAP = 2.0
_FOOT = 3.0


class Histogram(QWidget):
    """Bars from confidence 0 to 1, split by what a person said.

    Heights are logarithmic: a raw detector gives thousands of candidates that it hardly believes in, beside
    which the others could not be seen.
    """

    threshold_changed = Signal(float)
    """The line was dragged, or a place clicked: every step of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._counts: NDArray[np.int64] = np.zeros((BINS, 3), dtype=np.int64)
        self._threshold = 0.0
        self._dragged = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self._name_it()

    def show_counts(self, counts: NDArray[np.int64]) -> None:
        """Show (BINS, 3) counts: waiting, accepted, rejected."""
        if not np.array_equal(counts, self._counts):
            self._counts = counts
            self._name_it()
            self.update()

    def show_threshold(self, threshold: float) -> None:
        """Put the line there, 0 to 1."""
        if threshold != self._threshold:
            self._threshold = threshold
            self._name_it()
            self.update()

    def _name_it(self) -> None:
        total = counted(int(self._counts.sum()), "candidate")
        self.setAccessibleName(f"Confidences of {total}, threshold {self._threshold:.2f}")

    def sizeHint(self) -> QSize:
        """A low band."""
        return QSize(240, 52)

    def minimumSizeHint(self) -> QSize:
        """A low band, however narrow."""
        return QSize(90, 52)

    # --- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Bars, and the line over them."""
        painter = QPainter(self)
        c = theme.colors()
        tall = self.height() - _FOOT - 6
        totals = self._counts.sum(axis=1)
        highest = max(float(np.log1p(totals.max(initial=0))), 1e-9)
        colors = [QColor(theme.bar_color()), QColor(c.good), QColor(c.bad)]
        for place, (total, split) in enumerate(zip(totals.tolist(), self._counts.tolist(), strict=True)):
            rect = self._bar(place)
            if not total:
                painter.fillRect(
                    QRectF(rect.left(), self.height() - _FOOT - 1, rect.width(), 1), QColor(c.edge)
                )
                continue
            height = max(tall * float(np.log1p(total)) / highest, 2.0)
            foot = self.height() - _FOOT
            under = (place + 0.5) / BINS < self._threshold
            for count, color in zip(split, colors, strict=True):
                part = height * count / total
                shade = QColor(color)
                shade.setAlphaF(0.4 if under else 1.0)
                painter.fillRect(QRectF(rect.left(), foot - part, rect.width(), part), shade)
                foot -= part
        self._paint_line(painter)

    def _bar(self, place: int) -> QRectF:
        step = self.width() / BINS
        left, right = round(place * step), round((place + 1) * step)
        return QRectF(left, 0, max(right - left - _GAP, 1.0), self.height())

    def _paint_line(self, painter: QPainter) -> None:
        c = theme.colors()
        x = min(max(self._threshold * self.width(), 4.0), self.width() - 4.0)
        painter.setPen(QPen(QColor(c.text), 1.5))
        painter.drawLine(QPointF(x, 4), QPointF(x, self.height()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(c.card), 1.5))
        painter.setBrush(QColor(c.text))
        painter.drawEllipse(QPointF(x, 4.5), 4, 4)

    # --- the mouse --------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Put the threshold here."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._dragged = True
            self._put(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the threshold along."""
        near = abs(event.position().x() - self._threshold * self.width()) < 8
        self.setCursor(Qt.CursorShape.SizeHorCursor if near or self._dragged else Qt.CursorShape.ArrowCursor)
        if self._dragged:
            self._put(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Let go of it."""
        self._dragged = False

    def _put(self, x: float) -> None:
        self.threshold_changed.emit(round(min(max(x / max(self.width(), 1), LEAST), MOST), 2))

    def event(self, event: QEvent) -> bool:
        """Say what the bar under the pointer stands for."""
        if isinstance(event, QHelpEvent):
            place = min(max(int(event.pos().x() * BINS / max(self.width(), 1)), 0), BINS - 1)
            QToolTip.showText(event.globalPos(), self.told_of(place), self)
            return True
        return super().event(event)

    def told_of(self, place: int) -> str:
        """What a bar stands for, in words."""
        split = self._counts[place].tolist()
        words = (
            f"confidence {place / BINS:.2f} to {(place + 1) / BINS:.2f}: {counted(sum(split), 'candidate')}"
        )
        judged = [f"{n:,} {name}" for n, name in zip(split, _NAMES, strict=True) if n]
        return f"{words} ({', '.join(judged)})" if any(split[1:]) else words
