"""What and where: one network that says of an image which category it shows, and in which box.

A backbone (MobileNetV3-Small, Howard et al. 2019) has two heads: one gives the probability of each category
and of "nothing", the other a box. Both are learnt together; the total is the class loss plus lambda times the
Smooth L1 of the box (Girshick, Fast R-CNN, 2015). For images that show one object at most.

Boxes are (cx, cy, w, h) in shares of the image, from 0 to 1. It imports torch: import it inside functions.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import torch
from msgspec import Struct
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small

from labeler.core.geometry import bounds
from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Box, Candidate
from labeler.errors import LabelerError
from labeler.models.files import made
from labeler.models.files.pickles import load_state_dict
from labeler.models.protocols import Rgb
from labeler.training.batches import in_order
from labeler.training.data import LabelledImage, LabelledSet
from labeler.training.events import Note, Report, ShouldStop
from labeler.training.loop import Schedule, fit, seed
from labeler.training.precision import JudgedImage, precision
from labeler.training.run import RunFolder
from labeler.training.sample_pictures import drawn
from labeler.training.tone_jitter import tone_jittered

ID = "localizer"
"""The trainer's, and what its files say that they are."""
METRIC = "IoU"
"""Mean over the validation images of the IoU of the box; 0 for one of the wrong category."""

_BETA = 0.05
"""Shares of the image below which Smooth L1 is a square: errors smaller than a twentieth fade out."""
_GRID = 7
_REDUCED = 64
_HIDDEN = 256
_FEATURES = 576
_PACE_OF_STATISTICS = 0.1
"""Of batch norms: torchvision's own would take more steps to settle than a small set has."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_DECAY = 1e-4
_WORKERS = 2
_SAMPLES = 4
_BRIGHTER = 0.3
_SHIFT = 0.1
_ZOOM = 0.2


class LocalizerPlan(Struct, frozen=True):
    """How to train."""

    weights: Path | None
    """A file of torchvision's MobileNetV3-Small to start from; None to learn from nothing."""
    epochs: int
    batch: int
    size: int
    """The images' width and height as the network sees them, in pixels."""
    balance: float = msgspec.field(name="lambda")
    """Lambda: how much the box counts against the category."""
    rate: float
    patience: int = 0


# --- losses -----------------------------------------------------------------------------------------------
def total(class_loss: Any, box_loss: Any, *, balance: float) -> Any:
    """The class loss plus lambda (`balance`) times the box loss: of numbers or of tensors."""
    return class_loss + balance * box_loss


