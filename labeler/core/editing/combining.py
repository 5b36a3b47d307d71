"""Several shapes made one, and one made several: union, difference, intersection, parts, a cut."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.editing.fine import coarse, fine, grain
from labeler.core.geometry import area, bounds, crop, from_bits
from labeler.core.measures.overlap import mask_overlap
from labeler.core.records import Bits, Box, Mask, Polygons, Shape

How: TypeAlias = Literal["merge", "subtract", "intersect"]

_EVERY, _HEAD, _TAIL = slice(None), slice(None, -1), slice(1, None)
_NEIGHBOURS = (
    ((_EVERY, _EVERY), (_HEAD, _TAIL), 0, 1),
    ((_HEAD, _TAIL), (_EVERY, _EVERY), 1, 0),
    ((_HEAD, _TAIL), (_HEAD, _TAIL), 1, 1),
    ((_HEAD, _TAIL), (_TAIL, _HEAD), 1, -1),
)
"""Rows and columns of each cell and of its neighbour to the right, below and askew, and how far that is."""


def combined(shapes: Sequence[Shape], how: How, *, size: tuple[int, int]) -> Shape | None:
    """Shapes of an image of size (H, W) as one; None where nothing is left of them.

    What is subtracted is all but the first. A mask where one of them is one, and else polygons, whose
    corners stay exact and whose crossings are within a quarter of a pixel; boxes that meet in a box give it
    exactly, and so do polygons that are merged without touching.
    """
    if how == "intersect" and all(isinstance(shape, Box) for shape in shapes):
        return _common_box([bounds(shape) for shape in shapes])
    steps = grain(shapes)
    first, *others = (fine(shape, steps, size=size) for shape in shapes)
    frame = _frame([first, *others] if how == "merge" else [first])
    if frame is None:
        return None
    bits = crop(first, *frame)
    apart = how == "merge" and all(isinstance(shape, Polygons) for shape in shapes)
    for other in others:
        cells = crop(other, *frame)
        apart = apart and not _touches(bits, cells)
        if how == "merge":
            bits |= cells
        else:
            bits &= ~cells if how == "subtract" else cells
    if apart:
        return Polygons(tuple(p for shape in shapes if isinstance(shape, Polygons) for p in shape.parts))
    return coarse(from_bits(bits, frame[0], frame[1]), steps, like=shapes)


def _touches(a: Bits, b: Bits) -> bool:
    """Whether two rasters of one shape have a cell in common, or cells side by side."""
    if not a.size:
        return False
    around = cv2.dilate(a.view(np.uint8), np.ones((3, 3), np.uint8))
    return bool((around.view(np.bool_) & b).any())


def _common_box(boxes: Sequence[Box]) -> Box | None:
    x0, y0 = max(box.x0 for box in boxes), max(box.y0 for box in boxes)
    x1, y1 = min(box.x1 for box in boxes), min(box.y1 for box in boxes)
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _frame(masks: Sequence[Mask]) -> tuple[int, int, int, int] | None:
    """The rectangle x0, y0, x1, y1 around masks; None where all are empty."""
    full = [mask for mask in masks if mask.bits.size]
    if not full:
        return None
    return (
        min(mask.x for mask in full),
        min(mask.y for mask in full),
        max(mask.x + mask.width for mask in full),
        max(mask.y + mask.height for mask in full),
    )


def parts_of(shape: Shape) -> tuple[Shape, ...]:
    """The pieces of a shape that do not touch, the largest first; pixels that touch by a corner do."""
    if isinstance(shape, Box):
        return (shape,)
    if isinstance(shape, Polygons):
        pieces: list[Shape] = [Polygons((part,)) for part in shape.parts]
    else:
        count, labels = _components(shape.bits)
        pieces = list(_labelled(shape, labels, count))
    return tuple(sorted(pieces, key=area, reverse=True))


def _components(bits: Bits) -> tuple[int, NDArray[np.int32]]:
    """How many pieces there are, and for each pixel the number of its own from 1 on, 0 for none."""
    if not bits.size:
        return 0, np.zeros(bits.shape, np.int32)
    count, labels = cv2.connectedComponents(np.ascontiguousarray(bits).view(np.uint8), connectivity=8)
    return count - 1, labels


def _labelled(mask: Mask, labels: NDArray[np.int32], count: int) -> list[Mask]:
    """The masks of the numbers 1 to `count`, those without pixels left out; each costs its own rectangle."""
    rows, columns = np.nonzero(labels)
    numbers = labels[rows, columns] - 1
    x0, y0 = np.full(count, labels.shape[1]), np.full(count, labels.shape[0])
    x1, y1 = np.full(count, -1), np.full(count, -1)
    np.minimum.at(x0, numbers, columns)
    np.minimum.at(y0, numbers, rows)
    np.maximum.at(x1, numbers, columns)
    np.maximum.at(y1, numbers, rows)
    corners = zip(x0.tolist(), y0.tolist(), x1.tolist(), y1.tolist(), strict=True)
    return [
        Mask(mask.x + left, mask.y + top, labels[top : bottom + 1, left : right + 1] == number)
        for number, (left, top, right, bottom) in enumerate(corners, start=1)
        if right >= 0
    ]


def cut(
    shape: Shape, a: tuple[float, float], b: tuple[float, float], *, size: tuple[int, int]
) -> tuple[Shape, ...]:
    """The pieces, the largest first, that the line from `a` to `b` cuts a shape into; one where it cuts none.

    The line has no width, so that no pixel is lost, and cuts only where it is drawn: a piece that it runs
    into and not through stays whole. Parts that it does not meet stay with the largest piece.
    """
    steps = grain([shape])
    mask = fine(shape, steps, size=size)
    start, end = np.array(a) * steps, np.array(b) * steps
    if not mask.bits.size or np.array_equal(start, end):
        return (shape,)
    count, labels = _components(mask.bits)
    groups, owners = _cut_apart(mask, labels, start, end)
    split = [own for own in range(1, count + 1) if (owners[1:] == own).sum() > 1]
    if not split:
        return (shape,)
    whole = ~np.isin(owners, split)
    sizes = np.bincount(groups.ravel(), minlength=len(owners))
    sizes[whole] = 0
    merged = np.arange(len(owners))
    merged[whole] = int(sizes.argmax())
    merged[0] = 0
    pieces = _labelled(mask, merged[groups].astype(np.int32), len(owners) - 1)
    found = [coarse(piece, steps, like=[shape]) for piece in pieces]
    return tuple(sorted((one for one in found if one is not None), key=area, reverse=True))


def _cut_apart(
    mask: Mask, labels: NDArray[np.int32], start: NDArray[np.float64], end: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For each cell its group on its side of the line, from 1 on; and for each group the piece it was of.

    Groups of both sides that touch across the line beside where it is drawn are one.
    """
    way = (end - start) / float(np.hypot(*(end - start)))
    xs = np.arange(mask.width) + (mask.x + 0.5 - start[0])
    ys = np.arange(mask.height) + (mask.y + 0.5 - start[1])
    left = way[0] * ys[:, None] - way[1] * xs[None, :] >= 0
    one, here = _components(mask.bits & left)
    other, there = _components(mask.bits & ~left)
    groups = here + np.where(there > 0, there + one, 0).astype(np.int32)
    length = float(np.hypot(*(end - start)))
    joined = np.arange(one + other + 1)
    for rows, columns, dy, dx in _NEIGHBOURS:
        near, far = groups[rows[0], columns[0]], groups[rows[1], columns[1]]
        across = (near > 0) & (far > 0) & (left[rows[0], columns[0]] != left[rows[1], columns[1]])
        at_y, at_x = np.nonzero(across)
        top, first = rows[0].start or 0, columns[0].start or 0
        along = way[0] * (xs[at_x + first] + dx / 2) + way[1] * (ys[at_y + top] + dy / 2)
        beside = (along < 0) | (along > length)
        pairs = np.unique(np.stack((near[across][beside], far[across][beside]), axis=1), axis=0)
        for p, q in pairs.tolist():
            _join(joined, p, q)
    roots = np.array([_root(joined, key) for key in range(len(joined))])
    names, numbers = np.unique(roots, return_inverse=True)
    assert names[0] == 0, "what is no cell is in no group"
    groups = numbers.astype(np.int32)[groups]
    owners = np.zeros(len(names), np.int32)
    inside = groups > 0
    owners[groups[inside]] = labels[inside]
    return groups, owners


def _root(joined: NDArray[np.int64], key: int) -> int:
    while joined[key] != key:
        joined[key] = joined[joined[key]]
        key = int(joined[key])
    return key


def _join(joined: NDArray[np.int64], a: int, b: int) -> None:
    low, high = sorted((_root(joined, a), _root(joined, b)))
    joined[high] = low


def overlap_of(before: Shape, after: Shape, *, size: tuple[int, int]) -> float:
    """IoU of two shapes on the fine grid, so that corners within a pixel count, 0 to 1."""
    steps = grain([before, after])
    return mask_overlap(fine(before, steps, size=size), fine(after, steps, size=size)).iou
