"""A person who labels objects to a mask IoU of 0.85, and counts clicks and keys, each an action."""

import cv2
import numpy as np

from labeler.core.geometry import area, bounds, outline, rasterise, to_bits
from labeler.core.overlap import mask_overlap
from labeler.core.records import Bits, Box, Candidate, Mask, Part, Polygons, Prompt, Proposal
from labeler.models.api import Embedding, Segmenter

ENOUGH = 0.85
MEANT = 0.5
"""IoU from which a prediction is worth correcting."""
_MOST_CLICKS = 8
_TOLERANCES = (12.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.5)


def polygon_actions(truth: Mask, size: tuple[int, int]) -> int:
    """Corners of the coarsest simplified outline that is good enough, and one action to end each part."""
    exact = outline(truth)
    for tolerance in _TOLERANCES:
        rings = [_simplified(part.outer, tolerance) for part in exact.parts if area(Polygons((part,))) >= 4]
        rings = [ring for ring in rings if len(ring) >= 3]
        if rings:
            drawn = rasterise(Polygons(tuple(Part(ring) for ring in rings)), size=size)
            if drawn.bits.size and mask_overlap(drawn, truth).iou >= ENOUGH:
                return sum(len(ring) + 1 for ring in rings)
    return sum(len(part.outer) + 1 for part in exact.parts)


def _simplified(ring: np.ndarray, tolerance: float) -> np.ndarray:
    points = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance, closed=True)
    return points[:, 0].astype(np.float64)


def click_actions(segmenter: Segmenter, embedding: Embedding, truth: Mask, box: Box | None = None) -> int:
    """Clicks into what is most wrong, keys to step to the best of three masks, and one to accept.

    With a `box` the mask in it is what is corrected. Where the clicks do not get there, those that were made
    and the polygon.
    """
    goal = to_bits(truth, embedding.size)
    points: list[tuple[float, float]] = []
    positive: list[bool] = []
    previous = None
    steps = 0
    shown = np.zeros_like(goal)
    if box is not None:
        best, previous = _asked(segmenter, embedding, Prompt(box=box), truth)
        shown = to_bits(best.mask, embedding.size) if best.mask.bits.size else shown
    while len(points) < _MOST_CLICKS:
        x, y, inside = _worst(goal, shown)
        points.append((x, y))
        positive.append(inside)
        prompt = Prompt(np.array(points), np.array(positive), box, previous)
        proposals = segmenter.segment(embedding, prompt)
        overlaps = [mask_overlap(one.mask, truth).iou if one.mask.bits.size else 0.0 for one in proposals]
        place = int(np.argmax(overlaps))
        steps += place
        if overlaps[place] >= ENOUGH:
            return len(points) + steps + 1
        shown, previous = to_bits(proposals[place].mask, embedding.size), proposals[place].logits
    return len(points) + steps + polygon_actions(truth, embedding.size)


def _asked(
    segmenter: Segmenter, embedding: Embedding, prompt: Prompt, truth: Mask
) -> tuple[Proposal, np.ndarray]:
    best = segmenter.segment(embedding, prompt, limit=1)[0]
    return best, best.logits


def _worst(goal: Bits, shown: Bits) -> tuple[float, float, bool]:
    """The innermost point of the largest error, and whether it belongs to the object."""
    wrong = (goal != shown).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(wrong, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5, bool(goal[row, column])


def reviewed(
    segmenter: Segmenter, embedding: Embedding, truths: list[tuple[str, Mask]], found: list[Candidate]
) -> tuple[int, list[Mask], int]:
    """Actions on an image's predictions, objects that are still to do, and predictions taken as they were.

    One action accepts or rejects a prediction. One that means the right object but is not good enough is
    corrected by clicks, one of another category costs an action more.
    """
    left = list(truths)
    actions = unchanged = 0
    for candidate in found:
        shape = rasterise(candidate.shape, size=embedding.size)
        overlaps = [mask_overlap(shape, truth).iou for _, truth in left]
        place = int(np.argmax(overlaps)) if overlaps else -1
        if place < 0 or overlaps[place] < MEANT:
            actions += 1
            continue
        name, truth = left.pop(place)
        actions += name != candidate.label
        if overlaps[place] >= ENOUGH:
            actions += 1
            unchanged += 1
        else:
            actions += click_actions(segmenter, embedding, truth, bounds(shape))
    return actions, [truth for _, truth in left], unchanged
