"""Long lists: a view that asks the model only for the rows it shows, and a delegate that paints a `Row`.

They are tables of one column because a `QListView` asks its model for every row at each reset: 430 ms
for 100,000 rows of a Python model, where a `QTableView` takes 3 ms.
"""

from typing import Any, Literal, TypeAlias

from msgspec import Struct
from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import paint_swatch

Index: TypeAlias = QModelIndex | QPersistentModelIndex
Mark: TypeAlias = Literal["", "swatch", "outline", "dot", "ring", "check", "alert", "point"]

ROW_ROLE = Qt.ItemDataRole.UserRole + 1
ROW_HEIGHT = 28
_MANY = 10_000
_PAD = 8
_MARK = 10


class Row(Struct, frozen=True):
    """What one row shows, from left to right: a mark, the text, quiet words, and a number at the right."""

    text: str
    quiet: str = ""
    right: str = ""
    right_color: str = ""
    """Of `right`; "" is the quiet colour."""
    mark: Mark = ""
    mark_color: str = ""
    dimmed: bool = False
    tooltip: str = ""
    strong: bool = False
    """The one of the list that is current."""


class RowsModel(QAbstractTableModel):
    """A one-column model of ids; a subclass says what row an id shows."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.ids: list[int] = []
        self.positions: dict[int, int] = {}
        """The row of each id."""

    def row(self, item_id: int) -> Row:
        """What the item shows; asked for visible rows only."""
        raise NotImplementedError

    def set_ids(self, ids: list[int]) -> None:
        """Show other items; nothing happens when they are the same."""
        if ids != self.ids:
            self.beginResetModel()
            self.ids = ids
            self.positions = {item_id: row for row, item_id in enumerate(ids)}
            self.endResetModel()
        self.refresh()

    def refresh(self) -> None:
        """All items may look different now."""
        if self.ids:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.ids) - 1, 0))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.ids)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.ids):
            return None
        if role not in (
            ROW_ROLE,
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.ToolTipRole,
            Qt.ItemDataRole.AccessibleTextRole,
        ):
            return None
        row = self.row(self.ids[index.row()])
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.tooltip or row.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join(part for part in (row.text, row.quiet, row.right) if part)
        return row.text


class RowDelegate(QStyledItemDelegate):
    """Paints a `Row`: rounded selection, mark, text, quiet text, right-aligned number."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """The whole row, inside `option.rect`."""
        row: Row | None = index.data(ROW_ROLE)
        if row is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(option.rect).adjusted(0.5, 1.5, -0.5, -1.5)
        self.paint_background(painter, rect, option)
        if row.dimmed:
            painter.setOpacity(0.55)
        left = rect.left() + _PAD
        if row.mark:
            paint_mark(painter, QRectF(left, rect.center().y() - _MARK / 2, _MARK, _MARK), row)
            left += _MARK + _PAD
        right = self.paint_trailing(painter, rect, row, option, index)
        self._paint_words(painter, QRectF(left, rect.top(), right - left, rect.height()), row)
        painter.restore()

    def paint_background(self, painter: QPainter, rect: QRectF, option: QStyleOptionViewItem) -> None:
        """The selection, the focus ring, or the hover."""
        colors = theme.colors()
        state = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        focused = bool(state & QStyle.StateFlag.State_HasFocus)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        if not (selected or focused or hovered):
            return
        painter.setPen(
            QPen(QColor(colors.accent), 2 if focused else 1) if selected or focused else Qt.PenStyle.NoPen
        )
        fill = QColor(colors.selected if selected else colors.raised)
        painter.setBrush(fill if selected or hovered else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(rect, 6, 6)

    def paint_trailing(
        self, painter: QPainter, rect: QRectF, row: Row, option: QStyleOptionViewItem, index: Index
    ) -> float:
        """What stands at the right end; returns where the words must end."""
        del option, index
        end = rect.right() - _PAD
        if not row.right:
            return end
        colored = bool(row.right_color)
        font = theme.ui_font(
            13 if colored else 12, weight=QFont.Weight.DemiBold if colored else QFont.Weight.Normal
        )
        width = QFontMetrics(font).horizontalAdvance(row.right)
        painter.setFont(font)
        painter.setPen(QColor(row.right_color or theme.colors().quiet))
        painter.drawText(QRectF(end - width, rect.top(), width + 1, rect.height()), _MIDDLE, row.right)
        return end - width - _PAD

    def _paint_words(self, painter: QPainter, rect: QRectF, row: Row) -> None:
        colors = theme.colors()
        font = theme.ui_font(13, weight=QFont.Weight.DemiBold if row.strong else QFont.Weight.Normal)
        small = theme.ui_font(12)
        metrics, small_metrics = QFontMetrics(font), QFontMetrics(small)
        quiet_width = small_metrics.horizontalAdvance(row.quiet) if row.quiet else 0
        room = text_room(rect.width(), quiet_width)
        text_width = min(metrics.horizontalAdvance(row.text) + 1.0, max(room, 0.0))
        painter.setFont(font)
        painter.setPen(QColor(colors.text))
        painter.drawText(
            QRectF(rect.left(), rect.top(), text_width, rect.height()),
            _MIDDLE,
            metrics.elidedText(row.text, Qt.TextElideMode.ElideMiddle, int(text_width)),
        )
        left = rect.left() + text_width + _PAD
        if row.quiet and rect.right() - left > 16:
            painter.setFont(small)
            painter.setPen(QColor(colors.quiet))
            words = small_metrics.elidedText(
                row.quiet, Qt.TextElideMode.ElideRight, int(rect.right() - left) + 1
            )
            painter.drawText(QRectF(left, rect.top(), rect.right() - left + 2, rect.height()), _MIDDLE, words)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """As wide as the view."""
        del index
        return QSize(option.rect.width(), ROW_HEIGHT)


def text_room(width: float, quiet_width: float) -> float:
    """What the text of a row may take of its width: it goes first.

    Quiet words keep a quarter if they need it, and nothing where that would be too little to be read.
    """
    kept = min(quiet_width, width * 0.25)
    return width - (kept + _PAD if kept and (kept == quiet_width or kept >= _READABLE) else 0)


_READABLE = 40
"""Pixels of which some quiet words can be read."""
_MIDDLE = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def paint_mark(painter: QPainter, rect: QRectF, row: Row) -> None:
    """The mark at the left of a row; each kind has its own form, so that colour is never the only sign."""
    color = QColor(row.mark_color)
    match row.mark:
        case "swatch" | "outline":
            paint_swatch(painter, rect, row.mark_color, outline=row.mark == "outline")
        case "ring":
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(color, 1.5))
            painter.drawEllipse(rect.adjusted(1.5, 1.5, -1.5, -1.5))
        case "dot" | "check":
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            painter.drawEllipse(rect if row.mark == "check" else rect.adjusted(1, 1, -1, -1))
            if row.mark == "check":
                _paint_check(painter, rect)
        case "point":
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            painter.drawEllipse(rect.center(), 2, 2)
        case "alert":
            _paint_alert(painter, rect, color)


def _paint_check(painter: QPainter, rect: QRectF) -> None:
    painter.setPen(QPen(QColor(theme.colors().card), 1.4))
    x, y = rect.left(), rect.top()
    painter.drawPolyline([QPointF(x + 2.8, y + 5.2), QPointF(x + 4.5, y + 6.9), QPointF(x + 7.4, y + 3.5)])


def _paint_alert(painter: QPainter, rect: QRectF, color: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    painter.drawPolygon([QPointF(rect.center().x(), rect.top()), rect.bottomRight(), rect.bottomLeft()])
    painter.setPen(QPen(QColor(theme.colors().card), 1.4))
    x = rect.center().x()
    painter.drawLine(QPointF(x, rect.top() + 3.6), QPointF(x, rect.top() + 6.4))
    painter.drawPoint(QPointF(x, rect.top() + 8.3))


class RowsView(QTableView):
    """A plain list of equal rows, as high as its rows up to a limit."""

    def __init__(self, name: str, parent: QWidget | None = None, *, most_rows: int = 0) -> None:
        super().__init__(parent)
        self._most_rows = most_rows
        self.setAccessibleName(name)
        self.horizontalHeader().hide()
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(40)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setItemDelegate(RowDelegate(self))

    def setModel(self, model: QAbstractItemModel | None) -> None:
        """Be no higher than the rows of the model."""
        super().setModel(model)
        if model is not None:
            model.modelReset.connect(self._fit)
            self._fit()

    def _fit(self) -> None:
        self.setMaximumHeight(max(min(self.model().rowCount(), _MANY), 1) * ROW_HEIGHT)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """High enough for the rows, at most `most_rows` of them."""
        rows = self.model().rowCount() if self.model() else 0
        most = self._most_rows or rows
        return QSize(240, max(min(rows, most), 1) * ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """One row: lists are what gives way when panels share a low window."""
        return QSize(120, ROW_HEIGHT)
