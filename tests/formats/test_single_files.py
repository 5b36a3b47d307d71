"""The law of formats in and out, for those that are one file, with their photos and without."""

import pytest
from hypothesis import given, settings

from labeler.formats.cvat.cvat_format import cvat
from labeler.formats.datumaro.datumaro_format import datumaro
from labeler.formats.label_studio.label_studio_format import label_studio
from labeler.formats.spec import Dataset, FormatSpec
from tests.formats.round_trip_law import agree, came_back, datasets

SPECS = pytest.mark.parametrize("spec", [cvat, datumaro, label_studio], ids=lambda spec: spec.id)


@SPECS
@given(dataset=datasets())
@settings(max_examples=40, deadline=None)
def test_what_was_fitted_comes_back(spec: FormatSpec, dataset: Dataset) -> None:
    back, report, held = came_back(spec, dataset)
    agree(back, held)
    assert report.refused == 0
    assert len(back.images) == len(held.images)


@SPECS
@given(dataset=datasets())
@settings(max_examples=20, deadline=None)
def test_it_comes_back_where_photos_stay(spec: FormatSpec, dataset: Dataset) -> None:
    back, _, held = came_back(spec, dataset, photos="left")
    agree(back, held)
