"""What a trained model is good for next: predict the unlabelled images and review them, or be judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Model
from labeler.gui.evaluation.desk import EvaluationDesk
from labeler.gui.evaluation.scopes import EvaluationRequest, key_of_run
from labeler.gui.predictions.batch import Batch, RunChoice
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.training.desk import TrainingDesk

if TYPE_CHECKING:
    from labeler.models.protocols import ModelSpec
    from labeler.registry import Registry
    from labeler.training.run import RunFolder


class FollowUp(QObject):
    """Goes on from a training to a prediction, and from that to a review or an evaluation."""

    told = Signal(str)
    """One sentence: what became of something that was asked for."""
    shows = Signal(str)
    """The name of a panel that is of use now."""
    prompts = Signal(object)
    """The `ModelSpec` of a promptable model that is to be the SAM tools'."""
    learnt = Signal(object)
    """The `ModelSpec` of a promptable model that was learnt on the way."""
    judges = Signal(object)
    """The request of an evaluation that was asked for elsewhere than in its panel."""

    def __init__(
        self,
        session: Session,
        batch: Batch,
        queue: ReviewQueue,
        parent: QObject | None = None,
        *,
        training: TrainingDesk,
        evaluation: EvaluationDesk,
    ) -> None:
        super().__init__(parent)
        self._session, self._batch, self._queue = session, batch, queue
        self._training, self._evaluation = training, evaluation
        self._registry: Registry | None = None
        self._courier = Courier(self)
        self._then: list[tuple[RunChoice, Callable[[Model], None]]] = []
        self._request: EvaluationRequest | None = None
        training.use_asked.connect(self.use)
        training.evaluate_asked.connect(self.judge)
        batch.completed.connect(self._go_on)
        evaluation.plan.changed.connect(self._judge_asked)

    def set_registry(self, registry: Registry) -> None:
        """Open models by these plugins."""
        self._registry = registry

    def forget(self) -> None:
        """Another project is open: nothing of what was asked for is waited for any more."""
        self._then, self._request = [], None

    # --- label faster -----------------------------------------------------------------------------

    def unlabelled(self) -> tuple[int, ...]:
        """Ids of the images without objects that are not reviewed; without such, of all not reviewed."""
        open_ones = [image.id for image in self._session.document.images if not image.reviewed]
        empty = [
            image_id for image_id in open_ones if not any(self._session.document.counts(image_id).values())
        ]
        return tuple(empty or open_ones)

    def use(self, path: str) -> None:
        """Run a model over the unlabelled images, then review what is most uncertain first.

        A promptable one becomes the SAM tools'.
        """
        self._open(path, self._use_opened)

    def use_learnt(self, path: str) -> None:
        """Have the SAM tools answered by what was learnt on the way, unless a person has chosen otherwise."""
        self._open(path, lambda _, spec: self.learnt.emit(spec))

    def _use_opened(self, path: str, spec: ModelSpec) -> None:
        images = self.unlabelled()
        if spec.task == "segmenter":
            self.prompts.emit(spec)
        elif images:
            self._start(path, spec, images, lambda _: self._review())
        else:
            self.told.emit("Every image is reviewed; there is none left to predict.")

    def _review(self) -> None:
        self.shows.emit("Predictions")
        self._queue.set_order("uncertain")
        self._queue.set_active(True)

    # --- judge ------------------------------------------------------------------------------------

    def judge(self, folder: RunFolder) -> None:
        """Run a run's model over the images that it never learnt from, then evaluate it there."""
        run = next((run for run in self._training.list.runs if Path(run.folder) == folder.path), None)
        outcome = self._training.list.outcome_of(run.id) if run is not None else None
        if run is None or outcome is None or not outcome.model:
            self.told.emit(f"{folder.spec.name} has no model that could be judged.")
            return
        key = key_of_run(run.id)
        images = next((one.images for one in self._evaluation.plan.scopes() if one.key == key), ())
        if not images:
            self.told.emit(
                f"{folder.spec.name} held out none of these images; evaluate it on others that it never saw."
            )
            self.shows.emit("Evaluation")
            return
        self._open(
            outcome.model,
            lambda path, spec: self._start(path, spec, images, lambda model: self._evaluate(key, model)),
        )

    def _evaluate(self, key: str, model: Model) -> None:
        self.shows.emit("Evaluation")
        self._request = EvaluationRequest(scope=key, model_id=model.id)
        self._evaluation.plan.look()

    def _judge_asked(self) -> None:
        """The plan knows by now what the model has seen, and whether it gives masks."""
        request, plan = self._request, self._evaluation.plan
        if request is None or not plan.seen(request.model_id):
            return
        self._request = None
        self.judges.emit(structs.replace(request, by="mask" if plan.has_masks(request.model_id) else "box"))

    # --- predicting -------------------------------------------------------------------------------

    def _open(self, path: str, then: Callable[[str, ModelSpec], None]) -> None:
        registry = self._registry
        if registry is None:
            return
        run_in_pool(
            lambda: registry.open_file(Path(path)),
            courier=self._courier,
            done=lambda spec: then(path, spec),
            failed=lambda error: self.told.emit(str(error)),
        )

    def _start(
        self, path: str, spec: ModelSpec, images: tuple[int, ...], then: Callable[[Model], None]
    ) -> None:
        choice = RunChoice(path, spec, images=images)
        self._then.append((choice, then))
        self._batch.start(choice)

    def _go_on(self, choice: RunChoice) -> None:
        model = self._batch.model
        due = [then for one, then in self._then if one is choice]
        # those whose run was called off are never gone on with
        waiting = [one.choice for one in self._batch.waiting]
        self._then = [(one, then) for one, then in self._then if any(one is other for other in waiting)]
        for then in due:
            if model is not None:
                then(model)
