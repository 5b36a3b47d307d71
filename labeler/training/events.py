"""What a run says while it goes on: told to the window as it happens, and kept in the run's folder.

Losses and metrics are named by their trainer in the field's terms, as "Dice" or "AP50".
"""

import math
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from labeler.errors import LabelerError


class Prepared(Struct, frozen=True, tag=True):
    """The data of the run is in its folder."""

    training: int
    """Images to learn from."""
    validation: int = msgspec.field(name="held_out")
    """Images to be judged on, which it never learns from."""
    objects: dict[str, int]
    """Category name to the number of its objects in both together."""
    warnings: tuple[str, ...] = ()
    """One sentence each: too little, out of balance, images left out."""


class Started(Struct, frozen=True, tag=True):
    """Training begins, or goes on after it was cut off."""

    device: str
    """As a person knows it: "CPU · 2 threads" or the GPU's name."""
    epochs: int
    first_epoch: int = 1
    """The epoch that comes next; above 1 for a resumed run."""
    batch: int = 1
    parameters: int = 0
    """How many numbers are learnt."""


class Step(Struct, frozen=True, tag=True):
    """The mean over the steps since the last such event; said a few times a second at most."""

    epoch: int
    step: int
    """Steps of this epoch that are done."""
    steps: int
    losses: dict[str, float]
    """By name; "loss" is the total."""
    images_per_second: float = 0.0
    memory: int = 0
    """Bytes in use: the GPU's peak where one is used, else what the process has resident."""


class Epoch(Struct, frozen=True, tag=True):
    """An epoch is over, measured on the validation images, and its checkpoint is on disk."""

    epoch: int
    losses: dict[str, float]
    """Means over the epoch."""
    metrics: dict[str, float]
    """On the validation images; what there was nothing to measure of is left out."""
    best: bool
    """Whether its weights are the best so far."""
    seconds: float


class Sample(Struct, frozen=True, tag=True):
    """What the model of an epoch makes of a validation image, as a picture."""

    epoch: int
    image: str
    """The image's file name."""
    picture: str
    """The picture's path inside the run's folder."""


class Doing(Struct, frozen=True, tag=True):
    """How far work is that is counted but not kept: what comes before the learning, and after it."""

    what: Literal["looking", "copying", "judging"]
    done: int
    """Images."""
    total: int


class Note(Struct, frozen=True, tag=True):
    """One sentence that a person should read, as when memory ran out and the batch was halved."""

    sentence: str


class Finished(Struct, frozen=True, tag=True):
    """The run is over, and its final weights are those of its best epoch."""

    weights: str
    """Their path inside the run's folder."""
    metrics: dict[str, float]
    best_epoch: int
    seconds: float
    """Of all sittings together."""


class Stopped(Struct, frozen=True, tag=True):
    """A person stopped the run; it can be resumed."""

    epoch: int
    """Epochs that are done."""


class Failed(Struct, frozen=True, tag=True):
    """The run cannot go on; one sentence that says why and what to change."""

    sentence: str


Event: TypeAlias = Prepared | Started | Step | Epoch | Sample | Doing | Note | Finished | Stopped | Failed
Report: TypeAlias = Callable[[Event], None]
ShouldStop: TypeAlias = Callable[[], bool]


def unheard(_: Event) -> None:
    """A `Report` that nobody listens to."""


_TOLD = 0.25
"""Seconds between two `Doing` events."""


class Counted:
    """Says how far a piece of work is, a few times a second and at its end."""

    def __init__(self, what: Literal["looking", "copying", "judging"], total: int, report: Report) -> None:
        self._what: Literal["looking", "copying", "judging"] = what
        self._total = total
        self._report = report
        self._done = 0
        self._told = -math.inf

    def advance(self) -> None:
        """One more image is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._told >= _TOLD or self._done == self._total:
            self._told = now
            self._report(Doing(self._what, self._done, self._total))


_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """One line of JSON, without its end. Losses and metrics that are no finite numbers are left out."""
    return msgspec.json.encode(finite(event))


def finite(event: Event) -> Event:
    """The event without the losses and metrics that JSON has no number for."""
    for field in ("losses", "metrics"):
        figures: dict[str, float] = getattr(event, field, {})
        if not all(map(math.isfinite, figures.values())):
            kept = {name: value for name, value in figures.items() if math.isfinite(value)}
            event = msgspec.structs.replace(event, **{field: kept})
    return event


def decode(line: bytes) -> Event:
    """The event in a line of JSON. Raises LabelerError for anything else."""
    try:
        event: Event = _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise LabelerError(f"A line of the run's events cannot be read ({error}).") from error
    return event
