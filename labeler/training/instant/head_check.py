"""What the instant trainer learns of itself, by heads that never saw the images they are judged on.

How often it is right at which confidence; whether a category that COCO has is better left to the detector's
own class; and whether the segmenter's masks fit boxes that a person drew better than its own boxes do.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_iou
from labeler.core.records import Annotation, Box, Candidate
from labeler.models.protocols import Embedding
from labeler.training.data import LabelledImage
from labeler.training.instant.head import Head
from labeler.training.instant.objects import boxes_found
from labeler.training.precision import JudgedImage, evaluated, precision

PARTS = 3
"""Into which the images are parted, to be judged by what is learnt from the others."""
_LEAST = 3
"""Images from which on that is worth it."""
_TRUSTS = (1.0, 0.5, 0.0)
"""How much of what was learnt of a category that COCO has is tried."""
_CLEARLY = 0.005
"""By how much AP must be better to take less of it, or more than none."""
_MEANT = 0.5
"""IoU from which on a box means an object."""
_PRIOR = 4.0
"""Detections that its confidence being right as it is counts for."""


class Part(Struct, frozen=True, eq=False):
    """A head, and images that it was not trained on, with what the detector sees there."""

    head: Head
    images: Sequence[LabelledImage]
    seen: Sequence[Embedding]


class Learnt(Struct, frozen=True):
    """What came out."""

    trust: float = 1.0
    """How much of what was learnt of COCO's categories is to be taken."""
    slope: float = 1.0
    shift: float = 0.0
    """See `Config`."""
    figures: dict[str, float] = {}
    """AP and AP50 on the images held out; {} where none were."""


def parts_of(count: int, seed: int) -> list[list[int]]:
    """Places of the images in each part, by chance; [] where they are too few."""
    if count < _LEAST:
        return []
    order = np.random.default_rng(seed).permutation(count).tolist()
    return [order[first :: min(PARTS, count)] for first in range(min(PARTS, count))]


def learnt(parts: Sequence[Part], ids: dict[str, int], known: frozenset[int]) -> Learnt:
    """What the parts say together. `known`: places of COCO's categories; `ids` as in `precision`."""
    if not any(image.annotations for part in parts for image in part.images):
        return Learnt()
    names = list(ids)
    trusts = _TRUSTS if known else _TRUSTS[:1]
    of_coco = {name: ids[name] for place, name in enumerate(names) if place in known}
    judged = {trust: _judged(parts, trust, known, len(names)) for trust in trusts}
    best = 1.0
    if known:
        score = {trust: sum(precision(_only(judged[trust], of_coco), of_coco).values()) for trust in trusts}
        best = max(trusts, key=lambda trust: score[trust] - (_CLEARLY if trust not in (1.0, 0.0) else 0.0))
    slope, shift = calibrated(*_confidences(judged[best], ids))
    return Learnt(best, slope, shift, precision(judged[best], ids))


def trusted(head: Head, trust: float, known: frozenset[int]) -> Head:
    """The head with that much of what it learnt of the categories that COCO has.

    Their boxes go along only where there are no others: all categories share them.
    """
    if trust == 1.0 or not known:
        return head
    return head.with_trust(trust if len(known) == len(head.names) else 1.0, dict.fromkeys(known, trust))


def _judged(parts: Sequence[Part], trust: float, known: frozenset[int], categories: int) -> list[JudgedImage]:
    assert all(place < categories for place in known), "they are places among the categories"
    judged = []
    for part in parts:
        head = trusted(part.head, trust, known)
        for image, seen in zip(part.images, part.seen, strict=True):
            judged.append(JudgedImage(image.size, image.annotations, boxes_found(head, seen)))
    return judged


def _only(judged: Sequence[JudgedImage], ids: dict[str, int]) -> list[JudgedImage]:
    kept = set(ids.values())
    return [
        JudgedImage(one.size, [truth for truth in one.truths if truth.category_id in kept], one.found)
        for one in judged
    ]


def _confidences(
    judged: Sequence[JudgedImage], ids: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of all that was found: how sure it was, and whether it is right."""
    found = evaluated(judged, ids)
    if found is None:
        return np.zeros(0), np.zeros(0, dtype=np.bool_)
    return found.predictions.confidences.astype(np.float64), found.predictions.hits[0] >= 0


def corners_of(records: Sequence[Annotation] | Sequence[Candidate]) -> NDArray[np.float64]:
    """(N, 4) xyxy in image pixels."""
    boxes = [bounds(one.shape) for one in records]
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=np.float64).reshape(-1, 4)


def calibrated(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and shift of the confidences' logits by which they say how often they are right.

    Platt 1999, by Newton's method, held back towards (1, 0) where there is little to learn from.
    """
    if not len(confidences):
        return 1.0, 0.0
    clipped = confidences.clip(1e-4, 1 - 1e-4)
    logits = np.log(clipped / (1 - clipped))
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    prior, values = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    for _ in range(20):
        shares = 1 / (1 + np.exp(-(design @ values)))
        slope = design.T @ (shares - right) + _PRIOR * (values - prior)
        bend = (design * (shares * (1 - shares))[:, None]).T @ design + _PRIOR * np.eye(2)
        step = np.linalg.solve(bend, slope)
        values = values - step.clip(-1.0, 1.0)
    return float(max(values[0], 0.1)), float(values[1])


def pairs_of(found: Sequence[Candidate], truths: Sequence[Annotation]) -> list[tuple[Box, Box]]:
    """For each truth that is found, whatever it is taken for: its box, and the one that fits it best."""
    if not found or not truths:
        return []
    overlaps = box_iou(corners_of(truths), corners_of(found))
    best = overlaps.argmax(axis=1).tolist()
    return [
        (bounds(truth.shape), bounds(found[place].shape))
        for truth, place, row in zip(truths, best, overlaps, strict=True)
        if row[place] >= _MEANT
    ]


def gain_of_masks(heads: Sequence[tuple[Box, Box, Box]]) -> float:
    """By how much masks' boxes fit better than the head's, as mean IoU: of (truth, head's, mask's) boxes."""
    if not heads:
        return 0.0
    corners = np.array([[(box.x0, box.y0, box.x1, box.y1) for box in three] for three in heads])
    ious = [np.diag(box_iou(corners[:, 0], corners[:, which])).mean() for which in (1, 2)]
    return float(ious[1] - ious[0])
