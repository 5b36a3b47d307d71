"""The panels of the window in their docks: a person's words on the right, the models' on the left."""

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

from labeler.gui.evaluation.panel import EvaluationPanel
from labeler.gui.evaluation.scopes import Asked
from labeler.gui.images.film_strip import FilmStrip
from labeler.gui.images.panel import ImagesPanel
from labeler.gui.labelling.agreement_panel import AgreementPanel
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.labelling.history_panel import HistoryPanel
from labeler.gui.labelling.objects_panel import AnnotationsPanel
from labeler.gui.predictions.explorer_panel import ExplorerPanel
from labeler.gui.predictions.panel import PredictionsPanel
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.review.panel import ReviewPanel
from labeler.gui.review.set_agreement_panel import SetAgreementPanel
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Card
from labeler.gui.toolkit.docks import COLUMN, LatePanel, add_dock
from labeler.gui.toolkit.settings import Settings
from labeler.gui.training.panel import TrainingPanel
from labeler.gui.window.dock_columns import Column
from labeler.gui.window.learning_loop import Loop
from labeler.gui.window.prediction_desk import PredictionDesk
from labeler.models.protocols import ModelSpec

STRIP = "Film strip"
STRIP_FROM = 620
"""Window height below which the film strip hides, so that nothing is cut off."""
STRIP_OVER_BENCH = 820
"""The same while a wide panel is open: that one is worked with, and the photo is needed less high."""
BENCH = ("Training", "Evaluation")
"""The wide panels under the canvas, one at a time."""
BENCH_HEIGHT = 348
"""Of these at first, in pixels, where the window is high enough."""
BENCH_SHARE = 0.38
"""Of the window's height that they take at most by themselves, so that the image stays the main thing."""
BENCH_LEAST = 296
"""From here on nothing of them is cut."""
LOW = 800
"""Window height below which a review also needs the room of the predictions."""
HUGGING = ("Categories", "Agreement", "Pre-annotate", "Predictions", "Review", "IoU explorer")
"""Panels that take the height they need; the others take what is left."""


