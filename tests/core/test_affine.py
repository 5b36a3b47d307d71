"""Frames of pixels: what EXIF turns, what is scaled and moved, against what Pillow makes of pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageOps

from labeler.core.affine import Affine, between, scaling, turning
from labeler.core.geometry import to_bits
from labeler.core.records import Box, Mask, Part, Polygons

WIDTH, HEIGHT = 5, 3
STORED = np.arange(1, WIDTH * HEIGHT + 1, dtype=np.uint8).reshape(HEIGHT, WIDTH)


def shown(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """What Pillow shows of pixels that are stored so."""
    image = PillowImage.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_point_is_on_the_pixel_that_it_was_on(orientation: int) -> None:
    turned = shown(STORED, orientation)
    rows, columns = np.indices(STORED.shape).reshape(2, -1)
    centres = np.stack((columns + 0.5, rows + 0.5), axis=1)
    x, y = turning(orientation, WIDTH, HEIGHT).points(centres).T
    assert turned[np.floor(y).astype(int), np.floor(x).astype(int)].tolist() == STORED.ravel().tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_and_its_box_turn_with_the_photo(orientation: int) -> None:
    bits = np.array([[1, 0, 0], [1, 1, 0]], bool)
    whole = to_bits(Mask(1, 1, bits), (HEIGHT, WIDTH))
    turn = turning(orientation, WIDTH, HEIGHT)
    mask = turn.shape(Mask(1, 1, bits))
    assert isinstance(mask, Mask)
    expected = shown(whole.astype(np.uint8), orientation).astype(bool)
    assert to_bits(mask, expected.shape).tolist() == expected.tolist()
    box = turn.shape(Box(1, 1, 4, 3))
    assert box == Box(mask.x, mask.y, mask.x + mask.width, mask.y + mask.height)


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_an_orientation_that_there_is_not_turns_nothing(orientation: int) -> None:
    assert turning(orientation, 7, 8) == Affine()


def test_polygons_keep_their_holes_and_lose_the_text_they_were_read_from() -> None:
    outer, hole = (
        np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)]),
        np.array([(1.0, 1.0), (2.0, 1.0), (2.0, 2.0)]),
    )
    found = scaling(2, 3).shape(Polygons((Part(outer, (hole,)),), b"[0,0]"))
    assert isinstance(found, Polygons)
    assert found.parts[0].outer.tolist() == (outer * (2, 3)).tolist()
    assert found.parts[0].holes[0].tolist() == (hole * (2, 3)).tolist()
    assert found.origin == b""


@pytest.mark.parametrize(("x", "y"), [(2, 3), (1, 1), (3, 1)])
def test_a_mask_that_is_enlarged_has_each_pixel_several_times(x: int, y: int) -> None:
    bits = np.array([[1, 0, 1], [0, 1, 1]], bool)
    found = scaling(x, y).shape(Mask(2, 1, bits))
    assert isinstance(found, Mask)
    assert (found.x, found.y) == (2 * x, y)
    assert found.bits.tolist() == bits.repeat(y, axis=0).repeat(x, axis=1).tolist()


def test_a_mask_that_is_made_smaller_has_what_its_pixels_centres_were_on() -> None:
    bits = np.zeros((4, 4), bool)
    bits[1, 1] = bits[3, 0] = True  # the centres of the halves are at 1, 3
    found = scaling(0.5, 0.5).shape(Mask(0, 0, bits))
    assert isinstance(found, Mask)
    assert found.bits.tolist() == [[True, False], [False, False]]


def test_an_empty_mask_stays_one() -> None:
    empty = Mask(3, 4, np.zeros((0, 5), bool))
    assert turning(6, 9, 9).shape(empty) == empty


numbers = st.integers(-4, 4).map(float)
affines = st.builds(Affine, numbers, numbers, numbers, numbers, numbers, numbers)


@given(first=affines, second=affines, point=st.tuples(numbers, numbers))
def test_two_one_after_the_other_are_one(first: Affine, second: Affine, point: tuple[float, float]) -> None:
    given_point = np.array([point])
    assert np.allclose(second.after(first).points(given_point), second.points(first.points(given_point)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Box(1, 2, 5, 4), Box(10, 20, 30, 21)),
        (Box(1, 2, 5, 4), Box(0, 0, 4, 2)),
        (Box(3, 2, 3, 4), Box(7, 0, 7, 8)),  # of no width: moved only
        (Box(3, 2, 8, 2), Box(0, 9, 10, 9)),
    ],
)
def test_what_takes_one_box_to_another(before: Box, after: Box) -> None:
    assert between(before, after).shape(before) == after
