"""Undo and redo show at once; what is done right after them is kept; the screen is the disk once saved."""

import sqlite3
import threading

import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit, Mask
from labeler.gui.session.session import Session
from labeler.project.edit_history import History
from labeler.project.store import Store


@pytest.fixture
def busy(qtbot, session):
    """`with busy():` the writer is at something else, as while a run is being stored."""

    class Busy:
        def __enter__(self):
            self.gate = threading.Event()
            session.ask(lambda _: self.gate.wait(60), lambda _: None)

        def __exit__(self, *_):
            self.gate.set()

    return Busy


def on_disk(qtbot, session: Session) -> dict[int, Annotation]:
    qtbot.waitUntil(lambda: session.saved == "saved", timeout=20_000)
    read = []
    session.ask(lambda store: store.annotations(session.place.image.id), read.append)
    qtbot.waitUntil(lambda: bool(read), timeout=20_000)
    return {one.id: one for one in read[0]}


def same(qtbot, session: Session) -> bool:
    return dict(session.document.annotations) == on_disk(qtbot, session)


@pytest.fixture
def told(session):
    sentences: list[str] = []
    session.told.connect(sentences.append)
    yield sentences
    assert not sentences


def test_undo_shows_while_the_writer_is_busy(qtbot, session, busy, told):
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    session.edits.replace(made, Box(50, 60, 150, 260), label="Move", by="test")
    with busy():
        session.history.undo()
        assert session.document.annotations[made.id] == made
        session.history.undo()
        assert not session.document.annotations
        session.history.redo()
        assert session.document.annotations[made.id] == made
    assert same(qtbot, session)
    assert session.history.can_redo


def test_an_edit_right_after_undo_is_kept(qtbot, session, busy, told):
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    session.edits.replace(made, Box(50, 60, 150, 260), label="Move", by="test")
    with busy():
        session.history.undo()
        session.edits.replace(
            session.document.annotations[made.id], Box(12, 22, 112, 222), label="Nudge", by="test"
        )
    assert session.document.annotations[made.id].shape == Box(12, 22, 112, 222)
    assert same(qtbot, session)


def test_a_merge_takes_nobody_to_the_image_that_it_touches(qtbot, session, busy, told):
    kept = session.focus.category
    other = session.edits.add_category("other", by="test")
    session.edits.add(Box(10, 20, 110, 220), by="test")
    there = session.place.image.id
    elsewhere = next(image.id for image in session.document.images if image.id != there)
    session.place.go_to(elsewhere)
    with busy():
        session.edits.merge_categories(other.id, kept.id)
    qtbot.waitUntil(lambda: other.id not in session.document.categories, timeout=20_000)
    assert same(qtbot, session)
    assert session.place.image.id == elsewhere


def test_many_quick_undos_and_redos(qtbot, session, busy, told):
    made = [session.edits.add(Box(n, 20, n + 100, 220), by="test") for n in range(20)]
    with busy():
        for _ in range(15):
            session.history.undo()
        assert list(session.document.annotations) == [one.id for one in made[:5]]
        for _ in range(10):
            session.history.redo()
    assert list(session.document.annotations) == [one.id for one in made[:15]]
    assert same(qtbot, session)


def test_undo_from_before_a_restart_shows_at_once(qtbot, session, photos):
    made = [session.edits.add(Box(n, 20, n + 100, 220), by="test") for n in range(8)]
    session.edits.replace(made[0], Box(1, 1, 20, 30), label="Move", by="test")
    session.shut_down()
    again = Session()
    again.open(photos)
    qtbot.waitUntil(
        lambda: len(again.document.annotations) == 8 and again.place.pixels is not None, timeout=20_000
    )
    gate = threading.Event()
    again.ask(lambda _: gate.wait(60), lambda _: None)
    again.history.undo()
    assert again.document.annotations[made[0].id].shape == made[0].shape
    for _ in range(8):
        again.history.undo()
    assert not again.document.annotations
    gate.set()
    assert same(qtbot, again)
    again.shut_down()


def many(session, number):
    """A batch too large for the end of the journal that is read at opening."""
    image, category = session.place.image.id, session.focus.category.id
    made = [
        Annotation(session.edits.new_annotation_id(), image, category, Box(n % 700, 5, n % 700 + 9, 20))
        for n in range(number)
    ]
    session.edits.commit("A batch", [Change(None, one) for one in made], by="test")


