"""Accepting and rejecting predictions on a real project of real photos."""

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from labeler.core.filtering import Filter
from labeler.core.records import Box, Candidate, Category
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.agreements import SetAgreements
from labeler.gui.review.decisions import Categories, Reviewing
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.session.session import Session
from labeler.gui.window.verdicts import Verdicts


class Sliders(QObject):
    """The filter that a person set, as the predictions panel would hold it."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.filter = Filter()

    def set(self, **values: float) -> None:
        self.filter = replace(self.filter, **values)
        self.changed.emit()


def box(place: int) -> Box:
    """One of many boxes beside each other."""
    return Box(10 * place, 10, 10 * place + 8, 30)


def candidate(shape, confidence, *, category=1, label="person") -> Candidate:
    return Candidate(0, 0, 0, category, shape, confidence, label)


def ids(session: Session) -> list[int]:
    return sorted(session.document.candidates)


def saved(qtbot: QtBot, session: Session) -> None:
    qtbot.waitUntil(lambda: session.saved == "saved")


def test_an_accepted_prediction_is_an_annotation_that_remembers_it_and_one_undo_takes_both_back(
    qtbot, session, owner, predict
):
    predict({session.place.image.id: [candidate(box(1), 0.9), candidate(box(3), 0.8)]})
    reviewing = Reviewing(session, Sliders(), owner)
    first, second = ids(session)
    reviewing.accept([first])
    (made,) = session.document.annotations.values()
    assert (made.source, made.prediction_id, made.shape) == ("model", first, box(1))
    assert session.document.candidates[first].verdict == "accepted"
    assert session.document.candidates[second].verdict == ""
    assert session.focus.selection == {made.id}
    session.history.undo()
    qtbot.waitUntil(lambda: not session.document.annotations)
    assert session.document.candidates[first].verdict == ""


def test_accepting_twice_makes_one_annotation(qtbot, session, owner, predict):
    predict({session.place.image.id: [candidate(box(1), 0.9)]})
    reviewing = Reviewing(session, Sliders(), owner)
    reviewing.accept(ids(session))
    reviewing.accept(ids(session))
    assert len(session.document.annotations) == 1


def test_a_rejection_survives_a_new_run_and_is_one_edit(qtbot, session, owner, predict):
    image_id = session.place.image.id
    predict({image_id: [candidate(box(1), 0.9), candidate(box(3), 0.8)]})
    reviewing = Reviewing(session, Sliders(), owner)
    reviewing.reject(ids(session))
    assert {c.verdict for c in session.document.candidates.values()} == {"rejected"}
    predict({image_id: [candidate(box(1), 0.95), candidate(box(5), 0.7)]})
    qtbot.waitUntil(lambda: len(session.document.candidates) == 3)
    assert sorted((c.shape.x0, c.verdict) for c in session.document.candidates.values()) == [
        (10, "rejected"),
        (30, "rejected"),
        (50, ""),
    ]
    session.history.undo()
    qtbot.waitUntil(lambda: {c.verdict for c in session.document.candidates.values()} == {""})


def test_a_candidate_of_another_image_is_accepted_there(qtbot, session, owner, predict):
    here, there = [image.id for image in session.document.images][:2]
    predict({there: [candidate(box(1), 0.9)]})
    found = []
    session.ask(lambda store: store.predictions.candidates(there), found.append)
    qtbot.waitUntil(lambda: bool(found))
    Reviewing(session, Sliders(), owner).accept([found[0][0].id])
    qtbot.waitUntil(lambda: sum(session.document.counts(there).values()) == 1)
    assert session.place.image.id == here
    assert not session.document.annotations


def test_a_class_mapped_to_nothing_is_refused_with_a_sentence(qtbot, session, owner, predict):
    predict({session.place.image.id: [candidate(box(1), 0.9, category=0, label="bicycle")]})
    told = []
    session.told.connect(told.append)
    Reviewing(session, Sliders(), owner).accept(ids(session))
    assert not session.document.annotations
    assert told == [
        "Not accepted: “bicycle” is mapped to no category. Map it in the classes of the model first."
    ]


def test_a_candidate_without_a_class_gets_the_current_category(qtbot, session, owner, predict):
    predict({session.place.image.id: [candidate(box(1), 0.9, category=0, label="")]})
    thing = session.edits.add_category("thing", by="test")
    reviewing = Reviewing(session, Sliders(), owner)
    taken = reviewing.take_over(ids(session)[0])
    assert (taken.annotation.category_id, taken.verdict.after.verdict) == (thing.id, "accepted")
    assert not session.document.annotations
    reviewing.accept(ids(session))
    (made,) = session.document.annotations.values()
    assert made.category_id == thing.id
    assert session.focus.selection == {made.id}


def test_without_categories_what_has_no_class_is_an_object_as_what_is_drawn(qtbot, session, owner, predict):
    session.history.undo()  # the category
    qtbot.waitUntil(lambda: not session.document.categories)
    predict({session.place.image.id: [candidate(box(n), 0.9, category=0, label="") for n in (1, 3)]})
    Reviewing(session, Sliders(), owner).accept_all_above(0.0, whole_set=False)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 2)
    assert [one.name for one in session.document.categories.values()] == ["object"]
    session.history.undo()
    qtbot.waitUntil(lambda: not session.document.annotations)


def test_accept_all_names_the_classes_that_are_of_no_category(qtbot, session, owner, predict):
    predict({session.place.image.id: [candidate(box(1), 0.9, category=0, label="kite")]})
    with qtbot.waitSignal(session.told) as told:
        Reviewing(session, Sliders(), owner).accept_all_above(0.0, whole_set=False)
    assert told.args == [
        "Not accepted: “kite” is mapped to no category. Map it in the classes of the model first."
    ]


def test_accept_all_on_the_image_takes_what_the_filter_keeps_and_doubles_nothing(
    qtbot, session, owner, predict
):
    session.edits.add(Box(10, 10, 18, 30), by="test")
    predict(
        {
            session.place.image.id: [
                candidate(box(1), 0.99),  # drawn by hand already
                candidate(box(3), 0.9),
                candidate(Box(30, 10, 38, 31), 0.85),  # suppressed by the one before
                candidate(box(5), 0.5),  # below
                candidate(box(7), 0.9),  # spoken of
            ]
        }
    )
    reviewing = Reviewing(session, Sliders(), owner)
    reviewing.reject([ids(session)[4]])
    reviewing.accept_all_above(0.8, whole_set=False)
    qtbot.waitUntil(lambda: sorted(a.shape.x0 for a in session.document.annotations.values()) == [10, 30])
    session.history.undo()
    qtbot.waitUntil(lambda: len(session.document.annotations) == 1)
    assert sorted(c.verdict for c in session.document.candidates.values()) == ["", "", "", "", "rejected"]


def test_what_is_accepted_late_leaves_the_selection_on_the_next_image(qtbot, session, owner, predict, held):
    predict({session.place.image.id: [candidate(box(1), 0.9)]})
    first = session.place.image.id
    reviewing = Reviewing(session, Sliders(), owner)
    with held(session):
        reviewing.accept_all_above(0.5, whole_set=False)
        session.place.step(1)
        chosen = session.edits.add(box(5), by="test")
        session.focus.select([chosen.id])
    qtbot.waitUntil(lambda: sum(session.document.counts(first).values()) == 1)
    assert session.focus.selection == {chosen.id}


def test_accept_all_on_the_set_is_one_undo_step_for_thousands(qtbot, session, owner, predict):
    images = [image.id for image in session.document.images]
    grid = [Box(10 * x, 10 * y, 10 * x + 8, 10 * y + 8) for x in range(60) for y in range(30)]
    predict({image_id: [candidate(shape, 0.9) for shape in grid] for image_id in images})
    sliders = Sliders()
    sliders.set(top_k=2000)
    reviewing = Reviewing(session, sliders, owner)
    reviewing.accept_all_above(0.5, whole_set=True)
    qtbot.waitUntil(
        lambda: all(sum(session.document.counts(i).values()) == 1800 for i in images), timeout=30_000
    )
    saved(qtbot, session)
    assert len(session.document.annotations) == 1800
    entries = []
    session.history.journal(entries.extend)
    qtbot.waitUntil(lambda: bool(entries))
    assert entries[0].label == "Accept 5,400 predictions from 0.50"
    session.history.undo()
    qtbot.waitUntil(lambda: not any(sum(session.document.counts(i).values()) for i in images), timeout=30_000)
    assert {c.verdict for c in session.document.candidates.values()} == {""}


def test_accept_all_says_when_there_is_nothing_to_accept(qtbot, session, owner, predict):
    predict({session.place.image.id: [candidate(box(1), 0.4)]})
    with qtbot.waitSignal(session.told) as told:
        Reviewing(session, Sliders(), owner).accept_all_above(0.8, whole_set=True)
    assert told.args == ["There is nothing left to accept from a confidence of 0.80."]


def test_a_read_only_project_is_left_alone(qtbot, session, owner, predict, photos):
    predict({session.place.image.id: [candidate(box(1), 0.9)]})
    session.close()
    session.open(photos, read_only=True)
    qtbot.waitUntil(lambda: bool(session.document.candidates), timeout=20_000)
    told = []
    session.told.connect(told.append)
    reviewing = Reviewing(session, Sliders(), owner)
    reviewing.accept(ids(session))
    reviewing.reject(ids(session))
    reviewing.accept_all_above(0.1, whole_set=True)
    assert len(told) == 3
    assert not session.document.annotations


def test_nothing_is_decided_before_its_photo_is_on_the_screen(qtbot, session, owner, predict):
    """Enter pressed again and again goes on to an image that is still being read."""
    here, there = [image.id for image in session.document.images][:2]
    predict({there: [candidate(box(1), 0.9)]})
    predictions = Predictions(session, owner)
    reviewing, agreements = Reviewing(session, predictions, owner), SetAgreements(session, predictions, owner)
    queue = ReviewQueue(session, predictions, reviewing, agreements, owner)
    verdicts = Verdicts(session, predictions, reviewing, queue, owner)
    session.place._loader.forget(there)
    session.place.go_to(there)
    qtbot.waitUntil(lambda: len(session.document.candidates) == 1, timeout=60_000)
    predictions.select(ids(session))
    # whatever the reader's thread has sent is not taken before the events of this thread
    session.place.pixels = None
    verdicts.accept()
    verdicts.reject()
    assert {c.verdict for c in session.document.candidates.values()} == {""}
    session.place._loader.forget(there)
    session.place.go_to(here)
    session.place.go_to(there)
    qtbot.waitUntil(
        lambda: session.place.pixels is not None and len(session.document.candidates) == 1, timeout=60_000
    )
    predictions.select(ids(session))
    verdicts.accept()
    assert [c.verdict for c in session.document.candidates.values()] == ["accepted"]


def test_what_a_person_and_a_run_do_while_all_is_looked_for_stays_as_it_is(qtbot, session, owner, predict):
    """One is accepted, one rejected, and a run finds other things on an image, before all are taken."""
    images = [image.id for image in session.document.images]
    predict({image_id: [candidate(box(1), 0.9), candidate(box(3), 0.8)] for image_id in images})
    reviewing = Reviewing(session, Sliders(), owner)
    accept_many, told = reviewing._accept_many, []
    reviewing.told.connect(told.append)
    first, second = ids(session)

    def run_again(store):
        model = store.predictions.ensure_model("detector", "1")
        store.predictions.record_run(model.id, images[2], [candidate(box(7), 0.9)])

    def meanwhile(found, **named):
        reviewing.accept([first])
        reviewing.reject([second])
        session.keep(run_again, lambda _: None, failed=told.append)
        accept_many(found, **named)

    reviewing._accept_many = meanwhile
    reviewing.accept_all_above(0.0, whole_set=True)
    qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    saved(qtbot, session)
    assert told == ["Accepted 4 predictions on 2 images; one Undo takes it back."]
    found = []
    session.ask(
        lambda store: [
            ([a.shape.x0 for a in store.annotations(i)], [c.verdict for c in store.predictions.candidates(i)])
            for i in images
        ],
        found.append,
    )
    qtbot.waitUntil(lambda: bool(found))
    assert found[0][0] == ([10], ["accepted", "rejected"])
    assert found[0][1] == ([10, 30], ["accepted", "accepted"])
    assert found[0][2][0] == [10, 30], "what was seen when it was accepted is there"
    session.history.undo()
    qtbot.waitUntil(lambda: sum(sum(session.document.counts(i).values()) for i in images) == 1)
    assert {c.id: c.verdict for c in session.document.candidates.values()} == {
        first: "accepted",
        second: "rejected",
    }


def test_words_where_nothing_can_be_decided(qtbot, session, owner, predict):
    told = []
    session.told.connect(told.append)
    reviewing = Reviewing(session, Sliders(), owner)
    reviewing.accept_all_above(0.5, whole_set=False)
    assert told.pop() == "There are no predictions to accept. Run a model or import results first."
    labels = ["zebra", "horse", ""]
    predict(
        {
            session.place.image.id: [
                candidate(box(n), 0.9, category=0, label=label) for n, label in enumerate(labels, 1)
            ]
        }
    )
    session.focus.choose_category(0)
    zebra, horse, nameless = ids(session)
    reviewing.accept([zebra, horse])
    assert (
        told.pop()
        == "Not accepted: 2 classes are mapped to no category. Map it in the classes of the model first."
    )
    reviewing.accept([])
    assert told == []
    reviewing.reject([zebra, horse])
    reviewing.reject([zebra, horse])  # said already
    entries = []
    session.history.journal(entries.extend)
    qtbot.waitUntil(lambda: bool(entries))
    assert [one.label for one in entries].count("Reject 2 predictions") == 1
    assert not session.document.annotations
    assert session.document.candidates[nameless].verdict == ""


@pytest.mark.parametrize(
    ("given", "of", "meant"),
    [
        (candidate(box(1), 0.9, category=2), 2, 2),
        (candidate(box(1), 0.9, category=0, label="DOG"), 0, 2),  # pointed at, its name counts
        (candidate(box(1), 0.9, category=9, label="dog"), 0, 2),  # of a category that is gone
        (candidate(box(1), 0.9, category=0, label="zebra"), 0, 0),
        (candidate(box(1), 0.9, category=0, label=""), 1, 1),  # a model without classes
    ],
)
def test_which_category_a_prediction_becomes(given, of, meant):
    known = [Category(1, "person", ""), Category(2, "Dog", "")]
    categories = Categories(known, known[0])
    assert (categories.of(given), categories.meant(given)) == (of, meant)
    nothing_chosen = Categories(known, None)
    assert nothing_chosen.of(given) == (of if given.label or given.category_id else 0)
