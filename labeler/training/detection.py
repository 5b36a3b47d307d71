"""Torchvision's two-stage detectors, trained by our loop; import it inside functions, for it imports torch.

Images come to the model at the very size that it would scale them to by itself, so a photo costs no more
than it must. Where training starts from weights, the rows of the class heads whose names are known are
carried over, batch norms keep the statistics of the weights, and the pace is slow; else all is learnt anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from msgspec import Struct, structs
from torch import Tensor

from labeler.core.geometry import area, bounds, clipped, rasterise, resized, tight, to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Box, Candidate, Mask
from labeler.errors import LabelerError
from labeler.models.detections import to_candidates
from labeler.models.files import made
from labeler.models.files.pickles import load_state_dict
from labeler.models.protocols import Rgb
from labeler.models.torchvision_models import build, freeze_norms, longest
from labeler.training.batches import in_order
from labeler.training.data import LabelledImage, LabelledSet
from labeler.training.events import Note, Report, ShouldStop
from labeler.training.loop import Schedule, fit, seed
from labeler.training.precision import JudgedImage, precision
from labeler.training.run import RunFolder
from labeler.training.sample_pictures import drawn
from labeler.training.tone_jitter import tone_jittered

_WORKERS = 2
"""Threads that decode images; each is well ahead of a model of this size."""
_SAMPLES = 3
_LEAST_CONFIDENCE = 0.05
_SCALES = (0.8, 0.9, 1.0)
"""Of the shorter side's target, drawn anew for each image that is learnt from; the last is the target."""
_BRIGHTER = 0.25
_LONGEST_GRADIENT = 10.0
_DECAY = 1e-4
_BACKGROUND = "background"
_CLASS_ROWS = {
    "roi_heads.box_predictor.cls_score": 1,
    "roi_heads.box_predictor.bbox_pred": 4,
    "roi_heads.mask_predictor.mask_fcn_logits": 1,
}
"""The layers with rows of their own for each class, and how many."""
_LOSSES = {
    "loss_classifier": "class",
    "loss_box_reg": "box",
    "loss_mask": "mask",
    "loss_objectness": "proposal",
    "loss_rpn_box_reg": "proposal box",
}


class DetectionPlan(Struct, frozen=True):
    """How to train."""

    trainer: str
    """The id of the trainer: what the final weights say that they are."""
    builder: str
    """What `torchvision_models.build` makes."""
    weights: Path | None
    """The file to start from; None to learn from nothing."""
    weights_names: tuple[str, ...]
    """The names of that file's classes, the background first."""
    epochs: int
    batch: int
    size: int
    """What the shorter side of images is scaled to, in pixels."""
    rate: float
    patience: int = 0
    masks: bool = False
    """Whether the model has masks, so learns from outlines and is measured by them."""


class LoadedImage(Struct, frozen=True, eq=False):
    """An image at the size that the model takes, with what is on it at that size."""

    rgb: Rgb
    annotations: tuple[Annotation, ...]


def train(folder: RunFolder, plan: DetectionPlan, report: Report, should_stop: ShouldStop) -> Path:
    """Train as planned, or go on from the folder's checkpoint; gives the file of the final weights.

    Raises as `loop.fit`, and LabelerError where nothing can be learnt from or the weights do not fit.
    """
    train_set, validation = folder.train_set(), folder.validation_set()
    learnt = _learnable(train_set, plan, report)
    seed(folder.spec.seed)
    names = [_BACKGROUND, *train_set.names]
    model = build(plan.builder, len(names), side=plan.size)
    if plan.weights is not None:
        carry_over(model, plan.weights, plan.weights_names, names)
        freeze_norms(model)
    model.transform.min_size = tuple(round(plan.size * scale) for scale in _SCALES)
    model.roi_heads.score_thresh = _LEAST_CONFIDENCE
    schedule = Schedule(
        epochs=plan.epochs,
        batch=plan.batch,
        metric="mask AP" if plan.masks else "AP",
        patience=plan.patience,
        warmup=min(1.0, plan.epochs / 10),
        clip=_LONGEST_GRADIENT,
    )
    task = DetectionTask(model, learnt, validation, plan, folder.spec.seed)
    fit(task, folder, schedule, report, should_stop)
    path = folder.path / "weights.safetensors"
    made.save(
        path,
        made.arrays_of(model),
        maker=plan.trainer,
        categories=train_set.names,
        config={"builder": plan.builder, "side": plan.size},
        title=folder.spec.name,
    )
    return path


