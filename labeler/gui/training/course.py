"""What a training has come to: its events, as they come or from disk, as curves, samples and figures."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.training.events import (
    Doing,
    Epoch,
    Event,
    Failed,
    Finished,
    Note,
    Prepared,
    Sample,
    Started,
    Step,
    Stopped,
)

End: TypeAlias = Literal["", "finished", "stopped", "failed"]

MOST_POINTS = 2000
"""Of a curve of steps; a longer one is thinned to half of them, which no screen can tell."""
_EPOCHS = 3
"""So many of the last epochs say how long the next ones take."""

Floats = NDArray[np.float64]


class Series:
    """A curve that grows: x in epochs, and values."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._every = self._skipped = 0

    def add(self, x: float, y: float) -> None:
        """Go on with a point; past `MOST_POINTS` every second one goes, and then only every second comes."""
        self._skipped += 1
        if self._skipped <= self._every:
            return
        self._skipped = 0
        self._points.append((x, y))
        if len(self._points) > MOST_POINTS:
            self._points = self._points[1::2]
            self._every = 2 * self._every + 1

    def cut(self, x: float) -> None:
        """Forget what is beyond x: it is done again."""
        self._points = [point for point in self._points if point[0] <= x]

    @property
    def arrays(self) -> tuple[Floats, Floats]:
        """The places and the values, (N,) each."""
        both = np.array(self._points, dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    @property
    def last(self) -> float | None:
        """The newest value."""
        return self._points[-1][1] if self._points else None


class Now(Struct, frozen=True):
    """Where a training is in this moment."""

    epoch: int
    epochs: int
    share: float
    """Of the present epoch that is done, 0 to 1."""
    images_per_second: float
    memory: int
    """Bytes."""


class Course:
    """One run's events so far. `add` takes them in their order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.prepared: Prepared | None = None
        self.started: Started | None = None
        self.steps: dict[str, Series] = {}
        """Losses while it learns, by name."""
        self.epochs: list[Epoch] = []
        self.samples: dict[int, list[Sample]] = {}
        """By epoch."""
        self.notes: list[str] = []
        self.end: End = ""
        self.sentence = ""
        """Why it failed."""
        self.metrics: dict[str, float] = {}
        """The final ones."""
        self.weights = ""
        self.doing: Doing | None = None
        """What is counted now, before the learning or after it."""
        self._step: Step | None = None
        self._last: Step | None = None
        self._since: tuple[float, float] | None = None
        for event in events:
            self.add(event)

    def add(self, event: Event, *, at: float | None = None) -> None:
        """Take in what was said, at `at` seconds of a steady clock where it was said just now."""
        self.doing = event if isinstance(event, Doing) else None
        match event:
            case Prepared():
                self.prepared = event
            case Started():
                self._start(event)
            case Step():
                self._take_step(event, at)
            case Epoch():
                self.epochs.append(event)
                self._step = None
            case Sample(epoch=epoch):
                self.samples.setdefault(epoch, []).append(event)
            case Note(sentence=sentence):
                self.notes.append(sentence)
            case Finished(metrics=metrics, weights=weights):
                self.end, self.metrics, self.weights = "finished", metrics, weights
            case Stopped():
                self.end = "stopped"
            case Failed(sentence=sentence):
                self.end, self.sentence = "failed", sentence

    def _start(self, event: Started) -> None:
        """A resumed run goes on from its checkpoint: what came after that is done again."""
        done = event.first_epoch - 1
        self.started, self.end, self.sentence, self._step, self._since = event, "", "", None, None
        self.epochs = [epoch for epoch in self.epochs if epoch.epoch <= done]
        self.samples = {epoch: found for epoch, found in self.samples.items() if epoch <= done}
        for series in self.steps.values():
            series.cut(done)

    def _take_step(self, event: Step, at: float | None) -> None:
        self._step = self._last = event
        x = event.epoch - 1 + event.step / max(event.steps, 1)
        if at is not None and self._since is None:
            self._since = at, x
        for name, value in event.losses.items():
            self.steps.setdefault(name, Series()).add(x, value)

    @property
    def now(self) -> Now | None:
        """Where it is; None before it has begun to learn."""
        if self.started is None:
            return None
        step, done, last = self._step, self.done, self._last
        return Now(
            epoch=step.epoch if step else min(done + 1, self.started.epochs),
            epochs=self.started.epochs,
            share=step.step / max(step.steps, 1) if step else float(done >= self.started.epochs),
            images_per_second=last.images_per_second if last else 0.0,
            memory=last.memory if last else 0,
        )

    @property
    def done(self) -> int:
        """Epochs that are done; a measure before the first, which is epoch 0, is none."""
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def share(self) -> float:
        """Of all epochs that is done, 0 to 1."""
        now = self.now
        return min((now.epoch - 1 + now.share) / max(now.epochs, 1), 1.0) if now else 0.0

    def seconds_left(self, at: float) -> float | None:
        """How long the rest takes if nothing ends it early; None while there is nothing to tell it by."""
        now = self.now
        if now is None:
            return None
        recent = [epoch.seconds for epoch in self.epochs[-_EPOCHS:]]
        left = now.epochs - (now.epoch - 1 + now.share)
        if recent:
            return max(left * sum(recent) / len(recent), 0.0)
        if self._since is None:
            return None
        gone = now.epoch - 1 + now.share - self._since[1]
        return left * (at - self._since[0]) / gone if gone > 0 else None

    @property
    def metric_names(self) -> list[str]:
        """What was measured after epochs, in the order in which it was first said."""
        return list(dict.fromkeys(name for epoch in self.epochs for name in epoch.metrics))

    def metric(self, name: str) -> tuple[Floats, Floats]:
        """Epochs and values of a metric, (N,) each."""
        points = [(epoch.epoch, epoch.metrics[name]) for epoch in self.epochs if name in epoch.metrics]
        both = np.array(points, dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    @property
    def best(self) -> Epoch | None:
        """The best epoch so far."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.best), None)

    @property
    def figures(self) -> dict[str, float]:
        """The metrics that count: the final ones, else those of the best epoch."""
        return self.metrics or (self.best.metrics if self.best else {})
