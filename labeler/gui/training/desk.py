"""The training side of one window: starts runs, hears them, brings them back, and keeps the list of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Annotation
from labeler.gui.children.client import Limits
from labeler.gui.children.task_client import TaskClient
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted
from labeler.gui.training import files
from labeler.gui.training.course import Course
from labeler.gui.training.files import ReadRun, RunLabels
from labeler.gui.training.model_exports import ModelExports
from labeler.gui.training.planner import Planner, Scope
from labeler.gui.training.run_list import RunList, sentence_of
from labeler.project.runs import Run, own_folder, runs_folder
from labeler.training.events import Epoch, Event
from labeler.training.run import Outcome, RunFolder, RunSpec
from labeler.wire.job_protocol import TrainSpec

if TYPE_CHECKING:
    from labeler.registry import Registry
    from labeler.training.specs import TrainerSpec

Phase: TypeAlias = Literal["", "preparing", "running", "stopping"]

RESTARTS = 3
"""So often in a row a lost run goes on by itself; an epoch that comes through forgives what was before."""
_COMPARED = ("AP50", "AP", "mask AP50", "mask AP", "Dice")
"""What models are compared by where they were not chosen by the same metric."""
_TELL_MS = 100
"""What a run says is shown at most that often."""

_log = logging.getLogger(__name__)


class TrainingRequest(Struct, frozen=True):
    """What a person asked for."""

    trainer: str
    """The trainer's id."""
    name: str
    """What the model will be called."""
    options: dict[str, bool | int | float | str] = {}
    scope: Scope = "reviewed"
    validation_share: float = 0.2
    seed: int = 0
    replaces: str = ""
    """The model that it is measured against in the end, or ""."""
    labels: Path | None = None
    """A COCO file that was exported of the project, to learn from its labels in place of those there are."""


