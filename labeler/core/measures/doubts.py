"""Labels that a model's predictions speak against: missed, drawn twice, loose, or of another category.

After ObjectLab's scores of overlooked, badly located and swapped boxes (Tkachenko, Thyagarajan and Mueller,
arXiv 2309.00832), here one number for each label so that all kinds stand in one queue. The model must not
have learned from these labels, or it repeats their errors: one that was there before, or one that was trained
on other images. Shapes are compared by their boxes.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.measures.overlap import box_iou
from labeler.core.records import Annotation, Candidate
from labeler.core.review_order import corners

Kind: TypeAlias = Literal["missed", "doubled", "loose", "misnamed"]

SAME = 0.5
"""IoU from which a prediction and a label are of the same object."""
TWICE = 0.8
"""IoU from which two labels of a category are one object drawn twice."""
NEAR = 0.2
"""IoU from which a prediction that meets no label better speaks of where that label should be."""
TIGHT = 0.6
"""IoU from which a label lies well."""
FAR_OFF = 0.4
"""IoU up to which it surely does not."""
LEAST = 0.3
"""Score from which a doubt is worth a look."""


class Doubt(Struct, frozen=True):
    """One label, or a place without one, that is worth a second look."""

    kind: Kind
    image_id: int
    annotation_id: int
    """0 for what was missed."""
    candidate_id: int
    """The prediction that speaks against it; 0 for what was drawn twice."""
    category_id: int
    """What it should be, where that is the question; else what it is."""
    score: float
    """0 to 1, the most doubtful first."""


def doubts(
    image_id: int,
    annotations: Sequence[Annotation],
    predictions: Sequence[Candidate],
    *,
    least: float = LEAST,
) -> list[Doubt]:
    """What is doubtful on one image, the most doubtful first, each label once; from a score of `least`.

    `predictions` are what suppression keeps, without what a person rejected; crowds are no labels here.
    """
    labels = [one for one in annotations if not one.crowd]
    found = [*_doubled(image_id, labels)]
    if predictions:
        found += _spoken_against(image_id, labels, predictions)
    best: dict[tuple[int, int], Doubt] = {}
    for one in found:
        key = one.annotation_id, one.annotation_id or one.candidate_id
        if one.score >= least and (key not in best or one.score > best[key].score):
            best[key] = one
    return sorted(best.values(), key=lambda one: (-one.score, one.annotation_id, one.candidate_id))


def _doubled(image_id: int, labels: Sequence[Annotation]) -> list[Doubt]:
    """The later one of two labels of a category that lie on each other."""
    if len(labels) < 2:
        return []
    boxes = corners([one.shape for one in labels])
    kinds = np.array([one.category_id for one in labels])
    overlaps = np.where(kinds[:, None] == kinds[None, :], box_iou(boxes, boxes), 0.0)
    earlier = np.tril(overlaps, -1).max(axis=1)
    return [
        Doubt("doubled", image_id, one.id, 0, one.category_id, float(iou))
        for one, iou in zip(labels, earlier, strict=True)
        if iou >= TWICE
    ]


def _spoken_against(
    image_id: int, labels: Sequence[Annotation], predictions: Sequence[Candidate]
) -> list[Doubt]:
    """Missed, loose and misnamed ones."""
    iou = np.zeros((len(predictions), len(labels)))
    boxes = corners([one.shape for one in predictions])
    near = box_iou(boxes, boxes) >= SAME
    if labels:
        iou = box_iou(boxes, corners([one.shape for one in labels]))
    sure = np.array([one.confidence for one in predictions])
    ours = np.array([one.category_id for one in predictions])
    theirs = np.array([one.category_id for one in labels])
    alike = ours[:, None] == theirs[None, :]
    meets = iou >= SAME
    found = _misnamed(image_id, labels, predictions, sure[:, None] * meets * iou, alike)
    # of a label whose place is confirmed by a tight prediction nothing needs to be said
    confirmed = (iou * alike >= TIGHT).any(axis=0)
    for row, one in enumerate(predictions):
        if not one.category_id:
            continue
        best = int(np.argmax(iou[row] * (alike[row] | meets[row]))) if len(labels) else -1
        overlap = float(iou[row, best]) if best >= 0 else 0.0
        if overlap >= TIGHT or (best >= 0 and meets[row, best] and not alike[row, best]):
            continue
        if overlap >= NEAR and alike[row, best] and not confirmed[best]:
            score = float(sure[row]) * min((TIGHT - overlap) / (TIGHT - FAR_OFF), 1.0)
            found.append(Doubt("loose", image_id, labels[best].id, one.id, one.category_id, score))
        elif overlap < SAME and not _repeats(row, near, sure):
            score = float(sure[row]) * (1.0 - overlap)
            found.append(Doubt("missed", image_id, 0, one.id, one.category_id, score))
    return found


def _misnamed(
    image_id: int,
    labels: Sequence[Annotation],
    predictions: Sequence[Candidate],
    weights: NDArray[np.float64],
    alike: NDArray[np.bool_],
) -> list[Doubt]:
    """Where what lies on a label is surer of another category than of the label's own."""
    found = []
    for column, label in enumerate(labels):
        against = np.where(alike[:, column], 0.0, weights[:, column])
        row = int(np.argmax(against))
        own = float(np.where(alike[:, column], weights[:, column], 0.0).max())
        if against[row] > own and predictions[row].category_id:
            one = predictions[row]
            score = float(against[row]) - own
            found.append(Doubt("misnamed", image_id, label.id, one.id, one.category_id, score))
    return found


def _repeats(row: int, near: NDArray[np.bool_], sure: NDArray[np.float64]) -> bool:
    """Whether another prediction says the same place more surely, so that one doubt is enough."""
    return bool((near[row] & (sure > sure[row])).any())
