"""The window's side of a task: one training, evaluation or export in a child, heard without ever waiting.

What to do about a task that was lost is its owner's to decide: an evaluation is asked for again by a person,
a training goes on from its checkpoint by itself.
"""

from collections.abc import Mapping
from typing import ClassVar

from PySide6.QtCore import QObject, Signal

from labeler.gui.children.client import ChildClient, Limits
from labeler.wire.host_protocol import Hello, Stop
from labeler.wire.job_protocol import Advanced, Done, JobSpec, RunEvent


class TaskClient(ChildClient):
    """Runs one task at a time in a child process. Every method but `close` returns at once.

    Each task that was started ends with exactly one of `done`, `failed`, `lost` and `stopped`.
    """

    LIMITS = Limits(beat=20.0, restarts=0)
    STUCK: ClassVar[Mapping[str, str]] = {**ChildClient.STUCK, "save": "did not stop"}

    told = Signal(object)
    """An event of a training (`labeler.training.events`)."""
    advanced = Signal(int, int)
    """How many images a study of effort has done, of how many."""
    done = Signal()
    """It has done all that it was asked for."""
    failed = Signal(str)
    """It cannot be done; one sentence that says why."""
    lost = Signal(str)
    """The child crashed, hung or ran out of memory; one sentence."""
    stopped = Signal()
    """It was called off by `stop`, `drop` or `close`."""

    def __init__(self, parent: QObject | None = None, *, limits: Limits | None = None) -> None:
        super().__init__(parent, limits)
        self._was_told_to_stop = False

    @property
    def is_running(self) -> bool:
        """Whether a task is under way; one that is being stopped is."""
        return self._child is not None

    def start(self, spec: JobSpec, *, title: str) -> None:
        """Begin a task. `title` begins the sentences about it, as “The training” or “The evaluation”."""
        if self._child is not None:
            raise RuntimeError("a client runs one task at a time")
        self._title, self._was_told_to_stop = title, False
        self._launch().send(spec)

    def stop(self) -> None:
        """Ask the task to save what it has and end; it is heard until then, within `Limits.save`."""
        if self._child is not None and not self._was_told_to_stop:
            self._was_told_to_stop = True
            self._child.send(Stop())
            self._wait_for("save")

    def drop(self) -> None:
        """Give the task up: another may begin at once, while its process ends by itself unheard."""
        if self._child is not None:
            self._let_go()
            self.stopped.emit()

    def _take(self, message: object) -> None:
        match message:
            case Hello():
                self._clocks.clear("load")
            case RunEvent(event=event):
                self.told.emit(event)
            case Advanced(done=done, total=total):
                self.advanced.emit(done, total)
            case Done():
                self._let_go()
                (self.stopped if self._was_told_to_stop else self.done).emit()

    def _on_refused(self, sentence: str) -> None:
        self.failed.emit(sentence)

    def _on_lost(self, what: str) -> None:
        if self._was_told_to_stop:
            self.stopped.emit()
        else:
            self.lost.emit(f"{self._title} {what}.")
