"""The window's side of a job: starts it, hears its results without ever waiting, and brings it back.

A job that crashes, hangs or runs out of memory is started again for the images that are still missing,
but for the one it was at: no image brings it down twice.
"""

import logging
import time
from collections import deque
from pathlib import Path

from msgspec import Struct, structs
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from labeler.gui.children.child_process import ChildProcess, Clocks, Restarts
from labeler.wire.host_protocol import (
    EXIT_MEMORY,
    EXIT_TOLD,
    VERSION,
    AskFailed,
    Beat,
    Hello,
    Log,
)
from labeler.wire.job_protocol import (
    Done,
    FromJob,
    Loaded,
    Missed,
    Predicted,
    PredictSpec,
    decode_from_job,
)

_RECENT = 32
"""Results that the rate is worked out from."""

_log = logging.getLogger(__name__)


class JobLimits(Struct, frozen=True):
    """When a job counts as hung and how often it is brought back; seconds."""

    load: float = 120.0
    """To start and load the model."""
    image: float = 300.0
    """For one image; ten times the slowest so far where that is more."""
    beat: float = 10.0
    """Without a heartbeat."""
    stop: float = 1.0
    """To end by itself when told to; as long again after terminate, then it is killed."""
    restarts: int = 3
    window: float = 300.0
    """So many restarts within so many seconds, then it is given up."""
    alike: int = 10
    """So many images in a row missed for the very same reason, then it is the model's and not theirs."""


