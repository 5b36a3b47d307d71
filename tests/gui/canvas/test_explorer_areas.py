"""The coloured areas of two compared objects."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter

from labeler.core.records import Box, Mask, Part, Polygons
from labeler.gui.canvas.areas import Areas
from labeler.gui.canvas.viewport import Viewport
from labeler.gui.toolkit import theme


def painted(a, b, view=Viewport(), size=(100, 80)):  # noqa: B008 - frozen
    image = QImage(*size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    Areas().paint(painter, (a, b), view, size, 1.0)
    painter.end()
    return image


def hue_at(image, x, y):
    return image.pixelColor(x, y).name() if image.pixelColor(x, y).alpha() else ""


A = Box(10, 10, 50, 50)
SHAPES = [
    Box(30, 30, 70, 70),
    Mask(30, 30, np.ones((40, 40), dtype=bool)),
    Polygons((Part(np.array([(30.0, 30.0), (70, 30), (70, 70), (30, 70)])),)),
]


def close(name, wanted):
    """Whether two "#rrggbb" are the same but for what premultiplying rounds away."""
    pairs = zip(bytes.fromhex(name[1:]), bytes.fromhex(wanted[1:]), strict=True)
    return all(abs(one - other) <= 2 for one, other in pairs)


@pytest.mark.parametrize("other", SHAPES)
def test_each_area_has_its_colour(qapp, other):
    image = painted(A, other)
    for (x, y), color in (((20, 20), theme.ONLY_A), ((60, 60), theme.ONLY_B), ((40, 40), theme.BOTH)):
        assert close(hue_at(image, x, y), color)
    assert hue_at(image, 20, 60) == ""


def test_the_areas_follow_the_view_and_end_at_its_edge(qapp):
    image = painted(A, SHAPES[0], Viewport(2.0, (-60.0, -60.0)))
    assert close(hue_at(image, 15, 15), theme.BOTH)
    assert close(hue_at(image, 60, 60), theme.ONLY_B)
    nothing = QImage(100, 80, QImage.Format.Format_ARGB32_Premultiplied)
    nothing.fill(Qt.GlobalColor.transparent)
    assert painted(A, SHAPES[0], Viewport(1.0, (500.0, 0.0))) == nothing


def test_the_canvas_shows_them_while_somebody_looks(canvas, hand, session):
    one = session.edits.add(Box(100, 100, 300, 300), by="test")
    two = session.edits.add(Box(200, 200, 400, 400), by="test")
    session.focus.select([one.id, two.id])
    before = canvas.grab().toImage()
    canvas.comparison.watch(True)
    compared = canvas.grab().toImage()
    spot = hand.at(250, 250)
    assert compared != before
    now, then = compared.pixelColor(spot), before.pixelColor(spot)
    assert now.green() - now.blue() > then.green() - then.blue() + 20
    canvas.comparison.watch(False)
    assert canvas.grab().toImage() == before


def test_one_of_the_two_is_dragged_against_the_other(canvas, hand, session):
    one = session.edits.add(Box(100, 100, 300, 300), by="test")
    two = session.edits.add(Box(200, 200, 400, 400), by="test")
    comparison = canvas.comparison
    comparison.watch(True)
    hand.click(150, 150)
    hand.click(350, 350, held=Qt.KeyboardModifier.ShiftModifier)
    assert session.focus.selection == {one.id, two.id}
    hand.click(150, 150)
    assert session.focus.selection == {one.id}
    seen = []

    def see():
        seen.append(comparison.measure().overlap.intersection)

    comparison.changed.connect(see)
    hand.drag((150, 150), (250, 250), steps=5)
    comparison.changed.disconnect(see)
    assert seen[-1] == pytest.approx(200 * 200, rel=0.05)
    assert seen == sorted(seen)
    assert len(seen) >= 5
