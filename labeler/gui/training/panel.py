"""The card that trains: what goes in, how it learns, what it sees on validation images, and the runs."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QCheckBox,
    QFrame,
    QGridLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Card, ElidedLabel
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted, duration
from labeler.gui.training.course import Course
from labeler.gui.training.desk import TrainingDesk
from labeler.gui.training.learner import Learner
from labeler.gui.training.option_fields import quiet_label, walk_by_tab
from labeler.gui.training.run_curves import CourseCurves, FiguresTable, ShownRun
from labeler.gui.training.runs_view import RunsList
from labeler.gui.training.sample_view import SampleViewer
from labeler.gui.training.setup import TrainingSetup
from labeler.project.runs import Run

WIDE = 960
"""Pixels from which all four parts stand in a row."""
MIDDLING = 640
"""Pixels from which they stand in two columns."""
WORDS_BESIDE = 1300
"""Pixels from which the sentence about a run stands beside its buttons: the plots need the height."""
_LEARNING = (
    "What looks like your first objects is proposed; then a small model learns from each image you finish"
)
_NO_LEARNER = "No plugin offers the model that learns in seconds"
_PROGRESS = 1000
_CLOCK_MS = 1000
_USE = "Use it on the unlabelled images"
_USE_TIP = "Predict the images without labels, and review the most uncertain first"
_USE_PROMPTED = "Use it for the SAM tools"
_USE_PROMPTED_TIP = "Answer clicks and boxes by it; the line at the foot of the window switches back"


class TrainingPanel(Card):
    """Setup, course, samples and runs, in one row, two columns or one, as there is room."""

    def __init__(
        self,
        session: Session,
        desk: TrainingDesk,
        learner: Learner | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Train", parent)
        self._session = session
        self._desk = desk
        self._learner = learner
        self._columns = 0
        self._sentence = ""
        self.setup = TrainingSetup(session, desk, self)
        self.runs = RunsList(desk, self)
        self.curves = CourseCurves(self)
        self.samples = SampleViewer(self)
        self.table = FiguresTable(self)
        self.learning = QCheckBox("Learn while I label", self)
        self.header.addSpacing(12)
        self.header.addWidget(self.learning)
        self.learning.setVisible(learner is not None)
        if learner is not None:
            self.learning.toggled.connect(learner.set_on)
            learner.changed.connect(self._show_learner)
        self._make_course()
        self._lay_out()
        self._order_stops()
        self._refresh_later = timer(self, self.refresh)
        self._clock = QTimer(self, interval=_CLOCK_MS)
        self._clock.timeout.connect(self._show_state)
        self.runs.chosen.connect(self._on_chosen)
        self.setup.started.connect(lambda: self._say(""))
        desk.progressed.connect(self._refresh_later.start)
        desk.changed.connect(self._refresh_later.start)
        desk.changed.connect(self._show_learner)
        desk.list.read.connect(self._refresh_later.start)
        desk.told.connect(self._say)
        session.project_changed.connect(lambda: self._say(""))
        self.refresh()
        self._show_learner()

    # --- showing ----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the chosen runs as they are now."""
        if not self.isVisible():
            return
        runs = self.runs.runs
        shown = [one for run in runs if (one := self._shown(run)) is not None]
        self.curves.show_runs(shown)
        several = len(runs) > 1
        self._right.setCurrentIndex(int(several))
        if several:
            self.table.show_runs(shown)
        elif runs:
            self.samples.show_course(Path(runs[0].folder), self._desk.course_of(runs[0].id))
        else:
            self.samples.show_course(Path(), None)
        self._show_state()

    def _shown(self, run: Run) -> ShownRun | None:
        course = self._desk.course_of(run.id)
        if course is None:
            return None
        spec, names = self._desk.trainer(run.trainer), course.metric_names
        wanted = (spec.metric if spec is not None else "", *names)
        return ShownRun(run.name, course, next((name for name in wanted if name in names), ""))

    def _show_state(self) -> None:
        """The lines over the curves: where the run is, or what came of it."""
        runs, live = self.runs.runs, self._desk.live
        run = runs[0] if len(runs) == 1 else None
        course = self._desk.course_of(run.id) if run is not None else None
        going = run is not None and live is not None and run.id == live.id
        preparing = self._desk.phase == "preparing"
        self.bar.setVisible(going or preparing)
        self.state.setText(self._state_line(run, course, going=going))
        self.state.setVisible(bool(self.state.text()))
        words = self._words(run, course)
        self.words.setText(words)
        self.words.setToolTip(words)
        self.words.setVisible(bool(words))
        finished = run is not None and run.state == "finished"
        outcome = self._desk.list.outcome_of(run.id) if run is not None else None
        self._offers.setVisible(finished)
        spec = self._desk.trainer(run.trainer) if run is not None else None
        is_prompted = spec is not None and spec.task == "segmenter"
        self.use.setText(_USE_PROMPTED if is_prompted else _USE)
        self.use.setToolTip(_USE_PROMPTED_TIP if is_prompted else _USE_TIP)
        self.judge.setVisible(not is_prompted)
        self.use.setEnabled(outcome is not None and bool(outcome.model))
        self._show_progress(course if going else None)
        if self._desk.is_busy != self._clock.isActive():
            (self._clock.start if self._desk.is_busy else self._clock.stop)()
        self.set_note(self._note())

    def _show_progress(self, course: Course | None) -> None:
        if course is not None and course.doing is not None:
            self.bar.setRange(0, course.doing.total)
            self.bar.setValue(course.doing.done)
        elif course is None or course.started is None or course.share >= 1:
            self.bar.setRange(0, 0)  # of what comes now nobody can say how long it takes
        else:
            self.bar.setRange(0, _PROGRESS)
            self.bar.setValue(round(_PROGRESS * course.share))

    def _state_line(self, run: Run | None, course: Course | None, *, going: bool) -> str:
        if self._desk.phase == "preparing":
            return "Collecting the labels"
        if run is None or course is None:
            return ""
        now = course.now
        if going and course.doing is not None:
            return _counted(course)
        if not going or now is None or course.started is None:
            return "Preparing the images" if going else _summed_up(course)
        if course.share >= 1:
            return "Finishing"
        left = course.seconds_left(time.monotonic())
        parts = [
            "Saving" if self._desk.phase == "stopping" else "",
            f"Epoch {now.epoch} of {now.epochs}",
            f"{duration(left)} left" if left is not None else "",
            course.started.device,
            f"{now.images_per_second:.3g} images/s" if now.images_per_second else "",
            _memory(now.memory) if now.memory else "",
        ]
        return " · ".join(part for part in parts if part)

    def _words(self, run: Run | None, course: Course | None) -> str:
        """A sentence about the chosen run; what was told last where there is none."""
        if run is None or self._desk.phase == "preparing":
            return self._sentence
        if run.state == "failed" and course is not None and course.sentence:
            return course.sentence
        if run.state == "finished":
            return self._desk.verdict(run)
        if run.state == "interrupted":
            return f"{run.name} was cut off. {self._sentence}".strip()
        return self._sentence or (_remark(course) if course is not None else "")

    def _show_learner(self) -> None:
        learner = self._learner
        if learner is None:
            return
        with QSignalBlocker(self.learning):
            self.learning.setChecked(learner.is_on)
        self.learning.setEnabled(learner.is_available or learner.is_on)
        self.learning.setToolTip(
            f"{_LEARNING}.\n{learner.told}\n{learner.why}".strip() if learner.is_available else _NO_LEARNER
        )
        self.set_note(self._note())

    def _note(self) -> str:
        learner = self._learner
        if learner is not None and learner.is_on and not self._desk.is_busy:
            return learner.told
        live, course = self._desk.live, self._desk.course
        if live is None or course is None or course.now is None:
            return ""
        return f"{live.name} · {course.share:.0%}"

    def _say(self, sentence: str) -> None:
        self._sentence = sentence
        self._refresh_later.start()

    def _on_chosen(self) -> None:
        self._sentence = "" if not self._desk.is_busy else self._sentence
        self._desk.list.look_at(self.runs.ids)
        self._refresh_later.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden, and keep the plan up to date."""
        super().showEvent(event)
        self._desk.planner.watch(True)
        self._desk.list.look_at(self.runs.ids)
        self._refresh_later.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody watches."""
        super().hideEvent(event)
        self._desk.planner.watch(False)
        self._clock.stop()

    # --- widgets ----------------------------------------------------------------------------------

    def _make_course(self) -> None:
        """The middle: how far it is, what came of it, the curves."""
        self._course = QWidget(self)
        self.bar = QProgressBar(self._course)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the training")
        self.state = ElidedLabel("", self._course)
        self.state.setObjectName("quiet")
        self.words = quiet_label(parent=self._course)
        self.words.setObjectName("")
        self._offers = QWidget(self._course)
        self.use = QPushButton(_USE, self._offers)
        self.use.setToolTip(_USE_TIP)
        self.use.clicked.connect(lambda: self.runs.each(self._desk.use))
        self.judge = QPushButton("Evaluate", self._offers)
        self.judge.setToolTip("Curves, confusion and errors on the held-out images")
        self.judge.clicked.connect(lambda: self.runs.each(self._desk.evaluate))
        self._offered = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._offers)
        self._offered.setContentsMargins(0, 0, 0, 0)
        self._offered.setSpacing(8)
        self._offered.addWidget(self.use)
        self._offered.addWidget(self.judge)
        self._offered.addStretch(1)
        # beside each other where it is wide: the plots need the height
        self._outcome = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._outcome.setSpacing(6)
        self._outcome.addWidget(self.words, 1)
        self._outcome.addWidget(self._offers)
        column = QVBoxLayout(self._course)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.bar)
        column.addWidget(self.state)
        column.addLayout(self._outcome)
        column.addWidget(self.curves, 1)

    def _lay_out(self) -> None:
        self._side = QWidget(self)
        self._right = QStackedLayout(self._side)
        self._right.addWidget(self.samples)
        self._right.addWidget(self.table)
        self._holder = QWidget(self)
        self._grid = QGridLayout(self._holder)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(16)
        self._scroll = QScrollArea(self, widgetResizable=True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._holder)
        self._scroll.viewport().setAutoFillBackground(False)
        self._holder.setAutoFillBackground(False)
        self._scroll.viewport().installEventFilter(self)
        self.body.addWidget(self._scroll, 1)
        self._place(1)

    def _order_stops(self) -> None:
        """The Tab key goes from left to right; the fields of the setup keep their own order among them."""
        course, samples, runs = self.curves, self.samples, self.runs
        walk_by_tab([self.learning, *self.setup.stops])
        walk_by_tab(
            [
                *(self.setup.button, self.use, self.judge, course.loss, course.metric_choice, course.score),
                *(samples.slider, samples.back, samples.forth, self.table, runs.view),
                *(runs.resume, runs.compare, runs.again, runs.folder, runs.delete),
            ]
        )

    def _place(self, columns: int) -> None:
        """Put the four parts into so many columns."""
        if columns == self._columns:
            return
        self._columns = columns
        parts = (self.setup, self._course, self._side, self.runs)
        for part in parts:
            self._grid.removeWidget(part)
        for place in range(4):
            self._grid.setColumnStretch(place, 0)
            self._grid.setRowStretch(place, 0)
        for part, (row, column, rows) in zip(parts, _PLACES[columns], strict=True):
            self._grid.addWidget(part, row, column, rows, 1)
        for place, stretch in enumerate(_STRETCH[columns]):
            self._grid.setColumnStretch(place, stretch)
        for place in range(4):
            self._grid.setColumnMinimumWidth(place, _LEAST[place] if columns == 4 else 0)
        sideways, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._offered.setDirection(down if columns == 1 else sideways)
        self.curves.set_beside(columns > 1)
        low = columns == 4
        self.setup.set_scrolling(low)
        self.curves.setMinimumHeight(0 if low else 200 if columns == 2 else 360)
        self._side.setMinimumHeight(0 if low else 220)
        self.runs.setMinimumHeight(0 if low else 160)

    def _keep_whole(self) -> None:
        """In a row nothing is scrolled out of sight, above all not the button that trains.

        The setup scrolls by itself, and of a long sentence two lines are shown and the mouse tells all of it.
        """
        low = self._columns == 4
        lines = 2 * self.words.fontMetrics().lineSpacing() + 2
        self.words.setMaximumHeight(lines if low else 16_777_215)
        self._holder.setMaximumHeight(self._scroll.viewport().height() if low else 16_777_215)
        beside = low and self.width() >= WORDS_BESIDE
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._outcome.setDirection(across if beside else down)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """There is another room for the parts."""
        if event.type() == QEvent.Type.Resize:
            self._keep_whole()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Rather beside each other than below."""
        super().resizeEvent(event)
        width = self.width()
        self._place(4 if width >= WIDE else 2 if width >= MIDDLING else 1)

    def changeEvent(self, event: QEvent) -> None:
        """Marks and sentences carry colours of the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_refresh_later"):
            self.setup.refresh()
            self._refresh_later.start()


