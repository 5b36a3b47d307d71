"""Shapes made such as a format can hold them; what each loses is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.core.geometry import area, rasterise, tight
from labeler.core.records import Annotation, Box, Category, Image, Mask, Part, Polygons
from labeler.core.seams import linked
from labeler.formats import fitting
from labeler.formats.coco.coco_format import coco
from labeler.formats.fitting import fitted
from labeler.formats.spec import Dataset, Holds
from labeler.formats.write_options import Writing
from tests.formats.round_trip_law import agree, came_back, datasets

SQUARE = np.array([[4.0, 4], [24, 4], [24, 24], [4, 24]])
HOLE = np.array([[10.0, 10], [10, 18], [18, 18], [18, 10]])
RING = Polygons((Part(SQUARE, (HOLE,)),))
TWO = Polygons((Part(SQUARE), Part(SQUARE / 4 + 28)))
BITS = Mask(3, 4, np.array([[1, 1], [0, 1]], bool))


def one(shape: object, **fields: object) -> Dataset:
    return Dataset(
        (Image(1, "a.png", 40, 40),), (Category(1, "x", ""),), (Annotation(1, 1, 1, shape, **fields),)
    )


@pytest.mark.parametrize(
    ("shape", "holds", "kind", "said"),
    [
        (Box(1, 2, 9, 8), Holds(), Box, ()),
        (RING, Holds(), Box, (fitting.BOX_OF_OUTLINE,)),
        (BITS, Holds(), Box, (fitting.BOX_OF_MASK,)),
        (Box(1, 2, 9, 8), Holds(("polygons",)), Polygons, (fitting.OUTLINE_OF_BOX,)),
        (BITS, Holds(("polygons",)), Polygons, (fitting.OUTLINE_OF_MASK,)),
        (RING, Holds(("polygons",)), Polygons, (fitting.SEAMED,)),
        (RING, Holds(("polygons",), holes=True), Polygons, ()),
        (TWO, Holds(("polygons",)), Polygons, (fitting.JOINED,)),
        (TWO, Holds(("polygons",), parts=True), Polygons, ()),
        (RING, Holds(("mask", "box")), Mask, (fitting.PIXELS,)),
        (Box(30, 30, 60, 60), Holds(), Box, (fitting.CUT,)),
    ],
)
def test_a_shape_becomes_the_nearest_that_is_held(
    shape: object, holds: Holds, kind: type, said: tuple[str, ...]
) -> None:
    made, notes, _ = fitted(one(shape), holds, Writing())
    assert isinstance(made.annotations[0].shape, kind)
    assert tuple(note.sentence for note in notes) == said


def test_holes_are_filled_when_that_is_chosen() -> None:
    made, notes, _ = fitted(one(RING), Holds(("polygons",)), Writing(holes="fill"))
    assert area(made.annotations[0].shape) == 400
    assert [note.sentence for note in notes] == [fitting.FILLED]


def test_what_has_no_place_is_named() -> None:
    data = one(
        Box(1, 2, 9, 8), crowd=True, attributes={"colour": "red"}, extra=b'{"keypoints":[1,2,2],"area":48}'
    )
    made, notes, _ = fitted(data, Holds(), Writing())
    said = " ".join(note.sentence for note in notes)
    assert fitting.CROWD in said
    assert "“colour”" in said
    assert "“keypoints”" in said
    assert "“area”" not in said
    (left,) = made.annotations
    assert (left.crowd, left.attributes, left.extra) == (False, {}, b"")


def test_what_lies_outside_is_refused_and_the_rest_is_kept() -> None:
    data = one(Box(1, 2, 9, 8))
    far = Annotation(2, 1, 1, Box(50, 50, 60, 60))
    made, notes, totals = fitted(
        Dataset(data.images, data.categories, (far, *data.annotations)), Holds(), Writing()
    )
    assert [annotation.id for annotation in made.annotations] == [1]
    assert [(note.verdict, note.index) for note in notes] == [("refused", 0)]
    assert totals["annotations"] == 2


def test_images_without_objects_are_told_where_they_have_no_place() -> None:
    data = Dataset((Image(1, "a.png", 9, 9),), (), ())
    made, notes, _ = fitted(data, Holds(empty_images=False), Writing())
    assert made.images == ()
    assert [note.sentence for note in notes] == [fitting.EMPTY]


def test_reviewed_marks_are_told_where_they_have_no_place() -> None:
    data = Dataset((Image(1, "a.png", 9, 9, reviewed=True),), (), ())
    assert [note.sentence for note in fitted(data, Holds(), Writing())[1]] == [fitting.REVIEWED]
    assert not fitted(data, Holds(reviewed=True), Writing())[1]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5, unique=True),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_parts_joined_by_seams_cover_the_same_pixels(cells: list[tuple[int, int]], turned: bool) -> None:
    square = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])
    rings = [
        (square[::-1] if turned and n % 2 else square) + (x * 4, y * 4) for n, (x, y) in enumerate(cells)
    ]
    apart = tight(rasterise(Polygons(tuple(Part(ring) for ring in rings)), size=(44, 44)))
    assert tight(rasterise(Polygons((Part(linked(rings)),)), size=(44, 44))) == apart


@given(datasets())
@settings(max_examples=25, deadline=None)
def test_coco_as_a_data_set_with_photos_comes_back(dataset: Dataset) -> None:
    back, report, held = came_back(coco, dataset)
    assert not report.refused
    agree(back, held)


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ("c b a", "“a”, “b”, “c”"),
        ("d c b a", "“a”, “b”, “c” and 1 more"),
        ("f e d c b a", "“a”, “b”, “c” and 3 more"),
    ],
)
def test_what_has_no_place_is_listed_three_at_a_time(names: str, listed: str) -> None:
    given = one(Box(1, 2, 9, 8), attributes=dict.fromkeys(names.split(), 1))
    _, notes, _ = fitted(given, Holds(), Writing())
    assert [note.sentence for note in notes] == [f"Has attributes ({listed}), which are left out."]
