"""The menu Shape: objects made one, taken apart, reshaped; each one undo step with a sentence."""

import numpy as np
import pytest
from msgspec import structs

from labeler.core.geometry import area, bounds
from labeler.core.records import Annotation, Box, Change, Mask
from tests.e2e.user import CTRL, RIGHT, SHIFT, User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "This plugin does not support")


@pytest.fixture
def crossing(user: User) -> tuple[User, Annotation, Annotation]:
    """A person and a bus that cross; Select is in hand and nothing selected."""
    for name in ("person", "bus"):
        user.add_category(name)
    user.key("1")
    first = user.draw_box(100, 300, 300, 500)
    user.key("2")
    second = user.draw_box(200, 400, 400, 600)
    user.key("V")
    user.session.focus.select(())
    return user, first, second


def add(user: User, shape: object, **values: object) -> Annotation:
    """An annotation of this shape, selected alone."""
    made = user.session.edits.add(shape, by="test")
    if values:
        changed = structs.replace(made, **values)
        user.session.edits.commit("Change", [Change(made, changed)], by="test")
        return changed
    return made


def two_specks() -> Mask:
    """A square of 10 x 10 pixels and one of 4 x 4."""
    bits = np.zeros((20, 40), bool)
    bits[:10, :10] = bits[:4, 30:34] = True
    return Mask(500, 300, bits)


def test_merged_is_the_one_that_was_selected_first(crossing) -> None:
    user, first, second = crossing
    user.click_at(350, 550)
    user.click_at(150, 350, held=SHIFT)
    user.key("M")
    (made,) = user.annotations()
    assert (made.id, made.category_id) == (second.id, second.category_id)
    assert area(made.shape) == pytest.approx(2 * 200 * 200 - 100 * 100, rel=1e-3)
    assert user.said() == "Merged into the bus that was selected first; the other is gone."
    assert user.session.focus.selection == {second.id}
    user.undo()
    assert user.annotations() == [first, second]
    user.redo()
    assert len(user.annotations()) == 1


def test_subtracted_and_intersected(crossing) -> None:
    user, first, second = crossing
    user.session.focus.select([first.id, second.id])
    user.key("Shift+M")
    (made,) = user.annotations()
    assert (made.id, area(made.shape)) == (first.id, pytest.approx(200 * 200 - 100 * 100, rel=1e-3))
    user.undo()
    user.session.focus.select([first.id, second.id])
    user.key("Alt+M")
    (made,) = user.annotations()
    assert isinstance(made.shape, Box)
    assert bounds(made.shape).area == pytest.approx(100 * 100, rel=1e-3)
    user.undo()
    assert user.annotations() == [first, second]


def test_what_would_be_empty_is_refused(crossing) -> None:
    user, first, _ = crossing
    far = add(user, Box(600, 300, 700, 400))
    before = user.annotations()
    user.session.focus.select([first.id, far.id])
    user.key("Alt+M")
    assert user.said() == "Nothing was changed: the selected objects have no part in common."
    inside = add(user, Box(610, 310, 620, 320))
    around = add(user, Box(600, 300, 700, 400))
    user.session.focus.select([inside.id])
    user.session.focus.select([inside.id, around.id])
    user.key("Shift+M")
    assert user.said() == "Nothing was changed: nothing of bus would be left."
    assert user.annotations()[: len(before)] == before


def test_one_alone_or_what_is_locked_or_hidden_is_told(crossing) -> None:
    user, first, second = crossing
    user.session.focus.select([first.id])
    user.key("M")
    assert user.said() == "Select two objects or more first: Shift+click adds one."
    user.session.focus.select([first.id, second.id])
    user.session.veil.lock([second.id])
    user.key("M")
    assert user.said() == "Nothing was changed: bus is locked or hidden."
    user.session.veil.lock([second.id], False)
    user.session.veil.hide([first.id, second.id])
    user.key("Shift+X")
    assert user.said() == "Nothing was changed: 2 objects are locked or hidden."
    assert user.annotations() == [first, second]


def test_the_one_that_stays_is_measured_against_its_own_prediction(user: User) -> None:
    user.add_category("person")
    made = user.session.edits.accept(Mask(100, 300, np.ones((40, 40), bool)), 0.9, by="test")
    other = add(user, Mask(140, 300, np.ones((40, 40), bool)))
    user.session.focus.select([made.id])
    user.session.focus.select([made.id, other.id])
    user.key("M")
    (merged,) = user.annotations()
    assert merged.prediction_id == made.prediction_id
    assert user.said().endswith("It is measured against its own prediction still.")
    assert user.window.bench.predictions.agreement.of(merged.id).iou == 0.5


