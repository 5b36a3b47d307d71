"""One field to choose a category among hundreds, or to name a new one, by the keyboard alone."""

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QPainter
from PySide6.QtWidgets import QApplication, QFrame, QLineEdit, QStyleOptionViewItem, QVBoxLayout, QWidget

from labeler.gui.labelling.categories_panel import paint_key
from labeler.gui.labelling.category_edits import clean_name, named
from labeler.gui.labelling.category_order import matching, sections
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import ElidedLabel
from labeler.gui.toolkit.rows import ROW_HEIGHT, Index, Row, RowDelegate, RowsModel, RowsView

_NEW = 0
"""The id of the row that makes a category; headings have ids below it."""
_WIDTH, _MOST_ROWS, _GAP = 300, 12, 10
_STEPS = {
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageUp: -_MOST_ROWS,
    Qt.Key.Key_PageDown: _MOST_ROWS,
}


class PickerModel(RowsModel):
    """Category ids under headings, or those that a text finds, and last a row that makes a new one."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._titles: list[str] = []
        self.name = ""
        """What the new category would be called; "" where the text names one that is there."""

    def find(self, text: str) -> None:
        """Show what a text finds; all categories in their sections for a blank one."""
        document, focus = self._session.document, self._session.focus
        name = clean_name(text)
        self.name = "" if named(document.categories, name) else name
        ids: list[int] = []
        self._titles = []
        if name:
            ids = matching(document.categories, name, uses=document.total, recent=focus.recent)
            ids += [_NEW] if self.name else []
        else:
            for section in sections(document.categories, uses=document.total, recent=focus.recent):
                if section.title:
                    self._titles.append(section.title)
                    ids.append(-len(self._titles))
                ids += section.ids
        self.set_ids(ids)

    def choices(self) -> list[int]:
        """The rows that can be chosen."""
        return [row for row, one in enumerate(self.ids) if one >= _NEW]

    def row(self, item_id: int) -> Row:
        """The row of a category, of a heading, or of a new name."""
        if item_id < _NEW:
            return Row("", quiet=self._titles[-item_id - 1])
        if item_id == _NEW:
            alone = len(self.ids) == 1
            return Row(f"New category “{self.name}”", right="Enter" if alone else "Ctrl+Enter")
        category = self._session.document.categories.get(item_id)
        if category is None:
            return Row("")
        total, current = self._session.document.total(item_id), self._session.focus.category
        return Row(
            category.name,
            quiet=category.supercategory if self._titles == [] else "",
            right=f"{total:,}" if total else "",
            mark="outline" if category.hidden else "swatch",
            mark_color=category.color,
            strong=current is not None and current.id == item_id,
        )

    def key_of(self, row: int) -> str:
        """The key of the category in a row, "" for none."""
        category = self._session.document.categories.get(self.ids[row])
        return category.key if category is not None else ""

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Headings cannot be chosen."""
        is_heading = index.isValid() and self.ids[index.row()] < _NEW
        return Qt.ItemFlag.NoItemFlags if is_heading else super().flags(index)


