"""The model's predictions: their confidences, what decides which are kept, and the walk that shows how."""

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSlider, QSpinBox, QVBoxLayout, QWidget

from labeler.core.filtering import FilterKind
from labeler.core.model_titles import full_title
from labeler.gui.labelling.agreement_panel import ACCEPTED
from labeler.gui.models.model_choice import ModelChoice
from labeler.gui.predictions.auto_confidence import AutoConfidence
from labeler.gui.predictions.histogram import BINS, Histogram
from labeler.gui.predictions.predictions import LEAST, MOST, Faint, Predictions
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import UNBROKEN, Card, Choice, EmptyState, tool_button
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

KINDS: tuple[tuple[str, FilterKind], ...] = (
    ("within classes", "class-wise"),
    ("across classes", "agnostic"),
    ("soft linear", "soft-linear"),
    ("soft Gaussian", "soft-gaussian"),
    ("no NMS", "none"),
)
_FAINT: tuple[tuple[str, Faint], ...] = (
    ("suppressed ones", "suppressed"),
    ("all others", "all"),
    ("nothing else", "none"),
)
_EXPLAINED = {
    "class-wise": "The most confident box is kept, and every less confident one of its class that overlaps "
    "it by more than this IoU goes; then the next one that is left.",
    "agnostic": "As within a class, but boxes of all classes suppress each other.",
    "soft-linear": "What overlaps a kept box by more than this IoU is not dropped at once: its confidence is "
    "multiplied by 1 − IoU, and it goes when it falls under the threshold.",
    "soft-gaussian": "Whatever overlaps a kept box has its confidence multiplied by exp(−IoU² / 0.5), and "
    "goes when it falls under the threshold. There is no IoU threshold.",
    "none": "Everything from the confidence threshold up is kept.",
}

_AUTO = (
    "After each image that you mark as reviewed, the threshold goes where it would have saved most on the "
    "last ones. Off once you move it yourself."
)


