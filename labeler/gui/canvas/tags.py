"""Small dark labels beside the shapes: which there are room for, and how they look."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from labeler.gui import theme

_SMALLEST = (28.0, 18.0)
"""Widget pixels; smaller shapes have no tag."""
CROWDED = 60
"""More shapes than this on the screen, and none but the selected has one."""
_HEIGHT = 20.0
_GAP = 6.0
_GROUND = QColor(20, 24, 31, 218)


class Tag(Struct, frozen=True):
    """What a label says, and the rectangle of its shape on the screen."""

    text: str
    color: str
    """Of the dot, or of the text where there is none, "#rrggbb"."""
    frame: tuple[float, float, float, float]
    note: str = ""
    """A second word, in `note_color`."""
    note_color: str = "#ffffff"
    dot: bool = True
    handles: bool = False
    """Whether the shape has handles, which stay free."""
    forced: bool = False
    """Shown however small the shape is."""


class Placed(Struct, frozen=True):
    """A tag and where it goes."""

    tag: Tag
    rect: tuple[float, float, float, float]
    """x, y, width, height in widget pixels."""


def width_of(tag: Tag, metrics: QFontMetricsF) -> float:
    """How wide a tag is, in widget pixels."""
    note = 8 + metrics.horizontalAdvance(tag.note) if tag.note else 0
    return 16 + (14 if tag.dot else 0) + metrics.horizontalAdvance(tag.text) + note


def arranged(
    tags: Iterable[Tag], metrics: QFontMetricsF, size: tuple[int, int], taken: Iterable[QRectF] = ()
) -> list[Placed]:
    """Where the tags go, first come first served: above their shape, else inside it, none over another."""
    used, placed = list(taken), []
    for tag in tags:
        x0, y0, x1, y1 = tag.frame
        if not tag.forced and (x1 - x0 < _SMALLEST[0] or y1 - y0 < _SMALLEST[1]):
            continue
        width = width_of(tag, metrics)
        inset = 10.0 if tag.handles else 4.0
        left = min(max(x0 - (0 if tag.handles else 1), 4.0), max(size[0] - width - 4.0, 4.0))
        for top in (y0 - _HEIGHT - _GAP, max(y0, 0.0) + inset, y1 + _GAP):
            rect = QRectF(left, top, width, _HEIGHT)
            on_view = top >= 2 and top + _HEIGHT <= size[1] - 2
            if on_view and not any(rect.intersects(other) for other in used):
                used.append(rect)
                placed.append(Placed(tag, (left, top, width, _HEIGHT)))
                break
    return placed


def paint_tags(painter: QPainter, placed: Sequence[Placed]) -> None:
    """Paint tags where they were placed."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(theme.ui_font(12))
    metrics = QFontMetricsF(painter.font())
    for item in placed:
        tag, rect = item.tag, QRectF(*item.rect)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_GROUND)
        painter.drawRoundedRect(rect, 6, 6)
        x = rect.x() + 8
        base = rect.y() + (rect.height() + metrics.ascent() - metrics.descent()) / 2
        if tag.dot:
            painter.setBrush(QColor(tag.color))
            painter.drawEllipse(QPointF(x + 4, rect.center().y()), 4, 4)
            x += 14
        painter.setPen(QColor("#ffffff") if tag.dot else QColor(tag.color))
        painter.drawText(QPointF(x, base), tag.text)
        if tag.note:
            painter.setPen(QColor(tag.note_color))
            painter.drawText(QPointF(x + metrics.horizontalAdvance(tag.text) + 8, base), tag.note)
