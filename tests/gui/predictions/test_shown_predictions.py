"""Predictions of the chosen model on a real project: filtered, counted over the set, walked and selected."""

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from labeler.core.filtering import Filter
from labeler.core.records import Box, Candidate, Change, Mask
from labeler.gui.predictions.comparison import Comparison
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.measure import OpenAgreement


def candidate(box, confidence, label="person", category=1):
    return Candidate(0, 1, 0, category, Box(*map(float, box)), confidence, label)


NEAR = [
    candidate((100, 100, 200, 300), 0.9),
    candidate((100, 100, 200, 290), 0.8),
    candidate((400, 100, 500, 300), 0.6),
    candidate((400, 500, 500, 700), 0.1),
]


@pytest.fixture
def predictions(session) -> Predictions:
    return Predictions(session)


@pytest.fixture
def three(predictions, predict, qtbot: QtBot) -> Predictions:
    """Four candidates on the open image, two on the next one."""
    predict({1: NEAR, 2: [candidate((10, 10, 60, 60), 0.7), candidate((300, 10, 360, 60), 0.3)]})
    qtbot.waitUntil(lambda: len(predictions.candidates) == 4)
    return predictions


def comparison_of(session, predictions) -> Comparison:
    """As the canvas makes it, which knows all that is dragged; here that is the session's draft."""
    return Comparison(
        session,
        predictions,
        predictions,
        drafts=lambda: (
            {session.focus.draft.id: session.focus.draft} if session.focus.draft is not None else {}
        ),
    )


def by_confidence(predictions, ids):
    return [predictions.candidates[key].confidence for key in ids]


def key_of(predictions, confidence):
    return next(key for key, one in predictions.candidates.items() if one.confidence == confidence)


def test_nothing_is_predicted_without_a_model(predictions):
    assert predictions.candidates == {}
    assert predictions.kept == ()
    predictions.step_walk(1)
    assert predictions.walk == ()


def test_labels_are_measured_against_what_the_filter_keeps(three, session):
    def extra(agreement):
        return len(agreement.of_image().extra)

    told = []
    three.agreement.kept_changed.connect(lambda: told.append(extra(three.agreement)))
    assert (extra(three.agreement), extra(OpenAgreement(session))) == (2, 4)
    seen = []
    three.changed.connect(lambda: seen.append(extra(three.agreement)))
    three.set_filter(confidence=0.7)
    assert (told, seen) == ([1], [1])
    three.set_faint("all")
    assert (told, seen) == ([1], [1, 1]), "others are shown, but none else is kept"


def test_the_filter_decides_what_is_a_prediction(three):
    assert by_confidence(three, three.kept) == [0.9, 0.6]
    assert by_confidence(three, three.faint_ids) == [0.8]
    by, iou = three.suppressor(three.faint_ids[0])
    assert by.confidence == 0.9
    assert iou == pytest.approx(0.95)
    three.set_faint("all")
    assert by_confidence(three, three.faint_ids) == [0.8, 0.1]
    three.set_faint("none")
    assert three.faint_ids == ()


def test_a_change_of_the_filter_is_told_once_and_only_when_it_is_one(three, qtbot):
    told = []
    three.changed.connect(lambda: told.append(three.kept))
    three.set_filter(confidence=0.7, iou=0.96)
    three.set_filter(confidence=0.7)
    assert len(told) == 1
    assert by_confidence(three, told[0]) == [0.9, 0.8]


def test_keys_step_both_sliders_and_stop_at_their_ends(three):
    three.step_confidence(1)
    three.step_iou(-2)
    assert (three.filter.confidence, three.filter.iou) == (0.3, 0.4)
    three.step_confidence(100)
    assert three.filter.confidence == 0.99
    three.step_confidence(-100)
    assert three.filter.confidence == 0.01


def test_each_model_has_its_own_filter(three, session, predict):
    first = session.measure.model
    three.set_filter(confidence=0.5)
    predict({1: NEAR}, model="another", suppressed=True)
    assert three.filter == Filter()
    assert not three.needs_suppression
    assert by_confidence(three, three.kept) == [0.9, 0.8, 0.6]
    three.step_iou(1)
    assert three.filter.iou == 0.5
    session.measure.choose_model(first)
    assert three.filter.confidence == 0.5
    assert three.needs_suppression


def test_a_rejected_one_goes_and_its_near_copy_does_not_take_its_place(three, session):
    best = three.candidates[key_of(three, 0.9)]
    session.edits.commit("Reject", [Change(best, replace(best, verdict="rejected"))], by="test")
    assert by_confidence(three, three.kept) == [0.6]
    assert by_confidence(three, three.faint_ids) == [0.8]
    session.history.undo()


def test_an_accepted_one_is_no_prediction_any_more(three, session):
    made = session.edits.add(NEAR[0].shape, by="test")
    session.edits.commit("Link", [Change(made, replace(made, prediction_id=key_of(three, 0.9)))], by="test")
    assert by_confidence(three, three.kept) == [0.6]


