"""What is said while something is dragged over the window: that it may be dropped, and what it is."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from labeler.gui.toolkit import theme

_WIDEST = 420
"""Pixels of a name; of a longer one the middle is left out."""


class DropSign(QFrame):
    """A frame around all that is in the window, with a sentence; the mouse does not meet it."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.said = QLabel(self)
        self.said.setObjectName("drop")
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        column = QVBoxLayout(self)
        column.addWidget(self.said, 0, Qt.AlignmentFlag.AlignCenter)
        self.setObjectName("dropping")
        self.hide()

    def show_for(self, paths: Sequence[Path]) -> None:
        """Say what would be opened."""
        name = self.fontMetrics().elidedText(paths[0].name, Qt.TextElideMode.ElideMiddle, _WIDEST)
        more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        self.said.setText(f"Drop to open {name}{more}")
        c = theme.colors()
        self.setStyleSheet(
            f"QFrame#dropping {{ border: 3px solid {c.accent}; border-radius: 10px; }}"
            f"QLabel#drop {{ background: {c.accent}; color: {c.on_accent}; border-radius: 8px;"
            " padding: 10px 18px; }"
        )
        self.setGeometry(self._over.rect())
        self.raise_()
        self.show()
