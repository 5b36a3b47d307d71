"""One act for one prediction: a right click rejects, a digit accepts as a category, an edge corrects."""

import numpy as np
import pytest

from labeler.core.records import Box, Candidate, Mask, Model, Shape
from labeler.gui.window.dialogs.shortcuts_dialog import ShortcutsDialog
from labeler.gui.window.key_table import key_table
from labeler.project.store import Store

from .user import CTRL, LEFT, RIGHT, SHIFT, User, near

# of the off-screen platform: a right click on no prediction opens a menu
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "This plugin does not support")

LARGE, SMALL, APART = Box(100, 300, 500, 900), Box(250, 450, 350, 600), Box(550, 300, 750, 500)


def store(user: User, shapes: list[Shape], *, model: str = "detector") -> None:
    """A run of a model is stored for the open image: these are its predictions from now on."""
    session = user.session
    assert session.place.image is not None
    image_id = session.place.image.id
    found = [Candidate(0, image_id, 0, 1, shape, 0.9 - 0.1 * n, "person") for n, shape in enumerate(shapes)]

    def work(project: Store) -> Model:
        made = project.predictions.ensure_model(model, "1")
        project.predictions.record_run(made.id, image_id, found)
        return made

    stored: list[Model] = []
    session.ask(work, stored.append)
    user.wait(lambda: stored)
    if session.measure.model != stored[0]:
        session.measure.add_model(stored[0])
        session.measure.choose_model(stored[0])
    session.refresh_candidates(image_id)
    user.window.bench.take_stored((image_id,))
    user.read_all()
    user.wait(lambda: len(user.kept()) == len(shapes))


@pytest.fixture
def predicted(user: User) -> User:
    """A large prediction, a small one on it, and one apart; "person" is 1 and "dog" is 2."""
    for name in ("person", "dog"):
        user.session.edits.add_category(name, by="test")
    user.session.focus.choose_category(1)
    store(user, [LARGE, SMALL, APART])
    return user


def is_asked(user: User, waiting: int) -> bool:
    """Whether the review has shown its next item, and so many wait."""
    queue = user.window.bench.queue
    return queue.remaining == waiting and queue.is_shown and bool(user.window.bench.predictions.selection)


def verdicts(user: User) -> dict[Shape, str]:
    return {one.shape: one.verdict for one in user.session.document.candidates.values()}


def left(user: User) -> list[Shape]:
    return [one.shape for one in user.kept()]


# --- a right click --------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["V", "R", "Q", "W"])
def test_a_right_click_rejects_the_smallest_under_it_and_undo_brings_it_back(
    predicted: User, tool: str
) -> None:
    predicted.key(tool)
    predicted.click_at(300, 500, button=RIGHT)
    assert left(predicted) == [LARGE, APART]
    assert predicted.said() == "Rejected: person 0.80. Undo brings it back."
    predicted.click_at(300, 500, button=RIGHT)
    assert left(predicted) == [APART]
    predicted.click_at(30, 950, button=RIGHT)  # on none
    assert left(predicted) == [APART]
    predicted.key("Esc")  # SAM was asked by the last one
    predicted.undo()
    predicted.undo()
    assert left(predicted) == [LARGE, SMALL, APART]
    assert not predicted.annotations()


def test_the_offer_to_undo_is_of_that_rejection_only(predicted: User) -> None:
    predicted.key("V")
    predicted.click_at(300, 500, button=RIGHT)
    assert predicted.window.toast.action_button.text() == "Undo"
    predicted.press_button(predicted.window.toast.action_button)
    assert left(predicted) == [LARGE, SMALL, APART]
    predicted.click_at(300, 500, button=RIGHT)
    predicted.draw_box(600, 600, 700, 700)
    assert "Rejected" not in predicted.said()


def test_a_drag_a_modifier_a_hidden_one_or_esc_rejects_nothing(predicted: User) -> None:
    predicted.key("V")
    predicted.press(300, 500, button=RIGHT)
    for x in (330, 360, 300):
        predicted.move_held(x, 500, button=RIGHT)
    predicted.release(300, 500, button=RIGHT)
    predicted.click_at(300, 500, button=RIGHT, held=SHIFT)
    predicted.press(300, 500, button=RIGHT)
    predicted.key("Esc")
    predicted.release(300, 500, button=RIGHT)
    predicted.key("H")
    predicted.click_at(300, 500, button=RIGHT)
    assert left(predicted) == [LARGE, SMALL, APART]
    predicted.key("H")
    predicted.window.bench.predictions.set_filter(confidence=0.85)
    predicted.click_at(650, 400, button=RIGHT)
    assert set(verdicts(predicted).values()) == {""}


