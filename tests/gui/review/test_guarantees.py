"""Accepting unseen, with a guarantee, on a real project of six small pictures."""

import pytest
from msgspec import json, structs
from PySide6.QtCore import QObject

from labeler.core.measures.guarantee import Promise, TooLittle
from labeler.core.records import Annotation, Box, Candidate, Change
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.guarantee_card import GuaranteeCard, offer_text
from labeler.gui.review.guarantees import LOT, Guarantees, Terms
from labeler.project.runs import Run, runs_folder
from labeler.training.run import RunFolder, RunSpec

SOON = 20_000
EACH = 30
"""Predictions on each picture."""


def spot(place: int) -> Box:
    return Box(12 * place, 0, 12 * place + 10, 10)


@pytest.fixture
def told(few):
    said: list[str] = []
    few.told.connect(said.append)
    return said


@pytest.fixture
def desk(qtbot, few):
    """What accepts; on the first three pictures all is labelled as predicted, and they are reviewed."""
    owner = QObject()
    predictions = Predictions(few, owner)
    reviewing = Reviewing(few, predictions, owner)
    guarantees = Guarantees(few, predictions, reviewing, owner)
    guarantees.reviewing, guarantees.predictions = reviewing, predictions

    def work(store):
        model = store.predictions.ensure_model("detector", "1", suppressed=True)
        for image_id in range(1, 7):
            found = [Candidate(0, 0, 0, 1, spot(n), 0.5 + n / 100, "person") for n in range(EACH)]
            store.predictions.record_run(model.id, image_id, found)
        return model

    done: list = []
    few.ask(work, done.append)
    qtbot.waitUntil(lambda: bool(done), timeout=SOON)
    few.reload()
    qtbot.waitUntil(lambda: len(few.document.candidates) == EACH, timeout=SOON)
    few.measure.add_model(done[0])
    review(few, 1, 2, 3)
    qtbot.waitUntil(lambda: few.saved == "saved", timeout=SOON)
    yield guarantees
    few.close()
    owner.deleteLater()


def review(session, *images, right=EACH):
    """Label these pictures as predicted, the first `right` of each, and say that they are reviewed."""
    changes = []
    for image_id in images:
        image = session.document.find_image(image_id)
        changes += [
            Change(None, Annotation(session.edits.new_annotation_id(), image_id, 1, spot(n)))
            for n in range(right)
        ]
        changes.append(Change(image, structs.replace(image, reviewed=True)))
    session.edits.commit("review", changes, by="test")


def looked(qtbot, desk, **terms):
    desk.look(Terms(**terms))
    qtbot.waitUntil(lambda: not desk.is_looking and desk.offer is not None, timeout=SOON)
    return desk.offer


def counts(session):
    return [sum(session.document.counts(image_id).values()) for image_id in range(1, 7)]


def test_what_is_promised_is_told_accepted_in_one_step_and_taken_back_in_one(qtbot, few, desk):
    heard = []
    desk.reviewing.told.connect(heard.append)
    offer = looked(qtbot, desk)
    assert [type(part) for part in offer.parts] == [Promise]
    assert offer_text(offer, {}).splitlines()[0] == (
        "Would accept 90 of 90 predictions on 3 images; at most 5 % wrong with 95 % confidence, from 90 "
        "predictions on 3 images reviewed."
    )
    desk.accept()
    qtbot.waitUntil(lambda: counts(few) == [EACH] * 6, timeout=SOON)
    assert heard == ["Accepted 90 predictions, at most 5 % wrong on 3 images; one Undo takes it back."]
    assert desk.offer is None
    entries = []
    few.history.journal(entries.extend)
    qtbot.waitUntil(lambda: bool(entries), timeout=SOON)
    assert entries[0].label == "Accept 90 predictions, at most 5 % wrong"
    few.history.undo()
    qtbot.waitUntil(lambda: counts(few) == [EACH] * 3 + [0] * 3, timeout=SOON)


