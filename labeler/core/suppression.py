"""Non-maximum suppression that tells who suppressed whom, cheap enough to follow a slider.

The costly part, which boxes overlap and by how much, does not depend on the threshold: find it once with
`overlapping` and hand it to every call of `suppress`.
"""

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from labeler.core.boxes import as_boxes

Kind: TypeAlias = Literal["class-wise", "agnostic", "soft-linear", "soft-gaussian"]
Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]

MAX_CANDIDATES = 20_000_000
"""Pairs worth looking at, above which the sparse way costs more memory than it saves time."""

_CHUNK = 1 << 18
_MAX_STRIPES = 64
_FEW_EDGES = 512
_FIRST_STAGE = 128


class OverlapPairs(Struct, frozen=True, eq=False):
    """Pairs of boxes that overlap: indices `a`, `b` (P,), each pair once, and their `iou` (P,) float64."""

    a: Indices
    b: Indices
    iou: Floats


class Suppression(Struct, frozen=True, eq=False):
    """What is left of N boxes, and why the others went."""

    kept: Indices
    """(K,) indices of the boxes that stay, the highest (new) confidence first."""
    suppressor: Indices
    """(N,) index of the box that suppressed each, the most confident one of several; -1 for kept boxes.

    Of the soft kinds: the box that took its confidence under the least one; -1 for those that began there.
    """
    iou: Floats
    """(N,) IoU of each suppressed box with its suppressor; 0 for kept boxes."""
    confidences: Floats
    """(N,) confidences after suppression; only the soft kinds change them."""


def suppress(
    boxes: ArrayLike,
    confidences: ArrayLike,
    categories: ArrayLike,
    *,
    threshold: float,
    kind: Kind = "class-wise",
    overlaps: OverlapPairs | None = None,
    sigma: float = 0.5,
    least: float = 0.001,
) -> Suppression:
    """Suppress the boxes (N, 4) xyxy that overlap a more confident one of IoU over `threshold`.

    `confidences` and `categories` are (N,). "class-wise" lets only boxes of one category suppress each
    other, "agnostic" all. Equal confidences go by index. The soft kinds (Bodla et al., ICCV 2017), within
    a category, lower confidences instead: "soft-linear" by 1 - IoU where IoU is over `threshold`,
    "soft-gaussian" by exp(-IoU^2 / sigma) whatever the threshold; what falls under `least` is suppressed.

    `overlaps` is what `overlapping` gave for these boxes with a floor of at most `threshold` (0 for
    "soft-gaussian"); then the boxes' coordinates are not looked at. Raises ValueError for lengths that
    differ, numbers that are not finite, a threshold under 0 or over 1, an unknown kind, and soft kinds on
    boxes for which `overlapping` gives None.
    """
    corners, scores = as_boxes(boxes), np.asarray(confidences, dtype=np.float64)
    classes = np.asarray(categories)
    if kind not in get_args(Kind):
        raise ValueError(f"The kind of suppression must be one of {get_args(Kind)}, not {kind!r}.")
    if not len(corners) == len(scores) == len(classes):
        raise ValueError(
            f"{len(corners)} boxes, {len(scores)} confidences and {len(classes)} categories do not match."
        )
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold is an IoU, a number from 0 to 1, not {threshold}.")
    if not np.isfinite(scores).all():
        raise ValueError("Confidences must be finite numbers.")
    groups = None if kind == "agnostic" else classes
    order = np.argsort(-scores, kind="stable")
    if kind in ("class-wise", "agnostic"):
        pairs = overlaps if overlaps is not None else _decisive(_finite(corners), groups, order, threshold)
        return _greedy(scores, order, _selected(pairs, groups, threshold))
    floor = 0.0 if kind == "soft-gaussian" else threshold
    found = overlaps if overlaps is not None else overlapping(corners, groups, floor=floor)
    if found is None:
        raise ValueError(f"These boxes have over {MAX_CANDIDATES} overlaps, too many for soft suppression.")
    near = neighbours(_selected(found, groups, floor), len(scores))
    return walk(scores, near, threshold=threshold, kind=kind, sigma=sigma, least=least)


