"""What ships beside the code can be used as it is."""

import configparser
import hashlib
import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from labeler import paths

FONTS = sorted((paths.resources() / "fonts").glob("*.otf"))


@pytest.mark.parametrize("font", FONTS, ids=lambda path: path.stem)
def test_fonts_load_and_have_tabular_figures(qapp: QApplication, font: Path) -> None:
    number = QFontDatabase.addApplicationFont(str(font))
    try:
        assert QFontDatabase.applicationFontFamilies(number)[0].startswith("Inter")
        assert b"tnum" in font.read_bytes()
    finally:
        QFontDatabase.removeApplicationFont(number)


def test_fonts_are_those_that_the_origin_note_lists() -> None:
    note = (paths.resources() / "fonts" / "ORIGIN.md").read_text("utf-8")
    listed = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", note, re.MULTILINE)}
    assert listed == {font.name: hashlib.sha256(font.read_bytes()).hexdigest() for font in FONTS}
    assert "SIL OPEN FONT LICENSE" in (paths.resources() / "fonts" / "LICENSE").read_text("utf-8")


def test_the_icon_font_is_the_one_that_its_origin_note_lists() -> None:
    folder = paths.resources() / "fonts" / "icons"
    note = (folder / "ORIGIN.md").read_text("utf-8")
    listed = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", note, re.MULTILINE)}
    shipped = [folder / "materialdesignicons.json", folder / "materialdesignicons.ttf"]
    assert listed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in shipped}
    assert "Apache License" in (folder / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize("size", [16, 24, 32, 48, 256])
def test_the_icon_reads_at_every_size(qapp: QApplication, size: int) -> None:
    renderer = QSvgRenderer(str(paths.resources() / "icons" / "labeler.svg"))
    assert renderer.isValid()
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    assert image.pixelColor(size // 2, size // 2).name() == "#2b5bd7"
    edge = [image.pixelColor(int(size * 0.28), y).lightness() for y in range(size // 3)]
    assert max(edge) > 180, "the selection's corner stands out white"
    assert image.pixelColor(0, 0).alpha() < 40


def test_the_desktop_entry_starts_the_app() -> None:
    entry = configparser.RawConfigParser(delimiters=("=",))
    entry.optionxform = str
    entry.read(paths.resources() / "labeler.desktop", "utf-8")
    values = entry["Desktop Entry"]
    assert values["Exec"] == "labeler %F"
    assert (paths.resources() / "icons" / f"{values['Icon']}.svg").is_file()
    assert {"inode/directory", "image/jpeg", "application/json"} <= set(values["MimeType"].split(";"))
