"""The window's side of a task: one training or one evaluation in a child, heard without ever waiting.

What to do about a task that was lost is its owner's to decide: an evaluation is asked for again by a person,
a training goes on from its checkpoint by itself.
"""

import logging

from msgspec import Struct
from PySide6.QtCore import QCoreApplication, QObject, Signal

from labeler.gui.children.child_process import ChildProcess, Clocks
from labeler.wire.host_protocol import EXIT_MEMORY, EXIT_TOLD, VERSION, AskFailed, Beat, Hello, Log, Stop
from labeler.wire.job_protocol import (
    Done,
    EvaluateSpec,
    FromJob,
    PredictSpec,
    Told,
    TrainSpec,
    decode_from_job,
)

_log = logging.getLogger(__name__)


class TaskLimits(Struct, frozen=True):
    """When a task counts as hung; seconds."""

    start: float = 60.0
    """To say its first word."""
    beat: float = 20.0
    """Without a heartbeat: a step may hold up everything else of its process for a while."""
    stop: float = 20.0
    """To save what it has and end by itself when told to."""
    end: float = 1.0
    """To end when nothing is wanted of it any more; as long again after terminate, then it is killed."""


class TaskClient(QObject):
    """Runs one task at a time in a child process. Every method but `close` returns at once.

    Each task that was started ends with exactly one of `done`, `failed`, `lost` and `stopped`.
    """

    told = Signal(object)
    """An event of a training (`labeler.training.events`)."""
    done = Signal()
    """It has done all that it was asked for."""
    failed = Signal(str)
    """It cannot be done; one sentence that says why."""
    lost = Signal(str)
    """The child crashed, hung or ran out of memory; one sentence."""
    stopped = Signal()
    """It was called off by `stop` or `close`."""

    def __init__(self, parent: QObject | None = None, *, limits: TaskLimits | None = None) -> None:
        super().__init__(parent)
        self._limits = limits or TaskLimits()
        self._child: ChildProcess | None = None
        self._title = ""
        self._reason = ""
        self._is_stopping = False
        self._clocks = Clocks(self)
        self._clocks.expired.connect(self._on_expired)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def is_running(self) -> bool:
        """Whether a task is under way; one that is being stopped is."""
        return self._child is not None

    @property
    def is_stopping(self) -> bool:
        """Whether the task was told to stop and has not ended yet."""
        return self._is_stopping

    def start(self, spec: TrainSpec | EvaluateSpec | PredictSpec, *, title: str) -> None:
        """Begin a task. `title` begins the sentences about it, as “The training” or “The evaluation”."""
        if self._child is not None:
            raise RuntimeError("a client runs one task at a time")
        self._title, self._reason, self._is_stopping = title, "", False
        child = self._child = ChildProcess(self, ["job"], decode_from_job)
        child.message.connect(self._on_message)
        child.ended.connect(self._on_ended)
        child.confused.connect(self._lose)
        self._clocks.clear_all()
        self._clocks.start("start", self._limits.start)
        child.start()
        child.send(spec)

    def stop(self) -> None:
        """Ask the task to save what it has and end; it is heard until then, within `TaskLimits.stop`."""
        if self._child is not None and not self._is_stopping:
            self._is_stopping = True
            self._child.send(Stop())
            self._clocks.start("stop", self._limits.stop)

    def drop(self) -> None:
        """Give the task up: another may begin at once, while its process ends by itself unheard."""
        if self._child is not None:
            self._settle()
            self.stopped.emit()

    def close(self) -> None:
        """`drop`, and wait until every process is gone, at most twice `TaskLimits.end`."""
        self.drop()
        for child in self.findChildren(ChildProcess):
            child.wait(self._limits.end)

    def _on_message(self, message: FromJob) -> None:
        match message:
            case Hello(version=version):
                self._clocks.clear("start")
                self._clocks.start("beat", self._limits.beat)
                if version != VERSION:
                    self._fail(
                        f"{self._title} is of version {version}, not {VERSION}; install Labeler again."
                    )
            case Beat():
                self._clocks.start("beat", self._limits.beat)
            case Told(event=event):
                self.told.emit(event)
            case AskFailed(sentence=sentence):
                self._reason = sentence
            case Done():
                self._finish()
            case Log(level=level, text=text):
                _log.log(level, "task: %s", text)

    def _finish(self) -> None:
        is_stopping, reason = self._is_stopping, self._reason
        self._settle()
        if reason:
            self.failed.emit(reason)
        elif is_stopping:
            self.stopped.emit()
        else:
            self.done.emit()

    def _fail(self, sentence: str) -> None:
        self._settle()
        self.failed.emit(sentence)

    def _lose(self, what: str) -> None:
        is_stopping = self._is_stopping
        self._settle(kill=True)
        if is_stopping:
            self.stopped.emit()
        else:
            self.lost.emit(f"{self._title} {what}.")

    def _on_ended(self, status: int) -> None:
        """The child is gone without having been told to; `status` below 0 is a crash."""
        if self._reason or status == EXIT_TOLD:
            self._fail(self._reason or f"{self._title} could not begin.")
        elif status == EXIT_MEMORY:
            self._lose("ran out of memory")
        else:
            self._lose("crashed" if status < 0 else "ended unexpectedly")

    def _on_expired(self, clock: str) -> None:
        self._lose({"start": "did not start", "beat": "froze"}.get(clock, "did not stop"))

    def _settle(self, *, kill: bool = False) -> None:
        """Nothing is heard of the child any more, and it goes."""
        child, self._child = self._child, None
        self._is_stopping = False
        self._clocks.clear_all()
        if child is None:
            return
        if kill:
            child.kill()
        else:
            child.end(self._limits.end)
