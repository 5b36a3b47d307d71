"""Names of categories that are nearly the same are kept apart, or it is told that they became one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image as Picture

from labeler.core.records import Annotation, Box, Category, Image
from labeler.formats import fitting, spec
from labeler.formats.data_set import Wanted, losses, write_data_set
from labeler.formats.door import COCO, format_named
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import ONE_OF_BLANKS, Report
from labeler.formats.spec import Dataset, formats
from labeler.registry import discover
from tests.formats.conftest import Files

ALIKE = (
    ("cat", "cat "),
    ("cat", "\u3000cat"),
    ("a b", "a  b"),
    ("a b", "a\nb"),
    ("Cat", "cat"),
    ("a_b", "a b"),
    ("1", "01"),
    ("#a", " #a"),
    ("a:b", "a;b"),
    ("void", "cat"),
    ("background", "cat"),
    ("null", "cat"),
)
WRITERS = (
    "coco",
    "csv",
    "cvat",
    "datumaro",
    "label-studio",
    "labelme",
    "masks",
    "masks-instance",
    "panoptic",
)
WRITERS += ("voc", "voc-masks", "yolo", "yolo-pose", "yolo-seg")


@pytest.fixture(autouse=True)
def _shipped() -> Iterator[None]:
    spec.come_from(lambda: discover(safe_mode=True).formats)
    yield
    spec.come_from(tuple)


def test_all_writers_are_tried() -> None:
    assert set(WRITERS) == {one.id for one in formats() if one.write is not None}


def two(names: tuple[str, str]) -> Dataset:
    """A photo with an object of each of two categories, the first further left."""
    categories = tuple(Category(number, name, "", file_id=number) for number, name in enumerate(names, 1))
    boxes = (Box(2, 3, 10, 12), Box(20, 3, 30, 12))
    objects = tuple(Annotation(place, 1, place, box) for place, box in enumerate(boxes, 1))
    return Dataset((Image(1, "p.png", 40, 30, file_id=1),), categories, objects)


def come_back(dataset: Dataset, name: str, folder: Path) -> tuple[set[str], Report]:
    """The names of the objects' categories when they were written and read, and the export's report."""
    chosen = format_named(name)
    Picture.new("RGB", (40, 30)).save(folder / "p.png")
    out = folder / "out"
    if not chosen.folder and name != COCO:
        out = folder / f"out{chosen.suffixes[0]}"
    photos = "copied" if chosen.folder or name == COCO else "left"
    report = write_data_set(chosen, Wanted(dataset, out, {1: folder / "p.png"}, photos=photos)).report
    if name == COCO:
        (out,) = out.glob("**/*.json")
    back = read_placed_coco(out)[0]
    known = {one.id: one.name for one in back.categories}
    return {known[one.category_id] for one in back.annotations}, report


@pytest.mark.parametrize("name", WRITERS)
def test_what_becomes_one_is_told_before_it_is_written(name, tmp_path) -> None:
    """And of what is kept apart nothing is said."""
    for number, names in enumerate(ALIKE):
        folder = tmp_path / str(number)
        folder.mkdir()
        dataset = two(names)
        back, report = come_back(dataset, name, folder)
        told = [note.sentence for note in report.items if note.kind == "categories"]
        assert told == [
            note.sentence for note in losses(format_named(name), dataset).items if note.kind == "categories"
        ]
        if len(back) == 2:
            assert told == [], (names, back)
            continue
        assert told in ([fitting.ONE_NAME.format(names[1], names[0])], [fitting.NOTHING.format(names[0])]), (
            names
        )


@pytest.mark.parametrize(
    "files",
    [
        {
            "a.csv": "image,xmin,ymin,xmax,ymax,label\np.png,1,1,9,9,cat\np.png,1,1,9,9,cat \n",
            "p.png": (40, 30),
        },
        {
            "p.json": json.dumps(
                {
                    "version": "5.0",
                    "imagePath": "p.png",
                    "shapes": [
                        {"label": label, "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}
                        for label in ("cat", "cat ")
                    ],
                }
            ),
            "p.png": (40, 30),
        },
    ],
    ids=["csv", "labelme"],
)
def test_names_with_blanks_around_them_are_told_at_import(
    files: Files, laid_out: Callable[[Files], Path]
) -> None:
    root = laid_out(files)
    source = root / "a.csv" if "a.csv" in files else root
    dataset, report, _ = read_placed_coco(source)
    assert [one.name for one in dataset.categories] == ["cat"]
    assert ONE_OF_BLANKS.format("cat", 2) in [note.sentence for note in report.items]


def test_one_way_of_writing_a_name_is_nothing_to_tell(laid_out: Callable[[Files], Path]) -> None:
    table = "image, xmin, ymin, xmax, ymax, label\np.png, 1, 1, 9, 9, cat\np.png, 1, 1, 9, 8, cat\n"
    dataset, report, _ = read_placed_coco(laid_out({"a.csv": table, "p.png": (40, 30)}) / "a.csv")
    assert [one.name for one in dataset.categories] == ["cat"]
    assert not report.items


def test_a_table_of_classes_with_a_name_twice_is_told(laid_out: Callable[[Files], Path]) -> None:
    root = laid_out({"images/p.png": (40, 30), "masks/classes.txt": "background\ncat\ndog\n cat\n"})
    picture = Picture.new("L", (40, 30))
    picture.putpixel((1, 1), 1)
    picture.putpixel((9, 9), 3)
    picture.save(root / "masks" / "p.png")
    dataset, report, _ = read_placed_coco(root)
    assert "cat" in [one.name for one in dataset.categories]
    assert {one.category_id for one in dataset.annotations} == {1}
    assert any("“cat” stands on several lines" in note.sentence for note in report.items)