def test_a_right_click_on_a_proposal_is_still_what_it_is_not(predicted: User) -> None:
    predicted.key("Q")
    predicted.click_at(650, 400)
    predicted.click_at(300, 500, button=RIGHT)
    assert [one.positive for one in predicted.canvas.prompt_desk.points] == [True, False]
    assert left(predicted) == [LARGE, SMALL, APART]


def test_an_object_that_is_smaller_or_selected_is_what_is_clicked(predicted: User) -> None:
    small = predicted.draw_box(560, 310, 700, 450)
    predicted.key("V")
    predicted.key("Esc")
    predicted.click_at(650, 400, button=RIGHT)
    assert left(predicted) == [LARGE, SMALL, APART]
    predicted.key("Esc")  # the menu of the object
    predicted.click_at(730, 480, button=RIGHT)  # beside the object
    assert left(predicted) == [LARGE, SMALL]
    large = predicted.draw_box(120, 420, 480, 880)
    predicted.key("V")
    predicted.click_at(300, 500, button=RIGHT)  # on the selected one, below the smaller prediction
    assert left(predicted) == [LARGE, SMALL]
    predicted.key("Esc")  # the menu, and then the selection
    predicted.key("Esc")
    predicted.click_at(300, 500, button=RIGHT)
    assert left(predicted) == [LARGE]
    assert predicted.annotations() == [small, large]


def test_a_selected_prediction_comes_before_a_smaller_one(predicted: User) -> None:
    predicted.key("V")
    predicted.click_at(150, 800)
    predicted.click_at(300, 500, button=RIGHT)
    assert left(predicted) == [SMALL, APART]


def test_a_run_that_is_stored_under_the_button_leaves_nothing_to_reject(predicted: User) -> None:
    predicted.key("V")
    predicted.press(300, 500, button=RIGHT)
    store(predicted, [Box(240, 440, 360, 610)])
    predicted.release(300, 500, button=RIGHT)
    assert left(predicted) == [Box(240, 440, 360, 610)]
    predicted.click_at(300, 500, button=RIGHT)
    assert not left(predicted)


def test_another_image_cannot_be_opened_under_the_button_and_has_its_own(predicted: User) -> None:
    predicted.key("V")
    predicted.press(300, 500, button=RIGHT)
    predicted.key("D")
    assert predicted.image == "bus.jpg"
    predicted.release(300, 500, button=RIGHT)
    assert left(predicted) == [LARGE, APART]
    predicted.key("D")
    predicted.wait_shown()
    predicted.click_at(300, 500, button=RIGHT)
    predicted.key("Esc")  # the menu of the photo, where there is nothing
    predicted.key("A")
    predicted.wait_shown()
    predicted.wait(lambda: left(predicted) == [LARGE, APART])


def test_in_a_read_only_project_it_is_said(predicted: User) -> None:
    predicted.wait_saved()
    session, project = predicted.session, predicted.session.project
    assert project is not None
    session.close()
    predicted.wait(lambda: session.project is None)
    predicted.window.open(project, read_only=True)
    predicted.wait(lambda: session.project is not None and session.read_only)
    predicted.wait_shown()
    session.measure.choose_model(next(one for one in session.document.models if one.name == "detector"))
    predicted.wait(lambda: left(predicted) == [LARGE, SMALL, APART])
    predicted.key("V")
    predicted.click_at(300, 500, button=RIGHT)
    assert "Nothing was changed" in predicted.said()
    predicted.window.toast.take_back("")
    predicted.key("2")
    assert "Nothing was changed" in predicted.said()
    assert left(predicted) == [LARGE, SMALL, APART]
    assert not predicted.annotations()


# --- a digit --------------------------------------------------------------------------------------


def test_a_digit_accepts_what_the_mouse_is_on_as_that_category(predicted: User) -> None:
    predicted.key("V")
    predicted.move_to(300, 500)
    predicted.key("2")
    (made,) = predicted.annotations()
    assert (made.shape, predicted.category_of(made)) == (SMALL, "dog")
    assert predicted.said() == "Accepted as dog: person 0.80. Undo takes it back."
    predicted.key("1")  # the mouse has not moved: the made one is selected, and renamed
    assert [predicted.category_of(one) for one in predicted.annotations()] == ["person"]
    predicted.move_to(650, 400)
    predicted.key("2")
    assert [predicted.category_of(one) for one in predicted.annotations()] == ["person", "dog"]
    for _ in range(3):
        predicted.undo()
    assert not predicted.annotations()
    assert left(predicted) == [LARGE, SMALL, APART]