def test_an_edit_right_after_an_undo_that_only_the_journal_knows(qtbot, session, photos, expect_log):
    many(session, 2500)
    session.shut_down()
    again = Session()
    again.open(photos)
    qtbot.waitUntil(lambda: len(again.document.annotations) == 2500, timeout=20_000)
    told = []
    again.told.connect(told.append)
    first = next(iter(again.document.annotations.values()))
    gate = threading.Event()
    again.ask(lambda _: gate.wait(60), lambda _: None)
    again.history.undo()
    kept = again.edits.add(Box(300, 300, 400, 400), by="test")
    again.edits.replace(first, Box(1, 2, 33, 44), label="Move", by="test")
    gate.set()
    qtbot.waitUntil(lambda: len(again.document.annotations) == 2, timeout=20_000)
    assert again.document.annotations[kept.id] == kept
    assert again.document.annotations[first.id].shape == Box(1, 2, 33, 44)
    assert same(qtbot, again)
    assert len(told) == 1
    assert "taken away meanwhile" in told[0]
    assert sum(again.document.counts(kept.image_id).values()) == 2
    again.history.undo()
    again.history.undo()
    assert same(qtbot, again)
    assert not again.document.annotations
    again.shut_down()


@pytest.mark.parametrize("what", ["merge", "restore", "go back"])
def test_an_edit_while_the_writer_works_something_out(qtbot, session, busy, told, what):
    person = session.focus.category
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    rider = session.edits.add_category("rider", by="test")
    entries = []
    session.history.journal(entries.extend)
    qtbot.waitUntil(lambda: bool(entries))
    session.edits.recategorise([made.id], rider.id, by="test")
    with busy():
        if what == "merge":
            session.edits.merge_categories(rider.id, person.id)
        elif what == "restore":
            session.history.restore_image(entries[0].id)
        else:
            session.history.go_back_to(entries[0].id)
        session.edits.replace(
            session.document.annotations[made.id], Box(1, 2, 30, 40), label="Move", by="test"
        )
        new = session.edits.add(Box(300, 300, 350, 350), by="test")
    qtbot.waitUntil(lambda: session.document.annotations[made.id].category_id == person.id, timeout=20_000)
    assert same(qtbot, session)
    assert session.document.annotations[made.id].shape == Box(1, 2, 30, 40)
    assert new.id in session.document.annotations
    assert sum(session.document.counts(made.image_id).values()) == 2


def test_an_accept_while_a_run_replaces_the_candidates(qtbot, session, predict, busy, told):
    """The candidate that the person sees and accepts is gone from the disk by then."""
    image = session.place.image.id
    predict({image: [Candidate(0, 0, 0, 1, Box(1, 2, 30, 40), 0.9, "person")]})
    seen = next(iter(session.document.candidates.values()))
    with busy():
        session.keep(
            lambda s: s.predictions.record_run(
                s.predictions.ensure_model("detector", "1").id,
                image,
                [Candidate(0, 0, 0, 1, Box(99, 99, 130, 140), 0.8, "x")],
            ),
            lambda _: session.refresh_candidates(image),
            failed=pytest.fail,
        )
        made = Annotation(
            session.edits.new_annotation_id(), image, 1, seen.shape, source="model", prediction_id=seen.id
        )
        session.edits.commit(
            "Accept", [Change(seen, replace(seen, verdict="accepted")), Change(None, made)], by="review"
        )
    assert same(qtbot, session)
    assert made.id in session.document.annotations
    qtbot.waitUntil(
        lambda: any(c.shape.x0 == 99 for c in session.document.candidates.values()), timeout=20_000
    )
    assert session.document.candidates[seen.id].verdict == "accepted"


def test_a_mask_is_accepted_while_runs_are_stored(qtbot, session, told):
    image = session.place.image.id
    for n in range(6):
        session.keep(
            lambda s: s.predictions.record_run(
                s.predictions.ensure_model("d", "1").id,
                image,
                [Candidate(0, 0, 0, 0, Box(1, 2, 30, 40), 0.9, "x")] * 3,
            ),
            lambda _: session.refresh_candidates(image),
            failed=pytest.fail,
        )
        assert session.edits.accept(Mask(20 * n, 10, np.ones((9, 9), bool)), 0.9, by="test") is not None
    assert same(qtbot, session)
    assert len(session.document.annotations) == 6


def test_undo_does_not_take_back_facts_found_meanwhile(qtbot, session, told):
    """Undo of a reviewed mark leaves the size and the note that were read from the file."""
    image = session.document.images[1]
    session.place.go_to(image.id)
    session.edits.mark_reviewed(True, by="test")
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=20_000)
    width = session.place.image.width
    assert width
    session.history.undo()
    assert not session.place.image.reviewed
    assert session.place.image.width == width


def test_an_undo_says_what_it_took_back_and_goes_there(qtbot, session):
    steps = []
    session.history.stepped.connect(lambda *step: steps.append(step))
    first = session.place.image.id
    session.edits.add(Box(10, 20, 110, 220), by="test")
    session.place.step(1)
    session.history.undo()
    assert session.place.image.id == first
    session.history.redo()
    assert steps == [("Add person", True), ("Add person", False)]


