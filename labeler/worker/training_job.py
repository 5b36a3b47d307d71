"""One sitting of a run: prepare its data, train, register the model, judge it; it can be cut off anywhere."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from labeler.core.files import atomic_write
from labeler.errors import LabelerError, ModelError
from labeler.evaluation import findings
from labeler.models.files import weights
from labeler.models.protocols import ModelSpec
from labeler.registry import Registry
from labeler.training.disk import unwritable
from labeler.training.events import (
    Doing,
    Epoch,
    Event,
    Failed,
    Finished,
    Note,
    Prepared,
    Report,
    ShouldStop,
    Step,
    Stopped,
    finite,
)
from labeler.training.preparation import adopt, prepare
from labeler.training.run import Outcome, RunFolder
from labeler.training.specs import StoppedError, TrainerSpec
from labeler.worker.judgement import judge, judged

E = TypeVar("E", bound=Event)

_log = logging.getLogger(__name__)

_WEIGHTS_NAME = 80
"""Characters of a run's name that a file of weights is called by."""


def train(
    folder: RunFolder,
    registry: Registry,
    report: Report,
    should_stop: ShouldStop,
    *,
    labels: Path | None = None,
    images: Path | None = None,
    encoding: str = "",
) -> None:
    """Train in a run's folder, or go on with what is there, to its end.

    `labels` (with `images`, in `encoding`) become the run's where it has none yet. Every event is in the
    folder before `report` is called with it; the last one is `Finished`, `Stopped` or `Failed`, whose
    sentence says what to change. A run that is finished says so again, and nothing else.
    Raises LabelerError with one sentence where the folder is another process's, or cannot be written to.
    """
    with folder.held(), _logged(folder):
        sitting = _Sitting(folder, registry, report, should_stop)
        try:
            sitting.work(labels, images, encoding)
        except StoppedError:
            sitting.stop()
        except LabelerError as error:
            _log.info("the run failed", exc_info=error)
            sitting.fail(str(error))
        except MemoryError:
            sitting.fail("Memory ran out: choose a smaller batch, image size or model, and train again.")


