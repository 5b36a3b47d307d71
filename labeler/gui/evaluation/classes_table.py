"""The figures of an evaluation as a table: a row for each category, and one for all of them."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from labeler.evaluation.findings import CategoryResult, Figures, Summary
from labeler.evaluation.operating_points import Rates
from labeler.gui.evaluation.results_view import EvaluationView
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.bars import paint_parts
from labeler.gui.toolkit.cards import paint_swatch

_VALUES = Qt.ItemDataRole.UserRole + 2
_RATES = Qt.ItemDataRole.UserRole + 3
ROW = 26
"""Height of a row, in pixels."""
_ALIKE = 0.0005

Index = QModelIndex | QPersistentModelIndex
Value = float | int | None


class CategoryRow(Struct, frozen=True, eq=False):
    """A row of the table, of one model."""

    figures: Figures
    truths: int
    rates: Rates
    pixel_iou: float | None = None
    pixel_dice: float | None = None


class _Column(Struct, frozen=True):
    title: str
    told: str
    value: Callable[[CategoryRow], Value]
    masks_only: bool = False


COLUMNS = (
    _Column("objects", "How many there are to find", lambda line: line.truths),
    _Column("AP", "Average precision over IoU 0.50 to 0.95", lambda line: line.figures.ap),
    _Column("AP50", "Average precision from an IoU of 0.50", lambda line: line.figures.ap50),
    _Column("AP75", "Average precision from an IoU of 0.75", lambda line: line.figures.ap75),
    _Column("IoU", "Of all pixels of the category together", lambda line: line.pixel_iou, masks_only=True),
    _Column("Dice", "Of all pixels of the category together", lambda line: line.pixel_dice, masks_only=True),
    _Column("precision", "Share of hits among the predictions from the confidence on",
            lambda line: line.rates.precision),
    _Column("recall", "Share of the objects that are found from the confidence on",
            lambda line: line.rates.recall),
    _Column("F1", "Harmonic mean of precision and recall", lambda line: line.rates.f1),
    _Column("AR", "Average recall with up to 100 predictions an image", lambda line: line.figures.ar100),
    _Column("AR 1", "Average recall with one prediction an image", lambda line: line.figures.ar1),
    _Column("AR 10", "Average recall with up to 10 predictions an image", lambda line: line.figures.ar10),
    _Column("AP small", "Of objects under 32 by 32 pixels", lambda line: line.figures.ap_small),
    _Column("AP medium", "Of objects from 32 by 32 to 96 by 96 pixels", lambda line: line.figures.ap_medium),
    _Column("AP large", "Of objects from 96 by 96 pixels", lambda line: line.figures.ap_large),
    _Column("AR small", "Of objects under 32 by 32 pixels", lambda line: line.figures.ar_small),
    _Column("AR medium", "Of objects from 32 by 32 to 96 by 96 pixels", lambda line: line.figures.ar_medium),
    _Column("AR large", "Of objects from 96 by 96 pixels", lambda line: line.figures.ar_large),
)  # fmt: skip
FIRST = 2
"""Columns before those: the name, and the bar."""


class NumbersModel(QAbstractTableModel):
    """All categories together first, then each; a row's place among them is its category's, or None."""

    def __init__(self, session: Session, view: EvaluationView, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._view = view
        self._lines: list[dict[int | None, CategoryRow]] = []
        self.columns: tuple[_Column, ...] = COLUMNS
        self.order: list[int | None] = []
        self._sorted: tuple[int, Qt.SortOrder] = (FIRST, Qt.SortOrder.DescendingOrder)

    def refresh(self) -> None:
        """Another outcome, or another confidence."""
        outcome = self._view.outcome
        evaluations = outcome.evaluations if outcome else ()
        with_masks = any(e.summary.by == "mask" for e in evaluations)
        self.beginResetModel()
        self.columns = tuple(c for c in COLUMNS if with_masks or not c.masks_only)
        self._lines = [
            _lines(e.summary, self._view.operating(place).total, self._view.operating(place).categories)
            for place, e in enumerate(evaluations)
        ]
        self._order()
        self.endResetModel()

    def refresh_rates(self) -> None:
        """Another confidence: the order stays."""
        outcome = self._view.outcome
        if outcome is None:
            return
        for place, lines in enumerate(self._lines):
            found = self._view.operating(place)
            for key, line in lines.items():
                lines[key] = _moved(line, found.total if key is None else found.categories[key])
        last = self.index(len(self.order) - 1, self.columnCount() - 1)
        self.dataChanged.emit(self.index(0, 0), last)

    def line(self, place: int, key: int | None) -> CategoryRow:
        """What a model comes to in a category, or in all."""
        return self._lines[place][key]

    def _order(self) -> None:
        column, order = self._sorted
        lines = self._lines[0] if self._lines else {}
        # categories that are neither labelled nor predicted say nothing
        used = [k for k in lines if k is not None and any(_counts(one[k]) for one in self._lines)]
        down = order == Qt.SortOrder.DescendingOrder
        if column < FIRST:
            used.sort(key=lambda key: self._view.categories[key].name.casefold(), reverse=down)
        elif column - FIRST < len(self.columns):
            value = self.columns[column - FIRST].value
            known = [key for key in used if value(lines[key]) is not None]
            known.sort(key=lambda key: value(lines[key]) or 0.0, reverse=down)
            used = [*known, *(key for key in used if value(lines[key]) is None)]
        self.order = [None, *used] if lines else []

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the categories by a column; all together stay on top."""
        self._sorted = column, order
        self.layoutAboutToBeChanged.emit()
        self._order()
        self.layoutChanged.emit()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.columns) + FIRST

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        titles = ["category", f"at {self._view.confidence:.2f}", *(c.title for c in self.columns)]
        told = ["", "Hits, misses and false alarms from the confidence on", *(c.told for c in self.columns)]
        if role == Qt.ItemDataRole.DisplayRole:
            down = self._sorted[1] == Qt.SortOrder.DescendingOrder
            return titles[section] + (" ↓" if down else " ↑") * (section == self._sorted[0])
        if role == Qt.ItemDataRole.ToolTipRole:
            return told[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            left = section < FIRST
            return (Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight) | _VERTICAL
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        key = self.order[index.row()]
        lines, column = [one[key] for one in self._lines], index.column() - FIRST
        if role == _VALUES:
            return [self.columns[column].value(line) for line in lines] if column >= 0 else None
        if role == _RATES:
            return lines[self._view.place].rates
        if role == Qt.ItemDataRole.DisplayRole:
            return self._words(key, column, lines)
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            title = f"{self.columns[column].title} " if column >= 0 else ""
            words = self._words(key, column, lines)
            return words if column == -FIRST else f"{self.name(key)}: {title}{words}"
        return None

    def _words(self, key: int | None, column: int, lines: Sequence[CategoryRow]) -> str:
        if column == -FIRST:
            return self.name(key)
        if column < 0:
            return _told(lines[self._view.place].rates)
        values = [self.columns[column].value(line) for line in lines]
        return " against ".join(_shown(value) for value in (values[:1] if column == 0 else values))

    def name(self, key: int | None) -> str:
        """The name of a row."""
        return "All categories" if key is None else self._view.categories[key].name

    def color(self, key: int | None) -> str:
        """The colour of a row's category; "" for all."""
        category = (
            self._session.document.categories.get(self._view.categories[key].id) if key is not None else None
        )
        return category.color if category is not None else ""


class NumbersDelegate(QStyledItemDelegate):
    """Paints names with their colour, the bar, and one or two numbers."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """One cell."""
        model = index.model()
        assert isinstance(model, NumbersModel)
        colors = theme.colors()
        area = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, QColor(colors.selected))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, QColor(colors.raised))
        key = model.order[index.row()]
        weight = QFont.Weight.DemiBold if key is None else QFont.Weight.Normal
        painter.setFont(theme.ui_font(12, weight=weight))
        painter.setPen(QColor(colors.text))
        if index.column() == 0:
            self._paint_name(painter, area, model, key)
        elif index.column() == 1:
            _paint_bar(painter, area, index.data(_RATES))
        else:
            self._paint_values(painter, area, index.data(_VALUES))
        painter.restore()

    def _paint_name(self, painter: QPainter, area: QRectF, model: NumbersModel, key: int | None) -> None:
        color = model.color(key)
        left = area.left() + 4
        if color:
            paint_swatch(painter, QRectF(left, area.center().y() - 5, 10, 10), color)
            left += 16
        room = area.right() - left - 4
        name = QFontMetrics(painter.font()).elidedText(
            model.name(key), Qt.TextElideMode.ElideRight, int(room)
        )
        painter.drawText(QRectF(left, area.top(), room, area.height()), _LEFT, name)

    def _paint_values(self, painter: QPainter, area: QRectF, values: Sequence[Value]) -> None:
        colors = theme.colors()
        width = area.width() / len(values)
        for place, value in enumerate(values):
            if place and isinstance(value, int):
                continue
            part = QRectF(area.left() + place * width, area.top(), width - 4, area.height())
            if isinstance(value, int):
                part = QRectF(area.left(), area.top(), area.width() - 4, area.height())
            color = colors.quiet if place else colors.text
            painter.setPen(QColor(colors.good if _leads(values, place) else color))
            painter.drawText(part, _RIGHT, _shown(value))


def _leads(values: Sequence[Value], place: int) -> bool:
    """Whether one of two shares is the higher one, by more than what is shown."""
    here, others = values[place], [*values[:place], *values[place + 1 :]]
    return isinstance(here, float) and any(isinstance(v, float) and here > v + _ALIKE for v in others)


def _paint_bar(painter: QPainter, area: QRectF, rates: Rates) -> None:
    colors = theme.colors()
    parts = (
        (rates.hits, colors.good),
        (rates.missed, colors.middling),
        (rates.false_alarms, colors.bad),
    )
    paint_parts(painter, parts, QRectF(area.left() + 4, area.center().y() - 4, area.width() - 12, 8))


def _lines(summary: Summary, total: Rates, categories: Sequence[Rates]) -> dict[int | None, CategoryRow]:
    lines: dict[int | None, CategoryRow] = {None: _all(summary, total)}
    for place, (result, rates) in enumerate(zip(summary.categories, categories, strict=True)):
        lines[place] = CategoryRow(result.figures, result.truths, rates, result.pixel_iou, result.pixel_dice)
    return lines


def _all(summary: Summary, total: Rates) -> CategoryRow:
    """All categories together; their pixel figures are the means over the categories that have them."""
    return CategoryRow(
        summary.figures,
        summary.truths,
        total,
        _mean(summary.categories, lambda one: one.pixel_iou),
        _mean(summary.categories, lambda one: one.pixel_dice),
    )


def _mean(results: Sequence[CategoryResult], value: Callable[[CategoryResult], float | None]) -> float | None:
    known = [found for found in map(value, results) if found is not None]
    return sum(known) / len(known) if known else None


def _moved(line: CategoryRow, rates: Rates) -> CategoryRow:
    return CategoryRow(line.figures, line.truths, rates, line.pixel_iou, line.pixel_dice)


def _counts(line: CategoryRow) -> int:
    return line.truths + line.rates.hits + line.rates.false_alarms


def _shown(value: Value) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _told(rates: Rates) -> str:
    return f"{rates.hits:,} hits, {rates.missed:,} missed, {rates.false_alarms:,} false alarms"


_VERTICAL = Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | _VERTICAL
_RIGHT = Qt.AlignmentFlag.AlignRight | _VERTICAL
