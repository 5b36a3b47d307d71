"""Labels of reviewed images that the model at hand speaks against: marked at once, asked about at the end."""

import json
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, structs
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import Filter
from labeler.core.geometry import bounds
from labeler.core.measures.doubts import Doubt, doubts
from labeler.core.records import Annotation, Box, Candidate, Image, Model
from labeler.errors import ProjectError
from labeler.gui.review.agreements import Filtering
from labeler.gui.review.decisions import Categories, Reviewing
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.timing import timer
from labeler.project.store import Store

FROM = 0.1
"""Confidence from which predictions are heard here: a small detector is right also where it is not sure."""
DISMISSED = "labels looked at twice"
"""The project's setting that holds what a person said is right as it is."""
_SETTLE_MS = 400
"""Pause after an edit before its image is looked at."""


class _Found(Struct, frozen=True, eq=False):
    """What is doubtful on an image, each with the box to look at."""

    image_id: int
    doubts: tuple[tuple[Doubt, Box, str], ...]
    """With the key that it is dismissed by."""


class SecondLook(QObject):
    """Keeps the doubtful labels of reviewed images, and walks them. All methods return at once."""

    changed = Signal()
    """Others are doubtful, or another one is asked about."""
    shown = Signal(object, int)
    """What is asked about is on the screen: its `Box`, and the candidate of what may be missing, else 0."""

    def __init__(
        self, session: Session, filtering: Filtering, reviewing: Reviewing, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._filtering, self._reviewing = session, filtering, reviewing
        self._scan: ImageScan[_Found] = ImageScan(session, self)
        self._found: dict[int, _Found] = {}
        self._due: set[int] = set()
        self._dismissed: set[str] = set()
        self._turn = 0
        self._wanted: Doubt | None = None
        self.current: Doubt | None = None
        """What is asked about."""
        self._later = timer(self, self._look, milliseconds=_SETTLE_MS)
        session.document.changed.connect(self._take_changes)
        session.document.images_changed.connect(lambda ids: None if ids else self._begin_anew())
        session.place.pixels_changed.connect(self._say_when_there)
        session.project_changed.connect(self._begin_anew)
        session.measure.model_changed.connect(self._begin_anew)

    # --- what is doubtful -------------------------------------------------------------------------

    @property
    def queue(self) -> list[Doubt]:
        """All that is doubtful, the most doubtful first."""
        every = [one for found in self._found.values() for one, _, _ in found.doubts]
        return sorted(every, key=lambda one: (-one.score, one.image_id, one.annotation_id, one.candidate_id))

    @property
    def images(self) -> int:
        """How many reviewed images were looked at."""
        return len(self._found)

    def on_open_image(self) -> list[Box]:
        """The boxes of what is doubtful on the open image."""
        found = self._found.get(self._session.document.open_id or 0)
        return [box for _, box, _ in found.doubts] if found else []

    def next_one(self) -> None:
        """Ask about the most doubtful one, or the one after that which is asked about."""
        line = self.queue
        if not line:
            return
        at = line.index(self.current) + 1 if self.current in line else 0
        self.current = self._wanted = line[at % len(line)]
        self._session.place.go_to(self.current.image_id)
        self.changed.emit()
        self._say_when_there()

    def dismiss(self) -> None:
        """What is asked about is right as it is; that is remembered until it is changed.

        Of something that is not missing the prediction is rejected, which undo takes back.
        """
        one = self.current
        if one is None:
            return
        if self._session.read_only:
            self._session.told.emit(f"Nothing was changed. {self._session.read_only}")
            return
        line = self.queue
        after = line[(line.index(one) + 1) % len(line)] if one in line else None
        if one.kind == "missed":
            self._reviewing.reject([one.candidate_id])
        else:
            self._remember([key for doubt, _, key in self._found[one.image_id].doubts if doubt == one])
        self._drop(one)
        self.current = None
        if after is not None and after != one:
            self.current = self._wanted = after
            self._session.place.go_to(after.image_id)
        self.changed.emit()
        self._say_when_there()

    def touch(self, image_ids: Iterable[int]) -> None:
        """Look anew at these images: they have other predictions."""
        self._due.update(image_ids)
        self._later.start()

    def _remember(self, keys: Sequence[str]) -> None:
        self._dismissed.update(keys)
        kept = json.dumps(sorted(self._dismissed))
        self._session.keep(
            lambda store: store.set_meta(DISMISSED, kept),
            lambda _: None,
            failed=lambda error: self._session.told.emit(str(error)),
        )

    def _drop(self, one: Doubt) -> None:
        found = self._found.get(one.image_id)
        if found is not None:
            left = tuple(each for each in found.doubts if each[0] != one)
            self._found[one.image_id] = structs.replace(found, doubts=left)

    # --- looking ----------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        self._turn += 1
        self._scan.stop()
        self._found, self._due, self.current, self._wanted = {}, set(), None, None
        turn, session, model = self._turn, self._session, self._session.measure.model

        def take(answer: tuple[list[int], list[str]]) -> None:
            if turn == self._turn:
                self._dismissed = set(answer[1])
                self._due.update(answer[0])
                self._look()

        if session.project is not None and model is not None:
            session.ask(
                lambda store: (store.agreements.images_with_candidates(model.id), _dismissed(store)), take
            )
        self.changed.emit()

    def _look(self) -> None:
        """Look at what is due; what comes meanwhile waits until that is done."""
        session, model = self._session, self._session.measure.model
        if self._scan.running or not self._due or model is None or session.project is None:
            return
        due, self._due = self._due, set()
        gone = [one for one in due if not self._counts(one)]
        for image_id in gone:
            self._found.pop(image_id, None)
        categories = Categories(session.document.categories.values(), session.focus.category)
        look = _Look(model, self._filtering.filter, categories, frozenset(self._dismissed))
        self._scan.start(sorted(due - set(gone)), look.on, took=self._take, done=self._end)

    def _counts(self, image_id: int) -> bool:
        image = self._session.document.find_image(image_id)
        return image is not None and image.reviewed and image_id not in self._session.strangers

    def _take(self, found: list[_Found]) -> None:
        self._found.update((one.image_id, one) for one in found)
        self.changed.emit()

    def _end(self) -> None:
        if self.current is not None and self.current not in self.queue:
            self.current = self._wanted = None
        self.changed.emit()
        if self._due:
            self._later.start()

    def _take_changes(self, changed: Changed) -> None:
        records = [change.record for change in changed.changes]
        touched = {one.id for one in records if isinstance(one, Image)}
        touched |= {one.image_id for one in records if isinstance(one, Annotation | Candidate)}
        if touched:
            self.touch(touched)
        self._say_when_there()

    def _say_when_there(self) -> None:
        """The image that a person was sent to is open, with its labels and its photo."""
        one, session = self._wanted, self._session
        if one is None or session.document.open_id != one.image_id or session.place.pixels is None:
            return
        if not session.document.is_read:
            return
        self._wanted = None
        found = self._found.get(one.image_id)
        box = next((box for doubt, box, _ in found.doubts if doubt == one), None) if found else None
        if one.annotation_id:
            session.focus.select([one.annotation_id])
        if box is not None:
            self.shown.emit(box, 0 if one.annotation_id else one.candidate_id)


class _Look:
    """Looks at one image after the other, on the writer's thread."""

    def __init__(
        self, model: Model, wanted: Filter, categories: Categories, dismissed: frozenset[str]
    ) -> None:
        self._model, self._categories, self._dismissed = model, categories, dismissed
        self._filter = structs.replace(wanted, confidence=min(wanted.confidence, FROM))

    def on(self, store: Store, image_id: int) -> _Found:
        """What is doubtful there; nothing where the image is not reviewed any more."""
        try:
            is_reviewed = store.image(image_id).reviewed
        except ProjectError:
            # an undone import took it away meanwhile
            is_reviewed = False
        if not is_reviewed:
            return _Found(image_id, ())
        raw = store.predictions.candidates(image_id, self._model.id, least=self._filter.confidence)
        kept = store.agreements.predictions(raw, self._model, self._filter)
        placed = [
            structs.replace(one, category_id=category)
            for one in kept
            if one.verdict != "rejected" and (category := self._categories.of(one))
        ]
        labels = store.annotations(image_id)
        shapes = {("label", one.id): one.shape for one in labels}
        shapes |= {("prediction", one.id): one.shape for one in placed}
        edited = {one.id: one.edited for one in labels}
        found = []
        for one in doubts(image_id, labels, placed):
            key = f"{one.kind} {one.annotation_id} {edited.get(one.annotation_id, 0.0):.3f}"
            if key not in self._dismissed:
                of = ("label", one.annotation_id) if one.annotation_id else ("prediction", one.candidate_id)
                found.append((one, bounds(shapes[of]), key))
        return _Found(image_id, tuple(found))


def _dismissed(store: Store) -> list[str]:
    try:
        return msgspec.json.decode(store.meta(DISMISSED) or "[]", type=list[str])
    except msgspec.DecodeError:
        return []  # of a project that somebody edited
