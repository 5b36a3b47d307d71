"""From which confidence predictions can be accepted unseen, so that at most a given share of them is wrong.

What was reviewed is only a fair sample of what was not if it was taken without regard to what the model is
sure of. So *images* are the sample, and all predictions on one that was reviewed whole count, right or wrong,
whatever their confidence: what a person answered one by one, the most uncertain first, does not. The images
are best drawn by lot. Those that were reviewed in some other order are taken as long as the model is about
as sure on them as on the rest (`likeness`): that shows a review of the most uncertain images first, and a
folder that changes towards its end. It cannot show everything.
"""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from labeler.core.geometry import bounds
from labeler.core.measures.agreement import MATCHED_FROM, Overlaps, compare
from labeler.core.measures.binomial import clopper_pearson, few_drawn
from labeler.core.records import Annotation, Box, Candidate

ALLOWED = 0.05
"""The share of wrong predictions that is promised not to be passed."""
LEVEL = 0.95
"""How often such a promise is kept at least."""
ALL = 0
"""The category id that stands for all categories together."""
UNLIKE = 0.01
"""Likeness under which the reviewed images are no sample of the others."""
ENDLESS = 10**8
"""As many as wait where nobody knows how many."""
_FAR = 20_000
"""More looks than anybody takes."""
_STEPS = 60
"""Thresholds that are tried at most."""
_SOME = 10
"""So many looked at show what is hopeless."""
_FIRST = 6
"""The first threshold has at least one part in so many of what was looked at over it."""


class Looked(Struct, frozen=True):
    """A prediction on an image that was reviewed whole, or (`is_right` means nothing) one that waits."""

    image_id: int
    category_id: int
    confidence: float
    is_right: bool = True
    """Whether an object of its category is labelled there."""


class Promise(Struct, frozen=True):
    """What can be accepted of a category, or of all together, and what that rests on."""

    category_id: int
    confidence: float
    """The least that is accepted."""
    accepted: int
    """How many of those waiting that are."""
    waiting: int
    looked: int
    """How many of those looked at are over the threshold."""
    wrong: int
    """How many of these are wrong."""
    low: float
    high: float
    """The interval of the share that is wrong over the threshold; it lies outside of each end with a
    probability of at most 1 - level."""


class TooLittle(Struct, frozen=True):
    """Why nothing can be promised of a category, or of all together."""

    category_id: int
    waiting: int
    looked: int
    wrong: int
    more: int | None
    """So many predictions to look at besides, if they turn out as those did so far; None where no number is
    enough, because too many are wrong wherever the threshold is, or because all would have to be seen."""
    is_hopeless: bool = False
    """Whether it is the former: more than are allowed were wrong over every threshold."""


def judged(
    image_id: int,
    annotations: Sequence[Annotation],
    predictions: Sequence[Candidate],
    *,
    size: tuple[int, int],
    least: float = MATCHED_FROM,
) -> list[Looked]:
    """What became of the predictions on an image of size (H, W) that was reviewed whole.

    One is right that is matched one to one with an annotation of its category from an IoU of `least`; so one
    that was accepted and corrected by more than that is wrong. Where predictions are boxes, outlines and
    masks are taken by their boxes too.
    """
    if any(isinstance(one.shape, Box) for one in predictions):
        annotations = [replace(one, shape=bounds(one.shape)) for one in annotations]
        predictions = [replace(one, shape=bounds(one.shape)) for one in predictions]
    found = compare(annotations, predictions, overlaps=Overlaps(size), threshold=least)
    by_id = {annotation.id: annotation for annotation in annotations}
    right = {
        candidate.id
        for key, (candidate, overlap) in found.pairs.items()
        if overlap.iou >= least and by_id[key].category_id == candidate.category_id
    }
    return [Looked(image_id, one.category_id, one.confidence, one.id in right) for one in predictions]


