"""What a set of images costs in three ways, image by image and in all, as numbers and as a table."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from labeler.evaluation.effort.act_counts import NOTHING, Acts, Pace

WAYS_TO_LABEL = ("polygons", "sam", "with_predictions")
_TITLES = {"polygons": "by hand", "sam": "by SAM", "with_predictions": "with predictions"}
_ROWS = 8
"""Stretches that the images are told in."""


class ImageEffort(Struct, frozen=True):
    """What an image costs."""

    file_name: str
    objects: int
    polygons: Acts
    """All by hand; an object that is only a box by its two corners."""
    sam: Acts
    with_predictions: Acts
    model: str = ""
    """Whose predictions were shown; "" for none."""
    confidence: float | None = None
    """From which they were; None for none."""
    shown: int = 0
    unchanged: int = 0
    corrected: int = 0


def each(efforts: Sequence[ImageEffort], measured: Callable[[Acts], float]) -> dict[str, float | None]:
    """What an object costs on average on these images in each way; None without objects."""
    objects = sum(one.objects for one in efforts)
    if not objects:
        return dict.fromkeys(WAYS_TO_LABEL)
    return {way: measured(_total(efforts, way)) / objects for way in WAYS_TO_LABEL}


def told(efforts: Sequence[ImageEffort], pace: Pace) -> dict[str, Any]:
    """All as a JSON object: in all, and by image in the order in which they were labelled."""
    return {
        "images": len(efforts),
        **_told(efforts, pace),
        "seconds_per_act": to_builtins(pace),
        "acts": {way: to_builtins(_total(efforts, way)) for way in WAYS_TO_LABEL},
        "by_image": [
            {
                "file_name": one.file_name,
                **_told([one], pace),
                "model": one.model or None,
                "confidence": one.confidence,
            }
            for one in efforts
        ],
    }


def _told(efforts: Sequence[ImageEffort], pace: Pace) -> dict[str, Any]:
    return {
        "objects": sum(one.objects for one in efforts),
        "actions_per_object": _rounded(each(efforts, _actions)),
        "seconds_per_object": _rounded(each(efforts, pace.seconds)),
        "predictions": {
            name: sum(getattr(one, name) for one in efforts) for name in ("shown", "unchanged", "corrected")
        },
    }


def table(efforts: Sequence[ImageEffort], pace: Pace) -> str:
    """The lines for a person: the three ways, and how they went from image to image."""
    actions, seconds = each(efforts, _actions), each(efforts, pace.seconds)
    lines = [f"{'an object costs':<18}{'actions':>9}{'seconds':>9}"]
    lines += [
        f"{_TITLES[way]:<18}{_number(actions[way]):>9}{_number(seconds[way]):>9}" for way in WAYS_TO_LABEL
    ]
    counted = {
        name: sum(getattr(one, name) for one in efforts) for name in ("shown", "unchanged", "corrected")
    }
    lines.append(
        f"{counted['shown']} predictions were shown: {counted['unchanged']} right as they were, "
        f"{counted['corrected']} corrected."
    )
    stretch = max(1, -(-len(efforts) // _ROWS))
    if len(efforts) > stretch:
        lines += ["", f"{'seconds, images':<18}" + "".join(f"{_TITLES[way]:>18}" for way in WAYS_TO_LABEL)]
        for start in range(0, len(efforts), stretch):
            part = efforts[start : start + stretch]
            costs = each(part, pace.seconds)
            name = f"{start + 1} to {start + len(part)}" if len(part) > 1 else f"{start + 1}"
            lines.append(f"{name:<18}" + "".join(f"{_number(costs[way]):>18}" for way in WAYS_TO_LABEL))
    return "\n".join(lines)


def _actions(acts: Acts) -> float:
    return acts.actions


def _total(efforts: Sequence[ImageEffort], way: str) -> Acts:
    total = NOTHING
    for one in efforts:
        acts: Acts = getattr(one, way)
        total += acts
    return total


def _rounded(costs: dict[str, float | None]) -> dict[str, float | None]:
    return {way: None if cost is None else round(cost, 3) for way, cost in costs.items()}


def _number(cost: float | None) -> str:
    return "–" if cost is None else f"{cost:.1f}"