class PredictionsPanel(Card):
    """Sliders that act at once on the canvas, with what they come to on the image and the set."""

    run_asked = Signal()
    """The person wants a model to be run, since there is nothing to show."""

    def __init__(
        self,
        session: Session,
        predictions: Predictions,
        parent: QWidget | None = None,
        *,
        auto: AutoConfidence | None = None,
    ) -> None:
        """`auto` moves the threshold by itself, where there is such a thing."""
        super().__init__("Predictions", parent)
        self.unfolded.connect(self.refresh)
        self._session, self._predictions, self._auto = session, predictions, auto
        self.model = ModelChoice(session, "Model whose predictions are shown", self, none=ACCEPTED)
        self._make_sliders()
        self._make_steps()
        self._arrange()
        self._refresh_later = timer(self, self.refresh)
        for signal in (session.project_changed, session.measure.model_changed, session.place.image_changed):
            signal.connect(self._refresh_later.start)
        session.document.images_changed.connect(lambda _: self._refresh_later.start())
        predictions.changed.connect(self.show_filter)
        predictions.counts_changed.connect(self._show_counts)
        predictions.walked.connect(self._show_step)
        self.refresh()

    # --- building ---------------------------------------------------------------------------------

    def _make_sliders(self) -> None:
        predictions = self._predictions
        self.histogram = Histogram(self)
        self.histogram.threshold_changed.connect(lambda value: predictions.set_filter(confidence=value))
        self.confidence = _Slider("confidence", "Candidates from this confidence up  (, and .)", self)
        self.iou = _Slider("NMS IoU", "", self)
        self.confidence.moved.connect(lambda value: predictions.set_filter(confidence=value))
        self.auto_button = tool_button("auto-fix", _AUTO, self)
        self.auto_button.setCheckable(True)
        self.auto_button.setVisible(self._auto is not None)
        if self._auto is not None:
            self.auto_button.toggled.connect(self._auto.set_on)
            self._auto.changed.connect(self._show_auto)
            self._show_auto()
        self.iou.moved.connect(lambda value: predictions.set_filter(iou=value))
        self.kind = Choice("Kind of suppression", KINDS, self)
        self.kind.currentIndexChanged.connect(self._choose_kind)
        self.top_k = QSpinBox(self, minimum=1, maximum=10_000)
        self.top_k.setAccessibleName("Most predictions on an image")
        self.top_k.setToolTip("At most so many predictions on an image, the most confident ones")
        self.top_k.setObjectName("plain")
        self.top_k.setFixedWidth(64)
        self.top_k.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.top_k.valueChanged.connect(lambda value: predictions.set_filter(top_k=value))
        self.faint = Choice("What is shown beside the predictions", _FAINT, self)
        self.faint.setToolTip("What the photo shows beside the predictions that are kept")
        self.faint.currentIndexChanged.connect(lambda _: predictions.set_faint(self.faint.currentData()))
        self.counts = QLabel(self, wordWrap=True)
        self.counts.setObjectName("quiet")

    def _show_auto(self) -> None:
        with QSignalBlocker(self.auto_button):
            self.auto_button.setChecked(self._auto is not None and self._auto.is_on)

    def _make_steps(self) -> None:
        walk = self._predictions.step_walk
        self.steps_button = tool_button("school-outline", "Walk through the suppression, step by step", self)
        self.steps_button.setCheckable(True)
        self.steps_button.toggled.connect(self._toggle_walk)
        self.back = tool_button("chevron-left", "One step back", self)
        self.forth = tool_button("chevron-right", "One step on", self)
        self.back.clicked.connect(lambda: walk(-1))
        self.forth.clicked.connect(lambda: walk(1))
        for button in (self.back, self.forth):
            button.setAutoRepeat(True)
        self.step_note = QLabel(self)
        self.step_note.setObjectName("quiet")
        self.sentence = QLabel(self, wordWrap=True)
        self.sentence.setMinimumHeight(3 * self.sentence.fontMetrics().lineSpacing())
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._steps = QWidget(self)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.back)
        row.addWidget(self.forth)
        row.addWidget(self.step_note, 1)
        column = QVBoxLayout(self._steps)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.sentence)

    def _arrange(self) -> None:
        self._controls = QWidget(self)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        for row, slider in enumerate((self.confidence, self.iou)):
            grid.addWidget(slider.name, row, 0)
            grid.addWidget(slider.slider, row, 1)
            grid.addWidget(slider.value, row, 2)
        grid.addWidget(self.auto_button, 0, 3)
        grid.setColumnStretch(1, 1)
        kinds = QHBoxLayout()
        kinds.setSpacing(4)
        kinds.addWidget(self.kind, 1)
        kinds.addWidget(_quiet("at most", self))
        kinds.addWidget(self.top_k)
        shown = QHBoxLayout()
        shown.setSpacing(8)
        shown.addWidget(_quiet("faintly also", self))
        shown.addWidget(self.faint, 1)
        shown.addWidget(self.steps_button)
        column = QVBoxLayout(self._controls)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.histogram)
        column.addLayout(grid)
        column.addLayout(kinds)
        column.addWidget(self.counts)
        column.addLayout(shown)
        column.addWidget(self._steps)
        self._empty = EmptyState("", parent=self)
        self._empty.acted.connect(self.run_asked)
        self._models = QWidget(self)
        models = QHBoxLayout(self._models)
        models.setContentsMargins(0, 0, 0, 0)
        models.setSpacing(8)
        models.addWidget(_quiet("shown", self))
        models.addWidget(self.model, 1)
        self.body.addWidget(self._models)
        self.body.addWidget(self._controls)
        self.body.addWidget(self._empty)
        self.body.addStretch(1)

    # --- showing ----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show everything as it is now."""
        session = self._session
        model = session.measure.model
        several = len(session.document.models) > 1
        self._models.setVisible(several)
        self.model.fill(model)
        # where there are several, the choice below the title says it
        named = model if not several else None
        self.set_note(named.name if named else "", more=full_title(named) if named else "")
        self._controls.setVisible(model is not None)
        self._empty.setVisible(model is None)
        if model is None:
            is_open = session.project is not None
            text = "Run a model over the images, or import results, to see predictions here."
            if several:
                text = "Only what was accepted is measured against. Choose a model to see its predictions."
            self._empty.set_text(text if is_open else "", "Run a model…" if is_open else "")
        self.show_filter()
        self._show_step()

    def show_filter(self) -> None:
        """The sliders, and what they come to on the open image; called at every step of a slider."""
        if not self.isVisible() or self.is_folded():
            return
        predictions, wanted = self._predictions, self._predictions.filter
        with QSignalBlocker(self.kind), QSignalBlocker(self.top_k), QSignalBlocker(self.faint):
            self.kind.choose(wanted.kind)
            self.top_k.setValue(wanted.top_k)
            self.faint.choose(predictions.faint)
        self.confidence.show_value(wanted.confidence)
        self.iou.show_value(wanted.iou)
        needs = predictions.needs_suppression
        self.kind.setEnabled(needs)
        self.iou.set_enabled(predictions.suppresses)
        why = _EXPLAINED[wanted.kind] if needs else self._why_not()
        self.iou.set_tip(f"{why}  (Shift or Alt with , and .)" if predictions.suppresses else why)
        self.kind.setToolTip(why)
        self.histogram.show_threshold(wanted.confidence)
        self._show_counts()

    def _why_not(self) -> str:
        model = self._session.measure.model
        name = model.name if model is not None else "This model"
        return f"{name} predicts a set without duplicates, so there is nothing to suppress."

    def _show_counts(self) -> None:
        if not self.isVisible() or self.is_folded():
            return
        predictions = self._predictions
        found, counts = predictions.filtered, predictions.set_counts.counts
        over = len(found.kept) + len(found.suppressed) + len(found.cut)
        words = [f"{counted(over, 'candidate')} → {len(found.kept):,} kept"]
        if predictions.needs_suppression:
            words.append(f"{len(found.suppressed):,} suppressed")
        if found.cut:
            words.append(f"{len(found.cut):,} beyond the most")
        told = ", ".join(words)
        whole = f"set: {counts[0]:,} → {counts[1]:,}" if counts is not None else "set: counting"
        lines = [f"{told} · {whole.replace(' ', UNBROKEN)}"]
        if not predictions.needs_suppression:
            lines.append(self._why_not())
        self.counts.setText("\n".join(lines))
        tip = f"{len(found.below):,} more on this image are under the confidence threshold."
        if counts is not None:
            images = counted(predictions.set_counts.images, "image")
            tip += f"\nOn {images}: {counts[0]:,} candidates, {counts[1]:,} kept, {counts[2]:,} suppressed."
        self.counts.setToolTip(tip)
        self.histogram.show_counts(predictions.set_counts.histogram(BINS))

    # --- the step mode ----------------------------------------------------------------------------

    def _toggle_walk(self, on: bool) -> None:
        if on:
            self._predictions.start_walk()
        else:
            self._predictions.stop_walk()

    def _show_step(self) -> None:
        predictions = self._predictions
        walk, at = predictions.walk, predictions.walk_at
        with QSignalBlocker(self.steps_button):
            self.steps_button.setChecked(walk is not None)
        self._steps.setVisible(walk is not None)
        if walk is None:
            return
        self.back.setEnabled(at > 0)
        self.forth.setEnabled(at < len(walk))
        self.step_note.setText(f"step {at:,} of {len(walk):,}")
        self.sentence.setText(self._told())

    def _told(self) -> str:
        """What the present step does, in words."""
        predictions, step, wanted = self._predictions, self._predictions.step, self._predictions.filter
        walk = predictions.walk or ()
        if step is None:
            waiting = len(predictions.filtered.confidences)
            start = f"{counted(waiting, 'candidate')} at or over {wanted.confidence:.2f}, dashed."
            return f"{start} Step on to pick the most confident one." if walk else "There is nothing to pick."
        name = predictions.name_of(predictions.candidates[step.picked])
        words = [f"{name} {step.confidence:.2f} is the most confident one left: it is kept."]
        if step.dropped:
            names = [
                f"{predictions.name_of(predictions.candidates[key])} ({iou:.2f})"
                for key, iou in step.dropped[:3]
            ]
            rest = len(step.dropped) - len(names)
            listed = ", ".join(names) + (f" and {rest:,} more" if rest else "")
            words.append(f"It drops {len(step.dropped):,}, by IoU: {listed}.")
        if step.lowered:
            words.append(f"It lowers the confidence of {len(step.lowered):,} that overlap it.")
        if not step.dropped and not step.lowered:
            words.append("Nothing left overlaps it enough." if step.left else "")
        last = predictions.walk_at == len(walk)
        done = "None is left: done." if not step.left else f"The limit of {wanted.top_k:,} ends it here."
        words.append(done if last else f"{step.left:,} left.")
        return " ".join(word for word in words if word)

    def _choose_kind(self) -> None:
        self._predictions.set_filter(kind=self.kind.currentData())

    # --- being looked at --------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up, and have the set counted from now on."""
        super().showEvent(event)
        self._predictions.set_counts.watch(True)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks at the counts now."""
        super().hideEvent(event)
        self._predictions.set_counts.watch(False)
        self._predictions.stop_walk()

    def changeEvent(self, event: QEvent) -> None:
        """The histogram's colours follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "histogram"):
            self.histogram.update()