def promises(
    looked: Sequence[Looked],
    waiting: Sequence[Looked] | None,
    *,
    by_category: bool = False,
    allowed: float = ALLOWED,
    level: float = LEVEL,
) -> list[Promise | TooLittle]:
    """What can be promised of all that waits together, or of each category of it, by rising id.

    The promise: at most the share `allowed` of those accepted is wrong. Over draws of the images that are
    reviewed it is broken in a share of at most 1 - `level`; by category each one stands for itself. None for
    `waiting` is all that will ever come; it is counted as `ENDLESS`.
    """
    everyone = looked if waiting is None else waiting
    keys = sorted({one.category_id for one in everyone}) if by_category else [ALL]
    found: list[Promise | TooLittle] = []
    for key in keys:
        ours = [one for one in looked if key in (ALL, one.category_id)]
        theirs = (
            None if waiting is None else [one.confidence for one in waiting if key in (ALL, one.category_id)]
        )
        found.append(_Sample(ours, theirs, allowed, 1.0 - level).outcome(key))
    return found


def likeness(looked: Sequence[Looked], waiting: Sequence[Looked]) -> float:
    """How often images drawn by lot would differ as much as those looked at do from those that wait.

    The two-sided p of Mann and Whitney's test (Annals of Mathematical Statistics 18, 1947; normal, corrected
    for ties) on the mean confidence of each image; 1 where a side has fewer than 3 images.
    """
    a, b = _means(looked), _means(waiting)
    if min(len(a), len(b)) < 3:
        return 1.0
    both = np.concatenate([a, b])
    _, inverse, ties = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[inverse]
    n, m, total = len(a), len(b), len(both)
    variance = n * m / 12 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    off = abs(float(ranks[:n].sum()) - n * (total + 1) / 2)
    return math.erfc(off / math.sqrt(2 * variance)) if variance > 0 else 1.0


def _means(predictions: Sequence[Looked]) -> NDArray[np.float64]:
    by_image: dict[int, list[float]] = {}
    for one in predictions:
        by_image.setdefault(one.image_id, []).append(one.confidence)
    return np.array([sum(each) / len(each) for each in by_image.values()])


