"""A project that was replaced while it was open: which of the two goes on under its name."""

from pathlib import Path
from typing import Literal

from PySide6.QtWidgets import QDialog, QLabel, QPushButton, QVBoxLayout, QWidget


class ReplacedDialog(QDialog):
    """Rejected: decide later; accepted: `choice` says which is the project from now on."""

    def __init__(self, sentence: str, project: Path, copy: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which labels go on")
        self.setMinimumWidth(480)
        self.choice: Literal["mine", "theirs"] = "mine"
        said = QLabel(sentence, wordWrap=True)
        self.mine = QPushButton(f"Use mine as {project.name}")
        self.mine.setToolTip(f"{copy.name} takes its place; the other file is kept under another name")
        self.theirs = QPushButton("Use the other file")
        self.theirs.setToolTip("Yours is kept beside it under another name")
        later = QPushButton("Decide later")
        later.setToolTip(f"Your edits are safe in {copy}")
        self.mine.clicked.connect(self.accept)
        self.theirs.clicked.connect(self._take_theirs)
        later.clicked.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        for widget in (said, self.mine, self.theirs, later):
            column.addWidget(widget)

    def _take_theirs(self) -> None:
        self.choice = "theirs"
        self.accept()
