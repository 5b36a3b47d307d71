"""A review by mouse and keys: what is decided is what is selected, and never what is not on the screen."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from labeler.core.records import Box, Candidate
from labeler.gui.review.panel import ReviewPanel
from labeler.project.store import Store

from .user import SHIFT, User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

LEFT_ONE, RIGHT_ONE = (100.0, 300.0), (600.0, 300.0)
"""In the middle of the two predictions on the first photo."""


@pytest.fixture
def reviewer(user: User) -> User:
    """Two predictions on the first photo (0.5 and 0.64), one on the second (0.45); a review is on."""
    session = user.session
    category = session.edits.add_category("person", by="test")
    assert category is not None
    images = [image.id for image in session.document.images]

    def predicted(image_id: int, x: float, confidence: float) -> Candidate:
        return Candidate(0, image_id, 0, category.id, Box(x, 200, x + 100, 400), confidence, "person")

    def work(store: Store) -> None:
        model = store.predictions.ensure_model("detector", "1").id
        store.predictions.record_run(
            model, images[0], [predicted(images[0], 50, 0.5), predicted(images[0], 550, 0.64)]
        )
        store.predictions.record_run(model, images[1], [predicted(images[1], 50, 0.45)])

    done: list[None] = []
    session.ask(work, done.append)
    user.wait(lambda: done)
    session.reload()
    user.wait(lambda: len(session.document.candidates) == 2)
    session.measure.choose_model(next(model for model in session.document.models if model.name == "detector"))
    user.wait(lambda: len(user.window.bench.predictions.kept) == 2)
    user.key("V")
    user.key("Ctrl+Shift+R")
    user.wait(lambda: confidence(user) == 0.5 and selected(user) == [0.5])
    return user


def confidence(user: User) -> float | None:
    """That of the item which the review asks about."""
    current = user.window.bench.queue.current
    return None if current is None else current.confidence


def selected(user: User) -> list[float]:
    """The confidences of the selected predictions."""
    predictions = user.window.bench.predictions
    return [predictions.candidates[key].confidence for key in predictions.selection]


def verdicts(user: User) -> dict[float, str]:
    """What the project file says of all three, by their confidence."""
    user.wait_saved()
    found: list[Iterable[Candidate]] = []
    user.session.ask(
        lambda store: [c for image in store.images() for c in store.predictions.candidates(image.id)],
        found.append,
    )
    user.wait(lambda: found)
    return {one.confidence: one.verdict for one in found[0]}


WAITING = {0.5: "", 0.64: "", 0.45: ""}


def test_enter_accepts_the_prediction_that_was_clicked_and_the_review_goes_back(reviewer: User) -> None:
    reviewer.click_at(*RIGHT_ONE)
    assert confidence(reviewer) == 0.64
    reviewer.wait(lambda: "person" in reviewer.window.panels[ReviewPanel].item.text())
    reviewer.key("Return")
    assert verdicts(reviewer) == WAITING | {0.64: "accepted"}
    # what the click came before is asked about again, on the same image
    assert (confidence(reviewer), selected(reviewer)) == (0.5, [0.5])
    reviewer.key("Backspace")
    assert verdicts(reviewer) == WAITING | {0.64: "accepted", 0.5: "rejected"}
    reviewer.wait(lambda: selected(reviewer) == [0.45])


def test_backspace_rejects_the_prediction_that_was_clicked(reviewer: User) -> None:
    reviewer.click_at(*RIGHT_ONE)
    reviewer.key("Backspace")
    assert verdicts(reviewer) == WAITING | {0.64: "rejected"}


@pytest.mark.parametrize("key", ["Return", "Backspace"])
def test_nothing_is_decided_on_an_image_that_is_not_shown(reviewer: User, key: str) -> None:
    first = reviewer.session.place.image
    reviewer.go_to(reviewer.session.document.images[2].path)
    reviewer.wait_shown()
    reviewer.key("1")
    assert verdicts(reviewer) == WAITING
    reviewer.canvas.setFocus()
    reviewer.key(key)
    assert verdicts(reviewer) == WAITING
    # it is brought into sight instead, and the next press decides
    reviewer.wait(lambda: reviewer.session.place.image == first and selected(reviewer) == [0.5])
    reviewer.key(key)
    assert verdicts(reviewer) == WAITING | {0.5: "accepted" if key == "Return" else "rejected"}


def test_the_card_does_not_decide_on_an_image_that_is_not_shown_either(reviewer: User) -> None:
    review = reviewer.window.panels[ReviewPanel]
    first = reviewer.session.place.image
    reviewer.key("D")
    reviewer.key("D")
    reviewer.wait(lambda: review.accept_button.text() == "Show it  ↵")
    assert not review.reject_button.isEnabled()
    reviewer.press_button(review.accept_button)
    assert verdicts(reviewer) == WAITING
    reviewer.wait(
        lambda: reviewer.session.place.image == first and review.accept_button.text() == "Accept  ↵"
    )


def test_with_an_object_selected_nothing_of_the_queue_is_decided(reviewer: User) -> None:
    drawn = reviewer.draw_box(300, 200, 400, 300)
    reviewer.key("V")
    reviewer.click_at(350, 250)
    assert reviewer.selected() == drawn
    reviewer.key("Backspace")
    assert verdicts(reviewer) == WAITING
    assert selected(reviewer) == [0.5]


def _by_key(user: User) -> None:
    user.key("Alt+6")


def _by_closing(user: User) -> None:
    user.window.panels.docks["Review"].close()


def _by_esc(user: User) -> None:
    user.canvas.setFocus()
    user.key("Esc")


def _by_project(user: User) -> None:
    user.session.close()


@pytest.mark.parametrize("end", [_by_key, _by_closing, _by_esc, _by_project])
def test_a_review_ends_with_its_card(reviewer: User, end: Callable[[User], None]) -> None:
    assert reviewer.window.panels.docks["Review"].isVisible()
    end(reviewer)
    assert not reviewer.window.bench.queue.active
    assert not reviewer.window.actions["review"].isChecked()


def test_after_its_end_keys_act_on_what_is_clicked_again(reviewer: User) -> None:
    reviewer.key("Alt+6")
    reviewer.click_at(*LEFT_ONE)
    reviewer.click_at(*RIGHT_ONE)
    reviewer.key("Return")
    assert verdicts(reviewer) == WAITING | {0.64: "accepted"}
    assert not reviewer.window.panels.docks["Review"].isVisible()


def test_a_minimised_window_does_not_end_the_review(reviewer: User) -> None:
    reviewer.window.frame.hide()
    reviewer.window.frame.show()
    assert reviewer.window.bench.queue.active
    assert reviewer.window.panels.docks["Review"].isVisible()


def test_the_first_esc_belongs_to_the_selected_object(reviewer: User) -> None:
    reviewer.draw_box(300, 200, 400, 300)
    reviewer.key("Esc")
    assert not reviewer.session.focus.selection
    assert reviewer.window.bench.queue.active
    reviewer.key("Esc")
    assert not reviewer.window.bench.queue.active


def test_back_by_its_button_and_its_key(reviewer: User) -> None:
    review = reviewer.window.panels[ReviewPanel]
    assert "⇧⇥" in review.back_button.text()
    assert "Shift+Tab" in review.back_button.toolTip()
    reviewer.key("Tab")
    assert confidence(reviewer) == 0.64
    reviewer.press_button(review.back_button)
    assert confidence(reviewer) == 0.5
    reviewer.key("Tab")
    assert confidence(reviewer) == 0.64
    QTest.keyClick(reviewer.canvas, Qt.Key.Key_Backtab, SHIFT)
    assert confidence(reviewer) == 0.5


def test_accept_all_says_how_many_and_its_undo_stays_where_the_person_is(reviewer: User) -> None:
    reviewer.go_to(reviewer.session.document.images[2].path)
    reviewer.wait_shown()
    reviewer.window.actions["accept-set"].trigger()
    reviewer.wait(lambda: reviewer.said().startswith("Accepted 3 predictions on 2 images"))
    assert set(verdicts(reviewer).values()) == {"accepted"}
    here = reviewer.session.place.image
    reviewer.undo()
    assert verdicts(reviewer) == WAITING
    assert reviewer.session.place.image == here
    # it is asked about all the same, when the person goes on
    assert confidence(reviewer) == 0.5
    reviewer.canvas.setFocus()
    reviewer.key("Return")
    reviewer.wait(lambda: selected(reviewer) == [0.5])
    assert verdicts(reviewer) == WAITING


def test_accept_all_on_the_image_and_its_undo_stay_there(reviewer: User, photos: Path) -> None:
    first = reviewer.session.place.image
    reviewer.key("Ctrl+Shift+Return")
    reviewer.wait(lambda: reviewer.said().startswith("Accepted 2 predictions on 1 image"))
    reviewer.wait(lambda: reviewer.session.place.image != first and selected(reviewer) == [0.45])
    second = reviewer.session.place.image
    reviewer.key("Backspace")
    assert reviewer.session.place.image == second
    reviewer.undo()
    reviewer.wait(lambda: selected(reviewer) == [0.45])
    assert reviewer.session.place.image == second


def _points(user: User) -> int:
    return len(user.canvas.progress._tools["polygon"].points)  # type: ignore[attr-defined]


def test_what_is_in_progress_comes_before_the_review(reviewer: User) -> None:
    image = reviewer.session.place.image
    reviewer.key("P")
    for corner in ((300.0, 500.0), (450.0, 500.0), (450.0, 700.0), (300.0, 700.0)):
        reviewer.click_at(*corner)
    asked = confidence(reviewer)
    reviewer.key("Tab")
    assert (confidence(reviewer), reviewer.session.place.image) == (asked, image)
    reviewer.key("Backspace")
    assert _points(reviewer) == 3
    assert verdicts(reviewer) == WAITING
    reviewer.key("Return")
    assert _points(reviewer) == 0
    assert verdicts(reviewer) == WAITING
    assert len(reviewer.annotations()) == 1
    reviewer.key("Return")  # the new object is selected by now: the item is brought into sight first
    assert selected(reviewer) == [asked]
    assert verdicts(reviewer) == WAITING
    reviewer.key("Return")
    assert list(verdicts(reviewer).values()).count("accepted") == 1


def test_a_review_that_goes_elsewhere_and_back_keeps_what_was_begun(reviewer: User) -> None:
    first = reviewer.session.place.image
    reviewer.key("P")
    reviewer.click_at(300, 500)
    reviewer.click_at(450, 500)
    queue = reviewer.window.bench.queue
    while reviewer.session.place.image == first:
        queue.next_item()
    assert _points(reviewer) == 0
    while reviewer.session.place.image != first:
        queue.previous_item()
    assert _points(reviewer) == 2
    assert verdicts(reviewer) == WAITING


def test_predictions_that_arrive_leave_the_selection_to_an_object(reviewer: User) -> None:
    """Another run has others for the open photo; Enter brings the first of them into sight."""
    session, queue = reviewer.session, reviewer.window.bench.queue
    first, model = session.place.image, session.measure.model
    assert first is not None
    assert model is not None
    made = session.edits.add(Box(300, 500, 400, 600), by="test")
    assert made is not None
    session.focus.select([made.id])
    other = Candidate(0, first.id, 0, made.category_id, Box(250, 200, 350, 400), 0.55, "person")
    done: list[None] = []
    session.ask(lambda store: store.predictions.record_run(model.id, first.id, [other]), done.append)  # type: ignore[arg-type, return-value]
    reviewer.wait(lambda: done)
    session.refresh_candidates(first.id)
    reviewer.window.bench.take_stored((first.id,))
    reviewer.wait(lambda: confidence(reviewer) == 0.55)
    session.reload()
    reviewer.wait(lambda: not queue._again.isActive() and queue.preparing == (0, 0))
    assert session.focus.selection == {made.id}
    queue.accept_current()
    assert 0.55 not in {k for k, verdict in verdicts(reviewer).items() if verdict}
    assert selected(reviewer) == [0.55]
    queue.accept_current()
    assert verdicts(reviewer)[0.55] == "accepted"


def test_predictions_that_arrive_take_a_review_nowhere(reviewer: User) -> None:
    """The current item goes as another run replaces it, and what waits then is on another image."""
    session, queue = reviewer.session, reviewer.window.bench.queue
    first = session.place.image
    assert first is not None
    model = session.measure.model
    assert model is not None
    done: list[None] = []
    session.ask(lambda store: store.predictions.record_run(model.id, first.id, []), done.append)  # type: ignore[arg-type, return-value]
    reviewer.wait(lambda: done)
    session.refresh_candidates(first.id)
    reviewer.window.bench.take_stored((first.id,))
    reviewer.wait(lambda: confidence(reviewer) == 0.45)
    assert session.place.image == first
    reviewer.key("Return")
    reviewer.wait(lambda: selected(reviewer) == [0.45])
    assert queue.is_shown
    assert session.place.image != first


def test_what_looks_missed_has_a_dot_and_is_walked_at_the_end(reviewer: User) -> None:
    """Both predictions of the first photo are left out of its labels, and it is called reviewed."""
    bench, session = reviewer.window.bench, reviewer.session
    first = session.document.open_id
    bench.queue.set_active(False)
    reviewer.canvas.sight.fit()
    at = reviewer.canvas.sight.view.point_on_screen(650, 200)
    x, y = round(at[0]), round(at[1])
    bench.predictions.select(())
    plain = reviewer.canvas.grab().toImage().pixelColor(x, y)
    session.edits.mark_reviewed(True, by="test")
    reviewer.wait(lambda: len(bench.second_look.queue) == 2)
    assert reviewer.canvas.grab().toImage().pixelColor(x, y) != plain
    reviewer.go_to(session.document.images[1].path)
    reviewer.wait_shown()
    bench.second_look.next_one()
    reviewer.wait(lambda: session.document.open_id == first and selected(reviewer) == [0.64])
    reviewer.canvas.setFocus()
    reviewer.key("Return")
    assert list(verdicts(reviewer).values()).count("accepted") == 1
    reviewer.wait(lambda: len(bench.second_look.queue) == 1)
