"""Boxes, polygons, brush and edits of them, as a hand does them."""

import numpy as np
import pytest

from labeler.core.geometry import area, bounds, contains
from labeler.core.records import Box, Mask, Polygons
from tests.e2e.user import ALT, CTRL, SHIFT, User, near

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


def box_of(user: User) -> Box:
    shape = user.selected().shape
    assert isinstance(shape, Box)
    return shape


def outline_of(user: User) -> Polygons:
    shape = user.selected().shape
    assert isinstance(shape, Polygons)
    return shape


def test_a_box_is_drawn_moved_resized_and_nudged(user: User) -> None:
    made = user.draw_box(100, 300, 300, 500)
    assert near(bounds(made.shape), 100, 300, 300, 500)
    assert user.category_of(made) == "object"
    user.key("V")
    user.drag((200, 400), (250, 420))
    assert near(box_of(user), 150, 320, 350, 520)
    user.drag((350, 520), (400, 600))
    assert near(box_of(user), 150, 320, 400, 600)
    user.key("Right")
    user.key("Shift+Down")
    assert near(box_of(user), 151, 330, 401, 610)
    for _ in range(4):
        user.undo()
    assert user.annotations() == [made]
    user.undo()
    assert not user.annotations()
    user.redo()
    assert user.annotations() == [made]


def test_a_box_drawn_over_the_edge_ends_at_it(user: User) -> None:
    made = user.draw_box(700, 900, 900, 1200)
    assert near(bounds(made.shape), 700, 900, 810, 1080)


def test_a_slip_of_the_hand_is_no_box(user: User) -> None:
    user.key("R")
    user.drag((400, 400), (401, 401))
    assert not user.annotations()


def test_a_polygon_gets_a_hole_vertices_and_loses_them(user: User) -> None:
    corners = (200, 300), (600, 300), (600, 700), (200, 700)
    user.draw_polygon(*corners)
    assert area(outline_of(user)) == pytest.approx(160_000, rel=1e-3)
    user.draw_polygon((300, 400), (400, 400), (400, 500), (300, 500), held=CTRL)
    assert len(user.annotations()) == 1
    holed = outline_of(user)
    assert area(holed) == pytest.approx(150_000, rel=1e-3)
    assert not contains(holed, 350, 450)
    user.key("V")
    user.double_click_at(400, 300)
    assert len(outline_of(user).parts[0].outer) == 5
    user.drag((400, 300), (400, 250))
    assert contains(outline_of(user), 400, 270)
    user.drag((600, 500), (650, 500), held=ALT)
    assert len(outline_of(user).parts[0].outer) == 6
    user.click_at(650, 500, held=ALT | SHIFT)
    assert len(outline_of(user).parts[0].outer) == 5
    user.move_to(400, 250)
    user.key("Del")
    assert len(outline_of(user).parts[0].outer) == 4
    assert outline_of(user) == holed
    user.move_to(500, 600)
    user.key("Del")
    assert not user.annotations()


def test_backspace_takes_a_corner_back_and_esc_the_outline(user: User) -> None:
    user.key("P")
    for corner in ((200, 300), (600, 300), (600, 700), (10, 10 + 300)):
        user.click_at(*corner)
    user.key("Backspace")
    user.key("Return")
    assert len(outline_of(user).parts[0].outer) == 3
    user.click_at(300, 800)
    user.click_at(400, 800)
    user.key("Esc")
    user.key("Return")
    assert len(user.annotations()) == 1


def test_a_stroke_makes_a_mask_and_the_eraser_takes_it_away(user: User) -> None:
    user.key("B")
    user.key("]")
    size = user.canvas.options.brush_size
    assert size == 30
    user.drag((300, 500), (500, 500))
    shape = user.selected().shape
    assert isinstance(shape, Mask)
    exact = 200 * size + np.pi * size**2 / 4
    assert exact * 0.99 < area(shape) < exact * 1.05  # pixels that the round edge touches may count
    user.key("E")
    user.drag((400, 480), (400, 520))
    assert not contains(user.selected().shape, 400.5, 500.5)
    assert contains(user.selected().shape, 330.5, 500.5)
    user.drag((400, 500), (400, 500), held=CTRL)
    assert contains(user.selected().shape, 400.5, 500.5)
    for _ in range(12):
        user.key("]")
    user.drag((280, 500), (520, 500))
    assert not user.annotations()
    user.undo()
    assert contains(user.annotations()[0].shape, 400.5, 500.5)