def _selected(pairs: OverlapPairs, groups: NDArray[Any] | None, floor: float) -> OverlapPairs:
    """The pairs of IoU over `floor` that lie within a group."""
    used = pairs.iou > floor
    if groups is not None:
        used &= groups[pairs.a] == groups[pairs.b]
    return pairs if used.all() else OverlapPairs(pairs.a[used], pairs.b[used], pairs.iou[used])


def _ranked(pairs: OverlapPairs, order: Indices, count: int) -> tuple[Indices, Indices, Floats]:
    """The pairs as ranks in `order`, of `count` boxes in all: the stronger, the weaker, their IoU."""
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(len(order))
    a, b = rank[pairs.a], rank[pairs.b]
    return np.minimum(a, b), np.maximum(a, b), pairs.iou


def _greedy(scores: Floats, order: Indices, pairs: OverlapPairs) -> Suppression:
    count = len(scores)
    stronger, weaker, iou = _ranked(pairs, order, count)
    kept = _kept(count, stronger, weaker)
    deciding = kept[stronger]
    stronger, weaker, iou = stronger[deciding], weaker[deciding], iou[deciding]
    by = np.full(count, count)
    np.minimum.at(by, weaker, stronger)
    first = by[weaker] == stronger
    suppressor, overlap = np.full(count, -1), np.zeros(count)
    suppressor[order[weaker[first]]] = order[stronger[first]]
    overlap[order[weaker[first]]] = iou[first]
    return Suppression(order[kept], suppressor, overlap, scores)


def _kept(count: int, stronger: Indices, weaker: Indices) -> NDArray[np.bool_]:
    """Which ranks greedy suppression keeps: those that no kept stronger one overlaps.

    All ranks without an undecided stronger neighbour are decided at once, round by round, which takes
    few rounds unless overlaps form long chains; then the rest is decided pair by pair.
    """
    kept = np.ones(count, dtype=np.bool_)
    decided = np.zeros(count, dtype=np.bool_)
    while len(stronger) > _FEW_EDGES:
        before = len(stronger)
        waiting = np.zeros(count, dtype=np.bool_)
        waiting[weaker] = True
        decided |= ~waiting
        kept[weaker[decided[stronger] & kept[stronger]]] = False
        decided |= ~kept
        open_ = kept[stronger] & kept[weaker]
        stronger, weaker = stronger[open_], weaker[open_]
        if len(stronger) > 0.9 * before:
            break
    order = np.argsort(stronger, kind="stable")
    alive = kept.tolist()
    for one, other in zip(stronger[order].tolist(), weaker[order].tolist(), strict=True):
        if alive[one]:
            alive[other] = False
    return np.array(alive, dtype=np.bool_)


class Neighbours(Struct, frozen=True, eq=False):
    """What overlaps each of N boxes."""

    starts: Indices
    """(N + 1,) where the neighbours of each box begin in the other two."""
    index: Indices
    """(2P,) the neighbour."""
    iou: Floats
    """(2P,) IoU with it."""


def neighbours(pairs: OverlapPairs, count: int) -> Neighbours:
    """The pairs of `count` boxes as a list for each, for `walk`."""
    # of 16 bits, numbers are sorted by radix, many times faster
    kind = np.uint16 if count <= 1 << 16 else np.int64
    source = np.concatenate((pairs.a, pairs.b)).astype(kind)
    order = np.argsort(source, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(source, minlength=count))))
    return Neighbours(starts, np.concatenate((pairs.b, pairs.a))[order], np.tile(pairs.iou, 2)[order])


