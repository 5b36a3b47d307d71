"""The attributes of one annotation: a small table of keys and values."""

from collections.abc import Mapping
from typing import Any

import msgspec
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

_HEADER = 22
_MOST_ROWS = 5


def parsed(text: str) -> Any:
    """A typed value: what reads as JSON is that (3, true, null, "3", [1, 2]), anything else is text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return text


def shown(value: object) -> str:
    """A value so that `parsed` gives it back: text bare where it cannot be taken for something else."""
    if isinstance(value, str) and parsed(value) == value and isinstance(parsed(value), str):
        return value
    return msgspec.json.encode(value).decode()


class AttributesEditor(QWidget):
    """A disclosure with a key/value table, for objects that have any; the last, empty row adds one."""

    edited = Signal(dict)
    """All attributes, after one of them was changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._attributes: Mapping[str, Any] = {}
        self._filling = False
        self._typed: dict[str, Any] | None = None
        self._tell_later = timer(self, self._tell)
        self.button = QToolButton(self)
        self.button.setText("Attributes")
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setStyleSheet(
            "QToolButton { padding: 4px 6px 4px 0; } "
            "QToolButton:checked { background: transparent; color: palette(text); }"
        )
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.toggled.connect(self._unfolded)
        self.table = QTableWidget(0, 2, self)
        self.table.hide()
        self.table.setAccessibleName("Attributes of the object")
        self.table.setHorizontalHeaderLabels(["name", "value"])
        self.table.horizontalHeader().setFixedHeight(_HEADER)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.table.setTabKeyNavigation(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.AllEditTriggers)
        self.table.cellChanged.connect(self._changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.table)

    def show_attributes(self, attributes: Mapping[str, Any] | None) -> None:
        """Show the attributes of an annotation; None, or none while it is folded, hides the editor."""
        self.setVisible(attributes is not None and (bool(attributes) or self.button.isChecked()))
        if attributes is None:
            return
        as_shown = self.table.rowCount() > 0 and attributes == self._attributes
        if as_shown and (self._typed is None or self._tell_later.isActive()):
            # nothing new, or a value was typed that is about to be told
            return
        self._typed = None
        self._tell_later.stop()
        self._attributes = dict(attributes)
        self.button.setText(counted(len(attributes), "attribute") if attributes else "Attributes")
        self._filling = True
        self.table.setRowCount(len(attributes) + 1)
        for row, (key, value) in enumerate([*attributes.items(), ("", "")]):
            self.table.setItem(row, 0, _cell(key, "new key"))
            self.table.setItem(row, 1, _cell(shown(value) if key else "", "value"))
        self._filling = False
        self.table.setFixedHeight(min(len(attributes) + 1, _MOST_ROWS) * 26 + 4 + _HEADER)

    def unfold(self) -> None:
        """Open the disclosure and go to the last row."""
        self.show()
        self.button.setChecked(True)
        self.table.setFocus()
        self.table.setCurrentCell(self.table.rowCount() - 1, 0)

    def _unfolded(self, on: bool) -> None:
        self.table.setVisible(on)
        self.setVisible(on or bool(self._attributes))
        self.button.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)

    def _changed(self, row: int, column: int) -> None:
        if self._filling:
            return
        rows = [(self._text(i, 0).strip(), self._text(i, 1)) for i in range(self.table.rowCount())]
        attributes = {key: parsed(value) for key, value in rows if key}
        if column == 0 and row == len(rows) - 1 and rows[row][0] and not rows[row][1]:
            # a key alone waits for its value
            self.table.setCurrentCell(row, 1)
            return
        if attributes != self._attributes:
            # told once the table is done with the cell, since the answer fills it anew
            self._typed = attributes
            self._tell_later.start()

    def _tell(self) -> None:
        if self._typed is not None:
            self.edited.emit(self._typed)

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return "" if item is None else item.text()


def _cell(text: str, what: str) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setToolTip(text or what)
    return item
