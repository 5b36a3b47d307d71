"""The store: what goes in comes out, edits are checked, and the history leads anywhere."""

import contextlib
import random
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from msgspec.structs import replace
from project_model import ProjectModel, prepare, state

from labeler.core.records import (
    Annotation,
    Box,
    Candidate,
    Category,
    Change,
    Edit,
    Image,
    Mask,
    Part,
    Polygons,
)
from labeler.errors import ProjectError
from labeler.project import schema, shape_bytes
from labeler.project.category_merge import merged
from labeler.project.ids import NextIds
from labeler.project.journal import JournalEntry
from labeler.project.store import Store

PERSON = Category(1, "person", "#ff0000")
DOG = Category(2, "dog", "#00ff00")


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "labels.labeler") as opened:
        opened.photos.add(["img10.jpg", "img2.jpg", "deep/a.jpg"])
        opened.apply(Edit("Add categories", (Change(None, PERSON), Change(None, DOG))))
        yield opened


def box(key: int, *, image: int = 1, category: int = 1, x: float = 0.0) -> Annotation:
    return Annotation(key, image, category, Box(x, 0.0, x + 10.0, 10.0))


def add(*annotations: Annotation) -> Edit:
    return Edit("Add", tuple(Change(None, annotation) for annotation in annotations))


# --- the file ---------------------------------------------------------------------------------


def test_the_file_is_kept_as_safe_as_sqlite_can(store: Store) -> None:
    assert store.file.settings() == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "application_id": 0x4C41424C,
        "user_version": schema.newest(),
    }


def test_images_come_in_natural_order(store: Store) -> None:
    assert [image.path for image in store.images()] == ["deep/a.jpg", "img2.jpg", "img10.jpg"]


def test_images_are_added_once(store: Store) -> None:
    assert [image.id for image in store.photos.add(["new.jpg", "img2.jpg", "new.jpg"])] == [4]
    assert len(store.images()) == 4


def test_facts_about_images_are_kept_and_do_not_get_in_the_way_of_edits(store: Store) -> None:
    before = store.image(1)
    store.apply(Edit("Review", (Change(before, replace(before, reviewed=True)),)))
    store.photos.update([replace(before, width=640, height=480, digest="d", note="damaged")])
    assert store.image(1) == replace(before, width=640, height=480, digest="d", note="damaged", reviewed=True)
    store.history.undo()
    assert store.image(1) == replace(before, width=640, height=480, digest="d", note="damaged")
    store.apply(Edit("Review", (Change(before, replace(before, reviewed=True)),)))
    assert store.image(1).width == 640


def test_the_root_is_kept_relative_to_the_project_where_it_lies_below(store: Store, tmp_path: Path) -> None:
    assert store.root == tmp_path
    (tmp_path / "photos").mkdir()
    store.set_root(tmp_path / "photos")
    assert store.meta("root") == "photos"
    assert store.root == tmp_path / "photos"
    store.set_root(tmp_path.parent)
    assert store.root == tmp_path.parent


def test_an_unknown_image_is_named(store: Store) -> None:
    with pytest.raises(ProjectError, match="no image 99"):
        store.image(99)


# --- shapes -----------------------------------------------------------------------------------

_numbers = st.floats(allow_nan=False, width=64)
_rings = npst.arrays(np.float64, st.tuples(st.integers(0, 20), st.just(2)), elements=_numbers)
_parts = st.builds(Part, _rings, st.lists(_rings, max_size=3).map(tuple))
_shapes = st.one_of(
    st.builds(Box, _numbers, _numbers, _numbers, _numbers),
    st.builds(Polygons, st.lists(_parts, max_size=4).map(tuple)),
    st.builds(
        Mask,
        st.integers(-(2**31), 2**31 - 1),
        st.integers(0, 2**31 - 1),
        npst.arrays(np.bool_, st.tuples(st.integers(0, 40), st.integers(0, 40))),
    ),
)


@given(_shapes)
@settings(max_examples=300, deadline=None)
def test_a_shape_comes_back_exactly(shape) -> None:
    assert shape_bytes.decode(shape_bytes.encode(shape)) == shape


