"""The objects behind a number, one after the other: each is opened and selected on its image."""

from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from labeler.evaluation.items import ObjectItem, images_of
from labeler.gui.evaluation.desk import EvaluationDesk
from labeler.gui.evaluation.results_view import KINDS, EvaluationView
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import ElidedLabel, tool_button
from labeler.gui.toolkit.layouts import Segments
from labeler.gui.toolkit.rows import Row, RowsModel, RowsView
from labeler.gui.toolkit.words import counted

_WORDS = {"false alarms": "Wrong", "missed": "Missed", "hits": "Hits"}
_TOLD = {
    "false alarms": "Predictions of nothing that is there, the surest first",
    "missed": "Labelled objects that no prediction found",
    "hits": "Predictions that found an object, those that overlap it least first",
}


class ItemsModel(RowsModel):
    """The listed objects; an id is a place in the list."""

    def __init__(self, session: Session, view: EvaluationView, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._view = view

    def row(self, item_id: int) -> Row:
        """The row of an object."""
        listed = self._view.listing.items
        if item_id >= len(listed):
            return Row("")
        item = listed[item_id]
        image = self._session.document.find_image(item.image_id)
        true, predicted = self._view.categories_of(item)
        path = image.path if image is not None else "no image any more"
        kind, color = self._kind(item, true, predicted)
        words = self._words(true, predicted)
        right = item.confidence if item.confidence is not None else item.iou
        told = [path, f"{kind}: {words}"]
        told += [f"confidence {item.confidence:.3f}"] if item.confidence is not None else []
        told += [f"IoU {item.iou:.3f}"] if item.iou else []
        return Row(
            words,
            quiet=path.rpartition("/")[2],
            right="" if right is None else f"{right:.2f}",
            mark="dot" if kind != "missed" else "ring",
            mark_color=color,
            tooltip="\n".join(told),
        )

    def _kind(self, item: ObjectItem, true: int | None, predicted: int | None) -> tuple[str, str]:
        colors = theme.colors()
        if item.prediction_id is None:
            return "missed", colors.middling
        if item.truth_id is None:
            return "false alarm", colors.bad
        return ("hit", colors.good) if true == predicted else ("taken for another", colors.bad)

    def _words(self, true: int | None, predicted: int | None) -> str:
        names = []
        for key in (true, predicted):
            category = self._session.document.categories.get(key) if key is not None else None
            if category is not None and category.name not in names:
                names.append(category.name)
        return " → ".join(names)


class _List(RowsView):
    """A list that opens nothing by being tabbed to."""

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Stay at no row where there was none."""
        was_nowhere = not self.currentIndex().isValid()
        with QSignalBlocker(self.selectionModel()):
            super().focusInEvent(event)
            if was_nowhere:
                self.setCurrentIndex(QModelIndex())


class Examples(QWidget):
    """A list of objects with its kinds above and steps below."""

    opened = Signal(tuple, str)
    """The ids of the images that are now the order, and in words what they are."""

    def __init__(
        self, session: Session, desk: EvaluationDesk, view: EvaluationView, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._desk = desk
        self._view = view
        self._ordered = False
        self.kinds = Segments("Objects that are listed", parent=self)
        for kind in KINDS:
            self.kinds.add(_WORDS[kind], kind, tooltip=_TOLD[kind])
        self.kinds.chosen.connect(view.list_kind)
        self.title = ElidedLabel("", self)
        self.title.setObjectName("quiet")
        self.model = ItemsModel(session, view, self)
        self.rows = _List("Objects behind the number", self, most_rows=6)
        self.rows.setModel(self.model)
        self.rows.selectionModel().currentChanged.connect(self._open_row)
        self.rows.clicked.connect(self._open_row)
        self.rows.activated.connect(self._open_row)
        self._empty = QLabel("", self, wordWrap=True)
        self._empty.setObjectName("quiet")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._make_steps()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.kinds)
        column.addLayout(self._steps)
        # a short list leaves its room at the foot
        column.addWidget(self.rows, 1000)
        column.addWidget(self._empty, 1000)
        column.addStretch(1)
        view.listed.connect(self.refresh)
        view.moved.connect(self._count)
        view.changed.connect(self._count)
        self.refresh()

    def _make_steps(self) -> None:
        self.previous = tool_button("chevron-left", "Previous object", self)
        self.next = tool_button("chevron-right", "Next object", self)
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.where = QLabel("", self)
        self.where.setObjectName("quiet")
        self._steps = QHBoxLayout()
        self._steps.setSpacing(4)
        self._steps.addWidget(self.title, 1)
        self._steps.addWidget(self.where)
        self._steps.addWidget(self.previous)
        self._steps.addWidget(self.next)

    def refresh(self) -> None:
        """Show the listing, and open what it asks to be opened."""
        listing = self._view.listing
        self._ordered = False
        self.kinds.choose(listing.kind)
        self.title.setText(listing.title)
        with QSignalBlocker(self.rows.selectionModel()):
            self.rows.clearSelection()
            self.rows.setCurrentIndex(QModelIndex())
        self.model.set_ids(list(range(len(listing.items))))
        self.rows.setVisible(bool(listing.items))
        self._empty.setVisible(not listing.items)
        self._empty.setText(f"No {listing.kind or 'object'} here." if self._view.outcome else "")
        self._count()
        self._show_place()
        if 0 <= listing.start < len(listing.items):
            self.rows.setCurrentIndex(self.model.index(listing.start, 0))

    def step(self, by: int) -> None:
        """Open the object so many places further; stays at the ends."""
        last = len(self.model.ids) - 1
        here = self.rows.currentIndex().row()
        if last >= 0:
            self.rows.setCurrentIndex(self.model.index(min(max(here + by, 0), last), 0))

    def _count(self) -> None:
        """The numbers on the kinds, live while the line is dragged."""
        if self._view.outcome is None:
            return
        rates = self._view.rates()
        numbers = (rates.false_alarms, rates.missed, rates.hits)
        for kind, number in zip(KINDS, numbers, strict=True):
            self.kinds.set_text(kind, f"{_WORDS[kind]} {number:,}")

    def _open_row(self, index: QModelIndex, _: QModelIndex | None = None) -> None:
        if not index.isValid():
            return
        listing = self._view.listing
        item = listing.items[index.row()]
        if not self._ordered:
            # the first one that is opened makes the images of all of them the order to walk
            self._ordered = True
            images = images_of(listing.items)
            title = f"{_WORDS[listing.kind]} · {listing.title}" if listing.kind else listing.title
            self._session.place.set_order(images, title=title)
            what = _WORDS_TOLD[listing.kind](len(listing.items)) if listing.kind else listing.title
            self.opened.emit(images, f"{what} on {counted(len(images), 'image')}")
        self._desk.open(item, place=self._view.place)
        self._show_place()

    def _show_place(self) -> None:
        total, here = len(self.model.ids), self.rows.currentIndex().row()
        self.where.setText(f"{here + 1:,} of {total:,}" if here >= 0 else counted(total, "object"))
        self.previous.setEnabled(here > 0)
        self.next.setEnabled(here < total - 1)


_WORDS_TOLD: dict[str | None, Callable[[int], str]] = {
    "false alarms": lambda n: counted(n, "false alarm"),
    "missed": lambda n: counted(n, "missed object"),
    "hits": lambda n: counted(n, "hit"),
}
