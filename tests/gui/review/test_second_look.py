"""Doubtful labels of reviewed images, on a real project of six small pictures."""

import pytest
import shiboken6
from msgspec import structs
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QVBoxLayout, QWidget

from labeler.core.records import Annotation, Box, Candidate, Change
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.second_look import DISMISSED, SecondLook
from labeler.gui.review.second_look_card import SecondLookCard

SOON = 20_000
HERE, THERE, APART = Box(2, 2, 22, 22), Box(30, 2, 50, 22), Box(2, 25, 12, 35)


@pytest.fixture
def looks(qtbot, few):
    """A model found a person here and one there on the first two pictures, and nothing is labelled."""
    owner = QObject()
    predictions = Predictions(few, owner)
    made = SecondLook(few, predictions, Reviewing(few, predictions, owner), owner)

    def work(store):
        model = store.predictions.ensure_model("detector", "1", suppressed=True)
        for image_id in (1, 2):
            found = [(HERE, 0.9), (THERE, 0.8)]
            store.predictions.record_run(
                model.id, image_id, [Candidate(0, 0, 0, 1, box, sure, "person") for box, sure in found]
            )
        return model

    done: list = []
    few.ask(work, done.append)
    qtbot.waitUntil(lambda: bool(done), timeout=SOON)
    few.reload()
    qtbot.waitUntil(lambda: len(few.document.candidates) == 2, timeout=SOON)
    few.measure.add_model(done[0])
    yield made
    few.close()
    shiboken6.delete(owner)


def review(session, image_id, *labels):
    image = session.document.find_image(image_id)
    made = [
        Annotation(session.edits.new_annotation_id(), image_id, category, box) for box, category in labels
    ]
    session.edits.commit(
        "review",
        [*(Change(None, one) for one in made), Change(image, structs.replace(image, reviewed=True))],
        by="test",
    )


def kinds(looks):
    return [(one.image_id, one.kind) for one in looks.queue]


def test_once_an_image_is_reviewed_what_looks_wrong_is_marked(qtbot, few, looks):
    assert not looks.queue
    review(few, 1, (HERE, 2))
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "misnamed"), (1, "missed")], timeout=SOON)
    assert looks.on_open_image() == [HERE, THERE]
    few.history.undo()
    qtbot.waitUntil(lambda: not looks.queue, timeout=SOON)
    assert looks.on_open_image() == []


def test_it_is_asked_about_worst_first_and_mended(qtbot, few, looks):
    review(few, 2, (HERE, 1))
    review(few, 1, (HERE, 2), (THERE, 1))
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "misnamed"), (2, "missed")], timeout=SOON)
    seen = []
    looks.shown.connect(lambda box, candidate_id: seen.append((box, candidate_id > 0)))
    looks.next_one()
    assert seen == [(HERE, False)]
    (chosen,) = few.focus.selection
    assert few.document.annotations[chosen].category_id == 2
    looks.next_one()
    qtbot.waitUntil(lambda: len(seen) == 2, timeout=SOON)
    assert seen[1] == (THERE, True)
    assert few.place.image.id == 2
    few.place.go_to(1)
    qtbot.waitUntil(lambda: few.document.is_read and bool(few.document.annotations), timeout=SOON)
    few.edits.recategorise([chosen], 1, by="test")
    qtbot.waitUntil(lambda: kinds(looks) == [(2, "missed")], timeout=SOON)


def test_what_is_right_as_it_is_is_not_asked_again_until_it_is_changed(qtbot, few, looks):
    review(few, 1, (HERE, 2), (THERE, 1))
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "misnamed")], timeout=SOON)
    looks.next_one()
    looks.dismiss()
    assert (looks.queue, looks.current) == ([], None)
    looks._begin_anew()  # as when the project is opened again
    qtbot.waitUntil(lambda: looks.images == 1, timeout=SOON)
    assert not looks.queue
    label = next(one for one in few.document.annotations.values() if one.category_id == 2)
    few.edits.replace(label, Box(2, 2, 22, 21), label="Resize", by="test")
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "misnamed")], timeout=SOON)
    few.ask(lambda store: store.set_meta(DISMISSED, "no list"), lambda _: None)
    looks._begin_anew()
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "misnamed")], timeout=SOON)


def test_nothing_missing_rejects_the_prediction_and_undo_asks_again(qtbot, few, looks):
    review(few, 1, (HERE, 1))
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "missed")], timeout=SOON)
    looks.next_one()
    looks.dismiss()
    qtbot.waitUntil(lambda: looks.images == 1 and not looks.queue, timeout=SOON)
    assert [c.verdict for c in few.document.candidates.values()].count("rejected") == 1
    few.history.undo()
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "missed")], timeout=SOON)


def test_a_run_that_stores_others_and_another_model_look_anew(qtbot, few, looks):
    review(few, 1, (HERE, 1), (THERE, 1))
    qtbot.waitUntil(lambda: looks.images == 1, timeout=SOON)
    assert not looks.queue
    model = few.measure.model
    few.keep(
        lambda store: store.predictions.record_run(
            model.id, 1, [Candidate(0, 0, 0, 1, APART, 0.9, "person")]
        ),
        lambda _: looks.touch([1]),
        failed=lambda error: pytest.fail(str(error)),
    )
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "missed")], timeout=SOON)
    few.measure.choose_model(None)
    assert not looks.queue


def test_another_project_and_a_read_only_one(qtbot, few, looks, held):
    review(few, 1, (HERE, 2), (THERE, 1))
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "misnamed")], timeout=SOON)
    folder, told = few.root, []
    with held(few):
        looks.touch([1])
        few.close()
        assert not looks.queue
    few.open(folder, read_only=True)
    qtbot.waitUntil(lambda: kinds(looks) == [(1, "misnamed")], timeout=SOON)
    few.told.connect(told.append)
    looks.next_one()
    looks.dismiss()
    assert told == ["Nothing was changed. The project is open read-only."]
    assert looks.queue


def test_the_card_is_there_while_something_is_doubtful(qtbot, few, looks, shown):
    panel = QWidget()
    card = SecondLookCard(few, looks)
    QVBoxLayout(panel).addWidget(card)
    shown(panel)
    assert not card.isVisible()
    review(few, 1, (HERE, 2), (THERE, 1))
    qtbot.waitUntil(card.isVisible, timeout=SOON)
    assert (
        card.said.text()
        == "1 label is doubtful on 1 reviewed image, by the predictions of the model at hand."
    )
    card.next_button.click()
    qtbot.waitUntil(lambda: card.said.text() == "This “dog” may be “person”. (0.90)", timeout=SOON)
    card.right_button.click()
    qtbot.waitUntil(lambda: not card.isVisible(), timeout=SOON)
