"""Tables of boxes: the columns that people write, broken files, and the round trip."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats import spec
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import format_of, read_by
from labeler.formats.fitting import EMPTY
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Source
from labeler.formats.tables import csv_format
from labeler.formats.tables import open_images as open_images_module
from labeler.formats.tables.csv_format import csv_boxes
from labeler.formats.tables.open_images import open_images
from labeler.formats.yolo import shares
from tests.formats.conftest import Files
from tests.formats.round_trip_law import agree, came_back, datasets

LaidOut = Callable[[Files], Path]
PHOTO = (80, 60)


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    spec.come_from(lambda: (csv_boxes, open_images))
    yield
    spec.come_from(tuple)


def taken(path: Path) -> tuple[Dataset, Report]:
    dataset, report, _ = read_placed_coco(path)
    return dataset, report


def rows(dataset: Dataset) -> list[tuple[str, str, tuple[float, ...]]]:
    images = {image.id: image.path for image in dataset.images}
    names = {category.id: category.name for category in dataset.categories}
    found = []
    for one in dataset.annotations:
        box = one.shape
        assert isinstance(box, Box)
        found.append((images[one.image_id], names[one.category_id], (box.x0, box.y0, box.x1, box.y1)))
    return found


TABLES = {
    "tensorflow": "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,80,60,cat,10,20,50,40\n",
    "any order": "ymax,xmin,class,ymin,filename,xmax\n40,10,cat,20,a.jpg,50\n",
    "semicolons": "filename;class;xmin;ymin;xmax;ymax\na.jpg;cat;10,0;20,0;50,0;40,0\n",
    "tabs": "Image Path\tLabel\tX_Min\tY_Min\tX_Max\tY_Max\na.jpg\tcat\t10\t20\t50\t40\n",
    "vott": '"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",10.0,20.0,50,40,"cat"\n',
    "x1 and x2": "image_id,x1,y1,x2,y2,category_name\na.jpg,10,20,50,40,cat\n",
    "x0 and x1": "image,x0,y0,x1,y1,name\na.jpg,10,20,50,40,cat\n",
    "width and height of the box": "image,x,y,width,height,label\na.jpg,10,20,40,20,cat\n",
    "its own width and the photo's": "image,label,x,y,w,h,width,height\na.jpg,cat,10,20,40,20,80,60\n",
    "a list": 'image_id,width,height,bbox,label\na,80,60,"[10.0, 20.0, 40.0, 20.0]",cat\n',
    "centres": "path,label,x_center,y_center,width,height\na.jpg,cat,30,30,40,20\n",
    "keras-retinanet": "a.jpg,10,20,50,40,cat\nb.jpg,,,,,\n",
    "makesense": "cat,10,20,40,20,a.jpg,80,60\n",
    "no head": "a.jpg,80,60,cat,10,20,50,40\n",
    "windows": "\ufefffilename,class,xmin,ymin,xmax,ymax\r\n\r\na.jpg,cat,10,20,50,40\r\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_are_found_out(name: str, laid_out: LaidOut) -> None:
    root = laid_out({"labels.csv": TABLES[name], "a.jpg": PHOTO, "b.jpg": PHOTO})
    known = format_of(root / "labels.csv")
    assert known is not None
    assert known.id == "csv"
    dataset, report = taken(root / "labels.csv")
    image = "a" if name == "a list" else "a.jpg"
    assert rows(dataset) == [(image, "cat", (10, 20, 50, 40))]
    assert [(one.width, one.height) for one in dataset.images] == [PHOTO] * len(dataset.images)
    assert report.refused == 0
    assert len(dataset.images) == (2 if name == "keras-retinanet" else 1)


def test_classes_come_in_the_order_of_the_rows_and_a_score_stays(laid_out: LaidOut) -> None:
    text = "file,label,confidence,xmin,ymin,xmax,ymax\na,dog,0.5,1,1,9,9\na,cat,,1,1,9,9\na,,1,1,1,9,9\n"
    dataset, report = taken(laid_out({"t.csv": text}) / "t.csv")
    assert [one.name for one in dataset.categories] == ["dog", "cat", "object"]
    assert [one.extra for one in dataset.annotations] == [b'{"score":0.5}', b"", b'{"score":1.0}']
    assert [note.place for note in report.items if note.sentence == csv_format.NO_CLASS.format("object")] == [
        "t.csv:4"
    ]


def test_bad_rows_cost_no_other_row_and_have_their_place(laid_out: LaidOut) -> None:
    text = (
        "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        "a.jpg,80,60,cat,10,20,50,40\n"
        ",80,60,cat,10,20,50,40\n"
        "a.jpg,80,60,cat,10,20,fifty,40\n"
        "a.jpg,80,60,cat,10,20\n"
        "a.jpg,80,60,cat,nan,20,50,40\n"
        "a.jpg,80,60,cat,50,40,10,20\n"
        "a.jpg,80,60,cat,500,400,600,500\n"
    )
    dataset, report = taken(laid_out({"t.csv": text, "a.jpg": PHOTO}) / "t.csv")
    assert rows(dataset) == [("a.jpg", "cat", (10, 20, 50, 40))] * 2
    tally = report.tallies["annotations"]
    assert (tally.total, tally.refused) == (7, 5)
    found = {(note.verdict, note.place): note.sentence for note in report.items}
    assert found["refused", "t.csv:3"] == csv_format.NO_PHOTO_NAME
    assert {found["refused", f"t.csv:{line}"] for line in (4, 5, 6)} == {csv_format.NO_BOX}
    assert found["repaired", "t.csv:7"] == csv_format.SWAPPED
    assert ("refused", "t.csv:8") in found


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"one column\nof words\n", "no columns"),
        (b"a,b,c\n1,2,3\n", "no columns of boxes"),
        (b'filename,class,xmin,ymin,xmax,ymax\n"' + b"x" * 200_000, "is no table from line"),
        (bytes(range(256)) * 300, "encoding is not certain"),
    ],
    ids=["empty", "words", "numbers", "endless field", "binary"],
)
def test_what_is_no_table_of_boxes_is_one_sentence(laid_out: LaidOut, content: bytes, why: str) -> None:
    path = laid_out({"t.csv": content}) / "t.csv"
    with pytest.raises(FormatError, match=why) as error:
        csv_format.read(Source(path))
    assert "\n" not in str(error.value)


HEADS = st.lists(st.sampled_from("image label x xmin ymin xmax ymax bbox w h imageid".split()), max_size=8)
CELLS = st.one_of(st.sampled_from(["a.jpg", "1", "nan", "-5", '"', ";", "1e999"]), st.text(max_size=5))


@given(head=HEADS, cells=st.lists(st.lists(CELLS, max_size=9)))
def test_any_table_is_rows_or_a_sentence(head: list[str], cells: list[list[str]]) -> None:
    text = "\n".join(",".join(row) for row in [head, *cells])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(text, "utf-8")
        assert csv_boxes.sniff(path) in (True, False)
        for reader in (csv_format.read, open_images_module.read):
            try:
                reading = reader(Source(path))
            except FormatError:
                continue
            assert all(note.at for note in reading.notes if note.kind == "annotations")


def test_reading_stops_when_asked(laid_out: LaidOut) -> None:
    root = laid_out({"t.csv": TABLES["tensorflow"], "o.csv": OPEN_IMAGES})
    for reader, name in ((csv_format.read, "t.csv"), (open_images_module.read, "o.csv")):
        with pytest.raises(ImportStoppedError):
            reader(Source(root / name, should_stop=lambda: True))


OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    "0001,xclick,/m/01,1,0.125,0.5,0.25,1,1,0,0,0,0\n"
    "0001,activemil,/m/02,0.5,0,1,0,0.5,-1,-1,1,-1,-1\n"
)


def test_open_images(laid_out: LaidOut) -> None:
    root = laid_out(
        {
            "train.csv": OPEN_IMAGES + "0002,xclick,/m/01,1,0.1,0.5,0.2,1,0,0,0,0,0\n"
            "0001,xclick,/m/01,1,0.5,0.1,0.2,1,0,0,0,0,0\n",
            "class-descriptions-boxable.csv": '/m/01,Cat\n/m/02,"Dog, large"\n',
            "0001.jpg": PHOTO,
        }
    )
    known = format_of(root / "train.csv")
    assert known is not None
    assert known.id == "open-images"
    dataset, report = taken(root / "train.csv")
    assert rows(dataset) == [
        ("0001.jpg", "Cat", (10, 15, 40, 60)),
        ("0001.jpg", "Dog, large", (0, 0, 80, 30)),
    ]
    assert [one.crowd for one in dataset.annotations] == [False, True]
    assert [one.attributes for one in dataset.annotations] == [{"IsOccluded": True}, {}]
    assert msgspec.json.decode(dataset.annotations[1].extra) == {"score": 0.5}
    refused = {note.place: note.sentence for note in report.items if note.verdict == "refused"}
    assert refused["train.csv:4"] == shares.NO_PHOTO
    assert refused["train.csv:5"] == open_images_module.NO_WIDTH


def test_open_images_without_descriptions_or_photos(laid_out: LaidOut) -> None:
    root = laid_out({"labels/train.csv": OPEN_IMAGES})
    reading = open_images_module.read(Source(root / "labels" / "train.csv"))
    assert [one.name for one in reading.dataset.categories] == ["/m/01", "/m/02"]
    assert [note.sentence for note in reading.notes] == [open_images_module.NO_NAMES]
    laid_out({"metadata/classes.csv": "/m/01,Cat\n/m/02,Dog\n", "data/0001.jpg": PHOTO})
    dataset, _ = taken(root / "labels" / "train.csv")
    assert rows(dataset)[0] == ("0001", "Cat", (10, 15, 40, 60))


@settings(max_examples=40, deadline=None)
@given(dataset=datasets(), photos=st.sampled_from(("copied", "left")))
def test_what_is_written_comes_back(dataset: Dataset, photos: spec.PhotosAre) -> None:
    if not dataset.annotations:
        return
    back, report, held = came_back(csv_boxes, dataset, photos=photos)
    assert report.refused == 0
    agree(back, held, within=0)


def test_an_image_without_objects_is_told(tmp_path: Path) -> None:
    images = (Image(1, "a, b.jpg", 80, 60), Image(2, "c.jpg", 80, 60))
    boxes = (Annotation(1, 1, 1, Box(0.1 + 0.2, 1, 10, 20.5)),)
    done = write_data_set(
        csv_boxes, Wanted(Dataset(images, (Category(1, 'a "b"', ""),), boxes), tmp_path / "t.csv")
    )
    assert (tmp_path / "t.csv").read_text() == (
        "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        '"a, b.jpg",80,60,"a ""b""",0.30000000000000004,1,10,20.5\n'
    )
    assert [note.sentence for note in done.report.items] == [EMPTY]