@pytest.mark.parametrize(
    ("bits", "kind", "limit"),
    [
        (np.zeros((300, 300), bool), b"R", 32),
        (np.ones((300, 200), bool), b"r", 32),
        (np.indices((200, 200)).sum(0) % 2 == 0, b"z", 500),
        (np.tri(200, dtype=bool), b"r", 1000),
    ],
    ids=["empty", "full", "chequered", "triangle"],
)
def test_a_mask_takes_the_smaller_of_its_encodings(bits, kind, limit) -> None:
    data = shape_bytes.encode(Mask(1, 2, bits))
    assert data[:1] == kind
    assert len(data) <= limit
    assert shape_bytes.decode(data) == Mask(1, 2, bits)


def test_broken_shapes_are_refused_in_a_sentence() -> None:
    rng = random.Random(5)
    whole = [shape_bytes.encode(Mask(0, 0, np.tri(9, dtype=bool))), shape_bytes.encode(Box(0, 0, 1, 1))]
    whole += [shape_bytes.encode(Polygons((Part(np.ones((5, 2)), (np.ones((4, 2)),)),)))]
    whole += [shape_bytes.encode(Mask(0, 0, np.indices((50, 50)).sum(0) % 2 == 0))]
    for _ in range(2000):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(ProjectError):
            shape_bytes.decode(bytes(data[: rng.randrange(len(data)) if rng.random() < 0.5 else None]))
    with pytest.raises(ProjectError, match=r"cannot be read \(it is cut short\)"):
        shape_bytes.decode(whole[2][:-16])
    with pytest.raises(ProjectError, match="of no kind that this version knows"):
        shape_bytes.decode(b"")


# --- edits ------------------------------------------------------------------------------------


def test_an_edit_is_applied_journalled_undone_and_redone(store: Store) -> None:
    first, second = box(1), box(2, image=2, category=2)
    edit_id = store.apply(add(first, second))
    assert store.annotations(1) == (first,)
    assert store.annotation_counts() == {1: {1: 1}, 2: {2: 1}}
    entry = store.history.entries()[0]
    assert entry == JournalEntry(edit_id, "Add", entry.time, "done", images=2, image_id=None)
    assert store.history.undo() == add(first, second).inverse()
    assert store.annotations(1) == ()
    assert store.history.entries()[0].state == "undone"
    assert store.history.redo() == add(first, second)
    assert store.annotations(2) == (second,)
    assert store.history.redo() is None


def test_undo_works_across_a_restart(store: Store, tmp_path: Path) -> None:
    store.apply(add(box(1)))
    moved = replace(box(1), shape=Box(5, 5, 9, 9))
    store.apply(Edit("Move", (Change(box(1), moved),)))
    store.close()
    with Store.open(store.path) as again:
        assert again.history.undo() == Edit("Move", (Change(moved, box(1)),))
        assert again.history.undo() == add(box(1)).inverse()
        again.close()
    with Store.open(store.path) as again:
        assert again.history.redo() == add(box(1))
        assert (again.history.can_undo(), again.history.can_redo()) == (True, True)
        assert again.annotations(1) == (box(1),)


