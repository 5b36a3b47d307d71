import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.gui.canvas.viewport import Viewport, clipped, fitted, united

scales = st.floats(0.01, 60)
places = st.floats(-2000, 2000)


@given(scales, places, places, places, places)
def test_image_and_screen_are_each_others_inverse(scale, x, y, ox, oy):
    view = Viewport(scale, (ox, oy))
    assert view.point_in_image(*view.point_on_screen(x, y)) == pytest.approx((x, y), abs=1e-6)
    points = np.array([(x, y), (y, x)])
    assert np.allclose(view.to_image(view.to_screen(points)), points, atol=1e-6)
    assert np.allclose(view.to_screen(points)[0], view.point_on_screen(x, y))


@given(scales, places, places, st.floats(0.2, 5), places, places)
def test_zooming_keeps_the_image_point_under_the_pointer(scale, ox, oy, factor, sx, sy):
    view = Viewport(scale, (ox, oy))
    zoomed = view.zoomed(factor, at=(sx, sy))
    assert zoomed.point_on_screen(*view.point_in_image(sx, sy)) == pytest.approx((sx, sy), abs=1e-4)
    assert 0.005 <= zoomed.scale <= 64


def test_fitting_puts_the_whole_image_in_the_middle():
    view = fitted((4000, 1000), (1000, 700), margin=10)
    assert view.scale == pytest.approx(0.245)
    assert view.point_on_screen(2000, 500) == pytest.approx((500, 350))
    assert view.extent((0, 0, 1000, 700))[0] < 0 < 4000 < view.extent((0, 0, 1000, 700))[2]


def test_a_tiny_image_is_not_blown_up_past_four_times():
    assert fitted((10, 10), (1000, 700)).scale == 4


def test_the_image_cannot_be_lost_out_of_sight():
    image, room = (800, 600), (1000, 700)
    far = Viewport(1.0, (5000, -9000)).within_reach(image, room)
    assert far.offset == (1000 - 48, 48 - 600)
    assert Viewport(1.0, (10, 20)).within_reach(image, room) == Viewport(1.0, (10, 20))


def test_device_pixels_and_snapping():
    view = Viewport(0.5, (10.3, 20.6))
    assert view.magnified(2) == Viewport(1.0, (20.6, 41.2))
    assert view.snapped(2).offset == (10.5, 20.5)


def test_rectangles():
    assert united(None, (1, 2, 3, 4)) == (1, 2, 3, 4)
    assert united((0, 5, 2, 6), (1, 2, 3, 4)) == (0, 2, 3, 6)
    assert clipped((-5, 2, 50, 9), (10, 8)) == (0, 2, 10, 8)
    assert clipped((-5, 2, 0, 9), (10, 8)) is None
