"""Precision-recall curves of an evaluation, each point of which is a prediction."""

import numpy as np
from msgspec import Struct

from labeler.evaluation.findings import LEFT_OUT, Evaluation, Flags, Floats, Places
from labeler.evaluation.operating_points import level

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO's curves have their points."""


class Curve(Struct, frozen=True, eq=False):
    """N predictions from the most to the least confident, one point after each.

    Those that lie in a crowd and hit nothing are left out.
    """

    confidences: Floats
    hits: Flags
    """(N,) whether the prediction is right."""
    predictions: Places
    """(N,) places in `Evaluation.predictions`."""
    truths: int
    """How many there are to find."""

    @property
    def precision(self) -> Floats:
        """(N,) share of hits among the predictions so far."""
        found: Floats = np.cumsum(self.hits) / np.arange(1, len(self.hits) + 1)
        return found

    @property
    def recall(self) -> Floats:
        """(N,) share of the truths found so far; NaN where there are none."""
        found: Floats = np.cumsum(self.hits) / (self.truths if self.truths else np.nan)
        return found


def curve(evaluation: Evaluation, category: int | None = None, *, threshold: float = 0.5) -> Curve:
    """The curve of one category (its place), or of the predictions of all together, at one IoU threshold.

    Raises ValueError for a threshold that was not evaluated.
    """
    predictions = evaluation.predictions
    hits = predictions.hits[level(evaluation, threshold)]
    chosen = hits != LEFT_OUT
    truths = evaluation.summary.truths
    if category is not None:
        chosen = chosen & (predictions.categories == category)
        truths = evaluation.categories[category].truths
    places = np.flatnonzero(chosen).astype(np.int32)
    return Curve(predictions.confidences[places], hits[places] >= 0, places, truths)


def mean_precision(
    evaluation: Evaluation, category: int | None = None, *, threshold: float | None = None
) -> Floats:
    """(101,) the best precision at each of `RECALLS` or beyond, whose mean is COCO's AP.

    The mean over all categories with truths, or of one (its place), and over all IoU thresholds, or at one.
    NaN where there are no truths.
    """
    precision = evaluation.precision.astype(np.float64)
    if threshold is not None:
        precision = precision[[level(evaluation, threshold)]]
    if category is not None:
        precision = precision[:, :, [category]]
    known = precision[:, :, ~np.isnan(precision).any(axis=(0, 1))]
    return known.mean(axis=(0, 2)) if known.size else np.full(len(RECALLS), np.nan)