class _Slider(QWidget):
    """A name, a slider and its value, for the three columns of a grid."""

    moved = Signal(float)

    def __init__(self, name: str, tip: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.hide()
        self.name = QLabel(name, parent)
        self.slider = QSlider(Qt.Orientation.Horizontal, parent)
        self.slider.setRange(round(LEAST * 100), round(MOST * 100))
        self.slider.setPageStep(5)
        self.slider.setAccessibleName(name)
        self.value = QLabel(parent)
        self.value.setFont(theme.ui_font(13, weight=theme.DEMIBOLD))
        self.value.setMinimumWidth(self.value.fontMetrics().horizontalAdvance("0.00"))
        self.slider.valueChanged.connect(lambda value: self.moved.emit(value / 100))
        self.set_tip(tip)

    def show_value(self, value: float) -> None:
        """Put the slider there."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(value * 100))
        self.value.setText(f"{value:.2f}")

    def set_enabled(self, on: bool) -> None:
        """Grey it where it decides nothing."""
        for widget in (self.name, self.slider, self.value):
            widget.setEnabled(on)

    def set_tip(self, text: str) -> None:
        """What it does, or why it does nothing."""
        for widget in (self.name, self.slider, self.value):
            widget.setToolTip(text)


def _quiet(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    label.setObjectName("quiet")
    return label
