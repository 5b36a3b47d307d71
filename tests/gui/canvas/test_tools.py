"""The tools, driven by a mouse on the real widget and seen in the real session."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labeler.core.geometry import rasterise
from labeler.core.measures.overlap import mask_overlap
from labeler.core.records import Box, Change, Mask, Part, Polygons

CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)
RIGHT = Qt.MouseButton.RightButton
SQUARE = np.array([(200, 200), (400, 200), (400, 400), (200, 400)], dtype=float)


def near(shape, *corners, by=2.0):
    return np.allclose((shape.x0, shape.y0, shape.x1, shape.y1), corners, atol=by)


def only(session):
    (found,) = session.document.annotations.values()
    return found


def polygon(session, ring=SQUARE):
    return session.edits.add(Polygons((Part(ring),)), by="test")


def mask(session, x=300, y=300, size=100):
    return session.edits.add(Mask(x, y, np.ones((size, size), bool)), by="test")


# --- box ------------------------------------------------------------------------------------------


def test_a_drag_draws_a_box_which_is_selected(canvas, hand, session):
    canvas.hand.take("box")
    hand.drag((100, 200), (300, 500))
    assert near(only(session).shape, 100, 200, 300, 500)
    assert session.focus.selection == {only(session).id}


def test_a_box_ends_at_the_image_and_a_slip_of_the_hand_draws_none(canvas, hand, session):
    canvas.hand.take("box")
    hand.click(100, 100)
    assert not session.document.annotations
    hand.drag((700, 900), (900, 1300))
    assert near(only(session).shape, 700, 900, 810, 1080)


def test_escape_in_the_middle_of_a_drag_draws_nothing(canvas, hand, session):
    canvas.hand.take("box")
    hand.press(100, 100)
    hand.move(300, 300)
    hand.key(Qt.Key.Key_Escape)
    hand.release(300, 300)
    assert not session.document.annotations


# --- select ---------------------------------------------------------------------------------------


def test_a_click_picks_the_smallest_and_alt_goes_through_what_lies_below(canvas, hand, session):
    large = session.edits.add(Box(100, 100, 600, 600), by="test")
    small = session.edits.add(Box(200, 200, 400, 400), by="test")
    session.focus.select([])
    hand.click(300, 300)
    assert session.focus.selection == {small.id}
    hand.click(300, 300, held=ALT)
    assert session.focus.selection == {large.id}
    hand.click(300, 300, held=ALT)
    assert session.focus.selection == {small.id}
    hand.click(700, 900)
    assert not session.focus.selection


def test_shift_adds_and_takes_away(canvas, hand, session):
    a = session.edits.add(Box(100, 100, 200, 200), by="test")
    b = session.edits.add(Box(300, 300, 400, 400), by="test")
    session.focus.select([])
    hand.click(150, 150)
    hand.click(350, 350, held=SHIFT)
    assert session.focus.selection == {a.id, b.id}
    hand.click(150, 150, held=SHIFT)
    assert session.focus.selection == {b.id}


def test_a_rubber_band_selects_what_lies_within(canvas, hand, session):
    a = session.edits.add(Box(100, 100, 200, 200), by="test")
    b = session.edits.add(Box(300, 300, 400, 400), by="test")
    session.edits.add(Box(300, 300, 700, 900), by="test")
    session.focus.select([])
    hand.drag((50, 50), (450, 450))
    assert session.focus.selection == {a.id, b.id}


def test_dragging_moves_the_whole_selection_in_one_edit(canvas, hand, session):
    a = session.edits.add(Box(100, 100, 200, 200), by="test")
    b = session.edits.add(Box(300, 300, 400, 400), by="test")
    session.focus.select([a.id, b.id])
    edits = []
    session.document.changed.connect(edits.append)
    hand.drag((150, 150), (200, 250))
    assert near(session.document.annotations[a.id].shape, 150, 200, 250, 300)
    assert near(session.document.annotations[b.id].shape, 350, 400, 450, 500)
    (edit,) = edits
    assert len(edit.changes) == 2
    assert edit.by == "canvas"


def test_nothing_moves_out_of_the_image(canvas, hand, session):
    made = session.edits.add(Box(100, 100, 200, 200), by="test")
    hand.drag((150, 150), (-400, 160))
    shape = session.document.annotations[made.id].shape
    assert shape.x0 == 0
    assert shape.width == 100


def test_escape_takes_a_move_back_and_the_draft_with_it(canvas, hand, session):
    made = session.edits.add(Box(100, 100, 200, 200), by="test")
    hand.press(150, 150)
    hand.move(180, 180)
    hand.move(250, 250)
    assert session.focus.draft is not None
    assert session.focus.draft.shape.x0 > 150
    hand.key(Qt.Key.Key_Escape)
    assert session.focus.draft is None
    hand.release(250, 250)
    assert session.document.annotations[made.id] == made


@pytest.mark.parametrize(
    ("grip", "to", "result"),
    [
        ((400, 400), (500, 450), (200, 200, 500, 450)),
        ((200, 300), (100, 999), (100, 200, 400, 400)),
        ((300, 200), (999, 150), (200, 150, 400, 400)),
        ((200, 200), (500, 500), (400, 400, 500, 500)),
    ],
)
def test_handles_resize_a_box(canvas, hand, session, grip, to, result):
    session.edits.add(Box(200, 200, 400, 400), by="test")
    hand.drag(grip, to)
    assert near(only(session).shape, *result)


def test_a_mask_is_resized_by_its_handles(canvas, hand, session):
    mask(session)
    hand.drag((400, 400), (500, 450))
    shape = only(session).shape
    assert (shape.x, shape.y) == (300, 300)
    assert abs(shape.width - 200) <= 2
    assert abs(shape.height - 150) <= 2


def test_locked_objects_are_neither_picked_nor_changed(canvas, hand, session):
    made = session.edits.add(Box(100, 100, 200, 200), by="test")
    category = session.document.categories[made.category_id]
    locked = type(category)(category.id, category.name, category.color, locked=True)
    session.edits.commit("Lock", [Change(category, locked)], by="test")
    session.focus.select([])
    hand.click(150, 150)
    assert not session.focus.selection
    session.focus.select([made.id])
    hand.drag((150, 150), (250, 250))
    assert session.document.annotations[made.id] == made


def test_in_a_read_only_project_every_drag_ends_where_it_began_and_is_told(
    canvas, hand, session, photos, qtbot
):
    made = session.edits.add(Box(100, 100, 200, 200), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved")
    session.close()
    session.open(photos, read_only=True)
    qtbot.waitUntil(lambda: made.id in session.document.annotations and session.place.pixels is not None)
    told = []
    session.told.connect(told.append)
    session.focus.select([made.id])
    hand.drag((150, 150), (250, 250))
    hand.key(Qt.Key.Key_Right)
    canvas.hand.take("brush")
    hand.drag((150, 150), (250, 250))
    assert len(told) == 3
    assert session.document.annotations[made.id] == made
    assert session.focus.draft is None


# --- vertices -------------------------------------------------------------------------------------


def test_a_vertex_is_dragged_and_agreement_follows_in_the_same_frame(canvas, hand, session):
    square = rasterise(Polygons((Part(SQUARE),)), size=(1080, 810))
    made = session.edits.accept(square, 0.9, by="test")
    session.edits.replace(made, Polygons((Part(SQUARE),)), label="Outline", by="test")
    hand.press(400, 400)
    hand.move(300, 300)
    measured = canvas.predictions.agreement.of(made.id)
    assert measured.iou == pytest.approx(0.5, abs=0.02)
    hand.release(300, 300)
    assert np.allclose(only(session).shape.parts[0].outer[2], (300, 300), atol=1.5)


def test_vertices_are_inserted_and_deleted_but_three_stay(canvas, hand, session):
    polygon(session)
    hand.double_click(300, 200)
    assert len(only(session).shape.parts[0].outer) == 5
    hand.drag((400, 300), (500, 300), held=ALT)
    ring = only(session).shape.parts[0].outer
    assert len(ring) == 6
    assert np.abs(ring - (500, 300)).sum(1).min() < 3
    hand.click(500, 300, held=ALT | SHIFT)
    assert len(only(session).shape.parts[0].outer) == 5
    for x, y in ((300, 200), (200, 200), (400, 200)):
        hand.move(x, y)
        hand.key(Qt.Key.Key_Delete)
    assert len(only(session).shape.parts[0].outer) == 3


# --- polygon --------------------------------------------------------------------------------------


@pytest.mark.parametrize("close", ["enter", "double", "first"])
def test_clicks_draw_a_polygon(canvas, hand, session, close):
    canvas.hand.take("polygon")
    for x, y in ((100, 100), (300, 100), (300, 300)):
        hand.click(x, y)
    if close == "enter":
        hand.key(Qt.Key.Key_Return)
    elif close == "double":
        hand.double_click(100, 300)
    else:
        hand.click(101, 101)
    ring = only(session).shape.parts[0].outer
    assert len(ring) == (4 if close == "double" else 3)
    assert np.allclose(ring[:3], [(100, 100), (300, 100), (300, 300)], atol=1.5)


def test_backspace_takes_the_last_point_back_and_escape_all(canvas, hand, session):
    canvas.hand.take("polygon")
    for x, y in ((100, 100), (300, 100), (300, 300), (700, 700)):
        hand.click(x, y)
    hand.key(Qt.Key.Key_Backspace)
    hand.key(Qt.Key.Key_Return)
    assert len(only(session).shape.parts[0].outer) == 3
    hand.click(500, 500)
    hand.key(Qt.Key.Key_Escape)
    hand.key(Qt.Key.Key_Return)
    assert len(session.document.annotations) == 1


def test_a_held_button_draws_freely(canvas, hand, session):
    canvas.hand.take("polygon")
    hand.drag((100, 100), (500, 100), steps=20)
    hand.drag((500, 400), (100, 400), steps=20)
    hand.key(Qt.Key.Key_Return)
    assert len(only(session).shape.parts[0].outer) > 20


def test_ctrl_cuts_a_hole_into_the_selected_polygon(canvas, hand, session):
    polygon(session)
    canvas.hand.take("polygon")
    hand.click(250, 250, held=CTRL)
    hand.click(350, 250)
    hand.click(350, 350)
    hand.key(Qt.Key.Key_Return)
    (part,) = only(session).shape.parts
    assert len(part.holes) == 1
    assert len(part.holes[0]) == 3


# --- brush ----------------------------------------------------------------------------------------


def test_a_stroke_paints_one_mask_in_one_edit(canvas, hand, session):
    canvas.hand.take("brush")
    canvas.set_options(brush_size=40.0)
    edits = []
    session.document.changed.connect(edits.append)
    hand.drag((100, 200), (500, 200), steps=3)
    shape = only(session).shape
    assert isinstance(shape, Mask)
    assert len(edits) == 1
    assert abs(shape.width - 440) <= 4
    assert abs(shape.height - 40) <= 3
    # the dabs of a fast hand leave no gaps
    assert shape.bits[shape.height // 2].mean() > 0.98


def test_eraser_and_ctrl_rub_out_and_nothing_left_is_a_deletion(canvas, hand, session):
    made = mask(session)
    canvas.hand.take("eraser")
    canvas.set_options(brush_size=60.0)
    hand.drag((280, 350), (420, 350))
    assert session.document.annotations[made.id].shape.bits.sum() == pytest.approx(10000 - 6000, abs=250)
    canvas.hand.take("brush")
    canvas.set_options(brush_size=300.0)
    hand.click(350, 350, held=CTRL)
    assert not session.document.annotations


def test_a_box_is_rasterised_when_painted_on(canvas, hand, session):
    session.edits.add(Box(200, 200, 300, 300), by="test")
    canvas.hand.take("brush")
    canvas.set_options(brush_size=50.0)
    hand.click(300, 250)
    assert isinstance(only(session).shape, Mask)
    assert only(session).shape.width == pytest.approx(125, abs=2)


def test_agreement_is_right_after_every_dab(canvas, hand, session):
    reference = Mask(300, 300, np.ones((100, 100), bool))
    made = session.edits.accept(reference, 0.9, by="test")
    canvas.hand.take("brush")
    canvas.set_options(brush_size=30.0)
    hand.press(400, 350)
    for x in range(400, 500, 20):
        hand.move(x, 350)
        assert (
            canvas.predictions.agreement.of(made.id).iou
            == mask_overlap(session.focus.draft.shape, reference).iou
            < 1
        )
    hand.release(500, 350)
    assert session.focus.draft is None


def test_escape_takes_a_stroke_back(canvas, hand, session):
    made = mask(session)
    canvas.hand.take("eraser")
    hand.press(350, 350)
    hand.move(380, 380)
    hand.key(Qt.Key.Key_Escape)
    hand.release(380, 380)
    assert session.document.annotations[made.id] == made
    assert session.document.annotations[made.id].shape.bits.all()


def test_an_eraser_with_nothing_selected_does_nothing(canvas, hand, session):
    canvas.hand.take("eraser")
    hand.drag((100, 100), (300, 300))
    assert not session.document.annotations


# --- prompts --------------------------------------------------------------------------------------


def proposed(qtbot, canvas):
    qtbot.waitUntil(lambda: len(canvas.prompt_desk.proposals) == 3)


def test_click_step_accept(canvas, hand, session, host, qtbot):
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    proposed(qtbot, canvas)
    sizes = [proposal.mask.width for proposal in canvas.prompt_desk.proposals]
    assert sizes == [41, 81, 161]
    assert canvas.prompt_desk.proposals[canvas.prompt_desk.index].confidence == 0.94
    hand.key(Qt.Key.Key_Tab)
    assert canvas.prompt_desk.index == 2
    hand.key(Qt.Key.Key_Backtab, SHIFT)
    assert canvas.prompt_desk.index == 1
    hand.key(Qt.Key.Key_Return)
    made = only(session)
    assert made.source == "model"
    assert made.shape.width == 81
    assert canvas.predictions.agreement.of(made.id).iou == 1
    assert not canvas.prompt_desk.proposals


def test_right_and_shift_say_what_it_is_not_and_refine_what_is_shown(canvas, hand, host, qtbot):
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    proposed(qtbot, canvas)
    canvas.prompt_desk.step(1)
    hand.click(450, 500, button=RIGHT)
    prompt, refine = host.asked[-1]
    assert prompt.positive.tolist() == [True, False]
    assert refine == (1, 2)
    hand.click(350, 500, held=SHIFT)
    assert host.asked[-1][0].positive.tolist() == [True, False, False]
    canvas.set_options(negative=True)
    hand.click(360, 500)
    assert not host.asked[-1][0].positive[-1]
    hand.key(Qt.Key.Key_Backspace)
    assert len(host.asked[-1][0].points) == 3


def test_backspace_on_the_last_prompt_and_escape_drop_everything(canvas, hand, session, host, qtbot):
    canvas.hand.take("sam-point")
    for key in (Qt.Key.Key_Backspace, Qt.Key.Key_Escape):
        hand.click(400, 500)
        proposed(qtbot, canvas)
        hand.key(key)
        assert not canvas.prompt_desk.proposals
    hand.key(Qt.Key.Key_Return)
    assert not session.document.annotations


@pytest.mark.parametrize("tool", ["sam-point", "sam-box"])
def test_a_drag_prompts_with_a_box(canvas, hand, host, qtbot, tool):
    canvas.hand.take(tool)
    hand.drag((200, 300), (400, 600))
    proposed(qtbot, canvas)
    prompt, _ = host.asked[-1]
    assert near(prompt.box, 200, 300, 400, 600)
    assert not len(prompt.points)


def test_a_late_answer_for_dropped_prompts_is_ignored(canvas, hand, host):
    host.answers = False
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    canvas.keys.drop()
    host.answer(1)
    assert not canvas.prompt_desk.proposals


def test_hovering_previews_and_never_leaves_a_trace(canvas, hand, session, host):
    canvas.hand.take("sam-point")
    before = canvas.grab().toImage()
    hand.move(400, 500)
    assert np.allclose(host.hovered[-1], (400, 500), atol=1.5)
    assert canvas.grab().toImage() != before
    assert not canvas.prompt_desk.proposals
    QApplication.sendEvent(canvas, QEvent(QEvent.Type.Leave))
    assert canvas.grab().toImage() == before


def test_going_to_another_image_drops_the_proposal(canvas, hand, session, host, qtbot):
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    proposed(qtbot, canvas)
    session.place.step(1)
    assert not canvas.prompt_desk.proposals


# --- keys -----------------------------------------------------------------------------------------


def test_tab_goes_through_the_objects_when_nothing_is_proposed(canvas, hand, session):
    ids = [session.edits.add(Box(x, 100, x + 50, 200), by="test").id for x in (100, 200, 300)]
    session.focus.select([])
    hand.key(Qt.Key.Key_Tab)
    assert session.focus.selection == {ids[0]}
    hand.key(Qt.Key.Key_Backtab, SHIFT)
    assert session.focus.selection == {ids[2]}


def test_arrows_nudge(canvas, hand, session):
    made = session.edits.add(Box(100, 100, 200, 200), by="test")
    hand.key(Qt.Key.Key_Right)
    hand.key(Qt.Key.Key_Up, SHIFT)
    assert near(session.document.annotations[made.id].shape, 101, 90, 201, 190, by=0)


def test_the_canvas_claims_only_the_keys_it_needs(canvas, hand):
    def claims(key):
        event = QKeyEvent(QEvent.Type.ShortcutOverride, key, Qt.KeyboardModifier.NoModifier)
        event.ignore()
        QApplication.sendEvent(canvas, event)
        return event.isAccepted()

    assert claims(Qt.Key.Key_Escape)
    assert not claims(Qt.Key.Key_Return)
    assert not claims(Qt.Key.Key_B)
    canvas.hand.take("polygon")
    hand.click(100, 100)
    assert claims(Qt.Key.Key_Return)


def test_taking_another_tool_leaves_what_was_half_done(canvas, hand, session, host, qtbot):
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    proposed(qtbot, canvas)
    canvas.hand.take("sam-box")
    assert canvas.progress.is_on
    names = []
    canvas.hand.changed.connect(names.append)
    canvas.hand.take("brush")
    assert (canvas.hand.name, names) == ("brush", ["brush"])
    assert canvas.prompt_desk.proposals
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert not session.document.annotations
    canvas.hand.take("sam-point")
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert len(session.document.annotations) == 1
