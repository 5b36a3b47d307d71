"""What a confidence threshold comes to: precision, recall and F1, over all and of each category."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.evaluation.findings import LEFT_OUT, Evaluation


class Rates(Struct, frozen=True):
    """How many of the truths are found, and how many predictions are false alarms."""

    truths: int
    hits: int
    false_alarms: int

    @property
    def missed(self) -> int:
        """Truths that are not found."""
        return self.truths - self.hits

    @property
    def precision(self) -> float | None:
        """Share of hits among the predictions; None without any."""
        given = self.hits + self.false_alarms
        return self.hits / given if given else None

    @property
    def recall(self) -> float | None:
        """Share of the truths that are found; None where there are none."""
        return self.hits / self.truths if self.truths else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where there is nothing on either side."""
        total = self.truths + self.hits + self.false_alarms
        return 2 * self.hits / total if total else None


class Operating(Struct, frozen=True):
    """The rates at one confidence."""

    confidence: float
    total: Rates
    categories: tuple[Rates, ...]
    """In the order of `Evaluation.categories`."""


class ThresholdSweep:
    """Every confidence of an evaluation at one IoU threshold, counted once, so that asking is quick.

    Raises ValueError for a threshold that was not evaluated.
    """

    def __init__(self, evaluation: Evaluation, *, threshold: float = 0.5) -> None:
        predictions = evaluation.predictions
        hits = predictions.hits[level(evaluation, threshold)]
        counted = hits != LEFT_OUT
        self._confidences = -predictions.confidences[counted]
        self._truths = [category.truths for category in evaluation.categories]
        categories, right = predictions.categories[counted], hits[counted] >= 0
        self._right = np.r_[0, np.cumsum(right)]
        self._each = [
            _Falling(self._confidences[mine], np.r_[0, np.cumsum(right[mine])])
            for mine in (categories == place for place in range(len(self._truths)))
        ]

    def at(self, confidence: float) -> Operating:
        """The rates of predictions of at least this confidence."""
        each = []
        for truths, falling in zip(self._truths, self._each, strict=True):
            end = int(falling.confidences.searchsorted(-confidence, side="right"))
            right = int(falling.right[end])
            each.append(Rates(truths, right, end - right))
        total = Rates(sum(self._truths), sum(r.hits for r in each), sum(r.false_alarms for r in each))
        return Operating(confidence, total, tuple(each))

    def best(self, category: int | None = None) -> float:
        """The confidence of the largest F1, of one category (its place) or of all; 0.5 without predictions.

        Of equally good ones the largest.
        """
        if category is None:
            confidences, right, truths = self._confidences, self._right, sum(self._truths)
        else:
            one = self._each[category]
            confidences, right, truths = one.confidences, one.right, self._truths[category]
        if not len(confidences):
            return 0.5
        # a threshold takes all predictions of its confidence, so only the last of equal ones can be one
        ends = np.flatnonzero(np.r_[confidences[1:] != confidences[:-1], True])
        score = 2 * right[ends + 1] / (truths + ends + 1)
        return float(-confidences[ends[score.argmax()]])


class _Falling(Struct, frozen=True, eq=False):
    """The predictions of one category by falling confidence."""

    confidences: NDArray[np.float64]
    """(N,) negated, so that they rise."""
    right: NDArray[np.int64]
    """(N + 1,) the hits among the first 0, 1, ... N."""


def at(evaluation: Evaluation, confidence: float, *, threshold: float = 0.5) -> Operating:
    """The rates at one confidence; who asks more than once makes a `ThresholdSweep`."""
    return ThresholdSweep(evaluation, threshold=threshold).at(confidence)


def level(evaluation: Evaluation, threshold: float) -> int:
    """The place of an IoU threshold. Raises ValueError for one that was not evaluated."""
    places = np.flatnonzero(np.isclose(evaluation.thresholds, threshold))
    if not len(places):
        raise ValueError(f"IoU {threshold:g} was not evaluated.")
    return int(places[0])
