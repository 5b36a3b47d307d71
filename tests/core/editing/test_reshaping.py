"""Cleaning, smoothing, growing, simplifying, and turning shapes into their other kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeler.core.editing.combining import overlap_of
from labeler.core.editing.reshaping import as_mask, as_polygons, cleaned, corners, grown, smoothed
from labeler.core.geometry import area, bounds, from_bits, rasterise, to_bits
from labeler.core.records import Box, Mask, Part, Polygons

SIZE = (60, 80)
masks = st.builds(
    from_bits,
    arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    st.integers(0, 60),
    st.integers(0, 40),
)


def disc(radius=15.0, x=40.0, y=30.0):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return from_bits((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def pixels(shape):
    return np.zeros(SIZE, bool) if shape is None else to_bits(rasterise(shape, size=SIZE), SIZE)


@given(masks)
def test_a_mask_and_its_outline_are_the_same_pixels(mask):
    assert np.array_equal(pixels(as_polygons(mask)), pixels(mask))


@given(masks, st.floats(0, 30))
def test_something_always_stays_of_what_is_simplified(mask, tolerance):
    if mask.bits.size:
        found = as_polygons(mask, tolerance)
        assert found.parts
        assert corners(as_polygons(as_polygons(mask), tolerance)) <= corners(as_polygons(mask))


def test_a_disc_is_nearly_itself_with_a_tenth_of_the_corners():
    found = as_polygons(disc(), 1.0)
    assert corners(found) * 3 < corners(as_polygons(disc()))
    assert overlap_of(disc(), found, size=SIZE) > 0.95
    assert corners(Box(0, 0, 1, 1)) == 4
    assert corners(as_polygons(Box(0, 0, 1, 1), 9)) == 4


def test_a_mask_of_what_has_no_pixel_is_none():
    assert as_mask(Box(3.6, 3.6, 3.9, 3.9), size=SIZE) is None
    assert as_mask(Box(3, 3, 5, 6), size=SIZE) == Mask(3, 3, np.ones((3, 2), bool))


def test_small_holes_and_specks_go_and_large_ones_stay():
    bits = np.ones((30, 30), bool)
    bits[4:6, 4:6] = bits[10:20, 10:20] = False
    bits[14:16, 14:16] = True
    wide = np.zeros((30, 50), bool)
    wide[:, :30] = bits
    wide[3:5, 40:43] = True
    found = cleaned(Mask(5, 7, wide), 9)
    assert bounds(found) == Box(5, 7, 35, 37)
    assert area(found) == 900 - 100
    assert cleaned(found, 9) is found
    as_outline = cleaned(as_polygons(Mask(5, 7, wide)), 9)
    assert np.array_equal(pixels(as_outline), pixels(found))


@given(masks, st.integers(0, 60))
def test_cleaning_twice_is_cleaning_once_and_never_empties(mask, smallest):
    once = cleaned(mask, smallest)
    assert cleaned(once, smallest) == once
    assert bool(once.bits.size) == bool(mask.bits.size)


@given(masks, st.integers(1, 9))
def test_growing_and_shrinking_follow_the_distance(mask, by):
    more, less = pixels(grown(mask, by, size=SIZE)), pixels(grown(mask, -by, size=SIZE))
    here = pixels(mask)
    assert (more >= here).all()
    assert (less <= here).all()
    rows, columns = np.nonzero(here)
    if len(rows):
        ys, xs = np.mgrid[: SIZE[0], : SIZE[1]]
        far = np.min([np.hypot(ys - r, xs - c) for r, c in zip(rows, columns, strict=True)], axis=0)
        assert np.array_equal(more, far <= by)


def test_a_box_grows_to_a_box_and_an_outline_round_its_corners():
    assert grown(Box(10, 10, 20, 20), 2.5, size=SIZE) == Box(7.5, 7.5, 22.5, 22.5)
    assert grown(Box(1, 10, 20, 20), 5, size=SIZE) == Box(0, 5, 25, 25)
    assert grown(Box(10, 10, 20, 20), -5, size=SIZE) is None
    square = Polygons((Part(np.array([(10.0, 10), (20, 10), (20, 20), (10, 20)])),))
    wide = grown(square, 4, size=SIZE)
    assert area(wide) == pytest.approx(100 + 4 * 40 + np.pi * 16, rel=0.02)
    assert grown(square, -6, size=SIZE) is None
    assert grown(square, 0, size=SIZE) is square


def test_smoothing_takes_spikes_and_keeps_straight_edges():
    bits = np.zeros(SIZE, bool)
    bits[10:50, 20:60] = True
    plain = from_bits(bits)
    bits[30, 60:70] = True
    found = smoothed(from_bits(bits), 3, size=SIZE)
    assert bounds(found).x1 <= 61
    assert bounds(found).x0 == bounds(plain).x0
    assert area(found) == pytest.approx(1600, rel=0.02)
    assert smoothed(from_bits(np.eye(30, dtype=bool)), 8, size=SIZE) is None
    assert smoothed(plain, 0, size=SIZE) is plain
    outline = as_polygons(plain)
    assert overlap_of(smoothed(outline, 2, size=SIZE), outline, size=SIZE) > 0.97
