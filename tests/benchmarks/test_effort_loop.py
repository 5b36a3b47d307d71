"""The whole loop as effort: actions an object by polygons, by SAM, and by SAM with predictions as well.

A simulated person labels a part of each data set, object by object and image by image, to a mask IoU of
0.85. With predictions, the instant head is trained again after every five images. Which of its predictions
are shown is never chosen on the image at hand: the confidence is the one that would have saved most on the
images before, which had been predicted before they were labelled.
"""

from collections.abc import Sequence

import pytest
from msgspec import Struct

from labeler.core.geometry import area, rasterise
from labeler.core.measures.overlap import mask_overlap
from labeler.core.records import Candidate, Mask
from labeler.training.instant import head as instant_head
from labeler.training.instant import trainer as instant_trainer
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant as embedded
from tests.benchmarks.labelled_photos import read, run_of
from tests.benchmarks.simulated_person import FAIR, Named, Person, category_actions, polygon_actions

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

STEPS = 200
EVERY = 5
REMEMBERED = 10
"""Images before, from which the confidence is chosen."""
FIRST_CONFIDENCE = 0.25
"""The app's own, as long as there are none."""
CONFIDENCES = (*(step / 20 for step in range(4, 17)), 2.0)
"""The last one shows nothing."""
SAVED = 2
"""Actions that a useful prediction saves."""
SMALLEST = 32**2
"""Pixels; smaller objects are left out for all three ways."""


class _Past(Struct, frozen=True):
    """A prediction on an image that was labelled afterwards."""

    confidence: float
    was_useful: bool


def _judged(found: Sequence[Candidate], truths: Sequence[Named], size: tuple[int, int]) -> list[_Past]:
    shapes = [(one.confidence, rasterise(one.shape, size=size)) for one in found]
    return [_Past(confidence, _best(shape, truths) >= FAIR) for confidence, shape in shapes]


def _best(shape: Mask, truths: Sequence[Named]) -> float:
    return max((mask_overlap(shape, truth).iou for _, truth in truths if shape.bits.size), default=0.0)


def _confidence(before: Sequence[Sequence[_Past]]) -> float:
    """The one that saved most on images before; an image with useless ones costs an action to reject them."""
    if not before:
        return FIRST_CONFIDENCE
    return max(CONFIDENCES, key=lambda least: sum(_saved(one, least) for one in before))


def _saved(image: Sequence[_Past], least: float) -> int:
    shown = [one for one in image if one.confidence >= least]
    return sum(SAVED * one.was_useful for one in shown) - any(not one.was_useful for one in shown)


@pytest.mark.parametrize(("name", "images", "most"), [("pedestrians", 25, 0.9), ("coco-mini", 20, 1.02)])
def test_predictions_save_actions(name, images, most, shared, tmp_path) -> None:
    data = shared / "data" / name
    labels = read(data)
    names = {category.id: category.name for category in labels.categories}
    model = embedded()
    polygons = prompts = loop = objects = shown_in_all = unchanged = corrected = 0
    head = None
    before: list[list[_Past]] = []
    for number, image in enumerate(labels.images[:images], 1):
        truths = [
            (names[one.category_id], rasterise(one.shape, size=image.size))
            for one in image.annotations
            if not one.crowd and area(one.shape) >= SMALLEST
        ]
        person = Person(model.segmenter, model.embedding(image.path))
        each = {id(truth): person.by_box(truth) for _, truth in truths}
        objects += len(truths)
        polygons += sum(polygon_actions(truth, image.size) for _, truth in truths) + category_actions(truths)
        prompts += sum(each.values()) + category_actions(truths)
        found = [] if head is None else model.objects(head, image.path)
        least = _confidence(before[-REMEMBERED:])
        shown = [one for one in found if one.confidence >= least]
        review = person.review(truths, shown)
        loop += review.actions + sum(each[id(truth)] for _, truth in review.left)
        loop += category_actions(review.left)
        shown_in_all += len(shown)
        unchanged += review.unchanged
        corrected += review.corrected
        if head is not None:
            before.append(_judged(found, truths, image.size))
        if number % EVERY == 0 and number < images:
            run = run_of(data, tmp_path / f"run-{number}", list(labels.images[:number]), [])
            path = instant_trainer.train(
                run, model, steps=STEPS, report=lambda _: None, should_stop=lambda: False
            )
            head = instant_head.load(path)
    report(
        f"effort, {images} images of {name}",
        f"(c) <= {most} x (b) < (a)",
        f"{objects} objects: {polygons / objects:.2f} by polygons, {prompts / objects:.2f} by SAM, "
        f"{loop / objects:.2f} with predictions too; {shown_in_all} shown, {unchanged} right as they were, "
        f"{corrected} corrected",
    )
    assert prompts < polygons
    assert loop <= most * prompts
