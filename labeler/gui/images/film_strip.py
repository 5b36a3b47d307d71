"""The strip of thumbnails below the canvas."""

from collections.abc import Iterable

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QPainter,
    QPainterPath,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from labeler.core.records import Image
from labeler.gui.images.thumbnails import Thumbnails
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.rows import Index, Row, paint_mark
from labeler.gui.toolkit.status_words import name_of, status_mark, status_of
from labeler.gui.toolkit.words import counted

CELL = QSize(104, 80)
_GAP = 4
_RADIUS = 6
_IMAGE_ROLE = Qt.ItemDataRole.UserRole + 1


class _StripModel(QAbstractTableModel):
    """One row, a column an image; holds ids only."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.ids: list[int] = []
        self._columns: dict[int, int] = {}

    def set_ids(self, ids: list[int]) -> None:
        """Show these images, in this order."""
        self.beginResetModel()
        self.ids = ids
        self._columns = {image_id: column for column, image_id in enumerate(ids)}
        self.endResetModel()

    def column(self, image_id: int) -> int:
        """Where an image is, or -1."""
        return self._columns.get(image_id, -1)

    def refresh(self, image_ids: Iterable[int]) -> None:
        """These images look different now."""
        for column in map(self.column, image_ids):
            if column >= 0:
                index = self.index(0, column)
                self.dataChanged.emit(index, index)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else 1

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.ids)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.column() >= len(self.ids):
            return None
        image = self._session.document.find_image(self.ids[index.column()])
        if image is None:
            return None
        if role == _IMAGE_ROLE:
            return image
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._description(image)
        return None

    def _description(self, image: Image) -> str:
        objects = sum(self._session.document.counts(image.id).values())
        parts = [name_of(image), status_of(image, objects=objects), counted(objects, "object"), image.note]
        return " · ".join(part for part in parts if part)


class _StripDelegate(QStyledItemDelegate):
    """Paints a thumbnail, its status, and the frame of the open image."""

    def __init__(self, session: Session, thumbnails: Thumbnails, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._thumbnails = thumbnails

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        image: Image | None = index.data(_IMAGE_ROLE)
        if image is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF(option.rect).adjusted(_GAP, _GAP, -_GAP, -_GAP)
        picture = self._thumbnails.pixmap(image, self._session.place.image_path(image))
        if picture is not None:
            _paint_picture(painter, frame, picture)
        else:
            self._paint_placeholder(painter, frame, image)
        self._paint_frame(painter, frame, image, option)
        objects = sum(self._session.document.counts(image.id).values())
        _paint_status(painter, frame, *status_mark(status_of(image, objects=objects)))
        painter.restore()

    def _paint_placeholder(self, painter: QPainter, frame: QRectF, image: Image) -> None:
        """A quiet field; the name tells what cannot be shown."""
        colors = theme.colors()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.raised))
        painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        if self._thumbnails.failed(image.id):
            font = theme.ui_font(11)
            inner = frame.adjusted(6, 6, -6, -6)
            words = QFontMetrics(font).elidedText(
                name_of(image), Qt.TextElideMode.ElideMiddle, int(inner.width())
            )
            painter.setFont(font)
            painter.setPen(QColor(colors.quiet))
            painter.drawText(inner, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignHCenter, words)

    def _paint_frame(
        self, painter: QPainter, frame: QRectF, image: Image, option: QStyleOptionViewItem
    ) -> None:
        colors = theme.colors()
        current = self._session.place.image is not None and self._session.place.image.id == image.id
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        if not (current or focused or hovered):
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colors.accent if current else colors.quiet), 3 if current else 2))
        painter.drawRoundedRect(frame.adjusted(-1, -1, 1, 1), _RADIUS + 1, _RADIUS + 1)


def _paint_picture(painter: QPainter, frame: QRectF, picture: QPixmap) -> None:
    """The middle of the picture, filling the rounded frame."""
    scale = min(picture.width() / frame.width(), picture.height() / frame.height())
    source = QRectF(0, 0, frame.width() * scale, frame.height() * scale)
    source.moveCenter(QRectF(picture.rect()).center())
    clip = QPainterPath()
    clip.addRoundedRect(frame, _RADIUS, _RADIUS)
    painter.save()
    painter.setClipPath(clip)
    painter.drawPixmap(frame, picture, source)
    painter.restore()


def _paint_status(painter: QPainter, frame: QRectF, mark: str, color: str) -> None:
    """The status in the corner, on a dark disc that any photo lets stand out."""
    spot = QRectF(frame.right() - 17, frame.top() + 3, 14, 14)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.colors().card))
    painter.drawEllipse(spot)
    paint_mark(painter, spot.adjusted(2, 2, -2, -2), Row("", mark=mark, mark_color=color))  # type: ignore[arg-type]


class FilmStrip(QTableView):
    """All images of the present order as thumbnails; a click, Left, Right or Enter goes to one."""

    shown = Signal(int)
    """The number of images in the strip changed."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._thumbnails = Thumbnails(self)
        self._thumbnails.ready.connect(self._on_ready)
        self._model = _StripModel(session, self)
        self.setModel(self._model)
        self.setItemDelegate(_StripDelegate(session, self._thumbnails, self))
        self.setAccessibleName("Film strip")
        self._set_up_view()
        self.clicked.connect(self._go_to)
        self.activated.connect(self._go_to)
        session.project_changed.connect(self._on_project)
        session.place.order_changed.connect(self._show_order)
        session.document.images_changed.connect(self._on_images)
        session.place.image_changed.connect(self._show_current)
        self._show_order()

    def _set_up_view(self) -> None:
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.hide()
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setDefaultSectionSize(CELL.width())
        self.verticalHeader().setDefaultSectionSize(CELL.height())
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        # a click goes to an image and leaves the keys with the canvas
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.horizontalScrollBar().setSingleStep(CELL.width() // 2)

    def sizeHint(self) -> QSize:
        """One row of thumbnails and the scroll bar."""
        return QSize(600, CELL.height() + 12)

    def minimumSizeHint(self) -> QSize:
        """One row, however narrow."""
        return QSize(CELL.width(), CELL.height() + 12)

    def stop(self) -> None:
        """Make no more thumbnails; called before the window goes."""
        self._thumbnails.stop()

    def _on_project(self) -> None:
        self._thumbnails.clear()
        self._show_order()

    def _show_order(self) -> None:
        self._model.set_ids(list(self._session.place.order))
        self.shown.emit(len(self._model.ids))
        self._show_current()

    def _on_images(self, image_ids: tuple[int, ...]) -> None:
        if image_ids:
            self._model.refresh(image_ids)
        else:
            self.viewport().update()

    def _on_ready(self, image_id: int) -> None:
        self._model.refresh((image_id,))

    def _show_current(self) -> None:
        """Bring the open image into view, in the middle where it was not in view before."""
        image = self._session.place.image
        column = -1 if image is None else self._model.column(image.id)
        if column >= 0:
            index = self._model.index(0, column)
            visible = self.viewport().rect().contains(self.visualRect(index))
            self.setCurrentIndex(index)
            if not visible:
                self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)
        self.viewport().update()

    def _go_to(self, index: QModelIndex) -> None:
        if index.isValid():
            self._session.place.go_to(self._model.ids[index.column()])

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the open image in view."""
        super().resizeEvent(event)
        self._show_current()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A plain wheel goes along the strip."""
        delta = event.pixelDelta() if not event.pixelDelta().isNull() else event.angleDelta()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - (delta.x() or delta.y()))
        event.accept()

    def changeEvent(self, event: QEvent) -> None:
        """Repaint in the other theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.viewport().update()
