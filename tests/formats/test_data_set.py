"""Data sets in a folder: parts, photos, names, and never a half of one."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as PillowImage

from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import ExportStoppedError, FormatError
from labeler.formats import data_set
from labeler.formats.coco.coco_format import coco
from labeler.formats.data_set import MANIFEST, RENAMED, UNREADABLE, Wanted, losses, write_data_set
from labeler.formats.report import FieldNote
from labeler.formats.spec import Dataset, FormatSpec, Part, Reading, Source, Target


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    for part in parts:
        names = [f"{target.where[image.id]} {len(part.dataset.annotations)}" for image in part.dataset.images]
        (target.path / f"{part.name or 'all'}.list").write_text("\n".join(names))
    return ()


def read(_: Source) -> Reading:
    return Reading(Dataset((), (), ()))


LISTS = FormatSpec(
    "lists",
    "Lists",
    (".list",),
    lambda _: False,
    read,
    write,
    folder=True,
    photo=lambda part, name: f"photos/{part}/{name}",
)


@pytest.fixture
def photos(tmp_path: Path) -> dict[int, Path]:
    """Two photos of one name in two folders."""
    files = {}
    for number, folder in enumerate(("a", "b"), 1):
        files[number] = tmp_path / "photos" / folder / "x.jpg"
        files[number].parent.mkdir(parents=True)
        PillowImage.new("RGB", (40, 30), (number * 50, 0, 0)).save(files[number])
    return files


DATA = Dataset(
    (Image(1, "a/x.jpg", 40, 30), Image(2, "b/x.jpg", 40, 30)),
    (Category(1, "cat", ""),),
    (Annotation(1, 1, 1, Box(2, 3, 10, 8)), Annotation(2, 2, 1, Box(2, 3, 10, 8))),
)


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_parts_and_photos_go_where_the_format_says(tmp_path: Path, photos: dict[int, Path]) -> None:
    out = tmp_path / "out"
    written = write_data_set(LISTS, Wanted(DATA, out, photos, {1: "train", 2: "val"}, photos="copied"))
    assert written.files == (out,)
    assert below(out) == {"photos/train/x.jpg", "photos/val/b_x.jpg", "train.list", "val.list", MANIFEST}
    assert (out / "photos/train/x.jpg").read_bytes() == photos[1].read_bytes()
    assert (out / "val.list").read_text() == "photos/val/b_x.jpg 1"
    assert [(note.index, note.sentence) for note in written.report.items] == [(1, RENAMED)]
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_photos_that_stay_are_named_from_the_folder(tmp_path: Path, photos: dict[int, Path]) -> None:
    out = tmp_path / "deep" / "out"
    write_data_set(LISTS, Wanted(DATA, out, photos))
    assert (out / "all.list").read_text().splitlines()[0] == "../../photos/a/x.jpg 2"


def test_photos_are_linked(tmp_path: Path, photos: dict[int, Path]) -> None:
    out = tmp_path / "out"
    write_data_set(LISTS, Wanted(DATA, out, photos, photos="linked"))
    assert (out / "photos" / "x.jpg").resolve() == photos[1]


def test_a_turned_photo_is_straightened(tmp_path: Path, photos: dict[int, Path]) -> None:
    exif = PillowImage.Exif()
    exif[274] = 6
    PillowImage.fromarray(np.zeros((40, 30, 3), np.uint8)).save(photos[1], exif=exif)
    write_data_set(LISTS, Wanted(DATA, tmp_path / "as", photos, photos="copied"))
    write_data_set(LISTS, Wanted(DATA, tmp_path / "up", photos, photos="copied", straighten=True))
    with (
        PillowImage.open(tmp_path / "as/photos/x.jpg") as kept,
        PillowImage.open(tmp_path / "up/photos/x.jpg") as up,
    ):
        assert (kept.size, kept.getexif().get(274)) == ((30, 40), 6)
        assert (up.size, up.getexif().get(274)) == ((40, 30), None)


def test_a_photo_that_is_gone_is_told_and_its_labels_are_there(
    tmp_path: Path, photos: dict[int, Path]
) -> None:
    photos[2].unlink()
    written = write_data_set(LISTS, Wanted(DATA, tmp_path / "out", photos, photos="copied"))
    assert UNREADABLE in {note.sentence for note in written.report.items}
    assert "x.jpg 2" in (tmp_path / "out" / "all.list").read_text()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, photos: dict[int, Path]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(FormatError, match="is not empty"):
        write_data_set(LISTS, Wanted(DATA, tmp_path / "out", photos))
    assert below(tmp_path / "out") == {"mine.txt"}


def test_writing_over_takes_away_what_the_last_export_wrote_and_nothing_else(
    tmp_path: Path, photos: dict[int, Path]
) -> None:
    out = tmp_path / "out"
    write_data_set(LISTS, Wanted(DATA, out, photos, {1: "train", 2: "val"}, photos="copied"))
    (out / "mine.txt").write_text("mine")
    small = replace(DATA, images=DATA.images[:1], annotations=DATA.annotations[:1])
    write_data_set(LISTS, Wanted(small, out, photos, {1: "train"}, photos="copied", over=True))
    assert below(out) == {"photos/train/x.jpg", "train.list", "mine.txt", MANIFEST}


def test_a_manifest_that_leads_outside_deletes_nothing(tmp_path: Path, photos: dict[int, Path]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_text(json.dumps(["../photos/a/x.jpg", str(photos[2]), 7]))
    write_data_set(LISTS, Wanted(DATA, out, photos, over=True))
    assert photos[1].exists()
    assert photos[2].exists()


def test_an_export_that_is_stopped_or_fails_leaves_nothing(
    tmp_path: Path, photos: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExportStoppedError):
        write_data_set(
            LISTS, Wanted(DATA, tmp_path / "out", photos, photos="copied", should_stop=lambda: True)
        )

    def broken(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
        write(parts, target)
        raise OSError(28, "No space left on device")

    with pytest.raises(FormatError, match="cannot be written"):
        write_data_set(replace(LISTS, write=broken), Wanted(DATA, tmp_path / "out", photos))
    monkeypatch.setattr(data_set.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(FormatError, match="the photos take"):
        write_data_set(LISTS, Wanted(DATA, tmp_path / "out", photos, photos="copied"))
    assert {path.name for path in tmp_path.iterdir()} == {"photos"}


def test_a_format_of_one_file_has_its_place_beside_the_photos(
    tmp_path: Path, photos: dict[int, Path]
) -> None:
    out = tmp_path / "out"
    write_data_set(coco, Wanted(DATA, out, photos, {1: "train", 2: "val"}, photos="copied"))
    assert below(out) == {
        "annotations/instances_train.json",
        "annotations/instances_val.json",
        "images/train/x.jpg",
        "images/val/b_x.jpg",
        MANIFEST,
    }
    assert (
        json.loads((out / "annotations/instances_val.json").read_bytes())["images"][0]["file_name"]
        == "images/val/b_x.jpg"
    )
    with pytest.raises(FormatError, match="is the name of a file"):
        write_data_set(coco, Wanted(DATA, tmp_path / "l.json", photos, photos="copied"))


def test_the_room_for_photos_is_said_in_gigabytes(
    tmp_path: Path, photos: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in photos.values():
        with path.open("r+b") as file:
            file.truncate(1_600_000_000)  # of which the disk takes nothing
    free = SimpleNamespace(free=1_500_000_000)
    monkeypatch.setattr(data_set.shutil, "disk_usage", lambda _: free)
    with pytest.raises(FormatError, match=r"the photos take 3\.2 GB, of which 1\.5 GB are free\.$"):
        write_data_set(LISTS, Wanted(DATA, tmp_path / "out", photos, photos="copied"))


def test_a_photo_that_is_not_turned_is_copied_as_it_is_where_others_are_straightened(
    tmp_path: Path, photos: dict[int, Path]
) -> None:
    write_data_set(LISTS, Wanted(DATA, tmp_path / "up", photos, photos="copied", straighten=True))
    assert (tmp_path / "up/photos/x.jpg").read_bytes() == photos[1].read_bytes()


def test_an_empty_folder_is_taken_as_the_place(tmp_path: Path, photos: dict[int, Path]) -> None:
    (tmp_path / "out").mkdir()
    write_data_set(LISTS, Wanted(DATA, tmp_path / "out", photos))
    assert below(tmp_path / "out") == {"all.list", MANIFEST}


def test_a_disk_that_takes_no_links_says_so(
    tmp_path: Path, photos: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuses)
    with pytest.raises(FormatError, match=r"cannot be made there \(Operation not permitted\); copy them\."):
        write_data_set(LISTS, Wanted(DATA, tmp_path / "out", photos, photos="linked"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("a/x.jpg", "b/x.jpg", "c/x.JPG"), ("x.jpg", "b_x.jpg", "c_x.JPG")),
        (("x.jpg", "x.png"), ("x.jpg", "x-2.png")),  # nothing but the ending tells them apart
        (("x.jpg", "x.png", "x.bmp"), ("x.jpg", "x-2.png", "x-3.bmp")),
        (("../x.jpg", "/x.jpg"), ("x.jpg", "x-2.jpg")),
        (("a\\b.jpg", 'q?".jpg', ".hidden"), ("b.jpg", "q__.jpg", "hidden")),
    ],
)
def test_each_photo_has_a_name_that_no_other_has(paths: Sequence[str], names: Sequence[str]) -> None:
    images = [Image(number, path, 4, 3) for number, path in enumerate(paths, 1)]
    found = data_set._names(images, data_set.Ledger())
    assert tuple(found.values()) == tuple(names)


def test_what_is_lost_is_told_before_anything_is_written() -> None:
    crowd = replace(DATA, annotations=(replace(DATA.annotations[0], crowd=True),))
    said = [note.sentence for note in losses(LISTS, crowd).items]
    assert len(said) == 1
    alone = replace(LISTS, alone="The photos are not in it.")
    assert [one.sentence for one in losses(alone, crowd, photos="left").items][1:] == [alone.alone]
    assert len(losses(alone, crowd, photos="copied").items) == 1
