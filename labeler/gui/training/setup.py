"""The left part of the training panel: what goes in, which model, a few settings, and one button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.errors import LabelerError
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.bars import Bar, Bars
from labeler.gui.toolkit.cards import Choice, EmptyState
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted
from labeler.gui.training.desk import TrainingDesk, TrainingRequest
from labeler.gui.training.option_fields import OptionFields, compact_form, quiet_label, walk_by_tab

if TYPE_CHECKING:
    from labeler.training.specs import TrainerSpec, Value

MOST_CATEGORIES = 6
"""So many categories have a bar; the others are counted."""
_DEFAULT_SHARE = 20


class TrainingSetup(QWidget):
    """The form; `Train` becomes `Stop` while a run is going on."""

    started = Signal()
    """A run was asked for."""

    def __init__(self, session: Session, desk: TrainingDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._desk = desk
        self._shown: tuple[TrainerSpec, ...] = ()
        self._values: dict[str, dict[str, Value]] = {}
        """What a person set, by the trainer's id: models are looked up anew after each run."""
        self._fields_of = ""
        self._scrolls = True
        self._empty = EmptyState("No model that can be trained is installed.", parent=self)
        self._form = QWidget(self)
        self._make_fields()
        self._lay_out()
        self._refresh_later = timer(self, self.refresh)
        desk.changed.connect(self._refresh_later.start)
        desk.planner.changed.connect(self._refresh_later.start)
        session.focus.category_changed.connect(self._refresh_later.start)
        self.refresh()

    def set_scrolling(self, scrolls: bool) -> None:
        """Scroll where the panel is low; else be as high as all fields need."""
        self._scrolls = scrolls
        self._fit()

    def _fit(self) -> None:
        self._scroll.setMinimumHeight(0 if self._scrolls else self._form.sizeHint().height() + 4)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The fields have changed: so may the height."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(watched, event)

    # --- what is chosen ---------------------------------------------------------------------------

    @property
    def trainer(self) -> TrainerSpec | None:
        """The chosen one."""
        return self._desk.trainer(self.model.currentData() or "")

    def request(self) -> TrainingRequest | None:
        """What would be trained; None where a field is wrong or there is nothing to train."""
        spec = self.trainer
        if spec is None:
            return None
        try:
            options = self.options.values() | self.advanced.values()
        except LabelerError:
            return None
        planner = self._desk.planner
        return TrainingRequest(
            trainer=spec.id,
            name=" ".join(self.name.text().split()) or self._desk.next_name(spec.id),
            options=options,
            scope=planner.scope,
            validation_share=planner.share,
            seed=planner.seed,
            replaces=self._desk.predecessor(spec.id),
        )

    def run(self) -> None:
        """Train what is chosen, or stop what is going on."""
        if self._desk.is_busy:
            self._desk.stop()
            return
        request = self.request()
        if request is not None and not self.problem():
            self.started.emit()
            self._desk.start(request)
            self.name.clear()

    def problem(self) -> str:
        """Why it cannot be started, "" where it can."""
        spec, plan = self.trainer, self._desk.planner.plan
        if self._session.project is None:
            return "Open a folder of images first."
        wrong = self.options.problem() or self.advanced.problem()
        if spec is not None and not plan.problem and len(plan.images) < spec.least:
            return f"{spec.title} needs at least {counted(spec.least, 'labelled image')}."
        return self._session.read_only or plan.problem or wrong

    # --- showing ----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show everything as it is now."""
        self._fill_models()
        there = bool(self._desk.trainers)
        self._empty.setVisible(not there)
        self._form.setVisible(there)
        plan, busy = self._desk.planner.plan, self._desk.is_busy
        self._fill_scopes()
        problem = self.problem()
        self._show_split()
        self._show_categories(plan.objects)
        self.warnings.setText("\n".join([problem] if problem else plan.warnings))
        self.warnings.setStyleSheet(f"color: {theme.colors().middling if plan.warnings or problem else ''};")
        self.warnings.setVisible(bool(self.warnings.text()))
        for widget in (self.model, self.scope, self._settings, self.options):
            widget.setEnabled(not busy)
        self.button.setText(
            {"": "Train", "preparing": "Stop", "running": "Stop", "stopping": "Stopping"}[self._desk.phase]
        )
        self.button.setEnabled((busy and self._desk.phase != "stopping") or (not busy and not problem))
        self.button.setDefault(not busy)
        spec = self.trainer
        self.name.setPlaceholderText(self._desk.next_name(spec.id) if spec else "")

    def _fill_models(self) -> None:
        if self._shown == self._desk.trainers:
            return
        chosen = self.model.currentData()
        self._shown = self._desk.trainers
        with QSignalBlocker(self.model):
            self.model.clear()
            for spec in self._shown:
                self.model.addItem(spec.title, spec.id)
                tip = spec.summary or spec.title
                self.model.setItemData(self.model.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
            self.model.choose(chosen)
        self._on_model()

    def _fill_scopes(self) -> None:
        planner = self._desk.planner
        items = [
            (f"Reviewed images ({planner.sizes['reviewed']:,})", "reviewed"),
            (f"All labelled images ({planner.sizes['labelled']:,})", "labelled"),
        ]
        with QSignalBlocker(self.scope):
            self.scope.clear()
            for text, value in items:
                self.scope.addItem(text, value)
            self.scope.choose(planner.scope)

    def _show_split(self) -> None:
        planner = self._desk.planner
        total, validation = len(planner.plan.images) - len(planner.only_boxes), planner.validation
        if not planner.plan.images:
            words = ""
        elif validation is None:
            words = "Comparing the images"
        else:
            words = split_words(total, len(validation), planner.share)
            if planner.only_boxes:
                words += f". {counted(len(planner.only_boxes), 'image')} left out: only boxes"
        self.split.setText(words)
        self._split_row.setVisible(bool(words))
        self.show_validation.setEnabled(bool(validation))

    def _show_categories(self, objects: dict[int, int]) -> None:
        categories = self._session.document.categories
        known = [(categories[key], number) for key, number in objects.items() if key in categories]
        most = known[0][1] if known else 0
        shown = known if len(known) <= MOST_CATEGORIES else known[: MOST_CATEGORIES - 1]
        raised = theme.colors().raised
        self.bars.show_bars(
            [
                Bar(
                    key=category.id,
                    name=category.name,
                    color=category.color,
                    parts=((number, category.color), (most - number, raised)),
                    right=f"{number:,}",
                    tooltip=f"{category.name}: {counted(number, 'object')}\nClick to see its images",
                )
                for category, number in shown
            ]
        )
        rest = known[len(shown) :]
        self.others.setText(
            f"and {counted(len(rest), 'other')} with {counted(sum(n for _, n in rest), 'object')}"
            if rest
            else ""
        )
        self.others.setVisible(bool(rest))

    # --- hearing ----------------------------------------------------------------------------------

    def _on_model(self) -> None:
        """Show the options of a trainer, with what a person set the last time that it was shown."""
        spec = self.trainer
        self._values[self._fields_of] = self.options.kept() | self.advanced.kept()
        self._fields_of = spec.id if spec is not None else ""
        values = self._values.get(self._fields_of, {})
        options = spec.options if spec is not None else ()
        self.options.show_options(tuple(option for option in options if not option.advanced), values)
        self.advanced.show_options(tuple(option for option in options if option.advanced), values)
        if spec is not None and spec.needs_masks != self._desk.planner.needs_masks:
            self._desk.planner.use(needs_masks=spec.needs_masks)
        self.model.setToolTip((spec.summary or spec.title) if spec is not None else "What is trained")
        walk_by_tab(self.stops)
        self.refresh()

    @property
    def stops(self) -> list[QWidget]:
        """What the Tab key stops at, from the top to the bottom."""
        return [
            *(self.model, self.scope, self.show_validation, self.bars, *self.options.stops, self.more),
            *(self.name, self.share, self.seed, *self.advanced.stops, self.button),
        ]

    def _on_scope(self) -> None:
        self._desk.planner.use(scope=self.scope.currentData())

    def _on_split(self) -> None:
        self._desk.planner.use(share=self.share.value() / 100, seed=self.seed.value())

    def _open_validation(self) -> None:
        planner = self._desk.planner
        validation = planner.validation or ()
        self._open([key for key in planner.plan.images if key in validation], "Held out of the training")

    def _open_category(self, category_id: int) -> None:
        counts = self._session.document.counts
        name = self._session.document.categories[category_id].name
        planned = self._desk.planner.plan.images
        self._open([key for key in planned if counts(key).get(category_id, 0)], f"{name} in the training")

    def _open(self, image_ids: list[int], title: str) -> None:
        if image_ids:
            self._session.place.set_order(image_ids, title=title)
            self._session.place.go_to(image_ids[0])

    def fold(self, shown: bool) -> None:
        """Show the settings that are folded away, or fold them away again."""
        self._settings.setVisible(shown)
        self.more.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)

    # --- widgets ----------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        self.model = Choice("Model to train", parent=self._form)
        self.model.setToolTip("What is trained")
        self.model.currentIndexChanged.connect(self._on_model)
        self.scope = Choice("Images to train on", parent=self._form)
        self.scope.setToolTip("Which labels go in; reviewed images are complete and right")
        self.scope.currentIndexChanged.connect(self._on_scope)
        self._split_row = QWidget(self._form)
        self.split = quiet_label(parent=self._split_row)
        self.split.setToolTip(
            "Held-out images are never learnt from; the model is judged on them. Near-duplicates and "
            "files of the same name stay together."
        )
        self.show_validation = QToolButton(self._split_row)
        self.show_validation.setText("Show")
        self.show_validation.setToolTip("Walk the held-out images with D and A")
        self.show_validation.setAccessibleName("Show the held-out images")
        self.show_validation.clicked.connect(self._open_validation)
        self.bars = Bars(self._form)
        self.bars.clicked.connect(self._open_category)
        self.others = quiet_label(parent=self._form)
        self.warnings = quiet_label(parent=self._form)
        self.options = OptionFields(self._form)
        self.options.edited.connect(self.refresh)
        self._make_settings()
        self.button = QPushButton("Train", self)
        self.button.setToolTip("Train in the background; you can go on labelling")
        self.button.clicked.connect(self.run)

    def _make_settings(self) -> None:
        """What is folded away: the name, the split, the trainer's advanced options."""
        self.more = QToolButton(self._form, arrowType=Qt.ArrowType.RightArrow)
        self.more.setText("More settings")
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setAccessibleName("More settings: fold or unfold")
        self.more.clicked.connect(lambda: self.fold(self._settings.isHidden()))
        self._settings: QWidget = QWidget(self._form)
        self.name = QLineEdit(self._settings)
        self.name.setAccessibleName("Name of the model")
        self.name.setToolTip("What the trained model will be called")
        self.share = QSpinBox(self._settings, minimum=5, maximum=50, value=_DEFAULT_SHARE, suffix=" %")
        self.share.setAccessibleName("Share of the images that is held out")
        self.seed = QSpinBox(self._settings, minimum=0, maximum=9999)
        self.seed.setAccessibleName("Seed of the split")
        self.seed.setToolTip("Another number holds out other images")
        for box in (self.share, self.seed):
            box.setObjectName("plain")
            box.setKeyboardTracking(False)
            box.lineEdit().setTextMargins(6, 0, 0, 0)
            box.valueChanged.connect(self._on_split)
        self.advanced = OptionFields(self._settings)
        self.advanced.edited.connect(self.refresh)
        column = QVBoxLayout(self._settings)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        general = QWidget(self._settings)
        form = compact_form(general)
        form.addRow("Name", self.name)
        form.addRow("Held out", self.share)
        form.addRow("Seed", self.seed)
        column.addWidget(general)
        column.addWidget(self.advanced)
        self._settings.hide()

    def _lay_out(self) -> None:
        split = QHBoxLayout(self._split_row)
        split.setContentsMargins(0, 0, 0, 0)
        split.addWidget(self.split, 1)
        split.addWidget(self.show_validation)
        column = QVBoxLayout(self._form)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(6)
        for widget in (
            *(self.model, self.scope, self._split_row, self.bars, self.others),
            *(self.warnings, self.options, self.more, self._settings),
        ):
            column.addWidget(widget)
        column.addStretch(1)
        self._scroll = QScrollArea(self, widgetResizable=True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._form)
        self._scroll.viewport().setAutoFillBackground(False)
        self._form.setAutoFillBackground(False)
        self._form.installEventFilter(self)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(8)
        outer.addWidget(self._empty)
        outer.addWidget(self._scroll, 1)
        outer.addWidget(self.button)


def split_words(total: int, validation: int, share: float) -> str:
    """How many images go where, and why that is not the share that was asked for."""
    words = f"{total - validation:,} to learn from, {validation:,} held out"
    if abs(validation - share * total) < 1:
        return words
    why = "since alike images stay together and none changes sides later"
    return f"{words}: about {round(100 * share)} %, {why}"
