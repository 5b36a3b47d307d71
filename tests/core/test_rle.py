"""The run-length codec against pycocotools, and against input that pycocotools dies of."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from labeler.core import geometry, rle
from labeler.core.records import Mask

images = arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@given(images)
def test_compressed_runs_are_byte_identical_to_pycocotools(bits):
    expected = coco.encode(np.asfortranarray(bits.astype(np.uint8)))["counts"]
    assert rle.compress(rle.encode(bits)) == expected
    assert rle.decompress(expected) == rle.encode(bits)


@given(images)
def test_decoding_undoes_encoding(bits):
    decoded = rle.decode(rle.encode(bits), bits.shape)
    assert np.array_equal(decoded, bits)
    assert decoded.flags.c_contiguous


@given(images, st.integers(-5, 30), st.integers(-5, 30))
def test_runs_from_a_crop_are_those_of_the_whole_image(bits, x, y):
    size = (25, 27)
    mask = Mask(x, y, bits)
    counts = rle.mask_to_rle(mask, size)
    assert counts == rle.encode(geometry.to_bits(mask, size))
    assert rle.rle_to_mask(counts, size) == geometry.rasterise(mask, size=size)


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 30))
def test_runs_that_pass_from_column_to_column_are_joined(rows, columns, left):
    full = Mask(left, 0, np.ones((rows, columns), dtype=bool))
    assert rle.mask_to_rle(full, (rows, 70)) == [left * rows, columns * rows, (70 - left - columns) * rows]


@given(st.lists(st.integers(0, 1 << 28), max_size=30))
def test_compressing_any_counts_is_undone(counts):
    assert rle.decompress(rle.compress(counts)) == counts


@settings(max_examples=300)
@given(st.binary(max_size=40))
def test_any_text_gives_counts_or_is_refused(text):
    with contextlib.suppress(ValueError):
        assert all(count >= 0 for count in rle.decompress(text))


def test_text_of_the_file_may_be_str():
    assert rle.decompress("04") == rle.decompress(b"04") == [0, 4]


def test_nothing_and_everything():
    assert rle.encode(np.zeros((3, 4), dtype=bool)) == [12]
    assert rle.encode(np.ones((3, 4), dtype=bool)) == [0, 12]
    assert rle.rle_to_mask([12], (3, 4)).bits.shape == (0, 0)
    assert rle.encode(np.zeros((0, 4), dtype=bool)) == [0]
    assert rle.decode([0], (0, 4)).shape == (0, 4)


def test_runs_of_no_length_inside_are_read():
    assert rle.decode([1, 0, 1, 2], (2, 2)).T.ravel().tolist() == [False, False, True, True]
    assert rle.rle_to_mask([1, 0, 1, 2], (2, 2)) == Mask(1, 0, np.array([[True], [True]]))


@pytest.mark.parametrize(
    ("counts", "size", "what"),
    [
        ([5, 5], (3, 3), "cover 10 pixels"),
        ([4], (3, 3), "cover 4 pixels"),
        ([], (3, 3), "cover 0 pixels"),
        ([-1, 10], (3, 3), "whole numbers"),
        ([4.5, 4.5], (3, 3), "whole numbers"),
        (["9"], (3, 3), "whole numbers"),
        ([None, 9], (3, 3), "whole numbers"),
        ([1 << 80], (3, 3), "whole numbers"),
        ([(1 << 63), (1 << 63)], (3, 3), "whole numbers"),
        ([0] * 11 + [9], (3, 3), "more than its 9 pixels"),
        ([1 << 40], (1 << 20, 1 << 20), "over the limit"),
        ([0], (-3, 3), "negative"),
    ],
)
def test_counts_that_are_no_mask_are_refused(counts, size, what):
    for read in (rle.decode, rle.rle_to_mask):
        with pytest.raises(ValueError, match=what) as refusal:
            read(counts, size)
        assert str(refusal.value).count(".") == str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"\x00", "outside its code"),
        (b"1\xff", "outside its code"),
        ("1é", "outside its code"),
        (b"1P", "middle of a number"),
        (b"oooooooooooooooooo1", "too long"),
        (b"O", "negative"),
    ],
)
def test_text_that_is_no_code_is_refused(text, what):
    with pytest.raises(ValueError, match=what):
        rle.decompress(text)
