"""What the cells of a training image should say, and the other views of it that one embedding gives.

A view is the embedding at another size and place. That is not what the encoder would make of the scaled
image, but near enough to learn from; mirroring is not (its cosine to the mirrored photo's is 0.80).
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.boxes import Boxes
from labeler.training.instant.cells import SIDE, Floats, Indices, cells, pooled

_POSITIVES = 12
"""Cells for each object, the best suited ones."""
_FIT = 4.0
"""Spans that an object is long, ideally."""
_OCTAVES = 1.5
"""How far from that it may be, as a logarithm to base 2."""
_REACH = 0.35
"""How far from the object's middle its cells may lie, in its own sides."""
_FALL = 6.0
"""How fast suitability falls with the square of that distance."""
_SPARED = 0.25
"""Suitability from which a cell that was not chosen is not told that nothing is there."""

_ZOOMS = (0.5, 1.6)
_AS_IT_IS = 0.25
"""Share of views at the image's own size."""
_LEFT = 0.4
"""Share of an object that must be in the view."""


class Example(Struct, frozen=True, eq=False):
    """A training image."""

    projected: NDArray[np.float16]
    """(C, 64, 64)"""
    extent: tuple[float, float]
    """Width and height of the image, in the embedding's units."""
    boxes: Boxes
    """(N, 4) xyxy, likewise."""
    categories: Indices
    """(N,) from 0."""
    unclear: Boxes
    """(M, 4) where nothing is learnt, as in crowds."""


class Targets(Struct, frozen=True, eq=False):
    """What is asked of the cells."""

    positive: Indices
    """(P,) cells that should find an object."""
    objects: Indices
    """(P,) which one each."""
    negative: Indices
    """Cells at which no object is centred."""


class TrainingView(Struct, frozen=True, eq=False):
    """A training image as it is shown once."""

    maps: tuple[Floats, ...]
    """As `pooled` gives them."""
    boxes: Boxes
    categories: Indices
    targets: Targets


def view(example: Example, random: np.random.Generator) -> TrainingView:
    """The image at a size and place by chance."""
    zoom, shift = 1.0, np.zeros(2)
    projected = example.projected.astype(np.float32)
    if random.random() >= _AS_IT_IS:
        zoom = math.exp(random.uniform(math.log(_ZOOMS[0]), math.log(_ZOOMS[1])))
        free = SIDE - np.array(example.extent) * zoom
        shift = random.uniform(np.minimum(free, 0), np.maximum(free, 0) if zoom < 1 else 0.0)
        rows, columns = (_taps(zoom, offset) for offset in (shift[1], shift[0]))
        projected = np.asarray(rows @ projected @ columns.T, dtype=np.float32)
    corner = np.tile(shift, 2)
    moved = example.boxes * zoom + corner
    boxes = moved.clip(0, SIDE)
    kept = _areas(boxes) > _LEFT * _areas(moved)
    boxes, categories = boxes[kept], example.categories[kept]
    inside = np.concatenate([shift, shift + np.array(example.extent) * zoom])
    targets = assigned(boxes, inside, np.concatenate([example.unclear * zoom + corner, moved[~kept]]))
    return TrainingView(pooled(np.ascontiguousarray(projected)), boxes, categories, targets)


def _areas(boxes: Boxes) -> NDArray[np.float64]:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def _taps(zoom: float, shift: float) -> Floats:
    """(64, 64) weights by which a row of features becomes the row at `x * zoom + shift`; 0 from outside."""
    place = (np.arange(SIDE) + 0.5 - shift) / zoom - 0.5
    weights = 1.0 - np.abs(place[:, None] - np.arange(SIDE))
    return np.asarray(weights.clip(0, None), dtype=np.float32)


def assigned(boxes: Boxes, inside: NDArray[np.float64], unclear: Boxes) -> Targets:
    """Which cells find which of the boxes (N, 4), and which find nothing, in a view of an image.

    The cells near an object's middle whose level suits its size are asked for it, the best dozen;
    `inside` is the image's own box in the view, and cells in `unclear` boxes (M, 4) are asked nothing.
    """
    every = cells()
    suited = _suitability(boxes)
    chosen = np.zeros_like(suited)
    best = np.argsort(-suited, axis=0, kind="stable")[:_POSITIVES]
    np.put_along_axis(chosen, best, np.take_along_axis(suited, best, axis=0), axis=0)
    is_positive = chosen.max(axis=1, initial=0) > 0
    positive = np.flatnonzero(is_positive)
    is_negative = ~is_positive & (suited.max(axis=1, initial=0) <= _SPARED) & _within(inside[None])
    if len(unclear):
        is_negative &= ~_within(unclear)
    objects = chosen[positive].argmax(axis=1) if len(boxes) else np.zeros(0, dtype=np.intp)
    assert len(is_positive) == len(every.spans), "every cell was judged"
    return Targets(positive, objects, np.flatnonzero(is_negative))


def _suitability(boxes: Boxes) -> Floats:
    """(cells, N) from 0 to 1."""
    every = cells()
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.3)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    away = np.abs(every.centres[:, None] - middles) / np.maximum(sides, every.spans[:, None, None])
    octaves = np.abs(np.log2(sides.max(axis=1) / (_FIT * every.spans[:, None])))
    suited = np.exp(-octaves - _FALL * (away**2).sum(axis=2))
    suited[(away >= _REACH).any(axis=2) | (octaves >= _OCTAVES)] = 0.0
    return np.asarray(suited, dtype=np.float32)


def _within(boxes: Boxes) -> NDArray[np.bool_]:
    """(cells,) whether a cell's centre is in one of the boxes."""
    centres = cells().centres[:, None]
    inside = (centres > boxes[:, :2]) & (centres < boxes[:, 2:])
    return np.asarray(np.any(np.all(inside, axis=2), axis=1))
