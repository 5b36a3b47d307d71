"""Which predictions meet which truths, and which of them are right: COCO's matching over all images at once.

Rules: cocodataset/cocoapi, cocoeval.py, `evaluateImg`.
"""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.evaluation.columns import ObjectColumns, ranks
from labeler.evaluation.findings import FALSE_ALARM, LEFT_OUT, Flags, Floats, Places

_ALMOST_ONE = 1.0 - 1e-10


class Meetings(Struct, frozen=True, eq=False):
    """The K pairs of one image whose overlap reaches the lowest threshold, of any categories."""

    predictions: Places
    truths: Places
    overlaps: Floats
    """IoU; with a crowd the intersection over the prediction's own area."""


def meetings(predictions: ObjectColumns, truths: ObjectColumns, *, least: float) -> Meetings:
    """The pairs of an overlap of at least `least`, by COCO's own tools, which agree with the figures."""
    from pycocotools import mask  # noqa: PLC0415 - only who evaluates pays for it

    crowd = truths.crowd.astype(int)
    rows, columns, values = [], [], []
    for ours, theirs in _by_image(predictions.images, truths.images):
        a, b = (_shapes(side, places) for side, places in ((predictions, ours), (truths, theirs)))
        overlaps = np.asarray(mask.iou(a, b, crowd[theirs].tolist()))
        row, column = np.nonzero(overlaps >= least)
        rows.append(ours[row])
        columns.append(theirs[column])
        values.append(overlaps[row, column])
    return Meetings(
        np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32),
        np.concatenate([np.zeros(0, np.int32), *columns]).astype(np.int32),
        np.concatenate([np.zeros(0), *values]),
    )


def _shapes(columns: ObjectColumns, places: NDArray[np.int64]) -> object:
    """What the library compares: a list of masks, or boxes (N, 4)."""
    return [columns.masks[at] for at in places] if columns.masks else columns.boxes[places]


def _by_image(ours: Places, theirs: Places) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The places of both sides on each image that has some of each."""
    shared = np.intersect1d(ours, theirs)
    sides = []
    for images in (ours, theirs):
        order = np.argsort(images, kind="stable")
        ordered = images[order]
        begins = np.searchsorted(ordered, shared, side="left")
        ends = np.searchsorted(ordered, shared, side="right")
        sides.append([order[begin:end] for begin, end in zip(begins, ends, strict=True)])
    return zip(*sides, strict=True)


def matched(
    predictions: ObjectColumns, truths: ObjectColumns, found: Meetings, *, thresholds: Floats
) -> tuple[Places, NDArray[np.float32]]:
    """(T, P) what each prediction has hit, as `Predictions.hits`, and (P,) its IoU at the first threshold.

    Predictions come by falling confidence. Each takes the free truth of its category that it overlaps
    most, of equal ones the last; what is left without one but lies in a crowd is left out. All images and
    categories go together: in each round the next prediction of every one of them chooses.
    """
    alike = np.flatnonzero(predictions.categories[found.predictions] == truths.categories[found.truths])
    order = alike[np.lexsort((-found.truths[alike], -found.overlaps[alike], found.predictions[alike]))]
    rows, columns, values = found.predictions[order], found.truths[order], found.overlaps[order]
    crowd = truths.crowd[columns]
    hits = np.full((len(thresholds), len(predictions.ids)), FALSE_ALARM, dtype=np.int32)
    best = np.zeros(len(predictions.ids), dtype=np.float32)
    rounds = _rounds(predictions, rows)
    for level, threshold in enumerate(np.minimum(thresholds, _ALMOST_ONE)):
        enough = values >= threshold
        hits[level, rows[enough & crowd]] = LEFT_OUT
        free = np.ones(len(truths.ids), dtype=np.bool_)
        for part in rounds:
            chosen = part[enough[part] & ~crowd[part] & free[columns[part]]]
            chosen = chosen[_firsts(rows[chosen])]
            hits[level, rows[chosen]] = columns[chosen]
            free[columns[chosen]] = False
            if level == 0:
                best[rows[chosen]] = values[chosen]
    return hits, best


def _firsts(values: Places) -> Flags:
    """Where a run of equal values begins."""
    begins: Flags = np.r_[np.ones(min(len(values), 1), np.bool_), values[1:] != values[:-1]]
    return begins


def _rounds(predictions: ObjectColumns, rows: Places) -> list[NDArray[np.int64]]:
    """Places among the pairs, whose predictions are `rows`, in the rounds in which they are looked at."""
    concerned = np.unique(rows)
    kinds = int(predictions.categories.max(initial=0)) + 1
    group = predictions.images[concerned].astype(np.int64) * kinds + predictions.categories[concerned]
    turn = ranks(group)[np.searchsorted(concerned, rows)]
    order = np.argsort(turn, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(turn[order])) + 1) if len(order) else []
