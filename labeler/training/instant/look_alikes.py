"""What looks like a few objects: for `instant`, as long as there is too little to fit a head to.

Each of the detector's cells has a box around what it stands in, whatever that is. Such a box is told from
others by a grid of 3 x 3 points in it: what the detector's finest level and the segmenter see there, made
equally important (whitened, with what was measured on photos of all sorts), the colour, and the box's size.
The mean of a category's examples is its prototype (after Snell et al., NeurIPS 2017); nothing is fitted.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler import paths
from labeler.core.boxes import Boxes
from labeler.errors import ModelError
from labeler.models.detections import Letterbox
from labeler.models.detector_eyes import BOX, CLASS, STRIDES, place_of
from labeler.models.files import safetensors_file
from labeler.models.protocols import Embedding
from labeler.training.instant.cells import Floats

WIDTH = 64
"""Values that are kept of what a network sees at a point."""
_POINTS = 3
"""A row and a column of the grid."""
_REACH = 0.8
"""Of the box, the part that the grid covers: its edge shows what is beside the object."""
COLOURS = 3
DESCRIBED = _POINTS**2 * (2 * WIDTH + COLOURS) + 2
"""Values of a description: detector, segmenter, colours, logarithms of width and height."""
_COLOUR_WEIGHT, _SIZE_WEIGHT = 0.6, 1.0
_SEGMENTER_INPUT, _SEGMENTER_STRIDE = 1024, 16
_LIKE_SIZE = 0.7
"""Squared difference of the sizes' logarithms from which on a box is not looked at."""
_MOST = 1500
"""Boxes of an image that are looked at: those of the likeliest size."""
_SLOPE = 6.5
"""Of the logit of `confidence`, measured on 30 images of blood cells; weights as above were chosen on these
and `coco-mini`. Where objects do not repeat each other as cells do, hardly any is so like the examples."""
_EVEN, _EVEN_MORE, _EXAMPLES = 1.05, 0.02, 5
"""The likeness that is right every other time: to one example, for each further one, and to how many more:
the mean of several is like more that is wrong, too."""
_FOLDER = "look-alikes"
_EYES, _SEGMENTER = WIDTH * _POINTS**2, 2 * WIDTH * _POINTS**2
"""Where their parts of a description end."""


class Whitening(Struct, frozen=True, eq=False):
    """By what the values at a point become equally important, and independent of each other."""

    eyes_mean: Floats
    """(SEEN,)"""
    eyes: Floats
    """(SEEN, WIDTH)"""
    segmenter_mean: Floats
    """(256,)"""
    segmenter: Floats
    """(256, WIDTH)"""
    colours: Floats
    """(COLOURS,) how far colours are spread."""


class Sight(Struct, frozen=True, eq=False):
    """What is seen of an image, ready to describe boxes in it."""

    eyes: Floats
    """(rows, columns, WIDTH), whitened, of the finest level."""
    segmenter: Floats
    """(rows, columns, WIDTH), whitened."""
    colours: Floats
    """(rows, columns, COLOURS), of the finest level."""
    place: Letterbox
    """How the image lies in the detector's input, in whose pixels boxes are."""


@cache
def whitening() -> Whitening:
    """What comes along, measured on 100 photos. Raises ModelError where it is missing."""
    path = paths.resources() / "models" / _FOLDER / "whitening.safetensors"
    try:
        return Whitening(**safetensors_file.load(path))
    except (OSError, TypeError) as error:
        raise ModelError(
            "What Labeler finds look-alikes by is missing; install it again to restore it."
        ) from error


def sight_of(seen: Embedding, embedding: Embedding) -> Sight:
    """`seen`: by `DetectorEyes`; `embedding`: by the segmenter that comes along, of the same image."""
    white = whitening()
    finest = seen.arrays[str(STRIDES[0])]
    segmented = embedding.arrays["image"][0].transpose(1, 2, 0)
    return Sight(
        ((finest - white.eyes_mean) @ white.eyes).astype(np.float32),
        ((segmented - white.segmenter_mean) @ white.segmenter).astype(np.float32),
        finest[..., BOX + CLASS : BOX + CLASS + COLOURS] / white.colours,
        place_of(seen.size),
    )


