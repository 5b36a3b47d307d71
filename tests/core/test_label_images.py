"""Pictures of labels, taken apart and put together: compared with looking at each label alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from labeler.core.geometry import from_bits, to_bits
from labeler.core.label_images import paint, pieces, split, visible
from labeler.core.records import Mask

LABELS = arrays(
    np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from((0, 1, 2, 300))
)


@given(LABELS)
def test_each_label_is_its_pixels(labels: np.ndarray) -> None:
    found = dict(split(labels))
    assert list(found) == sorted(set(labels.ravel().tolist()) - {0})
    for label, mask in found.items():
        assert np.array_equal(to_bits(mask, labels.shape), labels == label)
        assert mask == from_bits(labels == label)  # tight


@given(LABELS)
def test_what_is_left_out_is_nothing(labels: np.ndarray) -> None:
    assert {label for label, _ in split(labels, without=(0, 2))} == set(labels.ravel().tolist()) - {0, 2}


def test_pieces_touch_by_corners() -> None:
    bits = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 1, 0, 1, 0]], dtype=bool)
    found = pieces(Mask(10, 20, bits))
    assert sorted((one.x, one.y, int(one.bits.sum())) for one in found) == [
        (10, 20, 2),
        (10, 23, 2),
        (13, 23, 1),
        (14, 20, 2),
    ]


@settings(max_examples=50)
@given(st.lists(arrays(np.bool_, (4, 5)), max_size=4), st.integers(-3, 8), st.integers(-3, 8))
def test_the_last_painted_is_on_top(layers: list[np.ndarray], x: int, y: int) -> None:
    canvas, plain = np.zeros((7, 9), np.uint8), np.zeros((7, 9), np.uint8)
    for label, bits in enumerate(layers, 1):
        paint(canvas, Mask(x, y, bits), label)
        for row, column in zip(*np.nonzero(bits), strict=True):
            if 0 <= row + y < 7 and 0 <= column + x < 9:
                plain[row + y, column + x] = label
    assert np.array_equal(canvas, plain)
    for label, bits in enumerate(layers, 1):
        shown = visible(canvas, Mask(x, y, bits), label)
        assert np.array_equal(to_bits(shown, (7, 9)), plain == label)


@pytest.mark.timeout(20)
def test_many_labels_on_a_large_picture_take_the_time_of_its_pixels() -> None:
    labels = np.arange(2000 * 2000, dtype=np.int32).reshape(2000, 2000) // 40 + 1
    assert sum(1 for _ in split(labels)) == 100_000
