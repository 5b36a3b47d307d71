import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from pytestqt.qtbot import QtBot

from labeler.gui.canvas.layers.image_layer import ImageLayer, halved
from labeler.gui.canvas.layers.qimages import display_table, premultiplied
from labeler.gui.canvas.viewport import Viewport


def photo(height, width, seed=0):
    rgb = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    rgb.flags.writeable = False
    return rgb


def painted(layer, view, size=(120, 90)):
    image = QImage(*size, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    painter = QPainter(image)
    layer.paint(painter, view, (0, 0, *size), 1.0)
    painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(size[1], size[0], 4)
    return pixels[..., 2::-1].copy()


def test_the_image_is_shared_not_copied(qapp):
    layer, rgb = ImageLayer(), photo(300, 400)
    layer.set_pixels(rgb)
    shared = np.frombuffer(layer.image.constBits(), np.uint8)
    assert shared.__array_interface__["data"][0] == rgb.__array_interface__["data"][0]


def test_pixels_are_shown_as_they_are_at_100_percent(qapp):
    layer, rgb = ImageLayer(), photo(300, 400)
    layer.set_pixels(rgb)
    assert np.array_equal(painted(layer, Viewport(1.0, (-50.0, -20.0))), rgb[20:110, 50:170])


def test_pixels_are_crisp_squares_from_400_percent(qapp):
    layer, rgb = ImageLayer(), photo(300, 400)
    layer.set_pixels(rgb)
    shown = painted(layer, Viewport(10.0, (-100.0, -200.0)))
    assert np.array_equal(shown[5::10, 5::10], rgb[20:29, 10:22])
    assert np.array_equal(shown[1::10, 8::10], rgb[20:29, 10:22])


def test_panning_within_and_out_of_a_tile_shows_the_same_pixels(qapp):
    layer, rgb = ImageLayer(), photo(400, 500)
    layer.set_pixels(rgb)
    for x, y in ((100, 100), (110, 95), (130, 120), (300, 250), (0, 0), (379, 309)):
        shown = painted(layer, Viewport(1.0, (-float(x), -float(y))))
        assert np.array_equal(shown, rgb[y : y + 90, x : x + 120])


def test_the_pyramid_halves_by_averaging_and_comes_after_the_first_paint(qtbot: QtBot):
    layer, rgb = ImageLayer(), photo(1200, 1600)
    layer.set_pixels(rgb)
    with qtbot.waitSignal(layer.sharpened):
        painted(layer, Viewport(0.25))
    levels = halved(rgb)
    assert [level.shape[:2] for level in levels] == [(600, 800), (300, 400)]
    mean = rgb[:2, :2].reshape(4, 3).mean(0)
    assert np.abs(levels[0][0, 0, 2::-1] - mean).max() <= 1
    small = painted(layer, Viewport(0.25))
    blocks = rgb[:360, :480].reshape(90, 4, 120, 4, 3).mean((1, 3))
    assert np.abs(small - blocks).mean() < 1.5


def test_a_pyramid_of_an_image_that_is_gone_is_dropped(qtbot: QtBot):
    layer, first, second = ImageLayer(), photo(900, 900), photo(200, 200, seed=1)
    layer.set_pixels(first)
    levels = halved(first)
    layer.set_pixels(second)
    layer._take_levels(first, levels)
    assert np.array_equal(painted(layer, Viewport()), second[:90, :120])


def test_brightness_and_contrast_change_what_is_shown_only(qapp):
    layer, rgb = ImageLayer(), photo(300, 400)
    before = rgb.copy()
    layer.set_pixels(rgb)
    layer.set_tone(0.4, 0.2)
    assert np.array_equal(painted(layer, Viewport()), display_table(0.4, 0.2)[rgb[:90, :120]])
    assert layer.color_at(3, 2) == tuple(before[2, 3])
    layer.set_tone(0, 0)
    assert np.array_equal(painted(layer, Viewport()), before[:90, :120])


def test_the_display_table():
    assert np.array_equal(display_table(0, 0), np.arange(256))
    assert display_table(1, 0)[128:].min() == 255
    assert display_table(0, 1)[[0, 255]].tolist() == [0, 255]
    assert display_table(0, -1).max() - display_table(0, -1).min() == pytest.approx(64, abs=2)


def test_premultiplied_colours_are_in_the_order_of_memory():
    assert premultiplied((255, 100, 0), 0.5) == (0, 50, 128, 128)


def test_no_colour_outside(qapp):
    layer = ImageLayer()
    assert layer.color_at(0, 0) is None
    layer.set_pixels(photo(10, 20))
    assert layer.color_at(20, 0) is None
    assert layer.color_at(-1, 0) is None
