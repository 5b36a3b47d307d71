"""Shapes on an image that was scaled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.geometry import area, bounds
from labeler.core.records import Box, Mask, Part, Polygons
from labeler.core.scaling import rescaled

SQUARE = np.array([[10.0, 20.0], [30.0, 20.0], [30.0, 40.0], [10.0, 40.0]])
HOLE = np.array([[15.0, 25.0], [20.0, 25.0], [20.0, 30.0]])


def test_a_box_is_scaled_each_way() -> None:
    assert rescaled(Box(1, 2, 3, 4), 2, 10) == Box(2, 20, 6, 40)


def test_a_polygon_is_scaled_with_its_holes_and_is_no_text_of_a_file_any_more() -> None:
    made = rescaled(Polygons((Part(SQUARE, (HOLE,)),), origin=b"[1]"), 2, 0.5)
    np.testing.assert_array_equal(made.parts[0].outer, SQUARE * (2, 0.5))
    np.testing.assert_array_equal(made.parts[0].holes[0], HOLE * (2, 0.5))
    assert made.origin == b""


@pytest.mark.parametrize(
    ("x", "y", "then"),
    [
        (1, 1, ["#..", ".##"]),
        (2, 1, ["##....", "..####"]),
        (1, 2, ["#..", "#..", ".##", ".##"]),
        (2, 2, ["##....", "##....", "..####", "..####"]),
    ],
)
def test_a_pixel_of_a_mask_is_as_many_as_it_is_scaled_by(x, y, then) -> None:
    made = rescaled(Mask(4, 6, np.array([[1, 0, 0], [0, 1, 1]], bool), origin=b"x"), x, y)
    assert (made.x, made.y, made.origin) == (4 * x, 6 * y, b"")
    assert ["".join(".#"[bit] for bit in row) for row in made.bits.astype(int)] == then


def test_a_mask_without_pixels_has_none_after_either() -> None:
    empty = Mask(3, 4, np.zeros((2, 2), bool), origin=b"x")
    made = rescaled(empty, 3, 3)
    assert not made.bits.any()
    assert made.origin == b""


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 12), st.integers(1, 12), st.floats(0.05, 6))
def test_a_mask_stays_where_it_was_and_is_never_lost(x, y, width, height, factor) -> None:
    """Whatever the scale: at least a pixel is left, within the pixels that the scaled box touches."""
    made = rescaled(Mask(x, y, np.ones((height, width), bool)), factor, factor)
    box, wanted = bounds(made), Box(x * factor, y * factor, (x + width) * factor, (y + height) * factor)
    assert area(made) >= 1
    assert wanted.x0 - 1 <= box.x0 <= box.x1 <= wanted.x1 + 1
    assert wanted.y0 - 1 <= box.y0 <= box.y1 <= wanted.y1 + 1
    assert abs(area(made) - wanted.area) <= (wanted.width + 1) * (wanted.height + 1) - wanted.area + 1