class _PickerDelegate(RowDelegate):
    """Adds the key of a category before its count."""

    def __init__(self, model: PickerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model

    def paint_trailing(
        self, painter: QPainter, rect: QRectF, row: Row, option: QStyleOptionViewItem, index: Index
    ) -> float:
        end = super().paint_trailing(painter, rect, row, option, index)
        key = self._model.key_of(index.row())
        if not key:
            return end
        paint_key(painter, rect, end, key)
        return end - 24


class CategoryPicker(QFrame):
    """A field and a list beside what is to be named; Enter takes, Esc leaves everything as it is."""

    chosen = Signal(int)
    """The id of a category."""
    named = Signal(str)
    """The name of one that is not there yet."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._back: QWidget | None = None
        self.hide()
        self.setObjectName("picker")
        self.setAccessibleName("Category picker")
        self.title = ElidedLabel("", self)
        self.title.setObjectName("quiet")
        self.field = QLineEdit(self, placeholderText="Search, or name a new one")
        self.field.setAccessibleName("Category")
        self.field.setClearButtonEnabled(True)
        self.model = PickerModel(session, self)
        self.view = RowsView("Categories found", self, most_rows=_MOST_ROWS)
        self.view.setModel(self.model)
        self.view.setItemDelegate(_PickerDelegate(self.model, self.view))
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.title)
        layout.addWidget(self.field)
        layout.addWidget(self.view, 1)
        layout.addStretch(0)
        self.field.installEventFilter(self)
        self.field.textChanged.connect(self._find)
        self.view.clicked.connect(lambda index: self._take(index.row()))

    def ask(self, title: str, *, anchor: QRect, room: QRect, start: int | None = None, back: QWidget) -> None:
        """Open beside `anchor`, within `room` (both in the parent's pixels), under a title.

        `start` is the id of the category that Enter takes at first, None for the first one that is offered.
        The keys are those of `back` again when it closes; a press on that only closes it.
        """
        self._back = back
        back.installEventFilter(self)
        self.title.setText(title)
        self.field.clear()
        self._find("", start)
        rows = max(min(len(self.model.ids), _MOST_ROWS), 3)
        spare = self.title.sizeHint().height() + self.field.sizeHint().height() + 28 + 2
        size = QSize(_WIDTH, min(rows * ROW_HEIGHT + spare, room.height()))
        self.setFixedSize(size)
        self.move(placed(anchor, size, room))
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)
        self.view.scrollTo(self.view.currentIndex())

    def _find(self, text: str, start: int | None = None) -> None:
        self.model.find(text)
        rows = self.model.choices()
        first = rows[0] if rows else -1
        self._choose_row(first if start is None else self.model.positions.get(start, first))

    def _choose_row(self, row: int) -> None:
        if row >= 0:
            self.view.selectRow(row)
            self.view.scrollTo(self.model.index(row, 0))

    def _step(self, by: int) -> None:
        rows = self.model.choices()
        if rows:
            here = self.view.currentIndex().row()
            at = rows.index(here) if here in rows else 0
            self._choose_row(rows[min(max(at + by, 0), len(rows) - 1)])

    def _take(self, row: int) -> None:
        if row not in self.model.choices():
            return
        category_id, name = self.model.ids[row], self.model.name
        self.close()
        if category_id == _NEW:
            self.named.emit(name)
        else:
            self.chosen.emit(category_id)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The field's keys walk the list, take a row, or close; so does a press elsewhere."""
        kind = event.type()
        if watched is self._back and kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
            self.close()
            return True  # it draws nothing on the photo
        if watched is self.field and kind == QEvent.Type.FocusOut:
            if QApplication.activeWindow() is self.window():
                self.close()
        elif watched is self.field and isinstance(event, QKeyEvent) and kind != QEvent.Type.KeyRelease:
            if kind == QEvent.Type.KeyPress:
                return self._press(event)
            if _is_own(event):  # before any shortcut of the window, such as Ctrl+Enter
                event.accept()
                return True
        return super().eventFilter(watched, event)

    def _press(self, event: QKeyEvent) -> bool:
        key = Qt.Key(event.key())
        if key in _STEPS:
            self._step(_STEPS[key])
        elif key == Qt.Key.Key_Escape:
            self.close()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if not event.isAutoRepeat():  # the one that finished the shape may be held down still
                makes = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier and self.model.name)
                self._take(len(self.model.ids) - 1 if makes else self.view.currentIndex().row())
        else:
            return key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab)
        return True

    def hideEvent(self, event: QHideEvent) -> None:
        """The keys go on where they were."""
        super().hideEvent(event)
        back, self._back = self._back, None
        if back is not None:
            back.removeEventFilter(self)
            if self.isAncestorOf(QApplication.focusWidget() or back):
                back.setFocus()


def _is_own(event: QKeyEvent) -> bool:
    """Whether a key means something here whatever it means in the window."""
    return Qt.Key(event.key()) in (
        *_STEPS,
        Qt.Key.Key_Escape,
        Qt.Key.Key_Return,
        Qt.Key.Key_Enter,
        Qt.Key.Key_Tab,
        Qt.Key.Key_Backtab,
    )


def placed(anchor: QRect, size: QSize, room: QRect) -> QPoint:
    """The upper left corner of something of that size beside an anchor, all of it within a room.

    To the right, else to the left, else under or over it; over a part of it where nothing else is left.
    """
    right = max(room.right() + 1 - size.width(), room.left())
    foot = max(room.bottom() + 1 - size.height(), room.top())
    x = min(max(anchor.left(), room.left()), right)
    y = min(max(anchor.top(), room.top()), foot)
    places: Iterable[tuple[int, int]] = (
        (anchor.right() + _GAP, y),
        (anchor.left() - _GAP - size.width(), y),
        (x, anchor.bottom() + _GAP),
        (x, anchor.top() - _GAP - size.height()),
    )
    for left, top in places:
        if room.left() <= left <= right and room.top() <= top <= foot:
            return QPoint(left, top)
    return QPoint(right, y)
