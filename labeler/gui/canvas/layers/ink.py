"""What is drawn with QPainter on top of everything, in widget pixels: it doesn't zoom."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from PySide6.QtCore import QLineF, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from labeler.gui.toolkit import theme

_RIM = QColor(13, 16, 22, 230)
_WHITE = QColor("#ffffff")
HANDLE = 7.0
"""Side of a square handle."""
_DOT = 9.0
"""Side of the picture of a vertex."""


def _smooth(painter: QPainter, on: bool = True) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on)


def paint_frame(painter: QPainter, rect: QRectF) -> None:
    """The thin white frame around what is selected."""
    _smooth(painter, False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(255, 255, 255, 200), 1))
    painter.drawRect(QRectF(round(rect.x()), round(rect.y()), round(rect.width()), round(rect.height())))


def paint_handles(painter: QPainter, centers: Iterable[tuple[float, float]]) -> None:
    """White squares with a dark rim."""
    _smooth(painter)
    painter.setPen(QPen(_RIM, 1))
    painter.setBrush(_WHITE)
    for x, y in centers:
        painter.drawRect(QRectF(round(x) - HANDLE / 2, round(y) - HANDLE / 2, HANDLE, HANDLE))


def paint_vertices(
    painter: QPainter, centers: Sequence[tuple[float, float]], color: str, hovered: int | None
) -> None:
    """Dots of the category's colour with a white ring; the hovered one is white and larger."""
    _smooth(painter)
    dot, half = _dot(color, painter.device().devicePixelRatio()), _DOT / 2
    for at, (x, y) in enumerate(centers):
        if at == hovered:
            painter.setPen(QPen(_RIM, 1))
            painter.setBrush(_WHITE)
            painter.drawEllipse(QPointF(x, y), half + 1, half + 1)
        else:
            painter.drawImage(QPoint(round(x - half), round(y - half)), dot)


def paint_doubts(painter: QPainter, corners: Iterable[tuple[float, float]]) -> None:
    """A small amber dot with a dark rim at each corner."""
    _smooth(painter)
    painter.setPen(QPen(_RIM, 1.5))
    painter.setBrush(QColor(theme.colors().middling))
    for x, y in corners:
        painter.drawEllipse(QPointF(x, y), 4.0, 4.0)


@lru_cache(maxsize=64)
def _dot(color: str, ratio: float) -> QImage:
    """A vertex as a picture: drawing dozens of smooth circles in every frame of a drag would show."""
    side = round(_DOT * ratio)
    dot = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    dot.setDevicePixelRatio(ratio)
    dot.fill(Qt.GlobalColor.transparent)
    painter = QPainter(dot)
    _smooth(painter)
    painter.setPen(Qt.PenStyle.NoPen)
    for tint, radius in ((_RIM, 4.0), (_WHITE, 3.25), (QColor(color), 1.6)):
        painter.setBrush(tint)
        painter.drawEllipse(QPointF(_DOT / 2, _DOT / 2), radius, radius)
    painter.end()
    return dot


def paint_draft_box(painter: QPainter, rect: QRectF, color: str) -> None:
    """A box being drawn."""
    _smooth(painter, False)
    inside = QColor(color)
    inside.setAlphaF(0.16)
    painter.fillRect(rect, inside)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(color), 2))
    painter.drawRect(rect)


def paint_draft_ring(
    painter: QPainter, placed: Sequence[QPointF], tip: QPointF | None, color: str, *, closes: bool
) -> None:
    """A polygon being drawn: what is placed, the line to the pointer, and its first point."""
    _smooth(painter)
    inside = QColor(color)
    inside.setAlphaF(0.16)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(inside)
    painter.drawPolygon(QPolygonF([*placed, *([tip] if tip else [])]))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(color), 2))
    painter.drawPolyline(QPolygonF(list(placed)))
    if tip is not None:
        painter.setPen(QPen(QColor(color), 1.5, Qt.PenStyle.DashLine))
        painter.drawLine(placed[-1], tip)
    centers = [(point.x(), point.y()) for point in placed]
    paint_vertices(painter, centers, color, 0 if closes else None)


def paint_band(painter: QPainter, rect: QRectF) -> None:
    """The rubber band of a selection."""
    _smooth(painter, False)
    accent = QColor(theme.colors().accent)
    inside = QColor(accent)
    inside.setAlphaF(0.15)
    painter.setPen(QPen(accent.lighter(140), 1))
    painter.setBrush(inside)
    painter.drawRect(rect)


def paint_cut(painter: QPainter, a: tuple[float, float], b: tuple[float, float]) -> None:
    """The line of a knife, white with a dark rim."""
    _smooth(painter)
    for color, width in ((_RIM, 3.5), (_WHITE, 1.5)):
        painter.setPen(QPen(color, width))
        painter.drawLine(QLineF(*a, *b))


def paint_prompt_box(painter: QPainter, rect: QRectF) -> None:
    """The box a model is prompted with: violet corners and a thin line."""
    _smooth(painter, False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(_RIM, 3))
    painter.drawRect(rect)
    painter.setPen(QPen(QColor(theme.PROPOSAL), 1.5))
    painter.drawRect(rect)


def paint_prompt_point(painter: QPainter, x: float, y: float, *, positive: bool) -> None:
    """A prompt point: green for "this", red for "not this", told apart by its sign too."""
    _smooth(painter)
    painter.setPen(QPen(_RIM, 2))
    painter.setBrush(QColor(theme.POSITIVE if positive else theme.NEGATIVE))
    painter.drawEllipse(QPointF(x, y), 6, 6)
    painter.setPen(QPen(_RIM, 1.6))
    painter.drawLine(QLineF(x - 2.5, y, x + 2.5, y))
    if positive:
        painter.drawLine(QLineF(x, y - 2.5, x, y + 2.5))


def paint_crosshair(painter: QPainter, x: float, y: float, width: int, height: int) -> None:
    """Lines through the pointer from edge to edge, light on dark and dark on light, open in the middle."""
    _smooth(painter, False)
    gap, x, y = 10, round(x), round(y)
    lines = [
        QLineF(0, y, x - gap, y),
        QLineF(x + gap, y, width, y),
        QLineF(x, 0, x, y - gap),
        QLineF(x, y + gap, x, height),
    ]
    for color, shift in ((QColor(0, 0, 0, 90), 1), (QColor(255, 255, 255, 120), 0)):
        painter.setPen(QPen(color, 1))
        painter.drawLines([line.translated(shift, shift) for line in lines])


def paint_brush(painter: QPainter, x: float, y: float, radius: float, *, erases: bool) -> None:
    """The circle that a brush paints, dashed for one that erases."""
    _smooth(painter)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    style = Qt.PenStyle.DashLine if erases else Qt.PenStyle.SolidLine
    for color, wide in ((QColor(0, 0, 0, 140), 3.0), (_WHITE, 1.25)):
        painter.setPen(QPen(color, wide, style if color == _WHITE else Qt.PenStyle.SolidLine))
        painter.drawEllipse(QPointF(x, y), radius, radius)
