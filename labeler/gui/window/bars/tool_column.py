"""The tools down the left side: one button each, its key shown on it."""

from collections.abc import Mapping

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QAction, QActionGroup, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from labeler.gui.canvas.tools.table import TOOLS
from labeler.gui.toolkit import theme

BUTTON = QSize(44, 44)
LOWEST = 33
"""Height of a button while a wide card leaves little room above it, in pixels."""


class KeyButton(QToolButton):
    """A button with an icon and, small in its corner, the key that does the same."""

    def __init__(self, action: QAction) -> None:
        super().__init__()
        self.setDefaultAction(action)
        self.setFixedWidth(BUTTON.width())
        self.setMinimumHeight(LOWEST)
        self.setMaximumHeight(BUTTON.height())
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.setIconSize(QSize(22, 22))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(action.text())

    def sizeHint(self) -> QSize:
        """A square, where there is room for all of them."""
        return BUTTON

    def paintEvent(self, event: QPaintEvent) -> None:
        """The button as the style draws it, and the key over it."""
        super().paintEvent(event)
        colors = theme.colors()
        painter = QPainter(self)
        painter.setFont(theme.ui_font(10))
        painter.setPen(QColor(colors.on_accent if self.isChecked() else colors.quiet))
        corner = QRect(0, 0, self.width() - 5, self.height() - 3)
        key = self.defaultAction().shortcut().toString()
        painter.drawText(corner, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, key)
        painter.end()


class ToolColumn(QFrame):
    """One button a tool; exactly one is down."""

    def __init__(self, actions: Mapping[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tools")
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(2)
        self._group = QActionGroup(self)
        for tool in TOOLS:
            self._group.addAction(actions[tool.name])
            column.addWidget(KeyButton(actions[tool.name]))
        column.addStretch(1)
        self.setFixedWidth(BUTTON.width() + 8)
