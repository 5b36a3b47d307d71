"""A field that opens a list of things to tick, several of which may be chosen."""

from collections.abc import Iterable

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QWidget

from labeler.gui.toolkit.cards import Choice

ALL, NONE = "All of them", "None of them"
_ROWS = 12
"""Shown at once."""
_ON, _OFF = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class TickChoice(Choice):
    """A combo box whose list stays open while things in it are ticked; what is chosen stands in the field."""

    ticked = Signal()

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(name, [("", None)], parent)
        self.list = TickList(parent)  # below a combo box style sheets say nothing of rows
        self.list.setAccessibleName(name)
        self.list.ticked.connect(self.ticked)
        self.setEnabled(False)

    def offer(self, things: Iterable[tuple[str, int]]) -> None:
        """Have these in the list, each with its number, all of them ticked."""
        self.list.offer(things)
        self.setEnabled(bool(self.list.ticks))

    def say(self, text: str) -> None:
        """Have this in the field."""
        self.setItemText(0, text)

    def chosen(self) -> list[int]:
        """The numbers of what is ticked."""
        return [one.data(Qt.ItemDataRole.UserRole) for one in self.list.ticks if one.checkState() == _ON]

    def showPopup(self) -> None:
        """The list, below the field and as wide; above it where there is no room."""
        height = self.list.wanted_height()
        below = self.mapToGlobal(QPoint(0, self.height()))
        fits = below.y() + height <= self.screen().availableGeometry().bottom()
        place = below if fits else self.mapToGlobal(QPoint(0, -height))
        self.list.setGeometry(place.x(), place.y(), self.width(), height)
        self.list.show()
        self.list.setFocus(Qt.FocusReason.PopupFocusReason)


class TickList(QListWidget):
    """The list: a click or Space ticks, Enter and Esc close it."""

    ticked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.Popup)
        self.setObjectName("ticks")
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.ticks: list[QListWidgetItem] = []
        self.itemClicked.connect(self.act)

    def offer(self, things: Iterable[tuple[str, int]]) -> None:
        """Have these, all of them ticked."""
        for text in (ALL, NONE):
            self.addItem(text)
        for text, number in things:
            item = QListWidgetItem(text, self)
            item.setToolTip(text)
            item.setData(Qt.ItemDataRole.UserRole, number)
            # a click anywhere on the row ticks it, on the box too: so not by Qt as well
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(_ON)
            self.ticks.append(item)
        self.setCurrentRow(0)

    def wanted_height(self) -> int:
        """Of some rows of it."""
        return self.sizeHintForRow(0) * min(self.count(), _ROWS) + 2 * self.frameWidth() + 10

    def act(self, item: QListWidgetItem) -> None:
        """What a row stands for."""
        if item in self.ticks:
            item.setCheckState(_OFF if item.checkState() == _ON else _ON)
        else:
            for one in self.ticks:
                one.setCheckState(_ON if item.text() == ALL else _OFF)
        self.ticked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Letters lead to names, as in any list."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape):
            self.hide()
        elif event.key() == Qt.Key.Key_Space and self.currentItem() is not None:
            self.act(self.currentItem())
        else:
            super().keyPressEvent(event)
