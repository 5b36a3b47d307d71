"""The list of images: filter, sort, go there; what it shows is the order that D and A walk."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct
from PySide6.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPoint,
    QSignalBlocker,
    Qt,
    Signal,
)
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QPushButton,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from labeler.core.records import Image
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Card, Choice, EmptyState, Yields, swatch_icon
from labeler.gui.toolkit.rows import Row, RowsModel, RowsView
from labeler.gui.toolkit.status_words import STATUSES, Status, name_of, status_mark, status_of
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

Sorting: TypeAlias = Literal["folder", "name", "most", "fewest", "worst"]

_SORTINGS: tuple[tuple[str, Sorting], ...] = (
    ("Folder order", "folder"),
    ("File name", "name"),
    ("Most objects", "most"),
    ("Fewest objects", "fewest"),
)
TYPING_MS = 120
"""Pause in typing after which the name filter acts."""
CHIP_WIDTH = 184
"""Of the words on the chip: with its cross they fit into the narrowest column."""


class ImageFilter(Struct, frozen=True):
    """Which images are shown, and in which order."""

    name: str = ""
    """A part of the path, upper or lower case."""
    status: Status | Literal[""] = ""
    category_id: int = 0
    """Only images with objects of this category; 0 for any."""
    sorting: Sorting = "folder"


class ImagesModel(RowsModel):
    """Image ids, each shown with its status, name, folder and number of objects."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.validation: frozenset[int] = frozenset()
        """Images that a training would be judged on, which are marked as such."""

    def row(self, item_id: int) -> Row:
        """The row of an image."""
        image = self._session.document.find_image(item_id)
        if image is None:
            return Row("")
        objects = sum(self._session.document.counts(item_id).values())
        status = status_of(image, objects=objects)
        mark, color = status_mark(status)
        part = "held out of the training" if item_id in self.validation else ""
        told = [image.path, status, counted(objects, "object"), part, image.note]
        current = self._session.place.image is not None and self._session.place.image.id == item_id
        return Row(
            name_of(image),
            quiet=" · ".join(filter(None, ("held out" if part else "", image.path.rpartition("/")[0]))),
            right=f"{objects:,}" if objects else "",
            mark=mark,
            mark_color=color,
            tooltip="\n".join(part for part in told if part),
            strong=current,
        )


