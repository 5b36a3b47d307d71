"""Overlaps: the worked numbers, pycocotools as oracle, and properties."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from labeler.core import geometry
from labeler.core.measures import overlap
from labeler.core.measures.overlap import Overlap
from labeler.core.records import Box, Mask, Part, Polygons

corner = st.integers(0, 50)
boxes = st.tuples(corner, corner, corner, corner).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]) + 1, max(c[1], c[3]) + 1)
)
box_arrays = st.lists(boxes, min_size=1, max_size=8).map(lambda rows: np.array(rows, dtype=np.float64))
SIZE = (30, 34)
masks = st.builds(
    Mask,
    st.integers(0, 20),
    st.integers(0, 16),
    arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))),
)


def test_iou_of_the_first_worked_pair():
    pair = overlap.box_overlap(Box(30, 30, 100, 100), Box(50, 50, 120, 120))
    assert (pair.intersection, pair.union) == (2500, 7300)
    assert round(pair.iou, 3) == 0.342


def test_iou_of_the_second_worked_pair():
    pair = overlap.box_overlap(Box(50, 50, 150, 150), Box(100, 100, 200, 200))
    assert (pair.intersection, pair.union) == (2500, 17500)
    assert round(pair.iou, 3) == 0.143


def test_iou_of_an_intersection_of_7000_on_a_union_of_25400():
    pair = Overlap(7000, 20000, 12400)
    assert pair.union == 25400
    assert round(pair.iou, 2) == 0.28


def test_empty_shapes_have_no_overlap():
    nothing = Mask(0, 0, np.zeros((0, 0), dtype=bool))
    assert overlap.mask_overlap(nothing, nothing) == Overlap(0, 0, 0)
    assert (Overlap(0, 0, 0).iou, Overlap(0, 0, 0).dice) == (0.0, 0.0)
    assert overlap.boundary_iou(nothing, nothing, image_size=(10, 10)) == 0.0


@given(box_arrays, box_arrays)
def test_box_iou_is_what_pycocotools_gives(a, b):
    expected = coco.iou(geometry.xyxy_to_xywh(a), geometry.xyxy_to_xywh(b), [0] * len(b))
    assert np.allclose(overlap.box_iou(a, b), expected, atol=1e-12)


@given(box_arrays, box_arrays)
def test_box_matrices_agree_with_pairs(a, b):
    iou, shared = overlap.box_iou(a, b), overlap.box_intersection(a, b)
    for row, first in enumerate(a):
        for column, second in enumerate(b):
            pair = overlap.box_overlap(Box(*first), Box(*second))
            assert (shared[row, column], iou[row, column]) == (pair.intersection, pair.iou)


@given(box_arrays)
def test_box_iou_is_symmetric_and_1_with_itself(a):
    iou = overlap.box_iou(a, a)
    assert np.array_equal(iou, iou.T)
    assert (np.diag(iou) == 1).all()


def test_boxes_without_area_have_iou_0():
    assert overlap.box_iou([(3, 3, 3, 3)], [(3, 3, 3, 3)]).tolist() == [[0.0]]
    assert overlap.box_iou([], [(0, 0, 1, 1)]).shape == (0, 1)


def test_boxes_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"a must have the shape \(N, 4\)"):
        overlap.box_iou([(1, 2, 3)], [(1, 2, 3, 4)])


@given(st.lists(masks, min_size=1, max_size=4), st.lists(masks, min_size=1, max_size=4))
def test_mask_iou_is_what_pycocotools_gives(a, b):
    runs = [
        [coco.encode(np.asfortranarray(geometry.to_bits(mask, SIZE).astype(np.uint8))) for mask in side]
        for side in (a, b)
    ]
    expected = np.nan_to_num(coco.iou(*runs, [0] * len(b)))
    assert np.allclose(overlap.mask_iou(a, b), expected, atol=1e-12)


@given(masks, masks)
def test_mask_overlap_counts_whole_images(a, b):
    whole_a, whole_b = geometry.to_bits(a, SIZE), geometry.to_bits(b, SIZE)
    pair = overlap.mask_overlap(a, b)
    assert pair == Overlap((whole_a & whole_b).sum(), whole_a.sum(), whole_b.sum())
    assert 0 <= pair.iou <= pair.dice <= 1
    assert pair.dice == pytest.approx(2 * pair.iou / (1 + pair.iou))


@given(arrays(np.bool_, SIZE), arrays(np.bool_, SIZE), st.data())
def test_dabs_keep_the_overlap_exact(painted, reference, data):
    b = Mask(0, 0, reference)
    current = overlap.mask_overlap(Mask(0, 0, painted), b)
    for _ in range(4):
        x, y = data.draw(st.integers(0, 33)), data.draw(st.integers(0, 29))
        window = np.s_[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5]
        before = painted[window].copy()
        painted[window] = data.draw(st.booleans())
        current = overlap.updated(current, before=before, after=painted[window], reference=reference[window])
        assert current == overlap.mask_overlap(Mask(0, 0, painted), b)


def test_a_dab_of_unlike_rectangles_is_refused():
    one, other = np.zeros((3, 3), dtype=bool), np.zeros((3, 4), dtype=bool)
    with pytest.raises(ValueError, match="differ in shape"):
        overlap.updated(Overlap(0, 0, 0), before=one, after=one, reference=other)


def eroded_boundary_iou(a, b, dilation):
    """The paper's own way: the mask less its erosion, d steps by a 3 by 3 square, in a border of 0."""
    height, width = a.shape
    steps = max(1, round(dilation * np.sqrt(height**2 + width**2)))
    rims = []
    for bits in (a, b):
        padded = np.pad(bits.astype(np.uint8), 1)
        eroded = cv2.erode(padded, np.ones((3, 3), dtype=np.uint8), iterations=steps)
        rims.append((padded - eroded)[1:-1, 1:-1].astype(bool))
    union = (rims[0] | rims[1]).sum()
    return (rims[0] & rims[1]).sum() / union if union else 0.0


