"""What became of every item of a labels file, with the reasons: searched, copied, and kept in a file."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.core.files import atomic_write
from labeler.formats.coco.shapes import ANEW
from labeler.formats.report import FieldNote, Group, Report

_WORDS = {
    "refused": "not taken",
    "missing": "without a file",
    "skipped": "left out",
    "repaired": "repaired",
    "told": "taken as it is",
}

_WORDS_OF_WRITING = {"refused": "not written", "repaired": "changed", "told": "written as it is"}
"""What is called otherwise where labels go out."""

_WHY = 2
"""The column of the reason, which gets all room that the others leave."""

_WRAPPED = 500
"""Up to so many rows are as high as their reasons need; of more, all heights would take long to work out."""


class _Wrapping(QStyledItemDelegate):
    """Rows as high as their reasons need at the width of the column: Qt's own are one line high."""

    def __init__(self, view: QTreeWidget) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """The lines of the sentence, and what the row has around them."""
        hint = super().sizeHint(option, index)
        metrics = self._view.fontMetrics()
        room = QRect(0, 0, max(self._view.columnWidth(_WHY) - _AROUND, _AROUND), 1 << 20)
        lines = metrics.boundingRect(room, Qt.TextFlag.TextWordWrap, str(index.data())).height()
        return QSize(hint.width(), hint.height() + max(0, lines - metrics.lineSpacing()))


_AROUND = 20
"""Pixels of the column that are not the sentence's."""


class ImportReportDialog(QDialog):
    """The report of one file: equal sentences as one row with their number."""

    areas_wanted = Signal()
    """The file's areas are to stay as they are: it is to be taken in again so."""

    def __init__(
        self,
        report: Report,
        parent: QWidget | None = None,
        *,
        where: Callable[[FieldNote], str] = lambda note: note.place,
    ) -> None:
        super().__init__(parent)
        self._report = report
        is_export = report.done == "written"
        self.setWindowTitle(f"{'Export to' if is_export else 'Import of'} {report.source}")
        self.resize(960, 480)
        counts = QLabel(report.summary().partition("\n")[2].replace("\n  ", "\n").strip(), self)
        counts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.search = QLineEdit(self, placeholderText="Search the reasons", clearButtonEnabled=True)
        self.search.setAccessibleName("Search the reasons")
        self.search.textChanged.connect(self._filter)
        self.reasons = QTreeWidget(self)
        self.reasons.setHeaderLabels(["Items", "What became of them", "Why", "Where"])
        self.reasons.setRootIsDecorated(False)
        groups = report.groups()
        self.reasons.setUniformRowHeights(len(groups) > _WRAPPED)
        if len(groups) <= _WRAPPED:
            self.reasons.setWordWrap(True)
            self.reasons.setItemDelegateForColumn(_WHY, _Wrapping(self.reasons))
        self.reasons.setStyleSheet("QTreeWidget::item { padding: 3px 4px; }")
        self.reasons.setAccessibleName("Reasons")
        self.reasons.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.reasons.header().setStretchLastSection(False)
        self.reasons.header().setSectionResizeMode(_WHY, QHeaderView.ResizeMode.Stretch)
        # a narrower column wraps a sentence into more lines
        self.reasons.header().sectionResized.connect(self.reasons.scheduleDelayedItemsLayout)
        for group in groups:
            self.reasons.addTopLevelItem(_row(group, is_export=is_export, where=where(group.first)))
        self.told = QLabel(self, wordWrap=True)
        self.told.setObjectName("quiet")
        self._buttons = buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.copy_button = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        self.save_button = buttons.addButton("Save…", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy_button.clicked.connect(self.copy)
        self.save_button.clicked.connect(self._ask_where)
        buttons.button(QDialogButtonBox.StandardButton.Close).setDefault(True)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        for widget in (counts, self.search, self.reasons, self._areas(), self.told, buttons):
            layout.addWidget(widget)

    def _areas(self) -> QWidget:
        """The row that offers to keep the file's areas; hidden where none was worked out anew."""
        changed = sum(note.field == "area" and note.sentence.endswith(ANEW) for note in self._report.items)
        row = QWidget(self)
        many = "1 object has" if changed == 1 else f"{changed:,} objects have"
        line = QLabel(f"{many} another area in the file, which decides what counts as small or large.", row)
        line.setObjectName("quiet")
        line.setWordWrap(True)
        self.areas_button = QPushButton("Keep the file's areas", row)
        self.areas_button.setAutoDefault(False)
        self.areas_button.clicked.connect(self._want_areas)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(line, 1)
        layout.addWidget(self.areas_button)
        row.setVisible(changed > 0)
        return row

    def _want_areas(self) -> None:
        self.accept()
        self.areas_wanted.emit()

    def add_button(self, text: str, run: Callable[[], None]) -> None:
        """One more thing to do about it; the window stays."""
        self._buttons.addButton(text, QDialogButtonBox.ButtonRole.ActionRole).clicked.connect(run)

    def shown(self) -> list[str]:
        """The sentences that the search leaves."""
        rows = (self.reasons.topLevelItem(n) for n in range(self.reasons.topLevelItemCount()))
        return [row.text(_WHY) for row in rows if row is not None and not row.isHidden()]

    def copy(self) -> None:
        """Put the report on the clipboard, as text."""
        QGuiApplication.clipboard().setText(self._report.text())
        self.told.setText("The report is on the clipboard.")

    def save(self, path: Path) -> None:
        """Write every note to a JSON file; says where it is, or why it is not."""
        try:
            atomic_write(path, self._report.to_json())
        except OSError as error:
            self.told.setText(f"{path} was not written: {error.strerror or error}.")
        else:
            self.told.setText(f"The report is in {path}.")

    def _ask_where(self) -> None:
        name = f"{Path(self._report.source).stem}-report.json"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the report", name, "JSON (*.json)")
        if chosen:
            self.save(Path(chosen))

    def _filter(self, text: str) -> None:
        wanted = text.casefold()
        for number in range(self.reasons.topLevelItemCount()):
            row = self.reasons.topLevelItem(number)
            if row is not None:
                whole = " ".join(row.text(column) for column in range(self.reasons.columnCount()))
                row.setHidden(wanted not in whole.casefold())


def _row(group: Group, *, is_export: bool, where: str) -> QTreeWidgetItem:
    note = group.first
    words = _WORDS | _WORDS_OF_WRITING if is_export else _WORDS
    place = where if group.count == 1 else f"{where} and others"
    row = QTreeWidgetItem([f"{group.count:,}", words[note.verdict], note.sentence, place])
    row.setTextAlignment(0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    row.setToolTip(_WHY, note.sentence)
    return row
