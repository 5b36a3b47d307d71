"""Strokes with a SAM tool in hand: what they mend, and what else may happen meanwhile."""

from contextlib import closing

import numpy as np
import pytest
from msgspec import structs
from PySide6.QtCore import Qt

from labeler.core.geometry import area
from labeler.core.records import Asked, Box, Candidate, Change, Mask
from labeler.gui.canvas.view import Canvas
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.decisions import Reviewing
from labeler.project.open_file import OpenFile
from labeler.project.store import Store

CTRL = Qt.KeyboardModifier.ControlModifier
RIGHT = Qt.MouseButton.RightButton


def mask(session, x, y, size=100):
    return session.edits.add(Mask(x, y, np.ones((size, size), bool)), by="test")


def now(session, made):
    return session.document.annotations[made.id]


def has(shape, x, y):
    rows, columns = y - shape.y, x - shape.x
    inside = 0 <= rows < shape.bits.shape[0] and 0 <= columns < shape.bits.shape[1]
    return bool(inside and shape.bits[rows, columns])


@pytest.fixture(params=["sam-point", "sam-box"])
def tool(request, canvas):
    canvas.hand.take(request.param)
    canvas.set_options(brush_size=20.0)
    return request.param


@pytest.fixture
def two(session, tool):
    """Two masks, left and right, neither selected."""
    made = mask(session, 100, 300), mask(session, 500, 300)
    session.focus.select([])
    return made


def test_a_stroke_adds_to_the_object_that_it_begins_on(hand, session, two):
    left, right = two
    hand.drag((150, 350), (250, 350), held=CTRL)
    assert has(now(session, left).shape, 245, 350)
    assert now(session, right).shape == right.shape
    assert session.focus.selection == {left.id}
    hand.drag((550, 350), (650, 350), held=CTRL)  # no matter which one is selected
    assert has(now(session, right).shape, 645, 350)
    session.history.undo()
    session.history.undo()
    assert [now(session, one).shape for one in two] == [left.shape, right.shape]
    assert len(session.document.annotations) == 2


def test_the_right_button_rubs_out_and_all_of_it_is_a_deletion(canvas, hand, session, two):
    left, _ = two
    hand.drag((110, 350), (190, 350), held=CTRL, button=RIGHT)
    assert not has(now(session, left).shape, 150, 350)
    assert area(now(session, left).shape) < area(left.shape)
    canvas.set_options(brush_size=400.0)
    hand.drag((150, 350), (160, 350), held=CTRL, button=RIGHT)
    assert left.id not in session.document.annotations


def test_where_two_lie_the_selected_one_is_meant_else_the_smaller(hand, session, tool):
    large, small = mask(session, 100, 100, 400), mask(session, 200, 200, 100)
    session.focus.select([])
    hand.drag((250, 250), (350, 250), held=CTRL, button=RIGHT)
    assert not has(now(session, small).shape, 270, 250)
    assert now(session, large).shape == large.shape
    session.focus.select([large.id])
    hand.drag((220, 210), (280, 210), held=CTRL, button=RIGHT)
    assert not has(now(session, large).shape, 250, 210)
    assert has(now(session, small).shape, 250, 210)


def test_beside_all_objects_nothing_is_painted_and_it_is_said(canvas, hand, session, two):
    told = []
    canvas.told.connect(told.append)
    hand.drag((700, 900), (750, 950), held=CTRL)
    assert [now(session, one).shape for one in two] == [one.shape for one in two]
    assert told == ["Nothing was painted: begin the stroke on the object that it is for."]


def test_locked_ones_are_not_painted_on(hand, session, two):
    category = session.focus.category
    locked = structs.replace(category, locked=True)
    session.edits.commit("Lock", [Change(category, locked)], by="test")
    hand.drag((150, 350), (250, 350), held=CTRL)
    assert now(session, two[0]).shape == two[0].shape


# --- a proposal -----------------------------------------------------------------------------------


@pytest.fixture
def proposed(canvas, hand, qtbot, tool):
    """A disc of radius 40 around (400, 500) is proposed."""
    hand.drag((350, 450), (450, 550))
    qtbot.waitUntil(lambda: canvas.prompt_desk.current is not None)
    return canvas.prompt_desk.current


def test_a_stroke_on_a_proposal_accepts_what_comes_of_it_in_one_step(canvas, hand, session, proposed):
    hand.drag((400, 500), (480, 500), held=CTRL)
    (made,) = session.document.annotations.values()
    assert has(made.shape, 475, 500)
    assert has(made.shape, 365, 500)
    assert not canvas.prompt_desk.pending
    # measured against what the model proposed, not against what the hand made of it
    assert session.document.candidates[made.prediction_id].shape == proposed.mask
    assert made.source == "model"
    session.history.undo()
    assert not session.document.annotations


def test_the_journal_keeps_what_a_proposal_was_asked_for_with(canvas, session, proposed, qtbot):
    def kept():
        with closing(Store(OpenFile.beside(session.project))) as store:
            return [one.asked for changes in store.history.past() for one in changes if one.asked]

    desk = canvas.prompt_desk
    box = desk.box
    desk.add_point(400.0, 500.0, positive=True)
    desk.remove_last()
    qtbot.waitUntil(lambda: not desk.waiting)
    desk.accept()
    qtbot.waitUntil(lambda: bool(kept()))
    assert kept() == [Asked(box=(box.x0, box.y0, box.x1, box.y1), taken_back=1, keys=1)]


def test_a_proposal_that_is_rubbed_out_is_dropped(canvas, hand, session, proposed):
    canvas.set_options(brush_size=300.0)
    hand.drag((400, 500), (410, 500), held=CTRL, button=RIGHT)
    assert not session.document.annotations
    assert not canvas.prompt_desk.pending


