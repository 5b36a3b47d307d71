"""Finding images, and where a folder's project is kept."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from labeler.core.order import natural_key
from labeler.core.photos.photo_files import digest, files_below, fingerprint
from labeler.core.records import Category, Change, Edit
from labeler.errors import ProjectError
from labeler.paths import data_dir
from labeler.project.keeping.homes import move_in
from labeler.project.photos import folder
from labeler.project.photos.folder import find_images, locate
from labeler.project.store import Store
from tests.in_one_go import sync_images


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_images_are_found_below_in_natural_order(tmp_path: Path) -> None:
    names = ["a b/ü.webp", "b/2.png", "b/10.png", "b.tif", "c/d/e/1.bmp", "Img1.jpg", "img2.jpg", "img10.JPG"]
    touch(tmp_path, *names, ".hidden.jpg", ".cache/x.jpg", "notes.txt", "jpg", "b/.x/1.png", "labels.labeler")
    assert list(find_images(tmp_path)) == names
    shuffled = [*names[3:], *names[:3]]
    assert sorted(shuffled, key=natural_key) == names


def test_images_come_while_the_folder_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    found = find_images(tmp_path)
    assert next(found) == "a/1.jpg"
    touch(tmp_path, "b/3.jpg")
    assert list(found) == ["b/2.jpg", "b/3.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "a" / "up").symlink_to(tmp_path / "photos")
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    assert list(find_images(tmp_path / "photos")) == ["a/1.jpg", "link/2.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX names are bytes")
def test_a_name_that_is_no_text_is_left_out_and_said(tmp_path: Path, expect_log) -> None:
    expect_log("was left out: its name is no valid text")
    touch(tmp_path, "fine.jpg")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).touch()
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    assert list(find_images(tmp_path)) == ["fine.jpg"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="nowhere cannot be read"):
        list(find_images(tmp_path / "nowhere"))


def test_names_with_long_numbers_sort_too() -> None:
    assert sorted(["a" + "9" * 5000, "a2", "A1", "a"], key=natural_key)[:3] == ["a", "A1", "a2"]


# --- keeping up with the folder ---------------------------------------------------------------


def test_a_project_keeps_up_with_its_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    with Store.open(tmp_path / "labels.labeler") as store:
        assert [image.path for image in sync_images(store, tmp_path).added] == ["a.jpg", "b.jpg", "c.jpg"]
        assert not sync_images(store, tmp_path)
        seen = replace(store.image(2), width=8, height=6, digest=digest(tmp_path / "b.jpg"))
        store.photos.update([seen])
        (tmp_path / "a.jpg").rename(tmp_path / "was_a.jpg")
        (tmp_path / "deep").mkdir()
        (tmp_path / "b.jpg").rename(tmp_path / "deep" / "moved.jpg")
        sync = sync_images(store, tmp_path)
        assert sync.moved == (replace(seen, path="deep/moved.jpg"),)
        assert [image.path for image in sync.missing] == ["a.jpg"]
        assert [image.path for image in sync.added] == ["was_a.jpg"]
        assert store.image(1).note == "missing"
        assert not sync_images(store, tmp_path)
        touch(tmp_path, "a.jpg")
        assert [image.id for image in sync_images(store, tmp_path).returned] == [1]
        assert store.image(1).note == ""
        assert not store.history.can_undo()


def test_when_the_whole_folder_is_away_nothing_is_marked(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    touch(photos, "a.jpg")
    with Store.open(tmp_path / "labels.labeler") as store:
        sync_images(store, photos)
        photos.rename(tmp_path / "unmounted")
        with pytest.raises(ProjectError, match="cannot be read"):
            sync_images(store, photos)
        assert store.images()[0].note == ""
        assert store.root == photos


# --- where the project is ---------------------------------------------------------------------


def test_a_folder_has_its_project_in_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    place = locate(tmp_path)
    assert (place.project, place.root) == (tmp_path / "labels.labeler", tmp_path.resolve())
    assert (place.read_only_reason, place.message) == ("", "")
    assert locate(tmp_path / "a.jpg") == place
    assert locate(tmp_path / "labels.labeler") == place
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg"]


def test_a_project_file_knows_its_images(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with Store.open(tmp_path / "mine.labeler") as store:
        sync_images(store, tmp_path / "photos")
    assert locate(tmp_path / "mine.labeler").root == tmp_path / "photos"
    (tmp_path / "mine.labeler").write_bytes(b"damaged")
    assert locate(tmp_path / "mine.labeler").root == tmp_path


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="There is no"):
        locate(tmp_path / "photos")
    with pytest.raises(ProjectError, match="There is no folder"):
        locate(tmp_path / "nowhere" / "mine.labeler")


def _read_only(monkeypatch, where: Path) -> None:
    """As root nothing is read-only, so the probe is told."""
    real = folder.tempfile.TemporaryFile

    def refusing(**kwargs):
        if Path(kwargs["dir"]) == where:
            raise PermissionError(13, "Permission denied")
        return real(**kwargs)

    monkeypatch.setattr(folder.tempfile, "TemporaryFile", refusing)


def test_a_read_only_folder_has_its_project_in_the_data_folder(tmp_path: Path, monkeypatch) -> None:
    photos = tmp_path / "photos"
    touch(photos, "a.jpg")
    _read_only(monkeypatch, photos)
    place = locate(photos)
    assert place.project.parent == data_dir() / "projects"
    assert place.project.name.startswith("photos-")
    assert place.root == photos
    assert place.message == f"The folder photos is read-only, so its labels are kept in {place.project}."
    with Store.open(place.project) as store:
        sync_images(store, place.root)
    assert locate(photos) == place
    assert locate(photos / "a.jpg") == place
    again = locate(place.project)
    assert (again.project, again.root, again.read_only_reason) == (place.project, photos, "")


def test_a_project_in_a_read_only_folder_can_be_looked_at(tmp_path: Path, monkeypatch) -> None:
    photos = tmp_path / "photos"
    touch(photos, "a.jpg")
    with Store.open(photos / "labels.labeler") as store:
        sync_images(store, photos)
    _read_only(monkeypatch, photos)
    place = locate(photos)
    assert place.project == photos / "labels.labeler"
    assert place.read_only_reason == "The project can only be looked at: its folder is read-only."
    with Store.open(place.project, read_only=True) as store:
        assert len(store.images()) == 1


def test_a_network_folder_gets_its_project_in_the_data_folder(tmp_path: Path, monkeypatch) -> None:
    Disk = namedtuple("Disk", "mountpoint fstype opts")
    mounts = [Disk("/", "ext4", "rw"), Disk(str(tmp_path / "net"), "nfs4", "rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    (tmp_path / "net" / "photos").mkdir(parents=True)
    place = locate(tmp_path / "net" / "photos")
    assert place.project.parent == data_dir() / "projects"
    assert "is on a network disk (nfs4)" in place.message
    assert locate(tmp_path).message == ""
    mounts[0] = Disk("/", "nfs4", "rw")
    assert locate(tmp_path / "net" / "photos").message == "", "a home on the network is no better place"


def _labelled(project: Path, root: Path, *names: str) -> None:
    """A project with a category for each name, as something that was done in it."""
    with Store.open(project) as store:
        sync_images(store, root)
        # as a window does with each photo that it shows
        store.photos.keep([(one.id, one.path, fingerprint(root / one.path)) for one in store.images()])
        for name in names:
            number = store.ids.peek().category
            store.apply(Edit("Add", (Change(None, Category(number, name, "#ff0000")),)))


def _names(project: Path) -> list[str]:
    with Store.open(project, read_only=True) as store:
        return [one.name for one in store.categories()]


def test_labels_stay_when_a_folder_can_be_written_to_again(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    touch(photos, "a.jpg")
    with pytest.MonkeyPatch.context() as patch:
        _read_only(patch, photos)
        first = locate(photos)
        _labelled(first.project, photos, "bus")
    writable = locate(photos)
    assert (writable.project, writable.movable) == (first.project, True)
    assert "can be moved into it" in writable.message
    assert locate(photos / "labels.labeler").project == first.project, "nor is a new one made by name"
    (tmp_path / "link").symlink_to(photos)
    assert locate(tmp_path / "link").project == first.project
    target = move_in(first.project, photos)
    assert target == photos / "labels.labeler"
    place = locate(photos)
    assert (place.project, place.message, _names(target)) == (target, "", ["bus"])
    with pytest.MonkeyPatch.context() as patch:
        _read_only(patch, photos)
        assert locate(photos).project == target, "and they are looked at where they are from then on"


def test_an_empty_project_hides_no_labels_and_two_with_labels_are_named(tmp_path: Path, monkeypatch) -> None:
    photos = tmp_path / "photos"
    touch(photos, "a.jpg")
    with pytest.MonkeyPatch.context() as patch:
        _read_only(patch, photos)
        at_home = locate(photos).project
        _labelled(at_home, photos, "bus")
    inside = photos / "labels.labeler"
    _labelled(inside, photos)
    assert locate(photos).project == at_home, "an older version made an empty one"
    _labelled(inside, photos, "person")
    place = locate(photos)
    assert (place.project, place.other) == (inside, at_home)
    assert str(inside) in place.message
    assert str(at_home) in place.message
    _read_only(monkeypatch, photos)
    place = locate(photos)
    assert (place.project, place.other, place.read_only_reason) == (at_home, inside, "")
    monkeypatch.undo()


def test_labels_at_home_follow_a_folder_that_moved(tmp_path: Path) -> None:
    photos, moved = tmp_path / "stick" / "photos", tmp_path / "stick1" / "photos"
    for name in ("a.jpg", "b.jpg"):
        touch(photos, name)
        (photos / name).write_bytes(name.encode() * 100)
    with pytest.MonkeyPatch.context() as patch:
        _read_only(patch, photos)
        project = locate(photos).project
        _labelled(project, photos, "bus")
    photos.parent.rename(moved.parent)
    other = tmp_path / "other"
    touch(other, "a.jpg")
    assert locate(other).project == other / "labels.labeler", "names alone say nothing"
    place = locate(moved)
    assert (place.project, place.root) == (project, moved)
    with Store.open(project) as store:
        sync_images(store, place.root)
    assert locate(moved).project == project
    with pytest.MonkeyPatch.context() as patch:
        # another folder comes to where it was
        touch(photos, "c.jpg")
        _read_only(patch, photos)
        assert locate(photos).project != project


def test_a_project_that_was_moved_and_linked_is_about_its_photos(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    touch(photos, "a.jpg")
    _labelled(photos / "labels.labeler", photos, "bus")
    (tmp_path / "kept").mkdir()
    (photos / "labels.labeler").rename(tmp_path / "kept" / "mine.labeler")
    (photos / "labels.labeler").symlink_to(tmp_path / "kept" / "mine.labeler")
    place = locate(photos)
    assert (place.project, place.root) == (tmp_path / "kept" / "mine.labeler", photos)


def test_a_folder_that_goes_while_the_one_around_it_is_walked_is_no_trouble(tmp_path: Path) -> None:
    """A project moved aside takes its folder of snapshots along; a log line from WARNING on fails a test."""
    touch(tmp_path, "a.jpg", "b/c.jpg", "d.jpg")
    walk = files_below(tmp_path)
    assert next(walk) == "a.jpg"
    shutil.rmtree(tmp_path / "b")
    assert list(walk) == ["d.jpg"]
