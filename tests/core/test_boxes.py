"""The three forms of boxes lead to each other and back, and so do offsets from anchors."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from labeler.core import boxes
from labeler.core.boxes import as_boxes, decode_deltas, encode_deltas

FORMS = ("xyxy", "xywh", "cxcywh")
ONE = {"xyxy": [10, 20, 40, 60], "xywh": [10, 20, 30, 40], "cxcywh": [25, 40, 30, 40]}

numbers = st.floats(-1e4, 1e4, width=32)
some = npst.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(4)), elements=numbers)
sized = some.map(lambda array: np.c_[array[:, :2], np.abs(array[:, 2:]) + 1])


def turn(one: str, other: str, array):
    return array if one == other else getattr(boxes, f"{one}_to_{other}")(array)


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(FORMS, 2)))
def test_a_form_is_turned_into_another(one, other) -> None:
    assert turn(one, other, [ONE[one]]).tolist() == [ONE[other]]
    assert turn(one, other, []).shape == (0, 4)


@given(some, st.permutations(FORMS))
def test_all_ways_lead_back(array, way) -> None:
    found = array
    for one, other in itertools.pairwise((*way, way[0])):
        found = turn(one, other, found)
    np.testing.assert_allclose(found, array, atol=1e-6)


@given(sized, st.data())
def test_offsets_lead_back_to_the_box(array, data) -> None:
    anchors = data.draw(npst.arrays(np.float64, array.shape, elements=st.floats(1, 1e3)))
    np.testing.assert_allclose(
        decode_deltas(encode_deltas(array, anchors), anchors), array, rtol=1e-6, atol=1e-6
    )


def test_an_anchor_is_no_offset_from_itself() -> None:
    assert encode_deltas([ONE["cxcywh"]], [ONE["cxcywh"]]).tolist() == [[0, 0, 0, 0]]
    assert encode_deltas([[25, 40, 60, 40]], [[10, 20, 30, 40]])[0].tolist() == [0.5, 0.5, np.log(2), 0]


@pytest.mark.parametrize("place", [2, 3])
@pytest.mark.parametrize("which", ["box", "anchor"])
@pytest.mark.parametrize("size", [0, -1])
def test_what_has_no_size_cannot_be_encoded(place, which, size) -> None:
    good, bad = [1.0, 1.0, 5.0, 5.0], [1.0, 1.0, 5.0, 5.0]
    bad[place] = size
    with pytest.raises(ValueError, match="a width and height above 0"):
        encode_deltas(*(([bad], [good]) if which == "box" else ([good], [bad])))


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 5), (1, 2, 4), (0, 3)])
def test_another_shape_is_said_by_name(shape) -> None:
    with pytest.raises(ValueError, match=r"anchors must have the shape \(N, 4\), not"):
        as_boxes(np.zeros(shape), "anchors")
