"""What the cells of a training image should say."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.boxes import Boxes
from labeler.training.instant.cells import Cells, Floats, Indices

_NEAR, _FAR = 4000, 1000
"""Cells that are kept of an image: in objects, and outside."""
_BEST = 10
"""Cells that should find an object, of those asked (as in Ultralytics' own training)."""
_SCORE, _OVERLAP = 0.5, 6.0
"""Powers by which confidence and fit say how well a cell suits an object (Feng et al., ICCV 2021)."""


class Example(Struct, frozen=True, eq=False):
    """A training image as it is seen once, in pixels of the detector's input."""

    seen: NDArray[np.float16]
    """(N, SEEN) of the cells that are kept of it."""
    cells: Cells
    boxes: Boxes
    """(M, 4) xyxy."""
    categories: Indices
    """(M,) from 0."""
    near: Indices
    """Cells in some object."""
    far: Indices
    """Cells in no object, and in nothing unclear."""


class Wanted(Struct, frozen=True, eq=False):
    """What is asked of P of some cells; of the others, nothing."""

    positive: Indices
    """(P,) their places."""
    objects: Indices
    """(P,) which object each should find."""
    scores: Floats
    """(P,) how sure each should be."""


class Objects(Struct, frozen=True, eq=False):
    """What is on a training image, in pixels of the detector's input."""

    boxes: Boxes
    """(M, 4) xyxy."""
    categories: Indices
    """(M,) from 0."""
    unclear: Boxes
    """(U, 4) where nothing is learnt, as in crowds."""


def example(
    seen: Floats, cells: Cells, inside: NDArray[np.bool_], objects: Objects, random: np.random.Generator
) -> Example:
    """A training image: `seen` (N, SEEN) of all cells, `inside` (N,) those on it.

    Of many cells some are kept, by chance: training looks at few, and many images must fit into memory.
    """
    boxes = objects.boxes
    found_by = within(cells.centres, boxes) & inside[:, None]
    is_unclear = within(cells.centres, objects.unclear).any(axis=1)
    in_object = found_by.any(axis=1)
    groups = ((in_object & ~is_unclear, _NEAR), (inside & ~in_object & ~is_unclear, _FAR))
    near, far = (np.sort(random.permutation(np.flatnonzero(group))[:most]) for group, most in groups)
    kept = np.union1d(near, far)
    return Example(
        seen[kept].astype(np.float16),
        cells.at(kept),
        boxes,
        objects.categories,
        np.searchsorted(kept, near),
        np.searchsorted(kept, far),
    )


def within(centres: Floats, boxes: Boxes) -> NDArray[np.bool_]:
    """(N, M) whether centres (N, 2) of cells are in boxes (M, 4)."""
    at = centres[:, None]
    return np.asarray(((at > boxes[:, :2]) & (at < boxes[:, 2:])).all(axis=2))


def assigned(scores: Floats, overlaps: Floats, inside: NDArray[np.bool_]) -> Wanted:
    """Which of N cells should find which of M objects, and how sure they should be.

    `scores` (N, M): how sure each is of the object's category; `overlaps` (N, M): IoU of its box with the
    object's. The best suited cells `inside` an object are asked for it, a cell of several for that which it
    fits best; the best of them should be as sure as its box fits. After Feng et al., ICCV 2021 (TOOD).
    """
    suited = np.where(inside, scores**_SCORE * overlaps**_OVERLAP, 0.0)
    chosen = np.zeros_like(inside)
    best = np.argsort(-suited, axis=0, kind="stable")[:_BEST]
    np.put_along_axis(chosen, best, np.take_along_axis(suited, best, axis=0) > 0, axis=0)
    objects = np.where(chosen, overlaps, -1.0).argmax(axis=1)
    positive = np.flatnonzero(chosen.any(axis=1))
    objects = objects[positive]
    mine = np.zeros_like(chosen)
    mine[positive, objects] = True
    most = np.where(mine, suited, 0.0).max(axis=0)
    fit = np.where(mine, overlaps, 0.0).max(axis=0)
    wanted = suited[positive, objects] / np.maximum(most[objects], 1e-12) * fit[objects]
    return Wanted(positive, objects, wanted.astype(np.float32))
