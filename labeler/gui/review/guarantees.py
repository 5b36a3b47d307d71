"""Accepting what nobody has looked at, with a promise of how much of it is wrong at most."""

import json
import random
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, structs
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import Filter
from labeler.core.measures.guarantee import (
    ALL,
    ALLOWED,
    UNLIKE,
    Looked,
    Promise,
    TooLittle,
    judged,
    likeness,
    promises,
)
from labeler.core.records import Candidate, Model
from labeler.errors import LabelerError, ProjectError
from labeler.gui.review.agreements import Filtering, covering_size
from labeler.gui.review.decisions import Categories, Pending, Reviewing
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted
from labeler.project.runs import Run, own_folder
from labeler.project.store import Store
from labeler.training.run import RunFolder

LOT = "images drawn by lot"
"""The project's setting that holds the ids of the images drawn, in the order in which they were."""
DRAWN = 10
"""Images that are drawn at a time."""
_SETTLE_MS = 300
"""Pause after a change before what was being worked out is begun anew."""


class Terms(Struct, frozen=True):
    """What a person wants promised."""

    allowed: float = ALLOWED
    by_category: bool = False


class Offer(Struct, frozen=True, eq=False):
    """What can be accepted now."""

    terms: Terms
    parts: tuple[Promise | TooLittle, ...]
    accepted: tuple[Candidate, ...]
    waiting: int
    """Predictions that wait, on all images."""
    looked: int
    """Predictions on the images that count as reviewed."""
    images: int
    """How many images that are."""
    alike: float
    """`likeness` of those to the images that wait; 1 for images drawn by lot."""

    @property
    def is_fair(self) -> bool:
        """Whether the images that were reviewed can stand for the others."""
        return self.alike >= UNLIKE


class _Seen(Struct, frozen=True, eq=False):
    """What was found on one image."""

    image_id: int
    looked: tuple[Looked, ...] = ()
    pending: tuple[Candidate, ...] = ()


