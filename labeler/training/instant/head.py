"""The instant head: what each cell of an embedding says about the object around it. Runs on NumPy alone.

Each cell fills out the same form from its window: whether an object is centred here and how well its box
fits (objectness), the four distances to the box's sides, and the category. After FCOS (Tian et al., ICCV
2019), with the box's expected IoU as objectness (as in VarifocalNet, Zhang et al., CVPR 2021).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.boxes import Boxes
from labeler.errors import ModelError
from labeler.models.files import made, safetensors_file
from labeler.training.instant.cells import (
    LEVELS,
    WINDOW,
    Floats,
    Indices,
    Projection,
    boxes_of,
    cells,
    covered,
    pooled,
    slices,
)

ID = "instant"
"""The trainer's id, and the mark of its files."""

_FEATURES = 256
_EPSILON = 1e-5
"""Of the layer norms, as torch has it."""


class Config(Struct, frozen=True):
    """The sizes that make a head."""

    dimensions: int = 48
    """To which features are projected."""
    width: int = 128
    """Of its hidden layers."""
    embeddings: str = ""
    """The fingerprint of the model whose embeddings it was trained on."""


class CellFindings(Struct, frozen=True, eq=False):
    """What N cells say."""

    boxes: Boxes
    """(N, 4) xyxy in the embedding's units."""
    objectness: Floats
    """(N,) from 0 to 1."""
    categories: Floats
    """(N, K) probabilities that add up to 1."""


class Head:
    """A trained head."""

    def __init__(
        self, projection: Projection, weights: Mapping[str, Floats], names: tuple[str, ...], config: Config
    ) -> None:
        """`weights` by the names and shapes of `shapes_of`."""
        self.projection = projection
        self.weights = dict(weights)
        self.names = names
        self.config = config

    def look(self, features: Floats, size: tuple[int, int]) -> CellFindings:
        """What the cells inside an image of size (H, W) say of its embedding (256, 64, 64)."""
        seen = np.concatenate(
            [
                self._first_layer(number, values)
                for number, values in enumerate(pooled(self.projection(features, size)))
            ]
        )
        height, width = covered(size)
        centres = cells().centres
        chosen = np.flatnonzero((centres[:, 0] < width) & (centres[:, 1] < height))
        return self._said(seen[chosen], chosen)

    def _first_layer(self, number: int, values: Floats) -> Floats:
        """(cells, width) of a level's cells, from its pooled features."""
        rows = self.weights["window.weight"].reshape(self.config.width, WINDOW, self.config.dimensions)
        total = np.zeros((self.config.width, LEVELS[number].side ** 2), dtype=np.float32)
        for place, (row, column) in enumerate(slices(LEVELS[number])):
            total += rows[:, place] @ values[:, row, column].reshape(self.config.dimensions, -1)
        seen: Floats = total.T + self.weights["window.bias"] + self.weights["level"][number]
        return seen

    def _said(self, seen: Floats, chosen: Indices) -> CellFindings:
        hidden = np.maximum(self._norm(seen, "first"), 0)
        hidden = hidden + np.maximum(self._norm(self._linear(hidden, "hidden"), "second"), 0)
        logits = self._linear(hidden, "category")
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return CellFindings(
            boxes_of(np.logaddexp(0, self._linear(hidden, "box")), chosen),
            np.asarray(1 / (1 + np.exp(-self._linear(hidden, "objectness")[:, 0])), dtype=np.float32),
            shares / shares.sum(axis=1, keepdims=True),
        )

    def _linear(self, values: Floats, name: str) -> Floats:
        return values @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(axis=1, keepdims=True)
        centred /= np.sqrt((centred**2).mean(axis=1, keepdims=True) + _EPSILON)
        normed: Floats = centred * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return normed


def shapes_of(config: Config, categories: int) -> dict[str, tuple[int, ...]]:
    """The shape of every array of a head's weights, by its name."""
    layers = {
        "window": (config.width, WINDOW * config.dimensions),
        "hidden": (config.width, config.width),
        "box": (4, config.width),
        "objectness": (1, config.width),
        "category": (categories, config.width),
    }
    shapes: dict[str, tuple[int, ...]] = {"level": (len(LEVELS), config.width)}
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in ("first", "second"):
        shapes |= {f"{name}.weight": (config.width,), f"{name}.bias": (config.width,)}
    return shapes


def save(head: Head, path: Path, title: str) -> None:
    """Write a head as a file that `load` and the app's models know. Raises OSError."""
    arrays = {f"head.{name}": values for name, values in head.weights.items()}
    arrays |= {"projection.mean": head.projection.mean, "projection.directions": head.projection.directions}
    made.save(path, arrays, maker=ID, categories=head.names, config=head.config, title=title)


def load(path: Path) -> Head:
    """The head in a file that `save` wrote. Raises ModelError with one sentence, and OSError."""
    about = made.read(path, ID)
    names, config = about.categories, about.config_as(Config)
    arrays = safetensors_file.load(path)
    wanted = {f"head.{name}": shape for name, shape in shapes_of(config, len(names)).items()}
    wanted |= {"projection.mean": (_FEATURES,), "projection.directions": (config.dimensions, _FEATURES)}
    if {name: values.shape for name, values in arrays.items()} != wanted or not _are_sound(arrays):
        raise ModelError(f"“{path.name}” is damaged: its weights do not fit together; train it again.")
    projection = Projection(arrays["projection.mean"], arrays["projection.directions"])
    weights = {
        name.removeprefix("head."): values for name, values in arrays.items() if name.startswith("head.")
    }
    return Head(projection, weights, names, config)


def _are_sound(arrays: Mapping[str, NDArray[Any]]) -> bool:
    return all(values.dtype == np.float32 and np.isfinite(values).all() for values in arrays.values())
