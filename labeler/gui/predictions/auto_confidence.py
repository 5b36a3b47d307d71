"""Keeps the confidence threshold where it would have saved most on the images that were reviewed last."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import Filter
from labeler.core.records import Image, Model
from labeler.errors import ProjectError
from labeler.evaluation.effort.images_done import DoneImage, best_confidence
from labeler.evaluation.effort.threshold_habit import LEAST, REMEMBERED
from labeler.gui.predictions.predictions import MOST, Predictions
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.project.store import Store


class AutoConfidence(QObject):
    """Off until it is switched on, and off again once a person moves the threshold themselves.

    It looks when an image is marked as reviewed, and moves the threshold only where nothing was done on the
    open image yet: else on the next one.
    """

    changed = Signal()
    """It was switched on or off."""
    told = Signal(str)
    """Where it has moved the threshold, and why: a sentence."""

    def __init__(self, session: Session, predictions: Predictions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._predictions = session, predictions
        self._courier = Courier(self)
        self._scan: ImageScan[DoneImage | None] = ImageScan(session, self)
        self._is_on = self._moves = self._touched = False
        self._turn = 0
        self._reviewed: list[int] = []
        """Ids, in the order in which they were reviewed as far as that is known."""
        self._waiting: tuple[Model, float, int] | None = None
        """A threshold for a model, of so many images, for the next image."""
        self._last = self._state()
        session.project_changed.connect(self._leave)
        session.measure.model_changed.connect(self._look)
        session.document.changed.connect(self._note)
        session.document.images_changed.connect(self._read_reviewed)
        session.place.image_changed.connect(self._begin_image)
        predictions.changed.connect(self._note_filter)

    @property
    def is_on(self) -> bool:
        """Whether the threshold is moved by itself."""
        return self._is_on

    def set_on(self, on: bool) -> None:
        """Move it from now on, as the images reviewed so far say; or no longer."""
        if on == self._is_on:
            return
        self._is_on, self._waiting = on, None
        self._scan.stop()
        if on:
            self._read_reviewed()
            self._look()
        self.changed.emit()

    # --- what is reviewed -------------------------------------------------------------------------

    def _leave(self) -> None:
        self._reviewed, self._waiting, self._touched = [], None, False
        self._turn += 1

    def _read_reviewed(self) -> None:
        now = {image.id for image in self._session.document.images if image.reviewed}
        known = [key for key in self._reviewed if key in now]
        self._reviewed = [*sorted(now.difference(known)), *known]

    def _note(self, changed: Changed) -> None:
        if not changed.changes:
            return
        self._touched = True
        marked = [change.after for change in changed.changes if isinstance(change.after, Image)]
        if not marked or not self._is_on:
            return
        for image in marked:
            self._reviewed = [key for key in self._reviewed if key != image.id]
            if image.reviewed:
                self._reviewed.append(image.id)
        self._look()

    def _look(self) -> None:
        """Find out where the threshold had best been on the last images."""
        model = self._session.measure.model
        if not self._is_on or model is None or self._session.project is None:
            return
        self._turn += 1
        turn, wanted = self._turn, self._predictions.filter
        found: list[DoneImage] = []
        visit = partial(_done, model=model, wanted=replace(wanted, confidence=LEAST))
        self._scan.start(
            self._reviewed[-REMEMBERED:],
            visit,
            took=lambda some: found.extend(one for one in some if one is not None),
            done=lambda: self._work_out(turn, model, found, wanted.confidence),
        )

    def _work_out(self, turn: int, model: Model, found: list[DoneImage], now: float) -> None:
        if found:
            run_in_pool(
                lambda: best_confidence(found, now),
                courier=self._courier,
                done=lambda best: self._take(turn, model, min(best, MOST), len(found)),
                failed=lambda _: None,
            )

    # --- moving it --------------------------------------------------------------------------------

    def _take(self, turn: int, model: Model, best: float, images: int) -> None:
        if turn != self._turn or not self._is_on or best == self._predictions.filter.confidence:
            return
        self._waiting = (model, best, images)
        chosen = self._session.focus.selection or self._predictions.selection
        if not (self._touched or chosen):
            self._move()

    def _begin_image(self) -> None:
        self._touched = False
        self._move()

    def _move(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting[0] != self._session.measure.model:
            return
        _, best, images = waiting
        self._moves = True
        try:
            self._predictions.show_from(best)
        finally:
            self._moves = False
        on = "the last reviewed image" if images == 1 else f"the last {images} reviewed images"
        self.told.emit(
            f"No predictions are shown: on {on} they would have cost more than they saved."
            if best == MOST
            else f"Predictions are shown from {best:.2f} now, which would have saved most on {on}."
        )

    def _note_filter(self) -> None:
        """A person who moves the threshold has it in hand from then on."""
        before, self._last = self._last, self._state()
        by_hand = before[0] == self._last[0] and before[1] != self._last[1] and not self._moves
        if by_hand and self._is_on:
            self.set_on(False)

    def _state(self) -> tuple[Model | None, float]:
        return self._session.measure.model, self._predictions.filter.confidence


def _done(store: Store, image_id: int, *, model: Model, wanted: Filter) -> DoneImage | None:
    """An image with what a filter keeps of a model's candidates; None where it saw nothing, or is gone."""
    try:
        image = store.image(image_id)
    except ProjectError:
        return None
    candidates = store.predictions.candidates(image_id, model.id, least=wanted.confidence)
    kept = store.agreements.predictions(candidates, model, wanted)
    if not kept:
        return None
    return DoneImage((image.height, image.width), store.annotations(image_id), tuple(kept))