def test_through_the_command_line(tmp_path: Path, laid_out: LaidOut) -> None:
    root = laid_out({"labels.csv": TABLES["vott"], "a.jpg": PHOTO})

    def labeler(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "labeler", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    done = labeler("import", root / "labels.csv", root / "p.labeler")
    assert (done.returncode, done.stderr) == (0, "")
    out = tmp_path / "out.csv"
    done = labeler("export", root / "p.labeler", out)
    assert done.returncode == 0, done.stderr
    assert out.read_text() == TABLES["tensorflow"]
    done = labeler("convert", root / "labels.csv", tmp_path / "out.json")
    assert (done.returncode, '"name":"cat"' in (tmp_path / "out.json").read_text()) == (0, True)


@pytest.mark.parametrize(
    ("corners", "box", "is_swapped"),
    [
        ("10,20,50,40", (10, 20, 50, 40), False),
        ("50,20,10,40", (10, 20, 50, 40), True),
        ("10,40,50,20", (10, 20, 50, 40), True),
    ],
)
def test_corners_the_wrong_way_round_are_turned_and_told(tmp_path: Path, corners, box, is_swapped) -> None:
    (tmp_path / "a.csv").write_text(
        f"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,80,60,cat,{corners}\n"
    )
    dataset, report = taken(tmp_path / "a.csv")
    assert rows(dataset) == [("a.jpg", "cat", box)]
    assert (csv_format.SWAPPED in "\n".join(map(str, report.items))) is is_swapped


@pytest.mark.parametrize(
    ("said", "size"),
    [("1,1", (1, 1)), ("80,0", (0, 0)), ("0,60", (0, 0)), ("80,60", (80, 60)), (",", (0, 0))],
)
def test_the_size_of_a_photo_that_is_not_there_is_what_the_table_says(tmp_path: Path, said, size) -> None:
    (tmp_path / "a.csv").write_text(
        f"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,{said},cat,0,0,1,1\n"
    )
    (image,) = read_by(csv_boxes, tmp_path / "a.csv").dataset.images
    assert (image.width, image.height) == size