def test_classes_that_are_ignored_are_left_out(three, session, qtbot, predict):
    predict({1: [*NEAR, candidate((600, 600, 700, 700), 0.95, "tie")]}, model="ties")
    assert len(three.kept) == 3
    session.ask(
        lambda store: store.predictions.set_mappings(session.measure.model.id, {"tie": None}), lambda _: None
    )
    session.reload()
    qtbot.waitUntil(lambda: len(three.candidates) == 4)
    assert len(three.kept) == 2


def test_an_edit_of_labels_keeps_the_overlaps(three, session):
    before = three._image_filter
    session.edits.add(Box(0, 0, 10, 10), by="test")
    best = three.candidates[key_of(three, 0.9)]
    session.edits.commit("Reject", [Change(best, replace(best, verdict="rejected"))], by="test")
    assert three._image_filter is before


def test_another_image_has_its_own_candidates(three, session, qtbot):
    three.select(three.kept[:1])
    three.hover(three.faint_ids[0])
    three.step_walk(1)
    session.place.step(1)
    assert three.selection == frozenset()
    assert three.hovered is None
    assert three.walk is None
    assert three.kept == ()
    qtbot.waitUntil(lambda: by_confidence(three, three.kept) == [0.7, 0.3])


# --- selecting ------------------------------------------------------------------------------------------


def test_predictions_and_annotations_yield_to_each_other(three, session):
    made = session.edits.add(Box(0, 0, 10, 10), by="test")
    key = three.kept[0]
    three.select([key])
    assert (three.selection, session.focus.selection) == ({key}, frozenset())
    session.focus.select([made.id])
    assert (three.selection, session.focus.selection) == (frozenset(), {made.id})
    three.select([key], keep=True)
    assert (three.selection, session.focus.selection) == ({key}, {made.id})


def test_what_is_judged_cannot_stay_selected(three, session):
    key = three.kept[0]
    three.select([key, 10**6])
    assert three.selection == {key}
    one = three.candidates[key]
    session.edits.commit("Reject", [Change(one, replace(one, verdict="rejected"))], by="test")
    assert three.selection == frozenset()


def test_what_is_pointed_at_is_let_go_of_where_it_vanished(three, session, predict, qtbot):
    """A run that stores other candidates, or an undo, takes it away under the pointer."""
    told = []
    three.hovered_changed.connect(lambda: told.append(three.hovered))
    key = three.faint_ids[0]
    three.hover(key)
    three.hover(key)
    assert told == [key]
    three.refresh([1])
    session.refresh_candidates(1)
    with qtbot.waitSignal(session.document.changed):
        pass
    assert three.hovered == key, "the same candidates are there: it is pointed at still"
    predict({1: [candidate((10, 10, 60, 60), 0.5)]})
    qtbot.waitUntil(lambda: len(three.candidates) == 1)
    assert three.hovered is None
    assert told == [key, None]
    assert three.suppressor(key) is None


def test_what_is_selected_goes_with_it_and_the_rest_stays_selected(three, session, qtbot):
    kept = three.kept
    three.select(kept)
    gone = three.candidates[kept[0]]
    session.edits.commit("Gone", [Change(gone, None)], by="test")
    assert three.selection == frozenset(kept[1:])
    session.history.undo()
    assert three.selection == frozenset(kept[1:]), "what comes back is not chosen by itself"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({}, Filter()),
        ({"confidence": 0.4}, Filter(confidence=0.4)),
        ({"confidence": 0.01, "iou": 0.99}, Filter(confidence=0.01, iou=0.99)),
        ({"confidence": 0.0}, Filter()),
        ({"confidence": 1.0}, Filter()),
        ({"iou": 0.0}, Filter()),
        ({"iou": 1.5}, Filter()),
        ({"top_k": 0}, Filter()),
        ({"top_k": 1}, Filter(top_k=1)),
        ({"confidence": "high"}, Filter()),
        ({"kind": "another"}, Filter()),
    ],
)
def test_a_filter_remembered_in_a_file_that_somebody_edited_is_used_only_if_it_is_sound(
    session, owner, predict, written, read
):
    predict({1: NEAR})
    model = session.measure.model
    assert Predictions(session, owner, remembered={model.name: written}).filter == read


@pytest.mark.parametrize("kind", ["none", "soft-gaussian"])
def test_the_iou_key_does_nothing_where_no_iou_decides(three, kind):
    three.set_filter(kind=kind)
    assert not three.suppresses
    three.step_iou(1)
    assert three.filter.iou == Filter().iou


# --- the step mode --------------------------------------------------------------------------------------


def test_the_step_mode_walks_forth_and_back_and_follows_the_filter(three, qtbot):
    told = []
    three.walked.connect(lambda: told.append(three.walk_at))
    three.start_walk()
    assert three.step is None
    three.step_walk(1)
    assert three.candidates[three.step.picked].confidence == 0.9
    assert by_confidence(three, [key for key, _ in three.step.dropped]) == [0.8]
    assert three.step.left == 1
    three.step_walk(5)
    assert three.walk_at == 2
    three.set_filter(confidence=0.65)
    assert (three.walk_at, len(three.walk)) == (1, 1)
    three.step_walk(-3)
    assert three.walk_at == 0
    three.stop_walk()
    assert three.walk is None
    assert told == [0, 1, 2, 1, 0, 0]