def test_undo_on_an_empty_history_does_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "p.labeler") as store:
        assert (
            store.history.undo(),
            store.history.redo(),
            store.history.can_undo(),
            store.history.can_redo(),
        ) == (None, None, False, False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (Change(box(1, x=1.0), box(1, x=2.0)), r"annotation 1 has changed since \(shape\)"),
        (Change(box(7), None), "annotation 7 is no longer in the project"),
        (Change(None, box(1)), "annotation 1 is in the project already"),
        (Change(box(1), replace(box(1), image_id=2)), "cannot move to another image"),
        (Change(box(1), box(2)), "cannot make one record into another"),
        (Change(None, box(5, image=99)), "not in the project"),
        (Change(PERSON, None), "not in the project"),
        (Change(Image(1, "img10.jpg", 0, 0), None), "Delete or move what belongs to it first"),
        (Change(None, Image(9, "img2.jpg", 0, 0)), "another image of the project has the same path"),
        (Change(None, replace(box(6), file_id=2**70)), "does not fit"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(store: Store, change: Change, sentence: str) -> None:
    store.apply(add(box(1)))
    before, journal = state(store), store.history.entries()
    with pytest.raises(ProjectError, match=sentence):
        store.apply(Edit("Bad", (Change(None, box(3)), change)))
    assert state(store) == before
    assert store.history.entries() == journal


def test_an_equal_shape_in_other_bytes_is_the_same_shape(store: Store) -> None:
    mask = Mask(0, 0, np.indices((90, 90)).sum(0) % 2 == 0)
    annotation = replace(box(1), shape=mask)
    store.apply(add(annotation))
    other = shape_bytes.encode(mask)[:17] + zlib.compress(np.packbits(mask.bits).tobytes(), 9)
    assert other != shape_bytes.encode(mask)
    store.file.db.execute("UPDATE annotation SET shape = ?", (other,))
    after = replace(annotation, shape=Box(0, 0, 1, 1))
    store.apply(Edit("Box", (Change(annotation, after),)))
    assert store.history.undo() == Edit("Box", (Change(after, annotation),))


def test_an_edit_after_an_undo_abandons_what_was_undone(store: Store) -> None:
    abandoned = store.apply(add(box(1)))
    store.history.undo()
    store.apply(add(box(2)))
    assert [entry.state for entry in store.history.entries()] == ["done", "abandoned", "done"]
    assert store.history.redo() is None
    with pytest.raises(ProjectError, match="Other edits were made"):
        store.history.go_back_to(abandoned)
    edit = store.history.restored(1, abandoned)
    store.apply(edit)
    assert store.annotations(1) == (box(1),)


def test_going_back_and_forth_in_one_go(store: Store) -> None:
    ids = [store.apply(add(box(n))) for n in range(1, 6)]
    assert store.history.go_back_to(ids[1]) == tuple(add(box(n)).inverse() for n in (5, 4, 3))
    assert [a.id for a in store.annotations(1)] == [1, 2]
    assert store.history.go_back_to(ids[3]) == (add(box(3)), add(box(4)))
    assert store.history.go_back_to(ids[3]) == ()
    store.history.go_back_to(0)
    assert store.categories() == []
    store.history.go_back_to(ids[4])
    assert len(store.annotations(1)) == 5
    with pytest.raises(ProjectError, match="no edit 99"):
        store.history.go_back_to(99)


def test_one_image_goes_back_in_time_and_the_others_stay(store: Store) -> None:
    store.apply(add(box(1), box(2, image=2)))
    then = store.apply(Edit("Move", (Change(box(1), box(1, x=3.0)),)))
    store.apply(Edit("Delete", (Change(box(1, x=3.0), None), Change(box(2, image=2), None))))
    store.apply(add(box(3)))
    edit = store.history.restored(1, then)
    assert edit.label == "Go back to “Move”"
    assert len(edit.changes) == 2
    store.apply(edit)
    assert store.annotations(1) == (box(1, x=3.0),)
    assert store.annotations(2) == ()
    assert store.history.restored(1, then).changes == ()
    store.history.undo()
    assert store.annotations(1) == (box(3),)


def test_going_back_in_time_leaves_the_photo_where_it_is(store: Store) -> None:
    image = store.image(1)
    then = store.apply(add(box(1)))
    moved = replace(image, path="elsewhere.png", reviewed=True)
    store.apply(Edit("Locate", (Change(image, moved), Change(box(1), None))))
    store.apply(store.history.restored(1, then))
    assert store.image(1) == replace(moved, reviewed=False)
    assert store.annotations(1) == (box(1),)


def test_going_back_in_time_brings_the_category_back_that_it_needs(store: Store) -> None:
    then = store.apply(add(box(1)))
    store.apply(merged(store, PERSON, DOG))
    assert store.categories() == [DOG]
    store.apply(store.history.restored(1, then))
    assert store.categories() == [PERSON, DOG]
    assert store.annotations(1) == (box(1),)


def test_merging_categories_is_one_step(store: Store) -> None:
    model = store.predictions.ensure_model("m", "1")
    store.apply(add(*(box(n, image=1 + n % 3) for n in range(1, 50))))
    store.predictions.add(model.id, [Candidate(0, 1, 0, 1, Box(0, 0, 1, 1), 0.5)])
    before = state(store)
    store.apply(merged(store, PERSON, DOG))
    assert store.categories() == [DOG]
    assert {a.category_id for a in store.all_annotations()} == {2}
    assert store.predictions.candidates(1)[0].category_id == 2
    store.history.undo()
    assert state(store) == before
    assert store.predictions.candidates(1)[0].category_id == 1


def test_ids_are_never_given_twice(store: Store) -> None:
    store.apply(add(box(7)))
    store.history.undo()
    store.apply(add(box(8)))
    store.apply(Edit("Delete", (Change(box(8), None),)))
    assert store.ids.peek() == NextIds(annotation=9, category=3, image=4, candidate=1)


def test_the_journal_of_one_image(store: Store) -> None:
    store.apply(add(box(1), box(2)))
    store.apply(add(box(3, image=2)))
    assert [(e.id, e.image_id) for e in store.history.entries(image_id=1)] == [(2, 1)]
    assert [e.id for e in store.history.entries(limit=2)] == [3, 2]


def test_several_writes_are_one_transaction(store: Store) -> None:
    before, revision = state(store), store.revision
    with contextlib.suppress(KeyError), store.transaction():
        store.photos.add(["x.jpg"])
        store.apply(add(box(1)))
        raise KeyError
    assert (state(store), store.revision) == (before, revision)


# --- candidates -------------------------------------------------------------------------------


def test_candidates_of_a_model_are_replaced_but_for_the_accepted(store: Store) -> None:
    model = store.predictions.ensure_model("yolo", "8")
    assert store.predictions.ensure_model("yolo", "8") == model
    assert store.predictions.models() == [model]
    raw = [Candidate(0, 1 + n % 2, 0, 1, Box(n, 0, n + 1, 1), n / 10) for n in range(4)]
    first = store.predictions.add(model.id, raw)
    assert [c.id for c in first] == [1, 2, 3, 4]
    assert store.predictions.candidates(1) == (first[0], first[2])
    assert store.predictions.candidates(1, model.id + 1) == ()
    store.apply(add(replace(box(1), prediction_id=first[0].id, source="model")))
    second = store.predictions.add(model.id, [raw[0], raw[2]], replacing=[1])
    assert store.predictions.candidates(1, model.id) == (first[0], second[0])
    assert store.predictions.candidates(2) == (first[1], first[3])
    assert store.predictions.by_id([first[2].id, second[0].id]) == (second[0],)
    assert second[0].id == 5


# --- against the model ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_random_edits_undos_and_redos_give_what_a_model_gives(tmp_path: Path, seed: int) -> None:
    _soak(tmp_path, seed=seed, steps=300)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_three_thousand_random_edits_give_what_a_model_gives(tmp_path: Path) -> None:
    _soak(tmp_path, seed=99, steps=3_000)


def _soak(folder: Path, *, seed: int, steps: int) -> None:
    model = ProjectModel(seed)
    path = folder / "soak.labeler"
    store = Store.open(path)
    prepare(store)
    history = {}
    for number in range(1, steps + 1):
        step = model.step()
        match step:
            case "undo":
                assert store.history.undo() == model.undone[-1].inverse()
            case "redo":
                assert store.history.redo() == model.done[-1]
            case _:
                history[store.apply(step)] = {k: r for k, r in model.records.items() if k[0] == "annotation"}
        if number % 100 == 0:
            assert state(store) == model.records
            _look_back(store, history, random.Random(number))
            store.close()
            store = Store.open(path)
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _look_back(store: Store, history: dict, rng: random.Random) -> None:
    """Any image can be taken to any earlier moment, also one on an abandoned branch."""
    for edit_id in rng.sample(sorted(history), 5):
        image_id = rng.randint(1, 3)
        now = {a.id: a for a in store.annotations(image_id)}
        for change in store.history.restored(image_id, edit_id).changes:
            if isinstance(change.record, Annotation):
                assert now.get(change.record.id) == change.before
                now.pop(change.record.id, None)
                if change.after is not None:
                    now[change.record.id] = change.after
        then = {a.id: a for a in history[edit_id].values() if a.image_id == image_id}
        assert now == then