def test_a_digit_is_for_the_selected_prediction_wherever_the_mouse_is(predicted: User) -> None:
    predicted.key("V")
    predicted.click_at(650, 400)
    predicted.move_to(300, 500)
    predicted.key("2")
    (made,) = predicted.annotations()
    assert (made.shape, predicted.category_of(made)) == (APART, "dog")


def test_a_digit_is_for_the_selected_object_where_it_was_selected_last(predicted: User) -> None:
    predicted.draw_box(520, 600, 800, 800)
    predicted.key("V")
    predicted.key("Esc")
    predicted.move_to(300, 500)
    predicted.key("Tab")
    predicted.key("2")
    assert predicted.said() == "The selected object is dog now."
    assert left(predicted) == [LARGE, SMALL, APART]


def test_with_a_tool_that_draws_a_digit_is_for_the_next_object(predicted: User) -> None:
    predicted.key("R")
    predicted.move_to(300, 500)
    predicted.key("2")
    assert predicted.said() == "Next object: dog."
    assert not predicted.annotations()


@pytest.mark.parametrize("tool", ["V", "W"])
def test_in_a_review_a_digit_accepts_what_is_asked_about_and_the_review_goes_on(
    predicted: User, tool: str
) -> None:
    predicted.key(tool)
    predicted.window.bench.queue.set_order("in order")
    predicted.key("Ctrl+Shift+R")
    predicted.wait(lambda: is_asked(predicted, 3))
    first = predicted.chosen_prediction()
    predicted.key("2")
    (made,) = predicted.annotations()
    assert (made.prediction_id, predicted.category_of(made)) == (first.id, "dog")
    assert "Accepted as dog" in predicted.said()
    predicted.wait(lambda: is_asked(predicted, 2))
    second = predicted.chosen_prediction()
    assert second.id != first.id
    other = next(one for one in predicted.kept() if one.id != second.id)
    spot = (other.shape.x0 + 20, other.shape.y0 + 20)  # type: ignore[union-attr]
    predicted.click_at(*spot, button=RIGHT)
    assert predicted.window.bench.queue.remaining == 1
    assert predicted.session.document.candidates[other.id].verdict == "rejected"
    assert predicted.looks_at(second.id)


def test_a_mask_of_everything_gets_its_category_by_a_digit(predicted: User) -> None:
    mask = Mask(600, 700, np.ones((80, 60), bool))
    store(predicted, [mask], model="everything")
    predicted.key("V")
    predicted.move_to(630, 740)
    predicted.key("2")
    (made,) = predicted.annotations()
    assert (made.shape, predicted.category_of(made)) == (mask, "dog")


# --- an edge --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grip", "to", "result"),
    [
        ((750, 500), (700, 460), (550, 300, 700, 460)),
        ((750, 340), (790, 400), (550, 300, 790, 500)),
        ((600, 298), (600, 248), (550, 250, 750, 500)),  # by what it is off
    ],
)
def test_dragging_an_edge_of_a_prediction_accepts_it_corrected(
    predicted: User, grip: tuple[float, float], to: tuple[float, float], result: tuple[float, ...]
) -> None:
    predicted.key("V")
    predicted.drag(grip, to)
    (made,) = predicted.annotations()
    assert isinstance(made.shape, Box)
    assert near(made.shape, *result)
    assert verdicts(predicted)[APART] == "accepted"
    agreement = predicted.window.bench.predictions.agreement.of(made.id)
    assert agreement is not None
    assert 0.5 < agreement.iou < 1.0
    predicted.undo()  # one drag, one step
    assert not predicted.annotations()
    assert left(predicted) == [LARGE, SMALL, APART]


def test_a_click_on_an_edge_selects_and_esc_takes_the_drag_back(predicted: User) -> None:
    predicted.key("V")
    predicted.click_at(750, 400)
    assert predicted.chosen_prediction().shape == APART
    predicted.press(750, 400)
    predicted.move_held(700, 400)
    assert predicted.session.focus.draft is not None
    predicted.key("Esc")
    predicted.release(700, 400)
    assert not predicted.annotations()
    under = predicted.draw_box(560, 310, 800, 520)
    predicted.key("V")
    predicted.key("Esc")
    predicted.click_at(750, 400)
    assert predicted.selected() == under
    predicted.press(750, 400)  # the selected object is dragged, not the edge below it
    predicted.move_held(740, 400)
    predicted.release(740, 400)
    assert len(predicted.annotations()) == 1
    assert left(predicted) == [LARGE, SMALL, APART]


