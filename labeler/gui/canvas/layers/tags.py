"""Small dark labels beside the shapes: which there are room for, and how they look."""

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter

from labeler.gui.toolkit import theme

CROWDED = 60
"""More shapes than this on the screen, and none but the selected has a tag."""
HEIGHT = 20
_SMALLEST = (28.0, 18.0)
"""Widget pixels; smaller shapes have no tag."""
_GAP = 6.0
_GROUND = QColor(20, 24, 31, 218)
_MOST_PICTURES = 500
_LIGHT_ENOUGH = 0.6
"""HSL lightness of words; the darkest category colours would be lost."""


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


def arranged(
    tags: Sequence[Tag], widths: Sequence[float], size: tuple[int, int], taken: Iterable[QRectF] = ()
) -> list[tuple[int, tuple[float, float]]]:
    """Which tags there is room for, by their index, and the place (x, y) of each.

    First come, first served: above its shape, else inside it at the top, else below; none over another,
    over what is `taken`, or out of the view of `size` (width, height).
    """
    used = [(rect.left(), rect.top(), rect.right(), rect.bottom()) for rect in taken]
    placed = []
    for at, (tag, width) in enumerate(zip(tags, widths, strict=True)):
        x0, y0, x1, y1 = tag.frame
        if not tag.forced and (x1 - x0 < _SMALLEST[0] or y1 - y0 < _SMALLEST[1]):
            continue
        inset = 10.0 if tag.handles else 4.0
        left = min(max(x0 - (0 if tag.handles else 1), 4.0), max(size[0] - width - 4.0, 4.0))
        right = left + width
        for top in (y0 - HEIGHT - _GAP, max(y0, 0.0) + inset, y1 + _GAP):
            foot = top + HEIGHT
            if top < 2 or foot > size[1] - 2:
                continue
            if any(left < c and a < right and top < d and b < foot for a, b, c, d in used):
                continue
            used.append((left, top, right, foot))
            placed.append((at, (left, top)))
            break
    return placed


class TagPictures:
    """Tags as pictures, drawn once for each text: text is what costs most in a frame."""

    def __init__(self) -> None:
        self._pictures: dict[tuple[str, str, str, str, bool, float], QImage] = {}

    def of(self, tag: Tag, ratio: float) -> QImage:
        """The picture of a tag for a screen of `ratio` device pixels to a pixel."""
        key = (tag.text, tag.color, tag.note, tag.note_color, tag.dot, ratio)
        if key not in self._pictures:
            if len(self._pictures) >= _MOST_PICTURES:
                self._pictures.clear()
            self._pictures[key] = _picture(tag, ratio)
        return self._pictures[key]


def _legible(color: str) -> QColor:
    """The colour, as light as it must be to be read on the dark ground."""
    found = QColor(color)
    lightness = max(found.lightnessF(), _LIGHT_ENOUGH)
    return QColor.fromHslF(found.hslHueF(), found.hslSaturationF(), lightness)


def _picture(tag: Tag, ratio: float) -> QImage:
    font = theme.ui_font(12)
    metrics = QFontMetricsF(font)
    text_width = metrics.horizontalAdvance(tag.text)
    note_width = 8 + metrics.horizontalAdvance(tag.note) if tag.note else 0
    start = 22 if tag.dot else 8
    width = math.ceil(start + text_width + note_width + 8)
    picture = QImage(
        math.ceil(width * ratio), math.ceil(HEIGHT * ratio), QImage.Format.Format_ARGB32_Premultiplied
    )
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(font)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_GROUND)
    painter.drawRoundedRect(QRectF(0, 0, width, HEIGHT), 6, 6)
    base = (HEIGHT + metrics.ascent() - metrics.descent()) / 2
    if tag.dot:
        painter.setBrush(QColor(tag.color))
        painter.drawEllipse(QPointF(12, HEIGHT / 2), 4, 4)
    painter.setPen(QColor("#ffffff") if tag.dot else _legible(tag.color))
    painter.drawText(QPointF(start, base), tag.text)
    if tag.note:
        painter.setPen(QColor(tag.note_color))
        painter.drawText(QPointF(start + text_width + 8, base), tag.note)
    painter.end()
    return picture
