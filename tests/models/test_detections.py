"""From a network's arrays to candidates in image pixels: by hand, without any network."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from labeler.core.geometry import to_bits
from labeler.core.records import Box, Mask
from labeler.models.detections import (
    FLOOR,
    MASK_FLOOR,
    Letterbox,
    corners_of,
    letterbox,
    to_candidates,
    upsampled,
    upsampled_whole,
)
from labeler.models.yolo_outputs import RawYolo

NAMES = ["cat", "dog"]


@pytest.mark.parametrize(
    ("size", "margin", "frame", "place"),
    [
        ((60, 80), 0.0, (64, 64), (48, 64, 8, 0)),
        ((80, 60), 0.0, (64, 64), (64, 48, 0, 8)),
        ((64, 64), 0.0, (64, 64), (64, 64, 0, 0)),
        ((64, 64), 0.5, (96, 96), (64, 64, 16, 16)),
        ((10, 100), 0.0, (32, 64), (6, 64, 13, 0)),
        ((1, 900), 0.0, (32, 64), (1, 64, 15, 0)),
    ],
)
def test_an_image_lies_in_the_middle_of_whole_strides(size, margin, frame, place) -> None:
    """`place`: height, width, top and left of what is not grey."""
    pixels, found = letterbox(np.full((*size, 3), 255, np.uint8), side=64, stride=32, margin=margin)
    height, width, top, left = place
    assert pixels.shape == (1, 3, *frame)
    white = np.argwhere(pixels[0, 0] == 1.0)
    assert (white.min(axis=0).tolist(), white.max(axis=0).tolist()) == (
        [top, left],
        [top + height - 1, left + width - 1],
    )
    assert np.allclose(np.unique(pixels)[:-1], 114 / 255) or not (pixels < 1).any()
    whole = np.array([[left, top, left + width, top + height]], np.float32)
    assert found.to_image(whole).tolist() == [[0, 0, size[1], size[0]]]


def test_boxes_are_cut_at_the_edges_of_the_image() -> None:
    place = Letterbox((40, 60), 0.5, 0.25, 10, 20)
    found = place.to_image(np.array([[15, 22.5, 25, 25], [0, 0, 99, 99]], np.float32))
    assert found.tolist() == [[10, 10, 30, 20], [0, 0, 60, 40]]


def test_colours_stay_in_their_order() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[...] = (255, 0, 51)
    pixels, _ = letterbox(image, side=32, stride=32)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])


def test_candidates_come_surest_first_without_those_that_are_none() -> None:
    boxes = np.array(
        [
            [0, 0, 5, 5],
            [1, 1, 9, 9],
            [3, 3, 3, 9],
            [3, 3, 9, 3],
            [0, 0, np.nan, 5],
            [2, 2, 4, 4],
            [7, 7, 8, 8],
        ],
        np.float64,
    )
    confidences = np.array([0.2, 0.9, 0.8, 0.8, 0.8, np.nan, 1.2])
    classes = np.array([0, 1, 0, 0, 0, 0, 1])
    found = to_candidates(boxes, confidences, classes, NAMES)
    assert [(one.shape, one.confidence, one.label) for one in found] == [
        (Box(7, 7, 8, 8), 1.0, "dog"),
        (Box(1, 1, 9, 9), 0.9, "dog"),
        (Box(0, 0, 5, 5), 0.2, "cat"),
    ]


def test_masks_are_asked_for_where_somebody_might_look() -> None:
    boxes = np.array([[0, 0, 5, 5], [1, 1, 9, 9], [2, 2, 8, 8]], np.float64)
    confidences = np.array([MASK_FLOOR, MASK_FLOOR - 0.001, 0.9])
    asked: list[int] = []

    def mask(index: int) -> Mask | None:
        asked.append(index)
        return None if index == 2 else Mask(index, index, np.ones((2, 2), bool))

    found = to_candidates(boxes, confidences, np.zeros(3, int), NAMES, mask=mask)
    assert asked == [2, 0]
    assert found[0].shape == Box(2, 2, 8, 8)  # of an empty mask the box stays
    assert isinstance(found[1].shape, Mask)
    assert found[2].shape == Box(1, 1, 9, 9)


def test_corners_of_centres_that_are_parts_of_the_image() -> None:
    found = corners_of(np.array([[0.5, 0.5, 0.5, 0.25], [0, 1, 0.2, 0.2]]), (40, 100))
    assert found.tolist() == [[25, 15, 75, 25], [-10, 36, 10, 44]]


@pytest.mark.parametrize(("scale", "pad"), [(1.0, 0.0), (0.25, 3.0), (0.4, 1.5)])
def test_a_mask_is_spread_over_the_image_as_opencv_does_it(scale: float, pad: float) -> None:
    """Inside a box that leaves no corner out; the pad is grey that belongs to nothing."""
    logits = np.random.default_rng(3).normal(size=(20, 24)).astype(np.float32)
    frame = Letterbox((36, 44), scale, scale, pad, pad)
    rows, columns = (np.arange(36) + 0.5) * scale + pad - 0.5, (np.arange(44) + 0.5) * scale + pad - 0.5
    maps = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    expected = cv2.remap(logits, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) > 0
    found = upsampled(logits, np.array([4.2, 5.0, 30.0, 33.5]), frame)
    assert found is not None
    inside = np.zeros((36, 44), bool)
    inside[5:34, 4:30] = expected[5:34, 4:30]
    assert (to_bits(found, (36, 44)) != inside).mean() < 0.003  # OpenCV's weights have 5 bits


@pytest.mark.parametrize("box", [(-9, 2, 0, 5), (40, 2, 50, 5), (5, 5, 5, 9), (5, 30, 9, 50)])
def test_a_box_beside_the_image_has_no_mask(box: tuple[float, ...]) -> None:
    assert upsampled(np.ones((8, 8), np.float32), np.array(box, float), Letterbox((30, 40))) is None


def test_a_mask_of_the_whole_image_is_where_it_is_above_nothing() -> None:
    logits = np.full((10, 12), -1.0, np.float32)
    assert upsampled_whole(logits, Letterbox((10, 12))) is None
    logits[4:6, 7:9] = 1.0
    found = upsampled_whole(logits, Letterbox((10, 12)))
    assert found is not None
    assert (found.x, found.y, found.bits.tolist()) == (7, 4, [[True, True], [True, True]])
    twice = upsampled_whole(logits, Letterbox((20, 24), 0.5, 0.5))
    everywhere = upsampled(logits, np.array([0, 0, 24, 20.0]), Letterbox((20, 24), 0.5, 0.5))
    assert twice == everywhere


# --- YOLO's own outputs ---------------------------------------------------------------------------------


class Given:
    """A network that gives what it was told to, for a frame of 64 by 64."""

    def __init__(self, *outputs: NDArray[np.float32], is_set: bool = False) -> None:
        self.facts: dict[str, Any] = {"names": NAMES, "side": 64, "stride": 32, "is_set": is_set}
        self.outputs = outputs
        self.frames: list[tuple[int, ...]] = []

    def __call__(self, frame: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.frames.append(frame.shape)
        return self.outputs


def anchors(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    """(1, 4 + classes + coefficients, N) of rows x0, y0, x1, y1, scores and coefficients."""
    return np.array(rows, np.float32).T[None]


IMAGE = np.zeros((128, 128, 3), np.uint8)


def told(found: tuple) -> list[tuple[str, float, float]]:
    return [(one.label, round(one.confidence, 4), one.shape.x0) for one in found]


def test_each_anchor_is_its_most_probable_class_and_when_judged_each_of_them() -> None:
    none = FLOOR / 2
    rows = anchors((20, 20, 28, 28, 0.6, 0.3), (36, 20, 52, 28, none, 0.9), (52, 20, 60, 28, none, FLOOR))
    network = Given(rows)
    assert told(RawYolo(network).detect(IMAGE)) == [("dog", 0.9, 72.0), ("cat", 0.6, 40.0)]
    # 16 grey pixels are around the image then
    judged = [("dog", 0.9, 40.0), ("cat", 0.6, 8.0), ("dog", 0.3, 8.0)]
    assert told(RawYolo(network).detect_as_evaluated(IMAGE)) == judged
    assert network.frames == [(1, 3, 64, 64), (1, 3, 96, 96)]


def test_a_model_of_a_set_gives_every_class_and_300_at_most() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 1, (400, 2))
    rows = anchors(*((n % 50, 0, n % 50 + 9, 9, *pair) for n, pair in enumerate(scores.tolist())))
    found = RawYolo(Given(rows, is_set=True)).detect(IMAGE)
    assert len(found) == 300
    expected = np.sort(scores.ravel())[::-1][:300]
    assert [one.confidence for one in found] == pytest.approx(expected.tolist(), rel=1e-5)


def test_masks_are_prototypes_weighted_and_inside_their_box() -> None:
    prototypes = np.full((1, 2, 16, 16), -1.0, np.float32)
    prototypes[0, 0, :, :8] = 1.0  # the left half
    prototypes[0, 1, 8:, :] = 1.0  # the lower half
    rows = anchors((0, 0, 64, 64, 0.9, 0, 1, 0), (0, 32, 64, 64, 0.8, 0, 0, 1), (0, 0, 16, 16, 0.7, 0, 0, 1))
    left, lower, nowhere = RawYolo(Given(rows, prototypes)).detect(IMAGE)
    assert isinstance(left.shape, Mask)
    assert isinstance(lower.shape, Mask)
    half = to_bits(left.shape, (128, 128))
    assert half[:, :62].all()
    assert not half[:, 66:].any()
    low = to_bits(lower.shape, (128, 128))
    assert low[66:].all()
    assert not low[:62].any()
    assert nowhere.shape == Box(0, 0, 32, 32)