class ImagesPanel(Card):
    """The images of the project, filtered and sorted."""

    narrowed_changed = Signal()
    """`narrowed` says something else."""

    def __init__(
        self,
        session: Session,
        parent: QWidget | None = None,
        *,
        worst_first: Callable[[], list[int]] | None = None,
    ) -> None:
        """`worst_first` gives image ids by how they agree with a model; those not measured come last."""
        super().__init__("Images", parent)
        self._session = session
        self._names: dict[int, str] = {}
        self._total = 0
        self._listed: list[tuple[str, str, int]] = []
        self._worst_first = worst_first
        self._only: list[int] | None = None
        self._title = ""
        self._typed = timer(self, self.apply, milliseconds=TYPING_MS)
        self._make_controls()
        self._model = ImagesModel(session, self)
        self.view = RowsView("Images", self, most_rows=3)
        self.view.setModel(self._model)
        self._empty = EmptyState("", "Show all images", self)
        self._empty.acted.connect(self.clear_filter)
        stack = QWidget(self)
        self._stack = QStackedLayout(stack)
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._empty)
        self.body.addWidget(stack, 1)
        self.view.clicked.connect(self._go_to)
        self.view.activated.connect(self._go_to)
        session.project_changed.connect(self._on_project)
        session.document.images_changed.connect(self._on_images)
        session.place.image_changed.connect(self._show_current)
        session.place.order_changed.connect(self._take_order)
        session.document.changed.connect(lambda _: self._fill_categories())
        self._on_project()

    def mark_validation(self, image_ids: frozenset[int]) -> None:
        """Say at these images that a training would be judged on them."""
        if image_ids != self._model.validation:
            self._model.validation = image_ids
            self.view.viewport().update()

    def filter(self) -> ImageFilter:
        """The filter as the controls say it."""
        return ImageFilter(
            name=self.search.text().strip(),
            status=self.status.currentData() or "",
            category_id=self.category.currentData() or 0,
            sorting=self.sorting.currentData(),
        )

    def use_filter(self, wanted: ImageFilter) -> None:
        """Filter and sort in that way; what none of the images passes is left aside."""
        self.search.setText(wanted.name)
        for box, value in (
            (self.status, wanted.status),
            (self.category, wanted.category_id),
            (self.sorting, wanted.sorting),
        ):
            with QSignalBlocker(box):
                box.choose(value)
        self.apply()
        if not self._model.ids:
            self.clear_filter()

    @property
    def narrowed(self) -> str:
        """In words what is shown where that is not every image ("6 images: Wrong · person"), else ""."""
        if self._only is None and self.filter() == ImageFilter(sorting=self.filter().sorting):
            return ""
        wanted, words = self.filter(), [self._title] if self._title else []
        words += [f"“{wanted.name}”"] if wanted.name else []
        words += [wanted.status] if wanted.status else []
        words += [self.category.currentText()] if wanted.category_id else []
        return f"{counted(len(self._model.ids), 'image')}: {' · '.join(words)}"

    def clear_filter(self) -> None:
        """Show all images in folder order."""
        self._show_only(None, "")

    def _show_only(self, image_ids: Sequence[int] | None, title: str) -> None:
        """Show these images in this order under a title, or for None all of them; no filter acts on them."""
        self._only = None if image_ids is None else list(image_ids)
        self._title = title
        with QSignalBlocker(self.search):
            self.search.clear()
        for box in (self.status, self.category, self.sorting):
            with QSignalBlocker(box):
                box.setCurrentIndex(0)
        self.sorting.setItemText(0, _SORTINGS[0][0] if image_ids is None else "As they were chosen")
        self.apply()

    def _take_order(self) -> None:
        """Another part of the window chose images: show them by the name that it gave them."""
        session = self._session
        known = self._only is not None and self._title == session.place.order_title
        if session.place.order_title and not (known and list(session.place.order) == self._model.ids):
            self._show_only(session.place.order, session.place.order_title)
        elif (
            not session.place.order_title and list(session.place.order) != self._model.ids and self._is_part()
        ):
            self._show_only(session.place.order, "chosen elsewhere")

    def _is_part(self) -> bool:
        """Whether the order leaves images out, so that it must not go unseen."""
        return 0 < len(self._session.place.order) < len(self._session.document.images)

    def apply(self) -> None:
        """Filter and sort anew, and make that the order of the session."""
        self._typed.stop()
        self._refresh.hide()
        ids = self._chosen(self.filter())
        self._model.set_ids(ids)
        self._session.place.set_order(ids, title=self._title if self._only is not None else "")
        self._total = total = len(self._session.document.images)
        self.set_note(f"{len(ids):,} of {total:,}" if total else "")
        self._show_empty(total)
        self._show_current()
        self._show_narrowed()

    def _show_narrowed(self) -> None:
        """The chip stands for images that were chosen elsewhere; the controls show a filter by themselves."""
        text = self.narrowed
        self.chip.setText(self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, CHIP_WIDTH))
        self.chip.setToolTip(f"Only these are shown: {text}\nA click shows all images again")
        self.chip.setVisible(self._only is not None)
        self.narrowed_changed.emit()

    def _make_controls(self) -> None:
        self.chip = QPushButton(self)
        self.chip.setObjectName("chip")
        self.chip.setIcon(theme.icon("close"))
        self.chip.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.chip.clicked.connect(self.clear_filter)
        self.chip.hide()
        self.search = QLineEdit(self, placeholderText="Filter by name", clearButtonEnabled=True)
        self.search.setAccessibleName("Filter images by name")
        self.search.textChanged.connect(self._typed.start)
        self.search.returnPressed.connect(self.apply)
        self.status = self._choice("Status of the images", [("Status", "")])
        for status in STATUSES:
            self.status.addItem(status.capitalize(), status)
        self.category = self._choice("Category in the images", [("Category", 0)])
        sortings: list[tuple[str, object]] = list(_SORTINGS)
        if self._worst_first is not None:
            sortings.append(("Worst agreement first", "worst"))
        self.sorting = self._choice("Order of the images", sortings)
        self._refresh = QPushButton("Update", self)
        self._refresh.hide()
        self._refresh.setToolTip("Some images changed since they were filtered and sorted")
        self._refresh.clicked.connect(self.apply)
        choices = QWidget(self)
        grid = QGridLayout(choices)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(8)
        grid.addWidget(self.status, 0, 0)
        grid.addWidget(self.category, 0, 1)
        order = QHBoxLayout()
        order.addWidget(self.sorting, 1)
        order.addWidget(self._refresh)
        grid.addLayout(order, 1, 0, 1, 2)
        fields = QVBoxLayout()
        fields.setSpacing(0)
        fields.addWidget(self.chip, 0, Qt.AlignmentFlag.AlignLeft)
        fields.addWidget(self.search)
        fields.addWidget(Yields(choices, self))
        self.body.addLayout(fields)

    def _choice(self, name: str, items: list[tuple[str, object]]) -> Choice:
        box = Choice(name, items, self)
        box.currentIndexChanged.connect(self.apply)
        return box

    def _chosen(self, wanted: ImageFilter) -> list[int]:
        """The ids that pass the filter, sorted; 100,000 images take some tens of milliseconds."""
        counts, images = self._session.document.counts, self._all()
        if wanted.name:
            needle = wanted.name.casefold()
            names = self._folded_names()
            images = [image for image in images if needle in names[image.id]]
        if wanted.category_id:
            images = [image for image in images if counts(image.id).get(wanted.category_id, 0)]
        if wanted.status:
            images = [i for i in images if status_of(i, objects=any(counts(i.id).values())) == wanted.status]
        match wanted.sorting:
            case "name":
                images.sort(key=lambda image: name_of(image).casefold())
            case "most":
                images.sort(key=lambda image: -sum(counts(image.id).values()))
            case "fewest":
                images.sort(key=lambda image: sum(counts(image.id).values()))
            case "worst":
                worst = self._worst_first() if self._worst_first is not None else []
                places = {image_id: place for place, image_id in enumerate(worst)}
                images.sort(key=lambda image: places.get(image.id, len(places)))
            case "folder":
                pass
        return [image.id for image in images]

    def _all(self) -> list[Image]:
        """The images that the filter acts on: all in folder order, or those that were chosen elsewhere."""
        if self._only is None:
            return self._session.document.images
        return [image for image in map(self._session.document.find_image, self._only) if image is not None]

    def _folded_names(self) -> dict[int, str]:
        """Lower-case paths by image id, made when a name is first looked for."""
        if not self._names:
            self._names = {image.id: image.path.casefold() for image in self._session.document.images}
        return self._names

    def _on_project(self) -> None:
        self._names = {}
        self._fill_categories()
        self.clear_filter()

    def _on_images(self, image_ids: tuple[int, ...]) -> None:
        if not image_ids or len(self._session.document.images) != self._total:
            # all of them, or an undone import took some away
            self._names = {}
            self.apply()
            return
        self.view.viewport().update()
        if self.filter() != ImageFilter(name=self.search.text().strip()):
            # an image that stops to match stays until the person asks, so that A goes back to it
            self._refresh.show()

    def _fill_categories(self) -> None:
        chosen = self.category.currentData()
        categories = sorted(
            self._session.document.categories.values(), key=lambda category: category.name.casefold()
        )
        wanted = [(category.name, category.color, category.id) for category in categories]
        if wanted == self._listed:
            return
        self._listed = wanted
        with QSignalBlocker(self.category):
            while self.category.count() > 1:
                self.category.removeItem(1)
            for name, color, category_id in wanted:
                self.category.addItem(swatch_icon(color), name, category_id)
            self.category.choose(chosen)

    def _show_empty(self, total: int) -> None:
        empty = not self._model.ids
        if empty and total:
            self._empty.set_text("No image passes this filter.", "Show all images")
        elif empty:
            self._empty.set_text("No images yet. Open a folder of photos to begin.")
        self._stack.setCurrentIndex(int(empty))

    def _show_current(self) -> None:
        image = self._session.place.image
        if image is None or image.id not in self._model.positions:
            self.view.clearSelection()
            return
        index = self._model.index(self._model.positions[image.id], 0)
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.view.selectionModel().setCurrentIndex(index, flags)
        self.view.scrollTo(index)
        self.view.viewport().update()

    def image_at(self, at: QPoint) -> Image | None:
        """The image at a place of the list, or else the current one."""
        index = self.view.indexAt(at)
        index = index if index.isValid() else self.view.currentIndex()
        return self._session.document.find_image(self._model.ids[index.row()]) if index.isValid() else None

    def _go_to(self, index: QModelIndex) -> None:
        if index.isValid():
            self._session.place.go_to(self._model.ids[index.row()])

    def changeEvent(self, event: QEvent) -> None:
        """Repaint in the other theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "view"):
            self.chip.setIcon(theme.icon("close"))
            self.view.viewport().update()


def ask_where_to_go(session: Session, parent: QWidget) -> str:
    """Ctrl+G: ask for a number in the present order, or a part of a name, and open that image.

    Gives "", or a sentence where there is no such image.
    """
    order = list(session.place.order)
    if not order:
        return "There is no image to go to."
    here = (
        order.index(session.place.image.id) + 1
        if session.place.image and session.place.image.id in order
        else 1
    )
    text, ok = QInputDialog.getText(
        parent, "Go to image", f"Number (1 to {len(order):,}) or part of the name:", text=str(here)
    )
    found = (
        find_image([image for image in map(session.document.find_image, order) if image], text)
        if ok
        else None
    )
    if found is not None:
        session.place.go_to(found.id)
    elif ok and text.strip():
        if text.strip().isdigit():
            return f"There is no image {text.strip()}: those shown are 1 to {len(order):,}."
        return f"None of the {len(order):,} images shown has “{text.strip()}” in its name."
    return ""


def find_image(images: list[Image], text: str) -> Image | None:
    """The image of that number, counted from 1, or else the first whose path has the text in it."""
    wanted = text.strip().casefold()
    if not wanted:
        return None
    if wanted.isdigit() and 1 <= int(wanted) <= len(images):
        return images[int(wanted) - 1]
    return next((image for image in images if wanted in image.path.casefold()), None)