def test_a_run_stored_in_the_middle_of_a_correction_takes_no_work_along(predicted: User) -> None:
    predicted.key("V")
    predicted.press(750, 400)
    predicted.move_held(720, 400)
    store(predicted, [SMALL])
    predicted.move_held(700, 400)
    predicted.release(700, 400)
    (made,) = predicted.annotations()
    assert isinstance(made.shape, Box)
    assert near(made.shape, 550, 300, 700, 500)
    predicted.undo()
    assert not predicted.annotations()


# --- what is said ---------------------------------------------------------------------------------


def test_the_bar_and_the_keys_name_the_acts_where_there_are_predictions(predicted: User) -> None:
    hints = []
    for tool in ("V", "R", "Q", "W"):
        predicted.key(tool)
        hints.append(predicted.window.options_bar._hint.text())
    assert all("right click rejects" in hint for hint in hints), hints
    predicted.session.measure.choose_model(None)
    assert "right click rejects" not in predicted.window.options_bar._hint.text()
    rows = [(text, keys) for heading, text, keys in key_table() if heading == "Predictions"]
    assert any("Right click" in keys for _, keys in rows)
    assert ShortcutsDialog(key_table()).shown()


def test_what_the_mouse_is_on_is_to_be_seen(predicted: User) -> None:
    predicted.key("V")
    predicted.move_to(30, 950)
    before = predicted.canvas.grab().toImage()
    predicted.move_to(300, 500)
    assert predicted.canvas.aimed is not None
    assert predicted.canvas.grab().toImage() != before
    predicted.click_at(300, 500, button=RIGHT)
    assert predicted.session.document.candidates[predicted.canvas.aimed].shape == LARGE
    predicted.press(300, 700, button=LEFT)
    predicted.release(300, 700, button=LEFT)
    predicted.key("B")
    assert predicted.canvas.aimed is None


@pytest.mark.parametrize("reviewed", [False, True])
def test_a_new_category_for_a_prediction_is_one_step_with_its_acceptance(
    predicted: User, reviewed: bool
) -> None:
    user, picker = predicted, predicted.window.naming.picker
    if reviewed:
        user.window.actions["review"].trigger()
        user.wait(lambda: is_asked(user, 3))
    else:
        user.key("V")
        user.window.bench.predictions.select([user.kept()[0].id])
    user.key("C")
    user.wait(picker.isVisible)
    user.type("cat", picker.field)
    user.key("Return")
    user.wait(lambda: [user.category_of(one) for one in user.annotations()] == ["cat"])
    assert len(user.session.document.categories) == 3
    assert user.session.focus.category is not None
    assert user.session.focus.category.name == "cat"
    labels: list[str] = []
    user.session.history.journal(lambda entries: labels.extend(one.label for one in entries))
    user.wait(lambda: labels)
    assert labels[0] == "Accept 1 prediction as cat, a new category"
    user.undo()
    user.wait(lambda: len(user.kept()) == 3)
    assert user.annotations() == []
    assert len(user.session.document.categories) == 2


def test_ctrl_and_a_right_click_offers_what_can_be_done_to_predictions(predicted: User) -> None:
    user = predicted
    user.key("V")
    user.click_at(650, 400, button=RIGHT, held=CTRL)
    menu = user.window.objects.menu
    assert menu is not None
    assert len(user.kept()) == 3  # it rejects nothing
    assert user.chosen_prediction().shape == APART
    assert [one.text() for one in menu.actions() if not one.isSeparator()] == [
        "Accept the selected predictions",
        "Accept the selected predictions as…",
        "Reject the selected predictions",
        "Select all predictions of the same category",
    ]
    menu.close()
    user.window.actions["select-alike"].trigger()
    assert len(user.window.bench.predictions.selection) == 3
    user.window.actions["reject-selected"].trigger()
    assert left(user) == []
    user.undo()
    user.wait(lambda: len(user.kept()) == 3)
    assert not user.window.actions["accept-selected"].isEnabled()
    user.window.bench.predictions.select([user.kept()[0].id])
    user.window.actions["accept-selected-as"].trigger()
    user.wait(user.window.naming.picker.isVisible)
    user.type("dog", user.window.naming.picker.field)
    user.key("Return")
    assert [user.category_of(one) for one in user.annotations()] == ["dog"]
