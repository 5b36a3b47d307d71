"""What is in progress comes first: it is taken back bit by bit, named, kept, and never dropped silently."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from shiboken6 import delete

from labeler.core.records import Box, Change, Mask, Part, Polygons
from labeler.gui.canvas.begun import Begun, Outline, PromptPoint, Prompts, Shelf
from labeler.gui.canvas.tools.base import Tool
from labeler.gui.canvas.view import Canvas

RIGHT = Qt.MouseButton.RightButton
CTRL = Qt.KeyboardModifier.ControlModifier
CORNERS = ((100, 100), (300, 100), (300, 300))


@pytest.fixture
def told(canvas):
    """The lines that the canvas has told."""
    lines = []
    canvas.told.connect(lines.append)
    return lines


def placed(canvas):
    """The points of the polygon that is being drawn."""
    return len(canvas.progress._tools["polygon"].points)


def proposed(qtbot, canvas):
    qtbot.waitUntil(lambda: bool(canvas.prompt_desk.proposals))


def draw_corners(canvas, hand, corners=CORNERS):
    canvas.hand.take("polygon")
    for corner in corners:
        hand.click(*corner)


# --- taking back ----------------------------------------------------------------------------------


def test_a_polygon_is_taken_back_point_by_point_and_brought_back(canvas, hand, session):
    draw_corners(canvas, hand)
    assert canvas.progress.take_back()
    assert canvas.progress.take_back()
    assert placed(canvas) == 1
    assert canvas.progress.bring_back()
    assert placed(canvas) == 2
    hand.click(400, 400)
    assert not canvas.progress.can_bring_back
    assert canvas.progress.bring_back()  # nothing more comes, and no edit is meant either
    assert placed(canvas) == 3
    hand.key(Qt.Key.Key_Return)
    (made,) = session.document.annotations.values()
    assert len(made.shape.parts[0].outer) == 3


def test_the_first_point_comes_back_too_until_something_else_is_undone(canvas, hand):
    draw_corners(canvas, hand, CORNERS[:1])
    assert canvas.progress.take_back()
    assert not canvas.progress.is_on
    assert canvas.progress.bring_back()
    assert canvas.progress.take_back()
    assert not canvas.progress.take_back()
    assert not canvas.progress.bring_back()


def test_clicks_and_the_box_of_a_proposal_are_taken_back_in_their_turn(canvas, hand, host, qtbot):
    canvas.hand.take("sam-point")
    hand.click(200, 300)
    proposed(qtbot, canvas)
    hand.drag((150, 250), (350, 450))
    hand.click(320, 430, button=RIGHT)

    def asked():
        prompt = host.asked[-1][0]
        return [tuple(point) for point in prompt.points.round().astype(int).tolist()], prompt.box is not None

    first, last = asked()[0]
    assert canvas.progress.take_back()
    assert asked() == ([first], True)
    assert canvas.progress.take_back()
    assert asked() == ([first], False)
    assert canvas.progress.bring_back()
    assert canvas.progress.bring_back()
    assert asked() == ([first, last], True)
    for _ in range(3):
        assert canvas.progress.take_back()
    assert not canvas.prompt_desk.proposals
    assert not canvas.progress.take_back()


@pytest.mark.parametrize("tool", ["select", "box", "brush", "polygon", "sam-point", "sam-box"])
@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_Backspace, "undo"])
def test_in_the_middle_of_a_drag_the_drag_alone_is_taken_back(canvas, hand, session, tool, key):
    there = session.edits.add(Box(100, 100, 300, 300), by="test")
    canvas.hand.take(tool)
    hand.press(200, 200)
    hand.move(260, 260)
    hand.move(320, 320)
    if key == "undo":
        assert canvas.progress.take_back()
    else:
        hand.key(key)
    assert not canvas.progress.is_dragging
    hand.release(340, 340)
    assert session.document.annotations == {there.id: there}
    assert not canvas.progress.is_on


def test_enter_in_the_middle_of_a_drag_waits_for_the_mouse(canvas, hand, session):
    canvas.hand.take("box")
    hand.press(100, 100)
    hand.move(300, 300)
    hand.key(Qt.Key.Key_Return)
    hand.key(Qt.Key.Key_Tab)
    assert canvas.progress.is_dragging
    hand.release(300, 300)
    assert len(session.document.annotations) == 1


def test_a_freely_drawn_piece_is_taken_back_as_one_while_the_button_is_down(canvas, hand):
    draw_corners(canvas, hand)
    hand.press(320, 320)
    for place in range(330, 480, 15):
        hand.move(place, place)
    assert placed(canvas) > 8
    hand.key(Qt.Key.Key_Escape)
    assert placed(canvas) == 3
    hand.release(480, 480)
    assert placed(canvas) == 3


def test_enter_before_the_model_has_answered_is_told_and_waits(canvas, hand, host, session, told, qtbot):
    host.answers = False
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    hand.key(Qt.Key.Key_Return)
    assert told == ["There is no mask to accept yet; the model has not answered."]
    host.answer(1)
    hand.key(Qt.Key.Key_Return)
    assert len(session.document.annotations) == 1


# --- names ----------------------------------------------------------------------------------------


def test_the_category_given_in_the_middle_of_a_drag_is_that_of_what_it_ends_with(canvas, hand, session):
    bus = session.edits.add_category("bus", by="test")
    person = next(iter(session.document.categories.values()))
    session.focus.choose_category(person.id)
    there = session.edits.add(Box(100, 100, 300, 300), by="test")
    canvas.hand.take("select")
    hand.press(200, 200)
    hand.move(250, 250)
    assert canvas.progress.name(bus.id)
    assert session.document.annotations[there.id] == there  # not under the hand
    hand.move(300, 300)
    hand.release(300, 300)
    moved = session.document.annotations[there.id]
    assert moved.category_id == bus.id
    assert moved.shape.x0 == pytest.approx(200, abs=2)


def test_a_drag_that_is_taken_back_gives_no_name(canvas, hand, session):
    bus = session.edits.add_category("bus", by="test")
    session.focus.choose_category(next(iter(session.document.categories)))
    there = session.edits.add(Mask(100, 100, np.ones((100, 100), bool)), by="test")
    canvas.hand.take("brush")
    hand.press(150, 150)
    hand.move(250, 250)
    assert canvas.progress.name(bus.id)
    assert canvas.progress.take_back()
    hand.release(250, 250)
    hand.press(150, 150)
    hand.release(150, 150)
    assert session.document.annotations[there.id].category_id == there.category_id


@pytest.mark.parametrize("tool", ["box", "brush", "polygon", "sam-point"])
def test_what_is_drawn_gets_the_name_given_meanwhile_and_nothing_else_does(
    canvas, hand, session, qtbot, tool
):
    bus = session.edits.add_category("bus", by="test")
    session.focus.choose_category(next(iter(session.document.categories)))
    there = session.edits.add(Box(500, 500, 600, 600), by="test")
    if tool == "brush":
        session.focus.select(())  # else it goes on with that one
    canvas.hand.take(tool)
    hand.press(100, 100)
    if tool != "sam-point":
        hand.move(300, 150)
        hand.move(250, 300)
    assert canvas.progress.name(bus.id)
    hand.release(*((100, 100) if tool == "sam-point" else (250, 300)))
    if tool == "sam-point":
        proposed(qtbot, canvas)
    hand.key(Qt.Key.Key_Return)
    assert session.document.annotations[there.id] == there
    (made,) = (one for one in session.document.annotations.values() if one.id != there.id)
    assert made.category_id == bus.id


# --- leaving --------------------------------------------------------------------------------------


def test_a_polygon_is_there_again_when_its_image_is(canvas, hand, session, told):
    kept = []
    canvas.progress.kept.connect(lambda line, image_id: kept.append((line, image_id)))
    draw_corners(canvas, hand)
    first = session.place.image.id
    session.place.step(1)
    assert kept == [("The polygon begun on bus.jpg is kept there.", first)]
    assert not canvas.progress.is_on
    hand.key(Qt.Key.Key_Return)
    canvas.hand.take("select")
    session.place.step(-1)
    assert placed(canvas) == 3
    assert canvas.hand.name == "polygon"
    assert told[-1].startswith("The polygon begun here is back")
    hand.key(Qt.Key.Key_Return)
    assert len(session.document.annotations) == 1
    session.place.step(1)
    session.place.step(-1)
    assert not canvas.progress.is_on


def test_a_proposal_is_there_again_with_its_masks_and_its_category(canvas, hand, session, qtbot):
    bus = session.edits.add_category("bus", by="test")
    person = next(iter(session.document.categories.values()))
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    proposed(qtbot, canvas)
    canvas.prompt_desk.step(1)
    masks, index = [one.mask for one in canvas.prompt_desk.proposals], canvas.prompt_desk.index
    session.place.step(1)
    session.focus.choose_category(person.id)
    assert not canvas.prompt_desk.proposals
    session.place.step(-1)
    assert [one.mask for one in canvas.prompt_desk.proposals] == masks
    assert canvas.prompt_desk.index == index
    hand.key(Qt.Key.Key_Return)
    (made,) = session.document.annotations.values()
    assert made.category_id == bus.id


def test_a_click_whose_answer_never_came_is_asked_again_on_return(canvas, hand, session, host, qtbot):
    host.answers = False
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    session.place.step(1)
    host.answer(1)
    assert not canvas.prompt_desk.proposals
    session.place.step(-1)
    host.answers = True
    canvas.prompt_desk.ask_again()
    proposed(qtbot, canvas)
    canvas.prompt_desk.ask_again()
    assert len(host.asked) == 2


def test_a_click_under_way_is_asked_again_when_the_photo_is_read_anew(canvas, hand, host, qtbot):
    """The model is given the file again, and forgets what it was asked before."""
    host.answers = False
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    host.answers = True
    canvas.prompt_desk.ask_again()
    host.answer(1)
    assert not canvas.prompt_desk.proposals
    proposed(qtbot, canvas)
    hand.click(420, 500)
    canvas.prompt_desk.ask_again()
    assert [refine is not None for _, refine in host.asked] == [False, False, True, False]


@pytest.mark.parametrize("tool", ["select", "box", "brush", "polygon", "sam-point"])
def test_no_other_image_and_no_other_tool_in_the_middle_of_a_drag(canvas, hand, session, told, tool):
    session.edits.add(Box(100, 100, 300, 300), by="test")
    canvas.hand.take(tool)
    first = session.place.image.id
    hand.press(200, 200)
    hand.move(300, 300)
    session.place.step(1)
    session.place.go_to(session.place.order[-1])
    canvas.hand.take("eraser")
    assert (session.place.image.id, canvas.hand.name) == (first, tool)
    assert canvas.progress.is_dragging
    assert len(told) == 3
    assert all(line.startswith("Let go of the mouse button first") for line in told)
    hand.release(300, 300)
    canvas.keys.drop()
    session.place.step(1)
    assert session.place.image.id != first


def test_a_canvas_that_is_gone_holds_nobody(canvas, hand, session, host):
    gone = Canvas(session, host)
    gone.resize(400, 300)
    gone._gestures.press(press_at(200, 200), Holds(gone._stage, gone.prompt_desk))
    assert gone.progress.is_dragging
    first = session.place.image.id
    session.place.step(1)
    assert session.place.image.id == first
    delete(gone)
    session.place.step(1)
    assert session.place.image.id != first


class Holds(Tool):
    """A drag that has nothing to put back, and so minds nothing when its stage is gone."""

    def press(self, pointer):
        while not pointer.released:
            pointer = yield


def press_at(x, y):
    at = QPointF(x, y)
    kind, left = QEvent.Type.MouseButtonPress, Qt.MouseButton.LeftButton
    return QMouseEvent(kind, at, at, left, left, Qt.KeyboardModifier.NoModifier)


def test_another_tool_leaves_the_polygon_on_the_screen_and_undo_takes_it_back(canvas, hand, session, told):
    session.edits.add(Box(200, 200, 400, 400), by="test")
    draw_corners(canvas, hand)
    canvas.hand.take("select")
    assert told == ["The polygon is kept: P goes on with it."]
    assert canvas.progress.take_back()
    assert placed(canvas) == 2
    assert canvas.progress.bring_back()
    assert placed(canvas) == 3
    hand.drag((250, 250), (280, 280))
    assert not canvas.progress.take_back()  # an edit came after it
    canvas.hand.take("polygon")
    hand.click(300, 300)
    hand.key(Qt.Key.Key_Return)
    assert len(session.document.annotations) == 2


def test_a_hole_is_cut_into_what_it_was_begun_in(canvas, hand, session, told):
    square = np.array([(200, 200), (400, 200), (400, 400), (200, 400)], dtype=float)
    target = session.edits.add(Polygons((Part(square),)), by="test")
    canvas.hand.take("polygon")
    for corner in ((250, 250), (350, 250), (350, 350)):
        hand.click(*corner, held=CTRL)
    other = session.edits.add(Box(500, 500, 600, 600), by="test")
    hand.key(Qt.Key.Key_Return)
    assert len(session.document.annotations[target.id].shape.parts[0].holes) == 1
    session.focus.select([target.id])
    for corner in ((210, 210), (240, 210), (240, 240)):
        hand.click(*corner, held=CTRL)
    session.edits.delete([target.id], by="elsewhere")
    hand.key(Qt.Key.Key_Return)
    assert "cannot be cut any more" in told[-1]
    assert session.document.annotations == {other.id: other}
    assert placed(canvas) == 3


def test_what_is_half_done_outlives_the_window(canvas, hand, session, host, qtbot):
    draw_corners(canvas, hand)
    session.place.step(1)
    canvas.hand.take("sam-box")
    hand.drag((100, 100), (300, 300))
    proposed(qtbot, canvas)
    assert canvas.progress.keep() == ""
    again = Canvas(session, host)
    qtbot.addWidget(again)
    assert again.hand.name == "sam-box"
    assert not again.prompt_desk.proposals
    again.prompt_desk.ask_again()
    proposed(qtbot, again)
    session.place.step(-1)
    assert placed(again) == 3


def test_a_drag_is_finished_when_the_window_goes(canvas, hand, session):
    canvas.hand.take("box")
    hand.press(100, 100)
    hand.move(300, 300)
    assert canvas.progress.keep() == ""
    assert len(session.document.annotations) == 1


def test_what_cannot_be_kept_is_told(canvas, hand, session, home):
    draw_corners(canvas, hand)
    (home / "data").mkdir(exist_ok=True)
    (home / "data" / "begun").write_text("no folder")
    assert canvas.progress.keep().startswith("What is half done cannot be kept (")
    assert placed(canvas) == 3


# --- the shelf ------------------------------------------------------------------------------------


def test_a_shelf_is_read_again_and_a_damaged_one_is_empty(tmp_path, home):
    outline = Begun("polygon", "polygon", Outline(((1.0, 2.0), (3.0, 4.0)), 7), 3)
    prompts = Begun("sam-point", "proposal", Prompts((PromptPoint(1, 2, False),), Box(0, 0, 5, 5)))
    project = tmp_path / "labels.labeler"
    shelf = Shelf()
    shelf.put(project, 4, (outline, prompts))
    shelf.save(project)
    assert Shelf().take(project, 4) == (outline, prompts)
    assert Shelf().take(project, 5) == ()
    (file,) = (home / "data" / "begun").iterdir()
    file.write_bytes(b"{")
    assert Shelf().take(project, 4) == ()
    shelf.put(project, 4, ())
    shelf.save(project)
    assert not file.exists()


# --- brush and eraser say what they do ------------------------------------------------------------


def test_brush_and_eraser_say_what_the_next_stroke_does(canvas, hand, session, told):
    person = session.document.categories[next(iter(session.document.categories))]
    canvas.hand.take("brush")
    assert canvas.hand.outlook() == "new person"
    session.edits.add(Box(100, 100, 300, 300), by="test")
    assert canvas.hand.outlook() == "turns the box of person into a mask · Esc: new object"
    made = session.edits.add(Mask(400, 400, np.ones((50, 50), bool)), by="test")
    assert canvas.hand.outlook() == "adds to person · Esc: new object"
    canvas.hand.take("eraser")
    assert canvas.hand.outlook() == "rubs out of person"
    session.focus.select(())
    assert canvas.hand.outlook() == "nothing is selected · V, then click what to rub out"
    hand.drag((420, 420), (440, 440))
    assert told == ["Nothing was rubbed out: select the object first (V, then click it)."]
    session.focus.select([made.id])
    locked = type(person)(**{**{f: getattr(person, f) for f in person.__struct_fields__}, "locked": True})
    session.edits.commit("Lock", [Change(person, locked)], by="test")
    assert canvas.hand.outlook() == "person is locked or hidden · Esc lets go of it"
    hand.drag((420, 420), (440, 440))
    assert told[-1] == "person is locked or hidden, so nothing was changed. Esc lets go of it."
    assert session.document.annotations[made.id] == made