def test_escape_takes_the_stroke_back_and_leaves_the_proposal(canvas, hand, session, proposed):
    hand.press(400, 500, held=CTRL)
    hand.move(480, 500)
    hand.key(Qt.Key.Key_Escape)
    hand.release(480, 500, held=CTRL)
    assert not session.document.annotations
    assert canvas.prompt_desk.current is proposed


def test_before_the_model_has_answered_there_is_nothing_to_paint_on(canvas, hand, session, host, tool):
    host.answers = False
    told = []
    canvas.told.connect(told.append)
    hand.drag((350, 450), (450, 550))
    hand.drag((400, 500), (480, 500), held=CTRL)
    assert told == ["There is no mask to paint on yet; the model has not answered."]
    assert canvas.prompt_desk.pending
    assert not session.document.annotations


def test_a_proposal_that_goes_in_mid_stroke_takes_no_work_along(canvas, hand, session, proposed):
    hand.press(400, 500, held=CTRL)
    hand.move(480, 500)
    canvas.prompt_desk.drop()
    hand.release(480, 500, held=CTRL)
    (made,) = session.document.annotations.values()
    assert has(made.shape, 475, 500)


# --- a prediction ---------------------------------------------------------------------------------


@pytest.fixture
def canvas(qtbot, session, host):
    """As elsewhere, with a person's word on predictions at hand."""
    predictions = Predictions(session)
    reviewing = Reviewing(session, predictions)
    made = Canvas(session, host, predictions, take_over=reviewing.take_over)
    for part in (predictions, reviewing):
        part.setParent(made)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    qtbot.waitExposed(made)
    made.sight.fit()
    yield made
    made.hide()


def predicted_disc(image_id=1):
    return Candidate(0, image_id, 0, 1, Mask(300, 300, np.ones((80, 80), bool)), 0.9, "person")


def test_a_stroke_on_a_prediction_accepts_it(canvas, hand, session, predict, qtbot, tool):
    predict({1: [predicted_disc()]})
    qtbot.waitUntil(lambda: len(canvas.predictions.kept) == 1)
    hand.drag((340, 340), (420, 340), held=CTRL)
    (made,) = session.document.annotations.values()
    assert has(made.shape, 415, 340)
    assert session.document.candidates[made.prediction_id].shape == predicted_disc().shape
    session.history.undo()
    assert not session.document.annotations


def test_a_stroke_on_a_prediction_that_is_taken_back_accepts_nothing(
    canvas, hand, session, predict, qtbot, tool
):
    predict({1: [predicted_disc()]})
    qtbot.waitUntil(lambda: len(canvas.predictions.kept) == 1)
    hand.press(340, 340, held=CTRL)
    hand.move(420, 340)
    hand.key(Qt.Key.Key_Escape)
    hand.release(420, 340, held=CTRL)
    assert not session.document.annotations
    assert [one.verdict for one in session.document.candidates.values()] == [""]


def test_a_prediction_that_is_accepted_in_mid_stroke_is_painted_on_and_there_once(
    canvas, hand, session, predict, qtbot, tool
):
    predict({1: [predicted_disc()]})
    qtbot.waitUntil(lambda: len(canvas.predictions.kept) == 1)
    hand.press(340, 340, held=CTRL)
    hand.move(420, 340)
    canvas.findChild(Reviewing).accept(list(session.document.candidates))
    hand.release(420, 340, held=CTRL)
    (made,) = session.document.annotations.values()
    assert has(made.shape, 415, 340)


def test_a_prediction_that_is_rubbed_out_wholly_is_not_accepted(canvas, hand, session, predict, qtbot, tool):
    told = []
    canvas.told.connect(told.append)
    canvas.set_options(brush_size=400.0)
    predict({1: [predicted_disc()]})
    qtbot.waitUntil(lambda: len(canvas.predictions.kept) == 1)
    hand.drag((340, 340), (345, 340), held=CTRL, button=RIGHT)
    assert not session.document.annotations
    assert told == ["Nothing was accepted: all of the prediction was rubbed out."]


# --- two things at once ---------------------------------------------------------------------------


def test_undo_in_mid_stroke_takes_the_stroke_back_and_nothing_else(canvas, hand, session, two):
    left, _ = two
    hand.press(150, 350, held=CTRL)
    hand.move(250, 350)
    assert canvas.progress.take_back()
    hand.release(250, 350, held=CTRL)
    assert now(session, left).shape == left.shape
    assert len(session.document.annotations) == 2


def test_another_image_comes_when_the_stroke_has_ended(canvas, hand, session, two, qtbot):
    left, _ = two
    hand.press(150, 350, held=CTRL)
    hand.move(250, 350)
    session.place.step(1)
    hand.release(250, 350, held=CTRL)
    qtbot.waitUntil(lambda: session.saved == "saved")
    stored = []
    session.ask(lambda store: store.annotations(left.image_id), stored.extend)
    qtbot.waitUntil(lambda: len(stored) == 2)
    assert session.place.image.id == left.image_id
    assert has(next(one.shape for one in stored if one.id == left.id), 245, 350)


def test_predictions_that_are_stored_in_mid_stroke_change_nothing_of_it(
    canvas, hand, session, predict, two, qtbot
):
    left, _ = two
    hand.press(150, 350, held=CTRL)
    hand.move(200, 350)
    predict({1: [Candidate(0, 1, 0, 1, Box(600.0, 700.0, 700.0, 800.0), 0.9, "person")]})
    qtbot.waitUntil(lambda: len(canvas.predictions.candidates) == 1)
    hand.move(250, 350)
    hand.release(250, 350, held=CTRL)
    assert has(now(session, left).shape, 245, 350)
