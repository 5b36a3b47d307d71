"""Union, difference, intersection, parts and cuts: by worked numbers, and by what pixels say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeler.core.editing.combining import combined, cut, overlap_of, parts_of
from labeler.core.geometry import area, bounds, from_bits, rasterise, to_bits
from labeler.core.records import Box, Mask, Part, Polygons

SIZE = (40, 60)
corner = st.tuples(st.floats(1, 59, width=32), st.floats(1, 39, width=32))
masks = st.builds(
    from_bits,
    arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    st.integers(0, 45),
    st.integers(0, 25),
)
boxes = st.tuples(st.integers(0, 50), st.integers(0, 30), st.integers(1, 10), st.integers(1, 10)).map(
    lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def polygon(*points):
    return Polygons((Part(np.array(points, dtype=np.float64)),))


def pixels(shape):
    return np.zeros(SIZE, bool) if shape is None else to_bits(rasterise(shape, size=SIZE), SIZE)


@given(masks, masks | boxes)
def test_pixels_agree_with_set_algebra(a, b):
    first, second = pixels(a), pixels(b)
    assert np.array_equal(pixels(combined([a, b], "merge", size=SIZE)), first | second)
    assert np.array_equal(pixels(combined([a, b], "subtract", size=SIZE)), first & ~second)
    assert np.array_equal(pixels(combined([a, b], "intersect", size=SIZE)), first & second)


@given(boxes, boxes, boxes)
def test_boxes_on_whole_pixels_are_exact(a, b, c):
    merged = combined([a, b, c], "merge", size=SIZE)
    assert np.array_equal(pixels(merged), pixels(a) | pixels(b) | pixels(c))
    assert area(merged) == pytest.approx((pixels(a) | pixels(b) | pixels(c)).sum(), abs=0.01)
    common = combined([a, b], "intersect", size=SIZE)
    assert (0 if common is None else area(common)) == (pixels(a) & pixels(b)).sum()
    left = combined([a, b], "subtract", size=SIZE)
    assert (0 if left is None else area(left)) == pytest.approx((pixels(a) & ~pixels(b)).sum(), abs=0.01)


def test_polygons_that_cross_keep_their_corners_and_few_others():
    a = polygon((2.3, 2.1), (20.7, 2.1), (20.7, 12.9), (2.3, 12.9))
    b = polygon((10.2, 6.6), (40.4, 6.6), (25.3, 30.8))
    merged = combined([a, b], "merge", size=SIZE)
    ring = merged.parts[0].outer.tolist()
    assert [2.3, 2.1] in ring
    assert [25.3, 30.8] in ring
    assert len(ring) < 14
    expected = area(a) + area(b) - area(combined([a, b], "intersect", size=SIZE))
    assert area(merged) == pytest.approx(expected, rel=0.01)


def test_polygons_apart_are_merged_to_the_letter():
    a, b = polygon((1.25, 1), (9, 1), (5, 8)), polygon((30, 20), (39, 20.5), (35, 33))
    assert combined([a, b], "merge", size=SIZE) == Polygons((*a.parts, *b.parts))


@pytest.mark.parametrize("other", [Box(30, 20, 40, 30), Mask(30, 20, np.ones((5, 5), bool))])
def test_what_does_not_meet_has_nothing_in_common(other):
    assert combined([Box(1, 1, 9, 9), other], "intersect", size=SIZE) is None


def test_all_of_it_taken_away_leaves_nothing():
    assert combined([Box(3, 3, 9, 9), Box(1, 1, 20, 20)], "subtract", size=SIZE) is None


@given(masks)
def test_parts_are_apart_and_all_there_is(mask):
    parts = parts_of(mask)
    assert sum(map(area, parts)) == area(mask)
    assert np.array_equal(sum((pixels(part) for part in parts), np.zeros(SIZE, int)) > 0, pixels(mask))
    assert all(len(parts_of(part)) == 1 for part in parts)
    assert [area(part) for part in parts] == sorted(map(area, parts), reverse=True)


def test_parts_of_an_outline_keep_their_corners():
    small, large = polygon((1, 1), (4, 1), (2, 4)), polygon((10, 10), (30, 10), (20, 30))
    assert parts_of(Polygons((*small.parts, *large.parts))) == (large, small)
    assert parts_of(Box(0, 0, 2, 2)) == (Box(0, 0, 2, 2),)


@given(masks, corner, corner)
def test_a_cut_loses_and_doubles_no_pixel(mask, a, b):
    pieces = cut(mask, a, b, size=SIZE)
    assert np.array_equal(sum((pixels(one) for one in pieces), np.zeros(SIZE, int)), pixels(mask).astype(int))


def test_a_line_right_across_makes_two():
    left, right = cut(Mask(10, 10, np.ones((10, 30), bool)), (20, 5), (20, 35), size=SIZE)
    assert bounds(left) == Box(20, 10, 40, 20)
    assert bounds(right) == Box(10, 10, 20, 20)
    first, second = cut(Box(10, 10, 40, 20), (20, 5), (20, 35), size=SIZE)
    assert first == polygon(*first.parts[0].outer)
    assert (area(first), area(second)) == (200, 100)


def test_a_line_that_ends_inside_or_passes_by_cuts_nothing():
    whole = Mask(10, 10, np.ones((10, 30), bool))
    assert cut(whole, (20, 5), (20, 15), size=SIZE) == (whole,)
    assert cut(whole, (50, 5), (50, 30), size=SIZE) == (whole,)
    assert cut(whole, (20, 5), (20, 5), size=SIZE) == (whole,)


def test_only_the_arm_that_the_line_crosses_comes_off():
    bits = np.ones((20, 30), bool)
    bits[:15, 10:20] = False  # a U: the line goes through its left arm only
    rest, arm = cut(Mask(0, 0, bits), (-1, 8), (14, 8), size=SIZE)
    assert bounds(arm) == Box(0, 0, 10, 8)
    assert area(rest) == bits.sum() - 80


def test_parts_beside_the_line_stay_with_the_largest_piece():
    bits = np.zeros((20, 50), bool)
    bits[:10, :20] = bits[15:, 30:34] = True
    large, small = cut(Mask(0, 0, bits), (6, -1), (6, 12), size=SIZE)
    assert area(large) == 140 + 20
    assert area(small) == 60


@given(boxes)
def test_a_shape_overlaps_itself_wholly(box):
    assert overlap_of(box, box, size=SIZE) == 1


def test_a_huge_outline_comes_back_without_stairs():
    size = (4000, 4000)
    angles = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    ring = np.stack((1900 + 1800 * np.cos(angles), 1900 + 1800 * np.sin(angles)), axis=1)
    huge = Polygons((Part(ring),))
    left, right = cut(huge, (0, 1900), (4000, 1900), size=size)
    assert area(left) + area(right) == pytest.approx(area(huge), rel=1e-3)
    assert len(left.parts[0].outer) < 100
