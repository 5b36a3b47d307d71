"""A run's folder: everything that one fine-tuning needs and makes, so that it outlives every process.

    run.json            what was asked for (`RunSpec`)
    source.json         the labels it was started from, as COCO, where the window has written them
    train.json          COCO of the images to learn from
    held_out.json       COCO of the validation images, which it is judged on
    images/             copies of both parts' images
    events.jsonl        what the run said (`events`), a line each
    log.txt             what its libraries said
    checkpoints/        last.pt, to go on from, and best.safetensors
    samples/            pictures of validation images
    metrics.json        the final figures, beside those of the model it would replace (`Outcome`)
    evaluation.msgpack  the same models' evaluations on the validation images (`evaluation.records`)
    weights.safetensors the final weights (another suffix where their library must have its own form)

A file is either whole or not there: each is written beside its place and then moved into it. Where a key or
a file is named `held_out`, it is so for the runs that are on disks already.
"""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
import psutil
from msgspec import Struct

from labeler.core.files import atomic_write
from labeler.errors import LabelerError, ProjectError, ProjectLockedError
from labeler.project.keeping import lock
from labeler.training import events as telling
from labeler.training.data import LabelledSet, read_set
from labeler.training.disk import unwritable

State: TypeAlias = Literal["new", "running", "stopped", "failed", "finished", "interrupted"]

_TAIL = 1 << 16
"""Bytes at the end of the events in which the last one is looked for."""
_ENDS: dict[type, State] = {
    telling.Finished: "finished",
    telling.Stopped: "stopped",
    telling.Failed: "failed",
}


class RunSpec(Struct, frozen=True):
    """What was asked for."""

    trainer: str
    """The id of the trainer."""
    name: str
    """What a person calls it, and the title of the model that comes out."""
    options: dict[str, bool | int | float | str] = {}
    """The trainer's options, each with its value."""
    seed: int = 0
    validation_share: float = msgspec.field(default=0.2, name="held_out")
    """Share of the images that the run is judged on."""
    replaces: str = ""
    """The model whose place it would take (an id or a file, as for `Registry.resolve`), or ""."""
    register: bool = True
    """Whether the model is put among the installed ones, and judged on the validation images."""
    id: str = msgspec.field(default_factory=lambda: secrets.token_hex(4))
    created: float = msgspec.field(default_factory=time.time)
    """Seconds since 1970, UTC."""
    format: int = 1
    """Of the folder; a newer one is refused."""


class Judged(Struct, frozen=True):
    """A model's figures on the validation images."""

    title: str
    metrics: dict[str, float]


class Outcome(Struct, frozen=True):
    """What is in `metrics.json`: what came of a run."""

    metrics: dict[str, float]
    """Those by which its best epoch was chosen, and those of its evaluation, by their names for people."""
    best_epoch: int
    validation: int = msgspec.field(name="held_out")
    """Images that it was judged on."""
    model: str = ""
    """The path of the registered weights; "" where they were not."""
    judged: Judged | None = None
    """The new model's evaluation alone; comparable with `replaced`."""
    replaced: Judged | None = None
    """The model that it would replace, on the same images."""


