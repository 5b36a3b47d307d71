"""Edits that were put aside: as much of them is taken up as fits, once, and nothing of others is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Category, Change, Edit, Image
from labeler.project.keeping.leftovers import leftovers, take_up
from labeler.project.keeping.rescue_file import RescueFile
from labeler.project.store import Store

PERSON, DOG = Category(1, "person", "#ff0000"), Category(2, "dog", "#00ff00")
MADE = Annotation(1, 1, 1, Box(0, 0, 9, 9))
MOVED = replace(MADE, shape=Box(5, 5, 14, 14))
OTHER = Annotation(7, 1, 1, Box(50, 50, 60, 60))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two images, a category, and one object on the first."""
    with Store.open(tmp_path / "p.labeler") as made:
        made.photos.add(["a.jpg", "b.jpg"])
        made.apply(Edit("Begin", (Change(None, PERSON), Change(None, MADE))))
        yield made


@pytest.fixture
def aside(store: Store) -> Callable[..., Path]:
    """`aside(*edits)`: they were put aside; gives the file."""
    return lambda *edits: RescueFile(store.path).keep_aside(edits)


def shapes(store: Store, image_id: int = 1) -> dict[int, Box]:
    return {one.id: one.shape for one in store.annotations(image_id)}


def labels(store: Store) -> list[str]:
    return [entry.label for entry in store.history.entries()]


@pytest.mark.parametrize(
    ("change", "then", "taken"),
    [
        (Change(None, OTHER), {1: MADE.shape, 7: OTHER.shape}, 1),
        # its id is another's by now: it gets one of its own
        (Change(None, replace(OTHER, id=1)), {1: MADE.shape, 2: OTHER.shape}, 1),
        (Change(None, MADE), {1: MADE.shape}, 0),  # it is there already
        (Change(MADE, MOVED), {1: MOVED.shape}, 1),
        (Change(replace(MADE, shape=Box(1, 1, 2, 2)), MOVED), {1: MOVED.shape}, 1),  # changed meanwhile
        (Change(OTHER, replace(OTHER, category_id=1, shape=MOVED.shape)), {1: MADE.shape, 7: MOVED.shape}, 1),
        (Change(MADE, None), {}, 1),
        (Change(OTHER, None), {1: MADE.shape}, 0),  # it is gone already
        (Change(None, replace(OTHER, image_id=99)), {1: MADE.shape}, 0),
        (Change(None, replace(OTHER, category_id=99)), {1: MADE.shape}, 0),
        (Change(MADE, replace(MOVED, image_id=99)), {1: MADE.shape}, 0),
    ],
)
def test_of_an_object_as_much_is_done_as_can_be(store, aside, change, then, taken) -> None:
    file = aside(Edit("Draw", (change,)))
    assert take_up(store, file) == taken
    assert shapes(store) == then
    assert not file.exists()
    assert labels(store)[0] == ("Draw (kept aside)" if taken else "Begin")


def test_an_image_gets_its_mark_back_and_none_is_made(store, aside) -> None:
    first, second = store.images()
    gone = Image(9, "gone.jpg", 10, 10)
    file = aside(
        Edit("Reviewed", (Change(first, replace(first, reviewed=True, note="as it was then")),)),
        Edit("Same", (Change(second, replace(second, width=1)),)),
        Edit("Gone", (Change(gone, replace(gone, reviewed=True)), Change(None, gone))),
    )
    assert take_up(store, file) == 1
    now = store.images()
    assert [one.reviewed for one in now] == [True, False]
    assert (now[0].note, now[1].width) == (first.note, second.width), (
        "facts are read from files, not from edits"
    )
    assert len(now) == 2


def test_a_category_comes_before_what_is_drawn_in_it(store, aside) -> None:
    file = aside(
        Edit("Draw", (Change(None, replace(OTHER, id=8, category_id=2)),)),
        Edit("Add category", (Change(None, DOG),)),
        Edit("Draw", (Change(None, replace(OTHER, category_id=2)),)),
        Edit("Another", (Change(None, replace(PERSON, name="rider")),)),
    )
    assert take_up(store, file) == 2
    assert set(shapes(store)) == {1, 7}, "the first was drawn in none"
    assert [one.name for one in store.categories()] == ["person", "dog"]


def test_each_edit_is_one_step_to_undo(store, aside) -> None:
    take_up(store, aside(Edit("One", (Change(None, OTHER),)), Edit("Two", (Change(MADE, MOVED),))))
    store.history.undo()
    assert shapes(store) == {1: MADE.shape, 7: OTHER.shape}
    store.history.undo()
    assert shapes(store) == {1: MADE.shape}


def test_a_new_id_is_none_of_those_further_on(store, aside) -> None:
    """The first object needs another id; it must not take that of the second."""
    file = aside(Edit("Two", (Change(None, replace(OTHER, id=1)), Change(None, replace(MOVED, id=2)))))
    assert take_up(store, file) == 2
    assert shapes(store) == {1: MADE.shape, 2: MOVED.shape, 3: OTHER.shape}


def test_a_file_is_found_by_its_project_and_one_that_cannot_be_read_has_nothing(
    store, aside, tmp_path
) -> None:
    assert leftovers(store.path) == {}
    edit = Edit("Draw", (Change(None, OTHER),))
    file = aside(edit)
    other = RescueFile(tmp_path / "another.labeler").keep_aside([edit])
    broken = aside(edit)
    broken.write_bytes(b'"x"\n{"number": 1, "step": 5}\n')
    assert leftovers(store.path) == {file: [edit], broken: []}
    assert list(leftovers(tmp_path / "another.labeler")) == [other]
    with pytest.raises(msgspec.MsgspecError):
        take_up(store, broken)
    assert broken.exists()
    assert shapes(store) == {1: MADE.shape}


def test_what_fails_in_the_middle_is_not_done_at_all_and_kept(store, aside, monkeypatch) -> None:
    file = aside(Edit("One", (Change(None, OTHER),)), Edit("Two", (Change(MADE, MOVED),)))
    apply, done = Store.apply, []

    def fails_at_the_second(self, edit):
        if done:
            raise OSError("no room")
        done.append(1)
        return apply(self, edit)

    monkeypatch.setattr(Store, "apply", fails_at_the_second)
    with pytest.raises(OSError, match="no room"):
        take_up(store, file)
    assert shapes(store) == {1: MADE.shape}
    assert file.exists()


def test_the_images_of_the_project_are_not_read_for_every_object(store, aside, monkeypatch) -> None:
    """A thousand objects of a project of a hundred thousand photos are a thousand questions."""
    changes = tuple(Change(None, replace(OTHER, id=100 + n)) for n in range(50))
    file = aside(Edit("Many", changes))
    monkeypatch.setattr(Store, "images", lambda self: pytest.fail("all images were read"))
    assert take_up(store, file) == 50
