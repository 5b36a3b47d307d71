"""The card that runs a detector over images: which model, over what, how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.predictions import batch as runs
from labeler.gui.predictions.batch import Batch
from labeler.gui.predictions.mapping_dialog import MappingDialog
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Card, Choice, ElidedLabel, EmptyState
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted, duration
from labeler.models.files.catalog import DEFAULT_DETECTOR
from labeler.models.protocols import ModelSpec

if TYPE_CHECKING:
    from labeler.core.filtering import Filter
    from labeler.registry import Registry

_MASKS = "SAM draws the object in each box of at least a middling confidence; every image takes longer."
_PROGRESS = 1000


class RunPanel(Card):
    """Model, text, scope and one button that runs, says how far it is, and stops."""

    wants_models = Signal()
    """A person wants to get or choose a detector."""
    mapped = Signal()
    """Candidates have other categories now."""
    told = Signal(str, bool)
    """One sentence on a run, for where this card is closed, and whether there are classes to be mapped."""

    def __init__(
        self,
        session: Session,
        batch: Batch,
        registry: Registry | None = None,
        parent: QWidget | None = None,
        *,
        wanted: Callable[[], Filter | None] = lambda: None,
        remembered: dict[str, str] | None = None,
    ) -> None:
        """`wanted` gives the filter of the predictions that are shown, None for the usual one.

        `remembered` has by project the detector that was chosen or run last; the next one is kept there.
        """
        super().__init__("Pre-annotate", parent)
        self._session = session
        self._batch = batch
        self._courier = Courier(self)
        self._models: dict[str, ModelSpec] = {}
        self._filter = wanted
        self._again = False
        self._looking = 0
        self._has_looked = False
        self._wanted = ""
        self._detectors = remembered if remembered is not None else {}
        self._outcome = ""
        self._shown_waiting: tuple[runs.Waiting, ...] = ()
        self._make_widgets()
        self._scopes_later = timer(self, self._fill_scopes, milliseconds=100)
        self._refresh_later = timer(self, self.refresh)
        for signal in (session.project_changed, session.document.images_changed, session.place.order_changed):
            signal.connect(self._scopes_later.start)
        session.project_changed.connect(self._on_project)
        session.place.image_changed.connect(self._scopes_later.start)
        batch.changed.connect(self._refresh_later.start)
        batch.ended.connect(self._take_end)
        batch.changed.connect(self._take_unmapped)
        batch.queued.connect(lambda sentence: self.told.emit(sentence, False))
        batch.exhausted.connect(self._offer_again)
        self._fill_scopes()
        self.refresh()
        if registry is not None:
            self.set_registry(registry)

    # --- what there is to run ---------------------------------------------------------------------

    def set_registry(self, registry: Registry) -> None:
        """Offer the detectors of these plugins and of the installed files; soon, since files are read."""
        self._looking += 1
        turn = self._looking

        def fill(found: dict[str, ModelSpec]) -> None:
            if turn == self._looking:
                self._has_looked = True
                self._fill_models(found)
                self._choose_wanted()

        run_in_pool(
            lambda: registry.at_hand("detector"),
            courier=self._courier,
            done=fill,
            failed=lambda error: self._say(str(error)),
        )

    def choose(self, spec: ModelSpec) -> None:
        """Have this model run next, once it is among those at hand."""
        self._wanted = spec.id
        self._choose_wanted()

    def _choose_wanted(self) -> None:
        name = next((name for name, spec in self._models.items() if spec.id == self._wanted), None)
        if name is not None:
            self._wanted = ""
            self.model.setCurrentIndex(self.model.findData(name))
            self._remember()

    def choice(self) -> runs.RunChoice | None:
        """What would be run; None where there is no model, or no text for one that reads."""
        name = self.model.currentData()
        spec = self._models.get(name)
        text = " ".join(self.text.text().split())
        if spec is None or (spec.reads_text and not text):
            return None
        return runs.RunChoice(
            name=name,
            spec=spec,
            scope=self.scope.currentData(),
            text=text if spec.reads_text else "",
            masks=self.masks.isChecked(),
            again=self._again,
        )

    def _fill_models(self, models: dict[str, ModelSpec]) -> None:
        chosen = self.model.currentData()
        self._models = models
        titles = [spec.title for spec in models.values()]
        with QSignalBlocker(self.model):
            self.model.clear()
            for name, spec in models.items():
                twice = titles.count(spec.title) > 1
                self.model.addItem(f"{spec.title} ({Path(name).name})" if twice else spec.title, name)
                self.model.setItemData(self.model.count() - 1, _about(spec), Qt.ItemDataRole.ToolTipRole)
            wanted = chosen if chosen in models else self._remembered()
            self.model.choose(wanted if wanted in models else _default(models))
        self._on_choice()

    def _remember(self) -> None:
        name, project = self.model.currentData(), self._session.project
        if name is not None and project is not None:
            self._detectors[str(project)] = name

    def _remembered(self) -> str:
        return self._detectors.get(str(self._session.project), "")

    def _recall(self) -> None:
        if self._remembered() in self._models:
            self.model.choose(self._remembered())

    def _fill_scopes(self) -> None:
        images = self._session.document.images
        shown, left = len(self._session.place.order), sum(not image.reviewed for image in images)
        items = [
            (f"All images ({len(images):,})", "all"),
            (f"Not reviewed ({left:,})", "unreviewed"),
            (f"In the list ({shown:,})", "shown"),
            ("This image", "image"),
        ]
        chosen = self.scope.currentData() or "all"
        with QSignalBlocker(self.scope):
            self.scope.clear()
            for text, value in items:
                self.scope.addItem(text, value)
            self.scope.choose(chosen)
        self._refresh_later.start()

    # --- running ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Run what is chosen, or stop what runs."""
        if self._batch.is_running:
            self._batch.cancel()
            return
        choice = self.choice()
        if choice is not None:
            self._say("")
            self._remember()
            self._batch.start(choice)

    def run_next(self) -> None:
        """Have what is chosen run after what runs."""
        choice = self.choice()
        if choice is not None:
            self._batch.start(choice)

    def predict(self, scope: runs.Scope) -> None:
        """Run what is chosen over the open image, or over all, whatever this card is set to."""
        choice = self.choice()
        if choice is None:
            self.wants_models.emit()
            return
        was_running = self._batch.is_running
        self._batch.start(structs.replace(choice, scope=scope, again=scope == "image"))
        if scope == "all" and self._batch.is_running and not was_running:
            text = f"{choice.spec.title} begins on all images: Pre-annotate shows how far it is."
            self.told.emit(text, False)

    def _take_end(self, sentence: str) -> None:
        self._outcome = sentence
        self._say(sentence)
        self.told.emit(sentence, False)

    def _take_unmapped(self) -> None:
        """After a run: say what a person has to decide before all of it can be accepted."""
        new = len(self._batch.unmapped)
        if new and self._outcome and not self._batch.is_running:
            classes = "a class that is" if new == 1 else f"{new} classes that are"
            self.told.emit(f"{self._outcome} It found {classes} no category here yet.", True)
            self._outcome = ""

    def _offer_again(self) -> None:
        self._again = True
        self._say("This model has predicted all of these images already.")
        self.refresh()

    def _on_choice(self) -> None:
        """Another model, text or scope: what was said of the last one is past."""
        self._again = False
        if not self._batch.is_running:
            self._say("")
        self.refresh()

    def _on_project(self) -> None:
        self._again = False
        self._recall()
        self._say("")
        self.refresh()

    def refresh(self) -> None:
        """Show everything as it is now."""
        running, spec = self._batch.is_running, self._models.get(self.model.currentData())
        self._empty.setVisible(not self._models)
        if self._has_looked:
            self._empty.set_text("No detector is installed yet.", "Get a model…")
        self._form.setVisible(bool(self._models))
        self.text.setVisible(spec is not None and spec.reads_text)
        choice, now = self.choice(), self._batch.running
        # another run can be asked for meanwhile, and comes next
        others = choice is not None and (now is None or choice != now.choice)
        self.next.setVisible(running and others and not self._session.read_only)
        self.button.setText("Cancel" if running else "Run again" if self._again else "Run")
        can_run = self._session.project is not None and not self._session.read_only and choice is not None
        self.button.setEnabled(running or can_run)
        unmapped = len(self._batch.unmapped)
        self.classes.setVisible(self._batch.model is not None)
        self.classes.setText(f"{counted(unmapped, 'new class', 'new classes')}…" if unmapped else "Classes…")
        self._show_progress(running)
        self._show_waiting()

    def _show_waiting(self) -> None:
        """A line for each run that comes next, with a cross to do without it."""
        wanted = self._batch.waiting
        if wanted == self._shown_waiting:
            return
        self._shown_waiting = wanted
        while (item := self._waiting.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        for one in wanted:
            self._waiting.addWidget(self._line_of(one))

    def _line_of(self, wanted: runs.Waiting) -> QWidget:
        line = QWidget(self._form)
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        words = ElidedLabel(f"Next: {wanted.words}", line)
        words.setObjectName("quiet")
        cross = QToolButton(line)
        cross.setText("✕")
        cross.setAccessibleName(f"Do without {wanted.words}")
        cross.setToolTip("Do without this run")
        cross.clicked.connect(lambda: self._batch.withdraw(wanted))
        row.addWidget(words, 1)
        row.addWidget(cross)
        return line

    def _show_progress(self, running: bool) -> None:
        self._progress.setVisible(running)
        self.status.setVisible(not running and bool(self.status.text()))
        self.set_note("")
        now = self._batch.running
        if not running or now is None:
            return
        self.running_line.setText(f"Now: {now.words}")
        progress = self._batch.progress
        if progress is None or self._batch.loading or not progress.total:
            self.bar.setRange(0, 0)
            self.progress_line.setText(
                f"Loading {self._batch.loading}" if self._batch.loading else "Starting"
            )
            return
        self.bar.setRange(0, _PROGRESS)
        self.bar.setValue(_PROGRESS * progress.done // progress.total)
        parts = [f"{progress.done:,} of {progress.total:,}"]
        if progress.rate:
            parts.append(_pace(progress.rate))
        if progress.seconds_left:
            parts.append(f"{duration(progress.seconds_left)} left")
        self.progress_line.setText(" · ".join(parts))

    def _say(self, sentence: str) -> None:
        self.status.setText(sentence)
        self.status.setVisible(bool(sentence) and not self._batch.is_running)

    def show_classes(self) -> None:
        """Open the table of what the model's classes mean."""
        model = self._batch.model
        if model is None:
            return
        dialog = MappingDialog(self._session, model, self, wanted=self._filter())
        dialog.mapped.connect(self._batch.show_stored)
        dialog.mapped.connect(self.mapped)
        dialog.open()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        self._scopes_later.start()

    # --- widgets ----------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        self._empty = EmptyState("Looking for the models that are there…", parent=self)
        self._empty.acted.connect(self.wants_models)
        self._form = QWidget(self)
        self.model = Choice("Detector to run", parent=self._form)
        self.model.currentIndexChanged.connect(self._on_choice)
        self.model.activated.connect(lambda _: self._remember())
        self.text = QLineEdit(self._form, placeholderText="What to find: a red bicycle, a dog")
        self.text.setAccessibleName("What to find")
        self.text.textEdited.connect(self._on_choice)
        self.text.returnPressed.connect(self.run)
        self.scope = Choice("Images to run it on", parent=self._form)
        self.scope.currentIndexChanged.connect(self._on_choice)
        self.button = QPushButton("Run", self._form)
        self.button.clicked.connect(self.run)
        self.next = QPushButton("Run next", self._form)
        self.next.setToolTip("Run what is chosen once what runs now is done")
        self.next.clicked.connect(self.run_next)
        self.masks = QCheckBox("Masks by SAM", self._form)
        self.masks.setToolTip(_MASKS)
        self.masks.toggled.connect(self._on_choice)
        self.classes = QPushButton("Classes…", self._form)
        self.classes.setToolTip("Which of your categories each class of the model means")
        self.classes.clicked.connect(self.show_classes)
        self._progress = QWidget(self._form)
        self.bar = QProgressBar(self._progress)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the run")
        self.running_line = ElidedLabel("", self._progress)
        self.running_line.setObjectName("quiet")
        self.progress_line = ElidedLabel("", self._progress)
        self.progress_line.setObjectName("quiet")
        self.status = QLabel("", self._form, wordWrap=True)
        self.status.setObjectName("quiet")
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self._lay_out()

    def _lay_out(self) -> None:
        running = QVBoxLayout(self._progress)
        running.setContentsMargins(0, 0, 0, 0)
        running.setSpacing(4)
        running.addWidget(self.running_line)
        running.addWidget(self.bar)
        running.addWidget(self.progress_line)
        what, where, how = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for row in (what, where, how):
            row.setSpacing(8)
        to_run = QLabel("to run", self._form)
        to_run.setObjectName("quiet")
        what.addWidget(to_run)
        what.addWidget(self.model, 1)
        where.addWidget(self.scope, 1)
        where.addWidget(self.next)
        where.addWidget(self.button)
        how.addWidget(self.masks, 1)
        how.addWidget(self.classes)
        form = QVBoxLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(8)
        form.addLayout(what)
        form.addWidget(self.text)
        form.addLayout(where)
        form.addLayout(how)
        form.addWidget(self._progress)
        self._waiting = QVBoxLayout()
        self._waiting.setSpacing(2)
        form.addLayout(self._waiting)
        form.addWidget(self.status)
        self.body.addWidget(self._empty)
        self.body.addWidget(self._form)


def _default(models: Mapping[str, ModelSpec]) -> str:
    """The name of the detector that is chosen where a person has chosen none; "" where it is not there."""
    return next((name for name, spec in models.items() if spec.id == DEFAULT_DETECTOR), "")


def _about(spec: ModelSpec) -> str:
    """What tells a model from others."""
    number = len(spec.categories)
    parts = [spec.title, spec.version, f"{number:,} classes" if number > 1 else "", spec.licence]
    return ", ".join(part for part in parts if part)


def _pace(rate: float) -> str:
    """Images a second, or a minute where they take longer."""
    if rate >= 1:
        return f"{rate:.0f} images/s" if rate >= 10 else f"{rate:.1f} images/s"
    return f"{rate * 60:.0f} images/min" if rate * 60 >= 10 else f"{rate * 60:.1f} images/min"
