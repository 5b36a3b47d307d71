"""The objects behind a figure, by the ids of their files, to be opened."""

from collections.abc import Iterable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.evaluation.curves import Curve
from labeler.evaluation.findings import FALSE_ALARM, Evaluation, Flags
from labeler.evaluation.operating_points import level


class ObjectItem(Struct, frozen=True):
    """A prediction, a truth, or a pair of both."""

    image_id: int
    prediction_id: int | None = None
    truth_id: int | None = None
    confidence: float | None = None
    iou: float | None = None
    """Of the pair."""


def images_of(items: Iterable[ObjectItem]) -> tuple[int, ...]:
    """The ids of the images that the items are on, each once, in their order."""
    return tuple(dict.fromkeys(item.image_id for item in items))


def item(
    evaluation: Evaluation,
    *,
    prediction: int | None = None,
    truth: int | None = None,
    iou: float | None = None,
) -> ObjectItem:
    """The item of a prediction's place, a truth's, or both."""
    predictions, truths = evaluation.predictions, evaluation.truths
    image = truths.images[truth] if prediction is None else predictions.images[prediction]
    return ObjectItem(
        int(evaluation.images.ids[image]),
        None if prediction is None else int(predictions.ids[prediction]),
        None if truth is None else int(truths.ids[truth]),
        None if prediction is None else float(predictions.confidences[prediction]),
        iou,
    )


def hits(
    evaluation: Evaluation, *, confidence: float, category: int | None = None, threshold: float = 0.5
) -> tuple[ObjectItem, ...]:
    """The predictions of at least this confidence that are right, the least confident first.

    Of one category (its place) or of all.
    """
    found = evaluation.predictions.hits[level(evaluation, threshold)]
    return predicted(evaluation, (found >= 0) & _chosen(evaluation, confidence, category), threshold)


def false_alarms(
    evaluation: Evaluation, *, confidence: float, category: int | None = None, threshold: float = 0.5
) -> tuple[ObjectItem, ...]:
    """The predictions of at least this confidence that are wrong, the most confident first."""
    found = evaluation.predictions.hits[level(evaluation, threshold)]
    wrong = (found == FALSE_ALARM) & _chosen(evaluation, confidence, category)
    return predicted(evaluation, wrong, threshold)[::-1]


def missed(
    evaluation: Evaluation, *, confidence: float, category: int | None = None, threshold: float = 0.5
) -> tuple[ObjectItem, ...]:
    """The truths that no prediction of at least this confidence hits, the largest first."""
    found = evaluation.predictions.hits[level(evaluation, threshold)]
    truths = evaluation.truths
    left = ~truths.ignored
    if category is not None:
        left &= truths.categories == category
    left[found[(found >= 0) & _chosen(evaluation, confidence, None)]] = False
    places = np.flatnonzero(left)
    order = np.argsort(-truths.areas[places], kind="stable")
    return tuple(item(evaluation, truth=place) for place in places[order].tolist())


def around(evaluation: Evaluation, of: Curve, index: int, *, count: int = 25) -> tuple[ObjectItem, ...]:
    """The `count` predictions about a point of a curve, by falling confidence."""
    begin = min(max(index - count // 2, 0), max(len(of.predictions) - count, 0))
    places = of.predictions[begin : begin + count].tolist()
    return tuple(item(evaluation, prediction=place) for place in places)


def predicted(evaluation: Evaluation, chosen: Flags, threshold: float) -> tuple[ObjectItem, ...]:
    """The items of chosen predictions (P,), with the truths that they hit, the least confident first."""
    places: NDArray[np.int64] = np.flatnonzero(chosen)[::-1]
    found = evaluation.predictions.hits[level(evaluation, threshold)]
    return tuple(_hit(evaluation, place, int(found[place])) for place in places.tolist())


def _hit(evaluation: Evaluation, place: int, truth: int) -> ObjectItem:
    if truth < 0:
        return item(evaluation, prediction=place)
    is_first = truth == evaluation.predictions.hits[0, place]
    iou = float(evaluation.predictions.overlaps[place]) if is_first else None
    return item(evaluation, prediction=place, truth=truth, iou=iou)


def _chosen(evaluation: Evaluation, confidence: float, category: int | None) -> Flags:
    chosen: Flags = evaluation.predictions.confidences >= confidence
    return chosen if category is None else chosen & (evaluation.predictions.categories == category)
