"""The categories: choose, add, rename, recolour, merge, hide, lock; each change is one undo step."""

from typing import Literal, TypeAlias

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QObject, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QIcon, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QColorDialog, QLineEdit, QMessageBox, QStyle, QStyleOptionViewItem, QWidget

from labeler.core.records import Category
from labeler.gui.labelling import category_edits as edits
from labeler.gui.labelling.category_menu import CategoryMenu
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Card, EmptyState, tool_button
from labeler.gui.toolkit.rows import Index, Row, RowDelegate, RowsModel, RowsView
from labeler.gui.toolkit.words import counted

_BY = "categories"
_ICON = 20
_KEY = 18
Icon: TypeAlias = Literal["eye", "lock"]


class CategoriesModel(RowsModel):
    """Category ids, each with its colour, name, key and counts; a name can be edited in place."""

    renamed = Signal(int, str)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session

    def category(self, row: int) -> Category | None:
        """The category in that row."""
        return self._session.document.categories.get(self.ids[row]) if 0 <= row < len(self.ids) else None

    def row(self, item_id: int) -> Row:
        """The row of a category."""
        category = self._session.document.categories.get(item_id)
        if category is None:
            return Row("")
        image = self._session.place.image
        here = self._session.document.counts(image.id).get(item_id, 0) if image else 0
        total = self._session.document.total(item_id)
        current = self._session.focus.category
        told = [
            category.name,
            f"{here:,} on this image, {total:,} in the project",
            f"Key {category.key}" if category.key else "",
            "hidden" if category.hidden else "",
            "locked" if category.locked else "",
        ]
        return Row(
            category.name,
            right=f"{here:,} / {total:,}" if total else "",
            mark="outline" if category.hidden else "swatch",
            mark_color=category.color,
            tooltip="\n".join(part for part in told if part),
            strong=current is not None and current.id == item_id,
        )

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Names are editable."""
        return super().flags(index) | Qt.ItemFlag.ItemIsEditable

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell what name was typed; the panel decides what that means."""
        if role != Qt.ItemDataRole.EditRole or not index.isValid():
            return False
        self.renamed.emit(self.ids[index.row()], str(value))
        return True


class _CategoryDelegate(RowDelegate):
    """Adds the key badge, and the eye and the lock where they are set or the row is in hand."""

    def __init__(self, model: CategoriesModel, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._icons: dict[tuple[str, bool], QIcon] = {}

    def paint_trailing(
        self, painter: QPainter, rect: QRectF, row: Row, option: QStyleOptionViewItem, index: Index
    ) -> float:
        """From the right: lock, eye, key, counts."""
        category = self._model.category(index.row())
        if category is None:
            return rect.right()
        in_hand = bool(option.state & (QStyle.StateFlag.State_MouseOver | QStyle.StateFlag.State_HasFocus))
        for which, is_set in (("lock", category.locked), ("eye", category.hidden)):
            if is_set or in_hand:
                painter.save()
                painter.setOpacity(1.0 if is_set else 0.55)
                self._icon(_icon_name(which, is_set)).paint(painter, icon_rect(rect, which).toRect())
                painter.restore()
        end = rect.right() - 2 * _ICON - 4
        if category.key:
            paint_key(painter, rect, end, category.key)
        inner = QRectF(rect.left(), rect.top(), end - _KEY - rect.left(), rect.height())
        return super().paint_trailing(painter, inner, row, option, index)

    def _icon(self, name: str) -> QIcon:
        """An icon in the colours of the theme in force; drawing one takes longer than a whole list."""
        key = name, theme.colors().dark
        if key not in self._icons:
            self._icons[key] = theme.icon(name)
        return self._icons[key]

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """A plain field over the name."""
        del option, index
        editor = QLineEdit(parent)
        editor.setAccessibleName("Name of the category")
        return editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Start from the present name, all of it selected."""
        if isinstance(editor, QLineEdit):
            editor.setText(index.data())
            editor.selectAll()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Hand the typed name over."""
        if isinstance(editor, QLineEdit):
            model.setData(index, editor.text())

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """Leave the swatch in sight."""
        del index
        editor.setGeometry(option.rect.adjusted(22, 0, 0, 0))


def icon_rect(row: QRectF, which: Icon | str) -> QRectF:
    """Where a row's eye or lock is."""
    left = row.right() - (_ICON if which == "lock" else 2 * _ICON) - 2
    return QRectF(left + 2, row.center().y() - 8, 16, 16)


def _icon_name(which: str, is_set: bool) -> str:
    if which == "eye":
        return "eye-off-outline" if is_set else "eye-outline"
    return "lock-outline" if is_set else "lock-open-variant-outline"


def paint_key(painter: QPainter, rect: QRectF, end: float, key: str) -> None:
    """The key as a small cap that ends at `end`."""
    colors = theme.colors()
    font = theme.ui_font(11, weight=QFont.Weight.Medium)
    cap = QRectF(end - _KEY, rect.center().y() - 9, _KEY, 18)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colors.edge))
    painter.drawRoundedRect(cap, 4, 4)
    painter.setFont(font)
    painter.setPen(QColor(colors.text))
    painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, key)