@given(masks, masks, st.sampled_from([0.005, 0.02, 0.08, 0.3]))
def test_boundary_iou_equals_the_erosion_exactly(a, b, dilation):
    expected = eroded_boundary_iou(geometry.to_bits(a, SIZE), geometry.to_bits(b, SIZE), dilation)
    assert overlap.boundary_iou(a, b, image_size=SIZE, dilation=dilation) == expected


def test_boundary_iou_of_large_masks_that_touch_the_border_equals_the_erosion_exactly():
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:300, :420]
    a = (x < 260) & (y < 210) | (rng.random((300, 420)) < 0.002)
    b = np.hypot(x - 120, y - 110) < 130
    expected = eroded_boundary_iou(a, b, 0.02)
    got = overlap.boundary_iou(Mask(0, 0, a), geometry.from_bits(b), image_size=(300, 420))
    assert 0 < expected < 1
    assert got == expected


def test_boundary_iou_feels_what_iou_does_not():
    y, x = np.mgrid[:400, :400]
    a, b = (Mask(0, 0, np.hypot(x - 200, y - 200) < radius) for radius in (180, 172))
    assert overlap.mask_overlap(a, b).iou > 0.9
    assert overlap.boundary_iou(a, b, image_size=(400, 400)) < 0.3


def test_two_boxes_are_compared_exactly():
    a, b = Box(0.25, 0, 1.25, 1), Box(0.75, 0, 1.75, 1)
    assert overlap.shape_overlap(a, b, size=(10, 10)) == Overlap(0.5, 1, 1)


def test_a_box_and_a_polygon_are_compared_as_pixels():
    ring = np.array([(2.0, 2.0), (6.0, 2.0), (6.0, 6.0), (2.0, 6.0)])
    pair = overlap.shape_overlap(Box(4, 2, 9, 6), Polygons((Part(ring),)), size=(10, 8))
    assert pair == Overlap(8, 16, 16)


def test_agreement_of_boxes_has_no_boundary():
    agreement = overlap.agreement(Box(30, 30, 100, 100), Box(50, 50, 120, 120), size=(200, 200))
    assert agreement.boundary is None
    assert agreement.iou == 2500 / 7300


@given(masks, masks)
def test_agreement_holds_the_three_measures(a, b):
    agreement = overlap.agreement(a, b, size=SIZE)
    pair = overlap.mask_overlap(a, b)
    assert (agreement.iou, agreement.dice) == (pair.iou, pair.dice)
    assert agreement.boundary == overlap.boundary_iou(a, b, image_size=SIZE)
    assert overlap.agreement(a, b, size=SIZE, boundary=False).boundary is None
