"""The loop that every torch trainer of ours shares; import it inside functions, for it imports torch.

A trainer gives a `Task` (a module, its batches and losses, how it is measured), `fit` does the rest:
device, mixed precision, learning rate, checkpoints and going on from them, the best epoch, early stopping,
what is told meanwhile, and what happens when memory runs out or the loss is no number any more.

A run that was cut off anywhere and went on ends with the very weights of one that was not: a checkpoint has
the state of the module, the optimizer and torch's random numbers, and a task's batches depend on nothing
but the run's seed and the epoch.
"""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import cv2
import torch
from msgspec import Struct
from torch import Tensor

from labeler.core.files import atomic_write
from labeler.errors import LabelerError
from labeler.models import devices
from labeler.models.files import made, safetensors_file
from labeler.models.protocols import Rgb
from labeler.training import checkpoint
from labeler.training.batches import moved, prefetched
from labeler.training.checkpoint import Place
from labeler.training.disk import unwritable
from labeler.training.events import Epoch, Note, Report, Sample, ShouldStop, Started
from labeler.training.run import RunFolder
from labeler.training.specs import StoppedError
from labeler.training.step_reports import NotFiniteError, StepReporter

__all__ = ["Fitted", "Schedule", "Task", "fit", "moved", "prefetched", "seed"]

_SAVED = 60.0
"""Seconds of an epoch after which its state is saved, so that a power cut costs no more."""
_SAMPLE_SIDE = 800
"""Longest side of a sample's picture, in pixels."""


class Task(Protocol):
    """What a torch trainer gives to `fit`."""

    module: torch.nn.Module
    """What is learnt, on the CPU at first; `fit` moves it."""

    def steps(self, batch: int) -> int:
        """How many batches an epoch has at that batch size; at least 1."""
        ...

    def batches(self, epoch: int, batch: int) -> Iterable[Any]:
        """One pass over the training images, as CPU tensors in any nesting of dicts, lists and tuples.

        It runs on a thread of its own, ahead of the device. What it draws by chance depends on the run's
        seed and the epoch only (a generator of its own, not torch's global one).
        """
        ...

    def losses(self, batch: Any, where: torch.device) -> dict[str, Tensor]:
        """By name, each a scalar; "loss" is the total. Called with gradients, within mixed precision.

        `batch` is as `batches` gave it, already on the device.
        """
        ...

    def evaluate(self, where: torch.device, should_stop: ShouldStop) -> dict[str, float]:
        """The metrics on the validation images, the schedule's among them; the module is in eval mode.

        Called without gradients, in full precision. Returns early, with anything, once `should_stop()`.
        """
        ...

    def samples(self, where: torch.device) -> Iterable[tuple[str, Rgb]]:
        """(image name, picture) of 1 to 4 validation images with what the module makes of them."""
        ...

    def optimizer(self) -> torch.optim.Optimizer:
        """A new one for the module's parameters, at the learning rates that the schedule scales."""
        ...


class Schedule(Struct, frozen=True):
    """How long and how fast a task is trained."""

    epochs: int
    batch: int
    metric: str
    """Of `Task.evaluate`; the epoch where it is highest is the best one."""
    patience: int = 0
    """Epochs without a better one after which it is over; 0 to do them all."""
    warmup: float = 0.0
    """Epochs, or a part of one, in which the learning rate rises to its full value."""
    final_rate: float = 0.01
    """The share of the learning rate that is left at the end, after half a cosine wave."""
    clip: float = 0.0
    """Longest gradient, over all parameters; 0 for any."""
    mixed_precision: bool = True
    """Whether to compute in short floats where the device is faster in them."""
    channels_last: bool = True
    """Whether images are laid out pixel by pixel, which convolutions are faster in."""

    def rate(self, done: float) -> float:
        """The factor of the learning rate when so many epochs are done, parts included."""
        rising = min(1.0, done / self.warmup) if self.warmup > 0 else 1.0
        wave = 0.5 + 0.5 * math.cos(math.pi * min(1.0, done / self.epochs))
        return rising * (self.final_rate + (1.0 - self.final_rate) * wave)


class Fitted(Struct, frozen=True):
    """What came of it; the module has the weights of the best epoch."""

    best_epoch: int
    metrics: dict[str, float]
    """Of the best epoch."""


def seed(number: int) -> None:
    """Make torch draw the same numbers each time; to be called before the module is made."""
    torch.manual_seed(number)


