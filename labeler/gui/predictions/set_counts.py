"""What a filter comes to on all images: read a few at a time, counted on a thread of the pool."""

from collections.abc import Iterable
from functools import partial

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import Columns, Filter, SetFilter, columns
from labeler.core.records import Candidate, Model, Verdict
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.timing import timer
from labeler.project.store import Store

_PAUSE = 60
"""Milliseconds without a change after which is counted, so that a slider does not compete with it."""
_VERDICTS: tuple[Verdict, ...] = ("", "accepted", "rejected")


class _Image(Struct, frozen=True, eq=False):
    """The candidates of one image, without their shapes."""

    image_id: int
    columns: Columns
    verdicts: NDArray[np.uint8]
    """(N,) places in `_VERDICTS`."""


class SetCounts(QObject):
    """Keeps the counts of the set up to date while somebody watches."""

    changed = Signal()
    """Other counts, or another histogram."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._scan: ImageScan[_Image] = ImageScan(session, self)
        self._courier = Courier(self)
        self._model: Model | None = None
        self._filter = Filter()
        self._ignored: frozenset[str] = frozenset()
        self._images: dict[int, _Image] = {}
        self._pending: set[int] = set()
        self._whole: SetFilter | None = None
        self._watched = self._known = self._counting = False
        self._age = 0
        self._counts: tuple[int, int, int] | None = None
        self._histogram: tuple[int, NDArray[np.int64]] | None = None
        self._count_soon = timer(self, self._count, milliseconds=_PAUSE)
        session.document.changed.connect(self._take_changes)

    @property
    def counts(self) -> tuple[int, int, int] | None:
        """Candidates at or over the threshold, kept, and suppressed on all images; None until known."""
        return self._counts

    @property
    def images(self) -> int:
        """On how many images the model has candidates, as far as they are read."""
        return len(self._images)

    def histogram(self, bins: int) -> NDArray[np.int64]:
        """(bins, 3) how many candidates of the set have a confidence in each of the equal parts of 0 to 1.

        The columns are those that wait for a word, the accepted and the rejected ones.
        """
        if self._histogram is None or self._histogram[0] != bins:
            confidences = [one.columns.confidences for one in self._images.values()]
            place = (np.concatenate([np.zeros(0), *confidences]) * bins).astype(np.int64).clip(0, bins - 1)
            verdicts = np.concatenate(
                [np.zeros(0, dtype=np.uint8), *(one.verdicts for one in self._images.values())]
            )
            counts = np.bincount(place * 3 + verdicts, minlength=bins * 3)
            self._histogram = bins, counts.reshape(bins, 3)
        return self._histogram[1]

    def watch(self, on: bool) -> None:
        """Keep up to date from now on, or no longer."""
        self._watched = on
        if not on:
            self._scan.stop()
        elif not self._known:
            self.refresh()
        else:
            self._read_pending()
            self._count_soon.start()

    def use(self, model: Model | None, ignored: frozenset[str]) -> None:
        """Count the candidates of this model, without those of the classes that are ignored."""
        if (model, ignored) != (self._model, self._ignored):
            self._model, self._ignored = model, ignored
            self.refresh()

    def set_filter(self, wanted: Filter) -> None:
        """Count by this filter."""
        if wanted != self._filter:
            self._filter = wanted
            self._age += 1
            self._count_soon.start()

    def refresh(self, image_ids: Iterable[int] | None = None) -> None:
        """The candidates of these images are others now, or those of all."""
        if image_ids is not None and self._known:
            self._pending.update(image_ids)
            self._read_pending()
            return
        self._scan.stop()
        self._known = False
        self._forget()
        self._images.clear()
        self._pending.clear()
        self._counts = None
        self.changed.emit()
        model = self._model
        if self._watched and model is not None and self._session.project is not None:
            self._known = True
            self._session.ask(
                lambda store: store.agreements.images_with_candidates(model.id),
                lambda found: self._read_images(model, found),
                aside=True,
            )

    def _read_images(self, model: Model, image_ids: list[int]) -> None:
        if model == self._model:
            self._pending.update(image_ids)
            self._read_pending()

    def _read_pending(self) -> None:
        """Read what is to be read; images that come meanwhile wait for the next round."""
        if self._scan.running or not self._watched:
            return
        if self._pending and self._model is not None:
            visit = partial(_read, model_id=self._model.id, ignored=self._ignored)
            self._scan.start(sorted(self._pending), visit, took=self._took, done=self._read_all)
        elif not self._count_soon.isActive():
            self._count_soon.start()

    def _took(self, images: list[_Image]) -> None:
        for one in images:
            self._pending.discard(one.image_id)
            self._images[one.image_id] = one

    def _read_all(self) -> None:
        self._forget()
        self.changed.emit()
        # images of a run may come without end: they are counted in between, and nothing puts that off
        if not self._count_soon.isActive():
            self._count_soon.start()
        self._read_pending()

    def _forget(self) -> None:
        """What was worked out of the candidates holds no longer."""
        self._whole, self._histogram = None, None
        self._age += 1

    def _count(self) -> None:
        """Count on a thread of the pool, one at a time; what changed meanwhile is counted after it."""
        model = self._model
        if self._counting or not self._watched or model is None:
            return
        age, wanted, whole = self._age, self._filter, self._whole
        listed = [one.columns for one in self._images.values()]
        suppressed = model.suppressed
        self._counting = True

        def work() -> tuple[SetFilter, tuple[int, int, int]]:
            made = whole or SetFilter(listed, suppressed=suppressed)
            return made, made.counts(wanted)

        def done(found: tuple[SetFilter, tuple[int, int, int]]) -> None:
            self._counting = False
            if wanted == self._filter and model == self._model:
                # of all images that were there when it began: during a run more have come by now
                self._counts = found[1]
                self.changed.emit()
            if age == self._age:
                self._whole = found[0]
            else:
                self._keep(found[0], model, listed)
                self._count_soon.start()

        run_in_pool(work, courier=self._courier, done=done, failed=self._give_up)

    def _keep(self, whole: SetFilter, model: Model, listed: list[Columns]) -> None:
        """Use the overlaps that were worked out although the filter is another one by now."""
        now = [one.columns for one in self._images.values()]
        same = len(now) == len(listed) and all(a is b for a, b in zip(now, listed, strict=True))
        if same and model == self._model:
            self._whole = whole

    def _give_up(self, error: Exception) -> None:
        self._counting = False
        self._session.told.emit(f"The predictions of the set cannot be counted: {error}")

    def _take_changes(self, changed: Changed) -> None:
        """Follow verdicts where they are, and read images anew whose candidates are others."""
        stale: set[int] = set()
        for change in changed.changes:
            before, after, record = change.before, change.after, change.record
            if not isinstance(record, Candidate) or self._model is None or record.model_id != self._model.id:
                continue
            same = isinstance(before, Candidate) and before.category_id == record.category_id
            if not (same and after is not None and self._judge(record)):
                stale.add(record.image_id)
        if stale:
            self.refresh(stale)
        elif changed.changes and self._histogram is None and self._known:
            self.changed.emit()

    def _judge(self, candidate: Candidate) -> bool:
        """Note the verdict on a candidate; False where it is not known here."""
        image = self._images.get(candidate.image_id)
        places = np.flatnonzero(image.columns.ids == candidate.id) if image is not None else ()
        if image is None or not len(places):
            return False
        verdicts = image.verdicts.copy()
        verdicts[places] = _VERDICTS.index(candidate.verdict)
        self._images[candidate.image_id] = _Image(image.image_id, image.columns, verdicts)
        self._histogram = None
        return True


def _read(store: Store, image_id: int, *, model_id: int, ignored: frozenset[str]) -> _Image:
    """On the writer's thread: the candidates of one image."""
    found = [one for one in store.predictions.candidates(image_id, model_id) if one.label not in ignored]
    verdicts = np.array([_VERDICTS.index(one.verdict) for one in found], dtype=np.uint8)
    return _Image(image_id, columns(found), verdicts)
