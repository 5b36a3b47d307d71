"""A review in the panel, on a real project of three photos."""

import pytest
from msgspec import structs
from PySide6.QtCore import Qt

from labeler.core.records import Annotation, Box, Candidate, Change
from labeler.core.review_order import ReviewPace
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.agreements import SetAgreements
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.guarantees import Guarantees
from labeler.gui.review.panel import ReviewPanel, pace_text
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.review.second_look import SecondLook


def candidate(x, confidence, category=1, label="person"):
    return Candidate(0, 0, 0, category, Box(x, 0, x + 20, 40), confidence, label)


@pytest.fixture
def panel(qtbot, session, owner, shown):
    predictions = Predictions(session, owner)
    agreements = SetAgreements(session, predictions, owner)
    reviewing = Reviewing(session, predictions, owner)
    queue = ReviewQueue(session, predictions, reviewing, agreements, owner)
    made = ReviewPanel(
        session,
        reviewing,
        queue,
        guarantees=Guarantees(session, predictions, reviewing, owner),
        looks=SecondLook(session, predictions, reviewing, owner),
    )
    return shown(made)


@pytest.fixture
def run(session, predict):
    """Predictions on all images: 0.9 and 0.55 on the first, 0.4 on the second, 0.7 on the third."""
    first, second, third = (image.id for image in session.document.images)
    predict(
        {
            first: [candidate(0, 0.9), candidate(50, 0.55)],
            second: [candidate(0, 0.4)],
            third: [candidate(0, 0.7)],
        }
    )
    return first, second, third


def start(qtbot, panel, first=0.55):
    qtbot.mouseClick(panel._start._button, Qt.MouseButton.LeftButton)
    on_screen(qtbot, panel, first)


def on_screen(qtbot, panel, asked):
    """The item of this confidence is asked about, and its photo is there: before that nothing is decided."""
    qtbot.waitUntil(lambda: confidence(panel) == asked and panel.queue.is_shown, timeout=20_000)


def confidence(panel):
    current = panel.queue.current
    return None if current is None else current.confidence


def verdicts(qtbot, session):
    found = []
    session.ask(
        lambda store: [c.verdict for i in store.images() for c in store.predictions.candidates(i.id)],
        found.append,
    )
    qtbot.waitUntil(lambda: bool(found))
    return found[0]


def test_without_predictions_it_says_where_they_come_from(qtbot, session, panel):
    assert "come from a model's run" in panel._start.text()
    assert not panel._start._button.isVisible()
    panel.set_active(True)
    assert not panel.active


def test_enter_backspace_and_tab_walk_the_set_from_the_most_uncertain_on(qtbot, session, run, panel):
    with qtbot.waitSignal(panel.show_item) as told:
        start(qtbot, panel)
    assert panel.active
    assert confidence(panel) == 0.55
    assert told.args == [run[0], panel.queue.current.candidate_id]
    panel.accept_current()
    # what else is on the image comes before another image
    on_screen(qtbot, panel, 0.9)
    panel.next_item()
    on_screen(qtbot, panel, 0.4)
    assert session.place.image.id == run[1]
    panel.reject_current()
    on_screen(qtbot, panel, 0.7)
    qtbot.waitUntil(lambda: panel.note.text() == "2 LEFT")
    panel.accept_current()
    # what was left for later comes again
    on_screen(qtbot, panel, 0.9)
    qtbot.waitUntil(lambda: sum(sum(session.document.counts(i).values()) for i in run) == 2)
    assert verdicts(qtbot, session) == ["", "accepted", "rejected", "accepted"]
    panel.reject_current()
    assert confidence(panel) is None
    qtbot.waitUntil(lambda: panel.item.text() == "Nothing is left to review.")
    assert not panel.accept_button.isEnabled()


def test_what_is_not_on_the_screen_is_shown_and_not_decided(qtbot, session, run, panel):
    start(qtbot, panel)
    for decide in (panel.accept_current, panel.reject_current):
        session.place.go_to(run[2])
        decide()
        on_screen(qtbot, panel, 0.55)
    assert verdicts(qtbot, session) == ["", "", "", ""]


@pytest.fixture
def broken(photos):
    """The last photo is none, from the start on."""
    (photos / "zidane.jpg").write_bytes(b"no photo")


def test_an_item_whose_photo_cannot_be_read_is_not_decided(qtbot, broken, session, run, panel):
    start(qtbot, panel)
    panel.previous_item()
    qtbot.waitUntil(lambda: bool(session.place.problem), timeout=20_000)
    assert confidence(panel) == 0.7
    panel.accept_current()
    assert verdicts(qtbot, session) == ["", "", "", ""]
    assert panel.queue.remaining == 4


def test_the_least_certain_object_of_all_images(qtbot, session, run, panel):
    start(qtbot, panel)
    panel.order.setCurrentIndex(panel.order.findData("scattered"))
    seen = []
    for _ in range(4):
        seen.append(confidence(panel))
        panel.next_item()
    assert seen == [0.55, 0.4, 0.7, 0.9]