def test_an_edit_that_is_refused_leaves_the_one_before_it(qtbot, session, busy):
    """The undo of an edit that was never written takes back nothing else."""
    kept = session.edits.add(Box(10, 20, 110, 220), by="test")
    told = []
    session.told.connect(told.append)
    with busy():
        wrong = Annotation(
            session.edits.new_annotation_id(), 99_999, session.focus.category.id, Box(0, 0, 9, 9)
        )
        session.edits.commit("Wrong", [Change(None, wrong)], by="test")
        session.history.undo()
    qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    assert same(qtbot, session)
    assert list(session.document.annotations) == [kept.id]
    qtbot.waitUntil(lambda: session.history.can_undo)
    session.history.undo()
    assert not session.document.annotations
    assert same(qtbot, session)


def test_closing_does_not_wait_and_loses_nothing(qtbot, session, busy, photos):
    with busy():
        made = [session.edits.add(Box(n, 20, n + 100, 220), by="test") for n in range(5)]
        session.close()  # would wait for ever
        assert session.project is None
    session.open(photos)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 5, timeout=20_000)
    assert list(session.document.annotations) == [one.id for one in made]


def test_settling_in_the_store(tmp_path):
    """Of an update only what it changes is changed; what is gone comes back, with its category."""
    with Store.open(tmp_path / "p.labeler") as store:
        store.photos.add(["a.jpg"])
        kind, made = Category(1, "cat", "#fff"), Annotation(1, 1, 1, Box(0, 0, 9, 9))
        store.apply(Edit("Add", (Change(None, kind), Change(None, made))))
        seen = replace(made, attributes={"a": 1})
        store.apply(Edit("Elsewhere", (Change(made, seen),)))
        moved = replace(made, shape=Box(5, 5, 9, 9))
        edit_id, applied = store.settle(Edit("Move", (Change(made, moved),)))
        assert applied.changes == (Change(seen, replace(seen, shape=Box(5, 5, 9, 9))),)
        assert store.history.undo(edit_id).label == "Move"
        assert store.history.undo(edit_id) is None
        store.history.undo()
        store.history.undo()
        assert not store.categories()
        _, applied = store.settle(Edit("Move", (Change(made, moved),)))
        assert applied.changes == (Change(None, kind), Change(None, moved))
        assert store.settle(Edit("Delete", (Change(replace(made, id=7), None),))) == (0, Edit("Delete", ()))
        model = store.predictions.ensure_model("d", "1")
        stray = Candidate(
            store.ids.take("candidate"), 1, model.id, 99, Box(0, 0, 9, 9), 0.9, verdict="rejected"
        )
        _, made = store.settle(Edit("Reject", (Change(replace(stray, verdict=""), stray),)))
        assert made.changes == (Change(None, replace(stray, category_id=0)),)
        store.history.undo()
        tail = store.history.tail()
        assert [edit.changes for _, edit in tail.done] == [applied.changes]
        assert not tail.older


def test_the_end_of_the_journal_is_read_again_after_it_could_not_be(qtbot, session, monkeypatch, expect_log):
    expect_log("end of the journal cannot be read")
    monkeypatch.setattr("labeler.gui.session.history._LEARN_AGAIN_MS", 10)
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    assert same(qtbot, session)
    tail, failures = History.tail, []

    def fails_once(history):
        if not failures:
            failures.append(1)
            raise sqlite3.OperationalError("disk I/O error")
        return tail(history)

    monkeypatch.setattr(History, "tail", fails_once)
    session.history._acts.forget()
    session.history._learn()
    qtbot.waitUntil(lambda: bool(failures) and bool(session.history._acts._done), timeout=20_000)
    session.history.undo()
    assert made.id not in session.document.annotations
    assert same(qtbot, session)


def test_a_category_that_goes_while_predictions_are_read_is_gone_from_them(qtbot, session, predict, busy):
    """The read was asked for before the undo and answered after it."""
    rider = session.edits.add_category("rider", by="test")
    image = session.place.image.id
    predict({image: [Candidate(0, 0, 0, rider.id, Box(1, 2, 30, 40), 0.9)]})
    with busy():
        session.refresh_candidates(image)
        session.history.undo()
    assert same(qtbot, session)
    assert [one.category_id for one in session.document.candidates.values()] == [0]


def test_a_reload_keeps_the_images_that_were_chosen_elsewhere(qtbot, session):
    ids = [one.id for one in session.document.images]
    session.place.set_order(ids[:0:-1], title="Wrong · person")
    with qtbot.waitSignal(session.place.order_changed, timeout=20_000):
        session.reload()
    assert list(session.place.order) == ids[:0:-1]
    assert session.place.order_title == "Wrong · person"