class PanelDocks(QObject):
    """Makes the panels, and shows and hides their docks as the person had them."""

    told = Signal(str)
    """One sentence: how something that was asked for in a panel came out."""
    opened = Signal(str)
    """What images a panel has made the order, in words."""

    def __init__(
        self, window: QMainWindow, session: Session, desk: PredictionDesk, loop: Loop, settings: Settings
    ) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._settings = settings
        self._desk = desk
        self._loop = loop
        self.film_strip = FilmStrip(session)
        self.images = ImagesPanel(session)
        self.categories = CategoriesPanel(session)
        self.annotations = AnnotationsPanel(session)
        self.agreement = AgreementPanel(session)
        self.history = HistoryPanel(session)
        self.run = RunPanel(session, desk.batch)
        self.predictions = PredictionsPanel(session, desk.predictions)
        self.review = ReviewPanel(session, desk.reviewing, desk.queue)
        self.set_agreement = SetAgreementPanel(session, desk.agreements)
        self.explorer = ExplorerPanel(session, desk.predictions)
        bottom = Qt.DockWidgetArea.BottomDockWidgetArea
        window.setCorner(Qt.Corner.BottomRightCorner, bottom)
        window.setCorner(Qt.Corner.BottomLeftCorner, bottom)
        self.docks = self._make_docks()
        self.docks[STRIP] = add_dock(
            window, STRIP, self.film_strip, bottom, margins=(8, 0, 8, 4), grows=False
        )
        self._add_bench()
        for name, dock in self.docks.items():
            dock.toggleViewAction().triggered.connect(
                lambda shown, name=name: self._remember(name, shown=shown)
            )
        order = ["Objects", "Categories", "Agreement"]
        rest = [name for name in self.docks if name not in (*order, STRIP, *BENCH)]
        self._columns = (
            Column(window, Qt.DockWidgetArea.RightDockWidgetArea, self.docks, order),
            Column(window, Qt.DockWidgetArea.LeftDockWidgetArea, self.docks, rest),
        )
        self._folded: list[Card] = []
        self._reviews = False
        self._queue = desk.queue
        desk.queue.changed.connect(self._follow_review)
        self.docks["Review"].visibilityChanged.connect(self._end_hidden_review)
        self._widen("Objects")
        desk.detector = self.run.choice
        self.run.remember_in(settings.detectors)
        self.run.wanted = lambda: desk.predictions.filter
        self.run.wants_models.connect(desk.wants_models)
        self.run.mapped.connect(desk.take_mapping)
        self.images.add_worst_first(desk.agreements.worst_first)
        self.predictions.run_asked.connect(lambda: self.open("Pre-annotate"))
        self.agreement.model_asked.connect(lambda: self.open("Predictions"))
        desk.batch.stored.connect(lambda _: self.open("Predictions"))
        self.set_agreement.opened.connect(lambda _, what: self.opened.emit(what))
        loop.shows.connect(self.open)
        loop.toggles.connect(self.toggle)
        loop.judges.connect(self._judge)
        planner = loop.training.planner
        planner.changed.connect(lambda: self.images.mark_held_out(planner.held_out or frozenset()))

    @property
    def training(self) -> TrainingPanel:
        """The panel that trains, which is made when it is first asked for."""
        return self._training.panel()

    @property
    def evaluation(self) -> EvaluationPanel:
        """The panel that evaluates, which is made when it is first asked for."""
        return self._evaluation.panel()

    def _add_bench(self) -> None:
        """The wide panels stand over the film strip, as tabs of one place."""
        window, bottom = self._window, Qt.DockWidgetArea.BottomDockWidgetArea
        self._training = LatePanel(self._make_training, height=BENCH_HEIGHT, least=BENCH_LEAST)
        self._evaluation = LatePanel(self._make_evaluation, height=BENCH_HEIGHT, least=BENCH_LEAST)
        panels: tuple[QWidget, ...] = self._training, self._evaluation
        for name, panel in zip(BENCH, panels, strict=True):
            self.docks[name] = add_dock(window, name, panel, bottom, margins=(8, 0, 8, 4), grows=True)
        first, second = (self.docks[name] for name in BENCH)
        window.splitDockWidget(first, self.docks[STRIP], Qt.Orientation.Vertical)
        window.tabifyDockWidget(first, second)
        window.setTabPosition(bottom, QTabWidget.TabPosition.North)  # where one looks first

    def _make_training(self) -> TrainingPanel:
        panel = TrainingPanel(self._session, self._loop.training, self._loop.learner)
        panel.add_close("Close (Ctrl+T)").connect(lambda: self.toggle("Training"))
        return panel

    def _make_evaluation(self) -> EvaluationPanel:
        panel = EvaluationPanel(self._session, self._loop.evaluation)
        panel.opened.connect(lambda _, what: self.opened.emit(what))
        panel.run_asked.connect(lambda: self.open("Pre-annotate"))
        panel.told.connect(self.told)
        panel.add_close("Close (Ctrl+Shift+E)").connect(lambda: self.toggle("Evaluation"))
        return panel

    def _judge(self, asked: Asked) -> None:
        self.open("Evaluation")
        self.evaluation.judge(asked)

    def _make_docks(self) -> dict[str, QDockWidget]:
        right, left = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.LeftDockWidgetArea
        panels = (
            ("Categories", self.categories, right),
            ("Objects", self.annotations, right),
            ("Agreement", self.agreement, right),
            ("Pre-annotate", self.run, left),
            ("Predictions", self.predictions, left),
            ("Review", self.review, left),
            ("Set agreement", self.set_agreement, left),
            ("Images", self.images, left),
            ("History", self.history, left),
            ("IoU explorer", self.explorer, left),
        )
        return {
            name: add_dock(
                self._window,
                name,
                panel,
                area,
                margins=(4, 0, 8, 0) if area is right else (8, 0, 4, 0),
                grows=name not in HUGGING,
            )
            for name, panel, area in panels
        }

    def show(self) -> None:
        """Show the docks that were open, where a project is; none without one."""
        is_open = self._session.project is not None
        for name, dock in self.docks.items():
            dock.setVisible(is_open and name not in self._settings.closed_docks)
            dock.toggleViewAction().setEnabled(is_open)  # with nothing open a panel has nothing to show
        self.fit()

    def use_detector(self, spec: ModelSpec) -> None:
        """Have a detector that was picked elsewhere run next, and show where it is run."""
        self.open("Pre-annotate")
        self.run.choose(spec)

    def open(self, name: str) -> None:
        """Show a panel, and remember that it is open."""
        dock = self.docks[name]
        if dock.isHidden() and self._session.project is not None:
            dock.toggleViewAction().trigger()
        for column in self._columns:
            column.touch(name)
        if name in BENCH:
            dock.raise_()

    def toggle(self, name: str) -> None:
        """Show a panel, or close the one that is in sight already."""
        dock = self.docks[name]
        if self._session.project is None:
            return
        if not dock.isHidden() and not dock.visibleRegion().isEmpty():
            dock.toggleViewAction().trigger()
        else:
            self.open(name)

    def _follow_review(self) -> None:
        """A review is seen while it is on; what is not needed for it is folded until its end."""
        if self._queue.active == self._reviews:
            return
        self._reviews = self._queue.active
        if self._reviews:
            self.open("Review")
            self.docks["Review"].raise_()
            self.review.set_folded(False)
            cards = [self.run, self.predictions] if self._window.height() < LOW else [self.run]
            self._folded = [card for card in cards if not card.is_folded()]
        for card in self._folded:
            card.set_folded(self._reviews)

    def _end_hidden_review(self) -> None:
        """Keys must not decide by a card that somebody closed; behind another tab it is only not in sight."""
        if self.docks["Review"].isHidden():
            self._queue.set_active(False)

    def _widen(self, name: str) -> None:
        """Give a column its width when its first dock opens; the layout would make it narrow."""
        self._window.resizeDocks([self.docks[name]], [COLUMN], Qt.Orientation.Horizontal)

    def _raise_bench(self, name: str) -> None:
        """Give a wide panel its height, once the layout has given it a place."""
        height = min(BENCH_HEIGHT, round(BENCH_SHARE * self._window.height()))
        self._window.resizeDocks([self.docks[name]], [height], Qt.Orientation.Vertical)

    def fit(self) -> None:
        """The film strip is the first to go when the window is low."""
        wanted = self._session.project is not None and STRIP not in self._settings.closed_docks
        over_bench = any(not self.docks[name].isHidden() for name in BENCH)
        needed = STRIP_OVER_BENCH if over_bench else STRIP_FROM
        self.docks[STRIP].setVisible(wanted and self._window.height() >= needed)

    def stop(self) -> None:
        """End the threads of panels: the window goes away."""
        self.film_strip.stop()

    def _remember(self, name: str, *, shown: bool) -> None:
        beside = self._window.dockWidgetArea(self.docks[name])
        others = [dock for key, dock in self.docks.items() if key != name and not dock.isHidden()]
        if shown and not any(self._window.dockWidgetArea(dock) == beside for dock in others):
            self._widen(name)
        if shown and name in BENCH and not any(dock in others for dock in map(self.docks.get, BENCH)):
            QTimer.singleShot(0, self, lambda: self._raise_bench(name))
        if name in BENCH:
            self.fit()
        closed = [other for other in self._settings.closed_docks if other != name]
        self._settings.closed_docks = closed if shown else [*closed, name]
        self._settings.save()
