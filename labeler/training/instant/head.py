"""The instant head: what each of the detector's cells says about the object around it. Runs on NumPy alone.

A cell begins with what YOLO11n itself says of it: the distances to the box's sides, and COCO's class where
the category is called like one. A small network on what the detector saw there, and on the colour, corrects
both, and finds the categories that COCO has not. After Ultralytics' YOLO11 and FCOS (Tian et al., ICCV 2019).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from labeler.core.boxes import Boxes
from labeler.errors import ModelError
from labeler.models.detector_eyes import BINS, BOX, CLASS, SEEN, STRIDES, CocoLayers, place_of
from labeler.models.files import made, safetensors_file
from labeler.models.protocols import Embedding
from labeler.training.instant import look_alikes
from labeler.training.instant.cells import Floats, boxes_of, cells_of, seen_in, shapes_in

ID = "instant"
"""The trainer's id, and the mark of its files."""

_VERSION, _ALIKE_VERSION = 2, 3
"""Of its files; the first read embeddings of MobileSAM, the third has prototypes of look-alikes."""
EPSILON = 1e-5
"""Of the layer norms, as torch has it."""


class Config(Struct, frozen=True):
    """What a head is, beside its weights."""

    version: int = 1
    """A file that says none is of the first."""
    width: int = 128
    """Of its hidden layer."""
    eyes: str = ""
    """The fingerprint of the `DetectorEyes` that it was trained on."""
    masks: bool = True
    """Whether the segmenter draws what it finds."""
    slope: float = 1.0
    shift: float = 0.0
    """Its confidence as a logit, times one and plus the other, is how often it is right."""
    alike: bool = False
    """Whether it has prototypes, of categories that it finds look-alikes of; nothing was fitted then."""


class CellFindings(Struct, frozen=True, eq=False):
    """What it finds, before suppression: N boxes of one category each."""

    boxes: Boxes
    """(N, 4) xyxy in image pixels."""
    confidences: NDArray[np.float64]
    """(N,) from 0 to 1."""
    categories: NDArray[np.intp]
    """(N,)"""


class Head:
    """A trained head."""

    def __init__(self, weights: Mapping[str, Floats], names: tuple[str, ...], config: Config) -> None:
        """`weights` by the names and shapes of `shapes_of`."""
        self.weights = dict(weights)
        self.names = names
        self.config = config

    def look(self, embedding: Embedding, floor: float) -> CellFindings:
        """What the cells inside the image say with a confidence of at least `floor`."""
        arrays = embedding.arrays
        cells, seen = cells_of(shapes_in(arrays)), seen_in(arrays)
        place = place_of(embedding.size)
        inside = place.covers(cells.centres)
        found = []
        for level in range(len(STRIDES)):
            at = np.flatnonzero(inside & (cells.levels == level))
            hidden = self._hidden(seen[at], level)
            logits = self._categories(seen[at], hidden, level) * self.config.slope + self.config.shift
            confidences = 1 / (1 + np.exp(-logits.astype(np.float64)))
            row, category = np.nonzero(confidences >= floor)
            sides = self._sides(seen[at[row]], hidden[row], level)
            corners = boxes_of(sides, cells.centres[at[row]], cells.strides[at[row]])
            found.append((place.to_image(corners), confidences[row, category], category))
        boxes, scores, categories = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return CellFindings(boxes, scores, categories)

    def look_alike(self, embedding: Embedding, segmented: Embedding, floor: float) -> CellFindings:
        """What looks like a category's examples, where it has any, with a confidence of at least `floor`.

        `segmented`: the embedding of the same image by the segmenter that comes along.
        """
        arrays, place = embedding.arrays, place_of(embedding.size)
        cells, seen = cells_of(shapes_in(arrays)), seen_in(arrays)
        boxes = np.zeros((len(seen), 4))
        for level in range(len(STRIDES)):
            at = np.flatnonzero(cells.levels == level)
            sides = self._linear(seen[at, :BOX], f"coco_box{level}")
            boxes[at] = boxes_of(sides, cells.centres[at], cells.strides[at])
        boxes = boxes[place.covers(cells.centres)]
        sight = look_alikes.sight_of(embedding, segmented)
        found = [(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.intp))]
        counts = self.weights["alike.counts"]
        for category in np.flatnonzero(counts).tolist():
            places, alike = look_alikes.looked_for(sight, boxes, self.weights["alike.prototypes"][category])
            confidences = look_alikes.confidence(alike, int(counts[category]))
            kept = confidences >= floor
            count = int(kept.sum())
            found.append((boxes[places[kept]], confidences[kept], np.full(count, category, dtype=np.intp)))
        corners, scores, categories = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return CellFindings(place.to_image(corners), scores, categories)

    def with_trust(self, boxes: float, categories: Mapping[int, float]) -> "Head":
        """The head with less of what it learnt beyond COCO, 0 to 1: for boxes, for some categories."""
        weights = dict(self.weights)
        for level in range(len(STRIDES)):
            for part in ("weight", "bias"):
                weights[f"box{level}.{part}"] = weights[f"box{level}.{part}"] * np.float32(boxes)
                scaled = weights[f"category{level}.{part}"].copy()
                for category, trust in categories.items():
                    scaled[category] *= trust
                weights[f"category{level}.{part}"] = scaled
        return Head(weights, self.names, self.config)

    def with_config(self, **changes: Any) -> "Head":
        """The head with other values in its `config`."""
        return Head(self.weights, self.names, structs.replace(self.config, **changes))

    def _hidden(self, seen: Floats, level: int) -> Floats:
        values = seen @ self.weights[f"input{level}.weight"].T + self.weights[f"input{level}.bias"]
        values = values - values.mean(axis=1, keepdims=True)
        values /= np.sqrt((values**2).mean(axis=1, keepdims=True) + EPSILON)
        values = values * self.weights[f"norm{level}.weight"] + self.weights[f"norm{level}.bias"]
        silu: Floats = values / (1 + np.exp(-values))
        return silu

    def _categories(self, seen: Floats, hidden: Floats, level: int) -> Floats:
        known = self._linear(seen[:, BOX : BOX + CLASS], f"coco_category{level}")
        return known + self._linear(hidden, f"category{level}")

    def _sides(self, seen: Floats, hidden: Floats, level: int) -> Floats:
        return self._linear(seen[:, :BOX], f"coco_box{level}") + self._linear(hidden, f"box{level}")

    def _linear(self, values: Floats, name: str) -> Floats:
        return values @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]


