"""Which model's predictions a person has shown, and from which confidence: what would have saved most before.

Never chosen on the image at hand. The images before had been predicted before they were labelled, so that
what each choice would have saved there is known without any labelling for its own sake. The window moves the
threshold of the model that a person has chosen by the same function (`images_done`).
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TypeAlias

from msgspec import Struct

from labeler.evaluation.effort.act_counts import NOTHING, Acts, Pace
from labeler.evaluation.effort.prediction_review import Scene, reviewed, without_predictions

_SAME = 1e-6
"""Seconds."""
REMEMBERED = 10
"""Images before."""
LEAST = 0.2
"""The lowest confidence that is looked at."""
NONE = 2.0
"""The threshold that shows nothing."""
CONFIDENCES = (*(step / 20 for step in range(4, 20)), NONE)
FIRST = 0.25
"""The app's own, as long as nothing was labelled."""


class Choice(Struct, frozen=True):
    """What is shown."""

    model: int
    """Its place among the models."""
    confidence: float = FIRST


Savings: TypeAlias = Mapping[Choice, float]
"""Seconds that each choice would have saved on an image; of models that had predictions there."""


def saved(scenes: Mapping[int, Scene], pace: Pace, now: float = FIRST) -> Savings:
    """What showing each model from each confidence, also that of `now`, would have saved on a labelled image.

    `scenes` are its objects beside the predictions of each model, by the model's place.
    """
    seconds: dict[Choice, float] = {}
    for place, scene in scenes.items():
        alone = pace.seconds(without_predictions(scene))
        for least in {*CONFIDENCES, now}:
            seconds[Choice(place, least)] = alone - pace.seconds(reviewed(scene, least, pace).acts)
    return seconds


def chosen(before: Sequence[Savings], now: Choice, models: Sequence[int]) -> Choice:
    """The choice for the next image, among `models`, which have predictions on it.

    It stays as it is `now` unless another one would have saved more on the last images. Of neighbouring
    thresholds that would have saved the same it is the middle one; the one that shows nothing where that is
    one of them.
    """
    if not models:
        return now
    stays = now if now.model in models else Choice(models[0])
    if not before:
        return stays
    last = before[-REMEMBERED:]

    def worth(one: Choice) -> float:
        return sum(savings.get(one, 0.0) for savings in last)

    best = max((stays, *(Choice(model, least) for model in models for least in CONFIDENCES)), key=worth)
    if best == stays:
        return stays
    level = [Choice(best.model, least) for least in CONFIDENCES if least >= best.confidence]
    equals = [*takewhile(lambda one: worth(one) > worth(best) - _SAME, level)]
    return equals[-1] if equals[-1].confidence == NONE else equals[len(equals) // 2]


def change_acts(before: Choice, after: Choice) -> Acts:
    """To open the list of models and choose one; the window moves the confidence threshold by itself."""
    return Acts(clicks=2) if before.model != after.model else NOTHING