class DetectionTask:
    """A two-stage detector for `loop.fit`."""

    def __init__(
        self, module: Any, learnt: LabelledSet, validation: LabelledSet, plan: DetectionPlan, number: int
    ) -> None:
        self.module: torch.nn.Module = module
        self._learnt = learnt
        self._validation = validation
        self._plan = plan
        self._seed = number

    def steps(self, batch: int) -> int:
        """Batches an epoch, the last one perhaps smaller."""
        return -(-len(self._learnt.images) // batch)

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW, which needs no pace of its own for each size of batch."""
        learnt = [one for one in self.module.parameters() if one.requires_grad]
        return torch.optim.AdamW(learnt, lr=self._plan.rate, weight_decay=_DECAY)

    def batches(self, epoch: int, batch: int) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
        """Lists of images (3, H, W) from 0 to 1 and of their targets, as torchvision's models take them."""
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._learnt.images)).tolist()

        def one(place: int) -> tuple[Tensor, dict[str, Tensor]]:
            chance = np.random.default_rng((self._seed, epoch, place))
            loaded = augmented(self._loaded(self._learnt.images[place]), chance)
            return _tensor(loaded.rgb), self._target(loaded)

        ready = in_order(one, order, workers=_WORKERS, ahead=2 * batch)
        for start in range(0, len(order), batch):
            pairs = [next(ready) for _ in order[start : start + batch]]
            yield [image for image, _ in pairs], [target for _, target in pairs]

    def losses(self, batch: Any, where: torch.device) -> dict[str, Tensor]:  # noqa: ARG002
        """Torchvision's own, and "loss", their sum."""
        images, targets = batch
        parts = self.module(images, targets)
        return {"loss": sum(parts.values()), **{_LOSSES[name]: value for name, value in parts.items()}}

    def evaluate(self, where: torch.device, should_stop: ShouldStop) -> dict[str, float]:
        """AP and AP50 of boxes, and of masks where it has them."""
        judged = []
        for image in self._validation.images:
            if should_stop():
                return {}
            loaded = self._loaded(image)
            size = loaded.rgb.shape[0], loaded.rgb.shape[1]
            judged.append(JudgedImage(size, loaded.annotations, self._found(loaded.rgb, where)))
        ids = {category.name: category.id for category in self._validation.categories}
        figures = precision(judged, ids)
        if self._plan.masks:
            figures |= precision(judged, ids, by="mask", prefix="mask ")
        return figures

    def samples(self, where: torch.device) -> Iterable[tuple[str, Rgb]]:
        """The first validation images, with what is found on them."""
        for image in self._validation.images[:_SAMPLES]:
            rgb = self._loaded(image).rgb
            yield image.name, drawn(rgb, self._found(rgb, where), self._validation.names)

    def _loaded(self, image: LabelledImage) -> LoadedImage:
        return scaled(read_pixels(image.path).rgb, image.annotations, side=self._plan.size)

    def _target(self, loaded: LoadedImage) -> dict[str, Tensor]:
        size, place = (loaded.rgb.shape[0], loaded.rgb.shape[1]), self._learnt.class_of
        inside = [(clipped(one.shape, size), place[one.category_id] + 1) for one in loaded.annotations]
        kept = [(shape, label) for shape, label in inside if area(shape) > 0 and bounds(shape).area >= 1.0]
        corners = [bounds(shape) for shape, _ in kept]
        boxes = [(box.x0, box.y0, box.x1, box.y1) for box in corners]
        target = {
            "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            "labels": torch.tensor([label for _, label in kept], dtype=torch.int64),
        }
        if self._plan.masks:
            bits = np.zeros((len(kept), *size), dtype=np.uint8)
            for row, (shape, _) in zip(bits, kept, strict=True):
                row[:] = to_bits(rasterise(shape, size=size), size)
            target["masks"] = torch.from_numpy(bits)
        return target

    def _found(self, rgb: Rgb, where: torch.device) -> tuple[Candidate, ...]:
        """What the model finds, after its own NMS."""
        result = self.module([_tensor(rgb).to(where)])[0]
        labels = result["labels"].cpu().numpy() - 1
        masks = result["masks"][:, 0].ge(0.5).cpu().numpy() if "masks" in result else None

        def mask(index: int) -> Mask | None:
            assert masks is not None, "it is asked only where there are masks"
            found = tight(Mask(0, 0, masks[index]))
            return found if found.bits.size else None

        return to_candidates(
            result["boxes"].cpu().numpy(),
            result["scores"].cpu().numpy(),
            labels,
            self._validation.names,
            mask=mask if masks is not None else None,
        )


