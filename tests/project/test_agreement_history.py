"""The table of agreements in a real project file."""

import pytest
from msgspec.structs import replace

from labeler.core.filtering import Filter
from labeler.core.measures.set_agreement import AgreementTally, ImageMeasure
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit, Image
from labeler.project import agreement_history as module
from labeler.project.store import Store


@pytest.fixture
def store(tmp_path):
    """Four images: two with an annotation, one reviewed, one that nobody has touched."""
    with Store.open(tmp_path / "p.labeler") as made:
        records = [
            *(Image(n, f"{n}.jpg", 100, 80, reviewed=n == 3) for n in (1, 2, 3, 4)),
            Category(1, "cat", "#ffffff"),
            *(Annotation(n, n, 1, Box(0, 0, 10, 10)) for n in (1, 2)),
        ]
        made.apply(Edit("Import", tuple(Change(None, record) for record in records)))
        yield made


@pytest.fixture
def model(store):
    made = store.predictions.ensure_model("yolo", "1")
    for image_id in (1, 2, 3, 4):
        store.predictions.record_run(
            made.id, image_id, [Candidate(0, image_id, 0, 1, Box(0, 0, 10, 9), 0.9, "cat")]
        )
    return made


def one(image_id, tally=None):
    return ImageMeasure(image_id, {1: tally or AgreementTally(1, 0, 0, 0.9, 0.95)}, image_id, 0.9)


def test_labelled_images_that_a_model_saw_are_due(store, model):
    known = store.agreements.known(model.id, "s")
    assert (known.measures, known.due, known.seen) == ({}, [1, 2, 3], 4)
    rejected = store.predictions.candidates(4)[0]
    store.apply(Edit("Reject", (Change(rejected, replace(rejected, verdict="rejected")),)))
    assert store.agreements.known(model.id, "s").due == [1, 2, 3, 4]
    assert store.agreements.is_labelled(4)


def test_what_was_measured_holds_until_an_edit_a_run_or_other_settings(store, model):
    store.agreements.keep(model.id, "s", [one(1), one(2), one(3)])
    assert store.agreements.known(model.id, "s").measures == {n: one(n) for n in (1, 2, 3)}
    assert store.agreements.known(model.id, "other").due == [1, 2, 3]
    store.apply(Edit("Draw", (Change(None, Annotation(9, 2, 1, Box(5, 5, 9, 9))),)))
    store.predictions.record_run(model.id, 3, [])
    known = store.agreements.known(model.id, "s")
    assert (list(known.measures), known.due) == ([1], [2, 3])


def test_an_image_that_goes_takes_its_measures_along(store, model):
    store.agreements.keep(model.id, "s", [one(1)])
    store.agreements.keep(model.id, "s", [one(99)])
    assert [image_id for _, image_id, _ in store.agreements.history(model.id, "s")] == [1]


