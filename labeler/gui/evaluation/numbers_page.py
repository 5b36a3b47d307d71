"""The figures of an evaluation: the set in big numbers over the table of its categories."""

from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QTableView, QVBoxLayout, QWidget

from labeler.gui.evaluation.classes_table import COLUMNS, FIRST, ROW, NumbersDelegate, NumbersModel
from labeler.gui.evaluation.results_view import EvaluationView
from labeler.gui.session.session import Session
from labeler.gui.toolkit.figures import Figure

_NAME, _BAR, _ONE, _TWO = 132, 76, 62, 104
"""Widths of the columns, in pixels: the last two of figures of one model, and of two."""


class NumbersPage(QWidget):
    """Big numbers of the set over the table of its categories."""

    def __init__(self, session: Session, view: EvaluationView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self.figures = {name: Figure(name, self, graded=False) for name in ("AP", "AP50", "AP75", "AR", "F1")}
        row = QHBoxLayout()
        row.setSpacing(8)
        for figure in self.figures.values():
            figure.setMinimumWidth(48)
            row.addWidget(figure, 1)
        self.model = NumbersModel(session, view, self)
        self.table = QTableView(self)
        self._make_table()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.table, 1)
        view.changed.connect(self.refresh)
        view.moved.connect(self._move)
        self.refresh()

    def _make_table(self) -> None:
        table = self.table
        table.setModel(self.model)
        table.setItemDelegate(NumbersDelegate(table))
        table.setAccessibleName("Figures by category")
        table.setShowGrid(False)
        table.setMouseTracking(True)
        table.setTabKeyNavigation(False)
        table.setCornerButtonEnabled(False)
        table.setSortingEnabled(True)
        table.sortByColumn(FIRST, Qt.SortOrder.DescendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setMinimumHeight(3 * ROW)
        table.verticalHeader().hide()
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(ROW)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setMinimumSectionSize(40)
        header.setHighlightSections(False)
        # the arrow in the header's own words takes no room from them
        header.setSortIndicatorShown(False)
        header.setFixedHeight(28)
        table.setStyleSheet("QAbstractScrollArea::corner { background: transparent; border: none; }")
        table.selectionModel().currentChanged.connect(self._choose)

    def refresh(self) -> None:
        """Show the figures of the view's outcome."""
        self.model.refresh()
        header = self.table.horizontalHeader()
        pair = len(self._view.titles) > 1
        for section in range(self.model.columnCount()):
            width = _NAME if section == 0 else _BAR if section == 1 else _TWO if pair else _ONE
            if section >= FIRST and not pair:
                words = header.fontMetrics().horizontalAdvance(self.model.columns[section - FIRST].title)
                width = max(width, words + 24)
            header.resizeSection(section, width)
        with QSignalBlocker(self.table.selectionModel()):
            if self._view.category in self.model.order:
                self.table.selectRow(self.model.order.index(self._view.category))
        self.table.viewport().update()
        self._show_figures()

    def _move(self) -> None:
        self.model.refresh_rates()
        self.model.headerDataChanged.emit(Qt.Orientation.Horizontal, 1, 1)
        self._show_figures()

    def _show_figures(self) -> None:
        view = self._view
        if view.outcome is None:
            return
        columns = {column.title: column.value for column in COLUMNS}
        here = self.model.line(view.place, view.category)
        other = self.model.line(1 - view.place, view.category) if len(view.titles) > 1 else None
        for name, figure in self.figures.items():
            value = columns[name](here)
            before = columns[name](other) if other is not None else None
            change = value - before if value is not None and before is not None else 0.0
            figure.show_value(value, change=change)
            told = f"{view.category_name()}: {next(c.told for c in COLUMNS if c.title == name)}"
            against = f"\nagainst {view.titles[1 - view.place]}" if other is not None else ""
            figure.setToolTip(told + against)

    def _choose(self, index: QModelIndex) -> None:
        if index.isValid() and index.row() < len(self.model.order):
            self._view.choose_category(self.model.order[index.row()])
