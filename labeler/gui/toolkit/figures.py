"""Big numbers and a small curve."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from labeler.gui.toolkit import theme

_SMALLEST_CHANGE = 0.005
"""What two decimals would show as a change."""


class Figure(QWidget):
    """A number from 0 to 1, over its name and how it last changed; `graded` by colour as agreement is."""

    def __init__(self, name: str, parent: QWidget | None = None, *, graded: bool = True) -> None:
        super().__init__(parent)
        self._name = name
        self._graded = graded
        self._value: float | None = None
        self._change = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_value(None)

    def show_value(self, value: float | None, *, change: float = 0.0) -> None:
        """Show a value, None for unknown, and its difference to the one before."""
        self._value, self._change = value, change if abs(change) >= _SMALLEST_CHANGE else 0.0
        self.setAccessibleName(f"{self._name} {self.text()} {self._change_text()}".strip())
        self.update()

    def text(self) -> str:
        """The number as it is shown."""
        return "–" if self._value is None else f"{self._value:.2f}"

    def _change_text(self) -> str:
        if not self._change:
            return ""
        return f"{'up' if self._change > 0 else 'down'} {abs(self._change):.2f}"

    def sizeHint(self) -> QSize:
        """The number over one small line."""
        return QSize(72, 48)

    def minimumSizeHint(self) -> QSize:
        """Narrow enough for three in a panel of 260 px."""
        return QSize(64, 48)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """The number, its name, the arrow."""
        colors = theme.colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.ui_font(24, weight=QFont.Weight.DemiBold))
        color = colors.quiet if self._value is None else colors.text
        if self._graded and self._value is not None:
            color = theme.agreement_color(self._value)
        painter.setPen(QColor(color))
        painter.drawText(QRectF(0, 0, self.width(), 30), _LEFT, self.text())
        small = theme.ui_font(12)
        painter.setFont(small)
        painter.setPen(QColor(colors.quiet))
        painter.drawText(QRectF(0, 30, self.width(), 18), _LEFT, self._name)
        if self._change:
            left = QFontMetrics(small).horizontalAdvance(self._name) + 5
            self._paint_change(painter, left)

    def _paint_change(self, painter: QPainter, left: int) -> None:
        up = self._change > 0
        color = QColor(theme.colors().good if up else theme.colors().bad)
        top, foot = (35.5, 42.5) if up else (42.5, 35.5)
        painter.setPen(color)
        painter.drawText(QRectF(left + 11, 30, self.width(), 18), _LEFT, f"{abs(self._change):.2f}")
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        corners = [QPointF(left, foot), QPointF(left + 8, foot), QPointF(left + 4, top)]
        painter.drawPolygon(QPolygonF(corners))


class Sparkline(QWidget):
    """How a number from 0 to 1 went, without axes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: list[float] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_values(self, values: list[float]) -> None:
        """Show these, oldest first."""
        self._values = list(values)
        if values:
            told = f"IoU in this session: {len(values)} values, from {values[0]:.2f} to {values[-1]:.2f}"
            self.setAccessibleName(told)
            self.setToolTip(told)
        self.update()

    def sizeHint(self) -> QSize:
        """A low band."""
        return QSize(200, 32)

    def minimumSizeHint(self) -> QSize:
        """A low band, however narrow."""
        return QSize(60, 32)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """A line with a dot at its end."""
        if not self._values:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = QColor(theme.agreement_color(self._values[-1]))
        points = self._points()
        painter.setPen(QPen(QColor(theme.colors().edge), 1))
        painter.drawLine(QPointF(0, self.height() - 1), QPointF(self.width(), self.height() - 1))
        painter.setPen(
            QPen(color, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        )
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(color)
        painter.drawEllipse(points[-1], 2, 2)

    def _points(self) -> list[QPointF]:
        low, high = min(self._values), max(self._values)
        # a span of at least 0.1, so that a change of 0.01 does not look like a jump
        middle, span = (low + high) / 2, max(high - low, 0.1)
        left, right, top, foot = 4.0, self.width() - 5.0, 5.0, self.height() - 6.0
        # before anything was changed it is a level line
        values = self._values if len(self._values) > 1 else self._values * 2
        step = (right - left) / (len(values) - 1)
        scale = (foot - top) / span
        return [
            QPointF(left + step * place, (top + foot) / 2 - (value - middle) * scale)
            for place, value in enumerate(values)
        ]


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
