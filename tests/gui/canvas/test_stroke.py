import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtGui import QImage, QPainter

from labeler.core.measures.overlap import mask_overlap
from labeler.core.records import Mask
from labeler.gui.canvas.layers.stroke_picture import StrokePicture
from labeler.gui.canvas.stroke import Stroke
from labeler.gui.canvas.viewport import Viewport

places = st.tuples(st.floats(-20, 140), st.floats(-20, 120))
dabs = st.lists(st.tuples(places, places, st.floats(1, 40), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(dabs)
def test_the_overlap_kept_dab_by_dab_is_that_of_the_whole_masks(strokes):
    reference = Mask(30, 20, np.ones((50, 60), bool))
    stroke = Stroke(size=(100, 120), start=Mask(50, 40, np.ones((30, 30), bool)), reference=reference)
    for a, b, diameter, value in strokes:
        stroke.dab(a, b, diameter=diameter, value=value)
        whole = Mask(0, 0, stroke.bits)
        assert stroke.overlap == mask_overlap(whole, reference)
        drafted = np.zeros_like(stroke.bits)
        draft = stroke.draft
        drafted[draft.y : draft.y + draft.height, draft.x : draft.x + draft.width] = draft.bits
        assert np.array_equal(drafted, stroke.bits)


@pytest.mark.parametrize("diameter", [1, 2, 7, 24.0, 101])
def test_a_dab_is_a_disc_of_its_diameter(diameter):
    stroke = Stroke(size=(200, 200), start=None, reference=None)
    stroke.dab((100, 100), (100, 100), diameter=diameter, value=True)
    ys, xs = np.mgrid[:200, :200] + 0.5
    distance = np.hypot(xs - 100, ys - 100)
    assert stroke.bits[distance < diameter / 2 - 1].all()
    assert not stroke.bits[distance > diameter / 2 + 1.2].any()


def test_a_fast_stroke_has_no_gaps_and_erasing_takes_it_all_away():
    stroke = Stroke(size=(100, 300), start=None, reference=None)
    stroke.dab((20, 50), (280, 60), diameter=20, value=True)
    assert stroke.bits[:, 20:280].any(0).all()
    stroke.dab((20, 50), (280, 60), diameter=30, value=False)
    assert stroke.finished().bits.shape == (0, 0)


def test_a_finished_mask_is_tight_and_its_own():
    stroke = Stroke(size=(100, 100), start=Mask(10, 10, np.ones((5, 5), bool)), reference=None)
    made = stroke.finished()
    stroke.dab((12, 12), (12, 12), diameter=9, value=False)
    assert (made.x, made.y, made.bits.all(), made.bits.shape) == (10, 10, True, (5, 5))


@pytest.mark.parametrize("view", [Viewport(0.6, (5.0, 3.0)), Viewport(1.0), Viewport(3.7, (-80.0, -60.0))])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_the_picture_after_dabs_is_that_of_the_mask_drawn_anew(qapp, view, ratio):
    stroke = Stroke(size=(100, 120), start=Mask(30, 20, np.ones((50, 60), bool)), reference=None)
    picture, size = StrokePicture(stroke.bits, (255, 0, 0)), (150, 100)

    def shown(which):
        image = QImage(round(150 * ratio), round(100 * ratio), QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(0)
        painter = QPainter(image)
        which.paint(painter, view, size, ratio)
        painter.end()
        return image

    shown(picture)
    for a, b, value in (((40, 30), (70, 60), False), ((90, 90), (119, 99), True), ((0, 0), (5, 5), True)):
        picture.touch(stroke.dab(a, b, diameter=14, value=value))
    assert shown(picture) == shown(StrokePicture(stroke.bits, (255, 0, 0)))