class _CategoryView(RowsView):
    """The list; clicks on an eye or a lock are told apart from clicks on the row."""

    icon_clicked = Signal(int, str)
    """Row, and "eye" or "lock"."""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """An icon takes the click for itself."""
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            row = QRectF(self.visualRect(index)).adjusted(0.5, 1.5, -0.5, -1.5)
            for which in ("eye", "lock"):
                if icon_rect(row, which).adjusted(-2, -4, 2, 4).contains(event.position()):
                    self.icon_clicked.emit(index.row(), which)
                    return
        super().mousePressEvent(event)


class CategoriesPanel(Card):
    """The categories of the project."""

    move_asked = Signal(int)
    """All objects of that category are to be of another one, which is to be asked for."""
    empty_asked = Signal(int)
    """All objects of that category are to go."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Categories", parent)
        self._session = session
        self._model = CategoriesModel(session, self)
        self.view = _CategoryView("Categories", self, most_rows=10)
        self.view.setModel(self._model)
        self.view.setItemDelegate(_CategoryDelegate(self._model, self.view))
        self.view.setEditTriggers(RowsView.EditTrigger.EditKeyPressed)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._empty = EmptyState("No categories yet. A category is what an object is: person, car, crack.")
        self.name_field = QLineEdit(self, placeholderText="New category, then Enter")
        self.name_field.hide()
        self.name_field.setAccessibleName("Name of the new category")
        self.add_button = tool_button("plus", "Add a category", self)
        self.header.addWidget(self.add_button)
        self.body.addWidget(self._empty)
        self.body.addWidget(self.view, 1)
        self.body.addWidget(self.name_field)
        self.body.addStretch(0)
        self.question: QMessageBox | None = None
        """The merge that is being asked about."""
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        self.view.clicked.connect(self._choose)
        self.view.activated.connect(self._choose)
        self.view.doubleClicked.connect(self.view.edit)
        self.view.icon_clicked.connect(self._toggle)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.name_field.installEventFilter(self)
        self.name_field.returnPressed.connect(self._add)
        self.add_button.clicked.connect(self._ask_name)
        self._model.renamed.connect(self._rename)
        session = self._session
        session.project_changed.connect(self.refresh)
        session.document.images_changed.connect(self._on_images)
        session.place.image_changed.connect(self._model.refresh)
        session.focus.category_changed.connect(self.refresh)
        session.document.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Show the categories as they are now."""
        self._model.set_ids(sorted(self._session.document.categories))
        self.set_note(str(len(self._model.ids)) if self._model.ids else "")
        self._empty.setVisible(not self._model.ids)
        self.view.setVisible(bool(self._model.ids))
        self.view.updateGeometry()
        current = self._session.focus.category
        if current is not None and current.id in self._model.positions:
            self.view.selectRow(self._model.positions[current.id])

    def menu(self, category: Category) -> CategoryMenu:
        """What can be done to a category."""
        document = self._session.document
        made = CategoryMenu(category, document.categories, uses=document.total(category.id), parent=self)
        made.edited.connect(self._commit)
        made.rename_asked.connect(lambda: self._edit_name(category.id))
        made.merge_asked.connect(self.ask_merge)
        made.color_asked.connect(lambda: self._ask_color(category))
        made.select_asked.connect(lambda: self._select_here(category.id))
        made.move_asked.connect(lambda: self.move_asked.emit(category.id))
        made.empty_asked.connect(lambda: self.empty_asked.emit(category.id))
        return made

    def _select_here(self, category_id: int) -> None:
        """Its objects on the open image that are neither hidden nor locked."""
        session = self._session
        found = [one for one in session.document.annotations.values() if one.category_id == category_id]
        session.focus.select(one.id for one in found if not session.veil.holds_back(one))

    def _ask_color(self, category: Category) -> None:
        dialog = QColorDialog(QColor(category.color), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda color: self._commit(edits.recolored(category, color.name())))
        self._session.project_changed.connect(dialog.reject)
        dialog.open()

    def ask_merge(self, source_id: int, target_id: int) -> None:
        """Ask whether all objects of one category shall become objects of another, if both are there."""
        source, target = map(self._session.document.categories.get, (source_id, target_id))
        if source is None or target is None:
            return
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Merge categories")
        box.setText(f"Merge {source.name} into {target.name}?")
        moved = counted(self._session.document.total(source_id), "object")
        box.setInformativeText(
            f"{moved} become {target.name}, and {source.name} goes. One undo takes it back."
        )
        merge = box.addButton("Merge", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(merge)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.accepted.connect(lambda: self._session.edits.merge_categories(source_id, target_id))
        box.finished.connect(self._forget_question)
        self._session.project_changed.connect(box.reject)  # the ids mean others there
        self.question = box
        box.open()

    def _forget_question(self) -> None:
        self.question = None

    def _commit(self, edit: edits.CategoryEdit) -> None:
        self._session.edits.commit(edit.label, edit.changes, by=_BY)

    def _choose(self, index: QModelIndex) -> None:
        if index.isValid():
            self._session.focus.choose_category(self._model.ids[index.row()])

    def _toggle(self, row: int, which: str) -> None:
        category = self._model.category(row)
        if category is not None:
            self._commit(
                edits.hidden(category, not category.hidden)
                if which == "eye"
                else edits.locked(category, not category.locked)
            )

    def _edit_name(self, category_id: int) -> None:
        if category_id in self._model.positions:
            self.view.edit(self._model.index(self._model.positions[category_id], 0))

    def _rename(self, category_id: int, text: str) -> None:
        category = self._session.document.categories.get(category_id)
        name = edits.clean_name(text)
        if category is None or not name or name == category.name:
            return
        other = edits.named(self._session.document.categories, name)
        if other is not None and other.id != category_id:
            self.ask_merge(category_id, other.id)
        else:
            self._commit(edits.renamed(category, name))

    def _ask_name(self) -> None:
        self.set_folded(False)
        self.name_field.show()
        self.name_field.setFocus()

    def _add(self) -> None:
        name = edits.clean_name(self.name_field.text())
        if not name:
            return
        known = edits.named(self._session.document.categories, name)
        if known is None:
            self._session.edits.add_category(name, by=_BY)
        else:
            self._session.focus.choose_category(known.id)
        self.name_field.clear()

    def _show_menu(self, at: QPoint) -> None:
        index = self.view.indexAt(at)
        index = index if index.isValid() else self.view.currentIndex()
        category = self._model.category(index.row()) if index.isValid() else None
        if category is not None:
            menu = self.menu(category)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(at))

    def _on_images(self, image_ids: tuple[int, ...]) -> None:
        if image_ids:
            self._model.refresh()  # other counts
        else:
            self.refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Esc in the name field puts it away."""
        escaped = (
            watched is self.name_field
            and event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        )
        if escaped:
            self.name_field.clear()
            self.name_field.hide()
            self.view.setFocus()
            return True
        return super().eventFilter(watched, event)
