"""What a torch run says of its steps."""

import math
import time

import torch
from torch import Tensor

from labeler.models.devices import memory_used
from labeler.training.checkpoint import Place
from labeler.training.events import Report, Step

_TOLD = 0.25
"""Seconds between two `Step` events."""


class NotFiniteError(Exception):
    """The loss, or a weight, is no number any more."""


class StepReporter:
    """Counts losses without making a GPU wait at each step, and says how it goes a few times a second."""

    def __init__(self, where: torch.device, report: Report) -> None:
        self._device = where
        self._report = report
        self._waiting: dict[str, Tensor] = {}
        self._since: dict[str, float] = {}
        self._steps = self._counted = 0
        self._told = time.monotonic()

    def begin(self, place: Place, steps: int) -> None:
        """A pass begins at a place."""
        self._waiting, self._since = {}, {}
        self._steps, self._counted, self._told = steps, place.step, time.monotonic()

    def add(self, place: Place, losses: dict[str, Tensor]) -> None:
        """A step is done."""
        for name, loss in losses.items():
            value = loss.detach().double()
            self._waiting[name] = self._waiting[name] + value if name in self._waiting else value
        is_due = time.monotonic() - self._told > _TOLD or place.step == self._steps
        if is_due or self._device.type == "cpu":
            self.count(place)
        if is_due:
            self._tell(place)

    def count(self, place: Place) -> None:
        """Into the place's sums goes what is not in them yet. Raises NotFiniteError for NaN and infinity."""
        waiting, self._waiting = self._waiting, {}
        for name, tensor in waiting.items():
            value = float(tensor)
            if not math.isfinite(value):
                raise NotFiniteError(f"the loss became NaN or infinite in epoch {place.epoch}")
            place.sums[name] = place.sums.get(name, 0.0) + value
            self._since[name] = self._since.get(name, 0.0) + value

    def _tell(self, place: Place) -> None:
        now = time.monotonic()
        steps = max(1, place.step - self._counted)
        speed = steps * place.batch / max(now - self._told, 1e-9)
        losses = {name: total / steps for name, total in self._since.items()}
        self._report(Step(place.epoch, place.step, self._steps, losses, speed, memory_used(self._device)))
        self._since, self._counted, self._told = {}, place.step, now