def scaled(rgb: Rgb, annotations: Sequence[Annotation], *, side: int) -> LoadedImage:
    """An image with its shorter side at `side` pixels, the longer one at most five thirds of that."""
    height, width = rgb.shape[:2]
    scale = min(side / min(height, width), longest(side) / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole, target = Box(0, 0, width, height), Box(0, 0, *size)
    moved = [structs.replace(one, shape=resized(one.shape, whole, target)) for one in annotations]
    return LoadedImage(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), tuple(moved))


def augmented(loaded: LoadedImage, chance: np.random.Generator) -> LoadedImage:
    """The image mirrored half of the time, and a little brighter or darker, paler or richer in contrast."""
    rgb, annotations = loaded.rgb, loaded.annotations
    height, width = rgb.shape[:2]
    rgb = tone_jittered(rgb, _BRIGHTER, chance)
    if chance.random() < 0.5:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
        whole, mirrored = Box(0, 0, width, height), Box(width, 0, 0, height)
        annotations = tuple(
            structs.replace(one, shape=resized(one.shape, whole, mirrored)) for one in annotations
        )
    return LoadedImage(rgb, annotations)


def carry_over(model: Any, weights: Path, old: Sequence[str], new: Sequence[str]) -> None:
    """Give a model the weights of a file, class by class where the names are the same.

    `old` and `new` are the names of the file's classes and of the model's, background first; the rows of
    names that the file does not know stay as they are. Raises LabelerError where the file is of another
    model.
    """
    state = load_state_dict(weights)
    place = {name.strip().lower(): number for number, name in enumerate(old)}
    rows_of = ((row, place.get(name.strip().lower())) for row, name in enumerate(new))
    pairs = [(row, old_row) for row, old_row in rows_of if old_row is not None]
    own = model.state_dict()
    for name, values in own.items():
        rows = _CLASS_ROWS.get(name.rpartition(".")[0])
        given = state.get(name)
        if given is None and name.endswith("num_batches_tracked"):
            continue
        if given is None or (rows is None and given.shape != values.shape):
            raise LabelerError(f"“{weights.name}” holds the weights of another model; choose another file.")
        if rows is None:
            own[name] = given
            continue
        shape = (-1, rows, *values.shape[1:])
        target, source = values.clone().reshape(shape), given.reshape(shape).to(values.dtype)
        for row, from_row in pairs:
            target[row] = source[from_row]
        own[name] = target.reshape(values.shape)
    model.load_state_dict(own)


def _learnable(part: LabelledSet, plan: DetectionPlan, report: Report) -> LabelledSet:
    """The images to learn from, without crowds and, for masks, without objects that are only boxes."""
    left_out = 0
    images = []
    for image in part.images:
        wanted = [one for one in image.annotations if not one.crowd]
        kept = tuple(one for one in wanted if not (plan.masks and isinstance(one.shape, Box)))
        left_out += len(wanted) - len(kept)
        images.append(structs.replace(image, annotations=kept))
    if left_out:
        report(Note(f"{left_out} objects were left out of training, for they are only boxes."))
    if not any(image.annotations for image in images):
        what = "outlines" if plan.masks else "objects"
        raise LabelerError(f"No image to learn from has {what}; label some and train again.")
    return structs.replace(part, images=tuple(images))


def _tensor(rgb: Rgb) -> Tensor:
    """(3, H, W) float32 from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1).float() / 255
