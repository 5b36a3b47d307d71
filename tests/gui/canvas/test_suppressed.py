"""What the canvas shows of predictions that are kept, suppressed, hovered, selected and walked through."""

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from labeler.core.records import Box, Candidate, Change, Mask
from labeler.gui.canvas.layers.raster import dash_box

SHIFT, ALT = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier


def candidate(box, confidence):
    return Candidate(0, 1, 0, 1, Box(*map(float, box)), confidence, "person")


@pytest.fixture
def predicted(canvas, predict, qtbot):
    """A kept box with one that it suppresses, another kept one, and one under the threshold."""
    predict(
        {
            1: [
                candidate((100, 100, 300, 500), 0.9),
                candidate((120, 120, 320, 520), 0.8),
                candidate((500, 100, 700, 500), 0.6),
                candidate((500, 700, 700, 900), 0.1),
            ]
        }
    )
    qtbot.waitUntil(lambda: len(canvas.predictions.candidates) == 4)
    return canvas.predictions


def key_of(predictions, confidence):
    return next(key for key, one in predictions.candidates.items() if one.confidence == confidence)


def image_of(canvas):
    return canvas.grab().toImage()


def pixels_along(canvas, hand, foot, x0, x1):
    """The colours of the canvas along the lower edge of a box of the photo, (N, 3)."""
    image = image_of(canvas)
    start, end = hand.at(x0, foot), hand.at(x1, foot)
    row = range(start.x(), end.x())
    return np.array([image.pixelColor(x, start.y() - 1).getRgb()[:3] for x in row])


def test_kept_ones_are_dashed_and_suppressed_ones_dotted_and_faint(canvas, hand, predicted, session):
    canvas.set_options(tags=False)
    predicted.set_faint("none")
    plain = pixels_along(canvas, hand, 520, 130, 290)
    predicted.set_faint("suppressed")
    dotted = (np.abs(pixels_along(canvas, hand, 520, 130, 290) - plain).max(axis=1) > 10).astype(int)
    assert 0.15 < dotted.mean() < 0.45
    session.measure.choose_model(None)
    bare = pixels_along(canvas, hand, 500, 505, 690)
    session.measure.choose_model(session.document.models[-1])
    dashed = np.abs(pixels_along(canvas, hand, 500, 505, 690) - bare).max(axis=1) > 40
    assert 0.5 < dashed.mean() < 0.8


def test_what_is_under_the_threshold_is_shown_when_asked_for(canvas, predicted):
    before = image_of(canvas)
    predicted.set_faint("all")
    everything = image_of(canvas)
    assert everything != before
    predicted.set_faint("none")
    assert image_of(canvas) not in (before, everything)


def test_the_picture_follows_the_slider(canvas, predicted):
    before = image_of(canvas)
    predicted.set_filter(confidence=0.7)
    assert image_of(canvas) != before
    predicted.set_filter(confidence=0.25)
    assert image_of(canvas) == before


def test_predictions_can_be_switched_off(canvas, predicted, session):
    shown = image_of(canvas)
    canvas.set_options(predictions=False)
    hidden = image_of(canvas)
    session.measure.choose_model(None)
    assert hidden == image_of(canvas) != shown


def test_hovering_a_suppressed_one_draws_a_line_to_the_one_that_suppressed_it(canvas, hand, predicted):
    hand.move(600, 620)
    before = image_of(canvas)
    hand.move(310, 400)
    assert predicted.hovered == key_of(predicted, 0.8)
    assert image_of(canvas) != before
    tags = [tag.text for tag, _ in canvas.picture._reasons._tags()]
    assert tags == ["person 0.80 · IoU 0.75 with 0.90"]
    hand.move(600, 620)
    assert predicted.hovered is None
    assert image_of(canvas) == before


def test_the_nearest_edge_decides_which_suppressed_one_is_meant(canvas, hand, predict, qtbot):
    predict(
        {
            1: [
                candidate((100, 100, 300, 500), 0.9),
                candidate((110, 110, 310, 510), 0.8),
                candidate((100, 100, 300, 460), 0.7),
            ]
        },
        model="nested",
    )
    predictions = canvas.predictions
    qtbot.waitUntil(lambda: len(predictions.filtered.suppressed) == 2)
    hand.move(200, 455)
    assert predictions.candidates[predictions.hovered].confidence == 0.7
    hand.move(200, 505)
    assert predictions.candidates[predictions.hovered].confidence == 0.8