class TrainingDesk(QObject):
    """One training at a time, in a child; the person goes on labelling. All methods return at once."""

    changed = Signal()
    """Another state of a run, or another list of runs or trainers."""
    progressed = Signal()
    """`course` is further on; some times a second at most."""
    told = Signal(str)
    """How a run came out, or what became of it, in a sentence."""
    finished = Signal(object)
    """The `RunFolder` of a run that has made a model."""
    use_asked = Signal(str)
    """The path of a model that a person wants to run over the unlabelled images."""
    evaluate_asked = Signal(object)
    """The `RunFolder` whose validation images a person wants it judged on."""

    def __init__(
        self, session: Session, parent: QObject | None = None, *, limits: Limits | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._courier = Courier(self)
        self._scan: ImageScan[tuple[Annotation, ...]] = ImageScan(session, self)
        self._turn = 0
        """Another one with every run that is prepared, and when that is given up."""
        self._restarts = 0
        self.planner = Planner(session, self)
        self.list = RunList(session, self)
        self.client = TaskClient(self, limits=limits)
        self.exports = ModelExports(self)
        self.trainers: tuple[TrainerSpec, ...] = ()
        self.live: Run | None = None
        """The one that is going on."""
        self.course: Course | None = None
        """What it has said so far."""
        self.phase: Phase = ""
        self._progress_later = timer(self, self.progressed.emit, milliseconds=_TELL_MS)
        self.client.told.connect(self._on_told)
        self.client.done.connect(self._on_done)
        self.client.stopped.connect(self._on_done)
        self.client.failed.connect(self._on_failed)
        self.client.lost.connect(self._on_lost)
        self.list.changed.connect(self.changed)
        self.list.told.connect(self.told)
        self.exports.changed.connect(self.changed)
        self.exports.told.connect(self.told)
        session.project_changed.connect(self._on_project)

    @property
    def is_busy(self) -> bool:
        """Whether a run is going on or about to."""
        return bool(self.phase)

    def set_registry(self, registry: Registry) -> None:
        """Offer the trainers of these plugins."""
        # first what finds objects by itself: that is what a person most often wants
        self.trainers = tuple(sorted(registry.trainers, key=lambda one: one.task == "segmenter"))
        self.changed.emit()

    def trainer(self, trainer_id: str) -> TrainerSpec | None:
        """The trainer of that id, if it is at hand."""
        return next((one for one in self.trainers if one.id == trainer_id), None)

    def trainer_title(self, trainer_id: str) -> str:
        """How a trainer is called."""
        spec = self.trainer(trainer_id)
        return spec.title if spec is not None else trainer_id

    def next_name(self, trainer_id: str) -> str:
        """A name that no run of the list has: "U-Net 3"."""
        title = self.trainer_title(trainer_id)
        taken = {run.name for run in self.list.runs}
        number = 1 + sum(run.trainer == trainer_id for run in self.list.runs)
        while f"{title} {number}" in taken:
            number += 1
        return f"{title} {number}"

    def predecessor(self, trainer_id: str) -> str:
        """The model that the next run of a trainer would replace: that of its last run, if it is there."""
        for run in self.list.runs:
            if run.trainer == trainer_id and run.state == "finished":
                outcome = self.list.outcome_of(run.id)
                if outcome is not None and outcome.model:
                    return outcome.model
        return ""

    # --- starting ---------------------------------------------------------------------------------

    def start(self, request: TrainingRequest) -> None:
        """Begin a run with the labels as they are; `told` says where that does not work."""
        session, plan = self._session, self.planner.plan_of(request.scope)
        problem = session.read_only or ("A training is going on already." if self.is_busy else "")
        if not plan.images:
            problem = problem or plan.problem
        if problem or session.project is None:
            self.told.emit(f"Nothing was trained. {problem}".strip())
            return
        spec = RunSpec(
            trainer=request.trainer,
            name=request.name,
            options=dict(request.options),
            seed=request.seed,
            validation_share=request.validation_share,
            replaces=request.replaces,
        )
        self._phase_is("preparing")
        self.course, self._restarts = Course(), 0
        turn, found = self._turn, list[tuple[Annotation, ...]]()
        if request.labels is not None:
            self._make(turn, spec, plan.images, (), exported=request.labels)
            return
        self._scan.start(
            plan.images,
            lambda store, image_id: store.annotations(image_id),
            took=found.extend,
            done=lambda: self._make(turn, spec, plan.images, found),
        )

    def _make(
        self,
        turn: int,
        spec: RunSpec,
        image_ids: Sequence[int],
        annotations: Iterable[tuple[Annotation, ...]],
        *,
        exported: Path | None = None,
    ) -> None:
        """The labels are read, or are in a file that was exported: write the folder, on a thread."""
        session, project = self._session, self._session.project
        if project is None:
            self._phase_is("")
            return
        path = runs_folder() / files.folder_name(project, spec)
        images = tuple(image for image in map(session.document.find_image, image_ids) if image is not None)
        flat = tuple(annotation for one in annotations for annotation in one)
        labels, root = RunLabels(images, tuple(session.document.categories.values()), flat), session.root

        def made(folder: RunFolder) -> None:
            run = Run(0, str(folder.path), spec.name, spec.trainer, len(images), spec.created)
            self._note_new(turn, run)

        run_in_pool(
            lambda: files.make_run(path, spec, files.labels_of(exported, labels, root=root), root=root),
            courier=self._courier,
            done=made,
            failed=lambda error: self._not_started(error) if turn == self._turn else None,
        )

    def _note_new(self, turn: int, run: Run) -> None:
        if turn != self._turn:
            self._give_up(run)
            return
        self._session.keep(
            lambda store: store.runs.add(run),
            lambda noted: self._begin_new(turn, noted),
            failed=lambda error: self._not_started(error) if turn == self._turn else None,
        )

    def _give_up(self, run: Run) -> None:
        """Nobody wants it any more: it was stopped, or another project is open."""
        run_in_pool(
            lambda: files.delete_run(run),
            courier=self._courier,
            done=lambda _: None,
            failed=self.list.tell,
        )

    def _begin_new(self, turn: int, run: Run) -> None:
        if turn != self._turn:
            self._give_up(run)
            self._session.keep(lambda store: store.runs.remove(run.id), lambda _: None, failed=self.list.tell)
            return
        # before it is listed, so that the list goes to it
        self.live, self.list.live_folder = run, run.folder
        self.list.add(run)
        self._begin(run)

    def _not_started(self, error: Exception) -> None:
        self._phase_is("")
        self.told.emit(f"Nothing was trained. {sentence_of(error)}")

    def _begin(self, run: Run) -> None:
        self.live, self.list.live_folder = run, run.folder
        self.client.start(TrainSpec(run.folder), title=run.name)
        self._phase_is("running")

    # --- what a person does with a run ------------------------------------------------------------

    def stop(self) -> None:
        """Have the run save where it is, and end; it can be resumed."""
        if self.phase == "preparing":
            self._scan.stop()
            self._phase_is("")
        elif self.phase == "running":
            self.client.stop()
            self._phase_is("stopping")

    def resume(self, run_id: int) -> None:
        """Go on with a run that was stopped, cut off, or failed."""
        run = self.list.find(run_id)
        if run is None or self.is_busy or run.state in ("running", "finished"):
            return
        self._phase_is("preparing")
        self._restarts, turn = 0, self._turn

        def take(found: ReadRun) -> None:
            if turn == self._turn and self.list.find(run_id) is not None:
                self.course = found.course
                self.list.update(replace(run, state="running", finished=None))
                self._begin(self.list.find(run_id) or run)

        run_in_pool(lambda: files.read_run(run), courier=self._courier, done=take, failed=self._not_started)

    def again(self, run_id: int) -> None:
        """Train anew with a run's settings and the labels as they are now."""
        run = self.list.find(run_id)
        if run is None or self.is_busy:
            return
        project = self._session.project

        def take(folder: RunFolder) -> None:
            if self._session.project != project:
                return
            old = folder.spec
            self.start(
                TrainingRequest(
                    trainer=old.trainer,
                    name=self.next_name(old.trainer),
                    options=dict(old.options),
                    scope=self.planner.scope,
                    validation_share=old.validation_share,
                    seed=old.seed,
                    replaces=self.predecessor(old.trainer) or old.replaces,
                )
            )

        run_in_pool(
            lambda: RunFolder(own_folder(run)), courier=self._courier, done=take, failed=self.list.tell
        )

    def course_of(self, run_id: int) -> Course | None:
        """The course of a run, if it is known; `RunList.look_at` has it read."""
        if self.live is not None and run_id == self.live.id:
            return self.course
        return self.list.course_of(run_id)

    def use(self, run_id: int) -> None:
        """Ask for a run's model to be run over the unlabelled images."""
        outcome = self.list.outcome_of(run_id)
        if outcome is not None and outcome.model:
            self.use_asked.emit(outcome.model)

    def evaluate(self, run_id: int) -> None:
        """Ask for a run's model to be judged on its validation images."""
        folder = self.list.folder_of(run_id)
        if folder is not None:
            self.evaluate_asked.emit(folder)

    # --- hearing ----------------------------------------------------------------------------------

    def _on_told(self, event: Event) -> None:
        if self.course is None:
            return
        self.course.add(event, at=time.monotonic())
        if isinstance(event, Epoch):
            self._restarts = 0
        if not self._progress_later.isActive():
            self._progress_later.start()

    def _on_done(self) -> None:
        """The child has ended as it should: what the run said last is what became of it."""
        end = self.course.end if self.course is not None else ""
        sentence = self.course.sentence if self.course is not None else ""
        self._end(end or "interrupted", sentence)

    def _on_failed(self, sentence: str) -> None:
        self._end("failed", sentence)

    def _on_lost(self, sentence: str) -> None:
        """The child is gone: go on from the last checkpoint, so often."""
        run = self.live
        if run is None:
            return
        if self.course is not None and self.course.end == "finished":
            self._end("finished", "")
        elif self._restarts >= RESTARTS:
            times = counted(self._restarts + 1, "time")
            self._end("interrupted", f"{sentence} That was so {times} in a row; resume it to try again.")
        else:
            self._restarts += 1
            self.told.emit(f"{sentence} It goes on from where it was last saved.")
            self._begin(run)

    def _end(self, state: Literal["finished", "stopped", "failed", "interrupted"], sentence: str) -> None:
        run, course = self.live, self.course
        self.live, self.list.live_folder = None, ""
        self._progress_later.stop()
        self.progressed.emit()
        if run is not None:
            figures = course.figures if course is not None else {}
            self.list.update(replace(run, state=state, finished=time.time(), metrics=figures))
            self.list.forget_read(run.id)
        self._phase_is("")
        if sentence:
            self.told.emit(sentence)
        if run is not None:
            run_in_pool(
                lambda: files.read_run(run),
                courier=self._courier,
                done=self._take_end,
                failed=lambda error: _log.info("%s", error),
            )

    def _take_end(self, found: ReadRun) -> None:
        """The folder of a run that has ended: its figures, and those of the model before."""
        self.list.update(replace(found.run, finished=time.time()))
        self.list.take(found)
        if found.run.state == "finished":
            self.told.emit(self.verdict(found.run))
            self.finished.emit(found.folder)

    def verdict(self, run: Run) -> str:
        """How a finished run came out, in a sentence."""
        return verdict(run.name, self.list.outcome_of(run.id), self.metric_of(run))

    def metric_of(self, run: Run) -> str:
        """The name of the metric that a run is chosen by."""
        spec = self.trainer(run.trainer)
        wanted = spec.metric if spec is not None else ""
        return wanted if wanted in run.metrics else next(iter(run.metrics), "")

    def _on_project(self) -> None:
        """A run that is going on for the project before goes on; what becomes of it is found out there."""
        if self.phase == "preparing":
            self._phase_is("")

    def _phase_is(self, phase: Phase) -> None:
        if self.phase == "preparing" or phase == "preparing":
            self._turn += 1
        self.phase = phase
        self.changed.emit()

    def close(self) -> None:
        """Have a run that is under way end, with its checkpoint where there is time: the window goes away."""
        self.client.drop()
        self.exports.close()


def verdict(name: str, outcome: Outcome | None, metric: str) -> str:
    """How a finished run came out: "X is ready: AP50 0.81 against 0.74 of Y on 12 held-out images."."""
    if outcome is None:
        return f"{name} is ready."
    where = f" on {counted(outcome.validation, 'held-out image')}" if outcome.validation else ""
    ours, theirs = outcome.judged, outcome.replaced
    if ours is not None and theirs is not None:
        both = [one for one in (metric, *_COMPARED) if one in ours.metrics and one in theirs.metrics]
        if both:
            new, old = ours.metrics[both[0]], theirs.metrics[both[0]]
            return f"{name} is ready: {both[0]} {new:.2f} against {old:.2f} of {theirs.title}{where}."
    value = outcome.metrics.get(metric)
    return f"{name} is ready." if value is None else f"{name} is ready: {metric} {value:.2f}{where}."
