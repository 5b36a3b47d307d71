"""From what the instant head's cells say to objects: suppressed, then drawn and judged by the segmenter.

The head's boxes say which thing is meant; the segmenter says where it ends. Its mask's box takes the place
of the head's, and its own estimate of the mask's IoU goes into the confidence. On photos unlike those that
were learnt from, AP more than doubles by this (`tests/benchmarks/test_instant.py` has the figures); weighing
the confidence by how far both boxes agree only made it worse. What is left after suppression is drawn once
more, in its mask's box, for that often fits better than the head's; the segmenter's estimate says whether
it did.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from labeler.core.boxes import Boxes
from labeler.core.geometry import bounds
from labeler.core.records import Box, Candidate, Prompt, Shape
from labeler.core.suppression import suppress
from labeler.models.protocols import Embedding, Segmenter
from labeler.models.threads import all_threads
from labeler.training.instant.cells import scale_of
from labeler.training.instant.head import CellFindings, Head

_FLOOR = 0.2
"""The least confidence of a cell that is worth a mask, which costs some 30 ms."""
_MOST = 40
"""Masks an image."""
_BEFORE = 0.5
"""IoU above which a box is suppressed before its mask is drawn."""
_AFTER = 0.5
"""The same among the masks' boxes of one category, which agree more where they mean the same object."""
_AFTER_ANY = 0.8
"""The same between categories: two names for one object."""
_BETTER = 0.01
"""By how much the segmenter must trust the second mask more than the first for it to take its place."""
_TRUST = 1.5
"""The power of the segmenter's estimate in the confidence; from 1 to 3 it made no difference."""


class _Boxes(Struct, frozen=True, eq=False):
    corners: Boxes
    confidences: NDArray[np.float64]
    categories: NDArray[np.intp]

    def at(self, places: NDArray[np.int64]) -> "_Boxes":
        """Those at the places, in their order."""
        return _Boxes(self.corners[places], self.confidences[places], self.categories[places])


def objects(head: Head, segmenter: Segmenter, embedding: Embedding) -> tuple[Candidate, ...]:
    """The objects of an image with their masks, after suppression, the most confident first.

    `embedding` is MobileSAM's, of one array `image` (1, 256, 64, 64). Raises what the segmenter does.
    """
    found = head.look(embedding.arrays["image"][0], embedding.size)
    likely = _likely(found, embedding.size)
    drawn = _all_drawn(segmenter, embedding, likely.corners)
    trust = np.array([estimate for _, estimate in drawn], dtype=np.float64) ** _TRUST
    judged = structs.replace(
        likely, corners=_corners([shape for shape, _ in drawn]), confidences=likely.confidences * trust
    )
    kept = _distinct(judged)
    best = judged.at(kept)
    again = _all_drawn(segmenter, embedding, best.corners)
    shapes = [_better(drawn[place], other) for place, other in zip(kept.tolist(), again, strict=True)]
    return tuple(
        Candidate(0, 0, 0, 0, shape, confidence, head.names[category])
        for shape, confidence, category in zip(
            shapes, best.confidences.tolist(), best.categories.tolist(), strict=True
        )
    )


def _better(first: tuple[Shape, float], second: tuple[Shape, float]) -> Shape:
    """The second mask where its estimate is clearly higher."""
    return second[0] if second[1] > first[1] + _BETTER else first[0]


def _corners(shapes: Sequence[Shape]) -> Boxes:
    """(N, 4) xyxy."""
    boxes = [bounds(shape) for shape in shapes]
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=np.float64).reshape(-1, 4)


def _all_drawn(segmenter: Segmenter, embedding: Embedding, corners: Boxes) -> list[tuple[Shape, float]]:
    """As `_drawn` for boxes (N, 4) xyxy."""
    with ThreadPoolExecutor(all_threads()) as side_by_side:
        return list(side_by_side.map(lambda one: _drawn(segmenter, embedding, one), corners.tolist()))


def _likely(found: CellFindings, size: tuple[int, int]) -> _Boxes:
    """The head's boxes in image pixels that are worth a mask."""
    height, width = size
    corners = found.boxes / scale_of(size)
    corners[:, 0::2] = corners[:, 0::2].clip(0, width)
    corners[:, 1::2] = corners[:, 1::2].clip(0, height)
    confidences = (found.objectness * found.categories.max(axis=1)).astype(np.float64)
    is_box = (corners[:, 2] - corners[:, 0] >= 1) & (corners[:, 3] - corners[:, 1] >= 1)
    boxes = _Boxes(corners, confidences, found.categories.argmax(axis=1))
    boxes = boxes.at(np.flatnonzero(is_box & (confidences >= _FLOOR)))
    kept = suppress(boxes.corners, boxes.confidences, boxes.categories, threshold=_BEFORE).kept
    return boxes.at(kept[:_MOST])


def _drawn(segmenter: Segmenter, embedding: Embedding, corners: list[float]) -> tuple[Shape, float]:
    """The mask of what is in a box, and its IoU by the segmenter's estimate; the box where there is none."""
    x0, y0, x1, y1 = corners
    box = Box(x0, y0, x1, y1)
    proposals = segmenter.segment(embedding, Prompt(box=box), threads=1, limit=1)
    if not proposals or not proposals[0].mask.bits.any():
        return box, 0.0
    return proposals[0].mask, proposals[0].confidence


def _distinct(judged: _Boxes) -> NDArray[np.int64]:
    """Places of the boxes that are objects of their own, the most confident first."""
    within = suppress(judged.corners, judged.confidences, judged.categories, threshold=_AFTER).kept
    best = judged.at(within)
    kept = suppress(
        best.corners, best.confidences, best.categories, threshold=_AFTER_ANY, kind="agnostic"
    ).kept
    return np.asarray(within[kept])
