"""The objects of the open image: which, from whom, and how well each agrees with its prediction."""

from collections.abc import Callable

from msgspec.structs import replace
from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPoint,
    Qt,
    QTimer,
)
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QWidget

from labeler.core.model_titles import titles
from labeler.core.records import Annotation, Box, Change, Mask, Shape
from labeler.gui.labelling import category_edits as edits
from labeler.gui.labelling.attributes import AttributesEditor
from labeler.gui.labelling.object_order import SORTINGS, Sorting, arranged
from labeler.gui.session.document import Changed
from labeler.gui.session.measure import OpenAgreement
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Card, Choice, EmptyState, tool_button
from labeler.gui.toolkit.rows import Row, RowsModel, RowsView
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

_BY = "objects"


def kind_of(shape: Shape) -> str:
    """One word for a shape."""
    if isinstance(shape, Box):
        return "box"
    return "mask" if isinstance(shape, Mask) else "polygon"


class AnnotationsModel(RowsModel):
    """Annotation ids of the open image; agreements are worked out for rows that are looked at."""

    def __init__(self, session: Session, agreement: OpenAgreement, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._agreement = session, agreement
        self._iou: dict[int, float | None] = {}

    def forget(self, ids: set[int] | None = None) -> None:
        """Measure these anew when they are next shown; None for all."""
        if ids is None:
            self._iou.clear()
        for annotation_id in ids or ():
            self._iou.pop(annotation_id, None)

    def iou(self, annotation_id: int) -> float | None:
        """The IoU with its reference, of the draft first; None without a reference."""
        draft = self._session.focus.draft
        if draft is not None and draft.id == annotation_id:
            measured = self._agreement.of(annotation_id)
            return None if measured is None else measured.iou
        if annotation_id not in self._iou:
            overlap = self._agreement.overlap(annotation_id)
            self._iou[annotation_id] = None if overlap is None else overlap.iou
        return self._iou[annotation_id]

    def row(self, item_id: int) -> Row:
        """The row of an annotation."""
        annotation = self._session.document.annotations.get(item_id)
        category = self._session.document.categories.get(annotation.category_id) if annotation else None
        if annotation is None or category is None:
            return Row("")
        iou, veil = self.iou(item_id), self._session.veil
        hidden = category.hidden or veil.hides(item_id)
        locked = category.locked or item_id in veil.locked
        notes = [word for word, is_set in (("crowd", annotation.crowd), ("locked", locked)) if is_set]
        origin = f"{kind_of(annotation.shape)} · {self._origin(annotation)}"
        words = [
            f"{category.name} · {origin}",
            "" if iou is None else f"IoU {iou:.2f} with its prediction",
            "hidden" if hidden else "",
            "locked" if locked else "",
            *(f"{key}: {value}" for key, value in annotation.attributes.items()),
        ]
        return Row(
            category.name,
            quiet=" · ".join([origin, *notes]),
            right="" if iou is None else f"{iou:.2f}",
            right_color="" if iou is None else theme.agreement_color(iou),
            mark="outline" if hidden else "swatch",
            mark_color=category.color,
            dimmed=hidden,
            tooltip="\n".join(word for word in words if word),
        )

    def found(self, text: str, sorting: Sorting) -> list[int]:
        """The annotations that a text finds, in an order."""
        document = self._session.document

        def confidence(one: Annotation) -> float | None:
            prediction = document.candidates.get(one.prediction_id or 0)
            return None if prediction is None else prediction.confidence

        return arranged(
            document.annotations.values(),
            text=text,
            sorting=sorting,
            words=self._words,
            category=lambda one: document.names([one]),
            confidence=confidence,
            agreement=lambda one: self.iou(one.id),
        )

    def _words(self, annotation: Annotation) -> str:
        """What a search looks at: category, shape, who made it, how it is kept away, and its attributes."""
        veil = self._session.veil
        attributes = " ".join(f"{key}: {value}" for key, value in annotation.attributes.items())
        hidden = "hidden" if veil.hides(annotation.id) else ""
        locked = "locked" if annotation.id in veil.locked else ""
        name, kind = self._session.document.names([annotation]), kind_of(annotation.shape)
        return f"{name} {kind} {self._origin(annotation)} {hidden} {locked} {attributes}"

    def _origin(self, annotation: Annotation) -> str:
        """Who made it: a model by its name, an import, or a person."""
        prediction = self._session.document.candidates.get(annotation.prediction_id or 0)
        if prediction is not None:
            names = titles(self._session.document.models)
            return names.get(prediction.model_id, "model")
        return {"human": "by hand", "import": "imported", "model": "model"}[annotation.source]


class AnnotationsPanel(Card):
    """The annotations of the open image; its selection and the canvas's are one."""

    def __init__(self, session: Session, agreement: OpenAgreement, parent: QWidget | None = None) -> None:
        super().__init__("Objects", parent)
        self._session, self._agreement = session, agreement
        self._syncing = False
        self.fill_menu: Callable[[QMenu], None] = _adds_nothing
        """Puts what the window does to selected objects into the menu of a row."""
        self._model = AnnotationsModel(session, agreement, self)
        self.view = RowsView("Objects of this image", self, most_rows=9)
        self.view.setModel(self._model)
        self.view.setSelectionMode(RowsView.SelectionMode.ExtendedSelection)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.installEventFilter(self)
        self._empty = EmptyState("", parent=self)
        self.attributes = AttributesEditor(self)
        self.search = QLineEdit(self, placeholderText="Search")
        self.search.setAccessibleName("Search the objects")
        self.search.setClearButtonEnabled(True)
        self.sorting = Choice("Order of the objects", SORTINGS, self)
        self.find_button = tool_button("magnify", "Search and sort the objects", self)
        self.find_button.setCheckable(True)
        self.header.addWidget(self.find_button)
        self.finder = QWidget(self)
        row = QHBoxLayout(self.finder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.search, 1)
        row.addWidget(self.sorting, 1)
        self.finder.hide()
        self.body.addWidget(self._empty)
        self.body.addWidget(self.finder)
        self.body.addWidget(self.view, 1)
        self.body.addWidget(self.attributes)
        self.body.addStretch(0)
        self._refresh_later: QTimer = timer(self, self.refresh)
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        session = self._session
        self.view.selectionModel().selectionChanged.connect(self._select)
        self.find_button.toggled.connect(self._open_finder)
        self.search.textChanged.connect(self.refresh)
        self.sorting.currentIndexChanged.connect(self.refresh)
        self.search.installEventFilter(self)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.attributes.edited.connect(self._set_attributes)
        session.place.image_changed.connect(self._start_over)
        session.measure.model_changed.connect(self._start_over)
        session.place.pixels_changed.connect(self._start_over)
        self._agreement.kept_changed.connect(self._start_over)
        session.document.changed.connect(self._on_changed)
        session.veil.changed.connect(self._model.refresh)
        session.focus.selection_changed.connect(self._show_selection)
        session.focus.draft_changed.connect(self._show_draft)

    def refresh(self) -> None:
        """Show the annotations as they are now."""
        known = self._session.document.annotations
        ids = self._model.found(self.search.text(), self.sorting.currentData())
        # rows that go away would deselect themselves in the session
        self._syncing = True
        self._model.set_ids(ids)
        self._syncing = False
        all_shown = len(ids) == len(known)
        self.set_note(counted(len(known), "object") if all_shown else f"{len(ids):,} of {len(known):,}")
        self._empty.set_text(self._why_empty() if not known else "No object has all of these words.")
        self._empty.setVisible(not ids)
        self.view.setVisible(bool(ids))
        self.view.updateGeometry()
        self._show_selection()

    def _open_finder(self, on: bool) -> None:
        """Closed, it neither finds nor sorts anything that nobody would see."""
        self.set_folded(False)
        self.finder.setVisible(on)
        if on:
            self.search.setFocus()
        else:
            self.search.clear()
            self.sorting.choose("made")

    def _why_empty(self) -> str:
        if self._session.place.image is None:
            return "No image is open."
        if not self._session.document.is_read:
            return "Reading…"
        return "Nothing on this image yet. Draw a box (R), a polygon (P), or click an object (Q)."

    def menu(self) -> QMenu:
        """What can be done to the selected annotations."""
        made = QMenu(self)
        chosen = [self._session.document.annotations[one] for one in sorted(self._session.focus.selection)]
        self.fill_menu(made)
        made.addSeparator()
        categories = {one.category_id for one in chosen}
        made.addAction("Edit attributes", self.attributes.unfold).setEnabled(len(chosen) == 1)
        if len(categories) == 1:
            category = self._session.document.categories[categories.pop()]
            for text, is_set, edit in (
                (f"Hide every {category.name}", category.hidden, edits.hidden),
                (f"Lock every {category.name}", category.locked, edits.locked),
            ):
                action = made.addAction(text.replace("&", "&&"))
                action.setCheckable(True)
                action.setChecked(is_set)
                wanted = edit(category, not is_set)
                action.triggered.connect(
                    lambda _, done=wanted: self._session.edits.commit(done.label, done.changes, by=_BY)
                )
        return made

    def _start_over(self) -> None:
        self._model.forget()
        self._refresh_later.start()

    def _on_changed(self, changed: Changed) -> None:
        touched = {change.record.id for change in changed.changes if isinstance(change.record, Annotation)}
        one_by_one = self._session.measure.model is None and bool(changed.changes)
        # with a model chosen, changing one annotation may match others anew
        self._model.forget(touched if one_by_one else None)
        self._refresh_later.start()

    def _select(self) -> None:
        if not self._syncing:
            rows = self.view.selectionModel().selectedRows()
            self._session.focus.select([self._model.ids[index.row()] for index in rows])

    def _show_selection(self) -> None:
        chosen = self._session.focus.selection
        rows = sorted(self._model.positions[one] for one in chosen if one in self._model.positions)
        self._syncing = True
        self.view.selectionModel().select(
            _as_selection(self._model, rows), QItemSelectionModel.SelectionFlag.ClearAndSelect
        )
        self._syncing = False
        if len(rows) == 1 and not self.view.hasFocus():
            index = self._model.index(rows[0], 0)
            self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.view.scrollTo(index)
        one = self._session.document.annotations.get(next(iter(chosen))) if len(chosen) == 1 else None
        self.attributes.show_attributes(None if one is None else one.attributes)

    def _show_draft(self) -> None:
        """Only the row of the draft is painted anew: this is called every frame of a drag."""
        draft = self._session.focus.draft
        row = self._model.positions.get(draft.id) if draft is not None else None
        if row is not None:
            self.view.update(self._model.index(row, 0))
        elif draft is None:
            self.view.viewport().update()

    def _delete(self) -> None:
        self._session.edits.delete(self._session.focus.selection, by=_BY)

    def _set_attributes(self, attributes: dict[str, object]) -> None:
        if len(self._session.focus.selection) != 1:
            return
        before = self._session.document.annotations[next(iter(self._session.focus.selection))]
        if before.attributes != attributes:
            name = self._session.document.categories[before.category_id].name
            after = replace(before, attributes=attributes)
            self._session.edits.commit(f"Attributes of {name}", [Change(before, after)], by=_BY)

    def _show_menu(self, at: QPoint) -> None:
        if self._session.focus.selection:
            menu = self.menu()
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(at))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Del in the list deletes, also where no window gives it that key; Esc puts the search away."""
        if (
            watched is self.view
            and event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Delete
        ):
            self._delete()
            return True
        if (
            watched is self.view
            and event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.matches(QKeySequence.StandardKey.SelectAll)
        ):
            event.accept()  # the rows of the list, not what it does not show
            return True
        if (
            watched is self.search
            and event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            self.find_button.setChecked(False)
            self.view.setFocus()
            return True
        return super().eventFilter(watched, event)


def _adds_nothing(_: QMenu) -> None:
    """A list by itself has no more to offer."""


def _as_selection(model: RowsModel, rows: list[int]) -> QItemSelection:
    """Rows, ascending, as few ranges: ten thousand neighbours are one."""
    selection = QItemSelection()
    start = 0
    for place in range(1, len(rows) + 1):
        if place == len(rows) or rows[place] != rows[place - 1] + 1:
            top: QModelIndex = model.index(rows[start], 0)
            selection.select(top, model.index(rows[place - 1], 0))
            start = place
    return selection
