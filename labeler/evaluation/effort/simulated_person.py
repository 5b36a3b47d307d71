"""A person who labels known objects well enough, and what that costs: by hand, or by SAM.

They do what the window's tools can do, and see at a glance how much is wrong. By SAM an object takes a box
around it (two clicks), and a key that accepts. Where the mask is not good enough and one stroke would not
mend it, a few clicks follow, each into the middle of what is most wrong, with a key for each step to another
of the masks that are offered; a click that made it worse is taken back. What is wrong then is brushed over
with Ctrl held, which accepts what comes of it, or the object is outlined by hand, whichever is quicker.
Clicks alone, without the box, took more actions.

Where an object is only a box, two clicks draw one: no other tool is quicker.
"""

from collections.abc import Sequence
from itertools import pairwise, product

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.geometry import area, bounds, outline, rasterise, to_bits
from labeler.core.measures.overlap import box_iou, mask_iou, mask_overlap
from labeler.core.records import Asked, Bits, Box, Mask, Part, Points, Polygons, Prompt, Proposal, Shape
from labeler.core.review_order import corners
from labeler.evaluation.effort.act_counts import Acts, Pace
from labeler.models.protocols import Embedding, Segmenter
from labeler.models.simulated import MOST_CLICKS, next_click

TARGET = 0.85
"""IoU from which a mask is good enough, where nobody says otherwise."""
BOX_TARGET = 0.75
"""The same of a box."""
PACE = Pace()
_CLICKS = 3
"""After the box; what is wrong then is brushed."""
_SLIVER = 0.04
"""Thickness that no brush catches, as a share of the root of the object's area."""
_NEAR = 5
"""Pixels from an object within which a stroke that begins there finds it."""
_TOLERANCES = (12.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.5)
_BOX = Acts(clicks=2, looks=1)


class Strokes(Struct, frozen=True):
    """What a brush has to do to make a mask good enough."""

    count: int
    on_it: bool
    """Whether each of them can begin on the mask."""


class Goal(Struct, frozen=True, eq=False):
    """An object that is to be labelled."""

    name: str
    """Of its category."""
    shape: Box | Mask
    """The truth; a box where nothing more is known."""


def overlaps(shapes: Sequence[Shape], goals: Sequence[Goal], size: tuple[int, int]) -> NDArray[np.float64]:
    """IoU (P, T) of shapes with goals in an image of size (H, W): of their boxes where the truth is one."""
    found = np.zeros((len(shapes), len(goals)))
    for kind in (Box, Mask):
        places = [place for place, goal in enumerate(goals) if isinstance(goal.shape, kind)]
        if places and shapes:
            truths = [goals[place].shape for place in places]
            found[:, places] = _all_iou(shapes, truths, size, by_box=kind is Box)
    return found


def _all_iou(
    shapes: Sequence[Shape], truths: Sequence[Shape], size: tuple[int, int], *, by_box: bool
) -> NDArray[np.float64]:
    if by_box:
        return box_iou(corners(shapes), corners(truths))
    ours, theirs = ([rasterise(one, size=size) for one in several] for several in (shapes, truths))
    return mask_iou(ours, theirs)


def by_hand(goal: Goal, size: tuple[int, int], target: float = TARGET) -> Acts:
    """A box of two corners, or the coarsest simplified outline of at least IoU `target`.

    Each corner is a click, and one more closes each part. `size` is the image's (H, W).
    """
    if isinstance(goal.shape, Box):
        return _BOX
    exact = outline(goal.shape)
    for tolerance in _TOLERANCES:
        rings = [_simplified(part.outer, tolerance) for part in exact.parts if area(Polygons((part,))) >= 4]
        rings = [ring for ring in rings if len(ring) >= 3]
        if rings:
            drawn = rasterise(Polygons(tuple(Part(ring) for ring in rings)), size=size)
            if _iou(drawn, goal.shape) >= target:
                return Acts(clicks=sum(len(ring) + 1 for ring in rings), looks=1)
    return Acts(clicks=sum(len(part.outer) + 1 for part in exact.parts), looks=1)


def category_acts(names: Sequence[str]) -> Acts:
    """Keys that choose another category than the object before had; the first one's is chosen already."""
    return Acts(keys=sum(one != other for one, other in pairwise(names)))


