"""How good a model is on the project's own images: asked for here, worked out in a child, opened here."""

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.geometry import bounds
from labeler.core.model_titles import titles
from labeler.core.records import Annotation, Candidate, Image, Model
from labeler.evaluation import findings
from labeler.evaluation.findings import Evaluation
from labeler.evaluation.items import ObjectItem
from labeler.gui.children.task_client import TaskClient
from labeler.gui.evaluation.files import (
    EvaluationFiles,
    FileWriter,
    Material,
    read_ignored,
    read_material,
)
from labeler.gui.evaluation.scopes import EvaluationPlan, EvaluationRequest, moment
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool

T = TypeVar("T")


class EvaluationOutcome(Struct, frozen=True, eq=False):
    """An evaluation of one or two models on the same images."""

    request: EvaluationRequest
    scope: str
    """Of which images, in words."""
    models: tuple[Model, ...]
    titles: tuple[str, ...]
    """Of the models, as they are called among all of the project."""
    evaluations: tuple[Evaluation, ...]
    """Of each model; its image, truth and category ids are the project's."""
    candidates: tuple[tuple[int, ...], ...]
    """Of each model, the candidate id of each of its predictions; theirs are places from 1."""
    uncategorised: tuple[int, ...]
    """Of each model, how many predictions were left out since their class is no category here."""
    left_out: tuple[int, ...]
    """Ids of images of the scope that a model has nothing on."""
    unreviewed: int
    """How many of the images are not reviewed, so that what is not labelled there counts against a model."""
    labels: Path
    """The labels as COCO, with the images' absolute paths."""


class _Work(Struct, frozen=True, eq=False):
    """An evaluation under way; answers to an earlier one are known by it."""

    request: EvaluationRequest
    scope: str
    models: tuple[Model, ...]
    left_out: tuple[int, ...]
    folder: "TemporaryDirectory[str]"
    read: list[Material]


