"""An edit that is written in portions, with other edits in between: one step of undo, in its place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Category, Change, Edit
from labeler.project import schema
from labeler.project.journal import MisfitError
from labeler.project.store import Store

CAT = Category(1, "cat", "#ff0000")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "p.labeler") as opened:
        opened.photos.add(["a.jpg", "b.jpg"])
        opened.apply(Edit("Add a category", (Change(None, CAT),)))
        yield opened
    assert schema.damage(tmp_path / "p.labeler") == ""


def made(number: int, image: int = 1) -> Annotation:
    return Annotation(number, image, 1, Box(0, 0, number, 9), source="import", crowd=True, created=1)


def there(store: Store) -> list[int]:
    return [one.id for one in store.all_annotations()]


def labels(store: Store) -> list[str]:
    return [entry.label for entry in store.history.entries() if entry.state == "done"]


def test_it_is_one_step_back_and_forth_as_if_it_had_come_at_once(store: Store) -> None:
    with store.transaction():
        edit = store.long_edit("Import")
        edit.add([Change(None, made(1)), Change(None, made(2))])
        edit.add([Change(None, made(3, image=2)), Change(CAT, replace(CAT, name="dog"))])
        edit.finish()
    entry = store.history.entries(limit=1)[0]
    assert (entry.label, entry.images, entry.state) == ("Import", 2, "done")
    stored = list(store.all_annotations())
    assert store.history.undo().label == "Import"
    assert there(store) == []
    assert store.categories() == [CAT]
    store.history.redo()
    assert list(store.all_annotations()) == stored == [made(1), made(2), made(3, image=2)]


def test_what_comes_in_between_is_undone_first(store: Store) -> None:
    store.apply(Edit("Before", (Change(None, made(10)),)))
    with store.transaction():
        edit = store.long_edit("Import")
        edit.add([Change(None, made(1))])
        moved = replace(made(1), shape=Box(5, 5, 9, 9))
        store.apply(Edit("Move what it made", (Change(made(1), moved),)))
        assert labels(store)[0] == "Move what it made"
        edit.add([Change(None, made(2))])
        edit.finish()
    assert labels(store)[:3] == ["Move what it made", "Import", "Before"]
    here = store.history.entries(limit=2)
    assert [store.history.undo().label for _ in range(3)] == ["Move what it made", "Import", "Before"]
    assert there(store) == []
    for _ in range(3):
        store.history.redo()
    assert there(store) == [1, 2, 10]
    # going back on one image finds its way through it
    back = store.history.restored(1, here[1].id)
    store.apply(back)
    assert store.annotations(1)[0] == made(1)


def test_an_older_edit_that_is_undone_in_between_cannot_be_done_again_on_top(store: Store) -> None:
    store.apply(Edit("Before", (Change(None, made(10)),)))
    with store.transaction():
        edit = store.long_edit("Import")
        edit.add([Change(None, made(1))])
        assert store.history.undo().label == "Before"
        edit.add([Change(None, made(2))])
        edit.finish()
    assert store.history.redo() is None
    assert [store.history.undo().label for _ in range(2)] == ["Import", "Add a category"]
    assert there(store) == []


def test_a_change_of_something_else_is_refused(store: Store) -> None:
    with pytest.raises(MisfitError, match="has changed since"), store.transaction():
        store.long_edit("Import").add([Change(replace(CAT, name="other"), replace(CAT, name="dog"))])
    assert labels(store) == ["Add a category"]
