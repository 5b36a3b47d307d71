"""YOLO data sets as they come: each layout, each trap, and files that are broken."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labeler.core.records import Annotation, Box, Polygons
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.coco.coco_file import open_document
from labeler.formats.door import format_of, read_by
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Source
from labeler.formats.yolo import label_texts, shares, yolo_lines, yolo_reading
from labeler.formats.yolo.shares import NO_PHOTO
from labeler.formats.yolo.yolo_format import yolo
from tests.formats.conftest import Files

LaidOut = Callable[[Files], Path]

BOX = "0 0.5 0.5 0.5 0.5\n"
PHOTO = (80, 60)


def taken(path: Path, images: Path | None = None) -> tuple[Dataset, Report]:
    dataset, report, _ = read_placed_coco(path, images=images)
    return dataset, report


def rows(dataset: Dataset) -> list[tuple[str, str]]:
    """The image and the class of each object."""
    images = {image.id: image.path for image in dataset.images}
    names = {category.id: category.name for category in dataset.categories}
    return [(images[one.image_id], names[one.category_id]) for one in dataset.annotations]


def sentences(report: Report) -> set[tuple[str, str, str]]:
    return {(note.verdict, note.place, note.sentence) for note in report.items}


LAYOUTS: dict[str, tuple[Files, str]] = {
    "ultralytics": (
        {
            "data.yaml": "path: ../datasets/set\ntrain: images/train\nval: images/val\ntest:\n"
            "names:\n  0: cat\n  1: no\n",
            "images/train/a.jpg": PHOTO,
            "labels/train/a.txt": BOX,
            "images/val/b.jpg": PHOTO,
        },
        "images/train/a.jpg",
    ),
    "roboflow": (
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 2\n"
            "names: ['cat', 'no']\nroboflow:\n  version: 1\n",
            "README.roboflow.txt": "cats - v1 2023\n==============\n",
            "train/images/a.jpg": PHOTO,
            "train/labels/a.txt": BOX,
            "valid/images/b.jpg": PHOTO,
            "valid/labels/b.txt": "",
        },
        "train/images/a.jpg",
    ),
    "a stranger's disk": (
        {
            "data.yaml": "train: /content/drive/My Drive/set/train/images\n"
            "val: C:\\data\\set\\valid\\images\nnames: [cat, no]\n",
            "train/images/a.jpg": PHOTO,
            "train/labels/a.txt": BOX,
            "valid/images/b.jpg": PHOTO,
        },
        "train/images/a.jpg",
    ),
    "lists of photos": (
        {
            "data.yaml": "path: .\ntrain: train.txt\nval: [val.txt]\nnames: {0: cat, 1: no}\n",
            "train.txt": "\ufeffdata/images/train/a.jpg\n",
            "val.txt": "./images/val/b.jpg\n\n",
            "images/train/a.jpg": PHOTO,
            "images/val/b.jpg": PHOTO,
            "labels/train/a.txt": BOX,
        },
        "images/train/a.jpg",
    ),
    "a list of folders and photos": (
        {
            "set.yml": "train:\n- images/one\n- images/two/b.jpg\nval: images/one\nnames:\n- cat\n- no\n",
            "images/one/a.jpg": PHOTO,
            "images/two/b.jpg": PHOTO,
            "images/two/not-named.jpg": PHOTO,
            "labels/one/a.txt": BOX,
        },
        "images/one/a.jpg",
    ),
    "darknet": (
        {
            "obj.data": "classes = 10\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
            "obj.names": "cat\nno\n",
            "train.txt": "data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n",
            "obj_train_data/a.jpg": PHOTO,
            "obj_train_data/a.txt": BOX,
            "obj_train_data/b.jpg": PHOTO,
        },
        "obj_train_data/a.jpg",
    ),
    "roboflow's darknet": (
        {
            "train/_darknet.labels": "cat\nno\n",
            "train/a.jpg": PHOTO,
            "train/a.txt": BOX,
            "train/b.jpg": PHOTO,
        },
        "train/a.jpg",
    ),
    "label studio": (
        {
            "classes.txt": "cat\nno",
            "notes.json": '{"categories": []}',
            "images/a.jpg": PHOTO,
            "images/b.jpg": PHOTO,
            "labels/a.txt": BOX,
        },
        "images/a.jpg",
    ),
    "labels in a folder beside the photos": (
        {"classes.txt": "cat\nno\n", "x/a.jpg": PHOTO, "x/b.jpg": PHOTO, "x/labels/a.txt": BOX},
        "x/a.jpg",
    ),
    "one folder of both": (
        {"classes.txt": "cat\r\nno\r\n\r\n", "a.jpg": PHOTO, "b.jpg": PHOTO, "a.txt": BOX},
        "a.jpg",
    ),
    "names with the photo's ending, and folders with dots": (
        {
            "classes.txt": "cat\nno\n",
            "v1.0/images/a.jpg": PHOTO,
            "v1.0/images/b.jpg": PHOTO,
            "v1.0/labels/a.jpg.txt": BOX,
        },
        "v1.0/images/a.jpg",
    ),
    "a data.yaml one folder down": (
        {
            "set/data.yaml": "train: train/images\nval: train/images\nnames: [cat, no]\n",
            "set/train/images/a.jpg": PHOTO,
            "set/train/images/b.jpg": PHOTO,
            "set/train/labels/a.txt": BOX,
        },
        "set/train/images/a.jpg",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_found_out_and_read(name: str, laid_out: LaidOut) -> None:
    files, photo = LAYOUTS[name]
    root = laid_out(files)
    known = format_of(root)
    assert known is not None
    assert known.id == "yolo"
    dataset, report = taken(root)
    assert rows(dataset) == [(photo, "cat")]
    assert dataset.annotations[0].shape == Box(20, 15, 60, 45, dataset.annotations[0].shape.origin)
    assert {category.name: category.file_id for category in dataset.categories} == {"cat": 0, "no": 1}
    assert len(dataset.images) == 2
    assert [(image.width, image.height) for image in dataset.images] == [PHOTO] * 2
    assert report.refused == 0
    assert sentences(report) == set()


@pytest.mark.parametrize("name", ["data.yaml", "obj.data", "set.yml"])
def test_the_file_that_names_the_parts_stands_for_its_folder(name: str, laid_out: LaidOut) -> None:
    for files, photo in LAYOUTS.values():
        if name in files:
            root = laid_out(files)
            assert format_of(root / name) is not None
            assert rows(taken(root / name)[0]) == [(photo, "cat")]
            break


def test_without_names_classes_are_called_by_their_number(laid_out: LaidOut) -> None:
    dataset, report = taken(laid_out({"a.jpg": PHOTO, "a.txt": f"7 {BOX[2:]}"}))
    assert [(category.name, category.file_id) for category in dataset.categories] == [("class 7", 7)]
    assert sentences(report) == {("told", "file", yolo_reading.NAMELESS)}
    dataset, report = taken(laid_out({"classes.txt": "cat\n"}))
    assert [category.name for category in dataset.categories] == ["cat", "class 7"]
    assert sentences(report) == {("told", "file", yolo_reading.BEYOND.format(1, "class 7"))}


def test_all_kinds_of_lines_in_one_file(laid_out: LaidOut) -> None:
    text = (
        "0 0.5 0.5 0.25 0.5\n"
        "1 0.1 0.1 0.5 0.1 0.5 0.6\n\n"
        "0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6\n"
        "0 0.5 0.5 0.5 0.5 0.5 0.25 2 0 0 0\n"
    )
    dataset, report = taken(laid_out({"images/a.jpg": PHOTO, "labels/a.txt": text, "classes.txt": "a\nb"}))
    kinds = [type(one.shape).__name__ for one in dataset.annotations]
    assert kinds == ["Box", "Polygons", "Polygons", "Box"]
    outline = dataset.annotations[1].shape
    assert isinstance(outline, Polygons)
    assert outline.parts[0].outer.tolist() == [[8, 6], [40, 6], [40, 36]]
    assert json.loads(dataset.annotations[3].extra) == {
        "keypoints": [40, 15, 2, 0, 0, 0],
        "num_keypoints": 1,
    }
    assert sentences(report) == {("told", "labels/a.txt:5", yolo_reading.POSE)}


def test_keypoints_by_a_data_yaml(laid_out: LaidOut) -> None:
    root = laid_out(
        {
            "data.yaml": "train: images\nval: images\nkpt_shape: [3, 2]\nnames: [hand]\n"
            "kpt_names:\n  0:\n    - a\n    - b\n    - c\n",
            "images/a.jpg": PHOTO,
            "labels/a.txt": "0 0.133333 0.3 0.266667 0.2 0.1 0.2 0.3 0.4 0.5 0.6\n",
        }
    )
    dataset, report = taken(root)
    (one,) = dataset.annotations
    assert isinstance(one.shape, Box)
    assert sentences(report) == {("told", "labels/a.txt:1", yolo_reading.POSE)}
    assert json.loads(one.extra)["keypoints"] == [8, 12, 2, 24, 24, 2, 40, 36, 2]
    assert json.loads(dataset.categories[0].extra)["keypoints"] == ["a", "b", "c"]


def test_bad_lines_cost_no_other_line_and_have_their_place(laid_out: LaidOut) -> None:
    text = f"{BOX}0 0.5 0.5\nfoo\n0 320 240 64 48\n{BOX}0 1 0.5 0.5 0.5\n0 0.5 0.5 0.5 0.5 0.9\n"
    dataset, report = taken(laid_out({"images/a.jpg": PHOTO, "labels/a.txt": text, "classes.txt": "cat"}))
    assert len(dataset.annotations) == 4
    tally = report.tallies["annotations"]
    assert (tally.total, tally.taken, tally.repaired, tally.refused) == (7, 4, 0, 3)
    assert sentences(report) == {
        ("refused", "labels/a.txt:2", yolo_lines.WRONG_COUNT.format(2)),
        ("refused", "labels/a.txt:3", yolo_lines.NO_CLASS),
        ("refused", "labels/a.txt:4", shares.NOT_SHARES),
        ("repaired", "labels/a.txt:6", shares.CUT_OFF),
        ("told", "labels/a.txt:7", yolo_lines.CONFIDENCE),
    }


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02" * 4000, b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40], ids=["zeros", "jpeg"]
)
def test_a_label_file_that_is_no_text_is_left_out_by_name(laid_out: LaidOut, content: bytes) -> None:
    root = laid_out({"a.jpg": PHOTO, "a.txt": content, "b.jpg": PHOTO, "b.txt": BOX, "classes.txt": "cat"})
    dataset, report = taken(root)
    assert rows(dataset) == [("b.jpg", "cat")]
    assert len(dataset.images) == 2
    assert ("refused", "a.txt", label_texts.NO_TEXT) in sentences(report)


def test_a_damaged_photo_costs_its_own_labels_only(laid_out: LaidOut) -> None:
    root = laid_out({"a.jpg": b"no photo", "a.txt": BOX, "b.jpg": PHOTO, "b.txt": BOX, "classes.txt": "cat"})
    dataset, report = taken(root)
    assert rows(dataset) == [("b.jpg", "cat")]
    assert ("refused", "a.txt:1", NO_PHOTO) in sentences(report)


def test_labels_without_their_photos_find_them_where_they_are_said_to_be(
    laid_out: LaidOut, tmp_path: Path
) -> None:
    root = laid_out(
        {"labels/train/a.txt": BOX, "data.yaml": "train: images/train\nval: images/train\nnames: [cat]\n"}
    )
    (tmp_path / "photos").mkdir()
    laid_out({"../photos/a.jpg": PHOTO})
    dataset, report = taken(root, images=tmp_path / "photos")
    assert rows(dataset) == [("a.jpg", "cat")]
    assert isinstance(dataset.annotations[0].shape, Box)
    assert (dataset.annotations[0].shape.x1, report.refused) == (60, 0)


def test_a_folder_of_labels_is_scaled_by_the_photos_beside_it(laid_out: LaidOut) -> None:
    root = laid_out({"images/a.jpg": PHOTO, "labels/a.txt": BOX, "classes.txt": "cat"})
    dataset, _ = taken(root / "labels")
    assert [category.name for category in dataset.categories] == ["cat"]
    box = dataset.annotations[0].shape
    assert isinstance(box, Box)
    assert (box.x0, box.y0, box.x1, box.y1) == (20, 15, 60, 45)


@pytest.mark.parametrize(
    "files",
    [
        {
            "obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
            "obj.names": "cat\n",
            "train.txt": "data/obj_train_data/sub/a.jpg\ndata/obj_train_data/b.jpg\n",
            "obj_train_data/sub/a.txt": BOX,
        },
        {
            "data.yaml": "names:\n  0: cat\npath: .\ntrain: train.txt\n",
            "train.txt": "data/images/train/a.jpg\ndata/images/train/b.jpg\n",
            "labels/train/a.txt": BOX,
        },
    ],
    ids=["YOLO 1.1", "Ultralytics YOLO"],
)
def test_cvat_writes_labels_without_the_photos(laid_out: LaidOut, tmp_path: Path, files: Files) -> None:
    root = laid_out(files)
    laid_out({"../photos/a.jpg": PHOTO, "../photos/b.jpg": PHOTO})
    dataset, report = taken(root, images=tmp_path / "photos")
    assert rows(dataset) == [("a.jpg", "cat")]
    assert sorted(image.path for image in dataset.images) == ["a.jpg", "b.jpg"]
    assert isinstance(dataset.annotations[0].shape, Box)
    assert (dataset.annotations[0].shape.x1, report.refused) == (60, 0)
    reading = yolo_reading.read(Source(root))
    box = reading.dataset.annotations[0].shape
    assert isinstance(box, Box)
    assert (box.x0, box.x1) == (0.25, 0.75)  # for the photos of a project
    assert len(reading.dataset.images) == 2


def test_one_label_file_is_enough(laid_out: LaidOut) -> None:
    root = laid_out({"a.jpg": PHOTO, "a.txt": BOX, "b.jpg": PHOTO, "b.txt": BOX, "classes.txt": "cat"})
    assert rows(taken(root / "a.txt")[0]) == [("a.jpg", "cat")]


def test_a_photo_that_is_only_a_whole_box_is_not_guessed_without_its_size(laid_out: LaidOut) -> None:
    root = laid_out({"a.txt": "0 0.5 0.5 1 1\n"})
    with pytest.raises(FormatError, match="Not one of the photos is found"):
        taken(root)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("names: [a\ntrain: x\nval: y", "is no YAML in line"),
        ("train: x\nnames:\n" + "  " + "[" * 20000, "nested too deeply|is no YAML"),
        ("train: x\n" + "#" * (1 << 20) + "\nnames: [a]\n", "larger than 1 MB"),
        ("train: nowhere\nval: nowhere\nnames: [a]\n", "neither label files nor their photos"),
    ],
    ids=["cut", "nested", "large", "empty"],
)
def test_a_bad_data_yaml_is_one_sentence(laid_out: LaidOut, text: str, why: str) -> None:
    root = laid_out({"data.yaml": text})
    with pytest.raises(FormatError, match=why) as error:
        open_document(root / "data.yaml", format_id="yolo")
    assert "\n" not in str(error.value)


def test_aliases_that_grow_are_not_walked(laid_out: LaidOut) -> None:
    rows_ = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "\n".join([*rows_, "names: [cat]", "train: *a11", "val: images"])
    root = laid_out({"data.yaml": text, "images/a.jpg": PHOTO, "labels/a.txt": BOX})
    assert rows(taken(root)[0]) == [("images/a.jpg", "cat")]


def test_a_name_never_leads_outside(laid_out: LaidOut, tmp_path: Path) -> None:
    laid_out({"../secret/images/s.jpg": PHOTO, "../secret/labels/s.txt": BOX})
    root = laid_out(
        {
            "data.yaml": f"path: {tmp_path}\ntrain: ../secret/images\nval: {tmp_path}/secret/images\n"
            "test: list.txt\nnames: [cat]\n",
            "list.txt": f"{tmp_path}/secret/images/s.jpg\n../secret/images/s.jpg\n",
            "a.jpg": PHOTO,
            "a.txt": BOX,
        }
    )
    found = read_by(yolo, root).dataset
    assert {image.width for image in found.images} == {0}
    assert not found.annotations


def test_a_link_in_a_circle_ends(laid_out: LaidOut) -> None:
    root = laid_out({"images/a.jpg": PHOTO, "labels/a.txt": BOX, "classes.txt": "cat"})
    (root / "images" / "again").symlink_to(root)
    assert ("images/a.jpg", "cat") in rows(taken(root)[0])


def test_other_folders_are_not_taken_for_it(laid_out: LaidOut) -> None:
    assert format_of(laid_out({"a.jpg": PHOTO, "notes.txt": "Some words.\nAnd more of them here.\n"})) is None
    assert format_of(laid_out({"P1.txt": "1 2 3 4 5 6 7 8 large vehicle 0\n"})) is None
    assert format_of(laid_out({"gt.txt": "1,1,912,484,97,109,0,7,1\n"})) is None
    assert format_of(laid_out({"a.yaml": "train: true\nmodel: x\n"})) is None


def test_names_of_another_encoding_are_read_as_a_person_says(laid_out: LaidOut) -> None:
    root = laid_out({"images/a.jpg": PHOTO, "labels/a.txt": BOX, "classes.txt": "собака\n".encode("cp1251")})
    reading = yolo_reading.read(
        Source(root, size=lambda _: PHOTO, photos=lambda: ["images/a.jpg"], encoding="cp1251")
    )
    assert [category.name for category in reading.dataset.categories] == ["собака"]


def test_thousands_of_files_are_linear(laid_out: LaidOut) -> None:
    def steps(count: int) -> int:
        names = [f"images/{n}.jpg" for n in range(count)]
        root = laid_out({f"labels/{n}.txt": BOX for n in range(count)})
        calls = 0

        def size(_: str) -> tuple[int, int]:
            nonlocal calls
            calls += 1
            return PHOTO

        def traced(frame: object, event: str, _: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(traced)
        try:
            reading = yolo_reading.read(Source(root, size=size, photos=lambda: names))
        finally:
            sys.setprofile(None)
        assert len(reading.dataset.annotations) == count
        return calls

    few = steps(400)
    assert steps(800) < 2.5 * few


def test_reading_stops_when_asked(laid_out: LaidOut) -> None:
    root = laid_out({"a.jpg": PHOTO, "a.txt": BOX})
    with pytest.raises(ImportStoppedError):
        yolo_reading.read(Source(root, photos=lambda: ["a.jpg"], should_stop=lambda: True))


def test_lines_are_counted_from_one_to_the_last(laid_out: LaidOut) -> None:
    root = laid_out({"a.jpg": PHOTO, "a.txt": BOX * 20_000 + "x\n", "classes.txt": "cat"})
    reading = yolo_reading.read(Source(root, size=lambda _: PHOTO, photos=lambda: ["a.jpg"]))
    found: tuple[Annotation, ...] = reading.dataset.annotations
    assert len(found) == 20_000
    assert reading.at(19_999) == "a.txt:20000"
    assert [note.at for note in reading.notes] == ["a.txt:20001"]