class EvaluationDesk(QObject):
    """Evaluates the project's models, one evaluation at a time. All methods return at once."""

    changed = Signal()
    """How far it is, what came out, or whether that still holds."""
    failed = Signal(str)
    """One sentence: the evaluation could not be made."""
    look_at = Signal(object)
    """A `Box` of the open image to bring into sight."""

    def __init__(self, session: Session, predictions: Predictions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._predictions = predictions
        self._courier = Courier(self)
        self._scan: ImageScan[Material | None] = ImageScan(session, self)
        self._work: _Work | None = None
        self._written: EvaluationFiles | None = None
        self._kept_folder: TemporaryDirectory[str] | None = None
        self._wanted: tuple[int, int | None, int | None] | None = None
        self.plan = EvaluationPlan(session, self)
        self.task = TaskClient(self)
        self.task.done.connect(self._load)
        self.task.failed.connect(self._fail)
        self.task.lost.connect(lambda sentence: self._fail(f"{sentence} Evaluate again."))
        self.outcome: EvaluationOutcome | None = None
        self.is_stale = False
        """Whether labels or predictions changed since `outcome` was begun."""
        session.project_changed.connect(self._take_project)
        session.document.changed.connect(self._note)

    # --- evaluating -------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether an evaluation is under way."""
        return self._work is not None

    @property
    def progress(self) -> tuple[int, int]:
        """How many images are read, of how many; (0, 0) when that is over."""
        return self._scan.progress

    def start(self, request: EvaluationRequest) -> None:
        """Evaluate; `changed` tells of its course, and `failed` of its failure."""
        self.stop()
        wanted = (request.model_id, request.against)
        models = tuple(m for key in wanted for m in self._session.document.models if m.id == key)
        images, left_out = self.plan.judged(request)
        if not models or not images:
            self.failed.emit("There is nothing to judge: the model has seen none of these images.")
            return
        folder = TemporaryDirectory(prefix="labeler-evaluation-", ignore_cleanup_errors=True)
        scope = self.plan.scope(request.scope).title
        work = self._work = _Work(request, scope, models, left_out, folder, [])
        self.is_stale = False

        def begin(ignored: dict[int, frozenset[str]]) -> None:
            if work is self._work:
                self._scan.start(
                    images,
                    lambda store, image_id: read_material(store, image_id, models),
                    took=self._take_read,
                    done=lambda: self._write(work, ignored),
                )

        self._session.ask(lambda store: read_ignored(store, models), begin, aside=True)
        self.changed.emit()

    def stop(self) -> None:
        """Give up the evaluation that is under way; what the last one found stays."""
        self._scan.stop()
        self.task.drop()  # it has nothing to save, and another one may be asked for at once
        work, self._work, self._written = self._work, None, None
        if work is not None:
            work.folder.cleanup()
            self.changed.emit()

    def close(self) -> None:
        """Have what is under way end: the window goes away."""
        self.stop()
        self._forget_outcome()

    def take_stored(self) -> None:
        """A run has stored new candidates."""
        self.plan.look()
        self._age()

    def _take_read(self, found: list[Material | None]) -> None:
        if self._work is not None:
            self._work.read.extend(one for one in found if one is not None)
            self.changed.emit()

    def _write(self, work: _Work, ignored: dict[int, frozenset[str]]) -> None:
        writer = FileWriter(
            Path(work.folder.name),
            root=self._session.root,
            categories=list(self._session.document.categories.values()),
            models=work.models,
            titles=self._titles(work.models),
            ignored=ignored,
            wanted=self._predictions.filter,
            by=work.request.by,
        )
        self._in_pool(work, lambda: writer.write(work.read), self._evaluate)
        self.changed.emit()

    def _evaluate(self, written: EvaluationFiles) -> None:
        self._written = written
        self.task.start(written.spec, title="The evaluation")

    def _load(self) -> None:
        written = self._written
        if self._work is not None and written is not None:
            self._in_pool(self._work, lambda: findings.load(Path(written.spec.out)), self._take_outcome)

    def _take_outcome(self, evaluations: tuple[Evaluation, ...]) -> None:
        work, written = self._work, self._written
        if work is None or written is None:
            return
        is_stale = self.is_stale  # what was changed since it was begun, it does not know
        self._forget_outcome()
        self.is_stale = is_stale
        self._work, self._written, self._kept_folder = None, None, work.folder
        self.outcome = EvaluationOutcome(
            request=work.request,
            scope=work.scope,
            models=work.models,
            titles=self._titles(work.models),
            evaluations=evaluations,
            candidates=written.candidates,
            uncategorised=written.uncategorised,
            left_out=work.left_out,
            unreviewed=sum(not one.image.reviewed for one in work.read),
            labels=Path(written.spec.labels),
        )
        told = zip(work.models, self.outcome.titles, evaluations, strict=True)
        self.plan.remember([moment(work.request.scope, m, title, e.summary) for m, title, e in told])
        self.changed.emit()

    def _titles(self, models: Iterable[Model]) -> tuple[str, ...]:
        called = titles(self._session.document.models)
        return tuple(called.get(model.id, model.name) for model in models)

    def _in_pool(self, work: _Work, do: Callable[[], T], done: Callable[[T], None]) -> None:
        """Have something done on a pool thread for the evaluation under way."""

        def take(found: T) -> None:
            if work is self._work:
                done(found)

        def fail(error: Exception) -> None:
            if work is self._work:
                self._fail(str(error))

        run_in_pool(do, courier=self._courier, done=take, failed=fail)

    def _fail(self, sentence: str) -> None:
        self.stop()
        self.failed.emit(sentence)

    # --- keeping up -------------------------------------------------------------------------------

    def _take_project(self) -> None:
        self.stop()
        self._wanted = None
        self._forget_outcome()
        self.changed.emit()

    def _forget_outcome(self) -> None:
        self.outcome, self.is_stale = None, False
        if self._kept_folder is not None:
            self._kept_folder.cleanup()
            self._kept_folder = None

    def _note(self, changed: Changed) -> None:
        if changed.by == "open":
            self._show_wanted()
        if any(isinstance(change.record, Annotation | Image | Candidate) for change in changed.changes):
            self._age()

    def _age(self) -> None:
        if not self.is_stale and (self.outcome is not None or self.is_running):
            self.is_stale = True
            self.changed.emit()

    # --- what is behind the numbers ---------------------------------------------------------------

    def open(self, item: ObjectItem, *, place: int) -> None:
        """Open the image of an item of the outcome's model at that place, and select what it is about."""
        outcome = self.outcome
        if outcome is None:
            return
        model = outcome.models[place]
        if self._session.measure.model is None or self._session.measure.model.id != model.id:
            self._session.measure.choose_model(model)
        said = None if item.prediction_id is None else outcome.candidates[place][item.prediction_id - 1]
        self._wanted = item.image_id, said, item.truth_id
        opened = self._session.place.image
        if opened is not None and opened.id == item.image_id:
            self._show_wanted()
        else:
            self._session.place.go_to(item.image_id)

    def use_confidence(self, confidence: float, *, place: int) -> None:
        """Have the predictions of the outcome's model at that place filtered by a confidence."""
        if self.outcome is not None:
            self._session.measure.choose_model(self.outcome.models[place])
            self._predictions.set_filter(confidence=round(confidence, 2))

    def write_report(self, path: Path, *, confidence: float, done: Callable[[str], None]) -> None:
        """Write the outcome as one HTML file, on a pool thread; `done` gets one sentence about it."""
        outcome = self.outcome
        if outcome is None:
            return
        root = self._session.root
        images = {image.id: root / image.path for image in self._session.document.images}

        def work() -> str:
            from labeler.evaluation.html_report import write_report  # noqa: PLC0415 - only who asks pays for it

            write_report(path, outcome.evaluations, images=images, confidence=confidence)
            return f"The report is written: {path}"

        run_in_pool(work, courier=self._courier, done=done, failed=lambda error: done(str(error)))

    def _show_wanted(self) -> None:
        """Select what was asked for, now that its image is read; what is gone by now is left aside."""
        if self._wanted is None:
            return
        image_id, said, truth = self._wanted
        self._wanted = None
        session = self._session
        if session.place.image is None or session.place.image.id != image_id:
            return  # nobody went there, and later it is not asked for any more
        session.focus.select([] if truth is None else [truth])
        self._predictions.select([] if said is None else [said], keep=True)
        annotation = session.document.annotations.get(truth or 0)
        candidate = session.document.candidates.get(said or 0)
        shape = annotation.shape if annotation else candidate.shape if candidate else None
        if shape is not None:
            self.look_at.emit(bounds(shape))
