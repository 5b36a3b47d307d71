"""The whole loop as effort: actions an object by polygons, by SAM clicks, and with predictions as well.

A simulated person labels a part of each data set, object by object and image by image, to a mask IoU of
0.85. With predictions, the instant head is trained again after every five images.
"""

import pytest

from labeler.core.geometry import area, rasterise
from labeler.training import instant, instant_head
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant as embedded
from tests.benchmarks.labelled_photos import read, run_of
from tests.benchmarks.simulated_person import click_actions, polygon_actions, reviewed

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

STEPS = 200
EVERY = 5
SHOWN = 0.4
"""The least confidence of a prediction that the person looks at."""
SMALLEST = 32**2
"""Pixels; smaller objects are left out for all three ways."""


@pytest.mark.parametrize(("name", "images"), [("pedestrians", 25), ("coco-mini", 20)])
def test_predictions_save_actions(name, images, shared, tmp_path) -> None:
    data = shared / "data" / name
    labels = read(data)
    names = {category.id: category.name for category in labels.categories}
    model = embedded()
    polygons = clicks = loop = objects = unchanged = 0
    head = None
    done: list = []
    for image in labels.images[:images]:
        embedding = model.embedding(image.path)
        truths = [
            (names[one.category_id], rasterise(one.shape, size=image.size))
            for one in image.annotations
            if not one.crowd and area(one.shape) >= SMALLEST
        ]
        each = {id(truth): click_actions(model.segmenter, embedding, truth) for _, truth in truths}
        objects += len(truths)
        polygons += sum(polygon_actions(truth, image.size) for _, truth in truths)
        clicks += sum(each.values())
        found = [] if head is None else model.objects(head, image.path)
        shown = [one for one in found if one.confidence >= SHOWN]
        actions, left, taken = reviewed(model.segmenter, embedding, truths, shown)
        loop += actions + sum(each[id(truth)] for truth in left)
        unchanged += taken
        done.append(image)
        if len(done) % EVERY == 0:
            run = run_of(data, tmp_path / f"run-{len(done)}", done, [])
            path = instant.train(run, model, steps=STEPS, report=lambda _: None, should_stop=lambda: False)
            head = instant_head.load(path)
    report(
        f"effort, {images} images of {name}",
        "(c) < (a)",
        f"{objects} objects: {polygons / objects:.2f} by polygons, {clicks / objects:.2f} by clicks, "
        f"{loop / objects:.2f} with predictions, of which {unchanged} were right as they were",
    )
    assert loop < polygons
