"""The projects of folders that take none: which of them is a folder's, and which is not."""

from pathlib import Path

import pytest

from labeler.core.records import Annotation, Box, Category, Change, Edit
from labeler.project.keeping import homes
from labeler.project.store import Store


def kept(folder: Path, *, root: Path | None, labels: int = 0) -> Path:
    """A project in the data folder under the name of `folder`, which says that its photos are in `root`."""
    path = homes.new_home(folder)
    with Store.open(path) as store:
        if root is not None:
            store.set_root(root)
        if labels:
            store.apply(Edit("Category", (Change(None, Category(1, "cat", "#ff0000")),)))
        for number in range(1, labels + 1):
            made = Annotation(number, 1, 1, Box(1, 1, 5, 5))
            if number == 1:
                store.photos.add(["a.jpg"])
            store.apply(Edit("Label", (Change(None, made),)))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    return made


def test_a_folders_project_is_found_by_its_name_and_its_root(folder: Path) -> None:
    assert homes.kept_for(folder, thorough=True) is None
    path = kept(folder, root=folder)
    assert homes.kept_for(folder, thorough=False) == path
    assert homes.kept_for(folder / ".." / folder.name, thorough=False) == path


def test_a_project_that_names_no_root_yet_is_the_folders(folder: Path) -> None:
    path = kept(folder, root=None)
    assert homes.kept_for(folder, thorough=False) == path


@pytest.mark.parametrize("thorough", [False, True])
def test_a_project_of_another_folder_is_not_taken_for_it(
    tmp_path: Path, folder: Path, thorough: bool
) -> None:
    other = tmp_path / "others"
    other.mkdir()
    kept(folder, root=other)
    assert homes.kept_for(folder, thorough=thorough) is None


def test_the_folder_was_renamed_and_its_project_says_so(tmp_path: Path, folder: Path) -> None:
    """By its root where another project has the name that it would have."""
    before = tmp_path / "before"
    before.mkdir()
    path = kept(before, root=folder)
    assert homes.kept_for(folder, thorough=False) is None
    assert homes.kept_for(folder, thorough=True) == path


def test_a_second_home_gets_another_name(folder: Path) -> None:
    first = kept(folder, root=folder)
    second = homes.new_home(folder)
    assert second != first
    assert second.name == f"{first.stem}-2{first.suffix}"


@pytest.mark.parametrize(("labels", "counted"), [(0, -1), (1, 1), (3, 3)])
def test_how_much_is_in_a_project(folder: Path, labels: int, counted: int) -> None:
    assert homes.labels_in(kept(folder, root=folder, labels=labels)) == counted


def test_a_project_that_cannot_be_asked_may_be_full_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "broken.labeler"
    path.write_bytes(b"no database" * 100)
    assert homes.labels_in(path) == 0
    assert homes.root_of(path) is None
    assert not homes.has_photos_in(path, tmp_path)


def test_a_photo_of_no_byte_is_there_all_the_same(folder: Path) -> None:
    path = kept(folder, root=folder, labels=1)
    assert not homes.has_photos_in(path, folder)
    (folder / "a.jpg").touch()
    assert homes.has_photos_in(path, folder)
