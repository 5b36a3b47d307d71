"""Learn while a person labels: a small model is trained quietly on what is done, and predicts the next.

It begins when edits have settled, gives way to everything a person starts, and never has two things to do:
what changes meanwhile is learnt in the next round. As long as little is labelled nothing is fitted: it looks
for what is like the objects that are there, on the open image too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.measures.overlap import box_iou
from labeler.core.records import Annotation, Category, Image
from labeler.core.review_order import corners
from labeler.errors import LabelerError
from labeler.gui.children.predict_client import JobResult, PredictClient
from labeler.gui.children.task_client import TaskClient
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted
from labeler.gui.training import files
from labeler.gui.training.desk import TrainingDesk
from labeler.project.runs import Run, runs_folder
from labeler.training.events import Event, Failed, Finished, Note
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import Value
from labeler.wire.job_protocol import Predicted, PredictSpec, TrainSpec, unpack_candidates

if TYPE_CHECKING:
    from labeler.core.records import Candidate, Change, Model
    from labeler.gui.predictions.batch import Batch

Doing: TypeAlias = Literal["", "learning", "predicting"]

TRAINER = "instant"
"""What learns in seconds."""
NAME = "Learnt while labelling"
"""What its predictions are kept under: one model, whose predictions each round replaces."""
LEAST = 3
"""Labelled images from which it is worth learning; with fewer, look-alikes are looked for."""
NEXT = 12
"""So many of the next unlabelled images are predicted."""
SETTLE_MS = 2500
"""Without an edit."""
SOON_MS = 300
"""The same as long as look-alikes are looked for: a person waits for them."""
WORTH = 0.5
"""The least confidence: a wrong one costs an act and a look, a right one saves two clicks."""
_SAME = 0.5
"""IoU with a label from which on it is what is labelled already."""

_log = logging.getLogger(__name__)


class Learner(QObject):
    """Off until it is switched on. All methods return at once."""

    changed = Signal()
    """It does something else, or says something else."""
    switched = Signal(bool)
    """A person switched it on or off."""
    predicted = Signal(tuple)
    """Ids of images that have other predictions now."""
    hinted = Signal(str)
    """What to do with the first look-alikes; once."""

    def __init__(
        self,
        session: Session,
        desk: TrainingDesk,
        batch: Batch | None = None,
        parent: QObject | None = None,
        *,
        settle_ms: int = SETTLE_MS,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._desk = desk
        self._batch = batch
        self._courier = Courier(self)
        self._scan: ImageScan[tuple[Annotation, ...]] = ImageScan(session, self)
        self._tasks = TaskClient(self, limits=replace(TaskClient.LIMITS, save=1.0))
        self._jobs = PredictClient(self, limits=replace(PredictClient.LIMITS, restarts=0))
        self._is_on = self._is_stale = False
        self._settle_ms = settle_ms
        self._is_little = True
        """Whether the last round, or the one under way, was by look-alikes."""
        self._alike: set[int] = set()
        """Images whose predictions are look-alikes of what is, or was, labelled."""
        self._has_hinted = False
        self._turn = 0
        self._folder: RunFolder | None = None
        self._weights: Path | None = None
        self._model: Model | None = None
        self.doing: Doing = ""
        self.words = ""
        """What it has come to, in a few words."""
        self.why = ""
        """What the last round found out of itself: how good it is, and which way it took."""
        self._settle = timer(self, self._consider, milliseconds=settle_ms)
        self._tasks.told.connect(self._on_told)
        self._tasks.done.connect(self._on_learnt)
        self._tasks.stopped.connect(self._on_stopped)
        self._tasks.failed.connect(self._give_up)
        self._tasks.lost.connect(self._give_up)
        self._jobs.predicted.connect(self._on_predicted)
        self._jobs.finished.connect(self._on_finished)
        self._jobs.failed.connect(self._give_up)
        session.document.changed.connect(self._on_edit)
        session.place.image_changed.connect(self._on_image)
        session.project_changed.connect(self._on_project)
        desk.changed.connect(self._give_way)
        if batch is not None:
            batch.changed.connect(self._give_way)

    @property
    def is_on(self) -> bool:
        """Whether it is switched on."""
        return self._is_on

    @property
    def _finds_look_alikes(self) -> bool:
        """Whether an object is enough for it."""
        spec = self._desk.trainer(TRAINER)
        return spec is not None and spec.least <= 1

    @property
    def is_available(self) -> bool:
        """Whether there is a model that learns in seconds."""
        return self._desk.trainer(TRAINER) is not None

    @property
    def told(self) -> str:
        """What it is at, or has come to, in a few words; "" while it is off."""
        if not self._is_on:
            return ""
        return {"": self.words, "learning": "Learning", "predicting": "Predicting the next images"}[
            self.doing
        ]

    def set_on(self, on: bool) -> None:
        """Learn from now on, with what is labelled already; or no longer."""
        if on == self._is_on:
            return
        self._is_on, self._is_stale, self.words = on, on, ""
        if on:
            self._start_soon()
        else:
            self._settle.stop()
            self._stop()
        self.switched.emit(on)
        self.changed.emit()

    def close(self) -> None:
        """Have what is under way end: the window goes away."""
        self._is_on = False
        self._stop()
        self._tasks.drop()

    # --- when -------------------------------------------------------------------------------------

    def _on_edit(self, changed: Changed) -> None:
        if any(isinstance(change.record, Annotation | Category | Image) for change in changed.changes):
            self._is_stale = True
            if self.doing and self._is_little and any(_takes_back(change) for change in changed.changes):
                self._stop()
            self._wait()

    def _on_image(self) -> None:
        """The image that was open is done as far as one can tell."""
        self._wait()

    def _wait(self) -> None:
        if self._is_on and self._is_stale and not self.doing:
            self._start_soon()

    def _start_soon(self) -> None:
        self._settle.start(min(SOON_MS, self._settle_ms) if self._is_little else self._settle_ms)

    def _give_way(self) -> None:
        """A person has started something: stop; when that is over, begin anew."""
        if self._is_others_turn():
            if self.doing:
                self._is_stale = True
                self._stop()
        else:
            self._wait()

    def _is_others_turn(self) -> bool:
        return self._desk.is_busy or (self._batch is not None and self._batch.is_running)

    def _on_project(self) -> None:
        self._stop()
        self._is_stale, self._model, self.words = self._is_on, None, ""
        self._is_little = True
        self._alike.clear()
        self._wait()
        self.changed.emit()

    def _stop(self) -> None:
        self._turn += 1
        self._settle.stop()
        self._scan.stop()
        self._tasks.stop()
        self._jobs.drop()
        if not self._tasks.is_running:
            self._discard()
        self._is_doing("")

    # --- learning ---------------------------------------------------------------------------------

    def learnable(self) -> list[Image]:
        """The images to learn from: labelled, and not the one that is being worked at."""
        session, here = self._session, self._session.place.image
        return [
            image
            for image in session.document.images
            if any(session.document.counts(image.id).values())
            and (image.reviewed or here is None or image.id != here.id)
        ]

    def labelled(self) -> list[Image]:
        """The images that have objects, also the open one."""
        document = self._session.document
        return [image for image in document.images if any(document.counts(image.id).values())]

    def upcoming(self) -> list[Image]:
        """The next images without objects, from the open one on, which is among them for look-alikes."""
        session, here = self._session, self._session.place.image
        order = list(session.place.order)
        start = (session.place.position(here.id) or 0) if here is not None else 0
        ids = order[start:] + order[:start]
        images = (session.document.find_image(image_id) for image_id in ids)
        empty = (
            i
            for i in images
            if i
            and not i.reviewed
            and (
                not any(session.document.counts(i.id).values())
                or (self._is_little and here is not None and i.id == here.id)
            )
        )
        return [image for image, _ in zip(empty, range(NEXT), strict=False)]

    def _consider(self) -> None:
        session = self._session
        if not self._is_on or self.doing or session.project is None or session.read_only:
            return
        if self._is_others_turn() or not self.is_available or self._tasks.is_running:
            return
        images = self.learnable()
        self._is_little = len(images) < LEAST
        if self._is_little and not self._finds_look_alikes:
            self._say(f"It begins with {LEAST} labelled images; {len(images)} so far")
            return
        if self._is_little:
            images = self.labelled()
        self._is_stale = False
        if not images:
            self._say("It begins with the first object")
            self._forget_look_alikes()
            return
        self._turn += 1
        turn = self._turn
        found: list[tuple[Annotation, ...]] = []
        self._is_doing("learning")
        self._scan.start(
            [image.id for image in images],
            lambda store, image_id: store.annotations(image_id),
            took=found.extend,
            done=lambda: self._make(turn, images, found),
        )

    def _make(self, turn: int, images: list[Image], annotations: list[tuple[Annotation, ...]]) -> None:
        flat = tuple(annotation for one in annotations for annotation in one)
        labels = files.RunLabels(tuple(images), tuple(self._session.document.categories.values()), flat)
        options: dict[str, Value] = {"steps": 0} if self._is_little else {}
        spec = RunSpec(trainer=TRAINER, name=NAME, options=options, validation_share=0.0, register=False)
        path, root = runs_folder() / f"learning-{spec.id}", self._session.root
        run_in_pool(
            lambda: files.make_run(path, spec, labels, root=root),
            courier=self._courier,
            done=lambda folder: self._begin(turn, folder),
            failed=lambda error: self._give_up(str(error)),
        )

    def _begin(self, turn: int, folder: RunFolder) -> None:
        self._folder = folder
        if turn != self._turn or self._tasks.is_running:
            self._discard()
            return
        self._weights, self.why = None, ""
        self._tasks.start(TrainSpec(str(folder.path)), title=NAME)

    def _on_told(self, event: Event) -> None:
        match event:
            case Finished(weights=weights) if self._folder is not None:
                self._weights = self._folder.path / weights
            case Note(sentence=sentence) if not self.why:
                self.why = sentence
            case Failed(sentence=sentence):
                self._say(sentence)

    def _on_stopped(self) -> None:
        self._discard()
        self._wait()

    def _on_learnt(self) -> None:
        weights, images = self._weights, self.upcoming()
        if self.doing != "learning":
            return
        if weights is None or not images:
            self._end()
            return
        turn = self._turn
        self._session.keep(
            lambda store: store.predictions.ensure_model(NAME, "", suppressed=True),
            lambda model: self._predict(turn, weights, images, model),
            failed=lambda error: self._give_up(str(error)),
        )

    def _predict(self, turn: int, weights: Path, images: list[Image], model: Model) -> None:
        if turn != self._turn:
            return
        self._model = model
        if self._session.measure.model is None:
            self._session.measure.add_model(model)
        wanted = tuple((image.id, str(self._session.place.image_path(image))) for image in images)
        self._is_doing("predicting")
        self._jobs.start(PredictSpec(str(weights), wanted), title=NAME)

    def _on_predicted(self, message: Predicted) -> None:
        model, image_id = self._model, message.image_id
        document, here = self._session.document, self._session.place.image
        if model is None or self.doing != "predicting":
            return
        is_open = self._is_little and here is not None and here.id == image_id
        if any(document.counts(image_id).values()) and not is_open:
            return  # labelled meanwhile: it needs no prediction any more
        found = unpack_candidates(message.found)
        if self._is_little:
            found = fresh_finds(found, document.annotations.values() if is_open else ())
            self._alike.add(image_id)
        if is_open and found and not self._has_hinted:
            self._has_hinted = True
            self.hinted.emit(
                "Look-alikes: Ctrl+Shift+Enter accepts all that are shown, a right click rejects one."
            )
        self._store(model, image_id, found)

    def _store(self, model: Model, image_id: int, found: tuple[Candidate, ...]) -> None:
        def show(_: object) -> None:
            self._session.refresh_candidates(image_id)
            self.predicted.emit((image_id,))

        self._session.keep(
            lambda store: store.predictions.record_run(model.id, image_id, found),
            show,
            failed=lambda error: _log.info("%s", error),
        )

    def _forget_look_alikes(self) -> None:
        """What they were like is there no more."""
        alike, self._alike, model = self._alike, set(), self._model
        if model is not None:
            for image_id in alike:
                self._store(model, image_id, ())

    def _on_finished(self, result: JobResult) -> None:
        if self.doing == "predicting" and not result.cancelled:
            done = "Looked for look-alikes" if self._is_little else "Learnt"
            self._say(f"{done}; predicted {counted(result.predicted, 'image')}")
            self._end()

    def _give_up(self, sentence: str) -> None:
        """It is not worth a message of its own: the next edit begins another round."""
        _log.info("%s", sentence)
        self._say(sentence)
        self._end()

    def _end(self) -> None:
        self._discard()
        self._is_doing("")
        self._wait()

    def _discard(self) -> None:
        """The folder of a round has done its duty."""
        folder, self._folder = self._folder, None
        if folder is not None:
            run = Run(0, str(folder.path), NAME, TRAINER, 0, 0.0)
            run_in_pool(
                lambda: files.delete_run(run),
                courier=self._courier,
                done=lambda _: None,
                failed=lambda error: _log.info("%s", error),
            )

    def _is_doing(self, what: Doing) -> None:
        if what != self.doing:
            self.doing = what
            self.changed.emit()

    def _say(self, words: str) -> None:
        self.words = words
        self.changed.emit()


def fresh_finds(found: Iterable[Candidate], labelled: Iterable[Annotation]) -> tuple[Candidate, ...]:
    """The candidates of an image that are likely enough, and of nothing that is labelled on it."""
    likely = tuple(one for one in found if one.confidence >= WORTH)
    known = tuple(labelled)
    if not likely or not known:
        return likely
    overlaps = box_iou(corners([one.shape for one in likely]), corners([one.shape for one in known])).max(
        axis=1
    )
    return tuple(one for one, overlap in zip(likely, overlaps.tolist(), strict=True) if overlap < _SAME)


def _takes_back(change: Change) -> bool:
    """Whether something is gone, or called otherwise, that a round under way may look for."""
    return change.after is None or isinstance(change.record, Category)


def sweep_old_rounds() -> None:
    """Delete what rounds of a program that was killed have left; for a thread of the pool."""
    for path in runs_folder().glob("learning-*"):
        try:
            if RunFolder(path).state != "running":
                files.delete_run(Run(0, str(path), NAME, TRAINER, 0, 0.0))
        except LabelerError as error:
            _log.info("%s", error)
