"""How good a detector is on labelled images while it is trained: AP and AP50 by COCO's rules."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, structs

from labeler.core.evaluation import evaluate, scene
from labeler.core.records import Annotation, Candidate


class Judged(Struct, frozen=True, eq=False):
    """An image of size (H, W) with what is on it, and what a model finds there after its NMS."""

    size: tuple[int, int]
    truths: Sequence[Annotation]
    found: Sequence[Candidate]
    """Each with the name of its category as `label`."""


def precision(
    images: Iterable[Judged], ids: dict[str, int], *, by: Literal["box", "mask"] = "box", prefix: str = ""
) -> dict[str, float]:
    """{"AP": ..., "AP50": ...}, the names after `prefix`; {} where there is nothing to find.

    `ids`: the category id of each name that a model may give; candidates of other names are left out.
    """
    scenes = []
    for image in images:
        known = [structs.replace(one, category_id=ids[one.label]) for one in image.found if one.label in ids]
        scenes.append(scene(known, image.truths, size=image.size, by=by))
    result = evaluate(scenes)
    figures = {f"{prefix}AP": result.mean_ap, f"{prefix}AP50": result.at(0.5)}
    return {name: value for name, value in figures.items() if math.isfinite(value)}