def corrected(
    shown: Shape, goal: Goal, size: tuple[int, int], target: float = TARGET, box_target: float = BOX_TARGET
) -> Acts | None:
    """What it costs to make a prediction that is shown a good enough label; None where that cannot be.

    A drag of a predicted box's corner or edge corrects and accepts it. So does a stroke with Ctrl held on a
    mask that it begins on. Where one has to begin elsewhere, the mask is selected (V and a click) and
    accepted, B takes the brush, and one takes up again what was in the hand before. `size` is (H, W).
    """
    if isinstance(goal.shape, Box):
        drags = _edge_drags(shown, goal.shape, box_target) if isinstance(shown, Box) else None
        return None if drags is None else Acts(strokes=drags, looks=1)
    bits = to_bits(rasterise(shown, size=size), size)
    strokes = _strokes(to_bits(goal.shape, size), bits, target)
    if strokes is None:
        return None
    held = Acts(keys=1) if strokes.on_it else Acts(clicks=1, keys=4)
    return held + Acts(strokes=strokes.count, looks=1)


class Person:
    """Someone who labels one image with a promptable model at hand."""

    def __init__(
        self, segmenter: Segmenter, embedding: Embedding, target: float = TARGET, pace: Pace = PACE
    ) -> None:
        self._segmenter = segmenter
        self._embedding = embedding
        self.size = embedding.size
        """(H, W) of the image."""
        self._target = target
        self._pace = pace

    def by_sam(self, goal: Goal) -> Acts:
        """What an object costs. Raises what the segmenter does."""
        truth = goal.shape
        if isinstance(truth, Box):
            return _BOX
        box = bounds(truth)
        known = to_bits(truth, self.size)
        best, steps, offered = self._asked(Prompt(box=box), truth)
        acts = Acts(clicks=2, keys=steps, looks=2)  # find the object; judge what is offered
        points: list[tuple[float, float]] = []
        positive: list[bool] = []
        while offered < self._target and len(points) < _CLICKS and not self._takes_a_stroke(known, best):
            x, y, inside = _worst(known, self._bits(best))
            points.append((x, y))
            positive.append(inside)
            logits = None if best is None else best.logits
            after, steps, reached = self._asked(
                Prompt(np.array(points), np.array(positive), box, logits), truth
            )
            acts += Acts(clicks=1, keys=steps, looks=1)
            if reached < offered:
                acts += Acts(keys=1)  # Backspace takes the click back
                break
            best, offered = after, reached
        return acts + self._ended(goal, known, best)

    def replayed(self, goal: Goal, asked: Asked) -> tuple[Acts, bool]:
        """What an object costs by prompts that were given before; and whether prompts alone came to it.

        The box first, then click after click until a mask is good enough: the recorded ones, and from there
        on where the mask is most wrong, `MOST_CLICKS` in all. What is wrong then is brushed over or drawn.
        Boxes are not prompted for. Raises what the segmenter does.
        """
        truth = goal.shape
        if isinstance(truth, Box):
            return _BOX, True
        known = to_bits(truth, self.size)
        box = None if asked.box is None else Box(*asked.box)
        best, steps, reached = (None, 0, 0.0) if box is None else self._asked(Prompt(box=box), truth)
        acts = Acts(clicks=2 * (box is not None), keys=steps, looks=1 + (box is not None))
        clicks: list[tuple[float, float, bool]] = []
        while reached < self._target and len(clicks) < MOST_CLICKS:
            if len(clicks) < len(asked.points):
                clicks.append(asked.points[len(clicks)])
            else:
                click = next_click(known, self._bits(best))
                if click is None:
                    break
                clicks.append((click.x, click.y, click.positive))
            points = np.array([one[:2] for one in clicks])
            positive = np.array([one[2] for one in clicks], dtype=np.bool_)
            logits = None if best is None else best.logits
            best, steps, reached = self._asked(Prompt(points, positive, box, logits), truth)
            acts += Acts(clicks=1, keys=steps, looks=1)
        if reached >= self._target:
            return acts + Acts(keys=1), True
        return acts + self._ended(goal, known, best), False

    def correction(self, shown: Shape, goal: Goal) -> Acts | None:
        """`corrected`, for this image."""
        return corrected(shown, goal, self.size, self._target)

    def _takes_a_stroke(self, known: Bits, shown: Proposal | None) -> bool:
        """Whether a single stroke makes the mask good enough, which is surer than a click."""
        strokes = None if shown is None else _strokes(known, self._bits(shown), self._target)
        return strokes is not None and strokes.count == 1 and strokes.on_it

    def _asked(self, prompt: Prompt, truth: Mask) -> tuple[Proposal | None, int, float]:
        """The proposal that is taken, the keys to come to it, and its IoU.

        It is the first that is good enough, else the model's first. Tab goes round by size, either way.
        """
        offered = self._segmenter.segment(self._embedding, prompt)
        if not offered:
            return None, 0, 0.0
        overlaps = [_iou(one.mask, truth) for one in offered]
        taken = next((place for place, iou in enumerate(overlaps) if iou >= self._target), 0)
        by_size = sorted(range(len(offered)), key=lambda place: area(offered[place].mask))
        way = abs(by_size.index(taken) - by_size.index(0))
        return offered[taken], min(way, len(offered) - way), overlaps[taken]

    def _bits(self, shown: Proposal | None) -> Bits:
        if shown is None:
            return np.zeros(self.size, dtype=np.bool_)
        return to_bits(shown.mask, self.size)

    def _ended(self, goal: Goal, known: Bits, shown: Proposal | None) -> Acts:
        """From the mask that is shown to one that is accepted and good enough."""
        drawn = by_hand(goal, self.size, self._target)
        # Esc drops the proposal, P takes the polygon, W the box again
        outlined = Acts(drawn.clicks, drawn.keys + 3, drawn.strokes, looks=1)
        strokes = None if shown is None else _strokes(known, self._bits(shown), self._target)
        if strokes is None:
            return outlined
        accepted = Acts(keys=1)
        if strokes.count:
            # with Ctrl held the first one accepts; else Enter, B, and W again
            accepted = Acts(keys=1 if strokes.on_it else 3, strokes=strokes.count, looks=1)
        return min(accepted, outlined, key=self._pace.seconds)


