"""What a model's classes mean in this project: an editable, remembered table."""

from collections import Counter
from typing import Literal, TypeAlias

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.core.filtering import Filter
from labeler.core.records import Category, Model
from labeler.gui.labelling.category_edits import named
from labeler.gui.predictions.batch import CONFIDENT
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Choice, swatch_icon
from labeler.project.store import Store

Meaning: TypeAlias = int | Literal["open", "create", "ignore"]
"""A category's id; left open, so that a category of this name will take it; made anew; or left out."""

_ABOUT = "What each class of the model means here: one of your categories, a new one, or nothing."

_Read: TypeAlias = tuple[dict[str, int], dict[str, int | None]]


class MappingDialog(QDialog):
    """One row a class: how often the model found it, and which category it means."""

    mapped = Signal()
    """The candidates of the model have their new categories."""

    def __init__(
        self, session: Session, model: Model, parent: QWidget | None = None, *, wanted: Filter | None = None
    ) -> None:
        """`wanted` is the filter by which predictions are counted."""
        super().__init__(parent)
        self._wanted = wanted or Filter(confidence=CONFIDENT)
        self._kept: Counter[str] = Counter()
        self._is_counted = False
        self._scan: ImageScan[Counter[str]] = ImageScan(session, self)
        self._session = session
        self._model = model
        self._before: dict[str, Meaning] = {}
        self._choices: dict[str, Choice] = {}
        self.setWindowTitle(f"Classes of {model.name}")
        self.resize(520, 480)
        self._make_widgets()
        session.ask(self._read, self._fill)

    def meanings(self) -> dict[str, Meaning]:
        """What is chosen now, by class."""
        return {label: choice.currentData() for label, choice in self._choices.items()}

    def create_all(self) -> None:
        """Choose "create" for every class that has predictions and is still open."""
        for label in self._still():
            self._choices[label].choose("create")

    def _still(self) -> list[str]:
        """Classes left open that have predictions; until those are counted, that the model was sure of."""
        counts = self._kept if self._is_counted else self._found
        return [label for label, what in self.meanings().items() if what == "open" and counts[label]]

    def accept(self) -> None:
        """Make the categories that are asked for in one edit, and keep what was changed."""
        chosen = {label: what for label, what in self.meanings().items() if what != self._before[label]}
        made = self._session.edits.add_categories(
            (label for label, what in chosen.items() if what == "create"), by="mapping"
        )
        mapping: dict[str, int | None] = {}
        for label, what in chosen.items():
            if isinstance(what, int):
                mapping[label] = what
            elif what == "ignore":
                mapping[label] = None
            elif label in made:
                mapping[label] = made[label]
        again = [label for label, what in chosen.items() if what == "open"]
        if mapping or again:
            self._keep(mapping, again)
        super().accept()

    def _keep(self, mapping: dict[str, int | None], again: list[str]) -> None:
        model, session = self._model, self._session

        def work(store: Store) -> None:
            with store.transaction():
                store.predictions.set_mappings(model.id, mapping)
                store.predictions.forget_mappings(model.id, again)

        session.keep(work, lambda _: self.mapped.emit(), failed=lambda error: session.told.emit(str(error)))

    # --- widgets ----------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        about = QLabel(_ABOUT, self, wordWrap=True)
        about.setObjectName("quiet")
        self.table = QTableWidget(0, 3, self)
        self.table.setHorizontalHeaderLabels(["Class", "Predictions", "Category"])
        self.table.setAccessibleName("Classes and what they mean")
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(38)
        self.table.setShowGrid(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setSectionsClickable(False)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(1, 92)
        header.resizeSection(2, 220)
        self.all_button = QPushButton(self)
        self.all_button.setAutoDefault(False)
        self.all_button.setToolTip("Also the classes that the model has not been sure of on any image")
        self.all_button.hide()
        self.all_button.clicked.connect(self.show_all)
        self.note = QLabel("", self, wordWrap=True)
        self.note.setObjectName("quiet")
        self.note.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.note.setMinimumHeight(3 * self.note.fontMetrics().lineSpacing())
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel, self
        )
        self.save_button = buttons.button(QDialogButtonBox.StandardButton.Save)
        self.create_button = QPushButton("Create all with predictions", self)
        self.create_button.setToolTip("A category for every class that has predictions and is still open")
        self.create_button.setAutoDefault(False)
        self.create_button.setEnabled(False)  # until the classes are read
        buttons.addButton(self.create_button, QDialogButtonBox.ButtonRole.ResetRole)
        self.create_button.clicked.connect(self.create_all)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(about)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.all_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.note)
        layout.addWidget(buttons)

    def _read(self, store: Store) -> _Read:
        """On the writer's thread."""
        predictions = store.predictions
        return predictions.labels(self._model.id, confidence=CONFIDENT), predictions.mappings(self._model.id)

    def _fill(self, read: _Read) -> None:
        self._found, decided = read
        labels = [*self._found, *(label for label in decided if label not in self._found)]
        self._found.update({label: 0 for label in labels if label not in self._found})
        self.table.setRowCount(len(labels))
        for row, label in enumerate(labels):
            self.table.setItem(row, 0, QTableWidgetItem(label))
            self.table.setItem(row, 1, QTableWidgetItem("…" if self._found[label] else "0"))
            self._choices[label] = self._choice(label)
            self.table.setCellWidget(row, 2, _padded(self._choices[label]))
            before = self._meaning(label, decided)
            self._choices[label].choose(before)
            self._before[label] = before
            self._choices[label].currentIndexChanged.connect(self._refresh)
        unseen = [row for row, label in enumerate(labels) if not self._found[label] and label not in decided]
        if len(unseen) < len(labels):  # else there would be nothing to see
            for row in unseen:
                self.table.hideRow(row)
        self.all_button.setVisible(0 < len(unseen) < len(labels))
        self.all_button.setText(f"Show all {len(labels):,} classes")
        self._refresh()
        model, wanted = self._model, self._wanted

        def begin(image_ids: list[int]) -> None:
            self._scan.start(
                image_ids,
                lambda store, image_id: _predicted(store, image_id, model, wanted),
                took=lambda found: self._kept.update(sum(found, Counter())),
                done=self._show_kept,
            )

        self._session.ask(lambda store: store.agreements.images_with_candidates(model.id), begin)

    def _show_kept(self) -> None:
        """Say how many predictions there are of each class, now that all images are looked at."""
        self._is_counted = True
        for row, label in enumerate(self._choices):
            item = self.table.item(row, 1)
            if item is not None:
                item.setText(f"{self._kept[label]:,}")
            if self._kept[label]:  # by a lower threshold than the model was taken at its word from
                self.table.showRow(row)
        self._refresh()

    def show_all(self) -> None:
        """Also show the classes that were not found."""
        for row in range(self.table.rowCount()):
            self.table.showRow(row)
        self.all_button.hide()

    def _choice(self, label: str) -> Choice:
        choice = Choice(f"Category of {label}", parent=self.table)
        choice.addItem("Leave open", "open")
        if named(self._session.document.categories, label) is None:
            choice.addItem(f"Create “{label}”", "create")
        choice.addItem("Ignore", "ignore")
        choice.insertSeparator(choice.count())
        for category in self._sorted():
            choice.addItem(swatch_icon(category.color), category.name, category.id)
        choice.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the wheel scrolls the table
        return choice

    def _sorted(self) -> list[Category]:
        return sorted(
            self._session.document.categories.values(), key=lambda category: category.name.casefold()
        )

    def _meaning(self, label: str, decided: dict[str, int | None]) -> Meaning:
        if label in decided:
            return decided[label] or "ignore"
        category = named(self._session.document.categories, label)
        return category.id if category is not None else "open"

    def _refresh(self) -> None:
        still = self._still()
        self.create_button.setEnabled(bool(still) and not self._session.read_only)
        self.save_button.setEnabled(not self._session.read_only)
        if not self._choices:
            self.note.setText("This model has named no class yet: run it first.")
        elif still:
            self.note.setText(
                f"{len(still)} still open: their predictions are shown under the model's own name, and take "
                "the category of that name once there is one."
            )
        else:
            self.note.setText(
                f"Predictions: what is kept on all images, from a confidence of {self._wanted.confidence:g} "
                "on and after suppression."
            )


def _predicted(store: Store, image_id: int, model: Model, wanted: Filter) -> Counter[str]:
    """On the writer's thread: how many predictions of each class an image has."""
    candidates = store.predictions.candidates(image_id, model.id, least=wanted.confidence)
    return Counter(one.label for one in store.agreements.predictions(candidates, model, wanted))


def _padded(choice: Choice) -> QWidget:
    """Room around a field in a cell."""
    cell = QWidget()
    layout = QVBoxLayout(cell)
    layout.setContentsMargins(0, 3, 4, 3)
    layout.addWidget(choice)
    return cell
