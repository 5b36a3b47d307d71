"""The evaluation of models on the project's own images; every number leads to the objects behind it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from labeler.core.model_titles import titles
from labeler.evaluation.findings import By
from labeler.gui.evaluation.desk import EvaluationDesk
from labeler.gui.evaluation.examples import Examples
from labeler.gui.evaluation.history_page import HistoryPage
from labeler.gui.evaluation.numbers_page import NumbersPage
from labeler.gui.evaluation.pages import ConfusionPage, CurvesPage, ImagesPage
from labeler.gui.evaluation.results_view import EvaluationView, told_of
from labeler.gui.evaluation.scopes import REVIEWED, SHOWN, EvaluationRequest
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Card, Choice, EmptyState
from labeler.gui.toolkit.layouts import Folding, ScrollHolder, Segments
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

_BESIDE = 640
"""Width from which the objects are listed beside the page and not under it."""
_ALL_AT_ONCE = 1180, 640
"""Width and height from which all pages are shown together."""
_LIST_WIDTH = 264
_WORDS_BESIDE, _CHOICES_WIDTH = 1080, 320
"""Width from which the words stand in the row of the pages' names, and that of its choices then."""
_LOWEST, _LOWEST_NARROW = 180, 430
"""Heights under which the page scrolls, in pixels."""
_REFRESH_MS = 60
_BEST_SIZE = QSize(900, 340)


