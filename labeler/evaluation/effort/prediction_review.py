"""What a person makes of the predictions that are shown on an image, by the quickest of the window's ways.

They see at a glance how good each one is. Those that are good enough become labels, fair ones where
correcting them costs less than drawing the object, all others do not. `WAYS` says what that costs; besides,
all predictions may be left alone, and everything drawn. What is not accepted is no label and has to be
neither rejected nor looked at again.

The window rejects by a right click with any tool but the brushes. A digit with Select over a prediction
accepts it as that category, a drag of its edge accepts a box corrected: to take Select and then again what
draws are two keys, which are counted on every image where Select is needed. To point and press a digit is
counted as a click, which takes as long.
"""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.measures.matching import match
from labeler.evaluation.effort.act_counts import NOTHING, Acts, Pace
from labeler.evaluation.effort.simulated_person import category_acts

FAIR = 0.5
"""IoU from which a prediction is looked at as one to correct."""


class Way(Struct, frozen=True):
    """A way through the predictions of an image."""

    name: str
    begun: Acts
    """Once an image."""
    kept: Acts
    """For each that becomes a label as it is."""
    named: Acts
    """For each that becomes one of another category than it was predicted as."""
    dropped: Acts
    """For each that does not become one."""
    keeps_with_select: bool = False
    names_with_select: bool = False


_POINTED = Acts(clicks=1)
"""A right click on it, or a digit over it."""
_SELECT = Acts(keys=2)
"""V, and back to the tool that draws."""
WAYS = (
    # what is wrong is rejected, what is misnamed accepted by a digit, the rest accepted (Ctrl+Shift+Enter)
    Way("all at once", Acts(keys=1), NOTHING, _POINTED, _POINTED, names_with_select=True),
    # the review asks: Enter, a digit, or Backspace
    Way("one by one", NOTHING, Acts(keys=1), Acts(keys=1), Acts(keys=1)),
    # the digit of its category over each that is right
    Way(
        "picked out",
        NOTHING,
        _POINTED,
        _POINTED,
        NOTHING,
        keeps_with_select=True,
        names_with_select=True,
    ),
)


class Scene(Struct, frozen=True, eq=False):
    """An image with P predictions of one model and T objects, as a person sees it."""

    names: tuple[str, ...]
    """(T,) The objects' categories."""
    targets: tuple[float, ...]
    """(T,) IoU from which each is labelled well enough."""
    by_sam: tuple[Acts, ...]
    """(T,) What each costs without predictions."""
    are_boxes: tuple[bool, ...]
    """(T,) Whether each is only a box, which Select corrects."""
    overlaps: NDArray[np.float64]
    """(P, T) IoU."""
    confidences: tuple[float, ...]
    """(P,)"""
    labels: tuple[str, ...]
    """(P,) The categories that are predicted."""
    correction: Callable[[int, int], Acts | None]
    """What it costs to make prediction p, as shown, the label of object t; None where that cannot be."""


class Reviewed(Struct, frozen=True):
    """What an image with predictions costs, and what became of these."""

    acts: Acts
    """All that is done on the image, also for objects that no prediction helped with."""
    way: str = ""
    """The way that was taken; "" where the predictions were left alone."""
    shown: int = 0
    unchanged: int = 0
    """Predictions that became labels as they were, but for the category."""
    corrected: int = 0


def without_predictions(scene: Scene) -> Acts:
    """What the image costs by SAM alone."""
    return _drawn(scene, range(len(scene.names)))


def reviewed(scene: Scene, least: float, pace: Pace) -> Reviewed:
    """The quickest that a person can do with the predictions from a confidence of `least`."""
    shown = [place for place, confidence in enumerate(scene.confidences) if confidence >= least]
    if not shown:
        return Reviewed(without_predictions(scene))
    alone = Reviewed(without_predictions(scene) + Acts(looks=1), shown=len(shown))
    return min(
        (alone, *(_by(way, scene, shown, pace) for way in WAYS)), key=lambda one: pace.seconds(one.acts)
    )


def _by(way: Way, scene: Scene, shown: Sequence[int], pace: Pace) -> Reviewed:
    acts = way.begun + Acts(looks=len(shown))
    labelled: set[int] = set()
    unchanged = corrected = 0
    with_select = False
    for row, truth in match(scene.overlaps[shown], threshold=FAIR):
        prediction = shown[row]
        is_right = scene.labels[prediction].casefold() == scene.names[truth].casefold()
        kept = way.kept if is_right else way.named
        takes_select = way.keeps_with_select if is_right else way.names_with_select
        if scene.overlaps[prediction, truth] >= scene.targets[truth]:
            unchanged += 1
        else:
            by_hand = scene.correction(prediction, truth)
            if by_hand is None:
                continue
            # a correction accepts what it corrects
            kept = by_hand if is_right else way.named + by_hand
            takes_select = scene.are_boxes[truth] or (not is_right and way.names_with_select)
            if pace.seconds(kept) >= pace.seconds(way.dropped + scene.by_sam[truth]):
                continue
            corrected += 1
        acts += kept
        with_select |= takes_select
        labelled.add(truth)
    for _ in range(len(shown) - len(labelled)):
        acts += way.dropped
    if with_select:
        acts += _SELECT
    left = [truth for truth in range(len(scene.names)) if truth not in labelled]
    return Reviewed(acts + _drawn(scene, left), way.name, len(shown), unchanged, corrected)


def _drawn(scene: Scene, objects: Sequence[int]) -> Acts:
    acts = category_acts([scene.names[place] for place in objects])
    for place in objects:
        acts += scene.by_sam[place]
    return acts
