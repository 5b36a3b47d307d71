"""A project that another computer has open, or left locked: look at it, or take it over on purpose."""

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from labeler.project.keeping.lock import Holder


class LockedDialog(QDialog):
    """Rejected: leave it; accepted: `take_over` says whether the lock is to be overruled."""

    def __init__(self, sentence: str, holder: Holder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open on another computer")
        self.setMinimumWidth(440)
        self.take_over = False
        self._host = holder.host
        how = f"If you know that nobody works on it there any more, type {holder.host} to take it over."
        said = QLabel(f"{sentence}\n\n{how}")
        said.setWordWrap(True)
        self.typed = QLineEdit()
        self.typed.setPlaceholderText(holder.host)
        self.typed.setAccessibleName("Name of the other computer")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        look = buttons.addButton("Open read-only", QDialogButtonBox.ButtonRole.AcceptRole)
        self.take = buttons.addButton("Take over", QDialogButtonBox.ButtonRole.DestructiveRole)
        self.take.setEnabled(False)
        self.typed.textChanged.connect(lambda text: self.take.setEnabled(text.strip() == self._host))
        look.clicked.connect(self.accept)
        self.take.clicked.connect(self._take)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        for widget in (said, self.typed, buttons):
            column.addWidget(widget)

    def _take(self) -> None:
        self.take_over = True
        self.accept()
