"""SAM's frame, against what SAM itself does to the whole frame."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.core.geometry import to_bits
from labeler.core.records import Box, Prompt
from labeler.models.sam.input_frame import frame_size, mask_of, pixels_of, prompt_arrays
from labeler.models.sam.mobile_sam import _affordable


def reference(logits, size):
    """Sam.postprocess_masks: to 1024, padding off, to the image, threshold 0."""
    height, width = frame_size(size)
    whole = cv2.resize(logits, (1024, 1024), interpolation=cv2.INTER_LINEAR)[:height, :width]
    return cv2.resize(whole, (size[1], size[0]), interpolation=cv2.INTER_LINEAR) > 0


def blobs(seed: int, smoothness: float, level: float):
    noise = np.random.default_rng(seed).normal(size=(256, 256)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), smoothness)
    return (smooth / smooth.std() - np.float32(level)) * np.float32(8)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 1500), st.integers(1, 1500)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([6.0, 15.0, 40.0]),
    st.floats(-1, 2.5),
)
def test_masks_are_those_of_the_two_resizes_of_the_whole_frame(size, seed, smoothness, level) -> None:
    logits = blobs(seed, smoothness, level)
    expected = reference(logits, size)
    mask = mask_of(logits, size)
    different = np.count_nonzero(to_bits(mask, size) != expected)
    # the last bit of a sum decides where a value is 0 to seven digits; OpenCV's own kernels differ there
    assert different <= 1 + expected.size // 500_000
    if mask.bits.size:
        assert mask.bits.any(axis=0)[[0, -1]].all()
        assert mask.bits.any(axis=1)[[0, -1]].all()


@pytest.mark.parametrize("size", [(2560, 3840), (4000, 3000), (480, 640), (1024, 1024), (7, 2000)])
def test_a_smooth_outline_is_identical(size) -> None:
    y, x = np.mgrid[:256, :256].astype(np.float32)
    angle = np.arctan2(y - 60, x - 110)
    logits = (45 * (1 + 0.2 * np.sin(7 * angle)) - np.hypot(y - 60, x - 110)).astype(np.float32)
    assert np.array_equal(to_bits(mask_of(logits, size), size), reference(logits, size))


def test_of_huge_masks_only_as_many_are_worked_out_as_are_waited_for() -> None:
    logits = np.full((4, 256, 256), -1, dtype=np.float32)
    logits[:3] = 1  # all of the image; the last one is small
    logits[3, 10:20, 10:20] = 1
    assert pixels_of(logits[3], (1024, 1024)) == 40 * 40
    assert abs(pixels_of(logits[3], (4000, 4000)) - mask_of(logits[3], (4000, 4000)).bits.size) < 2_000
    assert _affordable([2, 0, 1], logits, (4000, 4000)) == [2, 0, 1]
    assert _affordable([2, 0, 3], logits, (16_000, 16_000)) == [2]
    assert _affordable([3, 0, 1], logits, (10_000, 10_000)) == [3, 0]
    assert _affordable([], logits, (10, 10)) == []


def test_nothing_and_what_lies_in_the_padding_are_empty_masks() -> None:
    assert mask_of(np.full((256, 256), -1, dtype=np.float32), (100, 200)).bits.shape == (0, 0)
    padding = np.full((256, 256), -1, dtype=np.float32)
    padding[200:210, 50:60] = 5
    assert mask_of(padding, (100, 200)).bits.shape == (0, 0)


def test_everything_is_the_whole_image() -> None:
    mask = mask_of(np.ones((256, 256), dtype=np.float32), (333, 1000))
    assert (mask.x, mask.y) == (0, 0)
    assert mask.bits.shape == (333, 1000)
    assert mask.bits.all()


def test_the_longer_side_becomes_1024_rounded_half_up() -> None:
    assert frame_size((480, 640)) == (768, 1024)
    assert frame_size((640, 481)) == (1024, 770)
    assert frame_size((1, 5000)) == (1, 1024)


def test_points_and_box_in_the_frame() -> None:
    prompt = Prompt(points=np.array([[320.0, 240.0], [0.5, 0.5]]), positive=np.array([True, False]))
    coordinates, labels = prompt_arrays(prompt, (480, 640))
    assert labels.tolist() == [[1, 0, -1]]
    assert coordinates[0, 0].tolist() == [511.5, 383.5]  # the decoder adds the half pixel again
    assert coordinates[0, 1] == pytest.approx([0.3, 0.3])
    assert coordinates[0, 2].tolist() == [0, 0]

    boxed = Prompt(prompt.points, prompt.positive, Box(640, 480, 0, 0))  # drawn from its last corner
    coordinates, labels = prompt_arrays(boxed, (480, 640))
    assert labels.tolist() == [[1, 0, 2, 3]]
    assert coordinates[0, 2:].tolist() == [[-0.5, -0.5], [1023.5, 767.5]]
    assert coordinates.dtype == labels.dtype == np.float32
