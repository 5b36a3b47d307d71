"""Prompts as a patient person would give them on an object that is known, to measure a model with.

After Sofiiuk et al. 2022 (RITM) and Kirillov et al. 2023: the first click is the object's innermost point,
each next one that of the largest region still wrong.
"""

import cv2
import numpy as np
from msgspec import Struct

from labeler.core.records import Bits

MOST_CLICKS = 20
"""Clicks that are given at most to reach an IoU (as in Sofiiuk et al. 2022)."""


class Click(Struct, frozen=True):
    """A point in image pixels, and whether it says "this is the object"."""

    x: float
    y: float
    positive: bool


def innermost_point(region: Bits) -> tuple[float, float]:
    """x, y of the centre of the pixel that is furthest from the outside of `region` (H, W).

    The image's border counts as outside. Of several the first in reading order. Raises ValueError for an
    empty region.
    """
    if not region.any():
        raise ValueError("an empty region has no innermost point")
    padded = np.pad(region.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(x) + 0.5, float(y) + 0.5


def next_click(truth: Bits, mask: Bits) -> Click | None:
    """The click that corrects the most: in the largest 8-connected region that is missed or too much.

    `truth` and `mask` are (H, W); None where they are equal.
    """
    regions = [(_largest(truth & ~mask), True), (_largest(mask & ~truth), False)]
    region, positive = max(regions, key=lambda pair: np.count_nonzero(pair[0]))
    if not region.any():
        return None
    return Click(*innermost_point(region), positive)


def _largest(bits: Bits) -> Bits:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(bits.astype(np.uint8), connectivity=8)
    if count == 1:
        return bits
    largest: Bits = labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    return largest
