"""How good predictions are over a set of images: PR curves, AP and mAP, confusion, IoU per class.

Matching and AP follow COCO's evaluation (cocodataset/cocoapi, cocoeval.py) over all sizes of objects.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from labeler.core import geometry, overlap
from labeler.core.matching import match
from labeler.core.records import Annotation, Candidate

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Rule: TypeAlias = Literal["coco", "voc"]

COCO_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""IoU 0.50, 0.55, ... 0.95."""

_RECALLS = np.linspace(0.0, 1.0, 101)


class Scene(Struct, frozen=True, eq=False):
    """The N predictions and M truths of one image, and how they overlap."""

    iou: Floats
    """(N, M) IoU; in the column of a crowd the intersection over the prediction's own area."""
    confidences: Floats
    """(N,) of the predictions."""
    predicted: Ints
    """(N,) category ids of the predictions."""
    true: Ints
    """(M,) category ids of the truths."""
    crowd: Flags
    """(M,) truths that count neither as found nor as missed, and that many predictions may match."""


class Curve(Struct, frozen=True, eq=False):
    """The predictions of one category from the most to the least confident, one point after each.

    Predictions that matched a crowd are left out.
    """

    confidences: Floats
    hits: Flags
    """(P,) whether the prediction matched a truth."""
    scenes: Ints
    """(P,) the place, among the scenes, of the image that the prediction is of."""
    truths: int
    """How many truths there are to find."""

    @property
    def precision(self) -> Floats:
        """(P,) share of hits among the predictions so far."""
        found: Floats = np.cumsum(self.hits) / np.arange(1, len(self.hits) + 1)
        return found

    @property
    def recall(self) -> Floats:
        """(P,) share of the truths found so far; NaN where there are none."""
        found: Floats = np.cumsum(self.hits) / (self.truths if self.truths else np.nan)
        return found


class Evaluation(Struct, frozen=True, eq=False):
    """AP of every category at every threshold, and the curves behind it."""

    categories: tuple[int, ...]
    thresholds: tuple[float, ...]
    ap: Floats
    """(T, C) average precision, 0 to 1; NaN for a category without truths."""
    curves: tuple[tuple[Curve, ...], ...]
    """T tuples of C curves."""

    @property
    def mean_ap(self) -> float:
        """mAP: the mean over categories with truths and over thresholds; NaN where there are no truths."""
        return _mean(self.ap)

    @property
    def per_category(self) -> dict[int, float]:
        """Category id to its AP averaged over the thresholds."""
        return dict(zip(self.categories, map(float, self.ap.mean(axis=0)), strict=True))

    def at(self, threshold: float) -> float:
        """The mAP at one threshold, as 0.5 for AP50. Raises ValueError for one that was not evaluated."""
        return _mean(self.ap[self.thresholds.index(threshold)])


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def precision_recall(confidences: ArrayLike, hits: ArrayLike, *, truths: int) -> Curve:
    """The curve of predictions given in any order: `confidences` (P,), `hits` (P,) bool, `truths` to find.

    Equal confidences keep their order. Raises ValueError where the lengths differ.
    """
    scores, flags = np.asarray(confidences, dtype=np.float64), np.asarray(hits, dtype=np.bool_)
    if scores.shape != flags.shape:
        raise ValueError(f"confidences {scores.shape} and hits {flags.shape} differ in shape.")
    order = np.argsort(-scores, kind="stable")
    return Curve(scores[order], flags[order], np.zeros(len(scores), dtype=np.int64), truths)


def average_precision(curve: Curve, *, rule: Rule = "coco") -> float:
    """Area under the curve whose precision is made to fall: to each recall the best at it or beyond.

    "coco" averages it at the recalls 0, 0.01, ... 1; "voc" sums it exactly over every step of recall
    (PASCAL VOC from 2010 on). NaN where there are no truths.
    """
    if not curve.truths:
        return float("nan")
    recall = curve.recall
    best = np.maximum.accumulate(curve.precision[::-1])[::-1]
    if rule == "coco":
        places = np.searchsorted(recall, _RECALLS, side="left")
        return float(np.append(best, 0.0)[places].mean())
    return float((np.diff(recall, prepend=0.0) * best).sum())


