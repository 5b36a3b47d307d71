"""The cells that the instant head asks: the detector's, on three levels, in pixels of its input."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.boxes import Boxes
from labeler.models.detector_eyes import BINS, SEEN, STRIDES

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


class Cells(Struct, frozen=True, eq=False):
    """All N cells of an input, level by level, and row by row within one."""

    centres: Floats
    """(N, 2) as x, y."""
    strides: Floats
    """(N,) of their levels."""
    levels: Indices
    """(N,) places in `STRIDES`."""

    def at(self, places: Indices) -> "Cells":
        """Those at the places, in their order."""
        return Cells(self.centres[places], self.strides[places], self.levels[places])


@lru_cache(maxsize=32)
def cells_of(shapes: tuple[tuple[int, int], ...]) -> Cells:
    """The cells of levels with so many (rows, columns)."""
    centres, levels = [], []
    for number, ((rows, columns), stride) in enumerate(zip(shapes, STRIDES, strict=True)):
        row, column = np.divmod(np.arange(rows * columns), columns)
        centres.append((np.stack([column, row], axis=1) + 0.5) * stride)
        levels.append(np.full(rows * columns, number))
    level = np.concatenate(levels)
    return Cells(
        np.concatenate(centres).astype(np.float32), np.asarray(STRIDES, dtype=np.float32)[level], level
    )


def shapes_in(arrays: Mapping[str, Floats]) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of each level of what `DetectorEyes.embed` gives."""
    return tuple((arrays[str(stride)].shape[0], arrays[str(stride)].shape[1]) for stride in STRIDES)


def seen_in(arrays: Mapping[str, Floats]) -> Floats:
    """(N, SEEN) of all cells, in their order."""
    return np.concatenate([arrays[str(stride)].reshape(-1, SEEN) for stride in STRIDES])


def boxes_of(logits: Floats, centres: Floats, strides: Floats) -> Boxes:
    """Boxes (N, 4) xyxy from logits (N, 4 * BINS) over distances to left, top, right and bottom, in strides.

    A distance is the mean of its distribution (Li et al., NeurIPS 2020).
    """
    shares = logits.reshape(-1, 4, BINS)
    shares = np.exp(shares - shares.max(axis=2, keepdims=True))
    means = (shares @ np.arange(BINS, dtype=np.float32)) / shares.sum(axis=2)
    reach = means.astype(np.float64) * strides[:, None]
    return np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)