class EvaluationPanel(Card):
    """What is judged, what came out, and the objects behind it."""

    opened = Signal(tuple, str)
    """The ids of the images that are now the order, and in words what they are."""
    run_asked = Signal()
    """A person wants to run a model first."""
    told = Signal(str)
    """One sentence: how something that was asked for came out."""

    def __init__(self, session: Session, desk: EvaluationDesk, parent: QWidget | None = None) -> None:
        super().__init__("Evaluation", parent)
        self._session = session
        self._desk = desk
        self._trouble = ""
        self._act: Callable[[], None] = self.start
        self.view = EvaluationView(self)
        self._make_setup()
        self._make_message()
        self._make_results()
        self._empty = EmptyState("", parent=self)
        self._empty.acted.connect(self._do_it)
        self.body.addWidget(self._empty, 1)
        self.body.addWidget(self._scroll, 1)
        self._later = timer(self, self.refresh, milliseconds=_REFRESH_MS)
        for signal in (desk.changed, desk.plan.changed, session.place.order_changed):
            signal.connect(self._later.start)
        session.focus.category_changed.connect(self._later.start)
        desk.failed.connect(self._take_failure)
        self.view.changed.connect(self._show_choices)
        self.refresh()

    # --- widgets ----------------------------------------------------------------------------------

    def _make_setup(self) -> None:
        self.scope = Choice("Images that are judged on", parent=self)
        self.model = Choice("Model that is judged", parent=self)
        self.against = Choice("Model that it is compared with", parent=self)
        self.by = Choice("What is compared", [("Boxes", "box"), ("Masks", "mask")], self)
        self.by.setToolTip("Whether the overlap of boxes or of masks decides about a hit")
        self.start_button = QPushButton("Evaluate", self)
        self.start_button.clicked.connect(self._start_or_stop)
        self.report_button = QPushButton("Report…", self)
        self.report_button.setToolTip("Write all of it, with the worst cases, into one HTML file")
        self.report_button.clicked.connect(self._ask_report)
        buttons = QWidget(self)
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.start_button, 1)
        row.addWidget(self.report_button, 1)
        parts = (self.scope, self.model, self.against, self.by, buttons)
        self.body.addWidget(Folding(parts, stretches=(5, 4, 4, 2, 5), from_width=_BESIDE, parent=self))
        for choice in (self.scope, self.model, self.against, self.by):
            choice.currentIndexChanged.connect(self._choose)
        self.bar = QProgressBar(self, textVisible=False)
        self.bar.setAccessibleName("How far the evaluation is")
        self.body.addWidget(self.bar)

    def _make_message(self) -> None:
        self.message = QLabel(self, wordWrap=True)
        self.message.setObjectName("quiet")
        self.count_empty = QPushButton("Count as empty", self)
        self.count_empty.setCheckable(True)
        self.count_empty.setStyleSheet("padding: 3px 8px; font-size: 12px;")
        self.count_empty.setToolTip(
            "Take images on which the model has nothing for ones where it found nothing,\n"
            "as in a results file that names only images with objects"
        )
        self.count_empty.toggled.connect(self._choose)
        self._told = QWidget(self)
        row = QHBoxLayout(self._told)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.message, 1)
        row.addWidget(self.count_empty)
        self.body.addWidget(self._told)

    def _make_results(self) -> None:
        self.numbers = NumbersPage(self._session, self.view, self)
        self.curves = CurvesPage(self.view, self)
        self.confusion = ConfusionPage(self.view, self)
        self.images = ImagesPage(self._session, self.view, self)
        self.history = HistoryPage(self._desk.plan, self.view, self)
        self.curves.use_asked.connect(
            lambda confidence: self._desk.use_confidence(confidence, place=self.view.place)
        )
        self.pages: dict[str, QWidget] = {
            "Numbers": self.numbers,
            "Curves": self.curves,
            "Confusion": self.confusion,
            "Images": self.images,
            "History": self.history,
        }
        self.tabs = Segments("Pages of the evaluation", parent=self)
        for name in self.pages:
            self.tabs.add(name, name)
        self.tabs.choose("Numbers")
        self.tabs.chosen.connect(lambda _: self._arrange())
        self.category = Choice("Category that is looked at", parent=self)
        self.category.currentIndexChanged.connect(self._choose_category)
        self.shown_model = Choice("Model that is looked at", parent=self)
        self.shown_model.currentIndexChanged.connect(
            lambda: self.view.choose_model(self.shown_model.currentData() or 0)
        )
        self.examples = Examples(self._session, self._desk, self.view, self)
        self.examples.opened.connect(self.opened)
        self._lay_out_results()

    def _lay_out_results(self) -> None:
        choices = self._choices = QWidget(self)
        row = QHBoxLayout(choices)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.category, 1)
        row.addWidget(self.shown_model, 1)
        self._head = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._head.setSpacing(8)
        self._head.addWidget(self.tabs)
        self._head.addWidget(choices, 1)
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(12)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addLayout(self._head)
        left.addLayout(self._grid, 1)
        self._results = QWidget(self)
        self._beside = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._results)
        self._beside.setContentsMargins(0, 0, 0, 0)
        self._beside.setSpacing(12)
        self._beside.addLayout(left, 1)
        self._beside.addWidget(self.examples)
        self._scroll = QScrollArea(self, widgetResizable=True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._holder = ScrollHolder(self._results)
        self._scroll.setWidget(self._holder)
        self._scroll.viewport().setAutoFillBackground(False)
        self._holder.setAutoFillBackground(False)
        self._arrange()

    def _arrange(self) -> None:
        """Lay the parts out for the present size, and show the page that is chosen, or all."""
        beside = self.width() >= _BESIDE
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._beside.setDirection(across if beside else down)
        self._head.setDirection(across if beside else down)
        self.examples.setMaximumWidth(_LIST_WIDTH if beside else 16_777_215)
        self.examples.setMinimumWidth(_LIST_WIDTH if beside else 1)
        self._holder.setMinimumHeight(_LOWEST if beside else _LOWEST_NARROW)
        self._place_words()
        together = self.width() >= _ALL_AT_ONCE[0] and self.height() >= _ALL_AT_ONCE[1]
        self.tabs.setVisible(not together)
        # six columns: two pages over three
        places = ((0, 0, 3), (0, 3, 3), (1, 0, 2), (1, 2, 2), (1, 4, 2))
        for (name, page), (row, column, span) in zip(self.pages.items(), places, strict=True):
            place = (row, column, 1, span) if together else (0, 0, 1, 6)
            self._grid.addWidget(page, *place)
            page.setVisible(together or name == self.tabs.value())
        for column in range(6):
            self._grid.setColumnStretch(column, 1)
        self._grid.setRowStretch(0, 1)
        self._grid.setRowStretch(1, int(together))

    def _place_words(self) -> None:
        """What there is to say stands beside the pages' names where there is room: a row for the plots."""
        beside = self.width() >= _WORDS_BESIDE and not self._scroll.isHidden()
        self._choices.setMaximumWidth(_CHOICES_WIDTH if beside else 16_777_215)
        if beside and self._head.indexOf(self._told) < 0:
            self._head.addWidget(self._told, 2)
        elif not beside and self.body.indexOf(self._told) < 0:
            self.body.insertWidget(self.body.indexOf(self.bar) + 1, self._told)

    # --- what is asked for ------------------------------------------------------------------------

    def request(self) -> EvaluationRequest | None:
        """What the choices say; None without a model."""
        model = self.model.currentData()
        if model is None:
            return None
        return EvaluationRequest(
            scope=self.scope.currentData() or REVIEWED,
            model_id=model,
            against=self.against.currentData(),
            by=self._chosen_by(),
            count_empty=self.count_empty.isChecked(),
        )

    def start(self) -> None:
        """Evaluate what the choices say."""
        request = self.request()
        if request is not None:
            self._trouble = ""
            self._desk.start(request)

    def judge(self, request: EvaluationRequest) -> None:
        """Make these the choices, and evaluate them: they were asked for elsewhere."""
        for choice, value in (
            (self.scope, request.scope),
            (self.model, request.model_id),
            (self.against, request.against),
            (self.by, request.by),
        ):
            # what can be compared depends on what was chosen before
            self._fill_setup()
            with QSignalBlocker(choice):
                choice.choose(value)
        with QSignalBlocker(self.count_empty):
            self.count_empty.setChecked(request.count_empty)
        self._trouble = ""
        self._desk.start(request)
        self.refresh()

    def _chosen_by(self) -> By:
        return "mask" if self.by.isEnabled() and self.by.currentData() == "mask" else "box"

    def _do_it(self) -> None:
        """What the empty state offers."""
        self._act()

    def _start_or_stop(self) -> None:
        if self._desk.is_running:
            self._desk.stop()
        else:
            self.start()

    def _choose(self) -> None:
        self._trouble = ""
        self.refresh()

    def _choose_category(self) -> None:
        place = self.category.currentData()
        self.view.choose_category(None if place is None or place < 0 else place)

    def _take_failure(self, sentence: str) -> None:
        self._trouble = sentence
        self.refresh()

    def _ask_report(self) -> None:
        name = f"{' against '.join(self.view.titles)}.html".replace("/", "-")
        suggested = str(self._session.root / name)
        chosen, _ = QFileDialog.getSaveFileName(self, "Write the report", suggested, "HTML (*.html)")
        if chosen:
            self._desk.write_report(Path(chosen), confidence=self.view.confidence, done=self.told.emit)

    # --- showing ----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show everything as it is now."""
        if not self.isVisible() or self.is_folded():
            return
        self._fill_setup()
        self.view.show(self._desk.outcome)
        self._show_course()
        self._show_message()
        self._show_empty()
        self._show_choices()

    def _fill_setup(self) -> None:
        plan = self._desk.plan
        scopes = [(f"{one.title} ({len(one.images):,})", one.key) for one in plan.scopes()]
        models, called = plan.models, titles(self._session.document.models)
        wanted, measured = self.model.currentData(), self._session.measure.model
        if wanted is None and measured is not None:
            wanted = measured.id
        _fill(self.scope, scopes)
        _fill(self.model, [(called[one.id], one.id) for one in models], wanted)
        shown = self.model.currentData()
        others = [(f"against {called[one.id]}", one.id) for one in models if one.id != shown]
        _fill(self.against, [("Compare with…", None), *others])
        chosen = [shown, self.against.currentData()]
        self.by.setEnabled(bool(models) and all(plan.has_masks(key) for key in chosen if key is not None))
        with QSignalBlocker(self.by):
            if not self.by.isEnabled():
                self.by.choose("box")
        for choice in (self.scope, self.model):
            choice.setEnabled(bool(models))
        self.against.setEnabled(bool(others))

    def _show_course(self) -> None:
        desk = self._desk
        request = self.request()
        done, total = desk.progress
        self.start_button.setText("Stop" if desk.is_running else "Evaluate")
        self.start_button.setEnabled(
            desk.is_running or (request is not None and bool(desk.plan.judged(request)[0]))
        )
        is_due = desk.outcome is None or desk.is_stale or desk.outcome.request != request
        self.start_button.setDefault(is_due and not desk.is_running)
        self.report_button.setEnabled(desk.outcome is not None)
        self.bar.setVisible(desk.is_running)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        summary = self.view.evaluation.summary if self.view.evaluation else None
        if summary is None:
            self.set_note("")
            return
        kind = "boxes" if summary.by == "box" else "masks"
        parts = (counted(summary.images, "image"), counted(summary.truths, "object"), kind)
        self.set_note(" · ".join(parts))

    def _show_message(self) -> None:
        request = self.request()
        left_out = self._desk.plan.judged(request)[1] if request else ()
        sentences = [self._trouble, *told_of(self._desk, request=request, titles=self.view.titles)]
        if request is not None and left_out:
            total = len(self._desk.plan.scope(request.scope).images)
            who = "these models have not both" if request.against is not None else "this model has not"
            sentences.append(f"{len(left_out):,} of {counted(total, 'image')} left out: {who} seen them.")
        text = " ".join(filter(None, sentences))
        self.message.setText(text)
        self.message.setVisible(bool(text))
        # a choice that was made must be there to be taken back
        offers = bool(left_out) or self.count_empty.isChecked()
        self.count_empty.setVisible(offers)
        self._told.setVisible(bool(text) or offers)

    def _show_empty(self) -> None:
        has = self._desk.outcome is not None
        self._scroll.setVisible(has)
        self._place_words()
        self._empty.setVisible(not has)
        if not has:
            text, action, self._act = self._why_empty()
            self._empty.set_text(text, "" if self._desk.is_running else action)

    def _why_empty(self) -> tuple[str, str, Callable[[], None]]:
        plan, request = self._desk.plan, self.request()
        if request is None:
            text = "No model has predicted anything here yet. Run one, or import its results, to judge it."
            return text, "Run a model", self.run_asked.emit
        scope = plan.scope(request.scope)
        if not scope.images and request.scope == REVIEWED:
            text = (
                "No image is reviewed yet. Mark images as reviewed where the labels are complete: "
                "what is missing there would count against the model."
            )
            return text, "Judge on the images shown", lambda: self.scope.choose(SHOWN)
        if not scope.images:
            return "No image is shown. Choose other images.", "", self.start
        judged, _ = plan.judged(request)
        if not judged:
            text = f"{self._titles(request)} never ran on {scope.title.lower()}. Predict them first."
            return text, "Run a model", self.run_asked.emit
        text = f"See how good {self._titles(request)} is on {counted(len(judged), 'image')}."
        return text, "", self.start  # the button for it shines above

    def _titles(self, request: EvaluationRequest) -> str:
        called = titles(self._session.document.models)
        keys = [key for key in (request.model_id, request.against) if key is not None]
        return " and ".join(called.get(key, "the model") for key in keys)

    def _show_choices(self) -> None:
        view = self.view
        names = [
            (one.name, place) for place, one in enumerate(view.categories) if one.truths or one.predictions
        ]
        _fill(self.category, [("All categories", -1), *names])
        with QSignalBlocker(self.category):
            self.category.choose(-1 if view.category is None else view.category)
        _fill(self.shown_model, [(title, place) for place, title in enumerate(view.titles)])
        with QSignalBlocker(self.shown_model):
            self.shown_model.choose(view.place)
        self.shown_model.setVisible(len(view.titles) > 1)

    # --- Qt ---------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        self._desk.plan.look()
        self.refresh()

    def sizeHint(self) -> QSize:
        """Wide, and high enough for plots."""
        return _BEST_SIZE

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out for the new size."""
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Curves and words carry colours of the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_later"):
            self.view.changed.emit()
            self._later.start()


def _fill(choice: Choice, items: Sequence[tuple[str, object]], wanted: object = None) -> None:
    """Offer these; what was chosen stays, or else `wanted`, or else the first."""
    if [(choice.itemText(n), choice.itemData(n)) for n in range(choice.count())] == list(items):
        return
    kept = choice.currentData()
    with QSignalBlocker(choice):
        choice.clear()
        for text, value in items:
            choice.addItem(text, value)
        choice.choose(kept if kept in [value for _, value in items] and kept is not None else wanted)