def described(sight: Sight, boxes: Boxes) -> Floats:
    """(N, DESCRIBED) of boxes (N, 4) xyxy in pixels of the detector's input."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    at = (2 * np.arange(_POINTS) + 1) / _POINTS - 1
    grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2) * _REACH
    points = middle[:, None] + half[:, None] * grid
    place = sight.place
    on_image = (points - [place.pad_x, place.pad_y]) / [place.scale_x, place.scale_y]
    scale = _SEGMENTER_INPUT / max(place.size) / _SEGMENTER_STRIDE
    parts = (
        _unit(_sampled(sight.eyes, points / STRIDES[0])),
        _unit(_sampled(sight.segmenter, on_image * scale)),
        _sampled(sight.colours, points / STRIDES[0]) * np.sqrt(_COLOUR_WEIGHT / (_POINTS**2 * COLOURS)),
        np.log(np.maximum(2 * half, 1.0)) * np.sqrt(_SIZE_WEIGHT),
    )
    return np.concatenate(parts, axis=1).astype(np.float32)


def prototype(examples: Floats) -> Floats:
    """(DESCRIBED,) of the descriptions (N, DESCRIBED) of some examples of a category."""
    mean: Floats = examples.mean(axis=0)
    for part in (slice(0, _EYES), slice(_EYES, _SEGMENTER)):
        mean[part] = _unit(mean[None, part])[0]
    return mean


def likeness(descriptions: Floats, wanted: Floats) -> Floats:
    """(N,) how like a prototype (DESCRIBED,) descriptions (N, DESCRIBED) are: 2 for its very likeness."""
    alike: Floats = descriptions[:, :_SEGMENTER] @ wanted[:_SEGMENTER]
    unlike: Floats = ((descriptions[:, _SEGMENTER:] - wanted[_SEGMENTER:]) ** 2).sum(axis=1)
    return alike - unlike


def confidence(alike: Floats, examples: int) -> NDArray[np.float64]:
    """(N,) how often what is so like the prototype (N,) of that many examples is of its category."""
    even = _EVEN + _EVEN_MORE * min(examples - 1, _EXAMPLES)
    shares: NDArray[np.float64] = 1 / (1 + np.exp(-_SLOPE * (alike.astype(np.float64) - even)))
    return shares


def looked_for(sight: Sight, boxes: Boxes, wanted: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Places of the boxes (N, 4), in pixels of the detector's input, of a like size; how like they are."""
    sides = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0))
    unlike = ((sides - wanted[-2:] / np.sqrt(_SIZE_WEIGHT)) ** 2).sum(axis=1)
    likely = np.flatnonzero(unlike < _LIKE_SIZE)
    likely = likely[np.argsort(unlike[likely], kind="stable")[:_MOST]]
    return likely, likeness(described(sight, boxes[likely]), wanted)


def prototypes_of(examples: Mapping[int, Sequence[Floats]], categories: int) -> tuple[Floats, Floats]:
    """(K, DESCRIBED) prototypes of K categories, and (K,) of how many examples; 0 of none."""
    made = np.zeros((categories, DESCRIBED), dtype=np.float32)
    counts = np.zeros(categories, dtype=np.float32)
    for category, found in examples.items():
        made[category], counts[category] = prototype(np.stack(found)), len(found)
    return made, counts


def _sampled(values: Floats, points: NDArray[np.float64]) -> Floats:
    """(N, P * C) of values (rows, columns, C) at points (N, P, 2) as x and y, in cells."""
    rows, columns = values.shape[:2]
    x = (points[..., 0] - 0.5).clip(0, columns - 1)
    y = (points[..., 1] - 0.5).clip(0, rows - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, below = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    across, down = ((one % 1)[..., None].astype(np.float32) for one in (x, y))
    upper = values[top, left] * (1 - across) + values[top, right] * across
    lower = values[below, left] * (1 - across) + values[below, right] * across
    sampled: Floats = upper * (1 - down) + lower * down
    return sampled.reshape(len(points), points.shape[1] * values.shape[2])


def _unit(values: Floats) -> Floats:
    """Rows (N, C) of length 1."""
    unit: Floats = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.float32(1e-6))
    return unit
