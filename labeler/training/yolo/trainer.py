"""A training by ultralytics, kept inside a run's folder, stopped and gone on with, told in our events.

Ultralytics does the learning: its loop, losses, augmentation and measuring on the validation images (whose AP
lies within a hundredth of COCO's). It works in `yolo/` of the run's folder, which holds nothing of worth: its
data are written anew at each sitting, since it would unpickle a cache that it finds beside them, and after
each epoch its checkpoint is copied to `checkpoints/`, whole or not at all.

The rows of the class head whose names are known to the weights are carried over (by ultralytics itself), so
a model that knows the categories begins as good as it was. It is measured before anything is learnt: if no
epoch is better, the run ends with the weights that it began with.
"""

import math
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from msgspec import Struct

from labeler.core.files import atomic_write
from labeler.core.photos.images import read_pixels
from labeler.core.suppression import suppress
from labeler.errors import LabelerError
from labeler.models import devices
from labeler.models.detections import letterbox, to_candidates
from labeler.models.files.checkpoints import check_pickles
from labeler.models.protocols import Rgb
from labeler.models.ultralytics_home import image_side, import_ultralytics, load_checkpoint
from labeler.training.disk import reason, remedy
from labeler.training.events import Epoch, Note, Report, Sample, ShouldStop, Started, Step
from labeler.training.run import RunFolder
from labeler.training.sample_pictures import SHOWN, drawn
from labeler.training.specs import StoppedError
from labeler.training.yolo import files as yolo_files
from labeler.training.yolo import yolo_checkpoints

_TOLD = 0.25
"""Seconds between two `Step` events."""
_SAMPLES = 3
_OVERLAP = 0.7
"""IoU above which the less confident of two boxes is not drawn; what ultralytics predicts with."""
_WORKERS = 8
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SHORT = 1000
"""Steps up to which a run is short: what the weights know already is disturbed as little as can be."""


class YoloPlan(Struct, frozen=True):
    """How to train."""

    weights: Path
    """The checkpoint to start from."""
    epochs: int
    batch: int
    size: int = 0
    """Longer side of the images, in pixels; 0 for what the weights were made with."""
    patience: int = 0
    """Epochs without a better one after which it is over; 0 to do them all."""
    rate: float = 0.0
    """The learning rate of AdamW; 0 for one chosen from the number of steps."""
    frozen: int = 0
    """How many of the first layers keep their weights."""
    mosaic: bool = True
    """Whether to put four images together into one, but for the last epochs; only in a long run."""
    workers: int = -1
    """Processes that read images; -1 for none on a CPU and some on a GPU."""


def train(folder: RunFolder, plan: YoloPlan, report: Report, should_stop: ShouldStop) -> Path:
    """Train as planned, or go on from the folder's checkpoint; gives the file of the final weights.

    Reports `Started`, `Step`, `Epoch`, `Sample` and `Note`; the epoch 0 is the model as it was. Raises
    StoppedError soon after `should_stop()`, and LabelerError with one sentence where the data, the weights,
    the memory or the disk are not up to it.
    """
    import_ultralytics()
    with yolo_files.listening(folder.log):
        return _Sitting(folder, plan, report, should_stop).run()


class _NotFiniteError(Exception):
    """The loss is no number any more, from the epoch on that it names."""