_PLACES = {
    4: ((0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1)),
    2: ((0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 1)),
    1: ((0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1)),
}
"""Columns to (row, column, rows) of setup, course, samples and runs."""
_LEAST = (220, 336, 150, 160)
"""Widths of the parts in a row, in pixels."""
_STRETCH = {4: (3, 7, 3, 3), 2: (2, 3), 1: (1,)}


def _counted(course: Course) -> str:
    """What is done beside the learning, and how far that is."""
    doing = course.doing
    assert doing is not None, "it is asked only then"
    what = {
        "looking": "Preparing: looking at the images",
        "copying": "Preparing: copying the images",
        "judging": "Finishing: the model is judged on the held-out images",
    }[doing.what]
    return f"{what} · {doing.done:,} of {doing.total:,}"


def _remark(course: Course) -> str:
    """What the run itself has remarked: the last note, else the warnings about its data."""
    if course.notes:
        return course.notes[-1]
    return " ".join(course.prepared.warnings) if course.prepared is not None else ""


def _summed_up(course: Course) -> str:
    """A run that is over, in one line."""
    best = course.best
    parts = [
        f"{course.done} of {counted(course.started.epochs, 'epoch')}" if course.started else "",
        f"best in epoch {best.epoch}" if best is not None and best.epoch else "",
        "best before training" if best is not None and not best.epoch else "",
        course.started.device if course.started else "",
    ]
    return " · ".join(part for part in parts if part)


def _memory(size: int) -> str:
    """Bytes as people say them."""
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"
