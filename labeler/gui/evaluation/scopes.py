"""What a model may be judged on: the images of the project, of which the model has said something on some."""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Box, Model
from labeler.errors import LabelerError
from labeler.evaluation.findings import By, Summary
from labeler.gui.session.session import Session
from labeler.gui.toolkit.timing import timer
from labeler.project.runs import Run, own_folder
from labeler.project.store import Store

REVIEWED, SHOWN = "reviewed", "shown"
"""Scopes beside those of the runs."""
HISTORY = "evaluations"
"""The project's setting that keeps what earlier evaluations came to."""
MOMENTS_KEPT = 200
_RUNS_OFFERED = 8


class EvaluationRequest(Struct, frozen=True):
    """What a person asked for."""

    scope: str
    """Which images: `REVIEWED`, `SHOWN`, or the key of a run's validation images."""
    model_id: int
    against: int | None = None
    """The model that it is compared with."""
    by: By = "box"
    count_empty: bool = False
    """Whether images on which a model has nothing count as ones where it found nothing."""


class Scope(Struct, frozen=True):
    """Images that a model may be judged on."""

    key: str
    title: str
    images: tuple[int, ...]
    """Ids, in the project's order."""


class HistoryEntry(Struct, frozen=True):
    """What an evaluation came to, as the history keeps it."""

    created: float
    """Seconds since 1970, UTC."""
    scope: str
    model_id: int
    title: str
    by: By
    images: int
    truths: int
    ap: float | None
    ap50: float | None


class _Known(Struct, frozen=True):
    seen: dict[int, frozenset[int]]
    masked: frozenset[int]
    validation: tuple[Scope, ...]
    history: tuple[HistoryEntry, ...]


class EvaluationPlan(QObject):
    """Keeps up with what can be judged; reads the project when `look` is called, and after it changed."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._known = _Known({}, frozenset(), (), ())
        self._look_soon = timer(self, self._look)
        session.project_changed.connect(self._forget)
        session.document.images_changed.connect(self._take_images)
        session.measure.model_changed.connect(self.look)
        self.look()

    def look(self) -> None:
        """Find out which models have said something on which images; `changed` follows."""
        self._look_soon.start()

    @property
    def models(self) -> list[Model]:
        """The models that have seen images, newest first."""
        return [model for model in reversed(self._session.document.models) if self.seen(model.id)]

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """Earlier evaluations of this project, oldest first."""
        return self._known.history

    def seen(self, model_id: int) -> frozenset[int]:
        """Ids of the images that a model has said something on, or was run on."""
        return self._known.seen.get(model_id, frozenset())

    def has_masks(self, model_id: int) -> bool:
        """Whether a model's candidates are masks."""
        return model_id in self._known.masked

    def scopes(self) -> list[Scope]:
        """What a model may be judged on, what is most trusted first."""
        reviewed = tuple(image.id for image in self._session.document.images if image.reviewed)
        shown = tuple(self._session.place.order)
        return [
            Scope(REVIEWED, "Reviewed images", reviewed),
            Scope(SHOWN, "Images shown", shown),
            *self._known.validation,
        ]

    def scope(self, key: str) -> Scope:
        """The scope of that key; the first where there is none."""
        scopes = self.scopes()
        return next((scope for scope in scopes if scope.key == key), scopes[0])

    def judged(self, request: EvaluationRequest) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of the images that would be judged, and of those left out since a model has nothing there."""
        images = self.scope(request.scope).images
        models = [request.model_id] if request.against is None else [request.model_id, request.against]
        seen = frozenset.intersection(*(self.seen(model_id) for model_id in models))
        if request.count_empty:
            return images, ()
        return tuple(i for i in images if i in seen), tuple(i for i in images if i not in seen)

    def remember(self, moments: Sequence[HistoryEntry]) -> None:
        """Add to the history, in the project too where it can be written to."""
        history = (*self.history, *moments)[-MOMENTS_KEPT:]
        self._known = msgspec.structs.replace(self._known, history=history)
        if not self._session.read_only:
            text = msgspec.json.encode(history).decode()
            self._session.ask(lambda store: store.set_meta(HISTORY, text), _ignore)
        self.changed.emit()

    def _look(self) -> None:
        if self._session.project is None:
            return
        project, models = self._session.project, list(self._session.document.models)

        def take(known: _Known) -> None:
            if project == self._session.project:
                self._known = known
                self.changed.emit()

        self._session.ask(lambda store: _known(store, models), take, aside=True)

    def _forget(self) -> None:
        self._known = _Known({}, frozenset(), (), ())
        self.changed.emit()
        self.look()

    def _take_images(self, image_ids: tuple[int, ...]) -> None:
        if image_ids:
            self.changed.emit()
        else:
            self.look()


def moment(scope: str, model: Model, title: str, summary: Summary) -> HistoryEntry:
    """What the history keeps of an evaluation."""
    return HistoryEntry(
        created=time.time(),
        scope=scope,
        model_id=model.id,
        title=title,
        by=summary.by,
        images=summary.images,
        truths=summary.truths,
        ap=summary.figures.ap,
        ap50=summary.figures.ap50,
    )


def _known(store: Store, models: Sequence[Model]) -> _Known:
    """On the writer's thread: a few look-ups by index for each model."""
    seen: dict[int, frozenset[int]] = {}
    masked: set[int] = set()
    for model in models:
        having = store.agreements.images_with_candidates(model.id)
        seen[model.id] = frozenset(having) | store.predictions.predicted_images(model.id)
        if having and not isinstance(store.predictions.candidates(having[0], model.id)[0].shape, Box):
            masked.add(model.id)
    ids = {image.id for image in store.images()}
    finished = [run for run in store.runs.list() if run.state == "finished"][:_RUNS_OFFERED]
    validation = (_validation_scope(run, ids) for run in finished)
    return _Known(seen, frozenset(masked), tuple(s for s in validation if s.images), _history(store))


class _Numbered(Struct):
    id: int


class _Numbers(Struct):
    images: list[_Numbered]


def _validation_scope(run: Run, known: set[int]) -> Scope:
    """The images that a run never learnt from; none where its folder is gone."""
    try:
        text = (own_folder(run) / "held_out.json").read_bytes()
        images = msgspec.json.decode(text, type=_Numbers).images
    except (LabelerError, OSError, msgspec.DecodeError):
        images = []
    inside = tuple(image.id for image in images if image.id in known)
    return Scope(key_of_run(run.id), f"Held out by {run.name}", inside)


def key_of_run(run_id: int) -> str:
    """The key of the scope of a run's validation images."""
    return f"run {run_id}"


def _history(store: Store) -> tuple[HistoryEntry, ...]:
    """What was kept; nothing where a newer version has written something else."""
    try:
        return msgspec.json.decode(store.meta(HISTORY) or "[]", type=tuple[HistoryEntry, ...])
    except msgspec.DecodeError:
        return ()


def _ignore(_: object) -> None:
    """Nobody waits for it."""
