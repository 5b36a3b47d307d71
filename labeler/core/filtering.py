"""Which candidates are shown: confidence threshold, suppression and top-k, quick enough for a slider.

The overlaps of candidates don't depend on a slider, so they are worked out once and looked up at each step.
Masks overlap by their boxes here, as in the detectors that give them. A class is the project's category
where the candidate has one, else the model's own name of it. The walk ends when `top_k` are kept: what it
did not come to is cut, whether it would have been kept or not.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.boxes import Boxes
from labeler.core.geometry import bounds
from labeler.core.records import Candidate
from labeler.core.suppression import (
    Floats,
    Indices,
    Neighbours,
    OverlapPairs,
    Suppression,
    neighbours,
    overlapping,
    suppress,
    walk,
)

FilterKind: TypeAlias = Literal["class-wise", "agnostic", "soft-linear", "soft-gaussian", "none"]

LEAST_IOU = 0.05
"""Overlaps from here up are worked out at first; smaller ones when somebody asks for them."""
SIGMA = 0.5
"""Of the Gaussian in "soft-gaussian"."""
MOST = 4400
"""So many boxes never have more pairs than `overlapping` looks at, however they lie."""
_AT_LEAST = 1024
"""The overlaps of so many candidates are worked out at once, since that is quick."""
_PIECE = 8_000_000
"""Pairs that are looked at in one piece, to bound the memory, where no image alone has more."""


class Filter(Struct, frozen=True):
    """What a person set."""

    confidence: float = 0.25
    """Candidates from here up are taken, 0 to 1."""
    iou: float = 0.5
    """Boxes of IoU over this suppress each other, 0 to 1."""
    kind: FilterKind = "class-wise"
    top_k: int = 300
    """How many are kept at most on an image."""


class Filtered(Struct, frozen=True, eq=False):
    """What a filter makes of the candidates of an image; each is in exactly one of the four. Ids."""

    kept: tuple[int, ...]
    """The most confident (after suppression) first."""
    suppressed: dict[int, tuple[int, float]]
    """To the kept one that suppressed it, and their IoU; the most confident first."""
    below: tuple[int, ...]
    """Under the confidence threshold from the start."""
    cut: tuple[int, ...]
    """Not come to, since `top_k` were kept before."""
    confidences: dict[int, float]
    """Confidences after suppression, of all but `below` ones; only the soft kinds change them."""


class Columns(Struct, frozen=True, eq=False):
    """The candidates of one image as arrays, in one order."""

    ids: Indices
    """(N,) int64."""
    boxes: Boxes
    """(N, 4) float64 xyxy, image pixels."""
    confidences: Floats
    """(N,) float64."""
    classes: Indices
    """(N,) int64, equal for candidates of one class; a number means something on one image only."""


def columns(candidates: Iterable[Candidate]) -> Columns:
    """The candidates of one image as arrays, in their order."""
    listed = list(candidates)
    boxes = [(box.x0, box.y0, box.x1, box.y1) for box in (bounds(each.shape) for each in listed)]
    labels: dict[str, int] = {}
    classes = [each.category_id or -1 - labels.setdefault(each.label, len(labels)) for each in listed]
    return Columns(
        np.array([each.id for each in listed], dtype=np.int64),
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.array([each.confidence for each in listed], dtype=np.float64),
        np.array(classes, dtype=np.int64),
    )


class _Known(Struct, frozen=True, eq=False):
    """What overlaps each of the `count` most confident candidates; None where that is too much to keep."""

    count: int
    neighbours: Neighbours | None


class CandidateFilter:
    """The candidates of one image and their overlaps: made once, applied at each step of a slider."""

    def __init__(self, candidates: Iterable[Candidate] | Columns, *, suppressed: bool = False) -> None:
        """`suppressed` says that the model's output needs no NMS: then only the threshold and top-k act.

        Raises ValueError for confidences and coordinates that are not finite.
        """
        table = candidates if isinstance(candidates, Columns) else columns(candidates)
        if not np.isfinite(table.confidences).all():
            raise ValueError("Confidences must be finite numbers.")
        order = np.argsort(-table.confidences, kind="stable")
        self._ids: list[int] = table.ids[order].tolist()
        self._boxes, self._classes = table.boxes[order], table.classes[order]
        self._confidences = table.confidences[order]
        self._falling = -self._confidences
        self._suppressed = suppressed
        self._known: dict[tuple[bool, float], _Known] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def apply(self, wanted: Filter) -> Filtered:
        """What is kept, suppressed, under the threshold and cut. Equal confidences go by their order."""
        over = _count_over(self._falling, wanted.confidence)
        result = self._suppress(over, wanted)
        ids, kept = self._ids, result.kept[: wanted.top_k]
        reached = np.zeros(over, dtype=np.bool_)
        reached[kept] = True
        gone = result.suppressor >= 0
        gone[gone] = reached[result.suppressor[gone]]
        places = np.flatnonzero(gone)
        by, iou = result.suppressor[places].tolist(), result.iou[places].tolist()
        return Filtered(
            kept=tuple([ids[place] for place in kept.tolist()]),
            suppressed={
                ids[place]: (ids[one], overlap)
                for place, one, overlap in zip(places.tolist(), by, iou, strict=True)
            },
            below=tuple(ids[over:]),
            cut=tuple([ids[place] for place in np.flatnonzero(~reached & ~gone).tolist()]),
            confidences=dict(zip(ids[:over], result.confidences.tolist(), strict=True)),
        )

    def confidences(self, wanted: Filter) -> dict[int, float]:
        """The raw confidences of those at or over the threshold, by id, the most confident first."""
        over = _count_over(self._falling, wanted.confidence)
        return dict(zip(self._ids[:over], self._confidences.tolist(), strict=False))

    def near(self, candidate_id: int, wanted: Filter) -> list[tuple[int, float]]:
        """What overlaps a candidate enough for this filter, by id, and their IoU."""
        place = self._ids.index(candidate_id)
        over = max(_count_over(self._falling, wanted.confidence), place + 1)
        near = self._neighbours(over, wanted)
        if near is None or self._suppressed or wanted.kind == "none":
            return []
        span = slice(int(near.starts[place]), int(near.starts[place + 1]))
        least = 0.0 if wanted.kind == "soft-gaussian" else wanted.iou
        found = zip(near.index[span].tolist(), near.iou[span].tolist(), strict=True)
        return [(self._ids[other], iou) for other, iou in found if iou > least]

    def _suppress(self, over: int, wanted: Filter) -> Suppression:
        """Of the `over` most confident ones, whose places are their ranks."""
        confidences = self._confidences[:over]
        if self._suppressed or wanted.kind == "none":
            return Suppression(np.arange(over), np.full(over, -1), np.zeros(over), confidences)
        near, kind, least = self._neighbours(over, wanted), wanted.kind, wanted.confidence
        if near is not None:
            return walk(
                confidences,
                near,
                threshold=wanted.iou,
                kind=kind,
                sigma=SIGMA,
                least=least,
                most=wanted.top_k,
            )
        # so many lie on each other that only the most confident can soften each other in time
        used = min(over, MOST) if _is_soft(wanted) else over
        boxes, classes = self._boxes[:used], self._classes[:used]
        result = suppress(
            boxes, confidences[:used], classes, threshold=wanted.iou, kind=kind, sigma=SIGMA, least=least
        )
        rest = over - used
        return Suppression(
            result.kept,
            np.append(result.suppressor, np.full(rest, -1)),
            np.append(result.iou, np.zeros(rest)),
            np.append(result.confidences, confidences[used:]),
        )

    def _neighbours(self, over: int, wanted: Filter) -> Neighbours | None:
        """What overlaps each of the `over` most confident ones, or more; None where that is too much to keep.

        Of a raw output most is far under the threshold: its overlaps are worked out when a slider comes near.
        """
        within, floor = wanted.kind != "agnostic", _floor(wanted)
        known = self._known.get((within, floor))
        if known is None or known.count < over:
            count = min(max(2 * over, _AT_LEAST), len(self))
            classes = self._classes[:count] if within else None
            found = overlapping(self._boxes[:count], classes, floor=floor)
            known = _Known(count, None if found is None else neighbours(found, count))
            self._known[within, floor] = known
        return known.neighbours


class SetFilter:
    """The candidates of many images, for what a filter comes to on all of them together."""

    def __init__(self, images: Iterable[Columns], *, suppressed: bool = False) -> None:
        """`images` are the candidates of each image; `suppressed` as for `CandidateFilter`."""
        listed = list(images)
        self._suppressed = suppressed
        self._large = [CandidateFilter(one, suppressed=suppressed) for one in listed if len(one.ids) > MOST]
        self._images = [one for one in listed if 0 < len(one.ids) <= MOST]
        confidences = _joined([one.confidences for one in self._images])
        # by falling confidence over all images, equal ones in their order: a place is a rank from here on
        order = np.argsort(-confidences, kind="stable")
        self._falling = -confidences[order]
        self._rank = np.empty(len(order), dtype=np.int64)
        self._rank[order] = np.arange(len(order))
        self._image = np.repeat(np.arange(len(self._images)), [len(one.ids) for one in self._images])[order]
        self._known: dict[tuple[bool, float], OverlapPairs] = {}

    def counts(self, wanted: Filter) -> tuple[int, int, int]:
        """How many candidates are at or over the threshold, how many of them kept, and suppressed.

        What `CandidateFilter.apply` comes to on each image, added up. Not for two threads at once.
        """
        over = _count_over(self._falling, wanted.confidence)
        kept, suppressed = self._outcome(over, wanted)
        for one in self._large:
            found = one.apply(wanted)
            over += len(one) - len(found.below)
            kept += len(found.kept)
            suppressed += len(found.suppressed)
        return over, kept, suppressed

    def _outcome(self, over: int, wanted: Filter) -> tuple[int, int]:
        """How many of the `over` most confident ones are kept, and suppressed."""
        if self._suppressed or wanted.kind == "none":
            return int(self._first(np.arange(over), wanted.top_k).sum()), 0
        pairs = _chosen(self._pairs(wanted), over, wanted)
        confidences = -self._falling[:over]
        reached = np.zeros(over, dtype=np.bool_)
        if _is_soft(wanted):
            factors = decay(pairs.iou, wanted)
            order = _picked(confidences, pairs, factors, wanted.confidence)
            reached[order[self._first(order, wanted.top_k)]] = True
            lowered = _lowered(confidences, pairs, factors, reached)
            kept = np.zeros(over, dtype=np.bool_)
            kept[order] = True
            return int(reached.sum()), int((~kept & (lowered < wanted.confidence)).sum())
        everyone = np.zeros((over, 4)), confidences, np.zeros(over)
        result = suppress(*everyone, threshold=wanted.iou, kind="agnostic", overlaps=pairs)
        reached[result.kept[self._first(result.kept, wanted.top_k)]] = True
        by = result.suppressor[result.suppressor >= 0]
        return int(reached.sum()), int(reached[by].sum())

    def _first(self, ranks: Indices, count: int) -> NDArray[np.bool_]:
        """Which of these, in their order, are among the first `count` of their image."""
        image = self._image[ranks]
        order = np.argsort(image, kind="stable")
        grouped = image[order]
        turn = np.empty(len(ranks), dtype=np.int64)
        turn[order] = np.arange(len(ranks)) - np.searchsorted(grouped, grouped)
        return turn < count

    def _pairs(self, wanted: Filter) -> OverlapPairs:
        """All pairs on an image of IoU over the floor, as ranks, of falling IoU."""
        within, floor = wanted.kind != "agnostic", _floor(wanted)
        if (within, floor) not in self._known:
            found = [self._overlapping(*piece, within=within, floor=floor) for piece in _pieces(self._images)]
            pairs = [_joined([getattr(one, name) for one in found]) for name in ("a", "b", "iou")]
            a, b = self._rank[pairs[0].astype(np.int64)], self._rank[pairs[1].astype(np.int64)]
            self._known[within, floor] = _sorted(OverlapPairs(np.minimum(a, b), np.maximum(a, b), pairs[2]))
        return self._known[within, floor]

    def _overlapping(self, first: int, last: int, start: int, *, within: bool, floor: float) -> OverlapPairs:
        """The pairs on the images `first` up to `last`, the first of whose candidates is number `start`."""
        images = self._images[first:last]
        image = np.repeat(np.arange(len(images)), [len(one.ids) for one in images])
        group = image
        if within:
            classes = np.unique(_joined([one.classes for one in images]), return_inverse=True)[1]
            group = image * (int(classes.max()) + 1) + classes
        found = overlapping(np.concatenate([one.boxes for one in images]), group, floor=floor)
        assert found is not None, "a piece has fewer pairs than are too many"
        return OverlapPairs(found.a + start, found.b + start, found.iou)


def decay(iou: Floats, wanted: Filter) -> Floats:
    """What a soft kind multiplies the confidence of a box with, for its IoU with one that was kept."""
    return np.exp(-(iou**2) / SIGMA) if wanted.kind == "soft-gaussian" else 1.0 - iou


def _is_soft(wanted: Filter) -> bool:
    return wanted.kind in ("soft-linear", "soft-gaussian")


def _floor(wanted: Filter) -> float:
    """From where on overlaps are worked out for this filter."""
    return LEAST_IOU if wanted.kind != "soft-gaussian" and wanted.iou >= LEAST_IOU else 0.0


def _count_over(falling: Floats, confidence: float) -> int:
    """How many are at or over a threshold, of negated confidences with the highest first."""
    return int(np.searchsorted(falling, -confidence, side="right"))


def _sorted(pairs: OverlapPairs) -> OverlapPairs:
    """Of falling IoU, so that those over a threshold are the first ones."""
    order = np.argsort(-pairs.iou)
    return OverlapPairs(pairs.a[order], pairs.b[order], pairs.iou[order])


def _chosen(pairs: OverlapPairs, over: int, wanted: Filter) -> OverlapPairs:
    """The pairs of sorted ones, `a` before `b`, that a filter acts on, among the `over` first."""
    count = len(pairs.iou)
    if wanted.kind != "soft-gaussian":
        count = int(np.searchsorted(-pairs.iou, -wanted.iou, side="left"))
    a, b, iou = pairs.a[:count], pairs.b[:count], pairs.iou[:count]
    used = b < over
    return OverlapPairs(a[used], b[used], iou[used])


def _joined(arrays: Sequence[NDArray[np.float64]] | Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _pieces(images: Sequence[Columns]) -> Iterator[tuple[int, int, int]]:
    """Runs of images with few enough pairs among them: the first, one past the last, candidates before."""
    first = start = size = pairs = 0
    for index, one in enumerate(images):
        count = len(one.ids)
        own = count * count
        if index > first and pairs + own > _PIECE:
            yield first, index, start
            first, start, size, pairs = index, start + size, 0, 0
        size += count
        pairs += own
    if images:
        yield first, len(images), start


def _picked(confidences: Floats, pairs: OverlapPairs, factors: Floats, least: float) -> Indices:
    """What soft suppression keeps, in the order of their new confidences, of many images at once.

    All that no waiting neighbour beats are picked in one round: nothing can change their confidence
    any more, and what they lower would have come after them anyway.
    """
    current, a, b = confidences.copy(), pairs.a, pairs.b
    waiting = np.ones(len(current), dtype=np.bool_)
    kept = np.zeros(len(current), dtype=np.bool_)
    while len(a):
        first = (current[a] > current[b]) | ((current[a] == current[b]) & (a < b))
        beaten = np.zeros(len(current), dtype=np.bool_)
        beaten[np.where(first, b, a)] = True
        picked = waiting & ~beaten
        kept |= picked
        waiting &= beaten
        from_a, from_b = picked[a], picked[b]
        np.multiply.at(current, b[from_a], factors[from_a])
        np.multiply.at(current, a[from_b], factors[from_b])
        waiting &= current >= least
        open_ = waiting[a] & waiting[b]
        a, b, factors = a[open_], b[open_], factors[open_]
    ranks = np.flatnonzero(kept | waiting)
    order: Indices = ranks[np.argsort(-current[ranks], kind="stable")]
    return order


def _lowered(confidences: Floats, pairs: OverlapPairs, factors: Floats, kept: NDArray[np.bool_]) -> Floats:
    """The confidences after these kept ones have lowered their neighbours."""
    current = confidences.copy()
    from_a, from_b = kept[pairs.a], kept[pairs.b]
    np.multiply.at(current, pairs.b[from_a], factors[from_a])
    np.multiply.at(current, pairs.a[from_b], factors[from_b])
    return current


class SuppressionStep(Struct, frozen=True):
    """One step of the walk: the most confident one left is kept, and acts on what overlaps it. Ids."""

    picked: int
    confidence: float
    """Of the picked one, as it is by now."""
    dropped: tuple[tuple[int, float], ...]
    """What it suppresses, and their IoU, the most confident first."""
    lowered: tuple[tuple[int, float, float], ...]
    """What only becomes less confident, by a soft kind: id, IoU, new confidence."""
    left: int
    """How many wait for their turn after this."""


def steps(
    candidates: Iterable[Candidate] | CandidateFilter, wanted: Filter, *, suppressed: bool = False
) -> tuple[SuppressionStep, ...]:
    """The walk of the algorithm over the candidates of an image, to be shown step by step."""
    filter_ = (
        candidates
        if isinstance(candidates, CandidateFilter)
        else CandidateFilter(candidates, suppressed=suppressed)
    )
    result = filter_.apply(wanted)
    fallen: dict[int, list[tuple[int, float]]] = {}
    for one, (by, iou) in result.suppressed.items():
        fallen.setdefault(by, []).append((one, iou))
    current = filter_.confidences(wanted)
    waiting, walked = set(current), []
    for one in result.kept:
        dropped = tuple(fallen.get(one, ()))
        waiting -= {one, *(other for other, _ in dropped)}
        lowered = []
        for other, iou in filter_.near(one, wanted) if _is_soft(wanted) else ():
            if other in waiting:
                current[other] *= float(decay(np.array(iou), wanted))
                lowered.append((other, iou, current[other]))
        lowered.sort(key=lambda each: -each[1])
        walked.append(SuppressionStep(one, result.confidences[one], dropped, tuple(lowered), len(waiting)))
    return tuple(walked)
