"""What a reviewer is asked next, how fast it goes, and which predictions would only repeat an annotation."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct

from labeler.core.filtering import CandidateFilter, Filter
from labeler.core.geometry import bounds
from labeler.core.measures.overlap import Matrix, box_intersection, shape_overlap
from labeler.core.records import Annotation, Candidate, Shape

Order: TypeAlias = Literal["uncertain", "scattered", "disagreeing", "in order"]

REPEATS_FROM = 0.9
"""The IoU from which a prediction and an annotation of its category are the same object drawn twice."""

LONGEST_PAUSE = 60.0
"""Seconds without a decision after which a person is taken to be away."""

_RECENT = 20


class QueueItem(Struct, frozen=True):
    """One prediction that waits for a person's word."""

    image_id: int
    candidate_id: int
    category_id: int
    confidence: float
    label: str = ""
    best_iou: float = 0.0
    """The largest IoU of its box with that of an annotation of its category; 0 without any."""


class ReviewPace(Struct, frozen=True):
    """How fast a review goes."""

    per_minute: float
    seconds_left: float


def predictions_of(candidates: Sequence[Candidate], wanted: Filter, *, suppressed: bool) -> list[Candidate]:
    """What a filter keeps of one image's candidates of one model, the most confident first.

    `suppressed` says that the model's output needs no NMS.
    """
    # what is under the threshold decides nothing, and is most of a raw output: no overlaps for it
    able = [candidate for candidate in candidates if candidate.confidence >= wanted.confidence]
    if not able:
        return []
    by_id = {candidate.id: candidate for candidate in able}
    return [by_id[key] for key in CandidateFilter(able, suppressed=suppressed).apply(wanted).kept]


def ordered(
    items: Sequence[QueueItem],
    order: Order,
    *,
    places: Mapping[int, int],
    quality: Mapping[int, float] | None = None,
) -> list[QueueItem]:
    """The items in the order in which a person is asked.

    "uncertain": image by image, those first that have the confidence nearest to 0.5, and in an image the
    least certain first. "scattered": the least certain first, whatever image it is on. "disagreeing": image
    by image, those of the lowest `quality` (image id to 0..1) first and those without one last, and in an
    image what fits no annotation first. "in order": by `places` (image id to its place in the list of
    images), in an image the most confident first. What is equal goes in order.
    """
    last = len(places)

    def in_order(item: QueueItem) -> tuple[float, ...]:
        return places.get(item.image_id, last), -item.confidence, item.candidate_id

    if order == "scattered":
        return sorted(items, key=lambda item: (_certainty(item), *in_order(item)))
    if order == "uncertain":
        least: dict[int, float] = {}
        for item in items:
            least[item.image_id] = min(_certainty(item), least.get(item.image_id, 1.0))
        return sorted(
            items,
            key=lambda item: (
                least[item.image_id],
                places.get(item.image_id, last),
                item.image_id,
                _certainty(item),
                *in_order(item),
            ),
        )
    if order == "in order":
        return sorted(items, key=in_order)
    known = quality or {}
    return sorted(
        items,
        key=lambda item: (
            known.get(item.image_id, 2.0),
            places.get(item.image_id, last),
            item.best_iou,
            *in_order(item),
        ),
    )


def _certainty(item: QueueItem) -> float:
    return abs(item.confidence - 0.5)


def pace(times: Sequence[float], *, remaining: int) -> ReviewPace | None:
    """The pace of the last decisions, made at `times` (seconds, rising); None before there are three.

    Pauses of over `LONGEST_PAUSE` are left out, so that a break does not slow the figure down.
    """
    recent = list(times[-_RECENT - 1 :])
    gaps = [b - a for a, b in pairwise(recent) if b - a <= LONGEST_PAUSE]
    if len(gaps) < 2:
        return None
    seconds = max(sum(gaps) / len(gaps), 1e-3)
    return ReviewPace(60.0 / seconds, remaining * seconds)


def without_repeats(
    candidates: Sequence[Candidate], annotations: Sequence[Annotation], *, size: tuple[int, int]
) -> list[Candidate]:
    """The candidates of one image of size (H, W) that repeat neither an annotation nor one before them.

    To repeat is to have the same category and an IoU of `REPEATS_FROM` or more.
    """
    known: list[Annotation | Candidate] = [*annotations, *candidates]
    if not candidates:
        return []
    boxes = corners([record.shape for record in known])
    categories = np.array([record.category_id for record in known])
    ours = slice(len(annotations), None)
    near = box_intersection(boxes[ours], boxes) > 0
    near &= categories[ours, None] == categories[None, :]
    there = [True] * len(annotations)
    fresh = []
    for row, candidate in enumerate(candidates):
        others = (known[i].shape for i in np.flatnonzero(near[row, : len(there)]).tolist() if there[i])
        is_fresh = not _repeats(candidate.shape, others, size)
        there.append(is_fresh)
        if is_fresh:
            fresh.append(candidate)
    return fresh


def _repeats(shape: Shape, others: Iterable[Shape], size: tuple[int, int]) -> bool:
    return any(shape_overlap(shape, other, size=size).iou >= REPEATS_FROM for other in others)


def corners(shapes: Sequence[Shape]) -> Matrix:
    """The bounding boxes (N, 4) xyxy, float64, of shapes."""
    boxes = [bounds(shape) for shape in shapes]
    return np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes], dtype=np.float64).reshape(-1, 4)