# --- the set --------------------------------------------------------------------------------------------


def test_the_set_is_counted_in_the_background_and_follows_the_filter(three, qtbot):
    assert three.set_counts.counts is None
    three.set_counts.watch(True)
    qtbot.waitUntil(lambda: three.set_counts.counts == (5, 4, 1))
    three.set_filter(confidence=0.65)
    qtbot.waitUntil(lambda: three.set_counts.counts == (3, 2, 1))
    three.set_filter(kind="none")
    qtbot.waitUntil(lambda: three.set_counts.counts == (3, 3, 0))


def test_the_counts_follow_the_filter_while_images_come_without_end(three, owner, qtbot):
    three.set_counts.watch(True)
    qtbot.waitUntil(lambda: three.set_counts.counts == (5, 4, 1))
    # as a run does it, but far quicker than anything is counted
    arrivals = QTimer(owner, interval=5)
    arrivals.timeout.connect(lambda: three.refresh((1,)))
    arrivals.start()
    three.set_filter(confidence=0.65)
    qtbot.waitUntil(lambda: three.set_counts.counts == (3, 2, 1), timeout=20_000)
    three.set_filter(confidence=0.25)
    qtbot.waitUntil(lambda: three.set_counts.counts == (5, 4, 1), timeout=20_000)
    arrivals.stop()


def test_nothing_is_counted_while_nobody_watches(three, qtbot):
    three.set_counts.watch(True)
    qtbot.waitUntil(lambda: three.set_counts.counts == (5, 4, 1))
    three.set_counts.watch(False)
    three.set_filter(confidence=0.65)
    qtbot.waitUntil(lambda: not three.set_counts._count_soon.isActive())
    assert three.set_counts.counts == (5, 4, 1)
    three.set_counts.watch(True)
    qtbot.waitUntil(lambda: three.set_counts.counts == (3, 2, 1))


def test_the_histogram_is_split_by_what_a_person_said(three, session, qtbot):
    three.set_counts.watch(True)
    qtbot.waitUntil(lambda: three.set_counts.histogram(10).sum() == 6)
    assert three.set_counts.histogram(10)[:, 0].tolist() == [0, 1, 0, 1, 0, 0, 1, 1, 1, 1]
    one = three.candidates[key_of(three, 0.9)]
    two = three.candidates[key_of(three, 0.6)]
    session.edits.commit(
        "Judge",
        [
            Change(one, replace(one, verdict="accepted")),
            Change(two, replace(two, verdict="rejected")),
        ],
        by="test",
    )
    assert three.set_counts.histogram(10)[9].tolist() == [0, 1, 0]
    assert three.set_counts.histogram(10)[6].tolist() == [0, 0, 1]
    session.history.undo()
    qtbot.waitUntil(lambda: three.set_counts.histogram(10)[9].tolist() == [1, 0, 0])


def test_candidates_of_a_new_run_are_counted(three, session, qtbot):
    three.set_counts.watch(True)
    qtbot.waitUntil(lambda: three.set_counts.counts == (5, 4, 1))
    model = session.measure.model.id
    more = [candidate((10, 10, 60, 60), 0.5)]
    session.ask(lambda store: store.predictions.record_run(model, 3, more), lambda _: three.refresh([3]))
    qtbot.waitUntil(lambda: three.set_counts.counts == (6, 5, 1))
    assert three.set_counts.images == 3


# --- two objects together -------------------------------------------------------------------------------


def test_two_that_are_selected_together_are_compared_live(three, session):
    comparison = comparison_of(session, three)
    made = session.edits.add(Box(100, 100, 200, 200), by="test")
    three.select([key_of(three, 0.9)], keep=True)
    assert [side.name for side in comparison.sides()] == ["person", "person 0.90"]
    found = comparison.measure()
    assert (found.overlap.intersection, found.overlap.union) == (10_000, 20_000)
    assert found.giou == pytest.approx(0.5)
    three.select((), keep=True)
    told = []

    def tell():
        found = comparison.measure()
        told.append(found.overlap.iou if found else None)

    comparison.changed.connect(tell)
    session.focus.set_draft(replace(made, shape=Box(100, 100, 200, 300)))
    assert told == [1.0]
    session.focus.set_draft(None)
    assert told == [1.0, 0.5]
    session.focus.select(())
    assert told[-1] is None
    assert comparison.sides() is None


def test_giou_of_what_lies_apart_is_negative(three, session):
    one = session.edits.add(Box(0, 0, 10, 10), by="test")
    two = session.edits.add(Mask(30, 0, np.ones((10, 10), dtype=bool)), by="test")
    comparison = comparison_of(session, three)
    session.focus.select([one.id, two.id])
    found = comparison.measure()
    assert found.overlap.iou == 0
    assert found.giou == pytest.approx(-200 / 400)
