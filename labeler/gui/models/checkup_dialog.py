"""What `labeler doctor` says of this machine, in the window."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier
from labeler.models.checkup import Finding, State, findings

_WORDS: dict[State, str] = {"good": "Good", "slow": "Slow", "lacking": "Not there", "bad": "Broken"}


class CheckupDialog(QDialog):
    """Looks beside the window, which goes on, and lists what was found with what mends it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("This machine")
        self.resize(760, 520)
        self.summary = QLabel("Looking, and trying each device…", self)
        self.summary.setWordWrap(True)
        self.table = QTreeWidget(self)
        self.table.setHeaderLabels(["", "What", "Found", "What mends it"])
        self.table.setRootIsDecorated(False)
        self.table.setWordWrap(True)
        self.table.setStyleSheet("QTreeWidget::item { padding: 3px 4px; }")
        header = self.table.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in (2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self.table.currentItemChanged.connect(self._show_whole)
        self.table.setAccessibleName("What this machine has")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.copy_button = self._buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy_button.setEnabled(False)
        self.copy_button.clicked.connect(self._copy)
        self._buttons.button(QDialogButtonBox.StandardButton.Close).setDefault(True)
        self._buttons.rejected.connect(self.reject)
        self.told = QLabel(self, wordWrap=True)
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        for widget in (self.summary, self.table, self.told, self._buttons):
            layout.addWidget(widget)
        self._found: list[Finding] = []
        run_aside(
            lambda: list(findings()),
            courier=Courier(self),
            done=self.show_findings,
            failed=lambda error: self.summary.setText(f"This machine could not be looked at: {error}"),
            name="checkup",
        )

    def show_findings(self, found: list[Finding]) -> None:
        """List them, what needs mending first."""
        self._found = sorted(found, key=lambda one: ("bad", "slow", "lacking", "good").index(one.state))
        bad = sum(one.state == "bad" for one in found)
        slow = sum(one.state == "slow" for one in found)
        trouble = ", ".join(filter(None, (f"{bad} broken" if bad else "", f"{slow} slow" if slow else "")))
        self.summary.setText(
            f"{trouble} of {len(found)} things." if trouble else "Nothing is broken or slow."
        )
        colors = theme.colors()
        marks = {"good": colors.good, "slow": colors.middling, "lacking": colors.quiet, "bad": colors.bad}
        for one in self._found:
            item = QTreeWidgetItem([_WORDS[one.state], one.topic, one.said, one.mend])
            item.setForeground(0, QColor(marks[one.state]))
            for column in (2, 3):
                item.setToolTip(column, item.text(column))
            self.table.addTopLevelItem(item)
        self.copy_button.setEnabled(True)
        if (first := self.table.topLevelItem(0)) is not None:
            self.table.setCurrentItem(first)

    def _show_whole(self, item: QTreeWidgetItem | None) -> None:
        """The row whole, which its columns may cut: a command is to be read, and taken from here."""
        if item is not None:
            _, topic, said, mend = (item.text(column) for column in range(4))
            self.told.setText("\n".join(filter(None, (f"{topic}: {said}", mend))))

    def _copy(self) -> None:
        """The whole list as text, for a report."""
        lines = [f"{_WORDS[one.state]}: {one.topic}: {one.said} {one.mend}".rstrip() for one in self._found]
        QGuiApplication.clipboard().setText("\n".join(lines))
        self.told.setText("The list is on the clipboard.")
