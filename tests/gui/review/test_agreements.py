"""The set's agreement follows edits without a rescan, on a real project."""

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import Filter
from labeler.core.measures.set_agreement import AgreementTally
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit
from labeler.gui.review.agreements import ImageMeasurer, SetAgreements
from labeler.gui.review.decisions import Reviewing
from labeler.gui.session.session import Session
from labeler.project.store import Store


class Sliders(QObject):
    """The filter that a person set, as the predictions panel would hold it."""

    changed = Signal()

    def __init__(self):
        super().__init__()
        self.filter = Filter()

    def set(self, **values):
        self.filter = replace(self.filter, **values)
        self.changed.emit()


def candidate(x, confidence=0.9):
    return Candidate(0, 0, 0, 1, Box(x, 0, x + 100, 100), confidence, "person")


def made(qtbot, session, owner, sliders=None):
    agreements = SetAgreements(session, sliders or Sliders(), owner)
    with qtbot.waitSignal(agreements.changed):
        pass
    return agreements


def settled(agreements, **wanted):
    total = agreements.total()
    return agreements.progress == (0, 0) and all(getattr(total, k) == v for k, v in wanted.items())


def test_it_follows_accepting_dragging_and_undoing(qtbot, session, owner, predict):
    predict({image.id: [candidate(0), candidate(200, 0.6)] for image in session.document.images})
    agreements = made(qtbot, session, owner)
    assert agreements.total() == AgreementTally()
    assert agreements.seen == 3
    (first, _) = sorted(session.document.candidates)
    Reviewing(session, Sliders(), owner).accept([first])
    qtbot.waitUntil(lambda: settled(agreements, matched=1, missed=0, extra=1))
    assert list(agreements.measures) == [session.place.image.id]
    assert agreements.total().mean_iou == 1.0
    (annotation,) = session.document.annotations.values()
    session.edits.replace(annotation, Box(50, 0, 150, 100), label="Move person", by="test")
    qtbot.waitUntil(lambda: abs(agreements.total().mean_iou - 1 / 3) < 1e-9)
    assert agreements.measures[session.place.image.id].worst_id == annotation.id
    session.history.undo()
    qtbot.waitUntil(lambda: agreements.total().mean_iou == 1.0)
    session.history.undo()
    qtbot.waitUntil(lambda: not agreements.measures)


def test_only_the_touched_image_is_measured(qtbot, session, owner, predict, monkeypatch):
    predict({image.id: [candidate(0)] for image in session.document.images})
    for image in session.document.images:
        session.edits.commit(
            "Draw",
            [Change(None, Annotation(session.edits.new_annotation_id(), image.id, 1, Box(0, 0, 100, 90)))],
            by="test",
        )
    agreements = made(qtbot, session, owner)
    qtbot.waitUntil(lambda: settled(agreements, matched=3))
    looked_at = []
    measure = ImageMeasurer.measure
    monkeypatch.setattr(
        ImageMeasurer, "measure", lambda self, store, i: (looked_at.append(i), measure(self, store, i))[1]
    )
    session.edits.add(Box(300, 300, 400, 400), by="test")
    qtbot.waitUntil(lambda: settled(agreements, matched=3, missed=1))
    assert looked_at == [session.place.image.id]


def test_a_restart_reads_what_was_measured(qtbot, session, owner, predict, photos, monkeypatch):
    predict({session.place.image.id: [candidate(0)]})
    session.edits.add(Box(0, 0, 100, 80), by="test")
    agreements = made(qtbot, session, owner)
    qtbot.waitUntil(lambda: settled(agreements, matched=1))
    qtbot.waitUntil(lambda: session.saved == "saved")
    before = dict(agreements.measures)
    session.shut_down()
    monkeypatch.setattr(ImageMeasurer, "measure", None)
    again = Session()
    again.open(photos)
    kept = SetAgreements(again, Sliders(), owner)
    qtbot.waitUntil(lambda: dict(kept.measures) == before, timeout=20_000)
    history = []
    kept.ask_history(history.append)
    qtbot.waitUntil(lambda: bool(history))
    assert [moment.tally.matched for moment in history[0]] == [1]
    again.shut_down()


def test_another_filter_is_another_agreement(qtbot, session, owner, predict):
    predict({session.place.image.id: [candidate(0, 0.9), candidate(200, 0.3)]})
    session.edits.add(Box(0, 0, 100, 100), by="test")
    sliders = Sliders()
    agreements = made(qtbot, session, owner, sliders)
    qtbot.waitUntil(lambda: settled(agreements, matched=1, extra=1))
    sliders.set(confidence=0.5)
    qtbot.waitUntil(lambda: settled(agreements, matched=1, extra=0))
    agreements.set_threshold(0.75)
    qtbot.waitUntil(lambda: settled(agreements, matched=1))
    assert agreements.threshold == 0.75


