"""Small parts of the evaluation panel: a row of choices side by side, and a grid that folds when narrow."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QPushButton, QSizePolicy, QWidget


class Segments(QWidget):
    """Buttons of which one is pressed; the arrow keys walk them."""

    chosen = Signal(object)
    """The value of the button that a person pressed."""

    def __init__(self, name: str, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.buttons: dict[object, QPushButton] = {}
        self._group = QButtonGroup(self)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def add(self, text: str, value: object, *, tooltip: str = "") -> None:
        """One more button, at the right."""
        button = QPushButton(text, self)
        button.setCheckable(True)
        button.setStyleSheet("padding: 3px 6px; font-size: 12px;")
        button.setToolTip(tooltip)
        button.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        button.setMinimumWidth(1)
        button.clicked.connect(lambda: self.chosen.emit(value))
        self._group.addButton(button)
        self.buttons[value] = button
        self._row.addWidget(button)

    def choose(self, value: object) -> None:
        """Press the button of a value without telling; none for a value that none has."""
        self._group.setExclusive(False)
        for key, button in self.buttons.items():
            button.setChecked(key == value)
        self._group.setExclusive(True)

    def value(self) -> object:
        """The value of the pressed button; None for none."""
        return next((key for key, button in self.buttons.items() if button.isChecked()), None)

    def set_text(self, value: object, text: str) -> None:
        """Call a button something else."""
        self.buttons[value].setText(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right press the neighbour."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key = Qt.Key(event.key())
        buttons = [button for button in self.buttons.values() if button.isVisible()]
        here = next((place for place, button in enumerate(buttons) if button.hasFocus()), None)
        if key in steps and here is not None:
            target = buttons[(here + steps[key]) % len(buttons)]
            target.setFocus()
            target.click()
        else:
            super().keyPressEvent(event)


class ScrollHolder(QWidget):
    """Gives a widget all its room, and asks a scroll area for a least height and no width.

    A scroll area would give a layout with words that wrap the height that it likes best.
    """

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content = content
        content.setParent(self)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The content is as large."""
        super().resizeEvent(event)
        self._content.setGeometry(self.rect())


class Folding(QWidget):
    """Widgets in one row where there is room, else in rows of two."""

    def __init__(
        self,
        widgets: Sequence[QWidget],
        *,
        stretches: Sequence[int],
        from_width: int,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._widgets = list(widgets)
        self._stretches = list(stretches)
        self._from = from_width
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(8)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        # or one row could never become so narrow that it folds
        self.setMinimumWidth(1)
        self._arrange(2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold or unfold."""
        super().resizeEvent(event)
        self._arrange(len(self._widgets) if self.width() >= self._from else 2)

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        count = len(self._widgets)
        for place, widget in enumerate(self._widgets):
            # the last one of a row takes what is left of it
            span = columns - place % columns if place == count - 1 else 1
            self._grid.addWidget(widget, place // columns, place % columns, 1, span)
        for column in range(count):
            stretch = self._stretches[column] if columns == count else 1
            self._grid.setColumnStretch(column, stretch if column < columns else 0)
        self.updateGeometry()