class _Sitting:
    """The work on a run in this process."""

    def __init__(
        self, folder: RunFolder, registry: Registry, report: Report, should_stop: ShouldStop
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._report = report
        self._should_stop = should_stop
        self._begun = time.monotonic()
        # read once: a night's steps are 100,000 lines, which say nothing of what is asked here
        self._kept = [event for event in folder.events() if not isinstance(event, Step)]

    def _last(self, kind: type[E]) -> E | None:
        """The newest event of a kind in the folder."""
        return next((event for event in reversed(self._kept) if isinstance(event, kind)), None)

    @property
    def _epochs(self) -> list[Epoch]:
        return [event for event in self._kept if isinstance(event, Epoch)]

    def tell(self, event: Event) -> None:
        """Keep an event, then say it; what only says how far something is would fill the disk."""
        event = finite(event)
        if not isinstance(event, Doing):
            self._folder.record(event)
        if not isinstance(event, Doing | Step):
            self._kept.append(event)
        self._report(event)

    def stop(self) -> None:
        """Say that it was stopped, and after how many epochs."""
        self.tell(Stopped(max((event.epoch for event in self._epochs), default=0)))

    def fail(self, sentence: str) -> None:
        """Say why the run cannot go on, even where the disk is too full to keep that."""
        with contextlib.suppress(LabelerError):
            self._folder.record(Failed(sentence))
        self._report(Failed(sentence))

    def work(self, labels: Path | None, images: Path | None, encoding: str) -> None:
        """Everything that is left to do."""
        folder = self._folder
        done = self._last(Finished)
        if done is not None:
            self._report(done)
            return
        before = sum(event.seconds for event in self._epochs)
        trainer = self._registry.trainer(folder.spec.trainer)
        self._prepare(trainer, labels, images, encoding)
        path = self._trained(trainer)
        # none where the trainer has no epochs
        best = next((event for event in reversed(self._epochs) if event.best), None)
        outcome = self._outcome(path, best)
        _write(folder.metrics, msgspec.json.format(msgspec.json.encode(outcome)))
        self.tell(
            Finished(
                weights=path.relative_to(folder.path).as_posix(),
                metrics=outcome.metrics,
                best_epoch=outcome.best_epoch,
                seconds=before + time.monotonic() - self._begun,
            )
        )

    def _prepare(self, trainer: TrainerSpec, labels: Path | None, images: Path | None, encoding: str) -> None:
        folder = self._folder
        if self._last(Prepared) is not None:
            return
        warnings: tuple[str, ...] = ()
        if labels is not None and not folder.source.is_file():
            warnings = adopt(folder, labels, images, encoding=encoding)
        prepare(
            folder,
            self.tell,
            self._should_stop,
            needs_masks=trainer.needs_masks,
            least=trainer.least,
            warnings=warnings,
            counted=self.tell,
        )

    def _trained(self, trainer: TrainerSpec) -> Path:
        """The file of the final weights, inside the folder."""
        path = _guarded(trainer, lambda: trainer.train(self._folder, self.tell, self._should_stop))
        if not path.is_file() or not path.resolve().is_relative_to(self._folder.path.resolve()):
            raise LabelerError(f"The trainer “{trainer.id}” left no weights in {self._folder.path}.")
        return self._folder.path / path.resolve().relative_to(self._folder.path.resolve())

    def _outcome(self, path: Path, best: Epoch | None) -> Outcome:
        """Register the model and judge it beside the one that it would replace."""
        folder = self._folder
        prepared = self._last(Prepared)
        validation = prepared.validation if prepared is not None else 0
        metrics, best_epoch = (best.metrics, best.epoch) if best is not None else ({}, 0)
        outcome = Outcome(metrics, best_epoch, validation)
        if not folder.spec.register:
            return outcome
        try:
            kept = register(folder, path, self._registry)
            model = self._registry.open_file(kept)
        except ModelError as error:
            self.tell(Note(f"The weights are in {path}, but cannot be used as a model: {error}"))
            return outcome
        outcome = msgspec.structs.replace(outcome, model=str(kept))
        # a promptable model finds nothing by itself: its trainer measures it
        return self._judged(outcome, model) if validation and model.task != "segmenter" else outcome

    def _judged(self, outcome: Outcome, model: ModelSpec) -> Outcome:
        replaced = self._replaced()
        models = [model] if replaced is None else [model, replaced]
        try:
            evaluations = judge(self._folder, models, self._should_stop, counted=self.tell)
        except StoppedError:
            raise
        except LabelerError as error:
            self.tell(Note(f"The model could not be judged: {error}"))
            return outcome
        findings.save(self._folder.evaluation, evaluations)
        new, *old = map(judged, evaluations)
        return msgspec.structs.replace(
            outcome,
            metrics=outcome.metrics | new.metrics,
            judged=new,
            replaced=old[0] if old else None,
        )

    def _replaced(self) -> ModelSpec | None:
        name = self._folder.spec.replaces
        if not name:
            return None
        try:
            return self._registry.resolve(name)
        except LabelerError as error:
            self.tell(Note(f"The model was not compared with the one that it would replace: {error}"))
            return None


def register(folder: RunFolder, path: Path, registry: Registry) -> Path:
    """Copy a run's weights among the installed ones, called as the run is; gives where they are.

    Raises ModelError with one sentence where no plugin opens such a file, or it cannot be copied.
    """
    name = "".join(one if one.isalnum() or one in " -_.()" else "_" for one in folder.spec.name)
    plain = name.strip(" .")[:_WEIGHTS_NAME] or folder.spec.trainer
    return weights.import_file(path, name=plain + path.suffix, open_file=registry.open_file).path


def _guarded(trainer: TrainerSpec, call: Callable[[], Path]) -> Path:
    """What a plugin's trainer raises is a LabelerError with one sentence; its traceback is logged."""
    try:
        return call()
    except (LabelerError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        _log.exception("The trainer %s failed", trainer.id)
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise LabelerError(
            f"The trainer “{trainer.id}” failed ({reason}); the run's log.txt says where."
        ) from error


@contextlib.contextmanager
def _logged(folder: RunFolder) -> Iterator[None]:
    """What libraries log and print goes into the run's log, so that stdout stays the caller's."""
    root = logging.getLogger()
    try:
        file = folder.log.open("a", encoding="utf-8", errors="replace")
    except OSError:
        yield  # a full disk is told by what needs it
        return
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(lambda record: record.levelno >= logging.INFO)
    root.addHandler(handler)
    try:
        with file, contextlib.redirect_stdout(file):
            yield
    finally:
        root.removeHandler(handler)


def _write(path: Path, data: bytes) -> None:
    try:
        atomic_write(path, data)
    except OSError as error:
        raise unwritable(path, error) from error
