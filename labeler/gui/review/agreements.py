"""How the whole set agrees with each model, kept up to date edit by edit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal, SignalInstance

from labeler.core.filtering import Filter
from labeler.core.geometry import bounds
from labeler.core.measures.agreement import MATCHED_FROM
from labeler.core.measures.effort import Effort
from labeler.core.measures.set_agreement import (
    AgreementMoment,
    AgreementTally,
    ImageMeasure,
    by_category,
    course,
    measure,
    summed,
    worst_first,
)
from labeler.core.records import Annotation, Category, Image, Model, Shape
from labeler.errors import ProjectError
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.timing import timer
from labeler.project.agreement_history import KnownModel
from labeler.project.store import Store

_SETTLE_MS = 300
"""Pause after an edit before its image is measured."""
_FILTER_MS = 800
"""Pause after a step of a slider before the set is measured with it."""

Measured = tuple[int, ImageMeasure]
"""A model's id and how an image agrees with it."""


class Filtering(Protocol):
    """Where it is decided which candidates are predictions."""

    @property
    def filter(self) -> Filter:
        """What a person set."""

    @property
    def changed(self) -> SignalInstance:
        """Emitted when the filter is another one."""


class ImageMeasurer:
    """Measures one image against models, by fixed settings; for the writer's thread."""

    def __init__(self, models: Iterable[Model], wanted: Filter, threshold: float) -> None:
        self._models = {model.id: model for model in models}
        self.filter = wanted
        self._threshold = threshold

    @property
    def model_ids(self) -> Iterable[int]:
        """The models measured against."""
        return self._models.keys()

    def settings(self, model_id: int) -> str:
        """What a measure depends on beside labels and candidates, as the project file keeps it."""
        one = self.filter
        if self._models[model_id].suppressed:
            one = replace(one, kind="none", iou=0.0)
        return f"{one.confidence:.3f} {one.iou:.3f} {one.kind} {one.top_k} {self._threshold:.3f}"

    def measure(self, store: Store, image_id: int) -> tuple[int, list[Measured]]:
        """The measures of an image by each model that saw it; empty ones where nobody labelled it yet."""
        try:
            image = store.image(image_id)
        except ProjectError:
            # an undone import took it away meanwhile
            return image_id, []
        seen = store.agreements.models_on(image_id) & self._models.keys()
        if not store.agreements.is_labelled(image_id):
            return image_id, [(model_id, ImageMeasure(image_id, {})) for model_id in seen]
        annotations = store.annotations(image_id)
        return image_id, [(key, self._measure(store, image, annotations, key)) for key in seen]

    def _measure(
        self, store: Store, image: Image, annotations: Sequence[Annotation], model_id: int
    ) -> ImageMeasure:
        candidates = store.predictions.candidates(image.id, model_id, least=self.filter.confidence)
        kept = store.agreements.predictions(candidates, self._models[model_id], self.filter)
        accepted = {annotation.prediction_id for annotation in annotations}
        shown = {candidate.id for candidate in kept}
        # what was accepted is measured against also when a slider hides it now
        meant = [*kept, *(c for c in candidates if c.id in accepted - shown)]
        size = covering_size(image, [*(a.shape for a in annotations), *(c.shape for c in meant)])
        return measure(image.id, annotations, meant, size=size, threshold=self._threshold)