class JobProgress(Struct, frozen=True):
    """How far a job is."""

    done: int
    """Images predicted or missed."""
    total: int
    missed: int
    """Of those done, how many could not be predicted."""
    rate: float | None = None
    """Images a second, of late; None before one is done."""

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate."""
        return (self.total - self.done) / self.rate if self.rate else None


class JobResult(Struct, frozen=True):
    """How a job ended."""

    predicted: int
    missed: tuple[tuple[int, str], ...]
    """Image id and a sentence for each that could not be predicted."""
    cancelled: bool = False


class JobClient(QObject):
    """Runs one job at a time in a child process. Every method returns at once."""

    started = Signal(str)
    """The model is loaded: its title. For the first time only."""
    predicted = Signal(object)
    """A `Predicted`."""
    missed = Signal(int, str)
    """An image that could not be predicted, and why."""
    progressed = Signal(object)
    """A `JobProgress`."""
    restarted = Signal(str)
    """One sentence: the child was lost and goes on with the images still missing."""
    finished = Signal(object)
    """A `JobResult`: all images are done, or a person called it off."""
    failed = Signal(str)
    """One sentence: the job was given up; what was predicted before stays."""

    def __init__(self, parent: QObject | None = None, *, limits: JobLimits | None = None) -> None:
        super().__init__(parent)
        self._limits = limits or JobLimits()
        self._spec: PredictSpec | None = None
        self._child: ChildProcess | None = None
        self._title = ""
        self._is_loaded = False
        self._was_loaded = False
        self._waiting: dict[int, str] = {}
        self._missed: list[tuple[int, str]] = []
        self._reason = ""
        self._alike = 0
        self._times: deque[float] = deque(maxlen=_RECENT)
        self._slowest = 0.0
        self._restarts = Restarts(self._limits.restarts, self._limits.window)
        self._clocks = Clocks(self)
        self._clocks.expired.connect(self._on_expired)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def is_running(self) -> bool:
        """Whether a job is under way."""
        return self._spec is not None

    @property
    def progress(self) -> JobProgress:
        """What was last said by `progressed`."""
        total = len(self._spec.images) if self._spec is not None else 0
        times = self._times
        span = times[-1] - times[0] if len(times) > 1 else 0.0
        return JobProgress(
            done=total - len(self._waiting),
            total=total,
            missed=len(self._missed),
            rate=(len(times) - 1) / span if span > 0 else None,
        )

    # --- starting and stopping ----------------------------------------------------------------

    def start(self, spec: PredictSpec, *, title: str = "") -> None:
        """Run a detector over images; a job that is under way is cancelled first.

        `title` names the model in sentences until it is loaded.
        """
        self.cancel()
        self._spec = spec
        self._title = title or Path(spec.model).name
        self._was_loaded = False
        self._waiting = dict(spec.images)
        self._missed = []
        self._alike = 0
        self._slowest = 0.0
        self._times.clear()
        self._restarts.clear()
        if self._waiting:
            self._launch()
        else:
            QTimer.singleShot(0, self, lambda: self._finish() if self._spec is spec else None)

    def cancel(self) -> None:
        """Have the child end, within `Limits.stop`; nothing is heard of it any more but `finished`."""
        if self._spec is None:
            return
        child, self._child = self._child, None
        if child is not None:
            child.end(self._limits.stop)
        self._finish(cancelled=True)

    def close(self) -> None:
        """`cancel`, and wait until the child is gone (at most twice `Limits.stop`): at the program's end."""
        self.cancel()
        for child in self.findChildren(ChildProcess):
            child.wait(self._limits.stop)

    def _finish(self, *, cancelled: bool = False) -> None:
        progress = self.progress
        result = JobResult(progress.done - progress.missed, tuple(self._missed), cancelled)
        self._forget()
        self.finished.emit(result)

    def _give_up(self, sentence: str) -> None:
        self._drop_child()
        self._forget()
        self.failed.emit(sentence)

    def _forget(self) -> None:
        self._spec = None
        self._clocks.clear_all()

    # --- hearing ------------------------------------------------------------------------------

    def _on_message(self, message: FromJob) -> None:
        match message:
            case Hello(version=version):
                if version != VERSION:
                    self._give_up(f"The job speaks version {version}, not {VERSION}; install Labeler again.")
                else:
                    self._clocks.start("beat", self._limits.beat)
            case Beat():
                self._clocks.start("beat", self._limits.beat)
            case Loaded(title=title):
                self._on_loaded(title)
            case Predicted(image_id=image_id):
                if self._settle(image_id):
                    self._alike = 0
                    self.predicted.emit(message)
                    self._say_progress()
            case Missed(image_id=image_id, sentence=sentence):
                if self._settle(image_id):
                    self._miss(image_id, sentence)
                    self._say_progress()
                    self._give_up_when_alike(sentence)
            case AskFailed(sentence=sentence):
                self._reason = sentence
            case Done():
                self._on_done()
            case Log(level=level, text=text):
                _log.log(level, "job: %s", text)

    def _on_loaded(self, title: str) -> None:
        self._title, self._is_loaded = title, True
        self._clocks.clear("load")
        self._times.clear()
        self._times.append(time.monotonic())
        self._watch_image()
        if not self._was_loaded:
            self._was_loaded = True
            self.started.emit(title)

    def _settle(self, image_id: int) -> bool:
        """Take an image off the list; whether it was on it."""
        if self._waiting.pop(image_id, None) is None:
            return False
        now = time.monotonic()
        if self._times:
            self._slowest = max(self._slowest, now - self._times[-1])
        self._times.append(now)
        self._watch_image()
        return True

    def _say_progress(self) -> None:
        if self._spec is not None:  # else whoever heard of the image has called the job off
            self.progressed.emit(self.progress)

    def _miss(self, image_id: int, sentence: str) -> None:
        self._missed.append((image_id, sentence))
        self.missed.emit(image_id, sentence)

    def _give_up_when_alike(self, sentence: str) -> None:
        """A model that is broken for good, as one on a lost GPU, need not say so for ten thousand images."""
        same = len(self._missed) > 1 and self._missed[-2][1] == sentence
        self._alike = self._alike + 1 if same and self._alike else 1
        if self._spec is not None and self._alike >= self._limits.alike:
            self._give_up(
                f"{self._title} failed on {self._alike} images in a row and was stopped; what it predicted "
                f"before is kept. {sentence}"
            )

    def _on_done(self) -> None:
        if self._waiting:
            self._recover("ended too early")
            return
        child, self._child = self._child, None
        if child is not None:
            child.end(self._limits.stop)
        self._finish()

    def _watch_image(self) -> None:
        self._clocks.start("image", max(self._limits.image, 10 * self._slowest))

    # --- trouble ------------------------------------------------------------------------------

    def _on_ended(self, status: int) -> None:
        """The child is gone without having been told to; `status` below 0 is a crash."""
        if status == EXIT_TOLD:
            self._give_up(self._reason or f"{self._title} could not be loaded.")
        elif status == EXIT_MEMORY:
            self._recover("ran out of memory")
        else:
            self._recover("crashed" if status < 0 else "ended unexpectedly")

    def _on_expired(self, clock: str) -> None:
        self._recover("hung" if clock == "image" else "did not start" if clock == "load" else "froze")

    def _recover(self, what: str) -> None:
        """Go on in a new child without the image that this one was at, and one sentence about it."""
        self._drop_child()
        at = self._blamed()
        where = f" at {Path(self._waiting[at]).name}" if at is not None else ""
        if at is not None:
            self._waiting.pop(at)
            self._miss(at, f"{self._title} {what} at this image, so it was left out.")
            self._say_progress()
        if self._spec is None:
            return
        if at is not None and not self._waiting:
            self._finish()
        elif not self._restarts.spend():
            self._give_up(
                f"{self._title} {what}{where}, for the {_nth(self._restarts.spent + 1)} time, and stays off. "
                "What it predicted is kept; run it again to go on."
            )
        else:
            self._launch()
            go_on = "it goes on with the others" if at is not None else "it is started again"
            self.restarted.emit(f"{self._title} {what}{where}; {go_on}.")

    def _blamed(self) -> int | None:
        """The image that the child was at; None while it had not begun."""
        return next(iter(self._waiting), None) if self._is_loaded else None

    # --- the child ----------------------------------------------------------------------------

    def _launch(self) -> None:
        assert self._spec is not None, "there is a job to do"
        self._is_loaded = False
        self._reason = ""
        child = self._child = ChildProcess(self, ["job"], decode_from_job)
        child.message.connect(self._on_message)
        child.ended.connect(self._on_ended)
        child.confused.connect(self._recover)
        self._clocks.clear_all()
        self._clocks.start("load", self._limits.load)
        child.start()
        child.send(structs.replace(self._spec, images=tuple(self._waiting.items())))

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        self._clocks.clear_all()
        if child is not None:
            child.kill()


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")