def test_versions_of_a_model_stand_side_by_side(qtbot, session, owner, predict):
    image_id = session.place.image.id
    session.edits.add(Box(0, 0, 100, 100), by="test")
    predict({image_id: [candidate(30)]}, model="first")
    predict({image_id: [candidate(5)]}, model="second")
    agreements = made(qtbot, session, owner)
    qtbot.waitUntil(lambda: [m.name for m, _ in agreements.versions()] == ["first", "second"])
    first, second = (tally.mean_iou for _, tally in agreements.versions())
    assert first < second
    assert agreements.model.name == "second"


def test_worst_first_and_effort(qtbot, session, owner, predict):
    images = [image.id for image in session.document.images]
    predict({image_id: [candidate(0)] for image_id in images})
    for image_id, shift in zip(images, (0, 40, 20), strict=True):
        box = Box(shift, 0, 100 + shift, 100)
        made_one = Annotation(session.edits.new_annotation_id(), image_id, 1, box)
        session.edits.commit("Draw", [Change(None, made_one)], by="test")
    agreements = made(qtbot, session, owner)
    qtbot.waitUntil(lambda: settled(agreements, matched=2, missed=1, extra=1))
    assert agreements.worst_first() == [images[1], images[2], images[0]]
    effort = []
    agreements.ask_effort(effort.append)
    qtbot.waitUntil(lambda: bool(effort))
    assert (effort[0].objects, effort[0].actions) == (3, 3)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "labels.labeler") as made:
        made.photos.add(["a.png", "b.png"])
        made.apply(Edit("Category", (Change(None, Category(1, "cat", "#ff0000")),)))
        yield made


def measurer(store, *names, confidence=0.5, **wanted):
    models = [store.predictions.ensure_model(name, "1", suppressed=name == "done") for name in names]
    return ImageMeasurer(models, Filter(confidence=confidence, **wanted), 0.5), [one.id for one in models]


def test_what_a_measure_depends_on(store):
    """A model that comes without suppression is measured by the sliders, another by its confidence only."""
    plain, (raw, done) = measurer(store, "raw", "done")
    other, _ = measurer(store, "raw", "done", iou=0.3)
    surer, _ = measurer(store, "raw", "done", confidence=0.6)
    assert plain.settings(raw) != plain.settings(done)
    assert plain.settings(raw) != other.settings(raw)
    assert plain.settings(done) == other.settings(done)
    assert " 0.000 none " in plain.settings(done)
    assert surer.settings(done) != plain.settings(done)


def test_an_image_is_measured_by_each_model_that_saw_it(store):
    look, (first, second) = measurer(store, "raw", "done")
    boxes = [Candidate(0, 0, 0, 1, Box(x, 0, x + 10, 10), 0.9, "cat") for x in (0, 40)]
    store.predictions.record_run(first, 1, boxes)
    store.predictions.record_run(second, 1, boxes[:1])
    store.predictions.record_run(second, 2, boxes)
    # nobody has labelled anything
    assert {key: one.categories for key, one in look.measure(store, 1)[1]} == {first: {}, second: {}}
    store.apply(Edit("Label", (Change(None, Annotation(1, 1, 1, Box(0, 0, 10, 10))),)))
    found = dict(look.measure(store, 1)[1])
    assert found[first].total == AgreementTally(1, 0, 1, 1.0, 1.0)
    assert found[second].total == AgreementTally(1, 0, 0, 1.0, 1.0)
    assert [key for key, _ in look.measure(store, 2)[1]] == [second]
    assert look.measure(store, 7) == (7, [])  # taken out of the project meanwhile
    only, _ = measurer(store, "done")
    assert [key for key, _ in only.measure(store, 1)[1]] == [second]


def test_what_was_accepted_counts_also_where_a_slider_hides_it(store):
    look, (model,) = measurer(store, "raw", confidence=0.5)
    faint = Candidate(0, 0, 0, 1, Box(0, 0, 10, 10), 0.2, "cat")
    (kept,) = store.predictions.record_run(model, 1, [faint])
    label = Annotation(1, 1, 1, Box(0, 0, 10, 10))
    store.apply(Edit("Label", (Change(None, label),)))
    assert dict(look.measure(store, 1)[1])[model].total == AgreementTally(0, 1, 0)
    accepted = replace(label, prediction_id=kept.id)
    changes = (Change(kept, replace(kept, verdict="accepted")), Change(label, accepted))
    store.apply(Edit("Accept", changes))
    assert dict(look.measure(store, 1)[1])[model].total == AgreementTally(1, 0, 0, 1.0, 1.0)
