import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from labeler.core.records import Box, Mask, Part, Polygons
from labeler.gui.canvas.layers.outlines import EXACT, NEAR, level_for, mask_rings, rings


def area_inside(found, size, scale=8):
    """Pixels inside the rings by the even-odd rule, in image pixels."""
    canvas = np.zeros((size[0] * scale, size[1] * scale), np.uint8)
    cv2.fillPoly(canvas, [np.rint((ring * scale - 0.5) * 16).astype(np.int32) for ring in found], 1, 8, 4)
    return canvas.sum() / scale**2


def test_levels():
    assert [level_for(s) for s in (8, 4, 2, 1, 0.7, 0.5, 0.24, 0.1)] == [
        *(EXACT, EXACT, NEAR, NEAR),
        *(0, 1, 2, 3),
    ]


def test_a_single_pixel_is_outlined_along_its_edges():
    (ring,) = mask_rings(Mask(5, 7, np.ones((1, 1), bool)), EXACT)
    assert (ring.min(0).tolist(), ring.max(0).tolist()) == ([5, 7], [6, 8])


def test_a_hole_is_outlined_too():
    bits = np.ones((9, 9), bool)
    bits[3:6, 3:6] = False
    found = mask_rings(Mask(10, 20, bits), EXACT)
    assert len(found) == 2
    # OpenCV fills the edge itself too
    assert area_inside(found, (40, 40)) == pytest.approx(72, abs=5)


@settings(max_examples=30, deadline=None)
@given(arrays(bool, (12, 12)))
def test_exact_rings_hold_every_pixel_centre_of_the_mask(bits):
    found = mask_rings(Mask(0, 0, bits), EXACT)
    counts = np.zeros((12, 12), int)
    for ring in found:
        one = np.zeros((12 * 4, 12 * 4), np.uint8)
        cv2.fillPoly(one, [np.rint(ring * 4).astype(np.int32)], 1)
        counts += one[2::4, 2::4]
    # even-odd: outer rings count once, holes once more (they are drawn along their neighbours' edges)
    assert (counts[bits] >= 1).all()


@pytest.mark.parametrize("level", [NEAR, 0, 1, 2, 3])
def test_coarser_outlines_keep_the_shape(level):
    ys, xs = np.mgrid[:200, :200]
    bits = (xs - 100) ** 2 + (ys - 90) ** 2 < 70**2
    (ring,) = mask_rings(Mask(30, 40, bits), level)
    off = np.abs(np.hypot(*(ring - (130.5, 130.5)).T) - 70)
    assert off.max() <= 1.5 * 2.0 ** max(level, 0)


def test_boxes_and_polygons_stay_themselves_from_near():
    assert rings(Box(1, 2, 3, 4), 3)[0].tolist() == [[1, 2], [3, 2], [3, 4], [1, 4]]
    outer, hole = np.random.default_rng(0).random((30, 2)) * 9, np.array([(1, 1), (2, 1), (2, 2.0)])
    found = rings(Polygons((Part(outer, (hole,)),)), NEAR)
    assert np.array_equal(found[0], outer.astype(np.float32))
    assert np.array_equal(found[1], hole.astype(np.float32))


def test_an_outline_seen_from_afar_has_fewer_points():
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1) * 50 + 100
    (ring,) = rings(Polygons((Part(circle),)), 3)
    assert len(ring) < 40
    assert np.abs(np.hypot(*(ring - 100).T) - 50).max() < 1


def test_an_empty_mask_has_no_outline():
    assert mask_rings(Mask(0, 0, np.zeros((0, 0), bool)), 0) == []