def test_parts_become_objects_and_the_largest_keeps_what_is_its_own(user: User) -> None:
    user.add_category("person")
    made = add(user, two_specks(), extra=b'{"track_id":7,"note":"x"}', attributes={"pose": "left"})
    user.click_at(505, 305, button=RIGHT)
    user.window.objects.menu.close()
    user.window.actions["split"].trigger()
    large, small = user.annotations()
    assert (large.id, area(large.shape), area(small.shape)) == (made.id, 100, 16)
    assert small.attributes == {"pose": "left"}
    assert small.extra == b'{"note":"x"}'
    assert user.said() == "person is 2 objects now."
    assert user.session.focus.selection == {large.id, small.id}
    user.undo()
    assert user.annotations() == [made]


def test_whole_objects_and_too_many_parts_are_not_split(user: User) -> None:
    user.add_category("person")
    add(user, Box(500, 300, 510, 310))
    user.key("Shift+X")
    assert user.said() == "Nothing was split: no selected object has more than one part."
    bits = np.zeros((40, 40), bool)
    bits[::2, ::2] = True
    add(user, Mask(500, 300, bits))
    user.key("Shift+X")
    assert user.said() == "Nothing was split: it would be 400 objects. Drop specks first."


def test_outlines_become_masks(user: User) -> None:
    user.add_category("person")
    made = add(user, Box(500, 300, 510, 310))
    user.key("Shift+G")
    (now,) = user.annotations()
    assert now.shape == Mask(500, 300, np.ones((10, 10), bool))
    assert user.said() == "person: mask now."
    user.key("Shift+G")
    assert user.said() == "Nothing was changed: what is selected are masks already."
    user.undo()
    assert user.annotations() == [made]
    add(user, Box(500.6, 300.6, 500.9, 300.9))
    user.key("Shift+G")
    assert user.said() == "Nothing was changed: person would have no pixel."


def test_under_the_hand_it_waits_for_the_button(crossing) -> None:
    user, first, second = crossing
    user.session.focus.select([first.id, second.id])
    user.press(150, 350)
    user.move_held(180, 350)
    user.key("M")
    assert "Let go of the mouse button first" in user.said()
    assert user.annotations() == [first, second]
    user.release(150, 350)


def test_a_project_that_is_only_looked_at_says_so(crossing, photos) -> None:
    user, first, second = crossing
    root = user.session.root
    user.wait_saved()
    user.session.close()
    user.window.open(root, read_only=True)
    user.wait(lambda: len(user.annotations()) == 2)
    user.session.focus.select([first.id, second.id])
    user.key("M")
    assert user.said().startswith("Nothing was changed. ")
    assert user.annotations() == [first, second]


def test_a_line_cuts_what_is_selected_and_nothing_else(crossing) -> None:
    user, first, second = crossing
    user.session.focus.select([first.id])
    user.drag((240, 250), (240, 620), held=CTRL)
    left, rest, right = user.annotations()
    assert (left.id, rest) == (first.id, second)
    assert area(left.shape) == pytest.approx(140 * 200, rel=1e-3)
    assert area(right.shape) == pytest.approx(60 * 200, rel=1e-3)
    assert right.category_id == first.category_id
    user.wait(lambda: user.said() == "person cut into 2 objects. Undo takes it back.")
    user.undo()
    assert user.annotations() == [first, second]


def test_without_a_selection_it_cuts_all_that_it_crosses(crossing) -> None:
    user, _, second = crossing
    user.drag((240, 250), (240, 620), held=CTRL)
    assert len(user.annotations()) == 4
    user.wait(lambda: user.said() == "2 objects cut into 4 objects. Undo takes it back.")
    user.undo()
    user.session.veil.lock([second.id])
    user.session.focus.select(())
    user.drag((240, 250), (240, 620), held=CTRL)
    user.wait(lambda: user.said() == "person cut into 2 objects. Undo takes it back.")


def test_a_line_that_ends_inside_or_is_taken_back_cuts_nothing(crossing) -> None:
    user, first, second = crossing
    user.drag((140, 250), (140, 350), held=CTRL)
    user.wait(lambda: user.said() == "Nothing was cut: draw the line right across an object.")
    user.press(140, 250, held=CTRL)
    user.move_held(140, 620, held=CTRL)
    user.key("Esc")
    user.release(140, 620, held=CTRL)
    user.session.focus.select([first.id])
    user.session.veil.lock([first.id])
    user.drag((140, 250), (140, 620), held=CTRL)
    user.wait(lambda: user.said() == "Nothing was cut: what is selected is locked or hidden.")
    assert user.annotations() == [first, second]
    user.click_at(350, 550, held=CTRL)
    assert user.session.focus.selection == {second.id}


def test_what_goes_under_the_knife_is_not_cut(crossing) -> None:
    user, first, second = crossing
    user.press(140, 250, held=CTRL)
    user.move_held(140, 620, held=CTRL)
    user.session.edits.delete([first.id], by="test")
    user.release(140, 620, held=CTRL)
    assert user.annotations() == [second]
    user.wait(lambda: user.said() == "Nothing was cut: draw the line right across an object.")