def _simplified(ring: Points, tolerance: float) -> Points:
    points = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance, closed=True)
    simpler: NDArray[np.float64] = points[:, 0].astype(np.float64)
    return simpler


def _iou(shape: Mask, truth: Mask) -> float:
    return mask_overlap(shape, truth).iou if shape.bits.size else 0.0


def _edge_drags(shown: Box, truth: Box, target: float) -> int:
    """Drags of a corner or edge to where it belongs until a box has IoU `target`; two make any box right."""
    sides = [*product((shown.x0, truth.x0), (shown.y0, truth.y0), (shown.x1, truth.x1), (shown.y1, truth.y1))]
    found = box_iou(np.array(sides), corners([truth]))[:, 0]
    # which sides were moved: a corner moves one across and one down, an edge one
    moved = np.array([*product((False, True), repeat=4)])
    by_one = moved[:, [0, 2]].sum(axis=1) <= 1
    by_one &= moved[:, [1, 3]].sum(axis=1) <= 1
    return 1 if bool((found[by_one] >= target).any()) else 2


def _worst(known: Bits, shown: Bits) -> tuple[float, float, bool]:
    """The innermost point of the largest error, and whether it belongs to the object."""
    wrong = (known != shown).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(wrong, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5, bool(known[row, column])


def _strokes(known: Bits, shown: Bits, target: float) -> Strokes | None:
    """Strokes that make the mask good enough, each over one connected piece of what is wrong, largest first.

    None where slivers that the brush cannot catch are too much already.
    """
    thickness = max(3, round(_SLIVER * float(known.sum()) ** 0.5))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thickness, thickness))
    thick = cv2.morphologyEx((known != shown).astype(np.uint8), cv2.MORPH_OPEN, brush)
    _, pieces, statistics, _ = cv2.connectedComponentsWithStats(thick)
    shared, united = int((known & shown).sum()), int((known | shown).sum())
    sizes = statistics[:, cv2.CC_STAT_AREA]
    missed = np.bincount(pieces[known], minlength=len(sizes))
    order = (np.argsort(-sizes[1:], kind="stable") + 1).tolist()
    around = cv2.dilate(shown.view(np.uint8), np.ones((2 * _NEAR + 1, 2 * _NEAR + 1), np.uint8)).view(
        np.bool_
    )
    reached = np.bincount(pieces[around], minlength=len(sizes)) > 0
    on_it = True
    for count, piece in enumerate([0, *order]):
        if count:
            # what was missed is shared now, what was too much is in the union no more
            shared += int(missed[piece])
            united -= int(sizes[piece] - missed[piece])
            on_it = on_it and bool(reached[piece])
        if shared >= target * united:
            return Strokes(count, on_it)
    return None
