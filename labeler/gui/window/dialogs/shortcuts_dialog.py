"""F1: every key, grouped, and a field to find one."""

import itertools
from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeySequence, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit import theme

_NAMED = {"Return": "Enter", "Del": "Del", "PgDown": "Page down", "PgUp": "Page up"}


class KeyCaps(QWidget):
    """Keys as small caps: "Ctrl+Z, Ctrl+Y" are two, each of their parts a cap."""

    def __init__(self, keys: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts = list(_parts(keys))
        self._font = theme.ui_font(12, weight=QFont.Weight.Medium)
        self.setAccessibleName(keys)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """All caps in one line."""
        return QSize(int(sum(width for _, width, _ in self._laid_out())) + 2, 24)

    def _laid_out(self) -> list[tuple[str, float, bool]]:
        metrics = QFontMetrics(self._font)
        return [
            (text, metrics.horizontalAdvance(text) + (18 if is_cap else 6), is_cap)
            for text, is_cap in self._parts
        ]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Caps and the words between them."""
        colors = theme.colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        left = 0.0
        for text, width, is_cap in self._laid_out():
            if is_cap:
                cap = QRectF(left + 1, 2, width - 4, 20)
                painter.setPen(QColor(colors.edge))
                painter.setBrush(QColor(colors.raised))
                painter.drawRoundedRect(cap, 4, 4)
                painter.setPen(QColor(colors.text))
                painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, text)
            else:
                painter.setPen(QColor(colors.quiet))
                painter.drawText(QRectF(left, 0, width, 24), Qt.AlignmentFlag.AlignCenter, text)
            left += width


def _parts(keys: str) -> list[tuple[str, bool]]:
    """Texts in order, and whether each is a key's cap."""
    parts: list[tuple[str, bool]] = []
    for place, one in enumerate(keys.split(", ")):
        if place:
            parts.append(("or", False))
        if QKeySequence(one).isEmpty() or " " in one:
            parts.append((one, " " not in one))
            continue
        names = one.replace("++", "+\0").split("+")
        parts += [(_NAMED.get(name, name.replace("\0", "+")), True) for name in names]
    return parts


class ShortcutsDialog(QDialog):
    """All keys as (group, text, keys); typing shows only those that have the words."""

    def __init__(self, keys: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("All keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(620, 680)
        self._rows: list[tuple[str, str, list[QWidget]]] = []
        self._headings: dict[str, QLabel] = {}
        self.search = QLineEdit(self, placeholderText="Find a key or what it does", clearButtonEnabled=True)
        self.search.setAccessibleName("Find a key")
        self.search.textChanged.connect(self._show_matching)
        self._none = QLabel("No key has these words.", self)
        self._none.setObjectName("quiet")
        self._none.hide()
        content = QWidget()
        self._grid = QGridLayout(content)
        self._grid.setContentsMargins(4, 0, 8, 8)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)
        for group, rows in itertools.groupby(keys, key=lambda row: row[0]):
            self._add_group(group, [(text, key) for _, text, key in rows])
        self._grid.setRowStretch(self._grid.rowCount(), 1)
        area = QScrollArea(self, widgetResizable=True)
        area.setWidget(content)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.search)
        layout.addWidget(self._none)
        layout.addWidget(area, 1)
        self.search.setFocus()

    def shown(self) -> list[str]:
        """The texts of the rows that match what is typed."""
        return [text for text, _, widgets in self._rows if not widgets[0].isHidden()]

    def _add_group(self, group: str, rows: list[tuple[str, str]]) -> None:
        heading = theme.heading_label(group)
        heading.setContentsMargins(0, 12, 0, 4)
        self._headings[group] = heading
        self._grid.addWidget(heading, self._grid.rowCount(), 0, 1, 2)
        for text, keys in rows:
            label = QLabel(text, wordWrap=True)
            caps = KeyCaps(keys)
            line = self._grid.rowCount()
            self._grid.addWidget(label, line, 0)
            self._grid.addWidget(caps, line, 1, Qt.AlignmentFlag.AlignRight)
            self._rows.append((text, f"{group} {text} {keys}".casefold(), [label, caps, heading]))

    def _show_matching(self, typed: str) -> None:
        words = typed.casefold().split()
        matching_headings = set()
        for _, haystack, (label, caps, heading) in self._rows:
            matches = all(word in haystack for word in words)
            label.setVisible(matches)
            caps.setVisible(matches)
            if matches:
                matching_headings.add(heading)
        for heading in self._headings.values():
            heading.setVisible(heading in matching_headings)
        self._none.setVisible(not matching_headings)
