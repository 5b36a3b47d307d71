"""What a review does to the panels: it is seen while it is on, and has the room that it needs."""

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMainWindow

from labeler.gui.predictions.panel import PredictionsPanel
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.review.panel import ReviewPanel
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.toolkit.cards import Card
from labeler.gui.window.panel_docks import PanelDocks

LOW = 800
"""Window height below which a review also needs the room of the predictions."""


class ReviewLayout(QObject):
    """Folds what is not needed for a review until its end, and ends it with its card."""

    def __init__(self, window: QMainWindow, panels: PanelDocks, queue: ReviewQueue) -> None:
        super().__init__(window)
        self._window, self._panels, self._queue = window, panels, queue
        self._dock = panels.docks["Review"]
        self._folded: list[Card] = []
        self._is_on = False
        queue.changed.connect(self._follow)
        self._dock.visibilityChanged.connect(self._end_hidden)

    def _follow(self) -> None:
        if self._queue.active == self._is_on:
            return
        panels, self._is_on = self._panels, self._queue.active
        if self._is_on:
            panels.open("Review")
            self._dock.raise_()
            panels[ReviewPanel].set_folded(False)
            spare: list[Card] = [panels[RunPanel]]
            if self._window.height() < LOW:
                spare.append(panels[PredictionsPanel])
            self._folded = [card for card in spare if not card.is_folded()]
        for card in self._folded:
            card.set_folded(self._is_on)

    def _end_hidden(self) -> None:
        """Keys must not decide by a card that somebody closed; behind another tab it is only not in sight."""
        if self._dock.isHidden():
            self._queue.set_active(False)