def fit(task: Task, folder: RunFolder, schedule: Schedule, report: Report, should_stop: ShouldStop) -> Fitted:
    """Train `task`, or go on from the folder's checkpoint, and leave the best weights in its module.

    They are in `checkpoints/best.safetensors` too. Reports `Started`, `Step`, `Epoch`, `Sample` and `Note`.
    Raises StoppedError soon after `should_stop()`, its checkpoint on disk; LabelerError with one sentence
    where memory is too small even for half the batch, the loss is no number before any epoch was good, the
    disk is full, or the checkpoint is unusable.
    """
    return _Fitting(task, folder, schedule, report, should_stop).run()


class _Fitting:
    """One sitting of a run."""

    def __init__(
        self, task: Task, folder: RunFolder, schedule: Schedule, report: Report, should_stop: ShouldStop
    ) -> None:
        self._task = task
        self._folder = folder
        self._schedule = schedule
        self._report = report
        self._should_stop = should_stop
        self._device = devices.chosen()
        self._layout = devices.image_layout(self._device) if schedule.channels_last else torch.preserve_format
        self._module = task.module.to(self._device, memory_format=self._layout)
        self._optimizer = task.optimizer()
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._short = devices.short_float(self._device) if schedule.mixed_precision else None
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._short == torch.float16)
        self._reporter = StepReporter(self._device, report)
        self._place = Place(schedule.batch)

    def run(self) -> Fitted:
        """The epochs that are left."""
        self._begin()
        while not self._is_over():
            problem = self._tried_epoch()
            if isinstance(problem, NotFiniteError):
                self._keep_the_good(problem)
                break
            if problem is not None:
                self._halve()
        best = safetensors_file.load(self._best_file)
        self._module.load_state_dict({name: torch.from_numpy(array) for name, array in best.items()})
        return Fitted(self._place.best_epoch, self._place.best)

    @property
    def _checkpoint(self) -> Path:
        return self._folder.checkpoints / "last.pt"

    @property
    def _best_file(self) -> Path:
        return self._folder.checkpoints / "best.safetensors"

    def _begin(self) -> None:
        """The checkpoint, or a first one of the beginning."""
        if not self._restore():
            torch.manual_seed(self._folder.spec.seed)
            self._save()
        place = self._place
        self._report(
            Started(
                device=devices.name_of(self._device),
                epochs=self._schedule.epochs,
                first_epoch=min(place.epoch, self._schedule.epochs),
                batch=place.batch,
                parameters=sum(one.numel() for one in self._module.parameters() if one.requires_grad),
            )
        )
        # its process may have ended between the checkpoint and the telling
        if place.last is not None and place.last.epoch not in _told_epochs(self._folder):
            self._report(place.last)

    def _restore(self) -> bool:
        place = checkpoint.load(
            self._checkpoint, module=self._module, optimizer=self._optimizer, scaler=self._scaler
        )
        if place is not None:
            self._place = place
        return place is not None

    def _save(self) -> None:
        checkpoint.save(
            self._checkpoint,
            self._place,
            module=self._module,
            optimizer=self._optimizer,
            scaler=self._scaler,
        )

    def _is_over(self) -> bool:
        place, schedule = self._place, self._schedule
        since_best = place.epoch - 1 - place.best_epoch
        return place.epoch > schedule.epochs or (0 < schedule.patience <= since_best)

    def _tried_epoch(self) -> Exception | None:
        """One epoch; what is to be dealt with after everything that it held in memory is gone."""
        try:
            self._epoch()
        except NotFiniteError as error:
            return error
        except (MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error):
                raise
            return MemoryError(str(error))
        return None

    def _epoch(self) -> None:
        begun = time.monotonic() - self._place.seconds
        self._pass(begun)
        if not all(bool(one.isfinite().all()) for one in self._module.parameters()):
            raise NotFiniteError(f"weights became NaN in epoch {self._place.epoch}")
        metrics = self._measured(begun)
        self._finish(metrics, begun)

    def _pass(self, begun: float) -> None:
        """The training part of the epoch, from the step where it stands."""
        place, steps = self._place, self._task.steps(self._place.batch)
        if place.step >= steps:
            return
        self._module.train()
        saved = time.monotonic()
        self._reporter.begin(place, steps)
        batches = islice(self._task.batches(place.epoch, place.batch), place.step, None)
        with closing(prefetched(batches, pinned=self._device.type == "cuda")) as ready:
            for batch in ready:
                self._stop_if_asked(begun)
                self._step(moved(batch, self._device, layout=self._layout), steps)
                if time.monotonic() - saved > _SAVED:
                    self._save_at(begun)
                    saved = time.monotonic()
        self._reporter.count(place)
        self._stop_if_asked(begun)

    def _step(self, batch: Any, steps: int) -> None:
        place, schedule = self._place, self._schedule
        factor = schedule.rate(place.epoch - 1 + (place.step + 1) / steps)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        with torch.autocast(self._device.type, dtype=self._short, enabled=self._short is not None):
            losses = self._task.losses(batch, self._device)
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(losses["loss"]).backward()
        if schedule.clip > 0:
            self._scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(self._module.parameters(), schedule.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        place.step += 1
        self._reporter.add(place, losses)

    def _stop_if_asked(self, begun: float) -> None:
        if self._should_stop():
            self._reporter.count(self._place)
            self._save_at(begun)
            raise StoppedError("The run was stopped; it can be resumed.")

    def _save_at(self, begun: float) -> None:
        self._reporter.count(self._place)
        self._place.seconds = time.monotonic() - begun
        self._save()

    def _measured(self, begun: float) -> dict[str, float]:
        """The finite metrics. What the task draws by chance meanwhile changes nothing of the training."""
        self._module.eval()
        with _aside(self._device):
            metrics = self._task.evaluate(self._device, self._should_stop)
        self._stop_if_asked(begun)
        return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}

    def _finish(self, metrics: dict[str, float], begun: float) -> None:
        """Checkpoint first, told after: what is told is on disk."""
        place, metric = self._place, self._schedule.metric
        unknown = -math.inf
        is_best = metrics.get(metric, unknown) > place.best.get(metric, unknown) or metric not in place.best
        if is_best:
            self._save_best()
            place.best, place.best_epoch = metrics, place.epoch
        steps = max(1, place.step)
        losses = {name: total / steps for name, total in place.sums.items()}
        event = Epoch(place.epoch, losses, metrics, is_best, time.monotonic() - begun)
        place.epoch, place.step, place.sums, place.seconds, place.last = place.epoch + 1, 0, {}, 0.0, event
        self._save()
        self._report(event)
        self._show_samples(event.epoch)

    def _save_best(self) -> None:
        arrays = made.arrays_of(self._module)
        try:
            safetensors_file.save(self._best_file, arrays, {"epoch": str(self._place.epoch)})
        except OSError as error:
            raise unwritable(self._best_file, error) from error

    def _show_samples(self, epoch: int) -> None:
        folder = self._folder.samples
        try:
            folder.mkdir(exist_ok=True)
            with _aside(self._device):
                for number, (name, picture) in enumerate(self._task.samples(self._device), 1):
                    path = folder / f"{epoch:04d}-{number}.jpg"
                    atomic_write(path, _jpeg(picture))
                    self._report(Sample(epoch, name, path.relative_to(self._folder.path).as_posix()))
        except OSError as error:
            raise unwritable(folder, error) from error

    def _halve(self) -> None:
        """Begin again at the last checkpoint with half the batch; the second time is the end."""
        batch, halved = self._place.batch, self._place.halved
        devices.give_memory_back()
        if halved or batch == 1:
            where = "The GPU's memory" if self._device.type != "cpu" else "The memory"
            images = "one image" if batch == 1 else f"batches of {batch} images"
            raise LabelerError(
                f"{where} is too small for {images}: choose a smaller batch, image size or model, or close "
                "other programs, and train again."
            )
        self._restore()
        self._place.batch, self._place.halved, self._place.step = batch // 2, True, 0
        self._place.sums = {}
        self._save()
        self._report(Note(f"Memory ran out with {batch} images a batch; training goes on with {batch // 2}."))

    def _keep_the_good(self, problem: NotFiniteError) -> None:
        """A run whose loss is no number any more ends with its best epoch, where it has one."""
        best = self._place.best_epoch
        self._restore()
        if not best:
            raise LabelerError(f"Training stopped, for {problem}: choose a lower learning rate.")
        self._report(
            Note(
                f"Training stopped, for {problem}; the weights of epoch {best} are kept. Choose a lower "
                "learning rate to get further."
            )
        )


@contextmanager
def _aside(where: torch.device) -> Iterator[None]:
    """Without gradients, and without moving torch's random numbers."""
    gpus = [where.index or 0] if where.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices=gpus):
        yield


def _told_epochs(folder: RunFolder) -> set[int]:
    return {event.epoch for event in folder.events() if isinstance(event, Epoch)}


def _jpeg(picture: Rgb) -> bytes:
    scale = min(1.0, _SAMPLE_SIDE / max(picture.shape[:2]))
    if scale < 1.0:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(data)