# --- the network ------------------------------------------------------------------------------------------
class Localizer(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """MobileNetV3-Small with a head for the category and one for the box."""

    def __init__(self, categories: int) -> None:
        """`categories` without "nothing", which is the last of the class head's rows."""
        super().__init__()
        self.features = mobilenet_v3_small(weights=None).features
        for module in self.features.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = _PACE_OF_STATISTICS
        self.category = nn.Linear(_FEATURES, categories + 1)
        self.box = nn.Sequential(
            nn.Conv2d(_FEATURES, _REDUCED, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(_GRID),
            nn.Flatten(),
            nn.Linear(_REDUCED * _GRID * _GRID, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, 4),
        )
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of images (N, 3, S, S) from 0 to 1: logits (N, C + 1), and boxes (N, 4)."""
        features = self.features((images - self.mean) / self.deviation)
        return self.category(features.mean(dim=(2, 3))), self.box(features).sigmoid()


class FixedPool(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """What AdaptiveAvgPool2d gives for inputs (N, C, side, side), in products that ONNX has for any side."""

    def __init__(self, side: int) -> None:
        super().__init__()
        # means of the cells under each of the grid's, as torch: from floor(i n / g) to ceil((i + 1) n / g)
        parts = torch.zeros(_GRID, side)
        for place in range(_GRID):
            start, end = place * side // _GRID, -(-(place + 1) * side // _GRID)
            parts[place, start:end] = 1 / (end - start)
        self.register_buffer("parts", parts)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, side, side) to (N, C, 7, 7)."""
        return self.parts @ x @ self.parts.T


def portable_network(network: Localizer, side: int) -> Localizer:
    """The network for images of that side, such that it can be exported; it is changed."""
    with torch.inference_mode():
        cells = network.features(torch.zeros(1, 3, side, side)).shape[-1]
    network.box[2] = FixedPool(cells)
    return network


def seen(rgb: Rgb, side: int) -> Rgb:
    """The image as the network sees it: (side, side, 3), not keeping its shape."""
    small: Rgb = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)
    return small


def decoded(
    logits: Tensor, boxes: Tensor, sizes: Sequence[tuple[int, int]], names: Sequence[str]
) -> list[Candidate]:
    """One candidate for each image of size (H, W): its most probable category, never "nothing"."""
    chances = logits.float().softmax(dim=1)[:, :-1].cpu().numpy()
    found = []
    for chance, (cx, cy, w, h), (height, width) in zip(chances, boxes.float().tolist(), sizes, strict=True):
        x0, x1 = max(0.0, cx - w / 2) * width, min(1.0, cx + w / 2) * width
        y0, y1 = max(0.0, cy - h / 2) * height, min(1.0, cy + h / 2) * height
        best = int(chance.argmax())
        found.append(Candidate(0, 0, 0, 0, Box(x0, y0, x1, y1), float(chance[best]), names[best]))
    return found


def tensor(rgb: Rgb) -> Tensor:
    """(3, H, W) float32 from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1).float() / 255


# --- the training -----------------------------------------------------------------------------------------
def train(folder: RunFolder, plan: LocalizerPlan, report: Report, should_stop: ShouldStop) -> Path:
    """Train as planned, or go on from the folder's checkpoint; gives the file of the final weights.

    Raises as `loop.fit`, and LabelerError where nothing can be learnt from or the weights do not fit.
    """
    train_set, validation = folder.train_set(), folder.validation_set()
    _check(train_set, report)
    report(
        Note(f"The total is the class loss plus {plan.balance:g} (lambda) times the Smooth L1 of the box.")
    )
    seed(folder.spec.seed)
    module = Localizer(len(train_set.names))
    if plan.weights is not None:
        _start_from(module, plan.weights)
    schedule = Schedule(
        epochs=plan.epochs,
        batch=plan.batch,
        metric=METRIC,
        patience=plan.patience,
        warmup=min(2.0, plan.epochs / 10),
    )
    fit(
        LocalizerTask(module, train_set, validation, plan, folder.spec.seed),
        folder,
        schedule,
        report,
        should_stop,
    )
    path = folder.path / "weights.safetensors"
    made.save(
        path,
        made.arrays_of(module),
        maker=ID,
        categories=train_set.names,
        config={"side": plan.size},
        title=folder.spec.name,
    )
    return path


class LocalizerTask:
    """A localizer for `loop.fit`."""

    def __init__(
        self,
        module: Localizer,
        train_set: LabelledSet,
        validation: LabelledSet,
        plan: LocalizerPlan,
        number: int,
    ) -> None:
        self.module: nn.Module = module
        self._train = train_set
        self._validation = validation
        self._plan = plan
        self._seed = number

    def steps(self, batch: int) -> int:
        """Batches an epoch; a last one of a single image goes without, for it has no statistics."""
        whole, rest = divmod(len(self._train.images), batch)
        return max(1, whole + (rest > 1))

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(self.module.parameters(), lr=self._plan.rate, weight_decay=_DECAY)

    def batches(self, epoch: int, batch: int) -> Iterator[dict[str, Tensor]]:
        """By name: images (N, 3, S, S), category (N,), box (N, 4), and there (N,), whether there is one."""
        count = len(self._train.images)
        order = np.random.default_rng((self._seed, epoch)).permutation(count).tolist()
        if count == 1:
            order *= 2  # a batch norm has no statistics of one image

        def one(place: int) -> tuple[Rgb, int, Sequence[float] | None]:
            image = self._train.images[place]
            chance = np.random.default_rng((self._seed, epoch, place))
            category, box = self._target(image)
            rgb, box = augmented_with_box(seen(read_pixels(image.path).rgb, self._plan.size), box, chance)
            return rgb, category, box

        ready = in_order(one, order, workers=_WORKERS, ahead=2 * batch)
        for number in range(self.steps(batch)):
            yield _stacked([next(ready) for _ in order[number * batch : (number + 1) * batch]])

    def losses(self, batch: Any, where: torch.device) -> dict[str, Tensor]:  # noqa: ARG002
        """The class loss, Smooth L1 of the box, that times lambda, and "loss", the total."""
        logits, boxes = self.module(batch["images"])
        category = nn.functional.cross_entropy(logits.float(), batch["category"])
        errors = nn.functional.smooth_l1_loss(boxes.float(), batch["box"], beta=_BETA, reduction="none")
        box = (errors.sum(dim=1) * batch["there"]).sum() / batch["there"].sum().clamp(min=1)
        balance = self._plan.balance
        return {
            "loss": total(category, box, balance=balance),
            "class": category,
            "Smooth L1": box,
            "lambda x Smooth L1": balance * box,
        }

    def evaluate(self, where: torch.device, should_stop: ShouldStop) -> dict[str, float]:
        """IoU (see `METRIC`), the accuracy of the category, AP and AP50."""
        judged, overlaps, right = [], [], []
        for image in self._validation.images:
            if should_stop():
                return {}
            candidate = self._found(image, where)
            judged.append(JudgedImage(image.size, image.annotations, [candidate]))
            truth = largest(image.annotations)
            if truth is not None:
                name = self._validation.names[self._validation.class_of[truth.category_id]]
                right.append(float(name == candidate.label))
                overlaps.append(right[-1] * _overlap(bounds(candidate.shape), bounds(truth.shape)))
        figures = precision(judged, {one.name: one.id for one in self._validation.categories})
        if overlaps:
            figures |= {METRIC: float(np.mean(overlaps)), "accuracy": float(np.mean(right))}
        return figures

    def samples(self, where: torch.device) -> Iterable[tuple[str, Rgb]]:
        """The first validation images, with what is found on them."""
        for image in self._validation.images[:_SAMPLES]:
            rgb = read_pixels(image.path).rgb
            yield image.name, drawn(rgb, [self._found(image, where)], self._validation.names)

    def _found(self, image: LabelledImage, where: torch.device) -> Candidate:
        rgb = seen(read_pixels(image.path).rgb, self._plan.size)
        logits, boxes = self.module(tensor(rgb)[None].to(where))
        return decoded(logits, boxes, [image.size], self._validation.names)[0]

    def _target(self, image: LabelledImage) -> tuple[int, Sequence[float] | None]:
        """The category's place and the box of the largest object; the place after the last for nothing."""
        one = largest(image.annotations)
        if one is None:
            return len(self._train.names), None
        box, (height, width) = bounds(one.shape), image.size
        centre = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
        return self._train.class_of[one.category_id], (*centre, box.width / width, box.height / height)


def largest(annotations: Sequence[Annotation]) -> Annotation | None:
    """The object of the largest box, crowds left out; None where there is none."""
    return max(
        (one for one in annotations if not one.crowd), key=lambda one: bounds(one.shape).area, default=None
    )


def augmented_with_box(
    rgb: Rgb, box: Sequence[float] | None, chance: np.random.Generator
) -> tuple[Rgb, Sequence[float] | None]:
    """The image and its box mirrored half of the time, moved, zoomed and toned a little.

    It is not moved or zoomed where the box would reach over the edge.
    """
    side = rgb.shape[0]
    zoom, dx, dy = 1 + chance.uniform(-_ZOOM, _ZOOM), *chance.uniform(-_SHIFT, _SHIFT, 2)
    rgb = tone_jittered(rgb, _BRIGHTER, chance)
    if chance.random() < 0.5:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
        box = (1 - box[0], *box[1:]) if box is not None else None
    moved = _moved(box, zoom, dx, dy)
    if box is not None and moved is None:
        return rgb, box
    offset = (1 - zoom) / 2
    matrix = np.array([[zoom, 0, (offset + dx) * side], [0, zoom, (offset + dy) * side]])
    return cv2.warpAffine(rgb, matrix, (side, side), borderMode=cv2.BORDER_REFLECT), moved


def _moved(box: Sequence[float] | None, zoom: float, dx: float, dy: float) -> Sequence[float] | None:
    """The box after zooming about the middle and moving; None where there is none or it reaches outside."""
    if box is None:
        return None
    cx, cy = (box[0] - 0.5) * zoom + 0.5 + dx, (box[1] - 0.5) * zoom + 0.5 + dy
    w, h = box[2] * zoom, box[3] * zoom
    inside = cx >= w / 2 and cy >= h / 2 and cx + w / 2 <= 1 and cy + h / 2 <= 1
    return (cx, cy, w, h) if inside else None


def _stacked(items: Sequence[tuple[Rgb, int, Sequence[float] | None]]) -> dict[str, Tensor]:
    return {
        "images": torch.stack([tensor(rgb) for rgb, _, _ in items]),
        "category": torch.tensor([category for _, category, _ in items]),
        "box": torch.tensor([box or (0.0,) * 4 for _, _, box in items], dtype=torch.float32),
        "there": torch.tensor([float(box is not None) for _, _, box in items]),
    }


def _overlap(a: Box, b: Box) -> float:
    shared = Box(max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1))
    both = shared.area if shared.width > 0 and shared.height > 0 else 0.0
    whole = a.area + b.area - both
    return both / whole if whole > 0 else 0.0


def _check(part: LabelledSet, report: Report) -> None:
    """Raise LabelerError where there is no object; say how many images have more than one."""
    counts = [sum(not one.crowd for one in image.annotations) for image in part.images]
    if not any(counts):
        raise LabelerError("No image to learn from has objects; label some and train again.")
    crowded = sum(count > 1 for count in counts)
    if crowded:
        report(
            Note(
                f"{crowded} of {len(counts)} images have more than one object: of each, only the largest is "
                "learnt. Choose another model to find several."
            )
        )


def _start_from(module: Localizer, weights: Path) -> None:
    state = load_state_dict(weights)
    own = module.features.state_dict()
    given = {name: state[f"features.{name}"] for name in own if f"features.{name}" in state}
    if len(given) < len(own) or any(given[name].shape != own[name].shape for name in own):
        raise LabelerError(
            f"“{weights.name}” holds no weights of torchvision's MobileNetV3-Small; choose another file."
        )
    module.features.load_state_dict(given)
