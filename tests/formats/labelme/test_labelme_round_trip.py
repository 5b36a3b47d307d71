"""What labelme can hold comes back from its files."""

import pytest
from hypothesis import HealthCheck, given, settings

from labeler.formats.labelme.labelme_format import labelme
from labeler.formats.spec import Dataset, PhotosAre
from tests.formats.round_trip_law import agree, came_back, datasets


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets())
def test_boxes_outlines_and_masks_come_back(dataset: Dataset) -> None:
    back, report, held = came_back(labelme, dataset)
    agree(back, held)
    assert report.refused == 0
    assert len(back.images) == len(dataset.images)


@pytest.mark.parametrize("photos", ["left", "linked"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets())
def test_wherever_the_photos_are(photos: PhotosAre, dataset: Dataset) -> None:
    parts = {image.id: ("train", "val")[image.id % 2] for image in dataset.images}
    back, report, held = came_back(labelme, dataset, photos=photos, parts=parts)
    agree(back, held)
    assert report.missing == 0
