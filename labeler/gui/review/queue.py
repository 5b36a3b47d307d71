"""The predictions of the set that wait for a person, one after the other."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeGuard

import numpy as np
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import Filter
from labeler.core.measures.overlap import box_iou
from labeler.core.records import Annotation, Candidate, Category, Image, Model
from labeler.core.review_order import (
    Order,
    QueueItem,
    ReviewPace,
    corners,
    ordered,
    pace,
    without_repeats,
)
from labeler.errors import ProjectError
from labeler.gui.review.agreements import Filtering, SetAgreements
from labeler.gui.review.decisions import Categories, Reviewing
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.timing import timer
from labeler.project.store import Store

_FILTER_MS = 500
"""Pause after a step of a slider before the queue is made anew."""


class ReviewQueue(QObject):
    """Walks the pending predictions of the session's model. All methods return at once."""

    changed = Signal()
    """Another item is the current one, or another number of them is left."""
    show_item = Signal(int, int)
    """(image id, candidate id): the current item is on the open image now, and wants to be looked at."""

    def __init__(
        self,
        session: Session,
        filtering: Filtering,
        reviewing: Reviewing,
        agreements: SetAgreements,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._filtering = filtering
        self._reviewing = reviewing
        self._agreements = agreements
        self._items: dict[int, QueueItem] = {}
        self._line: list[int] = []
        self._places: dict[int, int] = {}
        self._decided: set[int] = set()
        self._waiting: set[int] = set()
        self._on_image: dict[int, list[int]] = {}
        self._times: list[float] = []
        self._order: Order = "uncertain"
        self._active = False
        self._shown: int | None = None
        self._back_to: QueueItem | None = None
        self._decides = False
        self.current: QueueItem | None = None
        self._scan: ImageScan[list[QueueItem]] = ImageScan(session, self)
        self._found: list[QueueItem] = []
        self.filter = filtering.filter
        self._again = timer(self, self.refresh, milliseconds=_FILTER_MS)
        session.document.changed.connect(self._note)
        session.place.pixels_changed.connect(self._say_when_there)
        session.place.image_changed.connect(self._leave_image)
        session.project_changed.connect(self._end)
        session.measure.model_changed.connect(self._again.start)
        session.document.images_changed.connect(self._take_images)
        filtering.changed.connect(self._take_filter)

    # --- what there is ----------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether a review is on."""
        return self._active

    @property
    def order(self) -> Order:
        """In which order a person is asked."""
        return self._order

    @property
    def preparing(self) -> tuple[int, int]:
        """How many images were looked through, of how many, while the queue is made; else (0, 0)."""
        return self._scan.progress

    @property
    def total(self) -> int:
        """How many there are in the queue, decided ones included."""
        return len(self._line)

    @property
    def remaining(self) -> int:
        """How many wait for a person."""
        return len(self._waiting)

    @property
    def position(self) -> int:
        """The place of the current item from 1; 0 for none."""
        return self._places[self.current.candidate_id] + 1 if self.current else 0

    @property
    def is_on_open_image(self) -> bool:
        """Whether the current item's image is the open one."""
        item, image = self.current, self._session.place.image
        return item is not None and image is not None and image.id == item.image_id

    @property
    def is_shown(self) -> bool:
        """Whether the current item is on the screen: only then can it be decided."""
        item, session = self.current, self._session
        there = self.is_on_open_image and session.place.pixels is not None
        return item is not None and there and item.candidate_id in session.document.candidates

    def pace(self) -> ReviewPace | None:
        """How fast the last decisions came; None before there are three."""
        return pace(self._times, remaining=self.remaining)

    # --- going on ---------------------------------------------------------------------------------

    def set_active(self, active: bool) -> None:
        """Begin a review, or end it."""
        if active == self._active:
            return
        self._active = self._goes = active
        self._times = []
        if active:
            self.changed.emit()  # the card is there from the first moment, and can be closed
            self.refresh()
        else:
            self._scan.stop()
            self._items, self._line, self._places, self._on_image, self.current = {}, [], {}, {}, None
            self._decided, self._waiting, self._back_to = set(), set(), None
            self.changed.emit()

    def set_order(self, order: Order) -> None:
        """Ask in another order, beginning at its first item."""
        self._order = order
        if self._active and not self._scan.running:
            self.current, self._goes = None, True
            self._put_in_order()

    def refresh(self) -> None:
        """Look anew for what waits, by the present model and filter."""
        self._again.stop()
        session, model = self._session, self._session.measure.model
        if not self._active or session.project is None:
            return
        if model is None:
            self._found = []
            self._take_found()
            return
        categories = Categories(session.document.categories.values(), session.focus.category)
        self.filter = self._filtering.filter
        look = _Look(model, self.filter, categories)
        self._found = []

        def begin(image_ids: Sequence[int]) -> None:
            if self._active and session.measure.model == model:
                self._scan.start(image_ids, look.at, took=self._collect, done=self._take_found)

        session.ask(lambda store: store.agreements.images_with_candidates(model.id), begin)

    def accept_current(self) -> None:
        """Accept the current item, and go on; one that cannot be seen is only brought into sight."""
        self._decide_current(self._reviewing.accept)

    def reject_current(self) -> None:
        """Reject the current item, and go on; one that cannot be seen is only brought into sight."""
        self._decide_current(self._reviewing.reject)

    def accept(self, candidate_ids: Iterable[int], category: int | Category | None = None) -> None:
        """Accept these as `Reviewing.accept` does, and go on where the current item is one of them."""
        self._decide(candidate_ids, lambda ids: self._reviewing.accept(ids, category))

    def reject(self, candidate_ids: Iterable[int]) -> None:
        """Reject these of the open image, and go on where the current item is among them."""
        self._decide(candidate_ids, self._reviewing.reject)

    def point_at(self, candidate_id: int) -> None:
        """A person picked this one on the open image: it is asked first, then the one it came before.

        What is not in the queue, such as a prediction that repeats an annotation, changes nothing here.
        """
        item = self._items.get(candidate_id)
        if item is None or item == self.current or not self._waits(candidate_id):
            return
        if self._back_to is None and self.current is not None and self.current.image_id == item.image_id:
            self._back_to = self.current
        self.current, self._shown = item, candidate_id
        self.changed.emit()

    def next_item(self) -> None:
        """Leave the current item for later, and go on; after the last one comes the first again."""
        self._go(self._following(1))

    def previous_item(self) -> None:
        """Go back to the last item before that still waits."""
        self._go(self._following(-1))

    def image_done(self) -> None:
        """Say that the open image is reviewed, and go on to the first item after it on another one."""
        self._session.edits.mark_reviewed(True, by="review")
        self._go_on()
        self._times.append(time.monotonic())

    def show_current(self) -> None:
        """Go to the current item's image, and say when it is there."""
        item = self.current
        if item is None:
            return
        self._shown = None
        self._session.place.go_to(item.image_id)
        if self.is_shown:
            self._session.focus.select(())  # what one looks at takes its place
        self._say_when_there()

    # --- inside -----------------------------------------------------------------------------------

    def _decide_current(self, decide: Callable[[Iterable[int]], None]) -> None:
        if self.current is None:
            return
        if self.is_shown and self._shown == self.current.candidate_id:
            self._decide([self.current.candidate_id], decide)
        else:
            self.show_current()

    def _decide(self, candidate_ids: Iterable[int], decide: Callable[[Iterable[int]], None]) -> None:
        # to go on is the last thing: deciding also moves the selection
        self._decides = True
        try:
            decide(candidate_ids)
        finally:
            self._decides = False
        if self.current is None or not self._waits(self.current.candidate_id):
            self._times.append(time.monotonic())
            self._go_on()

    def _go_on(self) -> None:
        """Leave a current item that waits no longer, first for the one that a click came before."""
        if self.current is not None and self._waits(self.current.candidate_id):
            return
        back = self._back_to
        self._go(back if back is not None and self._waits(back.candidate_id) else self._following(1))

    def _following(self, step: int) -> QueueItem | None:
        """The next item that waits, counted from the current one, around the end."""
        count = len(self._line)
        here = self._places[self.current.candidate_id] if self.current else -1 if step > 0 else 0
        for offset in range(1, count + 1):
            key = self._line[(here + step * offset) % count]
            if self._waits(key):
                return self._items[key]
        return None

    def _go(self, item: QueueItem | None) -> None:
        self.current, self._back_to = item, None
        self.changed.emit()
        self.show_current()

    def _waits(self, key: int) -> bool:
        return key in self._waiting

    def _look_at(self, image_id: int) -> None:
        """Find out which items of an image wait: none where it is reviewed."""
        image = self._session.document.find_image(image_id)
        keys = self._on_image.get(image_id, [])
        self._waiting.difference_update(keys)
        if image is not None and not image.reviewed:
            self._waiting.update(key for key in keys if key not in self._decided)

    def _collect(self, found: list[list[QueueItem]]) -> None:
        self._found.extend(item for items in found for item in items)
        self.changed.emit()

    def _take_found(self) -> None:
        self._items = {item.candidate_id: item for item in self._found}
        self._decided &= self._items.keys()
        self._on_image = {}
        for item in self._found:
            self._on_image.setdefault(item.image_id, []).append(item.candidate_id)
        self._waiting = set()
        for image_id in self._on_image:
            self._look_at(image_id)
        self._found = []
        self._put_in_order()

    def _put_in_order(self) -> None:
        places = {image_id: place for place, image_id in enumerate(self._session.place.order)}
        quality = self._agreements.quality()
        line = ordered(list(self._items.values()), self._order, places=places, quality=quality)
        self._line = [item.candidate_id for item in line]
        self._places = {key: place for place, key in enumerate(self._line)}
        kept = self.current is not None and self.current.candidate_id in self._items
        if kept and self.current is not None and self._waits(self.current.candidate_id):
            self.changed.emit()
            return
        self.current = None
        goes, self._goes = self._goes, False
        opened = self._session.place.image.id if self._session.place.image is not None else 0
        waiting = filter(self._waits, self._on_image.get(opened, ()))
        here = min(waiting, key=self._places.__getitem__, default=None)
        self.current = self._following(1) if goes or here is None else self._items[here]
        self._back_to = None
        self.changed.emit()
        # what arrived, as from a run or a folder, takes nobody elsewhere nor from an object: Enter does
        if goes or (here is not None and not self._session.focus.selection):
            self.show_current()

    def _take_filter(self) -> None:
        # predictions change with every image; only another filter makes another queue
        if self._filtering.filter != self.filter:
            self._again.start()

    def _end(self) -> None:
        self.set_active(False)

    def _take_images(self, image_ids: tuple[int, ...]) -> None:
        if not image_ids:
            self._again.start()

    def _note(self, changed: Changed) -> None:
        if not self._active:
            return
        if changed.by == "open":
            self._say_when_there()
            return
        self._note_unknown(changed)
        taken_back = self._note_verdicts(changed)
        records = [change.record for change in changed.changes]
        touched = {one.image_id if isinstance(one, Candidate) else one.id for one in records if _counts(one)}
        for image_id in touched:
            self._look_at(image_id)
        if self._decides:
            return
        if taken_back and changed.by == "history":
            self._ask_again(taken_back)
        elif self.current is not None and not self._waits(self.current.candidate_id):
            self._go_on()
        elif touched:
            self.changed.emit()

    def _note_verdicts(self, changed: Changed) -> list[int]:
        """Take over what was decided, by whomever; gives what waits again."""
        taken_back: list[int] = []
        for change in changed.changes:
            if not isinstance(change.after, Candidate) or change.after.id not in self._items:
                continue
            key = change.after.id
            if change.after.verdict:
                self._decided.add(key)
            elif key in self._decided:
                self._decided.discard(key)
                taken_back.append(key)
        return taken_back

    def _ask_again(self, taken_back: Sequence[int]) -> None:
        """Decisions were undone: ask about one on the open image, and go elsewhere only for one image's."""
        opened = self._session.place.image.id if self._session.place.image is not None else 0
        here = [key for key in taken_back if self._items[key].image_id == opened]
        images = {self._items[key].image_id for key in taken_back}
        first = self._items[min(here or taken_back, key=self._places.__getitem__)]
        if here or len(images) == 1:
            self._go(first)
        else:
            self.current = self.current or first
            self.changed.emit()

    def _note_unknown(self, changed: Changed) -> None:
        """What was decided before the queue was last made, and waits again, is not in it yet."""
        after = [change.after for change in changed.changes]
        if any(isinstance(one, Candidate) and not one.verdict and one.id not in self._items for one in after):
            self._again.start()

    def _leave_image(self) -> None:
        self._shown = None
        if self._active:
            self.changed.emit()

    def _say_when_there(self) -> None:
        item, taken = self.current, self._session.focus.selection  # by a person who went on to an object
        if item is not None and not taken and self._shown != item.candidate_id and self.is_shown:
            self._shown = item.candidate_id
            self.show_item.emit(item.image_id, item.candidate_id)


def _counts(record: object) -> TypeGuard[Candidate | Image]:
    """Whether what became of a record can change what waits on its image."""
    return isinstance(record, Candidate | Image)


class _Look:
    """Finds what waits on an image; for the writer's thread."""

    def __init__(self, model: Model, wanted: Filter, categories: Categories) -> None:
        self._model = model
        self._filter = wanted
        self._categories = categories

    def at(self, store: Store, image_id: int) -> list[QueueItem]:
        """The predictions on an image that nobody has spoken of and no annotation stands for."""
        try:
            image = store.image(image_id)
        except ProjectError:
            # an undone import took it away meanwhile
            return []
        if image.reviewed:
            return []
        candidates = store.predictions.candidates(image_id, self._model.id, least=self._filter.confidence)
        kept = store.agreements.predictions(candidates, self._model, self._filter)
        pending = [c for c in kept if c.verdict == "" and self._categories.of(c)]
        if not pending:
            return []
        annotations = store.annotations(image_id)
        accepted = {annotation.prediction_id for annotation in annotations}
        fresh = without_repeats(
            [c for c in pending if c.id not in accepted], annotations, size=(image.height, image.width)
        )
        return _items(fresh, annotations)


def _items(candidates: Sequence[Candidate], annotations: Sequence[Annotation]) -> list[QueueItem]:
    """The candidates of one image as they stand in the queue."""
    best = [0.0] * len(candidates)
    if annotations:
        overlaps = box_iou(corners([c.shape for c in candidates]), corners([a.shape for a in annotations]))
        ours, theirs = (np.array([one.category_id for one in listed]) for listed in (candidates, annotations))
        best = np.where(ours[:, None] == theirs, overlaps, 0.0).max(axis=1).tolist()
    return [
        QueueItem(
            image_id=one.image_id,
            candidate_id=one.id,
            category_id=one.category_id,
            confidence=one.confidence,
            label=one.label,
            best_iou=iou,
        )
        for one, iou in zip(candidates, best, strict=True)
    ]