def test_the_buttons_do_the_same(qtbot, session, run, panel):
    start(qtbot, panel)
    for button, then in (
        (panel.accept_button, 0.9),
        (panel.next_button, 0.4),
        (panel.back_button, 0.9),
        (panel.reject_button, 0.4),
    ):
        qtbot.waitUntil(button.isEnabled)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        on_screen(qtbot, panel, then)
    qtbot.waitUntil(lambda: panel.note.text() == "2 LEFT")


def test_an_undone_decision_is_asked_again(qtbot, session, run, panel):
    start(qtbot, panel)
    panel.reject_current()
    assert confidence(panel) == 0.9
    panel.reject_current()
    on_screen(qtbot, panel, 0.4)
    session.history.undo()
    on_screen(qtbot, panel, 0.9)
    session.history.undo()
    qtbot.waitUntil(lambda: confidence(panel) == 0.55)
    qtbot.waitUntil(lambda: session.place.image.id == run[0])


def test_a_reviewed_image_leaves_the_queue(qtbot, session, run, panel):
    start(qtbot, panel)
    assert session.place.image.id == run[0]
    panel.image_done()
    assert session.document.find_image(run[0]).reviewed
    assert confidence(panel) == 0.4
    qtbot.waitUntil(lambda: panel.note.text() == "2 LEFT")


def test_orders(qtbot, session, run, panel):
    session.edits.commit(
        "Draw",
        [Change(None, Annotation(session.edits.new_annotation_id(), run[2], 1, Box(300, 0, 340, 40)))],
        by="test",
    )
    agreements = panel.queue._agreements
    qtbot.waitUntil(lambda: list(agreements.measures) == [run[2]])
    start(qtbot, panel)
    panel.order.setCurrentIndex(2)
    assert (confidence(panel), session.place.image.id) == (0.9, run[0])
    panel.order.setCurrentIndex(1)
    assert (confidence(panel), session.place.image.id) == (0.7, run[2])


def test_it_follows_the_filter(qtbot, session, run, panel):
    start(qtbot, panel)
    panel.queue._filtering.set_filter(confidence=0.6)
    qtbot.waitUntil(lambda: panel.queue.total == 2)
    assert confidence(panel) == 0.9, "what is on the open image is asked first: nobody is taken elsewhere"


def test_what_an_annotation_stands_for_and_what_is_mapped_to_nothing_is_not_asked(
    qtbot, session, predict, panel
):
    session.edits.add(Box(0, 0, 20, 40), by="test")
    predict({session.place.image.id: [candidate(0, 0.9), candidate(50, 0.8, 0, "kite"), candidate(90, 0.7)]})
    start(qtbot, panel, first=0.7)
    assert (panel.queue.total, confidence(panel)) == (1, 0.7)


def test_accept_all_from_a_confidence(qtbot, session, run, panel):
    panel.from_box.setValue(0.6)
    qtbot.waitUntil(panel.on_set.isVisible)
    qtbot.mouseClick(panel.on_set, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: sum(sum(session.document.counts(i).values()) for i in run) == 2)
    session.history.undo()
    qtbot.waitUntil(lambda: not any(sum(session.document.counts(i).values()) for i in run))


def test_pace_in_words():
    assert pace_text(ReviewPace(18.2, 45.0)) == "18 a minute, about 45 s left."
    assert pace_text(ReviewPace(18.2, 600.0)) == "18 a minute, about 10 min left."
    assert pace_text(ReviewPace(18.2, 9000.0)) == "18 a minute, about 2.5 h left."


def test_another_image_makes_no_other_queue(qtbot, session, run, panel, monkeypatch):
    start(qtbot, panel)
    begun = []
    monkeypatch.setattr(panel.queue._scan, "start", lambda *_, **__: begun.append(1))
    panel.next_item()
    panel.next_item()
    on_screen(qtbot, panel, 0.4)
    assert session.place.image.id == run[1]
    assert not panel.queue._again.isActive()
    assert not begun


def test_classes_without_a_category_are_told_apart_from_nothing_left(qtbot, session, predict, panel) -> None:
    first = session.document.images[0].id
    predict({first: [structs.replace(candidate(0, 0.9), category_id=0, label="zebra")]})
    panel.set_active(True)
    qtbot.waitUntil(lambda: panel.item.text() == "What is left has no category.")
    assert "Classes…" in panel.pace.text()


def test_predictions_whose_class_has_no_category_are_told_though_the_open_image_has_none(
    qtbot, session, predict, panel
):
    _, second, third = (image.id for image in session.document.images)
    predict({image: [candidate(0, 0.9, category=0, label="lorry")] for image in (second, third)})
    panel.set_active(True)
    qtbot.waitUntil(lambda: "map them by Classes…" in panel.pace.text(), timeout=20_000)
    assert panel.item.text() == "What is left has no category."
    made = []
    session.ask(
        lambda store: store.predictions.set_mappings(session.measure.model.id, {"lorry": None}), made.append
    )
    qtbot.waitUntil(lambda: bool(made))
    panel.queue.refresh()
    qtbot.waitUntil(lambda: panel.item.text() == "Nothing is left to review.", timeout=20_000)
    assert panel.pace.text() == ""
