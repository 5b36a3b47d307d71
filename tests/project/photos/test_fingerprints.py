"""What is known of photos is sealed as labels are: by whichever statement it was written."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from labeler.core.photos.photo_files import Fingerprint
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit, Image
from labeler.project import schema
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.photos.folder import CHANGED
from labeler.project.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a photo that was written by each of the ways that there are, and is whole."""
    path = tmp_path / "labels.labeler"
    with Store.open(path) as store:
        one, two = store.photos.add(["a.jpg", "b.jpg"])
        store.photos.meet(Image(one.id, one.path, 40, 30), Fingerprint(100, 1, "first", "all"))
        store.photos.keep([(two.id, two.path, Fingerprint(200, 2, "second", ""))])
        store.photos.replace(one.id, Fingerprint(300, 3, "third", "more"))
        store.photos.meet(Image(two.id, two.path, 20, 10), Fingerprint(200, 4, "second", "whole"))
    assert schema.damage(path) == ""
    return path


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE photo SET size = size + 1 WHERE image_id = 1", "photo"),
        ("UPDATE photo SET content = 'other' WHERE image_id = 2", "photo"),
        ("UPDATE photo SET seal = seal + 1 WHERE image_id = 2", "photo"),
        ("DELETE FROM photo WHERE image_id = 1", "photo"),
        ("UPDATE image SET digest = 'other' WHERE id = 1", "image"),
        ("UPDATE image SET width = 41 WHERE id = 2", "image"),
    ],
)
def test_damage_to_what_is_known_of_a_photo_is_told(project: Path, change: str, table: str) -> None:
    with closing(sqlite3.connect(project, isolation_level=None)) as db:
        db.execute(change)
    with pytest.raises(DamagedProjectError, match=f"“{table}”"):
        Store.open(project)


KNOWN = Fingerprint(100, 1, "first", "all")
OTHER = Fingerprint(70, 9, "other", "else")


@pytest.fixture
def met(tmp_path: Path) -> Iterator[Store]:
    """A project with a photo of 40 by 30 that is known by `KNOWN`, with two things that a model found."""
    with Store.open(tmp_path / "labels.labeler") as store:
        (one,) = store.photos.add(["a.jpg"])
        assert store.photos.meet(Image(one.id, one.path, 40, 30), KNOWN)
        model = store.predictions.ensure_model("detector", "1")
        boxes = [Box(1, 1, 9, 9), Box(20, 1, 30, 9)]
        store.predictions.record_run(model.id, 1, [Candidate(0, 0, 0, 0, box, 0.9, "cat") for box in boxes])
        yield store


def label(store: Store) -> None:
    one = Annotation(1, 1, 1, Box(1, 1, 5, 5))
    store.apply(Edit("Label", (Change(None, Category(1, "cat", "#ff0000")), Change(None, one))))


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (Image(1, "a.jpg", 40, 30), OTHER),
        (Image(1, "a.jpg", 30, 40), KNOWN),  # as it was turned meanwhile
        (Image(1, "a.jpg", 40, 31), KNOWN),
    ],
)
def test_another_photo_under_labels_is_noted_once_and_nothing_of_it_is_kept(met, image, found) -> None:
    label(met)
    assert not met.photos.meet(image, found)
    kept = met.image(1)
    assert (kept.width, kept.height, kept.digest, kept.note) == (40, 30, "first", CHANGED)
    assert met.photos.known() == {1: KNOWN}
    assert len(met.predictions.candidates(1)) == 2
    before = met.revision
    assert not met.photos.meet(image, found)
    assert met.revision == before


def test_another_photo_without_labels_takes_the_place_and_what_was_found_on_the_first_goes(met) -> None:
    assert met.photos.meet(Image(1, "a.jpg", 50, 60, note="damaged"), OTHER)
    kept = met.image(1)
    assert (kept.width, kept.height, kept.digest, kept.note) == (50, 60, "other", "damaged")
    assert met.photos.known() == {1: OTHER}
    assert met.predictions.candidates(1) == ()


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (KNOWN, KNOWN),  # nothing is new
        (Fingerprint(100, 5, "first", "all"), Fingerprint(100, 5, "first", "all")),  # it was touched
        (Fingerprint(100, 1, "first", ""), KNOWN),  # less is known of it than before
    ],
)
@pytest.mark.parametrize("is_labelled", [True, False])
def test_the_photo_that_it_was_is_met_again(met, found, known, is_labelled) -> None:
    if is_labelled:
        label(met)
    before = met.revision
    assert met.photos.meet(Image(1, "a.jpg", 40, 30), found)
    assert met.photos.known() == {1: known}
    assert (met.revision == before) is (known == KNOWN)
    assert len(met.predictions.candidates(1)) == 2


def test_a_photo_that_is_elsewhere_by_now_is_not_met(met) -> None:
    label(met)
    before = met.revision
    assert met.photos.meet(Image(1, "before.jpg", 9, 9), OTHER)
    assert met.photos.meet(Image(7, "a.jpg", 9, 9), OTHER)
    assert (met.revision, met.photos.known()) == (before, {1: KNOWN})


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        ((1, "a.jpg", Fingerprint(100, 1, "first", "")), KNOWN),  # the content that is known stays
        ((1, "a.jpg", Fingerprint(100, 4, "first", "")), Fingerprint(100, 4, "first", "")),
        ((1, "a.jpg", Fingerprint(100, 1, "first", "whole")), Fingerprint(100, 1, "first", "whole")),
        ((1, "b.jpg", Fingerprint(5, 5, "first", "x")), KNOWN),  # it has moved since
        ((1, "a.jpg", OTHER), KNOWN),
        ((9, "a.jpg", OTHER), KNOWN),
    ],
)
def test_what_a_look_at_the_folder_keeps_of_a_photo(met, seen, known) -> None:
    met.photos.keep([seen])
    assert met.photos.known() == {1: known}
    assert met.image(1).digest == "first"


def test_the_first_look_at_a_photo_names_it(met) -> None:
    (two,) = met.photos.add(["b.jpg"])
    met.photos.keep([(two.id, "b.jpg", OTHER)])
    assert met.photos.known() == {1: KNOWN, two.id: OTHER}
    assert met.image(two.id).digest == "other"


def test_numbers_of_new_images_follow_each_other_and_are_not_given_twice(met) -> None:
    added = met.photos.add(["c.jpg", "a.jpg", "d.jpg"])
    assert [(one.id, one.path) for one in added] == [(2, "c.jpg"), (3, "d.jpg")]
    assert [one.id for one in met.photos.add(["e.jpg", "f.jpg"])] == [4, 5]