def known_names(names: tuple[str, ...], layers: CocoLayers) -> dict[int, int]:
    """Which of these categories COCO has, as place -> place there: those whose names are the same."""
    places = {name.casefold(): place for place, name in enumerate(layers.names)}
    spelled = [name.strip().replace("_", " ").casefold() for name in names]
    return {number: places[name] for number, name in enumerate(spelled) if name in places}


def coco_weights(names: tuple[str, ...], layers: CocoLayers) -> dict[str, Floats]:
    """The weights that a head for these categories takes over from the detector; 0 for what COCO has not."""
    weights = {}
    for level, (boxes, classes) in enumerate(zip(layers.boxes, layers.classes, strict=True)):
        rows = np.zeros((len(names), CLASS), dtype=np.float32)
        bias = np.zeros(len(names), dtype=np.float32)
        for number, place in known_names(names, layers).items():
            rows[number], bias[number] = classes.weight[place], classes.bias[place]
        weights[f"coco_box{level}.weight"], weights[f"coco_box{level}.bias"] = boxes.weight, boxes.bias
        weights[f"coco_category{level}.weight"], weights[f"coco_category{level}.bias"] = rows, bias
    return weights


def shapes_of(config: Config, categories: int) -> dict[str, tuple[int, ...]]:
    """The shape of every array of a head's weights, by its name."""
    width = config.width
    shapes: dict[str, tuple[int, ...]] = {}
    for level in range(len(STRIDES)):
        layers = {
            f"input{level}": (width, SEEN),
            f"box{level}": (4 * BINS, width),
            f"category{level}": (categories, width),
            f"coco_box{level}": (4 * BINS, BOX),
            f"coco_category{level}": (categories, CLASS),
        }
        for name, shape in layers.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        shapes |= {f"norm{level}.weight": (width,), f"norm{level}.bias": (width,)}
    if config.alike:
        shapes |= {"alike.prototypes": (categories, look_alikes.DESCRIBED), "alike.counts": (categories,)}
    return shapes


def save(head: Head, path: Path, title: str) -> None:
    """Write a head as a file that `load` and the app's models know. Raises OSError."""
    config = structs.replace(head.config, version=_ALIKE_VERSION if head.config.alike else _VERSION)
    made.save(path, head.weights, maker=ID, categories=head.names, config=config, title=title)


def load(path: Path) -> Head:
    """The head in a file that `save` wrote. Raises ModelError with one sentence, and OSError."""
    about = made.read(path, ID)
    names, config = about.categories, about.config_as(Config)
    if config.version != (_ALIKE_VERSION if config.alike else _VERSION):
        age = "an older" if config.version < _VERSION else "a newer"
        raise ModelError(f"“{path.name}” is of {age} version of Instant; train it again.")
    arrays = safetensors_file.load(path)
    if {name: values.shape for name, values in arrays.items()} != shapes_of(
        config, len(names)
    ) or not _are_sound(arrays):
        raise ModelError(f"“{path.name}” is damaged: its weights do not fit together; train it again.")
    return Head(arrays, names, config)


def _are_sound(arrays: Mapping[str, NDArray[Any]]) -> bool:
    return all(values.dtype == np.float32 and np.isfinite(values).all() for values in arrays.values())