def scene(
    predictions: Sequence[Candidate],
    truths: Sequence[Annotation],
    *,
    size: tuple[int, int],
    by: Literal["box", "mask"] = "box",
) -> Scene:
    """The scene of one image of size (H, W), comparing the shapes' tight boxes or their pixels."""
    if by == "box":
        a, b = _corners(predictions), _corners(truths)
        shared = overlap.box_intersection(a, b)
        areas_a, areas_b = overlap.box_area(a), overlap.box_area(b)
    else:
        masks_a = [geometry.rasterise(prediction.shape, size=size) for prediction in predictions]
        masks_b = [geometry.rasterise(truth.shape, size=size) for truth in truths]
        shared = overlap.mask_intersection(masks_a, masks_b)
        areas_a, areas_b = overlap.mask_area(masks_a), overlap.mask_area(masks_b)
    crowd = np.array([truth.crowd for truth in truths], dtype=np.bool_)
    whole = np.where(crowd, areas_a[:, None], areas_a[:, None] + areas_b - shared)
    return Scene(
        np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0),
        np.array([prediction.confidence for prediction in predictions], dtype=np.float64),
        np.array([prediction.category_id for prediction in predictions], dtype=np.int64),
        np.array([truth.category_id for truth in truths], dtype=np.int64),
        crowd,
    )


def _corners(items: Sequence[Candidate | Annotation]) -> Floats:
    boxes = [geometry.bounds(item.shape) for item in items]
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=np.float64).reshape(-1, 4)


def evaluate(
    scenes: Sequence[Scene],
    *,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    limit: int = 100,
    rule: Rule = "coco",
) -> Evaluation:
    """AP per category and IoU threshold over all scenes, of the `limit` most confident a scene and category.

    A prediction matches the free truth of its category that it overlaps most, the most confident one
    first; of equal overlaps the last truth, as COCO's evaluation has it.
    """
    categories = sorted({int(id_) for item in scenes for ids in (item.predicted, item.true) for id_ in ids})
    levels = np.array(thresholds, dtype=np.float64)
    columns = [_curves(scenes, category, levels, limit) for category in categories]
    curves = tuple(tuple(column[row] for column in columns) for row in range(len(levels)))
    ap = np.array([[average_precision(curve, rule=rule) for curve in row] for row in curves])
    return Evaluation(
        tuple(categories), tuple(map(float, thresholds)), ap.reshape(len(levels), len(categories)), curves
    )


def _curves(scenes: Sequence[Scene], category: int, levels: Floats, limit: int) -> list[Curve]:
    """The curves of one category, one a threshold."""
    truths = 0
    confidences, numbers = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    hits, ignored = ([np.zeros((len(levels), 0), dtype=np.bool_)] for _ in range(2))
    for number, item in enumerate(scenes):
        rows = np.flatnonzero(item.predicted == category)
        columns = np.flatnonzero(item.true == category)
        rows = rows[np.argsort(-item.confidences[rows], kind="stable")][:limit]
        crowd = item.crowd[columns]
        truths += int(np.count_nonzero(~crowd))
        hit, ignore = _matched(item.iou[np.ix_(rows, columns)], crowd, levels)
        confidences.append(item.confidences[rows])
        numbers.append(np.full(len(rows), number))
        hits.append(hit)
        ignored.append(ignore)
    scores, places = np.concatenate(confidences), np.concatenate(numbers)
    order = np.argsort(-scores, kind="stable")
    scores, places = scores[order], places[order]
    flags = zip(
        np.concatenate(hits, axis=1)[:, order], np.concatenate(ignored, axis=1)[:, order], strict=True
    )
    return [Curve(scores[~out], hit[~out], places[~out], truths) for hit, out in flags]