def walk(
    confidences: Floats,
    near: Neighbours,
    *,
    threshold: float,
    kind: Kind,
    sigma: float = 0.5,
    least: float = 0.001,
    most: int | None = None,
) -> Suppression:
    """Suppress box by box: keep the most confident one that waits, let it act on its neighbours, repeat.

    `confidences` are (N,) of the boxes that `near` tells of, or of the first N of them; which may suppress
    each other (those of a class, or all) is decided by what is in `near`. The other arguments are those of
    `suppress`; the greedy kinds take all confidence away, and boxes under `least` take no part. It ends
    when `most` are kept: what was not come to is neither kept nor suppressed.
    """
    count = len(confidences)
    starts, index, iou = near.starts.tolist(), near.index, near.iou
    current = confidences.copy()
    waiting = np.where(current < least, -np.inf, current)
    suppressor, overlap = np.full(count, -1), np.zeros(count)
    kept: list[int] = []
    for _ in range(count if most is None else min(count, most)):
        best = int(waiting.argmax())
        if waiting[best] == -np.inf:
            break
        kept.append(best)
        waiting[best] = -np.inf
        span = slice(starts[best], starts[best + 1])
        others, ious = index[span], iou[span]
        if len(near.starts) > count + 1:
            inside = others < count
            others, ious = others[inside], ious[inside]
        acts = waiting[others] > -np.inf
        if kind != "soft-gaussian":
            acts &= ious > threshold
        others, ious = others[acts], ious[acts]
        if kind in ("class-wise", "agnostic"):
            fallen = others
        else:
            current[others] *= 1.0 - ious if kind == "soft-linear" else np.exp(-(ious**2) / sigma)
            waiting[others] = current[others]
            gone = current[others] < least
            fallen, ious = others[gone], ious[gone]
        waiting[fallen] = -np.inf
        suppressor[fallen] = best
        overlap[fallen] = ious
    return Suppression(np.array(kept, dtype=np.int64), suppressor, overlap, current)


def overlapping(
    boxes: ArrayLike, categories: ArrayLike | None = None, *, floor: float = 0.0
) -> OverlapPairs | None:
    """All pairs of boxes (N, 4) xyxy of IoU over `floor`; with `categories` (N,) only within one.

    None where more than `MAX_CANDIDATES` pairs lie near each other: the greedy kinds then go without. Raises
    ValueError for coordinates that are not finite.
    """
    corners = _finite(boxes)
    field = _Field(corners, categories, floor)
    everything = np.arange(len(corners))
    windows = field.windows(everything, everything, mutual=True)
    return field.join(windows, mutual=True) if windows.candidates <= MAX_CANDIDATES else None


def _finite(boxes: ArrayLike) -> Floats:
    corners = as_boxes(boxes)
    if not np.isfinite(corners).all():
        raise ValueError("The corners of boxes must be finite numbers.")
    return corners


class _Windows(Struct, frozen=True, eq=False):
    """For each window the box that looks and the places in `order` from and to which its partners lie."""

    owner: Indices
    start: Indices
    stop: Indices
    order: Indices

    @property
    def candidates(self) -> int:
        return int((self.stop - self.start).sum())