def test_too_little_says_how_many_more_looks_it_takes_and_draws_them(qtbot, few, desk, told):
    few.history.undo()
    qtbot.waitUntil(lambda: counts(few) == [0] * 6, timeout=SOON)
    review(few, 1)
    offer = looked(qtbot, desk)
    (part,) = offer.parts
    assert isinstance(part, TooLittle)
    assert part.more
    text = offer_text(offer, {})
    assert text.startswith(
        "Too little to promise at most 5 % wrong: 30 predictions on 1 image reviewed, 0 of them wrong. "
        f"It takes about {part.more} more, on "
    )
    desk.accept()
    drawn = []
    desk.drawn.connect(drawn.append)
    desk.draw_lot()
    qtbot.waitUntil(lambda: bool(drawn), timeout=SOON)
    assert drawn == ["5 images drawn by lot: review each whole, in this order."]
    assert sorted(few.place.order) == [2, 3, 4, 5, 6]
    assert few.place.image.id == few.place.order[0]
    assert (counts(few), told) == ([EACH] + [0] * 5, [])


def test_of_a_lot_only_what_is_reviewed_up_to_the_first_left_out_counts(qtbot, few, desk):
    few.history.undo()
    few.ask(lambda store: store.set_meta(LOT, "[4, 2, 6, 1]"), lambda _: None)
    review(few, 1, 3, 4, 2)
    offer = looked(qtbot, desk)
    assert (offer.images, offer.looked, offer.alike) == (2, 2 * EACH, 1.0)
    few.ask(lambda store: store.set_meta(LOT, "no list"), lambda _: None)
    assert looked(qtbot, desk).images == 4


def test_what_was_drawn_is_walked_before_more_is_drawn(qtbot, few, desk):
    few.ask(lambda store: store.set_meta(LOT, "[5, 1]"), lambda _: None)
    drawn = []
    desk.drawn.connect(drawn.append)
    desk.draw_lot()
    qtbot.waitUntil(lambda: bool(drawn), timeout=SOON)
    assert (few.place.order[0], sorted(few.place.order)) == (5, [4, 5, 6])
    kept = []
    few.ask(lambda store: json.decode(store.meta(LOT)), kept.append)
    qtbot.waitUntil(lambda: bool(kept), timeout=SOON)
    assert kept[0] == [5, 1, *few.place.order[1:]]
    review(few, 4, 5, 6)
    with qtbot.waitSignal(few.told) as said:
        desk.draw_lot()
    assert said.args == ["There is no image left to draw: all with predictions are reviewed."]


def test_what_a_person_does_meanwhile_stays(qtbot, few, desk, held):
    """Between the press and the answer: one is rejected, another image reviewed."""
    few.place.go_to(4)
    qtbot.waitUntil(lambda: few.document.is_read and len(few.document.candidates) == EACH, timeout=SOON)
    looked(qtbot, desk)
    with held(few):
        desk.accept()
        desk.reviewing.reject([min(few.document.candidates)])
        review(few, 6, right=2)
    qtbot.waitUntil(lambda: counts(few) == [EACH] * 3 + [EACH - 1, EACH, 2], timeout=SOON)
    assert not few.focus.selection
    few.history.undo()
    qtbot.waitUntil(lambda: counts(few) == [EACH] * 3 + [0, 0, 2], timeout=SOON)
    assert [c.verdict for c in few.document.candidates.values()].count("rejected") == 1


def test_a_run_that_stores_others_meanwhile_is_not_accepted(qtbot, few, desk, held):
    """What was offered is gone, and what has come was promised by nobody."""
    looked(qtbot, desk)
    model = few.measure.model
    with held(few):
        few.keep(
            lambda store: store.predictions.record_run(
                model.id, 5, [Candidate(0, 0, 0, 1, Box(400, 20, 420, 40), 0.99, "person")]
            ),
            lambda _: None,
            failed=lambda error: pytest.fail(str(error)),
        )
        desk.accept()
    qtbot.waitUntil(lambda: counts(few) == [EACH] * 4 + [0, EACH], timeout=SOON)


