"""From which confidence a model's predictions would have saved most on images that a person has labelled.

The window asks it of the project's last reviewed images, as the simulated person of `labeler effort` does of
theirs. What an object would have cost by SAM is not known there, and taken for what it costs as a rule.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from msgspec import Struct

from labeler.core.geometry import rasterise
from labeler.core.records import Annotation, Box, Candidate
from labeler.evaluation.effort.act_counts import Acts
from labeler.evaluation.effort.prediction_review import Scene
from labeler.evaluation.effort.simulated_person import (
    BOX_TARGET,
    PACE,
    TARGET,
    Goal,
    corrected,
    overlaps,
)
from labeler.evaluation.effort.threshold_habit import Choice, chosen, saved

_BOX = Acts(clicks=2, looks=1)
_MASK = Acts(clicks=2, keys=1, strokes=1, looks=3)
"""A box around it, and a stroke that accepts what comes of it."""


class DoneImage(Struct, frozen=True, eq=False):
    """An image that is labelled, with what one model had predicted there."""

    size: tuple[int, int]
    """(H, W)."""
    annotations: tuple[Annotation, ...]
    predictions: tuple[Candidate, ...]
    """After suppression, from the least confidence that is looked at."""


def best_confidence(images: Sequence[DoneImage], now: float) -> float:
    """The threshold that would have saved most seconds on the last of these images, the newest last.

    It stays as it is `now` unless another one would have saved more; 2 where nothing had better been shown.
    """
    before = [saved({0: _scene(image)}, PACE, now) for image in images if image.predictions]
    return chosen(before, Choice(0, now), [0]).confidence


def _scene(image: DoneImage) -> Scene:
    known = [one for one in image.annotations if not one.crowd]
    goals = [
        Goal(
            str(one.category_id),
            one.shape if isinstance(one.shape, Box) else rasterise(one.shape, size=image.size),
        )
        for one in known
    ]
    shapes = [one.shape for one in image.predictions]
    are_boxes = tuple(isinstance(goal.shape, Box) for goal in goals)
    found = overlaps(shapes, goals, image.size) if goals else np.zeros((len(shapes), 0))
    # what has no class, as a mask of anything, is whatever it lies on
    meant = found.argmax(axis=1).tolist() if goals else []
    labels = tuple(
        str(one.category_id) if one.category_id or not goals else goals[meant[place]].name
        for place, one in enumerate(image.predictions)
    )
    return Scene(
        names=tuple(goal.name for goal in goals),
        targets=tuple(BOX_TARGET if is_box else TARGET for is_box in are_boxes),
        by_sam=tuple(_BOX if is_box else _MASK for is_box in are_boxes),
        are_boxes=are_boxes,
        overlaps=found,
        confidences=tuple(one.confidence for one in image.predictions),
        labels=labels,
        correction=cache(lambda place, truth: corrected(shapes[place], goals[truth], image.size)),
    )