class _Sitting:
    """One go at a run."""

    def __init__(self, folder: RunFolder, plan: YoloPlan, report: Report, should_stop: ShouldStop) -> None:
        self._folder = folder
        self._plan = plan
        self._report = report
        self._should_stop = should_stop
        self._train, self._validation = folder.train_set(), folder.validation_set()
        self._last = folder.checkpoints / "last.pt"
        self._best = folder.checkpoints / "best.pt"
        self._workspace = folder.path / "yolo"
        self._epoch_begun = time.monotonic()
        self._step = self._told_step = 0
        self._told = time.monotonic()
        self._batch = 0
        self._judges = True

    def run(self) -> Path:
        """What is left of the training."""
        model = self._loaded(self._last if self._last.is_file() else self._plan.weights)
        done = yolo_checkpoints.epochs_done(self._last) if self._last.is_file() else 0
        if done < self._plan.epochs:
            try:
                self._sit(model, resumes=done > 0)
            except _NotFiniteError as error:
                self._report(
                    Note(
                        f"Training stopped, for the loss became NaN or infinite in epoch {error}; the best "
                        "weights before are kept. Choose a lower learning rate to get further."
                    )
                )
        path = self._folder.path / "weights.pt"
        yolo_checkpoints.write_final(self._best, path, self._folder.spec.name)
        shutil.rmtree(self._workspace, ignore_errors=True)
        return path

    def _loaded(self, path: Path) -> Any:
        check_pickles(path)
        try:
            return load_checkpoint(path)
        except LabelerError:
            raise
        except Exception as error:  # ultralytics raises anything for a bad file
            raise LabelerError(f"Training cannot start from “{path.name}” ({_said(error)}).") from error

    def _sit(self, model: Any, *, resumes: bool) -> None:
        import torch  # noqa: PLC0415  # heavy: in a child only

        threads = torch.get_num_threads()
        shutil.rmtree(self._workspace, ignore_errors=True)
        masks = model.task == "segment"
        side = self._plan.size or image_side(model.args.get("imgsz"))
        side = math.ceil(side / 32) * 32
        written = yolo_files.write(
            self._workspace / "data",
            self._train,
            self._validation,
            side=side,
            masks=masks,
            should_stop=self._should_stop,
        )
        self._check(written, masks=masks)
        self._judges = written.judged > 0
        overrides = self._arguments(model, written.yaml, side)
        if resumes:
            overrides["resume"] = overrides["model"] = str(self._last)
            self._put_back_best()
        try:
            trainer = _trainer(model.task, overrides)
            torch.set_num_threads(threads)  # it takes all there are
            self._listen(trainer)
            trainer.train()
        except LabelerError:
            raise
        except (MemoryError, RuntimeError) as error:
            raise self._explained(error) from error
        except OSError as error:
            # what it raises of its own carries no number of the system's, and is no trouble of the disk
            if error.errno is None:
                raise self._explained(error) from error
            raise LabelerError(
                f"Training cannot go on ({reason(error)}): {remedy(error)}, then resume the run."
            ) from error
        finally:
            torch.set_num_threads(threads)

    def _check(self, written: yolo_files.WrittenSet, *, masks: bool) -> None:
        if written.without_outline:
            self._report(
                Note(
                    f"{written.without_outline} objects were left out of training, for they are only boxes "
                    "and these weights learn from outlines."
                )
            )
        if not written.objects:
            what = "outlines" if masks else "objects"
            raise LabelerError(
                f"There are no {what} in the images to learn from; label some and train again."
            )

    def _arguments(self, model: Any, data: Path, side: int) -> dict[str, Any]:
        """Ultralytics' settings, chosen for small sets: each batch is a step, and old skills fade slowly."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        plan, where = self._plan, devices.chosen()
        has_gpu = where.type != "cpu"
        batch = min(plan.batch, len(self._train.images))
        steps = math.ceil(len(self._train.images) / batch) * plan.epochs
        head = model.model[-1]
        automatic = min(_WORKERS, os.cpu_count() or 1) if has_gpu else 0
        return {
            "model": str(plan.weights),
            "task": model.task,
            "data": str(data),
            "save_dir": str(self._workspace / "run"),
            "epochs": plan.epochs,
            "patience": plan.patience or plan.epochs + 1,
            "batch": batch,
            "nbs": batch,
            "imgsz": side,
            "device": where.type,
            "workers": plan.workers if plan.workers >= 0 else automatic,
            "amp": "bf16" if has_gpu and devices.short_float(where) == torch.bfloat16 else False,
            "optimizer": "AdamW",
            "lr0": plan.rate or _rate(steps),
            "lrf": 0.05,
            "cos_lr": True,
            "momentum": 0.9,
            "warmup_epochs": min(3.0, plan.epochs / 5),
            "warmup_bias_lr": 0.0,
            "freeze": plan.frozen or None,
            "mosaic": 1.0 if plan.mosaic and steps > _SHORT else 0.0,
            "close_mosaic": math.ceil(plan.epochs / 3),
            "seed": self._folder.spec.seed,
            "deterministic": not has_gpu,
            "nms": False if getattr(head, "one2one_cv2", None) is not None else None,
            "plots": False,
            "verbose": False,
            "exist_ok": True,
        }

    def _put_back_best(self) -> None:
        weights = self._workspace / "run" / "weights"
        weights.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._best, weights / "best.pt")

    # --- what ultralytics calls -------------------------------------------------------------------
    def _listen(self, trainer: Any) -> None:
        """Be called at each step; the measuring after the last epoch, and its images, are left out."""
        trainer.final_eval = _nothing
        if not self._judges:
            trainer.validate = lambda: _not_judged(trainer)
        for name, callback in {
            "on_pretrain_routine_end": self._begin,
            "on_train_epoch_start": self._begin_epoch,
            "on_train_batch_start": self._keep_norms,
            "on_train_batch_end": self._after_batch,
            "on_val_batch_start": self._stop_if_asked,
            "on_model_save": self._keep,
            "on_fit_epoch_end": self._after_epoch,
        }.items():
            trainer.add_callback(name, callback)

    def _begin(self, trainer: Any) -> None:
        self._batch = trainer.batch_size
        learnt = [one.numel() for one in trainer.model.parameters() if one.requires_grad]
        self._report(
            Started(
                device=devices.name_of(trainer.device),
                epochs=trainer.epochs,
                first_epoch=trainer.start_epoch + 1,
                batch=self._batch,
                parameters=sum(learnt),
            )
        )
        if trainer.start_epoch == 0:
            self._measure_start(trainer)

    def _measure_start(self, trainer: Any) -> None:
        """The epoch 0: the metrics of the model as it came, which is the best one so far."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        begun = time.monotonic()
        network = trainer.ema.ema
        judged = trainer.test_loader.dataset
        batch = trainer.preprocess_batch(judged.collate_fn([judged[0]]))
        with torch.inference_mode():
            trainer.loss_items = network.loss(batch)[1]  # its validator adds up losses of these names
            trainer.loss = sum(trainer.loss_items.values())
        network.criterion = None
        trainer.epoch = -1
        trainer.metrics, trainer.fitness = trainer.validate()
        trainer.train_time_start = time.time()
        trainer.save_model()
        self._folder.checkpoints.mkdir(exist_ok=True)
        atomic_write(self._best, trainer.best.read_bytes())
        trainer.last.unlink()
        trainer.epoch = 0
        if self._judges:
            self._report(Epoch(0, {}, _metrics(trainer.metrics), best=True, seconds=time.monotonic() - begun))
        self._show_samples(trainer, 0)

    def _begin_epoch(self, trainer: Any) -> None:
        self._step = self._told_step = 0
        self._told = self._epoch_begun = time.monotonic()
        if trainer.batch_size != self._batch:
            self._report(
                Note(
                    f"Memory ran out with {self._batch} images a batch; training goes on with "
                    f"{trainer.batch_size}."
                )
            )
            self._batch = trainer.batch_size

    def _keep_norms(self, trainer: Any) -> None:
        """In a short run batch norms keep their statistics: those of a few batches are worse."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        if self._step or len(trainer.train_loader) * trainer.epochs > _SHORT:
            return
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()

    def _after_batch(self, trainer: Any) -> None:
        self._stop_if_asked(trainer)
        self._step += 1
        now, steps = time.monotonic(), len(trainer.train_loader)
        if now - self._told < _TOLD and self._step < steps:
            return
        losses = _losses(trainer.tloss)
        if not all(map(math.isfinite, losses.values())):
            raise _NotFiniteError(trainer.epoch + 1)
        speed = (self._step - self._told_step) * self._batch / max(now - self._told, 1e-9)
        memory = devices.memory_used(trainer.device)
        self._report(Step(trainer.epoch + 1, self._step, steps, losses, speed, memory))
        self._told, self._told_step = now, self._step

    def _stop_if_asked(self, _: Any) -> None:
        if self._should_stop():
            raise StoppedError("The run was stopped; it can be resumed.")

    def _keep(self, trainer: Any) -> None:
        """Its checkpoints, to where a crash in the middle of its writing does no harm."""
        if trainer.best_fitness == trainer.fitness:
            atomic_write(self._best, trainer.best.read_bytes())
        atomic_write(self._last, trainer.last.read_bytes())

    def _after_epoch(self, trainer: Any) -> None:
        epoch = trainer.epoch + 1
        seconds = time.monotonic() - self._epoch_begun
        best = bool(trainer.best_fitness == trainer.fitness)
        metrics = _metrics(trainer.metrics) if self._judges else {}
        self._report(Epoch(epoch, _losses(trainer.tloss), metrics, best, seconds))
        self._show_samples(trainer, epoch)

    def _show_samples(self, trainer: Any, epoch: int) -> None:
        self._folder.samples.mkdir(exist_ok=True)
        for number, image in enumerate(self._validation.images[:_SAMPLES], 1):
            rgb = yolo_files.reduced(read_pixels(image.path).rgb, trainer.args.imgsz)
            path = self._folder.samples / f"{epoch:04d}-{number}.jpg"
            _, data = cv2.imencode(".jpg", cv2.cvtColor(self._seen(trainer, rgb), cv2.COLOR_RGB2BGR))
            atomic_write(path, data.tobytes())
            self._report(Sample(epoch, image.name, path.relative_to(self._folder.path).as_posix()))

    def _seen(self, trainer: Any, rgb: Rgb) -> Rgb:
        """The image with the boxes that the network of the moment finds."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        frame, place = letterbox(rgb, side=trainer.args.imgsz, stride=trainer.stride)
        names = self._train.names
        with torch.inference_mode():
            output = trainer.ema.ema(torch.from_numpy(frame).to(trainer.device))[0]
        while not isinstance(output, torch.Tensor):  # a segmenter gives its prototypes too
            output = output[0]
        found = output[0].float().cpu().numpy()
        if trainer.ema.ema.end2end:  # (N, 6 and more): corners, confidence, class
            boxes, scores, classes = found[:, :4], found[:, 4], found[:, 5].astype(np.intp)
        else:  # (4 + classes and more, N): centre and size, confidence of each class
            confidences = found[4 : 4 + len(names)]
            classes, scores = confidences.argmax(axis=0), confidences.max(axis=0)
            centre, half = found[:2].T, found[2:4].T / 2
            boxes = np.concatenate([centre - half, centre + half], axis=1)
        sure = scores >= SHOWN
        boxes, scores, classes = boxes[sure], scores[sure], classes[sure]
        kept = suppress(boxes, scores, classes, threshold=_OVERLAP).kept
        return drawn(
            rgb, to_candidates(place.to_image(boxes[kept]), scores[kept], classes[kept], names), names
        )

    def _explained(self, error: BaseException) -> LabelerError:
        if devices.is_out_of_memory(error):
            return LabelerError(
                f"The memory is too small for {self._batch or self._plan.batch} images a batch: choose a "
                "smaller batch, image size or model, or close other programs, and train again."
            )
        return LabelerError(f"Ultralytics could not train ({_said(error)}); the run's log.txt says more.")