def test_an_offer_is_gone_after_an_edit_another_filter_and_stored_predictions(qtbot, few, desk):
    acts = (
        lambda: few.edits.add(Box(0, 20, 9, 29), by="test"),
        few.history.undo,
        lambda: desk.predictions.set_filter(confidence=0.6),
        lambda: few.measure.choose_model(None),
    )
    for act in acts:
        looked(qtbot, desk)
        act()
        assert desk.offer is None
        desk.accept()
    assert counts(few) == [EACH] * 3 + [0] * 3


def test_what_changes_while_it_is_worked_out_begins_it_anew(qtbot, few, desk, held):
    with held(few):
        desk.look(Terms())
        desk.predictions.set_filter(confidence=0.7)
        review(few, 4)
        assert (desk.is_looking, desk.offer) == (True, None)
    qtbot.waitUntil(lambda: not desk.is_looking, timeout=SOON)
    # ten of each picture are over 0.7: too few now
    assert (desk.offer.looked, desk.offer.waiting) == (40, 20)


def test_images_that_the_model_learned_from_do_not_count(qtbot, few, desk, told):
    folder = RunFolder.create(runs_folder() / "learnt", RunSpec("instant", "detector"))
    few.ask(
        lambda store: store.runs.add(Run(0, str(folder.path), "detector", "instant", 1, 1.0)), lambda _: None
    )
    desk.look(Terms())
    qtbot.waitUntil(lambda: not desk.is_looking, timeout=SOON)
    assert desk.offer is None
    assert len(told) == 1
    assert told[0].startswith("Nothing can be promised: the model comes from a training of this project")
    assert told[0].endswith("since the run “detector” cannot be read.")
    folder.train_labels.write_text('{"images": [{"id": 2, "file_name": "a"}], "annotations": []}')
    assert looked(qtbot, desk).images == 2


def test_each_category_by_itself(qtbot, few, desk):
    offer = looked(qtbot, desk, by_category=True)
    text = offer_text(offer, {1: "person"})
    assert "confidence for each category, from" in text
    assert "person: 90 of 90. From a confidence of 0.50: there 0 of 90 reviewed are wrong" in text


def test_without_predictions_and_read_only_nothing_happens(qtbot, few, desk, told):
    model = few.measure.model
    few.measure.choose_model(None)
    desk.look(Terms())
    assert told.pop() == "There are no predictions to accept. Run a model or import results first."
    assert not desk.is_looking
    folder = few.root
    few.close()
    few.open(folder, read_only=True)
    qtbot.waitUntil(lambda: few.document.is_read and few.measure.model == model, timeout=SOON)
    looked(qtbot, desk)
    desk.draw_lot()
    desk.accept()
    why = "The project is open read-only."
    assert told == [f"Nothing was drawn. {why}", f"Nothing was changed. {why}"]
    assert counts(few) == [EACH] * 3 + [0] * 3


def test_the_card_tells_and_accepts(qtbot, few, desk, shown):
    card = shown(GuaranteeCard(few, desk))
    assert not card.accept_button.isVisible()
    card.look_button.click()
    qtbot.waitUntil(lambda: card.accept_button.text() == "Accept 90", timeout=SOON)
    assert not card.draw_button.isVisible()
    card.allowed.setValue(1)
    qtbot.waitUntil(lambda: not card.accept_button.isVisible(), timeout=SOON)
    card.look_button.click()
    qtbot.waitUntil(card.draw_button.isVisible, timeout=SOON)
    card.allowed.setValue(5)
    card.look_button.click()
    qtbot.waitUntil(card.accept_button.isVisible, timeout=SOON)
    card.accept_button.click()
    qtbot.waitUntil(lambda: counts(few) == [EACH] * 6, timeout=SOON)