class Guarantees(QObject):
    """Works out what can be accepted unseen, and accepts it. All methods return at once.

    An offer is of one moment: an edit, another filter or model, or what a run stores takes it away.
    """

    changed = Signal()
    """There is another offer or none, or it is being worked out."""
    drawn = Signal(str)
    """These images are walked now, in words."""

    def __init__(
        self, session: Session, filtering: Filtering, reviewing: Reviewing, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._filtering, self._reviewing = session, filtering, reviewing
        self._courier = Courier(self)
        self._scan: ImageScan[_Seen] = ImageScan(session, self)
        self._turn = 0
        self._filter = filtering.filter
        self._terms = Terms()
        self._again = timer(self, lambda: self.look(self._terms), milliseconds=_SETTLE_MS)
        self.offer: Offer | None = None
        self.is_looking = False
        session.document.changed.connect(self._take_changes)
        session.document.images_changed.connect(lambda ids: None if ids else self.outdate())
        session.project_changed.connect(self.forget)
        session.measure.model_changed.connect(self.outdate)
        session.strangers.changed.connect(self.outdate)
        filtering.changed.connect(self._take_filter)

    # --- the offer --------------------------------------------------------------------------------

    @property
    def progress(self) -> tuple[int, int]:
        """How many images were looked through, of how many; (0, 0) when none are."""
        return self._scan.progress

    def forget(self) -> None:
        """Make no offer, and work out none."""
        self._turn += 1
        self._scan.stop()
        self._again.stop()
        if self.offer is not None or self.is_looking:
            self.offer, self.is_looking = None, False
            self.changed.emit()

    def outdate(self) -> None:
        """What an offer rests on is not so any more; what is just being worked out is begun anew."""
        if self.is_looking:
            self._turn += 1
            self._scan.stop()
            self._again.start()
        else:
            self.forget()

    def look(self, terms: Terms) -> None:
        """Work out what can be promised; `offer` is there when `changed` is told and nothing is looked at."""
        session, model = self._session, self._session.measure.model
        self.forget()
        if session.project is None or model is None:
            session.told.emit("There are no predictions to accept. Run a model or import results first.")
            return
        self.is_looking, self._terms = True, terms
        self._filter = self._filtering.filter
        look = _Look(model, self._filter, self._categories())
        turn, found = self._turn, list[_Seen]()

        def take(seen: list[_Seen]) -> None:
            found.extend(seen)
            self.changed.emit()

        def begin(known: _Known) -> None:
            if turn == self._turn:
                images = [one for one in known.images if one not in session.strangers]
                self._scan.start(
                    images, look.on, took=take, done=lambda: self._work_out(turn, terms, known, found)
                )

        self.changed.emit()
        session.ask(lambda store: _known(store, model), begin)

    def _work_out(self, turn: int, terms: Terms, known: "_Known", found: Sequence[_Seen]) -> None:
        """On a thread of the pool: hundreds of thousands of predictions take their time."""
        prefix = self._reviewed_lot(known.lot)

        def work() -> Offer:
            taught = _taught(known.runs)
            return _offer(terms, found, prefix, taught)

        def done(offer: Offer) -> None:
            if turn == self._turn:
                self.offer, self.is_looking = offer, False
                self.changed.emit()

        def failed(error: Exception) -> None:
            if turn == self._turn:
                self.forget()
                self._session.told.emit(str(error))

        run_in_pool(work, courier=self._courier, done=done, failed=failed)

    def accept(self) -> None:
        """Accept what is offered, as one undo step; what was changed meanwhile stays as it is."""
        offer = self.offer
        if offer is None or not offer.is_fair or not offer.accepted:
            return
        count = counted(len(offer.accepted), "prediction")
        most = f"at most {offer.terms.allowed:.0%} wrong".replace("%", " %")
        self._reviewing.accept_pending(offer.accepted, label=f"Accept {count}, {most}", said=f", {most}")
        self.forget()

    # --- the lot ----------------------------------------------------------------------------------

    def draw_lot(self) -> None:
        """Draw images by lot among those not reviewed, and walk them: reviewed whole, they are a fair sample.

        What was drawn before and is not reviewed yet comes first.
        """
        session, model = self._session, self._session.measure.model
        if session.project is None or model is None:
            return
        if session.read_only:
            session.told.emit(f"Nothing was drawn. {session.read_only}")
            return
        open_ones = {image.id for image in session.document.images if not image.reviewed}
        open_ones -= {image_id for image_id in open_ones if image_id in session.strangers}

        def draw(store: Store) -> list[int]:
            drawn = _lot(store)
            left = [one for one in drawn if one in open_ones]
            pool = sorted(open_ones & set(store.agreements.images_with_candidates(model.id)) - set(drawn))
            fresh = random.SystemRandom().sample(pool, min(max(DRAWN - len(left), 0), len(pool)))
            if fresh:
                store.set_meta(LOT, json.dumps([*drawn, *fresh]))
            return [*left, *fresh]

        session.keep(draw, self._walk, failed=lambda error: session.told.emit(str(error)))

    def _walk(self, image_ids: list[int]) -> None:
        if not image_ids:
            self._session.told.emit("There is no image left to draw: all with predictions are reviewed.")
            return
        what = f"{counted(len(image_ids), 'image')} drawn by lot"
        self._session.place.set_order(image_ids, title=what)
        self._session.place.go_to(image_ids[0])
        self.drawn.emit(f"{what}: review each whole, in this order.")
        self.forget()

    def _reviewed_lot(self, lot: Iterable[int]) -> frozenset[int] | None:
        """The images drawn, up to the first that is not reviewed: none is passed over for being hard.

        None where nothing was drawn.
        """
        prefix, is_drawn = [], False
        for image_id in lot:
            image = self._session.document.find_image(image_id)
            if image is None:
                continue
            is_drawn = True
            if not image.reviewed:
                break
            prefix.append(image_id)
        return frozenset(prefix) if is_drawn else None

    # --- following --------------------------------------------------------------------------------

    def _categories(self) -> Categories:
        return Categories(self._session.document.categories.values(), self._session.focus.category)

    def _take_changes(self, changed: Changed) -> None:
        if changed.changes:
            self.outdate()

    def _take_filter(self) -> None:
        if self._filtering.filter != self._filter:
            self._filter = self._filtering.filter
            self.outdate()


class _Known(Struct, frozen=True):
    """What the project says before any image is looked at."""

    images: list[int]
    lot: list[int]
    runs: list[Run]
    """Those that the model may have come from."""


def _known(store: Store, model: Model) -> _Known:
    runs = [run for run in store.runs.list() if run.name == model.name]
    return _Known(store.agreements.images_with_candidates(model.id), _lot(store), runs)


def _lot(store: Store) -> list[int]:
    try:
        return msgspec.json.decode(store.meta(LOT) or "[]", type=list[int])
    except msgspec.DecodeError:
        return []  # of a project that somebody edited


class _Image(Struct):
    id: int


class _Images(Struct):
    images: list[_Image]


def _taught(runs: Iterable[Run]) -> frozenset[int]:
    """The images that a model learned from, on which it is better than on others; LabelerError if unknown."""
    taught: set[int] = set()
    for run in runs:
        try:
            labels = RunFolder(own_folder(run)).train_labels.read_bytes()
            taught |= {one.id for one in msgspec.json.decode(labels, type=_Images).images}
        except (LabelerError, OSError, msgspec.DecodeError) as error:
            raise LabelerError(
                "Nothing can be promised: the model comes from a training of this project, and the images "
                f"that it learned from are not known any more, since the run “{run.name}” cannot be read."
            ) from error
    return frozenset(taught)


def _offer(
    terms: Terms, found: Sequence[_Seen], drawn: frozenset[int] | None, taught: frozenset[int]
) -> Offer:
    """What the images come to."""
    counted_ones = [
        one
        for one in found
        if one.looked and one.image_id not in taught and (drawn is None or one.image_id in drawn)
    ]
    looked = [each for one in counted_ones for each in one.looked]
    pending = [each for one in found for each in one.pending]
    waiting = [Looked(one.image_id, one.category_id, one.confidence) for one in pending]
    alike = likeness(looked, waiting) if drawn is None else 1.0
    parts = tuple(promises(looked, waiting, by_category=terms.by_category, allowed=terms.allowed))
    least = {part.category_id: part.confidence for part in parts if isinstance(part, Promise)}
    accepted = tuple(
        one
        for one in pending
        if one.confidence >= least.get(one.category_id if terms.by_category else ALL, 2.0)
    )
    return Offer(terms, parts, accepted, len(pending), len(looked), len(counted_ones), alike)


class _Look:
    """Looks at one image after the other, on the writer's thread."""

    def __init__(self, model: Model, wanted: Filter, categories: Categories) -> None:
        self._model, self._filter, self._categories = model, wanted, categories
        self._pending = Pending(model, 0.0, wanted, categories)

    def on(self, store: Store, image_id: int) -> _Seen:
        """What became of the predictions where the image is reviewed; else those that wait."""
        try:
            image = store.image(image_id)
        except ProjectError:
            # an undone import took it away meanwhile
            return _Seen(image_id)
        if not image.reviewed:
            found = self._pending.on(store, image_id)
            return _Seen(image_id, pending=tuple(self._placed(found)))
        raw = store.predictions.candidates(image_id, self._model.id, least=self._filter.confidence)
        kept = self._placed(store.agreements.predictions(raw, self._model, self._filter))
        annotations = store.annotations(image_id)
        size = covering_size(image, [*(a.shape for a in annotations), *(c.shape for c in kept)])
        return _Seen(image_id, looked=tuple(judged(image_id, annotations, kept, size=size)))

    def _placed(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those of a category, with the one that each would get."""
        placed = ((one, self._categories.of(one)) for one in candidates)
        return [structs.replace(one, category_id=category) for one, category in placed if category]
