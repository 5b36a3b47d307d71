"""Pictures of more than 8 bits as they are shown: which value is black, which is white, and what is said."""

import numpy as np
import pytest

from labeler.core.photos.bit_depth import as_colour, coloured, on_white, windowed


def test_black_and_white_are_the_ends_of_what_nearly_all_values_are() -> None:
    values = np.arange(10_001, dtype=np.uint16).reshape(1, -1) + 500
    grey, note = windowed(values)
    assert note == "16-bit, shown 8-bit (510 black, 10490 white)"
    assert grey[0, [0, 10, 9990, 10_000]].tolist() == [0, 0, 255, 255]
    assert grey[0, 5000] in (127, 128)
    # linear between
    assert np.abs(np.diff(grey[0].astype(int))).max() == 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [(np.uint16, "16-bit"), (np.int32, "32-bit"), (np.float32, "float"), (np.float64, "float")],
)
def test_the_kind_of_values_is_named(kind: type, name: str) -> None:
    grey, note = windowed(np.array([[0, 100]], dtype=kind))
    assert note.startswith(f"{name}, shown 8-bit (0.1 black, 99.9 white)")
    assert grey.tolist() == [[0, 255]]


def test_values_that_are_none_are_black_and_beyond_all_values_white() -> None:
    values = np.array([[np.nan, -np.inf, np.inf, 0.0, 1.0]])
    grey, _ = windowed(values)
    assert grey.tolist() == [[0, 0, 255, 0, 255]]


@pytest.mark.parametrize("value", [7, 0, 65535])
def test_one_value_only_is_black(value: int) -> None:
    grey, _ = windowed(np.full((3, 2), value, np.uint16))
    assert not grey.any()


def test_nothing_but_values_that_are_none() -> None:
    grey, note = windowed(np.full((2, 2), np.nan, np.float32))
    assert not grey.any()
    assert note == "float, shown 8-bit (0 black, 0 white)"


def test_all_rows_of_a_tall_picture_have_one_window() -> None:
    """It is worked out 256 rows at a time."""
    values = np.repeat(np.linspace(0, 60_000, 600).astype(np.uint16)[:, None], 4, axis=1)
    grey, _ = windowed(values)
    assert (np.diff(grey[:, 0].astype(int)) >= 0).all()
    assert (grey[0, 0], grey[-1, 0]) == (0, 255)
    assert abs(int(grey[300, 0]) - 128) <= 1


def test_eight_bits_stay_as_they_are() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert coloured(values)[0].tolist() == values.tolist()
    assert coloured(values)[1] == ""


def test_sixteen_bits_are_shown_by_their_high_byte_where_it_is_used() -> None:
    used = np.array([[[0, 255, 256], [0x4000, 0x7FFF, 0xFFFF]]], np.uint16)
    assert coloured(used)[0].tolist() == [[[0, 0, 1], [0x40, 0x7F, 0xFF]]]
    assert coloured(used)[1] == "16-bit colour, shown 8-bit"


def test_twelve_bits_in_sixteen_are_not_shown_black() -> None:
    values = np.array([[[0, 0, 0], [0x3FFF, 0x3FFF, 0x3FFF]]], np.uint16)
    grey, note = coloured(values)
    assert grey.max() == 255
    assert note.startswith("16-bit, shown 8-bit (")


@pytest.mark.parametrize(
    ("alpha", "result"),
    [
        (np.array([[0, 255]], np.uint8), [255, 100]),
        (np.array([[0, 65535]], np.uint16), [255, 100]),
        (np.array([[0.0, 1.0]]), [255, 100]),
        (np.array([[0.5, 2.0]]), [178, 100]),  # 177.5, to the even one
        (np.array([[-1.0, 0.25]]), [255, 216]),
    ],
)
def test_what_is_seen_through_is_white(alpha: np.ndarray, result: list[int]) -> None:
    rgb = np.full((1, 2, 3), 100, np.uint8)
    assert on_white(rgb, alpha)[0, :, 0].tolist() == result


def test_each_row_of_a_tall_picture_has_its_own_alpha() -> None:
    rgb = np.zeros((600, 1, 3), np.uint8)
    alpha = (np.arange(600) % 256).astype(np.uint8)[:, None]
    assert on_white(rgb, alpha)[:, 0, 0].tolist() == (255 - alpha[:, 0].astype(int)).tolist()


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_grey_as_colour(shape: tuple[int, ...]) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(shape)
    colour = as_colour(grey)
    assert colour.shape == (2, 3, 3)
    assert all((colour[..., channel] == grey.reshape(2, 3)).all() for channel in range(3))
