"""Decoding a 4k photo, against OpenCV's bare `imread`."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from labeler.core.photos.images import read_pixels
from tests.benchmarks.harness import compare, report


@pytest.mark.benchmark
def test_a_4k_jpeg_costs_little_more_than_opencv_alone(photo: Path) -> None:
    """The decoder adds the header, the orientation, the check for a cut file, and RGB order."""
    path = photo.with_name("4k.jpg")
    large = cv2.resize(cv2.imread(str(photo)), (2880, 3840), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), large, [cv2.IMWRITE_JPEG_QUALITY, 92])
    np.testing.assert_array_equal(read_pixels(path).rgb[:, :, ::-1], cv2.imread(str(path)))

    variants = {"labeler": lambda: read_pixels(path), "cv2.imread": lambda: cv2.imread(str(path))}
    timings = compare(variants, baseline="cv2.imread")
    report("13a decode a 4k JPEG", "<= 1.15 x cv2.imread", timings.figure("labeler"))
    assert timings.ratio("labeler") <= 1.15
