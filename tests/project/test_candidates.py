"""What models said, in a real project file: runs, lasting verdicts, what classes mean, and undo."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit
from labeler.errors import ProjectError
from labeler.project import schema
from labeler.project.category_merge import merged
from labeler.project.store import Store

PERSON = Category(1, "Person", "#ff0000")
DOG = Category(2, "dog", "#00ff00")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "p.labeler") as opened:
        opened.photos.add(["a.jpg", "b.jpg"])
        opened.apply(Edit("Add categories", (Change(None, PERSON), Change(None, DOG))))
        yield opened


@pytest.fixture
def model(store: Store) -> int:
    return store.predictions.ensure_model("YOLO11n", "1").id


def found(x: float, label: str = "person", confidence: float = 0.5, size: float = 10.0) -> Candidate:
    return Candidate(0, 0, 0, 0, Box(x, 0, x + size, size), confidence, label)


def judge(store: Store, candidate: Candidate, verdict: str) -> None:
    after = replace(candidate, verdict=verdict)
    store.apply(Edit(verdict, (Change(candidate, after),)))


def boxes(store: Store, model: int, image: int = 1) -> list[tuple[float, str]]:
    return [(c.shape.x0, c.verdict) for c in store.predictions.candidates(image, model)]  # type: ignore[union-attr]


# --- runs ---------------------------------------------------------------------------------------


def test_a_run_replaces_what_the_model_said_before_on_that_image_only(store: Store, model: int) -> None:
    other = store.predictions.ensure_model("other", "1").id
    for image in (1, 2):
        store.predictions.record_run(model, image, [found(0), found(100)])
    store.predictions.record_run(other, 1, [found(7)])
    stored = store.predictions.record_run(model, 1, [found(50)])
    assert [(c.image_id, c.model_id, c.category_id, c.label) for c in stored] == [(1, model, 1, "person")]
    assert boxes(store, model) == [(50, "")]
    assert boxes(store, model, 2) == [(0, ""), (100, "")]
    assert boxes(store, other) == [(7, "")]
    assert len({c.id for image in (1, 2) for c in store.predictions.candidates(image)}) == 4


def test_which_images_were_predicted_is_remembered_even_where_nothing_was_found(
    store: Store, model: int, tmp_path: Path
) -> None:
    store.predictions.record_run(model, 2, [])
    assert store.predictions.predicted_images(model) == {2}
    assert store.predictions.predicted_images(model + 1) == set()
    store.close()
    with Store.open(tmp_path / "p.labeler") as again:
        assert again.predictions.predicted_images(model) == {2}


def test_rejected_stays_rejected_and_accepted_is_not_doubled(store: Store, model: int) -> None:
    first, second, _ = store.predictions.record_run(model, 1, [found(0), found(100), found(200)])
    judge(store, first, "rejected")
    judge(store, second, "accepted")
    # a little off, as another machine's arithmetic has it
    again = [found(0.2), found(100.1), found(200), found(300), found(0.1, "dog")]
    store.predictions.record_run(model, 1, again)
    assert boxes(store, model) == [(0, "rejected"), (100, "accepted"), (200, ""), (300, ""), (0.1, "")]


def test_a_candidate_that_only_touches_a_rejected_one_is_its_own(store: Store, model: int) -> None:
    (first,) = store.predictions.record_run(model, 1, [found(0)])
    judge(store, first, "rejected")
    store.predictions.record_run(model, 1, [found(0.6)])  # IoU 9.4 / 10.6 = 0.887
    assert boxes(store, model) == [(0, "rejected"), (0.6, "")]


def test_a_run_touches_no_annotation_and_no_history(store: Store, model: int) -> None:
    (first,) = store.predictions.record_run(model, 1, [found(0)])
    kept = Annotation(1, 1, 1, Box(1, 1, 9, 9), source="model", prediction_id=first.id)
    store.apply(Edit("Accept", (Change(None, kept),)))
    before = list(store.all_annotations()), store.history.entries()
    store.predictions.record_run(model, 1, [])
    assert (list(store.all_annotations()), store.history.entries()) == before
    assert store.predictions.by_id([first.id]) == (first,)


def test_verdicts_are_undone_and_redone_across_a_run(store: Store, model: int) -> None:
    (first,) = store.predictions.record_run(model, 1, [found(0)])
    judge(store, first, "rejected")
    store.history.undo()
    store.predictions.record_run(model, 1, [found(0), found(50)])
    assert boxes(store, model) == [(0, ""), (50, "")]
    store.history.redo()
    assert boxes(store, model) == [(0, "rejected"), (50, "")]


def test_a_run_is_stored_whole_or_not_at_all(store: Store, model: int) -> None:
    store.predictions.record_run(model, 1, [found(0)])
    with pytest.raises(ProjectError, match="Nothing was saved"):
        store.predictions.record_run(model, 99, [found(5)])
    with pytest.raises(ProjectError, match="Nothing was saved"):
        store.predictions.record_run(model, 1, [found(5), replace(found(6), verdict="perhaps")])
    assert boxes(store, model) == [(0, "")]
    assert store.predictions.predicted_images(model) == {1}


# --- what classes mean --------------------------------------------------------------------------


def test_unmapped_classes_match_by_name_and_others_stay_open(store: Store, model: int) -> None:
    stored = store.predictions.record_run(model, 1, [found(0, "PERSON"), found(20, "dog"), found(40, "cat")])
    assert [c.category_id for c in stored] == [1, 2, 0]
    assert store.predictions.mappings(model) == {}
    assert store.predictions.labels(model) == {"PERSON": 1, "cat": 1, "dog": 1}


def test_mapping_moves_what_is_stored_and_what_comes(store: Store, model: int) -> None:
    other = store.predictions.ensure_model("other", "1").id
    for one in (model, other):
        store.predictions.record_run(one, 1, [found(0, "cat"), found(20, "cat"), found(40, "dog")])
    store.predictions.set_mappings(model, {"cat": 2})
    store.predictions.set_mappings(model, {"dog": None})
    assert store.predictions.mappings(model) == {"cat": 2, "dog": None}
    assert [c.category_id for c in store.predictions.candidates(1, model)] == [2, 2, 0]
    assert [c.category_id for c in store.predictions.candidates(1, other)] == [0, 0, 2]
    stored = store.predictions.record_run(model, 2, [found(0, "dog"), found(0, "cat")])
    assert [c.category_id for c in stored] == [0, 2]


def test_a_mapping_to_no_category_of_the_project_changes_nothing(store: Store, model: int) -> None:
    store.predictions.record_run(model, 1, [found(0, "cat")])
    with pytest.raises(ProjectError, match="Nothing was saved"):
        store.predictions.set_mappings(model, {"dog": 1, "cat": 77})
    assert store.predictions.mappings(model) == {}
    assert store.predictions.candidates(1)[0].category_id == 0


def test_a_category_added_later_takes_what_bears_its_name(store: Store, model: int) -> None:
    store.predictions.record_run(model, 1, [found(0, "cat"), found(20, "bus")])
    store.predictions.set_mappings(model, {"bus": None})
    for key, name in ((3, "Cat"), (4, "bus")):
        store.apply(Edit("Add", (Change(None, Category(key, name, "#0000ff")),)))
    store.predictions.match_names(model)
    assert [c.category_id for c in store.predictions.candidates(1)] == [3, 0]


def test_verdicts_and_merges_are_undone_after_a_new_mapping(store: Store, model: int) -> None:
    (first,) = store.predictions.record_run(model, 1, [found(0)])
    judge(store, first, "rejected")
    store.apply(merged(store, PERSON, DOG))
    store.predictions.set_mappings(model, {"person": None})
    store.history.undo()
    store.history.undo()
    assert store.categories() == [PERSON, DOG]
    assert boxes(store, model) == [(0, "")]
    store.history.redo()
    assert boxes(store, model) == [(0, "rejected")]


def test_undoing_a_category_unmaps_what_models_found_of_it(store: Store, model: int) -> None:
    cat = Category(3, "cat", "#0000ff")
    store.apply(Edit("Add cat", (Change(None, cat),)))
    store.predictions.record_run(model, 1, [found(0, "cat")])
    store.predictions.set_mappings(model, {"cat": 3})
    store.history.undo()
    assert store.categories() == [PERSON, DOG]
    assert store.predictions.candidates(1)[0].category_id == 0
    assert store.predictions.mappings(model) == {}


def test_what_is_under_a_confidence_is_not_read_unless_a_person_judged_it(store: Store) -> None:
    model = store.predictions.ensure_model("YOLO", "1")
    (image, *_) = store.images()
    found = [Candidate(0, 0, 0, 0, Box(9.0 * n, 0, 9.0 * n + 5, 5), n / 10, "dog") for n in range(10)]
    kept = store.predictions.record_run(model.id, image.id, found)
    faint = replace(kept[1], verdict="rejected")
    store.apply(Edit("Reject", (Change(kept[1], faint),)))
    read = store.predictions.candidates(image.id, model.id, least=0.8)
    assert [one.confidence for one in read] == [0.1, 0.8, 0.9]
    assert len(store.predictions.candidates(image.id, model.id)) == 10


def test_a_model_that_is_spelled_otherwise_now_is_the_same(store: Store) -> None:
    """A file was called by its name, "yolo11n", before it was called as the catalogue calls it."""
    old = store.predictions.ensure_model("yolo11n", "abc").id
    store.predictions.record_run(old, 1, [found(10)])
    new = store.predictions.ensure_model("YOLO11n", "abc")
    assert (new.id, new.name) == (old, "YOLO11n")
    assert [(one.id, one.name) for one in store.predictions.models() if one.version == "abc"] == [
        (old, "YOLO11n")
    ]
    assert boxes(store, old)
    assert store.predictions.ensure_model("YOLO11n", "other").id != old


def test_results_in_portions_replace_once_repeat_nothing_that_was_judged_and_are_sealed(
    store: Store, model: int
) -> None:
    kept, *_ = store.predictions.record_run(model, 1, [found(0), found(100)])
    judge(store, kept, "rejected")
    # an image in two portions, with others between
    portions = [[(1, 0), (2, 30)], [(1, 60), (9, 5)], [(2, 90)]]
    with store.transaction():
        into = store.predictions.replacement(model)
        for portion in portions:
            rows = (replace(found(x), image_id=image, category_id=1) for image, x in portion)
            into.add_present(list(rows))
        # of a category that was deleted while the file was read
        into.add_present([replace(found(200, ""), image_id=2, category_id=7)])
    assert boxes(store, model) == [(0, "rejected"), (60, "")], "what a person rejected stays so"
    assert boxes(store, model, 2) == [(30, ""), (90, "")]
    store.close()
    assert schema.damage(store.path) == "", "each row has its seal, and each table"


def test_rows_that_are_written_by_the_many_have_the_seals_that_a_trigger_makes(store: Store) -> None:
    model = store.predictions.ensure_model("m", "1").id
    # a whole number where SQLite keeps a real one, and a zero with a sign
    one = Candidate(0, 1, 0, 0, Box(-0.0, 1, 2, 3), 1, "a")
    store.predictions.add(model, [one, one], replacing=[1])
    rows = list(store.file.db.execute("SELECT id, seal FROM candidate"))
    with store.transaction():
        store.file.db.execute("UPDATE candidate SET label = 'b'")
        store.file.db.execute("UPDATE candidate SET label = 'a'")
    assert list(store.file.db.execute("SELECT id, seal FROM candidate")) == rows
    store.close()
    assert schema.damage(store.path) == ""