def _rate(steps: int) -> float:
    """A learning rate of AdamW for a fine-tuning of so many steps: the shorter, the gentler."""
    return min(5e-4, max(3e-5, 3e-5 * steps / 40))


def _trainer(task: str, overrides: dict[str, Any]) -> Any:
    from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: PLC0415  # heavy: in a child only
    from ultralytics.models.yolo.segment import SegmentationTrainer  # noqa: PLC0415

    kinds = {"detect": DetectionTrainer, "segment": SegmentationTrainer}
    if task not in kinds:
        raise LabelerError(f"The weights are for “{task}”, choose some that find boxes or masks.")
    return kinds[task](overrides=overrides)


def _nothing() -> None:
    """In place of ultralytics' last measuring, which would only repeat that of the best epoch."""


def _not_judged(trainer: Any) -> tuple[dict[str, float], float]:
    """In place of its measuring where nothing can be judged: no figures, and the last epoch is the best."""
    trainer.best_fitness = float(trainer.epoch + 1)
    return dict(trainer.metrics), trainer.best_fitness


def _losses(running: dict[str, Any]) -> dict[str, float]:
    """Its running means by name, "box", "cls", "dfl", "seg", and "loss", their sum."""
    parts = {name.removesuffix("_loss"): float(value) for name, value in running.items()}
    return {"loss": sum(parts.values()), **parts}


def _metrics(found: dict[str, float]) -> dict[str, float]:
    """Of its figures those that are shown; those of masks only where it has masks."""
    names = {
        "metrics/mAP50-95(B)": "AP",
        "metrics/mAP50(B)": "AP50",
        "metrics/mAP50-95(M)": "mask AP",
        "metrics/mAP50(M)": "mask AP50",
    }
    return {ours: float(found[theirs]) for theirs, ours in names.items() if theirs in found}


def _said(error: BaseException) -> str:
    """The first line of what it says, which ultralytics colours for a terminal."""
    lines = _ESCAPES.sub("", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