def _matched(iou: Floats, crowd: Flags, levels: Floats) -> tuple[Flags, Flags]:
    """Which predictions (T, N), rows of `iou` (N, M) best first, match a truth, and which only a crowd."""
    count, width = iou.shape
    hit, ignore = (np.zeros((len(levels), count), dtype=np.bool_) for _ in range(2))
    if not width:
        return hit, ignore
    free = np.broadcast_to(~crowd, (len(levels), width)).copy()
    enough = np.minimum(levels, 1.0 - 1e-10)[:, None]
    each = np.arange(len(levels))
    for row in range(count):
        fit = np.where(free & (iou[row] >= enough), iou[row], -1.0)
        column = width - 1 - fit[:, ::-1].argmax(axis=1)
        hit[:, row] = fit[each, column] >= 0
        free[each[hit[:, row]], column[hit[:, row]]] = False
        ignore[:, row] = ~hit[:, row] & ((iou[row] >= enough) & crowd).any(axis=1)
    return hit, ignore


class Confusion(Struct, frozen=True, eq=False):
    """How often each true category was predicted as each."""

    categories: tuple[int, ...]
    counts: Ints
    """(C + 1, C + 1): row the true category, column the predicted one; the last of each is background.

    So the last column counts missed truths, and the last row predictions of nothing.
    """


def confusion(scenes: Sequence[Scene], *, threshold: float = 0.5, confidence: float = 0.25) -> Confusion:
    """Confusion over all scenes of predictions of at least `confidence`, matched over all categories.

    Matching is one-to-one and maximises the sum of IoU of at least `threshold`; crowds are left out, and so
    are predictions that lie in one and match nothing else.
    """
    categories = sorted({int(id_) for item in scenes for ids in (item.predicted, item.true) for id_ in ids})
    place = {category: index for index, category in enumerate(categories)}
    background = len(categories)
    counts = np.zeros((background + 1, background + 1), dtype=np.int64)
    for item in scenes:
        rows, columns = np.flatnonzero(item.confidences >= confidence), np.flatnonzero(~item.crowd)
        pairs = match(item.iou[np.ix_(rows, columns)], threshold=threshold)
        partner = dict(pairs)
        in_crowd = np.any(
            item.iou[np.ix_(rows, np.flatnonzero(item.crowd))] >= threshold, axis=1, keepdims=True
        )
        true, predicted = item.true[columns], item.predicted[rows]
        for row, category in enumerate(predicted.tolist()):
            if row in partner:
                counts[place[int(true[partner[row]])], place[category]] += 1
            elif not in_crowd[row, 0]:
                counts[background, place[category]] += 1
        for column in set(range(len(columns))) - set(partner.values()):
            counts[place[int(true[column])], background] += 1
    return Confusion(tuple(categories), counts)


def label_confusion(
    prediction: ArrayLike, truth: ArrayLike, *, classes: int, ignore: int | None = None
) -> Ints:
    """Pixels (C, C), row the true class and column the predicted one, of two label maps of one shape.

    Label maps hold whole numbers 0 to `classes` - 1; pixels whose truth is `ignore` are left out. Raises
    ValueError where the shapes differ or a value is outside.
    """
    p, t = np.asarray(prediction).reshape(-1), np.asarray(truth).reshape(-1)
    if np.shape(prediction) != np.shape(truth):
        raise ValueError(f"prediction {np.shape(prediction)} and truth {np.shape(truth)} differ in shape.")
    if ignore is not None:
        p, t = p[t != ignore], t[t != ignore]
    for name, values in (("prediction", p), ("truth", t)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"The {name} has values outside the classes 0 to {classes - 1}.")
    joint = t.astype(np.int64) * classes + p.astype(np.int64)
    return np.bincount(joint, minlength=classes * classes).reshape(classes, classes)


def class_iou(prediction: ArrayLike, truth: ArrayLike, *, classes: int, ignore: int | None = None) -> Floats:
    """IoU (C,) of each class of two label maps; NaN for a class that neither holds.

    Arguments and errors as of `label_confusion`. The mean IoU is `np.nanmean` of it.
    """
    counts = label_confusion(prediction, truth, classes=classes, ignore=ignore)
    shared = np.diag(counts).astype(np.float64)
    union = counts.sum(axis=0) + counts.sum(axis=1) - shared
    iou: Floats = np.divide(shared, union, out=np.full(classes, np.nan), where=union > 0)
    return iou