class _Field:
    """Boxes cut into horizontal stripes, so that overlapping ones are found without trying all pairs.

    An IoU over t needs an overlap of t times the wider (higher) box along each axis. So the left edges of
    partners lie within 1 - t of the width of whichever starts further left, which is at most 1/t of the
    other's; the same holds for upper edges and heights.
    """

    def __init__(self, corners: Floats, categories: ArrayLike | None, floor: float) -> None:
        self.floor = max(floor, 0.0)
        self.columns = np.ascontiguousarray(corners.T)
        x0, y0, x1, y1 = self.columns
        self.width, self.height = np.maximum(x1 - x0, 0.0), np.maximum(y1 - y0, 0.0)
        self.areas = self.width * self.height
        count = len(corners)
        self.group = np.zeros(count, dtype=np.int64)
        if categories is not None and count:
            self.group = np.unique(np.asarray(categories), return_inverse=True)[1].reshape(-1)
        extent = float(np.ptp(y0)) if count else 0.0
        usual = float(np.median(self.height)) if count else 0.0
        self.stripes = int(np.clip(extent / max(usual, 1e-9), 1, _MAX_STRIPES))
        self.tall = extent / self.stripes or 1.0
        widest = float(self.width.max()) if count else 0.0
        # wide enough that no window reaches from one stripe of one category into the next
        self.span = 2.0 * ((float(np.ptp(x0)) if count else 0.0) + 2.0 * widest + 1.0)
        self.left = x0 - (float(x0.min()) if count else 0.0)
        self.top = y0 - (float(y0.min()) if count else 0.0)
        self.row = np.minimum((self.top / self.tall).astype(np.int64), self.stripes - 1)

    def _reaches(self, sides: Floats, extent: float) -> tuple[Floats, Floats]:
        """How far before and after its own edge the edge of a partner may lie, with room for rounding."""
        longest = float(sides.max()) if len(sides) else 0.0
        slack = extent * 2.0**-46
        largest = np.minimum(sides / self.floor, longest) if self.floor > 0 else np.full(len(sides), longest)
        return (1.0 - self.floor) * largest + slack, (1.0 - self.floor) * sides + slack

    def windows(self, queries: Indices, targets: Indices, *, mutual: bool) -> _Windows:
        """Where among the targets the partners of each query may lie, looking downwards only if `mutual`."""
        key = (self.group[targets] * self.stripes + self.row[targets]) * self.span + self.left[targets]
        sorting = np.argsort(key, kind="stable")
        keys = key[sorting]
        last = self.stripes - 1
        up, down = self._reaches(self.height, self.tall * self.stripes)
        above = self.row if mutual else ((self.top - up) / self.tall).astype(np.int64).clip(0, last)
        below = ((self.top + down) / self.tall).astype(np.int64).clip(0, last)
        rows = (below - above + 1)[queries]
        owner = np.repeat(queries, rows)
        row = np.arange(len(owner)) - np.repeat(np.cumsum(rows) - rows, rows) + above[owner]
        at = (self.group[owner] * self.stripes + row) * self.span + self.left[owner]
        before, after = self._reaches(self.width, float(keys[-1]) + self.span if len(keys) else 0.0)
        start = np.searchsorted(keys, at - before[owner], side="left")
        stop = np.searchsorted(keys, at + after[owner], side="right")
        return _Windows(owner, start, stop, targets[sorting])

    def join(self, windows: _Windows, *, mutual: bool) -> OverlapPairs:
        """The pairs of IoU over the floor in these windows, worked through in pieces that fit the cache."""
        counts = windows.stop - windows.start
        ends = np.cumsum(counts)
        found = [_nothing()]
        first = 0
        while first < len(ends):
            taken = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, taken + _CHUNK, side="right")), first + 1)
            size = counts[first:last]
            a = np.repeat(windows.owner[first:last], size)
            shift = windows.start[first:last] - (ends[first:last] - size - taken)
            b = windows.order[np.arange(len(a)) + np.repeat(shift, size)]
            found.append(self._over(a, b, mutual=mutual))
            first = last
        return _joined(found)

    def _over(self, a: Indices, b: Indices, *, mutual: bool) -> OverlapPairs:
        x0, y0, x1, y1 = self.columns
        height = np.minimum(y1[a], y1[b]) - np.maximum(y0[a], y0[b])
        near = height > 0
        if mutual:
            # a pair is met from its upper box; level boxes are met from both
            near &= (y0[a] < y0[b]) | ((y0[a] == y0[b]) & (a < b))
        a, b, height = a[near], b[near], height[near]
        width = np.minimum(x1[a], x1[b]) - np.maximum(x0[a], x0[b])
        shared = np.maximum(width, 0.0) * height
        union = self.areas[a] + self.areas[b] - shared
        iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        over = iou > self.floor
        return OverlapPairs(a[over], b[over], iou[over])


def _nothing() -> OverlapPairs:
    return OverlapPairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


def _joined(pieces: list[OverlapPairs]) -> OverlapPairs:
    return OverlapPairs(
        np.concatenate([piece.a for piece in pieces]),
        np.concatenate([piece.b for piece in pieces]),
        np.concatenate([piece.iou for piece in pieces]),
    )


def _decisive(corners: Floats, categories: ArrayLike | None, order: Indices, floor: float) -> OverlapPairs:
    """Enough pairs of IoU over `floor` to decide greedy suppression: all that a kept box decides.

    The most confident boxes go first, and what those that are kept suppress is never compared again.
    """
    field = _Field(corners, categories, floor)
    found = [_nothing()]
    rest, size = order, max(_FIRST_STAGE, len(order) // 16)
    while len(rest):
        stage, rest = rest[:size], rest[size:]
        within = field.join(field.windows(stage, stage, mutual=True), mutual=True)
        found.append(within)
        if len(rest):
            kept = stage[_kept(len(stage), *_ranked(within, stage, len(corners))[:2])]
            across = field.join(field.windows(kept, rest, mutual=False), mutual=False)
            found.append(across)
            gone = np.zeros(len(corners), dtype=np.bool_)
            gone[across.b] = True
            rest = rest[~gone[rest]]
        size *= 2
    return _joined(found)
