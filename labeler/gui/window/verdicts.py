"""What a person decides about predictions by keys and mouse: accept, reject, go on, also in a review."""

from collections.abc import Collection, Sequence

from PySide6.QtCore import QObject, Signal

from labeler.core.geometry import bounds
from labeler.core.records import Candidate, Category
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.session.session import Session


class Verdicts(QObject):
    """Stands between the keys and the review: in a review they mean its queue, else what is selected."""

    look_at = Signal(object)
    """A `Box` of the open image to bring into sight."""
    decided = Signal(str)
    """What became of predictions that were pointed at, a sentence that names them; undo takes it back."""

    def __init__(
        self,
        session: Session,
        predictions: Predictions,
        reviewing: Reviewing,
        queue: ReviewQueue,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._predictions = session, predictions
        self._reviewing, self._queue = reviewing, queue
        queue.show_item.connect(self._show_item)
        predictions.selection_changed.connect(self._point_at)

    def accept(self) -> bool:
        """Enter with nothing pending: accept the selected predictions; False for none.

        In a review with nothing selected, the item that is asked about is brought into sight and selected,
        so that nothing is decided that a person does not look at.
        """
        chosen = self._in_sight()
        if self._queue.active:
            self._queue.accept(chosen) if chosen else self._queue.show_current()
        elif chosen:
            self._reviewing.accept(chosen)
        else:
            return False
        return True

    def reject(self) -> bool:
        """Backspace with nothing pending: reject the selected predictions, as `accept` accepts them."""
        chosen = self._in_sight()
        if self._queue.active:
            self._queue.reject(chosen) if chosen else self._queue.show_current()
        elif chosen:
            self._reviewing.reject(chosen)
        else:
            return False
        return True

    def accept_as(self, candidate_ids: Collection[int], category: Category, *, is_new: bool = False) -> None:
        """Accept predictions of the open image as this category, whatever they were predicted as.

        One that `is_new` is made by the same edit.
        """
        becomes = category if is_new else category.id
        before = [self._predictions.candidates[key] for key in candidate_ids]
        if self._queue.active:
            self._queue.accept(candidate_ids, becomes)
        else:
            self._reviewing.accept(candidate_ids, becomes)
        if self._session.read_only:
            return  # which is told
        what = self._told(before) if len(before) == 1 else f"{len(before)} predictions"
        self.decided.emit(f"Accepted as {category.name}: {what}. Undo takes it back.")

    def reject_at(self, candidate_id: int) -> None:
        """Reject the prediction of the open image that a person has pointed at."""
        before = [self._predictions.candidates[candidate_id]]
        (self._queue if self._queue.active else self._reviewing).reject([candidate_id])
        if not self._session.read_only:
            self.decided.emit(f"Rejected: {self._told(before)}. Undo brings it back.")

    def select_alike(self) -> None:
        """Select all predictions of the open image that are of a category of the selected ones."""
        known, chosen = self._predictions.candidates, self._in_sight()
        kinds = {(known[key].category_id, known[key].label) for key in chosen}
        alike = [key for key in self._predictions.kept if (known[key].category_id, known[key].label) in kinds]
        self._predictions.select(alike)

    def asked(self) -> frozenset[int]:
        """The selected predictions, as far as a digit is for them: they alone are, and were seen."""
        return frozenset() if self._session.focus.selection else self._in_sight()

    @property
    def is_reviewing(self) -> bool:
        """Whether a review is on."""
        return self._queue.active

    def _told(self, candidates: Sequence[Candidate]) -> str:
        predictions, one = self._predictions, candidates[0]
        confidence = predictions.filtered.confidences.get(one.id, one.confidence)
        return f"{predictions.name_of(one)} {confidence:.2f}"

    def _in_sight(self) -> frozenset[int]:
        """The selected predictions; none before their photo is on the screen: nobody has seen them on it."""
        return self._predictions.selection if self._session.place.pixels is not None else frozenset()

    def end_review(self) -> bool:
        """Esc with nothing pending: the review ends; False where none is on."""
        was_on = self._queue.active
        self._queue.set_active(False)
        return was_on

    def next_item(self, by: int) -> bool:
        """Tab in a review, by +1 or -1; False where none is on."""
        if self._queue.active:
            (self._queue.next_item if by > 0 else self._queue.previous_item)()
        return self._queue.active

    def image_done(self) -> bool:
        """Ctrl+Enter in a review: the open image is reviewed, on to the next; False where none is on."""
        if self._queue.active:
            self._queue.image_done()
        return self._queue.active

    def show(self, candidates: Sequence[Candidate]) -> None:
        """Select candidates of the open image, and bring the first of them into sight."""
        if candidates:
            self._predictions.select(candidate.id for candidate in candidates)
            self.look_at.emit(bounds(candidates[0].shape))

    def _show_item(self, _: int, candidate_id: int) -> None:
        candidate = self._session.document.candidates.get(candidate_id)
        if candidate is not None:
            self.show([candidate])

    def _point_at(self) -> None:
        """A prediction that a person selects during a review is what is asked about next."""
        if self._queue.active and len(self._predictions.selection) == 1:
            self._queue.point_at(*self._predictions.selection)
