"""Material Design icons, drawn from the font that ships with the app.

One font and one look-up table cost 10 ms at a start; the package qtawesome, where they come from, loads nine
icon fonts and costs 200.
"""

from functools import cache

import msgspec
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPainter, QPixmap

from labeler import paths
from labeler.errors import LabelerError

_SIZES = (16, 18, 20, 22, 32, 44)
"""Pixels: those that buttons and menus ask for, and twice the smallest and the largest for fine screens."""


def draw_icon(name: str, *, color: str, on: str, disabled: str) -> QIcon:
    """A Material Design icon ("brush") in three colours "#rrggbb": normal, checked or selected, disabled."""
    icon = QIcon()
    for size in _SIZES:
        icon.addPixmap(_glyph(name, size, color), QIcon.Mode.Normal, QIcon.State.Off)
        lit = _glyph(name, size, on)
        icon.addPixmap(lit, QIcon.Mode.Normal, QIcon.State.On)
        icon.addPixmap(lit, QIcon.Mode.Selected, QIcon.State.Off)
        icon.addPixmap(_glyph(name, size, disabled), QIcon.Mode.Disabled, QIcon.State.Off)
    return icon


def _glyph(name: str, size: int, color: str) -> QPixmap:
    family, codes = _font()
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    font = QFont(family)
    font.setPixelSize(size)
    painter.setFont(font)
    painter.setPen(QColor(color))
    painter.drawText(QRectF(0, 0, size, size), Qt.AlignmentFlag.AlignCenter, chr(int(codes[name], 16)))
    painter.end()
    return pixmap


@cache
def _font() -> tuple[str, dict[str, str]]:
    """The icon font's family and its code points (hexadecimal) by icon name."""
    folder = paths.resources() / "fonts" / "icons"
    try:
        font = (folder / "materialdesignicons.ttf").read_bytes()
        table = (folder / "materialdesignicons.json").read_bytes()
    except OSError as error:
        raise LabelerError(f"The icon font is missing: {error.filename}. Install Labeler again.") from error
    family = QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFontFromData(font))[0]
    return family, msgspec.json.decode(table, type=dict[str, str])