class RunFolder:
    """The files of one run. Making one reads nothing but `run.json`; LabelerError where that is no run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.spec = msgspec.json.decode((path / "run.json").read_bytes(), type=RunSpec)
        except FileNotFoundError as error:
            raise LabelerError(
                f"{path} is no run: it has no run.json. Choose the folder of a run."
            ) from error
        except (OSError, msgspec.DecodeError) as error:
            raise LabelerError(f"The run in {path} cannot be read ({error}).") from error
        if self.spec.format > 1:
            raise LabelerError(f"The run in {path} was made by a newer version of Labeler; install that one.")

    @classmethod
    def create(cls, path: Path, spec: RunSpec) -> "RunFolder":
        """A new run in a folder that is not there yet or empty; LabelerError where something is in it."""
        is_new = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise LabelerError(f"{path} is not empty; choose a new folder for the run.")
            atomic_write(path / "run.json", msgspec.json.format(msgspec.json.encode(spec)) + b"\n")
        except OSError as error:
            if is_new:
                with suppress(OSError):
                    path.rmdir()
            raise LabelerError(f"The run's folder {path} cannot be made ({error.strerror}).") from error
        return cls(path)

    @property
    def source(self) -> Path:
        """The labels that the window wrote for it, with absolute image paths."""
        return self.path / "source.json"

    @property
    def train_labels(self) -> Path:
        """COCO JSON of the images to learn from."""
        return self.path / "train.json"

    @property
    def validation_labels(self) -> Path:
        """COCO JSON of the images to be judged on."""
        return self.path / "held_out.json"

    @property
    def images(self) -> Path:
        """Where the copies of the images lie."""
        return self.path / "images"

    @property
    def checkpoints(self) -> Path:
        """Where training goes on from, and the best weights so far."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Where the pictures of validation images lie."""
        return self.path / "samples"

    @property
    def metrics(self) -> Path:
        """The final figures."""
        return self.path / "metrics.json"

    @property
    def evaluation(self) -> Path:
        """The evaluation of the model, then that of the one it would replace."""
        return self.path / "evaluation.msgpack"

    def outcome(self) -> Outcome | None:
        """What came of it; None before its end, or where the file is damaged."""
        try:
            return msgspec.json.decode(self.metrics.read_bytes(), type=Outcome)
        except (OSError, msgspec.DecodeError):
            return None

    @property
    def model(self) -> Path:
        """The file of the model that it made: the registered one, else the weights in the folder.

        Raises LabelerError with one sentence where it has made none yet.
        """
        outcome = self.outcome()
        ends = [event for event in self.events() if isinstance(event, telling.Finished)]
        files = [Path(outcome.model)] if outcome is not None and outcome.model else []
        files += [self.path / end.weights for end in ends]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            state = self.state
            what = "its weights are gone: train it again" if state == "finished" else f"it is {state}"
            raise LabelerError(
                f"The run in {self.path} has no model, for {what}"
                + ("." if state == "finished" else ": go on with it by labeler train --resume, or wait.")
            )
        return found

    @property
    def log(self) -> Path:
        """What libraries said."""
        return self.path / "log.txt"

    def train_set(self) -> LabelledSet:
        """The images to learn from; LabelerError where they are not there (they are prepared first)."""
        return read_set(self.train_labels, self.images)

    def validation_set(self) -> LabelledSet:
        """The images to be judged on; LabelerError as `train_set`."""
        return read_set(self.validation_labels, self.images)

    @property
    def events_file(self) -> Path:
        """What it said, a line of JSON each."""
        return self.path / "events.jsonl"

    def events(self) -> Iterator[telling.Event]:
        """All that it has said so far; a last line that a crash cut off is left out."""
        try:
            lines = self.events_file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines[:-1]:
            if line:
                yield telling.decode(line)

    def record(self, event: telling.Event) -> None:
        """Append an event; all but steps, which are many, are on disk when this returns.

        Raises LabelerError with one sentence where they cannot be written.
        """
        line = telling.encode(event) + b"\n"
        try:
            with self.events_file.open("ab") as file:
                file.write(line)
                file.flush()
                if not isinstance(event, telling.Step):
                    os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.events_file, error) from error

    @property
    def state(self) -> State:
        """What it is doing, or how it ended; "interrupted" where its process ended without a word."""
        if self._is_held():
            return "running"
        last = self._last_event()
        return "new" if last is None else _ENDS.get(type(last), "interrupted")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else trains in this folder meanwhile; the end of the process, however it ends, frees it.

        Raises LabelerError with one sentence where somebody does, or where the folder cannot be written to.
        """
        try:
            taken = lock.acquire(self._lock)
        except ProjectLockedError as error:
            who = lock.holder(self._lock)
            by = f" (process {who.pid} on {who.host})" if who is not None else ""
            raise LabelerError(
                f"The run in {self.path} is being trained already{by}; wait for its end or stop it there."
            ) from error
        except ProjectError as error:
            raise LabelerError(
                f"The run in {self.path} cannot be trained there ({error.__cause__}); make it writable."
            ) from error
        try:
            self._sweep()
            self._mend_events()
            yield
        finally:
            taken.release()

    @property
    def _lock(self) -> Path:
        """`lock.lock_path` of it is `run.lock`."""
        return self.path / "run"

    def _is_held(self) -> bool:
        who = lock.holder(self._lock)
        if who is None:
            return False
        if who.host != socket.gethostname():
            return True
        try:
            return bool(abs(psutil.Process(who.pid).create_time() - who.started) < 2.0)
        except psutil.Error:
            return False

    def _last_event(self) -> telling.Event | None:
        try:
            with self.events_file.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return None
        whole = [line for line in lines[:-1] if line]
        return telling.decode(whole[-1]) if whole else None

    def _sweep(self) -> None:
        """Remove the half files of a process that was ended while it wrote them."""
        for path in self.path.rglob(".*.tmp"):
            path.unlink(missing_ok=True)

    def _mend_events(self) -> None:
        """Cut off a last line that a crash left without its end, so that the next one is not glued to it."""
        try:
            with self.events_file.open("rb+") as file:
                size = file.seek(0, os.SEEK_END)
                start = max(0, size - _TAIL)
                file.seek(start)
                tail = file.read()
                if tail and not tail.endswith(b"\n"):
                    file.truncate(start + tail.rfind(b"\n") + 1)
        except FileNotFoundError:
            return