@pytest.mark.parametrize("tool", ["R", "B", "E", "V", "P", "Q", "W"])
def test_esc_amid_a_drag_leaves_all_as_it_was(user: User, tool: str) -> None:
    user.draw_box(200, 300, 400, 500)
    before = user.annotations()
    entries = user.session.history.can_undo
    user.key(tool)
    user.press(300, 400)
    user.move_held(350, 450)
    user.key("Esc")
    user.move_held(380, 480)
    user.release(380, 480)
    user.wait_saved()
    user.read_all()
    assert user.annotations() == before
    assert user.session.focus.draft is None
    assert user.session.history.can_undo == entries
    user.key("V")
    assert user.draw_box(500, 600, 550, 650).shape == Box(500, 600, 550, 650)


@pytest.mark.parametrize("keys", ["D", "Ctrl+Z", "Del", "R", "Ctrl+D", "1"])
def test_keys_amid_a_drag_are_safe(user: User, keys: str) -> None:
    user.draw_box(200, 300, 400, 500)
    user.key("V")
    user.press(300, 400)
    user.move_held(350, 450)
    user.key(keys)
    user.read_all()
    user.move_held(380, 480)
    user.release(380, 480)
    user.wait_saved()
    user.read_all()
    assert user.session.focus.draft is None
    stored: list[object] = []
    user.session.ask(lambda store: [store.annotations(image.id) for image in store.images()], stored.append)
    user.wait(lambda: stored)
    (found,) = stored
    image = user.session.place.image
    assert image is not None
    places = [one.id for one in user.session.document.images]
    assert list(found[places.index(image.id)]) == user.annotations()  # type: ignore[index]


def test_copy_paste_and_duplicate(user: User) -> None:
    made = user.draw_box(100, 300, 300, 500)
    user.key("Ctrl+D")
    assert near(box_of(user), 112, 312, 312, 512)
    assert len(user.annotations()) == 2
    user.key("Ctrl+A")
    assert len(user.session.focus.selection) == 2
    user.key("Ctrl+C")
    user.key("D")
    user.wait_shown()
    user.key("Ctrl+V")
    pasted = user.annotations()
    assert [one.shape for one in pasted] == [made.shape, Box(112, 312, 312, 512)]
    assert user.session.focus.selection == {one.id for one in pasted}
    user.undo()
    assert not user.annotations()


def test_clicks_select_add_and_go_through_what_lies_there(user: User) -> None:
    outer = user.draw_box(100, 300, 500, 700)
    inner = user.draw_box(200, 400, 300, 500)
    other = user.draw_box(550, 300, 650, 400)
    user.key("V")
    user.click_at(250, 450)
    assert user.selected() == inner
    user.click_at(600, 350, held=SHIFT)
    assert user.session.focus.selection == {inner.id, other.id}
    user.click_at(750, 1000)
    assert not user.session.focus.selection
    user.drag((90, 290), (520, 720))
    assert user.session.focus.selection == {outer.id, inner.id}
    user.key("Esc")
    assert not user.session.focus.selection
    user.key("Tab")
    assert user.selected() == outer
    user.key("Tab")
    assert user.selected() == inner


def test_dragging_a_vertex_measures_it_in_the_same_frame(user: User) -> None:
    from labeler.core.records import Candidate

    drawn = user.draw_polygon((200, 300), (600, 300), (600, 700), (200, 700))
    user.wait_saved()
    candidate = Candidate(0, drawn.image_id, 0, drawn.category_id, Box(200, 300, 600, 700), 0.9)
    user.session.import_file(
        lambda store: store.predictions.add(store.predictions.ensure_model("detector", "1").id, [candidate]),  # type: ignore[arg-type, return-value]
        lambda _: None,
    )
    user.wait(lambda: user.session.document.candidates)
    user.session.measure.choose_model(
        next(one for one in user.session.document.models if one.name == "detector")
    )
    user.key("V")
    user.wait(lambda: user.figures()["IoU"] == "1.00")
    seen: list[float] = []
    user.drag((600, 700), (400, 500), during=lambda: seen.append(float(user.figures()["IoU"])))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == pytest.approx(0.5, abs=0.01)
