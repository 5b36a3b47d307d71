"""What a person decides about a photo that is gone or another one, as edits that can be undone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.core.photos.photo_files import PLACEHOLDER, Fingerprint
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit
from labeler.errors import ProjectError
from labeler.project.photos.photo_edits import relocation, removal, scaling, set_aside, take_as_photo
from labeler.project.photos.survey import MISSING
from labeler.project.store import Store

BOX = Annotation(1, 1, 1, Box(2, 4, 6, 8))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three images of 10 x 20; the first has an object and a candidate."""
    with Store.open(tmp_path / "p.labeler") as made:
        made.photos.add(["a.jpg", "sub/b.jpg", "c.jpg"])
        made.photos.update([replace(one, width=10, height=20) for one in made.images()])
        made.apply(Edit("Begin", (Change(None, Category(1, "person", "#ff0000")), Change(None, BOX))))
        model = made.predictions.ensure_model("d", "1")
        made.predictions.record_run(model.id, 1, [Candidate(0, 1, 0, 1, Box(0, 0, 5, 5), 0.9)])
        yield made


def everything(store: Store) -> tuple:
    images = store.images()
    return (
        images,
        [store.annotations(one.id) for one in images],
        [store.predictions.candidates(one.id) for one in images],
    )


@pytest.mark.parametrize(
    ("ids", "label", "left"),
    [
        ([1], "Remove a.jpg", ["c.jpg", "sub/b.jpg"]),
        ([2], "Remove b.jpg", ["a.jpg", "c.jpg"]),
        ([1, 2, 3], "Remove 3 images", []),
    ],
)
def test_an_image_goes_with_all_that_is_on_it_and_comes_back_with_it(store, ids, label, left) -> None:
    before = everything(store)
    edit = removal(store, ids)
    assert edit.label == label
    assert everything(store) == before, "it is not applied yet"
    store.apply(edit)
    assert [one.path for one in store.images()] == left
    store.history.undo()
    assert everything(store) == before


def test_an_image_that_is_not_there_is_said(store) -> None:
    with pytest.raises(ProjectError, match="no image 9"):
        removal(store, [9])


def test_a_photo_is_where_the_person_says_and_its_labels_with_it(store) -> None:
    missing = replace(store.image(1), note=MISSING)
    store.photos.update([missing])
    edit = relocation(store, 1, "elsewhere/a2.jpg")
    assert edit.label == "Locate a2.jpg"
    store.apply(edit)
    assert (store.image(1).path, store.image(1).note) == ("elsewhere/a2.jpg", "")
    assert store.annotations(1) == (BOX,)
    store.history.undo()
    assert store.image(1) == missing


def test_an_image_that_the_file_is_already_gives_way_only_if_nobody_labelled_it(store) -> None:
    store.apply(relocation(store, 1, "c.jpg"))
    assert {one.id: one.path for one in store.images()} == {1: "c.jpg", 2: "sub/b.jpg"}
    store.history.undo()
    with pytest.raises(ProjectError, match=r"^a\.jpg is an image of the project with labels of its own\."):
        relocation(store, 3, "a.jpg")
    store.apply(Edit("Reviewed", (Change(store.image(2), replace(store.image(2), reviewed=True)),)))
    with pytest.raises(ProjectError, match="labels of its own"):
        relocation(store, 3, "sub/b.jpg")


def test_to_locate_a_photo_where_it_is_takes_nothing_out(store) -> None:
    store.apply(relocation(store, 1, "a.jpg"))
    assert len(store.images()) == 3
    assert store.annotations(1) == (BOX,)


def test_labels_are_fitted_to_a_scaled_photo(store) -> None:
    edit = scaling(store, {1: (20, 10)})
    assert edit.label == "Fit labels of 1 scaled photo"
    store.apply(edit)
    assert store.annotations(1)[0].shape == Box(4, 2, 12, 4)
    store.history.undo()
    assert store.annotations(1) == (BOX,)
    assert scaling(store, {1: (20, 10), 2: (5, 5)}).label == "Fit labels of 2 scaled photos"


@pytest.mark.parametrize("size", [(0, 20), (10, 0)])
def test_what_was_never_measured_is_not_scaled(store, size) -> None:
    store.photos.update([replace(store.image(1), width=size[0], height=size[1])])
    assert scaling(store, {1: (20, 10)}).changes == ()


def test_what_models_found_on_the_photo_before_goes_and_the_labels_stay(store) -> None:
    found = Fingerprint(1234, 5, "new")
    store.photos.update([replace(store.image(1), note="changed")])
    assert take_as_photo(store, {1: (found, (30, 40))}) == 1
    now = store.image(1)
    assert (now.width, now.height, now.note, now.digest) == (30, 40, "", "new")
    assert store.photos.known()[1].digest == "new"
    assert not store.predictions.candidates(1)
    assert store.annotations(1) == (BOX,)
    assert take_as_photo(store, {2: (found, (30, 40))}) == 0


def test_labels_set_aside_wait_for_their_photo_and_what_lies_there_is_a_new_image(store) -> None:
    before = everything(store)
    edit = set_aside(store, [1, 2])
    assert edit.label == "Set labels of 2 photos aside"
    store.apply(edit)
    paths = {one.id: (one.path, one.note) for one in store.images()}
    assert paths == {
        1: (f"{PLACEHOLDER}/1/a.jpg", MISSING),
        2: (f"{PLACEHOLDER}/2/b.jpg", MISSING),
        3: ("c.jpg", ""),
        4: ("a.jpg", ""),
        5: ("sub/b.jpg", ""),
    }
    assert store.annotations(1) == (BOX,)
    assert not store.annotations(4)
    store.history.undo()
    assert everything(store) == before
    assert set_aside(store, [2]).label == "Set labels of b.jpg aside"
