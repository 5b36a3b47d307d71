"""The pixels of each category over all images, whatever the instances: the figures of semantic models."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from labeler.evaluation.columns import ObjectColumns


class PixelCount(Struct, frozen=True):
    """Pixels of one category that are labelled, predicted, and both."""

    shared: int = 0
    labelled: int = 0
    predicted: int = 0

    @property
    def iou(self) -> float | None:
        """Intersection over union; None where there is no pixel of either."""
        union = self.labelled + self.predicted - self.shared
        return self.shared / union if union else None

    @property
    def dice(self) -> float | None:
        """Twice the intersection over the sum; None where there is no pixel of either."""
        total = self.labelled + self.predicted
        return 2 * self.shared / total if total else None


def counted(
    predictions: ObjectColumns, truths: ObjectColumns, *, kinds: int, confidence: float
) -> tuple[PixelCount, ...]:
    """The pixels of each of so many categories, of predictions of at least `confidence`.

    Pixels of crowds are labelled as well: a crowd of people is people.
    """
    found = [[0, 0, 0] for _ in range(kinds)]
    sure = np.flatnonzero(predictions.confidences >= confidence)
    ours = _grouped(predictions, sure.tolist(), kinds)
    theirs = _grouped(truths, range(len(truths.ids)), kinds)
    for key in ours.keys() | theirs.keys():
        for at, pixels in enumerate(_pixels(theirs.get(key, []), ours.get(key, []))):
            found[key % kinds][at] += pixels
    return tuple(PixelCount(*one) for one in found)


def _grouped(columns: ObjectColumns, places: Sequence[int], kinds: int) -> dict[int, list[Any]]:
    """The masks of each image and category, keyed by image * `kinds` + category."""
    keys = (columns.images.astype(np.int64) * kinds + columns.categories).tolist()
    groups: dict[int, list[Any]] = {}
    for place in places:
        groups.setdefault(keys[place], []).append(columns.masks[place])
    return groups


def _pixels(theirs: list[Any], ours: list[Any]) -> tuple[int, int, int]:
    """(shared, labelled, predicted) pixels of two sets of masks of one image."""
    from pycocotools import mask  # noqa: PLC0415 - only who evaluates pays for it

    merged = [mask.merge(masks) if len(masks) > 1 else masks[0] for masks in (theirs, ours) if masks]
    shared = int(mask.area(mask.merge(merged, intersect=True))) if len(merged) == 2 else 0
    areas = iter([int(mask.area(one)) for one in merged])
    return shared, next(areas) if theirs else 0, next(areas) if ours else 0
