"""What a fit of some seconds says of its steps."""

import math
import time

import psutil

from labeler.errors import LabelerError
from labeler.training.events import Report, Step

_TOLD = 0.25
"""Seconds between two `Step` events."""


class FitReporter:
    """Says how it goes a few times a second."""

    def __init__(self, steps: int, batch: int, report: Report) -> None:
        self._steps = steps
        self._batch = batch
        self._report = report
        self._all: dict[str, float] = {}
        self._waiting: list[dict[str, float]] = []
        self._told = time.monotonic()

    @property
    def means(self) -> dict[str, float]:
        """Of the losses over all steps."""
        return {name: total / self._steps for name, total in self._all.items()}

    def add(self, step: int, losses: dict[str, float]) -> None:
        """A step is done. Raises LabelerError where a loss is no number any more."""
        if not all(map(math.isfinite, losses.values())):
            raise LabelerError(
                "The loss became NaN or infinite; look for labels with impossible boxes and train again."
            )
        self._all = {name: self._all.get(name, 0.0) + value for name, value in losses.items()}
        self._waiting.append(losses)
        now = time.monotonic()
        if now - self._told < _TOLD and step < self._steps:
            return
        count = len(self._waiting)
        means = {name: sum(one[name] for one in self._waiting) / count for name in losses}
        speed = count * self._batch / max(now - self._told, 1e-9)
        self._report(Step(1, step, self._steps, means, speed, psutil.Process().memory_info().rss))
        self._waiting, self._told = [], now
