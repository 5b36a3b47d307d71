"""The whole loop as effort: actions an object by polygons, by SAM, and by SAM with predictions as well.

The simulated person of `labeler effort` labels a part of each data set, image by image. With predictions, the
instant head is trained again after every five images.
"""

import pytest
from msgspec import structs

from labeler.core.records import Image
from labeler.evaluation.effort.effort_curve import ImageEffort, each
from labeler.registry import discover
from labeler.training.effort.effort_course import EffortCourse, Tools
from labeler.training.effort.relearner import LabelledPhoto, Relearner
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant as embedded
from tests.benchmarks.labelled_photos import read

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(("name", "images", "most"), [("pedestrians", 25, 0.95), ("coco-mini", 20, 1.05)])
def test_predictions_save_actions(name, images, most, shared, tmp_path) -> None:
    data = shared / "data" / name
    labels = read(data)
    registry = discover(safe_mode=True)
    model = embedded()
    learner = Relearner(registry.trainer("instant"), labels.categories, tmp_path, registry.open_file)
    course = EffortCourse(
        Tools(model.segmenter, model.embedding, learner=learner), labels.categories, as_masks=True
    )
    photos = [
        LabelledPhoto(
            Image(number, image.name, image.size[1], image.size[0]),
            image.path,
            tuple(structs.replace(one, image_id=number) for one in image.annotations),
        )
        for number, image in enumerate(labels.images[:images], 1)
    ]
    efforts: list[ImageEffort] = [course.label(photo) for photo in photos]
    assert course.complaints == []
    cost = each(efforts, lambda acts: acts.actions)
    counted = {
        what: sum(getattr(one, what) for one in efforts)
        for what in ("objects", "shown", "unchanged", "corrected")
    }
    report(
        f"effort, {images} images of {name}",
        f"(c) <= {most} x (b) < (a)",
        f"{counted['objects']} objects: {cost['polygons']:.2f} by polygons, {cost['sam']:.2f} by SAM, "
        f"{cost['with_predictions']:.2f} with predictions too; {counted['shown']} shown, "
        f"{counted['unchanged']} right as they were, {counted['corrected']} corrected",
    )
    assert cost["sam"] < cost["polygons"]
    assert cost["with_predictions"] <= most * cost["sam"]