def test_history_keeps_the_first_and_then_one_a_minute(store, model, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    for seconds, iou in ((0, 0.5), (10, 0.6), (20, 0.7), (30, 0.8), (100, 0.9), (110, 0.9)):
        clock[0] = 1000.0 + seconds
        store.agreements.keep(model.id, "s", [one(1, AgreementTally(1, 0, 0, iou, iou))])
    rows = [(when, tally.iou) for when, _, tally in store.agreements.history(model.id, "s")]
    assert rows == [(1000.0, 0.5), (1010.0, 0.8), (1100.0, 0.9)]


def test_settings_used_long_ago_are_forgotten(store, model, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    for n in range(6):
        clock[0] += 1
        store.agreements.keep(model.id, f"s{n}", [one(1)])
    store.agreements.forget_old_settings(model.id)
    left = [n for n in range(6) if store.agreements.history(model.id, f"s{n}")]
    assert left == [2, 3, 4, 5]


def test_effort_counts_what_a_person_did_and_what_became_of_predictions(store, model, monkeypatch):
    first, second, third, fourth = (store.predictions.candidates(n)[0] for n in (1, 2, 3, 4))
    clock = [5000.0]
    monkeypatch.setattr("labeler.project.journal.time.time", lambda: clock[0])

    def edit(label, *changes, after):
        clock[0] += after
        store.apply(Edit(label, changes))

    def accept(candidate, key):
        made = Annotation(
            key, candidate.image_id, 1, candidate.shape, source="model", prediction_id=candidate.id
        )
        return Change(candidate, replace(candidate, verdict="accepted")), Change(None, made)

    edit("Import", Change(None, Annotation(50, 1, 1, Box(1, 1, 5, 5), source="import")), after=1)
    edit("Accept", *accept(first, 10), after=5)
    edit("Accept", *accept(second, 11), after=5)
    edit("Accept", *accept(third, 12), after=500)
    moved = next(a for a in store.annotations(2) if a.id == 11)
    edit("Move", Change(moved, replace(moved, shape=Box(0, 0, 20, 20))), after=5)
    edit("Delete", Change(next(a for a in store.annotations(3) if a.id == 12), None), after=5)
    edit("Reject", Change(fourth, replace(fourth, verdict="rejected")), after=5)
    edit("Category", Change(None, Category(2, "dog", "#000000")), after=5)
    effort = store.agreements.effort(model.id)
    assert (effort.unchanged, effort.edited, effort.rejected) == (1, 1, 2)
    # the two of the fixture count as drawn; the edit that made them is an action too
    assert (effort.objects, effort.actions) == (4, 7)
    assert effort.seconds == 20.0
    store.history.undo()
    store.history.undo()
    assert store.agreements.effort(model.id).rejected == 1


def test_classes_that_are_ignored_are_not_measured(store, model):
    found = [
        Candidate(0, 1, 0, 1, Box(20 * n, 0, 20 * n + 10, 9), 0.9, label) for n, label in enumerate("abc")
    ]
    store.predictions.record_run(model.id, 1, found)
    candidates = store.predictions.candidates(1)
    assert [c.label for c in store.agreements.predictions(candidates, model, Filter())] == ["a", "b", "c"]
    store.predictions.set_mappings(model.id, {"b": None, "c": 1})
    assert [c.label for c in store.agreements.predictions(candidates, model, Filter())] == ["a", "c"]
    other = store.predictions.ensure_model("other", "1")
    assert len(store.agreements.predictions(candidates, other, Filter())) == 3


def test_a_model_has_seen_also_what_it_found_nothing_on(store, model):
    other = store.predictions.ensure_model("other", "1")
    store.predictions.record_run(other.id, 4, [])
    assert store.agreements.models_on(4) == {model.id, other.id}
    assert store.agreements.models_on(1) == {model.id}
    assert (store.agreements.seen(other.id), store.agreements.images_with_candidates(other.id)) == (1, [])
    assert store.agreements.images_with_candidates(model.id) == [1, 2, 3, 4]


@pytest.mark.parametrize(("seconds", "rows"), [(59.9, 2), (60.0, 3)])
def test_a_minute_is_over_after_sixty_seconds(store, model, monkeypatch, seconds, rows):
    clock = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    for since, iou in ((0, 0.5), (10, 0.6), (10 + seconds, 0.7)):
        clock[0] = 1000.0 + since
        store.agreements.keep(model.id, "s", [one(1, AgreementTally(1, 0, 0, iou, iou))])
    assert len(store.agreements.history(model.id, "s")) == rows


def test_the_course_is_in_order_of_time_over_images_and_categories(store, model, monkeypatch):
    begin = module.time.time() + 1000  # after the edits of the fixture
    clock = [begin]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    parts = {2: AgreementTally(1, 2, 3, 0.5, 0.6), 1: AgreementTally(4, 0, 1, 3.5, 3.8)}
    for number, image_id in enumerate((2, 1, 3)):
        clock[0] = begin + number
        store.agreements.keep(model.id, "s", [ImageMeasure(image_id, parts)])
    told = store.agreements.history(model.id, "s")
    assert [(when, image_id) for when, image_id, _ in told] == [(begin, 2), (begin + 1, 1), (begin + 2, 3)]
    assert all((one.matched, one.missed, one.extra, one.iou) == (5, 2, 4, 4.0) for _, _, one in told)
    known = store.agreements.known(model.id, "s").measures
    assert known[1].categories == parts
