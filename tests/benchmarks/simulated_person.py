"""A person who labels objects to a mask IoU of 0.85, and counts each click, key and brush stroke.

By SAM an object takes a box around it (two clicks), and a key that accepts. Where the mask in the box is not
good enough, a few clicks follow, each into the middle of what is most wrong, with a key for each step to
another of the masks that are offered; a click that made it worse is undone. What is wrong then is brushed
over, or the object is outlined by hand, whichever is shorter: one sees how much is missing. A category that
is not the one of the object before costs a key. Clicks alone, without the box, took more actions.

Predictions are labels only once they are accepted. One sees at a glance how good each one is: a good one is
accepted, a fair one is picked up and corrected as a box's mask is, and others are left where they are; one
action rejects the rest of an image.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.geometry import area, bounds, outline, rasterise, to_bits
from labeler.core.measures.overlap import mask_overlap
from labeler.core.records import Bits, Box, Candidate, Mask, Part, Polygons, Prompt
from labeler.models.protocols import Embedding, Segmenter

ENOUGH = 0.85
FAIR = 0.6
"""IoU from which a prediction is worth correcting."""
_CLICKS = 3
"""After the box; what is wrong then is brushed."""
_SLIVER = 0.04
"""Thickness that no brush catches, as a share of the root of the object's area."""
_TOLERANCES = (12.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.5)

Named = tuple[str, Mask]
"""An object to label: its category and its mask."""


class Reviewed(Struct, frozen=True, eq=False):
    """What an image's predictions were worth."""

    actions: int
    left: tuple[Named, ...]
    """Objects that are still to do."""
    unchanged: int
    """Predictions that were right as they were."""
    corrected: int


class Person:
    """Someone who labels one image."""

    def __init__(self, segmenter: Segmenter, embedding: Embedding) -> None:
        self._segmenter = segmenter
        self._embedding = embedding

    def by_box(self, truth: Mask) -> int:
        """Actions for an object by SAM."""
        box = bounds(truth)
        shown = self._segmenter.segment(self._embedding, Prompt(box=box), limit=1)[0]
        return 2 + self._finished(truth, box, shown.mask, shown.logits)

    def review(self, truths: Sequence[Named], found: Sequence[Candidate]) -> Reviewed:
        """Take what can be taken from the predictions of an image."""
        shapes = [rasterise(one.shape, size=self._embedding.size) for one in found]
        waiting = dict(enumerate(shapes))
        left, actions, unchanged, corrected = [], 0, 0, 0
        for name, truth in truths:
            overlaps = {place: _iou(shape, truth) for place, shape in waiting.items()}
            place = max(overlaps, key=overlaps.__getitem__, default=-1)
            if place < 0 or overlaps[place] < FAIR:
                left.append((name, truth))
                continue
            shape = waiting.pop(place)
            is_good = overlaps[place] >= ENOUGH
            actions += 1 if is_good else 1 + self._finished(truth, bounds(shape), shape, None)
            actions += name != found[place].label
            unchanged += is_good
            corrected += not is_good
        return Reviewed(actions + bool(waiting), tuple(left), unchanged, corrected)

    def _finished(self, truth: Mask, box: Box, shown: Mask, logits: NDArray[np.float32] | None) -> int:
        """Actions from the mask that is shown to one that is good enough and accepted."""
        goal = to_bits(truth, self._embedding.size)
        points: list[tuple[float, float]] = []
        positive: list[bool] = []
        actions = 0
        while _iou(shown, truth) < ENOUGH and len(points) < _CLICKS:
            x, y, inside = _worst(goal, to_bits(shown, self._embedding.size))
            points.append((x, y))
            positive.append(inside)
            prompt = Prompt(np.array(points), np.array(positive), box, logits)
            offered = self._segmenter.segment(self._embedding, prompt)
            overlaps = [_iou(one.mask, truth) for one in offered]
            place = next((place for place, iou in enumerate(overlaps) if iou >= ENOUGH), 0)
            actions += 1 + place
            if overlaps[place] < _iou(shown, truth):
                actions += 1
                break
            shown, logits = offered[place].mask, offered[place].logits
        by_hand = polygon_actions(truth, self._embedding.size)
        return actions + min(_strokes(goal, to_bits(shown, self._embedding.size)) + 1, by_hand)


def polygon_actions(truth: Mask, size: tuple[int, int]) -> int:
    """Corners of the coarsest simplified outline that is good enough, and one action to end each part."""
    exact = outline(truth)
    for tolerance in _TOLERANCES:
        rings = [_simplified(part.outer, tolerance) for part in exact.parts if area(Polygons((part,))) >= 4]
        rings = [ring for ring in rings if len(ring) >= 3]
        if rings:
            drawn = rasterise(Polygons(tuple(Part(ring) for ring in rings)), size=size)
            if _iou(drawn, truth) >= ENOUGH:
                return sum(len(ring) + 1 for ring in rings)
    return sum(len(part.outer) + 1 for part in exact.parts)


def category_actions(truths: Sequence[Named]) -> int:
    """Keys that choose another category than the object before had; the first one's is chosen already."""
    return sum(one != other for (one, _), (other, _) in pairwise(truths))


def _simplified(ring: np.ndarray, tolerance: float) -> np.ndarray:
    points = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance, closed=True)
    return points[:, 0].astype(np.float64)


def _iou(shape: Mask, truth: Mask) -> float:
    return mask_overlap(shape, truth).iou if shape.bits.size else 0.0


def _worst(goal: Bits, shown: Bits) -> tuple[float, float, bool]:
    """The innermost point of the largest error, and whether it belongs to the object."""
    wrong = (goal != shown).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(wrong, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5, bool(goal[row, column])


def _strokes(goal: Bits, shown: Bits) -> float:
    """Strokes that make the mask good enough, each over one connected piece of what is wrong, largest first.

    Infinite where slivers that the brush cannot catch are too much already.
    """
    thickness = max(3, round(_SLIVER * float(goal.sum()) ** 0.5))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thickness, thickness))
    thick = cv2.morphologyEx((goal != shown).astype(np.uint8), cv2.MORPH_OPEN, brush)
    _, pieces, sizes, _ = cv2.connectedComponentsWithStats(thick)
    mask = shown.copy()
    order = np.argsort(-sizes[1:, cv2.CC_STAT_AREA]) + 1
    for strokes, piece in enumerate([0, *order]):
        if strokes:
            mask[pieces == piece] = goal[pieces == piece]
        if (mask & goal).sum() >= ENOUGH * (mask | goal).sum():
            return strokes
    return float("inf")
