"""All that predicts, filters, reviews and measures over the set, put together on one session."""

from collections.abc import Callable, Sequence

from msgspec import structs
from PySide6.QtCore import QObject, Signal

from labeler.core.geometry import bounds
from labeler.core.records import Candidate
from labeler.gui.children.predict_client import JobClient
from labeler.gui.predictions.batch import Batch, RunChoice, Scope
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.agreements import SetAgreements
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.session.session import Session


class PredictionDesk(QObject):
    """The prediction side of one window: its parts, and what the actions of that side do."""

    wants_models = Signal()
    """A detector was asked for and none is at hand."""

    told = Signal(str, bool)
    """How a run came out, and whether there are classes to be mapped."""
    look_at = Signal(object)
    """A `Box` of the open image to bring into sight."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.predictions = Predictions(session, self)
        self.reviewing = Reviewing(session, self.predictions, self)
        self.agreements = SetAgreements(session, self.predictions, self)
        self.queue = ReviewQueue(session, self.predictions, self.reviewing, self.agreements, self)
        self.jobs = JobClient(self)
        self.batch = Batch(session, self.jobs, self)
        self.batch.stored.connect(self.take_stored)
        self.batch.ended.connect(self._take_end)
        self.batch.queued.connect(lambda sentence: self.told.emit(sentence, False))
        self.batch.changed.connect(self._take_unmapped)
        self.queue.show_item.connect(self._show_item)
        self.predictions.selection_changed.connect(self._point_at)
        self._outcome = ""
        self.detector: Callable[[], RunChoice | None] = lambda: None
        """The choice that the run panel shows; None while no detector is at hand."""

    def handlers(self) -> dict[str, Callable[..., object]]:
        """Action id to what it does."""
        predictions, reviewing = self.predictions, self.reviewing
        plain: dict[str, Callable[..., object]] = {
            "models": self.wants_models.emit,
            "predict-image": lambda: self.predict("image"),
            "predict-all": lambda: self.predict("all"),
            "confidence-down": lambda: predictions.step_confidence(-1),
            "confidence-up": lambda: predictions.step_confidence(1),
            "iou-down": lambda: predictions.step_iou(-1),
            "iou-up": lambda: predictions.step_iou(1),
            "accept-image": lambda: reviewing.accept_all_above(0.0, whole_set=False),
            "accept-set": lambda: reviewing.accept_all_above(0.0, whole_set=True),
        }
        return plain | {"review": self.queue.set_active}

    def _take_end(self, sentence: str) -> None:
        self._outcome = sentence
        self.told.emit(sentence, False)

    def _take_unmapped(self) -> None:
        """After a run: say what a person has to decide before all of it can be accepted."""
        new = len(self.batch.unmapped)
        if new and self._outcome and not self.batch.is_running:
            classes = "a class that is" if new == 1 else f"{new} classes that are"
            self.told.emit(f"{self._outcome} It found {classes} no category here yet.", True)
            self._outcome = ""

    def predict(self, scope: Scope) -> None:
        """Run the detector that the run panel shows over the open image, or over all."""
        choice = self.detector()
        if choice is None:
            self.wants_models.emit()
            return
        was_running = self.batch.is_running
        self.batch.start(structs.replace(choice, scope=scope, again=scope == "image"))
        if scope == "all" and self.batch.is_running and not was_running:
            # the card that shows it may be closed
            self.told.emit(
                f"{choice.spec.title} begins on all images: Pre-annotate shows how far it is.", False
            )

    def accept(self) -> bool:
        """Enter with nothing pending: accept the selected predictions; False for none.

        In a review with nothing selected, the item that is asked about is brought into sight and selected,
        so that nothing is decided that a person does not look at.
        """
        chosen = self._in_sight()
        if self.queue.active:
            self.queue.accept(chosen) if chosen else self.queue.show_current()
        elif chosen:
            self.reviewing.accept(chosen)
        else:
            return False
        return True

    def reject(self) -> bool:
        """Backspace with nothing pending: reject the selected predictions, as `accept` accepts them."""
        chosen = self._in_sight()
        if self.queue.active:
            self.queue.reject(chosen) if chosen else self.queue.show_current()
        elif chosen:
            self.reviewing.reject(chosen)
        else:
            return False
        return True

    def _in_sight(self) -> frozenset[int]:
        """The selected predictions; none before their photo is on the screen: nobody has seen them on it."""
        return self.predictions.selection if self._session.pixels is not None else frozenset()

    def end_review(self) -> bool:
        """Esc with nothing pending: the review ends; False where none is on."""
        was_on = self.queue.active
        self.queue.set_active(False)
        return was_on

    def _point_at(self) -> None:
        """A prediction that a person selects during a review is what is asked about next."""
        if self.queue.active and len(self.predictions.selection) == 1:
            self.queue.point_at(*self.predictions.selection)

    def next_item(self, by: int) -> bool:
        """Tab in the queue; False where it is not active."""
        if self.queue.active:
            (self.queue.next_item if by > 0 else self.queue.previous_item)()
        return self.queue.active

    def image_done(self) -> bool:
        """Ctrl+Enter in the queue: the open image is reviewed, on to the next; False if not active."""
        if self.queue.active:
            self.queue.image_done()
        return self.queue.active

    def show(self, candidates: Sequence[Candidate]) -> None:
        """Select candidates of the open image, and bring the first of them into sight."""
        if candidates:
            self.predictions.select(candidate.id for candidate in candidates)
            self.look_at.emit(bounds(candidates[0].shape))

    def _show_item(self, _: int, candidate_id: int) -> None:
        candidate = self._session.candidates.get(candidate_id)
        if candidate is not None:
            self.show([candidate])

    def close(self) -> None:
        """End a run that is under way: the window goes away."""
        self.batch.close()
        self.jobs.close()

    def take_mapping(self) -> None:
        """Candidates have other categories now: filter, measure and queue them anew."""
        self.predictions.refresh()
        self.agreements.measure_anew()
        self.queue.refresh()

    def take_stored(self, image_ids: tuple[int, ...]) -> None:
        """Images have other candidates now: filter, measure and queue them anew."""
        self.predictions.refresh(image_ids)
        self.agreements.touch(image_ids)
        self.queue.refresh()
