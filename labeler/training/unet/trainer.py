"""How a U-Net is trained on a run's images; import it inside functions, for it imports torch.

An epoch shows every image as many times as tiles cover it. Half of the tiles lie around an object, so that
rare and small ones are seen; each is varied by chance. Validation images are judged whole, as they are shown.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import psutil
import torch
from msgspec import structs
from numpy.typing import NDArray
from torch import Tensor

from labeler.core.geometry import area, bounds, from_bits
from labeler.core.measures.overlap import boundary_iou
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box
from labeler.errors import LabelerError
from labeler.models import devices
from labeler.models.input_pixels import objects
from labeler.models.protocols import Rgb
from labeler.training.batches import in_order
from labeler.training.data import LabelledImage, LabelledSet
from labeler.training.events import Note, Report, ShouldStop
from labeler.training.loop import Schedule, fit, seed
from labeler.training.run import RunFolder
from labeler.training.sample_pictures import drawn
from labeler.training.unet import losses, pixel_model
from labeler.training.unet.augmentation import NONE, Augmentation, augmented_tile, window
from labeler.training.unet.label_maps import UNKNOWN, LabelMap, label_confusion, label_map
from labeler.training.unet.network import Architecture, Segmenting, build
from labeler.training.unet.pixel_model import PixelModel, Recipe, scaled_size
from labeler.training.unet.plan import NetworkPlan, UnetPlan, planned

METRIC = "IoU"
"""The mean over the categories; its best epoch is kept."""

_LEAST_STEPS = 8
"""Of an epoch: few images are shown several times rather than measured all the time."""
_MOST_TILES = 64
"""Of an image in an epoch."""
_LONGEST_GRADIENT = 5.0
_DECAY = 1e-2
_SAMPLES = 3


def train(folder: RunFolder, plan: UnetPlan, report: Report, should_stop: ShouldStop) -> Path:
    """Train, or go on from the folder's checkpoint; gives the file of the final weights.

    Raises as `loop.fit`, and LabelerError where there is nothing to
    learn, or an encoder is not at hand.
    """
    learnt = folder.train_set()
    _check_outlines(learnt, report)
    weights = msgspec.convert(plan, losses.LossWeights, from_attributes=True)
    if not any(value > 0 for value in structs.astuple(weights)):
        raise LabelerError("Every loss counts 0, so nothing would be learnt; set one of them above 0.")
    where = devices.chosen()
    sizes = planned(learnt, plan, memory=devices.memory_left(where), gpu=where.type != "cpu")
    seed(folder.spec.seed)
    task = SegmentationTask(learnt, folder.validation_set(), sizes, plan, weights, number=folder.spec.seed)
    schedule = Schedule(
        epochs=plan.epochs,
        batch=sizes.batch,
        metric=METRIC,
        patience=plan.patience,
        warmup=min(1.0, plan.epochs / 10),
        clip=_LONGEST_GRADIENT,
        mixed_precision=plan.mixed_precision,
    )
    fit(task, folder, schedule, report, should_stop)
    path = folder.path / "weights.safetensors"
    pixel_model.save(path, task.model, folder.spec.name)
    return path


def _check_outlines(learnt: LabelledSet, report: Report) -> None:
    every = [one for image in learnt.images for one in image.annotations if not one.crowd]
    boxes = sum(isinstance(one.shape, Box) for one in every)
    if boxes == len(every):
        raise LabelerError("There are no outlines in the images to learn from; draw some and train again.")
    if boxes:
        report(Note(f"{boxes} objects are only boxes; nothing is learnt from the pixels inside them."))


class Pictures:
    """The images of a part at the size they are learnt from, with their label maps; kept where they fit."""

    def __init__(self, data: LabelledSet, sizes: NetworkPlan, *, seams: bool, memory: int) -> None:
        self._data = data
        self._sizes = sizes
        self._seams = seams
        self._left = memory
        self._kept: dict[int, tuple[Rgb, LabelMap]] = {}

    def __getitem__(self, place: int) -> tuple[Rgb, LabelMap]:
        """RGB uint8 (H, W, 3) and classes int16 (H, W) of one image; from any thread."""
        found = self._kept.get(place)
        if found is None:
            found = self._read(self._data.images[place])
            size = found[0].nbytes + found[1].nbytes
            if size <= self._left:
                self._left -= size
                self._kept[place] = found
        return found

    def _read(self, image: LabelledImage) -> tuple[Rgb, LabelMap]:
        rgb = read_pixels(image.path).rgb
        height, width = rgb.shape[:2]
        target = (width, height)
        if self._sizes.whole:
            target = scaled_size(width, height, self._sizes.tile)
            rgb = np.asarray(cv2.resize(rgb, target, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        classes = label_map(
            image.annotations,
            self._data.class_of,
            (height, width),
            scaled_to=target[::-1],
            seams=self._seams,
        )
        return rgb, classes

    def focus(self, place: int, chance: np.random.Generator) -> tuple[float, float]:
        """Where a tile is centred: half of the time within an object, else anywhere. (x, y) in pixels."""
        image = self._data.images[place]
        height, width = image.size
        if self._sizes.whole:
            width, height = scaled_size(width, height, self._sizes.tile)
            return width / 2, height / 2
        if image.annotations and chance.random() < 0.5:
            box = bounds(image.annotations[int(chance.integers(len(image.annotations)))].shape)
            x, y = chance.uniform(box.x0, box.x1), chance.uniform(box.y0, box.y1)
        else:
            x, y = chance.uniform(0, width), chance.uniform(0, height)
        return _within(x, width, self._sizes.tile), _within(y, height, self._sizes.tile)

    def colours(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of the colours, from 0 to 1, over some of the images."""
        few = range(0, len(self._data.images), max(1, len(self._data.images) // 32))
        pixels = np.concatenate([self[place][0][::4, ::4].reshape(-1, 3) for place in few]) / 255.0
        return tuple(pixels.mean(axis=0).tolist()), tuple(pixels.std(axis=0).tolist())

    def shares(self, classes: int) -> NDArray[np.int64]:
        """Pixels (classes,) of each class, over all images."""
        maps = (self[place][1] for place in range(len(self._data.images)))
        counts = [np.bincount(one[one != UNKNOWN], minlength=classes) for one in maps]
        pixels: NDArray[np.int64] = np.sum(counts, axis=0, dtype=np.int64)
        return pixels


def _within(centre: float, length: int, tile: int) -> float:
    """The centre moved so that the tile around it lies within the image where it can."""
    return length / 2 if length <= tile else min(max(centre, tile / 2), length - tile / 2)


class SegmentationTask:
    """A U-Net for `loop.fit`."""

    def __init__(
        self,
        learnt: LabelledSet,
        validation: LabelledSet,
        sizes: NetworkPlan,
        plan: UnetPlan,
        weights: losses.LossWeights,
        *,
        number: int,
    ) -> None:
        self._learnt, self._validation = learnt, validation
        self._sizes, self._plan, self._weights = sizes, plan, weights
        self._seed = number
        memory = psutil.virtual_memory().available // 4
        self._pictures = Pictures(learnt, sizes, seams=plan.seams, memory=memory)
        self._augmentation = Augmentation(any_way_up=plan.any_way_up) if plan.augment else NONE
        self.module, recipe = self._built()
        self.model = PixelModel(self.module, recipe, learnt.names)

    def _built(self) -> tuple[Segmenting, Recipe]:
        classes = 1 + len(self._learnt.categories)
        plan, sizes, encoder = self._plan, self._sizes, self._plan.encoder.strip()
        pretrained = bool(encoder) and plan.pretrained
        architecture = Architecture(classes, sizes.width, sizes.depth, sizes.norm, encoder)
        module = build(architecture, pretrained=pretrained)
        pixels = self._pictures.shares(classes)
        if not pretrained:
            module.measure(*self._pictures.colours())
        module.expect((pixels / max(1, int(pixels.sum()))).tolist())
        self._by_class = torch.from_numpy(losses.class_weights(pixels)) if plan.class_weights else None
        return module, Recipe(architecture, sizes.tile, sizes.whole, plan.seams, _least_area(self._learnt))

    def steps(self, batch: int) -> int:
        """Batches an epoch, the last one perhaps smaller."""
        return -(-len(self._places(batch)) // batch)

    def _places(self, batch: int) -> list[int]:
        """Which image each tile of an epoch is of."""
        side = self._sizes.tile
        each = [
            1
            if self._sizes.whole
            else min(_MOST_TILES, -(-image.size[0] // side) * -(-image.size[1] // side))
            for image in self._learnt.images
        ]
        again = max(1, -(-_LEAST_STEPS * batch // sum(each)))
        return [place for place, count in enumerate(each) for _ in range(count * again)]

    def batches(self, epoch: int, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images uint8 (N, 3, S, S) and classes int16 (N, S, S)."""
        places = self._places(batch)
        order = np.random.default_rng((self._seed, epoch)).permutation(len(places)).tolist()

        def one(number: int) -> tuple[Tensor, Tensor]:
            return self._tile(places[number], np.random.default_rng((self._seed, epoch, number)))

        workers = max(1, min(8, (os.cpu_count() or 2) - 1))
        ready = in_order(one, order, workers=workers, ahead=2 * batch)
        for start in range(0, len(order), batch):
            tiles = [next(ready) for _ in order[start : start + batch]]
            yield torch.stack([image for image, _ in tiles]), torch.stack([classes for _, classes in tiles])

    def _tile(self, place: int, chance: np.random.Generator) -> tuple[Tensor, Tensor]:
        image, classes = self._pictures[place]
        how, side = self._augmentation, self._sizes.tile
        larger = 2 * int(np.ceil(side * how.reach / 2))
        around = window(image, classes, self._pictures.focus(place, chance), larger)
        return augmented_tile(*around, side, how, chance)

    def losses(self, batch: tuple[Tensor, Tensor], where: torch.device) -> dict[str, Tensor]:
        """Those that count, and their weighted sum."""
        images, classes = batch
        by_class = None if self._by_class is None else self._by_class.to(where)
        return losses.weighted_sum(self.module(images), classes.long(), self._weights, by_class=by_class)

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW; norms and biases, which scale nothing that could grow, are not held small."""
        parameters = list(self.module.parameters())
        kernels = [one for one in parameters if one.ndim > 1]
        others = [one for one in parameters if one.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self._plan.rate)

    def evaluate(self, where: torch.device, should_stop: ShouldStop) -> dict[str, float]:  # noqa: ARG002
        """IoU, Dice and boundary IoU of each category, and their means, named as "IoU" and "IoU cell"."""
        judge = Judge(self._validation.names)
        for image in self._validation.images:
            if should_stop():
                return {}
            rgb = read_pixels(image.path).rgb
            truth = label_map(image.annotations, self._validation.class_of, rgb.shape[:2])
            found, _ = objects(self.model.label(rgb), seams=self.model.recipe.seams)
            judge.add(found, truth)
        return judge.metrics()

    def samples(self, where: torch.device) -> Iterable[tuple[str, Rgb]]:  # noqa: ARG002
        """The first validation images, with what is found on them."""
        for image in self._validation.images[:_SAMPLES]:
            rgb = read_pixels(image.path).rgb
            yield image.name, drawn(rgb, self.model.detect(rgb), self._validation.names)


class Judge:
    """Counts how well the classes of pixels are found, over many images."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._counts = np.zeros((1 + len(names), 1 + len(names)), dtype=np.int64)
        self._rims: dict[int, list[float]] = {}

    def add(self, found: NDArray[np.integer], truth: NDArray[np.integer]) -> None:
        """An image's classes (H, W) as found and as they are; where the truth is `UNKNOWN` nothing counts."""
        classes = len(self._counts)
        self._counts += label_confusion(found, truth, classes=classes, ignore=UNKNOWN)
        known = truth != UNKNOWN
        for index in range(1, classes):
            there, said = from_bits((truth == index) & known), from_bits((found == index) & known)
            if there.bits.size or said.bits.size:
                rim = boundary_iou(there, said, image_size=truth.shape)
                self._rims.setdefault(index, []).append(rim)

    def metrics(self) -> dict[str, float]:
        """Means named "IoU", "Dice" and "boundary IoU" over the categories, and those of each as "IoU cell".

        IoU and Dice count the pixels of all images together; boundary IoU is the mean over the images that
        the category is on, or is said to be on. Categories that are nowhere are left out.
        """
        figures: dict[str, dict[str, float]] = {"IoU": {}, "Dice": {}, "boundary IoU": {}}
        for index, name in enumerate(self._names, 1):
            shared = float(self._counts[index, index])
            total = float(self._counts[index].sum() + self._counts[:, index].sum())
            if total:
                figures["IoU"][name] = shared / (total - shared)
                figures["Dice"][name] = 2 * shared / total
                figures["boundary IoU"][name] = float(np.mean(self._rims[index]))
        means = {kind: float(np.mean(list(each.values()))) for kind, each in figures.items() if each}
        return means | {
            f"{kind} {name}": value for kind, each in figures.items() for name, value in each.items()
        }


def _least_area(data: LabelledSet) -> int:
    """A quarter of what all but the smallest twentieth of the objects cover, in pixels, 4 at least."""
    areas = [area(one.shape) for image in data.images for one in image.annotations]
    return max(4, int(np.quantile(areas, 0.05) / 4)) if areas else 4
