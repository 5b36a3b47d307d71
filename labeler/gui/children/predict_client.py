"""The window's side of a job: starts it, hears its results without ever waiting, and brings it back.

A job that crashes, hangs or runs out of memory is started again for the images that are still missing,
but for the one it was at: no image brings it down twice.
"""

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from msgspec import Struct, structs
from PySide6.QtCore import QObject, QTimer, Signal

from labeler.gui.children.client import ChildClient, Limits
from labeler.wire.job_protocol import Done, Loaded, Missed, Predicted, PredictSpec

_RECENT = 32
"""Results that the rate is worked out from."""


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


class PredictClient(ChildClient):
    """Runs one job at a time in a child process. Every method but `close` returns at once."""

    LIMITS = Limits(load=120.0, image=300.0, beat=10.0)
    STUCK: ClassVar[Mapping[str, str]] = {**ChildClient.STUCK, "image": "hung"}

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

    def __init__(self, parent: QObject | None = None, *, limits: Limits | None = None) -> None:
        super().__init__(parent, limits)
        self._spec: PredictSpec | None = None
        self._is_loaded = False
        self._was_loaded = False
        self._waiting: dict[int, str] = {}
        self._missed: list[tuple[int, str]] = []
        self._alike = 0
        self._times: deque[float] = deque(maxlen=_RECENT)
        self._slowest = 0.0

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
        self.drop()
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
            self._begin()
        else:
            QTimer.singleShot(0, self, lambda: self._finish() if self._spec is spec else None)

    def drop(self) -> None:
        """Cancel: the child ends within `Limits.end`, and nothing is heard of it any more but `finished`."""
        if self._spec is not None:
            self._finish(cancelled=True)

    def _begin(self) -> None:
        assert self._spec is not None, "there is a job to do"
        self._is_loaded = False
        self._launch().send(structs.replace(self._spec, images=tuple(self._waiting.items())))

    def _finish(self, *, cancelled: bool = False) -> None:
        self._let_go()
        progress = self.progress
        result = JobResult(progress.done - progress.missed, tuple(self._missed), cancelled)
        self._spec = None
        self.finished.emit(result)

    def _on_refused(self, sentence: str) -> None:
        self._spec = None
        self.failed.emit(sentence)

    # --- hearing ------------------------------------------------------------------------------

    def _take(self, message: object) -> None:
        match message:
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
            case Done():
                if self._waiting:
                    self._lose("ended too early")
                else:
                    self._finish()

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
            self._refuse(
                f"{self._title} failed on {self._alike} images in a row and was stopped; what it predicted "
                f"before is kept. {sentence}"
            )

    def _watch_image(self) -> None:
        self._wait_for("image", least=10 * self._slowest)

    # --- trouble ------------------------------------------------------------------------------

    def _on_lost(self, what: str) -> None:
        """Go on in a new child without the image that this one was at, and one sentence about it."""
        spec, at = self._spec, self._blamed()
        where = f" at {Path(self._waiting[at]).name}" if at is not None else ""
        if at is not None:
            self._waiting.pop(at)
            self._miss(at, f"{self._title} {what} at this image, so it was left out.")
            self._say_progress()
        if self._spec is not spec:  # whoever heard of the image has called the job off
            return
        if at is not None and not self._waiting:
            self._finish()
        elif not self._restarts.spend():
            self._on_refused(
                f"{self._title} {what}{where}, for the {_nth(self._restarts.spent + 1)} time, and stays off. "
                "What it predicted is kept; run it again to go on."
            )
        else:
            self._begin()
            go_on = "it goes on with the others" if at is not None else "it is started again"
            self.restarted.emit(f"{self._title} {what}{where}; {go_on}.")

    def _blamed(self) -> int | None:
        """The image that the child was at; None while it had not begun."""
        return next(iter(self._waiting), None) if self._is_loaded else None


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")
