"""The fields of a trainer's options: the few that matter, and the others folded away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from labeler.errors import LabelerError
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Choice, tool_button

if TYPE_CHECKING:
    from labeler.training.specs import Option, Value

Field: TypeAlias = QCheckBox | Choice | QLineEdit


class OptionFields(QWidget):
    """A row for each option: a switch, a choice, or a line that takes what the option takes."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options: tuple[Option, ...] = ()
        self.fields: dict[str, Field] = {}
        """By the option's name."""
        self._stops: list[QWidget] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._holder = QWidget(self)
        self._rows.addWidget(self._holder)

    def show_options(self, options: tuple[Option, ...], values: Mapping[str, Value] | None = None) -> None:
        """Show these instead, with these values, or else their defaults."""
        self._options, self.fields, self._stops = options, {}, []
        self._rows.removeWidget(self._holder)
        self._holder.hide()
        self._holder.deleteLater()
        self._holder = QWidget(self)
        self._rows.addWidget(self._holder)
        form = compact_form(self._holder)
        for option in options:
            value = (values or {}).get(option.name, option.default)
            field = self.fields[option.name] = self._field(option, value)
            self._stops.append(field)
            field.setAccessibleName(option.title)
            field.setToolTip(option.help or option.title)
            form.addRow(
                "" if isinstance(field, QCheckBox) else option.title, self._with_browse(option, field)
            )
        self.setVisible(bool(options))

    @property
    def stops(self) -> list[QWidget]:
        """What the Tab key stops at, from the top to the bottom."""
        return list(self._stops)

    def values(self) -> dict[str, Value]:
        """What the fields say; LabelerError, naming the first that is wrong and why."""
        return {option.name: self._value(option) for option in self._options}

    def kept(self) -> dict[str, Value]:
        """What the fields say, without those that are wrong."""
        found: dict[str, Value] = {}
        for option in self._options:
            with suppress(LabelerError):
                found[option.name] = self._value(option)
        return found

    def problem(self) -> str:
        """What is wrong with the first wrong field, "" where all are right; marks each."""
        found = ""
        for option in self._options:
            try:
                self._value(option)
            except LabelerError as error:
                found = found or str(error).replace(f"“{option.name}”", option.title, 1)
                self._mark(self.fields[option.name], theme.colors().bad)
            else:
                self._mark(self.fields[option.name], "")
        return found

    def _value(self, option: Option) -> Value:
        field = self.fields[option.name]
        if isinstance(field, QCheckBox):
            return field.isChecked()
        if isinstance(field, Choice):
            return str(field.currentData())
        return option.parsed(field.text())

    def _field(self, option: Option, value: Value) -> Field:
        if isinstance(option.default, bool):
            box = QCheckBox(option.title, self._holder)
            box.setChecked(bool(value))
            box.toggled.connect(self.edited)
            return box
        if option.choices:
            choice = Choice(option.title, [(name, name) for name in option.choices], self._holder)
            choice.choose(value)
            choice.currentIndexChanged.connect(self.edited)
            return choice
        line = QLineEdit(f"{value:g}" if isinstance(value, float) else str(value), self._holder)
        line.setMinimumWidth(48)
        line.textEdited.connect(self.edited)
        if option.is_file:
            line.setPlaceholderText("None")
        return line

    def _with_browse(self, option: Option, field: Field) -> QWidget:
        if not option.is_file or not isinstance(field, QLineEdit):
            return field
        row = QWidget(self._holder)
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        browse = tool_button("folder-open-outline", f"{option.title}: choose a file", row)
        browse.clicked.connect(partial(self._browse, field, option.title))
        line.addWidget(field, 1)
        line.addWidget(browse)
        self._stops.append(browse)
        return row

    def _browse(self, field: QLineEdit, title: str) -> None:
        path, _ = QFileDialog.getOpenFileName(self, title, field.text())
        if path:
            field.setText(path)
            self.edited.emit()

    def _mark(self, field: Field, color: str) -> None:
        field.setStyleSheet(f"border: 1px solid {color};" if color else "")


def compact_form(parent: QWidget) -> QFormLayout:
    """A form whose labels go above their fields where there is no room beside them."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(12)
    form.setVerticalSpacing(6)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def walk_by_tab(stops: Sequence[QWidget]) -> None:
    """Have the Tab key go from one to the next; what comes before the first stays."""
    for before, after in pairwise(stops):
        QWidget.setTabOrder(before, after)


def quiet_label(text: str = "", parent: QWidget | None = None) -> QLabel:
    """Small words in the quiet colour, that wrap."""
    label = QLabel(text, parent, wordWrap=True)
    label.setObjectName("quiet")
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