class _Sample:
    """The reviewed predictions of a category by falling confidence, beside those that wait."""

    def __init__(
        self, looked: Sequence[Looked], waiting: Sequence[float] | None, allowed: float, risk: float
    ) -> None:
        falling = sorted(looked, key=lambda one: -one.confidence)
        self._confidences = np.array([one.confidence for one in falling])
        self._images = np.unique([one.image_id for one in falling], return_inverse=True)[1]
        self._is_wrong = np.array([not one.is_right for one in falling], dtype=np.bool_)
        self._wrong = np.cumsum(self._is_wrong)
        self._waiting = None if waiting is None else np.sort(np.array(waiting, dtype=np.float64))
        self._all = ENDLESS if waiting is None else len(waiting)
        self._allowed, self._risk = allowed, risk

    def outcome(self, key: int) -> Promise | TooLittle:
        """The lowest threshold that holds, or what is missing."""
        count, looked = self._lowest(), len(self._confidences)
        if not count:
            wrong = int(self._wrong[-1]) if looked else 0
            shares = [self._wrong[at - 1] / at for at in self._counts() if at >= _SOME]
            hopeless = bool(shares) and bool(min(shares) > self._allowed)
            return TooLittle(key, self._all, looked, wrong, self._missing(), hopeless)
        effect, wrong = self._effect(count), int(self._wrong[count - 1])
        low, high = clopper_pearson(wrong / effect, count / effect, self._risk)
        least = float(self._confidences[count - 1])
        return Promise(key, least, self._over(count), self._all, count, wrong, low, high)

    def _lowest(self) -> int:
        """How many lie over the lowest threshold that holds, 0 for none.

        Each threshold is a test of "more than `allowed` of those waiting over it are wrong". That one of
        them is chosen by the same sample is paid for by testing them in a fixed order, from the most
        confident down, until the first one fails (fixed-sequence testing: Angelopoulos, Bates, Candès, Jordan
        and Lei, "Learn then Test", arXiv 2110.01052). The order begins where the test could be passed, which
        hangs on the confidences and not on what was wrong.
        """
        best = begun = 0
        for count in self._counts():
            if not begun:
                enough = count * _FIRST >= len(self._confidences)
                begun = int(enough and self._chance(count, 0) <= self._risk)
            if not begun or not self._over(count):
                continue
            if self._chance(count, int(self._wrong[count - 1])) > self._risk:
                break
            best = count
        return best

    def _counts(self) -> list[int]:
        """How many lie over each threshold that is tried; those of one confidence go together."""
        total = len(self._confidences)
        if not total:
            return []
        planned = np.unique(np.linspace(1, total, min(total, _STEPS)).astype(int))
        least = self._confidences[planned - 1]
        ends: NDArray[np.int64] = np.searchsorted(-self._confidences, -least, side="right")
        return [int(end) for end in np.unique(ends)]

    def _over(self, count: int) -> int:
        """How many of those waiting are over the threshold of so many looked at."""
        if self._waiting is None:
            return ENDLESS
        least = self._confidences[count - 1]
        return self._all - int(np.searchsorted(self._waiting, least, side="left"))

    def _chance(self, looked: int, wrong: int, waiting: int | None = None, effect: float = 0.0) -> float:
        """How likely so few wrong ones are if more than `allowed` of those waiting are wrong.

        Looked at and waiting are one finite lot, so the tail is that of drawing without replacement, of which
        Clopper and Pearson's is the limit. Predictions of one image are right and wrong together: all numbers
        are divided by the design effect, as Korn and Graubard do (Survey Methodology 24, 1998), and rounded
        to the safe side.
        """
        effect = effect or self._effect(looked)
        left = math.ceil((self._over(looked) if waiting is None else waiting) / effect)
        drawn, hits = math.floor(looked / effect), math.ceil(wrong / effect - 1e-9)
        too_many = math.floor(self._allowed * left + 1e-9) + 1
        return few_drawn(hits, drawn, drawn + left, hits + too_many) if hits <= drawn else 1.0

    def _effect(self, count: int) -> float:
        """The design effect of the first `count`: 1 + (size of an image's share - 1) x correlation (Kish)."""
        images = np.unique(self._images[:count], return_inverse=True)[1]
        sizes = np.bincount(images)
        correlation = _correlation(images, self._is_wrong[:count])
        return 1.0 + max(float((sizes**2).sum()) / count - 1.0, 0.0) * correlation

    def _missing(self) -> int | None:
        """`TooLittle.more`: the least over all thresholds, each with its share of wrong ones so far."""
        total = len(self._confidences)
        wanted = [
            math.ceil((needed - count) * total / count)
            for count in self._counts()
            if (needed := self._needed(count))
        ]
        if not total:  # all right from the first to the last is the least that can be enough
            most = min(self._all, _FAR)
            plain = (n for n in range(1, most) if self._chance(n, 0, most - n, 1.0) <= self._risk)
            wanted = [one for one in [next(plain, 0)] if one]
        more = min(wanted, default=0)
        return more if 0 < more < self._all else None

    def _needed(self, count: int) -> int:
        """How many must be looked at over this threshold; 0 where all of them were not enough."""
        left, effect = self._over(count), self._effect(count)
        share = float(self._wrong[count - 1]) / count
        low, high = count, count + min(left, _FAR)

        def holds(looked: int) -> bool:
            waits = count + left - looked
            return self._chance(looked, round(share * looked), waits, effect) <= self._risk

        if share >= self._allowed or left < 1 or not holds(high - 1):
            return 0
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) else (middle, high)
        return high


def _correlation(images: NDArray[np.int64], wrong: NDArray[np.bool_]) -> float:
    """How much predictions of one image are wrong together, 0 to 1: the intra-class correlation.

    The estimator that gives each pair on an image the same weight (Ridout, Demetrio and Firth, Biometrics 55,
    1999); 0 where negative. Unlike that by analysis of variance it takes one wrong alone for no sign of any.
    """
    sizes = np.bincount(images).astype(np.float64)
    hits = np.bincount(images, wrong)
    pairs, share = float((sizes * (sizes - 1)).sum()), float(wrong.mean())
    if pairs <= 0 or share in (0.0, 1.0):
        return 0.0
    together = float((hits * (hits - 1)).sum()) / pairs
    return max((together - share**2) / (share * (1 - share)), 0.0)