def test_a_click_selects_a_prediction_and_a_click_beside_it_lets_go(canvas, hand, predicted, session):
    before = image_of(canvas)
    hand.click(600, 300)
    assert predicted.selection == {key_of(predicted, 0.6)}
    assert image_of(canvas) != before
    hand.click(200, 300)
    assert predicted.selection == {key_of(predicted, 0.9)}
    hand.click(600, 300, held=SHIFT)
    assert len(predicted.selection) == 2
    hand.click(420, 650)
    assert predicted.selection == frozenset()
    hand.click(600, 300)
    hand.key(Qt.Key.Key_Escape)
    assert predicted.selection == frozenset()


def test_an_annotation_over_a_prediction_comes_first_and_alt_reaches_below(canvas, hand, predicted, session):
    made = session.edits.add(Box(520, 120, 680, 480), by="test")
    session.focus.select([])
    hand.click(600, 300)
    assert (session.focus.selection, predicted.selection) == ({made.id}, frozenset())
    hand.click(600, 300, held=ALT)
    assert (session.focus.selection, predicted.selection) == (frozenset(), {key_of(predicted, 0.6)})
    hand.click(600, 300, held=ALT)
    assert (session.focus.selection, predicted.selection) == ({made.id}, frozenset())
    hand.click(600, 300, held=ALT | SHIFT)
    assert (session.focus.selection, predicted.selection) == ({made.id}, {key_of(predicted, 0.6)})


def test_a_band_over_predictions_still_selects_annotations(canvas, hand, predicted, session):
    made = session.edits.add(Box(520, 560, 680, 640), by="test")
    session.focus.select([])
    hand.click(600, 300)
    hand.drag((480, 520), (720, 680))
    assert (session.focus.selection, predicted.selection) == ({made.id}, frozenset())


def test_what_is_accepted_or_rejected_goes_from_the_canvas(canvas, hand, predicted, session):
    one = predicted.candidates[key_of(predicted, 0.6)]
    before = image_of(canvas)
    session.edits.commit("Reject", [Change(one, replace(one, verdict="rejected"))], by="test")
    assert image_of(canvas) != before
    hand.click(600, 300)
    assert predicted.selection == frozenset()


def test_the_step_mode_shows_each_step_and_escape_ends_it(canvas, hand, predicted):
    shown = [image_of(canvas)]
    predicted.start_walk()
    for _ in range(3):
        shown.append(image_of(canvas))
        predicted.step_walk(1)
    assert all(one != other for at, one in enumerate(shown) for other in shown[:at])
    predicted.step_walk(-1)
    texts = [tag.text for tag, _ in canvas.picture._reasons._tags()]
    assert texts == ["1 · person 0.90", "IoU 0.75"]
    hand.key(Qt.Key.Key_Escape)
    assert predicted.walk is None
    assert image_of(canvas) == shown[0]


def test_masks_are_shown_and_picked_by_their_pixels(canvas, hand, predict, qtbot):
    bits = np.zeros((200, 200), dtype=bool)
    bits[:, :80] = True
    made = replace(candidate((0, 0, 1, 1), 0.9), shape=Mask(400, 400, bits))
    before = image_of(canvas)
    predict({1: [made]}, model="segmenter")
    predictions = canvas.predictions
    qtbot.waitUntil(lambda: len(predictions.candidates) == 1)
    assert image_of(canvas) != before
    hand.click(440, 500)
    assert len(predictions.selection) == 1
    hand.click(540, 500)
    assert predictions.selection == frozenset()


@pytest.mark.parametrize("box", [(3, 4, 40, 30), (-13, -9, 40, 30), (20, 10, 90, 70), (-50, -50, 200, 200)])
def test_the_dashes_of_a_box_lie_on_one_grid_however_it_is_clipped(box):
    far = 60
    whole = np.zeros((200 + 2 * far, 200 + 2 * far), dtype=np.uint32)
    moved = [value + far for value in box]
    dash_box(whole, moved, 7, 2, on=2, off=5)
    part = np.zeros((50, 60), dtype=np.uint32)
    dash_box(part, box, 7, 2, on=2, off=5)
    assert np.array_equal(part, whole[far : far + 50, far : far + 60])
