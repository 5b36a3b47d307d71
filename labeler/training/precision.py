"""How good a detector is on labelled images while it is trained: AP and AP50 by COCO's rules."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, structs

from labeler.core.records import Annotation, Candidate, Category, Image
from labeler.evaluation.evaluator import evaluate
from labeler.evaluation.findings import Evaluation
from labeler.formats.spec import Dataset


class JudgedImage(Struct, frozen=True, eq=False):
    """An image of size (H, W) with what is on it, and what a model finds there after its NMS."""

    size: tuple[int, int]
    truths: Sequence[Annotation]
    found: Sequence[Candidate]
    """Each with the name of its category as `label`."""


def precision(
    images: Iterable[JudgedImage],
    ids: dict[str, int],
    *,
    by: Literal["box", "mask"] = "box",
    prefix: str = "",
) -> dict[str, float]:
    """{"AP": ..., "AP50": ...}, the names after `prefix`; {} where there is nothing to find.

    `ids`: the category id of each name that a model may give; candidates of other names are left out.
    """
    found = evaluated(images, ids, by=by)
    if found is None:
        return {}
    figures = found.summary.figures
    named = {f"{prefix}AP": figures.ap, f"{prefix}AP50": figures.ap50}
    return {name: value for name, value in named.items() if value is not None}


def evaluated(
    images: Iterable[JudgedImage], ids: dict[str, int], *, by: Literal["box", "mask"] = "box"
) -> Evaluation | None:
    """All that there is behind these figures; None where there is nothing to find. See `precision`."""
    judged = list(images)
    truths, found = [], []
    for number, image in enumerate(judged, 1):
        truths += [structs.replace(one, image_id=number) for one in image.truths]
        found += [
            structs.replace(one, image_id=number, category_id=ids[one.label])
            for one in image.found
            if one.label in ids
        ]
    if not truths:
        return None
    labels = Dataset(
        tuple(Image(number, "", image.size[1], image.size[0]) for number, image in enumerate(judged, 1)),
        tuple(Category(number, name, "") for name, number in ids.items()),
        tuple(structs.replace(one, id=number, file_id=None) for number, one in enumerate(truths, 1)),
    )
    return evaluate(labels, found, by=by)