class SetAgreements(QObject):
    """The agreement of every labelled image with every model. All methods return at once."""

    changed = Signal()
    """Some measure is another one, or the set is being measured and came further."""

    def __init__(self, session: Session, filtering: Filtering, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._filtering = filtering
        self._measures: dict[int, dict[int, ImageMeasure]] = {}
        self._seen: dict[int, int] = {}
        self._due: dict[int, None] = {}
        self._touched: dict[int, None] = {}
        self._turn = 0
        self._threshold = MATCHED_FROM
        self._measurer = ImageMeasurer((), filtering.filter, MATCHED_FROM)
        self._scan: ImageScan[tuple[int, list[Measured]]] = ImageScan(session, self)
        self._settle = timer(self, self._measure_touched, milliseconds=_SETTLE_MS)
        self._filtered = timer(self, self.refresh, milliseconds=_FILTER_MS)
        self._read_anew = timer(self, self.refresh)
        session.project_changed.connect(self._take_project)
        session.document.images_changed.connect(self._take_images)
        session.document.changed.connect(self._note)
        session.measure.model_changed.connect(self._take_model)
        filtering.changed.connect(self._take_filter)
        self._read_anew.start()

    # --- what is known ----------------------------------------------------------------------------

    @property
    def model(self) -> Model | None:
        """The model that the numbers are of: the session's, else the newest."""
        models = self._session.document.models
        return self._session.measure.model or (models[-1] if models else None)

    @property
    def threshold(self) -> float:
        """The IoU from which a prediction and an annotation are a pair."""
        return self._threshold

    @property
    def filter(self) -> Filter:
        """What the predictions were chosen by when they were measured."""
        return self._measurer.filter

    @property
    def measures(self) -> Mapping[int, ImageMeasure]:
        """Image id to its agreement with `model`, of labelled images."""
        return self._measures.get(self.model.id, {}) if self.model else {}

    @property
    def seen(self) -> int:
        """How many images `model` has seen, labelled or not."""
        return self._seen.get(self.model.id, 0) if self.model else 0

    @property
    def progress(self) -> tuple[int, int]:
        """How many images are measured of those that are to be, while that goes on; else (0, 0)."""
        return self._scan.progress

    def total(self) -> AgreementTally:
        """Over the set."""
        return summed(one.total for one in self.measures.values())

    def categories(self) -> dict[int, AgreementTally]:
        """Over the set, by category id."""
        return by_category(self.measures.values())

    def versions(self) -> list[tuple[Model, AgreementTally]]:
        """The set by each model that was measured, in order of first use."""
        return [
            (model, summed(one.total for one in self._measures[model.id].values()))
            for model in self._session.document.models
            if self._measures.get(model.id)
        ]

    def worst_first(self, category_id: int | None = None) -> list[int]:
        """Image ids by rising quality, of one category or all; images without an object are left out."""
        return worst_first(self.measures.values(), category_id=category_id)

    def quality(self) -> dict[int, float]:
        """Image id to its panoptic quality, where it has an object."""
        found = ((key, one.total.quality) for key, one in self.measures.items())
        return {key: quality for key, quality in found if quality is not None}

    def ask_history(self, done: Callable[[list[AgreementMoment]], None]) -> None:
        """Hand over soon how the set went over time by the present settings."""
        model, measurer = self.model, self._measurer
        if model is not None and model.id in measurer.model_ids:
            settings = measurer.settings(model.id)
            self._session.ask(
                lambda store: course(store.agreements.history(model.id, settings)), done, aside=True
            )
        else:
            done([])

    def ask_effort(self, done: Callable[[Effort], None]) -> None:
        """Hand over soon what labelling has cost, and what became of the model's predictions."""
        model_id = self.model.id if self.model else None
        self._session.ask(lambda store: store.agreements.effort(model_id), done, aside=True)

    # --- keeping it up to date --------------------------------------------------------------------

    def set_threshold(self, iou: float) -> None:
        """Pair from another IoU; the set is measured anew."""
        if iou != self._threshold:
            self._threshold = iou
            self.refresh()

    def touch(self, image_ids: Iterable[int]) -> None:
        """Have images measured again, such as those that a run brought candidates for."""
        self._touched.update(dict.fromkeys(image_ids))
        self._settle.start()

    def refresh(self) -> None:
        """Look up all that is known by the present settings, and measure the rest in the background."""
        self._turn += 1
        self._scan.stop()
        self._due, self._touched = {}, {}
        models = list(self._session.document.models)
        self._measurer = measurer = ImageMeasurer(models, self._filtering.filter, self._threshold)
        if self._session.project is None:
            self._measures, self._seen = {}, {}
            self.changed.emit()
            return
        turn = self._turn

        def forget(store: Store) -> None:
            for key in measurer.model_ids:
                store.agreements.forget_old_settings(key)

        def look_up(store: Store) -> dict[int, KnownModel]:
            return {key: store.agreements.known(key, measurer.settings(key)) for key in measurer.model_ids}

        if not self._session.read_only:
            self._session.ask(forget, _ignore)
        self._session.ask(look_up, lambda known: self._take_known(turn, known), aside=True)

    def measure_anew(self) -> None:
        """Measure every image again, as after a model's classes were mapped to other categories."""
        self.touch([key for known in self._measures.values() for key in known])

    def _take_known(self, turn: int, known: Mapping[int, KnownModel]) -> None:
        if turn != self._turn:
            return
        self._measures = {key: dict(one.measures) for key, one in known.items()}
        self._seen = {key: one.seen for key, one in known.items()}
        first = self.model.id if self.model else 0
        for key in sorted(known, key=lambda key: key != first):
            self._due.update(dict.fromkeys(known[key].due))
        self._go_on()
        self.changed.emit()

    def _measure_touched(self) -> None:
        touched, self._touched = self._touched, {}
        self._due = touched | self._due
        self._go_on()

    def _go_on(self) -> None:
        if self._due and self._session.project is not None:
            self._scan.start(list(self._due), self._measurer.measure, took=self._take, done=self._count_seen)

    def _count_seen(self) -> None:
        """At the end of a scan: a run may have shown its model more images."""
        turn, model_ids = self._turn, list(self._measurer.model_ids)

        def take(seen: dict[int, int]) -> None:
            if turn == self._turn:
                self._seen = seen
                self.changed.emit()

        self._session.ask(
            lambda store: {key: store.agreements.seen(key) for key in model_ids}, take, aside=True
        )
        self.changed.emit()

    def _take(self, found: list[tuple[int, list[Measured]]]) -> None:
        by_model: dict[int, list[ImageMeasure]] = {}
        for image_id, measured in found:
            self._due.pop(image_id, None)
            for model_id, one in measured:
                by_model.setdefault(model_id, []).append(one)
                known = self._measures.setdefault(model_id, {})
                if one.categories:
                    known[image_id] = one
                else:
                    known.pop(image_id, None)
        if not self._session.read_only:
            self._keep(by_model)
        self.changed.emit()

    def _keep(self, by_model: Mapping[int, list[ImageMeasure]]) -> None:
        settings = {model_id: self._measurer.settings(model_id) for model_id in by_model}

        def work(store: Store) -> None:
            with store.transaction():
                for model_id, measures in by_model.items():
                    store.agreements.keep(model_id, settings[model_id], measures)

        self._session.ask(work, _ignore)

    def _take_project(self) -> None:
        # what was asked of the one before is not for this one
        self._turn += 1
        self._read_anew.start()

    def _take_images(self, image_ids: tuple[int, ...]) -> None:
        if not image_ids:
            self._read_anew.start()

    def _take_model(self) -> None:
        """A run may have brought a model that nothing was measured against yet."""
        if {model.id for model in self._session.document.models} != set(self._measurer.model_ids):
            self._read_anew.start()
        self.changed.emit()

    def _take_filter(self) -> None:
        if self._filtering.filter != self._measurer.filter:
            self._filtered.start()

    def _note(self, changed: Changed) -> None:
        records = (change.record for change in changed.changes)
        touched = [
            r.id if isinstance(r, Image) else r.image_id for r in records if not isinstance(r, Category)
        ]
        if touched:
            self.touch(touched)


def _ignore(_: object) -> None:
    """Nobody waits for it."""


def covering_size(image: Image, shapes: Sequence[Shape]) -> tuple[int, int]:
    """(H, W) of an image, and of what lies on it where its file was never read."""
    if image.width:
        return image.height, image.width
    boxes = [bounds(shape) for shape in shapes]
    return (
        int(max((box.y1 for box in boxes), default=0)) + 1,
        int(max((box.x1 for box in boxes), default=0)) + 1,
    )
