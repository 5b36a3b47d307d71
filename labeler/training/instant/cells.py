"""The cells that the instant head asks, and what it sees from each: a window on SAM's embedding.

An embedding is 64 x 64 features. A level pools it with some span, so that a window of 5 x 5 pooled features
takes in small things or large ones whole; its cells lie half a span apart. Coordinates are in the
embedding's own units: 0 to 64, x right, y down, from the image's corner; `scale_of` takes pixels there.
Features are projected to few dimensions first (`Projection`), and are 0 outside the image.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.boxes import Boxes

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

SIDE = 64
"""Of the embedding, in its units."""

RADIUS = 2
"""Pooled features on each side of a window's middle one."""

WINDOW = (2 * RADIUS + 1) ** 2
"""Pooled features in a window."""

_WHITENING = 0.7
"""How far the projection evens out the directions: 0 leaves their spread as it is, 1 makes all alike."""

_SAMPLED = 7
"""Of the features, one in so many is enough to learn the projection from."""


class Level(Struct, frozen=True):
    """Cells for things of one size."""

    span: int
    """Side of what a pooled feature is the mean of."""
    spacing: int
    """Distance of neighbouring cells."""

    @property
    def side(self) -> int:
        """Cells a row."""
        return SIDE // self.spacing

    @property
    def margin(self) -> int:
        """Zeros around the features, so that windows may reach over the edge; a multiple of the spacing."""
        return (RADIUS + 1) * self.span


LEVELS = (Level(1, 1), Level(2, 1), Level(4, 2), Level(8, 4))
"""For things of about 3 to 40 units."""


class Cells(Struct, frozen=True, eq=False):
    """All N cells, level by level, and row by row within one."""

    centres: Floats
    """(N, 2) as x, y."""
    spans: Floats
    """(N,) of their levels."""
    levels: Indices
    """(N,) places in `LEVELS`."""
    places: Indices
    """(N,) places within the level."""


@cache
def cells() -> Cells:
    """The cells that every embedding has."""
    centres, spans, levels, places = [], [], [], []
    for number, level in enumerate(LEVELS):
        count = level.side**2
        row, column = np.divmod(np.arange(count), level.side)
        centres.append((np.stack([column, row], axis=1) + 0.5) * level.spacing)
        spans.append(np.full(count, level.span))
        levels.append(np.full(count, number))
        places.append(np.arange(count))
    return Cells(
        np.concatenate(centres).astype(np.float32),
        np.concatenate(spans).astype(np.float32),
        np.concatenate(levels),
        np.concatenate(places),
    )


def scale_of(size: tuple[int, int]) -> float:
    """What pixels of an image of size (H, W) are multiplied by to get the embedding's units."""
    return SIDE / max(size)


class Projection(Struct, frozen=True, eq=False):
    """From the embedding's 256 features to C: its main directions on some images, partly whitened."""

    mean: Floats
    """(256,)"""
    directions: Floats
    """(C, 256)"""

    def __call__(self, features: Floats, size: tuple[int, int]) -> Floats:
        """(C, 64, 64) of features (256, 64, 64) of an image of size (H, W); 0 outside it."""
        flat = self.directions @ (features.reshape(len(self.mean), -1) - self.mean[:, None])
        projected: Floats = flat.reshape(-1, SIDE, SIDE)
        height, width = covered(size)
        projected[:, height:] = 0.0
        projected[:, :, width:] = 0.0
        return projected


def covered(size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of the embedding that an image of size (H, W) reaches into."""
    scale = scale_of(size)
    height, width = size
    return min(math.ceil(height * scale), SIDE), min(math.ceil(width * scale), SIDE)


def fit_projection(
    features: Sequence[Floats], sizes: Sequence[tuple[int, int]], directions: int
) -> Projection:
    """The projection for embeddings (256, 64, 64) of images of these sizes, by their covariance."""
    rows = []
    for values, size in zip(features, sizes, strict=True):
        height, width = covered(size)
        rows.append(values[:, :height, :width].reshape(len(values), -1)[:, ::_SAMPLED].T)
    table = np.concatenate(rows)
    mean = table.mean(axis=0)
    spread, vectors = np.linalg.eigh(np.cov(table - mean, rowvar=False))
    order = np.argsort(-spread)[:directions]
    deviation = np.sqrt(np.maximum(spread[order], 1e-6))
    return Projection(
        mean.astype(np.float32), (vectors[:, order].T / deviation[:, None] ** _WHITENING).astype(np.float32)
    )


def pooled(projected: Floats) -> tuple[Floats, ...]:
    """For each level the means (C, n, n) that its windows are made of, from features (C, 64, 64).

    Of the means at every place only those are kept that a cell of the level can see.
    """
    return tuple(_pooled(projected, level) for level in LEVELS)


def _pooled(projected: Floats, level: Level) -> Floats:
    padded = np.pad(projected, ((0, 0), (level.margin, level.margin), (level.margin, level.margin)))
    first = _first(level)
    if level.span == 1:
        return padded
    sums = np.pad(padded.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    span, step = level.span, level.spacing
    ends = sums[:, span:, span:] - sums[:, :-span, span:] - sums[:, span:, :-span] + sums[:, :-span, :-span]
    means: Floats = ends[:, first::step, first::step] / np.float32(span**2)
    return np.ascontiguousarray(means, dtype=np.float32)


def _first(level: Level) -> int:
    """Where the first of the pooled features that is kept begins.

    A cell of an even span at spacing 1 has no middle among whole units: it sees half a unit further up left.
    """
    return math.floor((level.spacing - level.span) / 2) % level.spacing


def windows(maps: Sequence[Floats], chosen: Indices) -> Floats:
    """(len(chosen), WINDOW * C) what the chosen cells see, from what `pooled` gave."""
    every = cells()
    seen = np.empty((len(chosen), WINDOW * len(maps[0])), dtype=np.float32)
    for number, (level, values) in enumerate(zip(LEVELS, maps, strict=True)):
        at = np.flatnonzero(every.levels[chosen] == number)
        if not len(at):
            continue
        row, column = np.divmod(every.places[chosen[at]], level.side)
        taps = _taps(level)
        window = values[:, (row[:, None] + taps)[:, :, None], (column[:, None] + taps)[:, None, :]]
        seen[at] = window.transpose(1, 2, 3, 0).reshape(len(at), -1)
    return seen


def slices(level: Level) -> list[tuple[slice, slice]]:
    """For each place in the window, rows and columns of the level's map that hold it for all its cells."""
    taps = [slice(tap, tap + level.side) for tap in _taps(level).tolist()]
    return [(rows, columns) for rows in taps for columns in taps]


def _taps(level: Level) -> Indices:
    """Places in the level's map of the window of its cell in the corner, along either axis."""
    starts = math.floor((level.spacing - level.span) / 2) + level.margin
    offsets = np.arange(-RADIUS, RADIUS + 1) * level.span
    return (starts + offsets - _first(level)) // level.spacing


def boxes_of(distances: Floats, chosen: Indices) -> Boxes:
    """Boxes (N, 4) xyxy from distances (N, 4) to left, top, right and bottom, in spans, of chosen cells."""
    every = cells()
    reach = distances.astype(np.float64) * every.spans[chosen, None]
    centres = every.centres[chosen]
    return np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)
