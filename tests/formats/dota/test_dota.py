"""DOTA's texts, with and without their head, and what Roboflow calls YOLO-OBB."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labeler.core.records import Polygons
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats import spec
from labeler.formats.coco.coco_file import open_document
from labeler.formats.door import format_of
from labeler.formats.dota import dota_format
from labeler.formats.dota.dota_format import BadLineError, corners_in, dota, yolo_obb
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Source
from labeler.formats.yolo.yolo_format import yolo, yolo_seg
from tests.formats.conftest import Files

LaidOut = Callable[[Files], Path]
PHOTO = (400, 300)
LINE = "10 20 110.5 20 110 60 10 60 plane 0\n"


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    spec.come_from(lambda: (dota, yolo, yolo_obb, yolo_seg))
    yield
    spec.come_from(tuple)


def taken(path: Path, source_format: str = "") -> tuple[Dataset, Report]:
    dataset, report, _ = read_placed_coco(path, source_format=source_format)
    return dataset, report


def rows(dataset: Dataset) -> list[tuple[str, str]]:
    images = {image.id: image.path for image in dataset.images}
    names = {category.id: category.name for category in dataset.categories}
    return [(images[one.image_id], names[one.category_id]) for one in dataset.annotations]


@pytest.mark.parametrize(
    "head", ["", "imagesource:GoogleEarth\ngsd:0.146343590398\n", "imagesource:\ngsd:null\n\n"]
)
def test_with_and_without_its_head(laid_out: LaidOut, head: str) -> None:
    root = laid_out({"images/P1.png": PHOTO, "labelTxt/P1.txt": head + LINE, "images/P2.png": PHOTO})
    known = format_of(root)
    assert known is not None
    assert known.id == "dota"
    dataset, report = taken(root)
    assert rows(dataset) == [("images/P1.png", "plane")]
    shape = dataset.annotations[0].shape
    assert isinstance(shape, Polygons)
    assert shape.parts[0].outer.tolist() == [[10, 20], [110.5, 20], [110, 60], [10, 60]]
    assert [image.path for image in dataset.images] == ["images/P1.png", "images/P2.png"]
    assert report.items == ()


def test_names_have_blanks_and_difficult_is_an_attribute() -> None:
    assert corners_in("1 2 3 4 5 6 7 8 large vehicle 1").name == "large vehicle"
    assert corners_in("1 2 3 4 5 6 7 8 large vehicle").difficult == 0
    assert corners_in("1,2,3,4,5,6,7,8,ship,2") == corners_in("1.0 2 3 4 5 6 7 8 ship 2")
    assert corners_in("1 2 3 4 5 6 7 8 3").name == "3"


def test_difficult_and_corners_beyond_the_border_come_in(laid_out: LaidOut) -> None:
    text = "-5 20 110 20 110 60 -5.5 60 large vehicle 1\n" + LINE
    dataset, report = taken(laid_out({"P1.png": PHOTO, "P1.txt": text}))
    assert [one.attributes for one in dataset.annotations] == [{"difficult": 1}, {}]
    assert [one.name for one in dataset.categories] == ["large vehicle", "plane"]
    assert report.refused == 0


@pytest.mark.parametrize("source_format", ["", "yolo-obb"])
def test_roboflow_s_kind_of_it(laid_out: LaidOut, source_format: str) -> None:
    root = laid_out(
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnames: ['ship', 'plane']\n",
            "train/images/a.jpg": PHOTO,
            "train/labelTxt/a.txt": LINE,
            "valid/images/b.jpg": PHOTO,
            "valid/labelTxt/b.txt": "",
        }
    )
    dataset, _ = taken(root, source_format)
    assert rows(dataset) == [("train/images/a.jpg", "plane")]
    assert [one.name for one in dataset.categories] == ["ship", "plane"]
    assert len(dataset.images) == 2


def test_ultralytics_kind_of_oriented_boxes_is_yolo(laid_out: LaidOut) -> None:
    root = laid_out(
        {
            "data.yaml": "train: images\nval: images\nnames: [ship]\n",
            "images/a.jpg": PHOTO,
            "labels/a.txt": "0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6\n",
        }
    )
    known = format_of(root)
    assert known is not None
    assert known.id == "yolo"
    for source_format in ("", "yolo-obb"):
        assert isinstance(taken(root, source_format)[0].annotations[0].shape, Polygons)


def test_without_photos_the_corners_are_there_all_the_same(laid_out: LaidOut) -> None:
    root = laid_out({"labelTxt/P0001.txt": LINE})
    reading = dota_format.read(Source(root))
    assert [(image.path, image.width) for image in reading.dataset.images] == [("images/P0001", 0)]
    assert len(reading.dataset.annotations) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1 2 3 4 5 6 7 plane 0", dota_format.FEW_NUMBERS),
        ("1 2 3", dota_format.FEW_NUMBERS),
        ("1 2 3 4 5 6 7 8", dota_format.NO_NAME),
        ("1 2 3 4 5 6 7 nan plane 0", "Has a number that is not finite."),
        ("1 2 3 4 5 6 7 1e999 plane 0", "Has a number that is not finite."),
    ],
)
def test_a_bad_line_says_why_and_costs_no_other(laid_out: LaidOut, line: str, why: str) -> None:
    with pytest.raises(BadLineError, match=why.replace(".", r"\.")):
        corners_in(line)
    dataset, report = taken(laid_out({"P1.png": PHOTO, "P1.txt": f"{LINE}{line}\n{LINE}"}))
    assert len(dataset.annotations) == 2
    assert [(note.place, note.sentence) for note in report.items] == [("P1.txt:2", why)]


def test_a_binary_text_and_a_readme_are_left_out_by_name(laid_out: LaidOut) -> None:
    root = laid_out({"P1.png": PHOTO, "P1.txt": LINE, "P2.txt": b"\0\1\2" * 100, "README.txt": "Hello.\n"})
    dataset, report = taken(root)
    assert rows(dataset) == [("P1.png", "plane")]
    assert {note.place for note in report.items} == {"P2.txt"}


def test_nothing_to_read_is_one_sentence_and_stopping_stops(laid_out: LaidOut) -> None:
    root = laid_out({"notes.md": "x"})
    with pytest.raises(FormatError, match="neither label files nor their photos"):
        open_document(root, format_id="dota")
    root = laid_out({"P1.png": PHOTO, "P1.txt": LINE})
    with pytest.raises(ImportStoppedError):
        dota_format.read(Source(root, photos=lambda: ["P1.png"], should_stop=lambda: True))
