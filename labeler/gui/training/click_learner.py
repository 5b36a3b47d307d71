"""What a person outlines teaches the SAM tools while they label: the second half of "Learn while I label".

It learns when `Learner` rests and enough was outlined since the last time, in a child below everything else,
and never has two things to do. What came out better than MobileSAM on objects held out is offered when the
next image is opened, so that no click that is under way is answered by two models.
"""

from __future__ import annotations

import logging
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Annotation, Box, Image
from labeler.errors import LabelerError
from labeler.gui.children.task_client import TaskClient
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.training import files
from labeler.gui.training.learner import Learner
from labeler.project.runs import Run, runs_folder
from labeler.training.run import RunFolder, RunSpec
from labeler.wire.job_protocol import TrainSpec

TRAINER = "clicks"
LEAST = 10
"""Outlined objects from which it is worth learning."""
_GROWTH = 1.3
"""So many times the objects of the last round make another one."""
_KEPT = 2
"""Files of rounds that are kept: the one in use, and the one that comes."""

_log = logging.getLogger(__name__)


class ClickLearner(QObject):
    """Off as long as `Learner` is. All methods return at once."""

    learnt = Signal(str)
    """The path of a model that does better than MobileSAM on the project's objects."""

    def __init__(self, session: Session, learner: Learner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._learner = session, learner
        self._courier = Courier(self)
        self._scan: ImageScan[tuple[Annotation, ...]] = ImageScan(session, self)
        self._tasks = TaskClient(self, limits=replace(TaskClient.LIMITS, save=1.0))
        self._turn = 0
        self._is_collecting = False
        self._known = 0
        """Objects at the last round."""
        self._folder: RunFolder | None = None
        self._ready = ""
        self._made: list[Path] = []
        self._tasks.done.connect(self._on_done)
        for ended in (self._tasks.stopped, self._tasks.failed, self._tasks.lost):
            ended.connect(self._discard)
        learner.changed.connect(self._consider)
        session.place.image_changed.connect(self._hand_on)
        session.project_changed.connect(self._on_project)

    def close(self) -> None:
        """Have what is under way end: the window goes away."""
        self._stop()
        self._tasks.drop()

    @property
    def is_busy(self) -> bool:
        """Whether a round is under way."""
        return self._is_collecting or self._tasks.is_running

    def _on_project(self) -> None:
        self._stop()
        self._known, self._ready, self._made = 0, "", []

    def _stop(self) -> None:
        self._turn += 1
        self._is_collecting = False
        self._scan.stop()
        self._tasks.stop()

    # --- a round ----------------------------------------------------------------------------------

    def _consider(self) -> None:
        session, learner = self._session, self._learner
        if not learner.is_on:
            self._stop()
            return
        if learner.doing or self.is_busy or session.project is None or session.read_only:
            return
        images = learner.learnable()
        objects = sum(sum(session.document.counts(image.id).values()) for image in images)
        if objects < max(LEAST, _GROWTH * self._known):
            return
        self._known = objects
        self._turn += 1
        self._is_collecting = True
        turn, found = self._turn, list[tuple[Annotation, ...]]()
        self._scan.start(
            [image.id for image in images],
            lambda store, image_id: store.annotations(image_id),
            took=found.extend,
            done=lambda: self._make(turn, images, found),
        )

    def _make(self, turn: int, images: list[Image], annotations: list[tuple[Annotation, ...]]) -> None:
        session = self._session
        flat = tuple(annotation for one in annotations for annotation in one)
        if sum(not isinstance(one.shape, Box) for one in flat) < LEAST:
            self._is_collecting = False
            return
        labels = files.RunLabels(tuple(images), tuple(session.document.categories.values()), flat)
        name = f"Clicks of {session.root.name or session.root}"
        spec = RunSpec(trainer=TRAINER, name=name, validation_share=0.0)
        path, root = runs_folder() / f"learning-{spec.id}", session.root
        run_in_pool(
            lambda: files.make_run(path, spec, labels, root=root),
            courier=self._courier,
            done=lambda folder: self._begin(turn, folder),
            failed=lambda error: self._give_up(turn, error),
        )

    def _give_up(self, turn: int, error: Exception) -> None:
        """It is not worth a message of its own: the next objects begin another round."""
        _log.info("%s", error)
        if turn == self._turn:
            self._is_collecting = False

    def _begin(self, turn: int, folder: RunFolder) -> None:
        if turn != self._turn or self._tasks.is_running:
            _delete(folder, self._courier)
            return
        self._is_collecting, self._folder = False, folder
        self._tasks.start(TrainSpec(str(folder.path)), title=folder.spec.name)

    def _on_done(self) -> None:
        turn, folder = self._turn, self._folder
        if folder is None:
            return
        run_in_pool(
            lambda: _gain(folder),
            courier=self._courier,
            done=lambda made: self._take(turn, made),
            failed=lambda error: _log.info("%s", error),
        )

    def _take(self, turn: int, made: tuple[str, bool]) -> None:
        path, is_better = made
        self._discard()
        if path and (turn != self._turn or not is_better):
            _remove([Path(path)], self._courier)
        elif path:
            self._ready = path

    def _hand_on(self) -> None:
        """Another image is open: nothing is under way that the old model would have to answer."""
        path, self._ready = self._ready, ""
        if not path:
            return
        self._made.append(Path(path))
        old, self._made = self._made[:-_KEPT], self._made[-_KEPT:]
        _remove(old, self._courier)
        self.learnt.emit(path)

    def _discard(self, _: str = "") -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            _delete(folder, self._courier)


def _gain(folder: RunFolder) -> tuple[str, bool]:
    """On a pool thread: the file that a round has made, "" for none, and whether it is better anywhere."""
    outcome = folder.outcome()
    if outcome is None:
        return "", False
    before, start = outcome.metrics, "MobileSAM "
    better = [name for name in before if f"{start}{name}" in before and before[name] > before[start + name]]
    return outcome.model, bool(better)


def _delete(folder: RunFolder, courier: Courier) -> None:
    run = Run(0, str(folder.path), "", TRAINER, 0, 0.0)
    run_in_pool(
        lambda: files.delete_run(run),
        courier=courier,
        done=lambda _: None,
        failed=lambda error: _log.info("%s", error),
    )


def _remove(paths: list[Path], courier: Courier) -> None:
    def remove() -> None:
        from labeler.models.files import weights  # noqa: PLC0415 - networking, which a start need not pay

        for path in paths:
            try:
                weights.remove(path)
            except LabelerError as error:
                _log.info("%s", error)

    if paths:
        run_in_pool(remove, courier=courier, done=lambda _: None, failed=lambda error: _log.info("%s", error))
