"""Material Design icons, drawn from the font that qtawesome ships.

qtawesome itself is not imported: it loads nine icon fonts and costs 200 ms at every start, while one
font and one look-up table cost 10.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import msgspec
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPainter, QPixmap

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
    spec = find_spec("qtawesome")
    if spec is None or spec.origin is None:
        raise LabelerError("The icon font is missing: the package qtawesome is not installed.")
    fonts = Path(spec.origin).parent / "fonts"
    font_file = next(fonts.glob("materialdesignicons6-*.ttf"))
    table = next(fonts.glob("materialdesignicons6-*.json"))
    family = QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(font_file)))[0]
    return family, msgspec.json.decode(table.read_bytes(), type=dict[str, str])
