"""Files of other makers, in the shapes that they are found in: what is right comes in, the rest says why."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage

from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Mask
from labeler.errors import FormatError
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.folder_layouts import layout_of
from labeler.formats.report import Report
from labeler.formats.spec import come_from
from labeler.project.store import Store
from tests.formats.makers import MAKERS, OTHERS, Made
from tests.in_one_go import import_coco

Coco = Callable[..., Path]


def photo(path: Path, width: int = 80, height: int = 60, turn: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = PilImage.Exif()
    exif[0x0112] = turn
    PilImage.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path, exif=exif)
    return path


def taken(folder: Path, document: object, **options: object) -> tuple[list[Annotation], Report]:
    labels = folder / "labels.json"
    labels.write_text(json.dumps(document), encoding="utf-8")
    with Store.open(folder / "p.labeler") as store:
        store.set_root(folder)
        report = import_coco(store, labels, **options)
        return list(store.all_annotations()), report


@pytest.fixture(autouse=True)
def _coco_alone() -> None:
    """Whatever plugins a window before has brought: these are of what reads COCO."""
    come_from(tuple)


@pytest.mark.parametrize("made", MAKERS, ids=lambda made: made.name)
def test_a_file_of_another_maker(tmp_path: Path, made: Made) -> None:
    photo(tmp_path / "a.png")
    found, report = taken(tmp_path, made.document)
    assert (len(found), report.tallies["annotations"].refused) == (made.taken, made.refused), report.text()
    assert report.missing == made.missing
    assert not made.why or made.why in report.text()
    for one in found:
        box = bounds(one.shape)
        assert box.area > 90, "an object is never smaller than what was drawn"
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 80 and box.y1 <= 60  # noqa: PT018


def test_where_they_lie(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    for name, expected in (
        ("azure", Box(20, 7.5, 50, 37.5)),
        ("larger copy", Box(20, 10, 50, 40)),
        ("half-size mask", Box(20, 10, 24, 40)),
        ("corners", Box(20, 10, 50, 40)),
    ):
        folder = tmp_path / name
        photo(folder / "a.png")
        found, _ = taken(folder, next(made for made in MAKERS if made.name == name).document)
        box = bounds(found[0].shape)
        assert np.allclose(
            (box.x0, box.y0, box.x1, box.y1), (expected.x0, expected.y0, expected.x1, expected.y1)
        )


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_file_of_another_kind_is(coco: Coco, name: str) -> None:
    document, word = OTHERS[name]
    with pytest.raises(FormatError, match=word):
        read_coco(coco(json.dumps(document)))


@pytest.mark.parametrize(("frame", "box"), [("auto", (0, 0, 40, 20)), ("displayed", (0, 0, 20, 40))])
def test_labels_of_the_stored_frame_turn_with_their_photo(
    tmp_path: Path, frame: str, box: tuple[int, ...]
) -> None:
    photo(tmp_path / "p.jpg", 80, 40, turn=6)
    document = {
        "images": [{"id": 1, "file_name": "p.jpg", "width": 80, "height": 40}],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 40], "keypoints": [20, 40, 2]}
        ],
    }
    (one,), _ = taken(tmp_path, document, frame=frame)
    found = bounds(one.shape)
    assert (found.x0, found.y0, found.x1, found.y1) == box
    assert json.loads(one.extra)["keypoints"] == ([0, 20, 2] if frame == "auto" else [20, 40, 2])


def test_labels_that_only_the_displayed_frame_holds_stay(tmp_path: Path) -> None:
    photo(tmp_path / "p.jpg", 80, 40, turn=6)
    document = {
        "images": [{"id": 1, "file_name": "p.jpg", "width": 80, "height": 40}],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 50, 20, 25]}],
    }
    (one,), _ = taken(tmp_path, document)
    assert bounds(one.shape).y1 == 75


@pytest.mark.parametrize(
    ("labels", "image"),
    [
        ("annotations/instances_default.json", "images/a.png"),
        ("annotations/instances_default.json", "images/default/a.png"),
        ("annotations/instances_train2017.json", "train2017/a.png"),
        ("annotations/train.json", "images/train/a.png"),
        ("labels/train/x.json", "images/train/a.png"),
        ("train/_annotations.coco.json", "train/a.png"),
        ("annotations/x.json", "JPEGImages/a.png"),
        ("x.json", "images/a.png"),
    ],
)
def test_the_layouts_of_data_sets(tmp_path: Path, labels: str, image: str) -> None:
    photo(tmp_path / image)
    path = tmp_path / labels
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = layout_of(path, ["a.png"])
    assert (layout.found, layout.is_enough) == (1, True)
    found = layout.folder.find("a.png")
    assert found is not None
    assert (layout.folder.root / found.path).samefile(tmp_path / image)


def test_photos_beside_a_data_set_are_those_of_another(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    for name, found in (("mine", 0), ("labels", 1), ("labels/train", 1)):
        (tmp_path / name).mkdir(parents=True)
        assert layout_of(tmp_path / name, ["a.png"]).found == found


def test_panoptic_masks_are_read_from_their_png(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    colours = np.zeros((60, 80, 3), np.uint8)
    colours[10:40, 20:50] = (1, 1, 0)
    colours[0:5, 0:5] = (7, 0, 2)
    (tmp_path / "labels").mkdir()
    assert cv2.imwrite(str(tmp_path / "labels" / "a_p.png"), colours[..., ::-1])
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 80, "height": 60}],
        "categories": [{"id": 1, "name": "c", "isthing": 1}],
        "annotations": [
            {
                "image_id": 1,
                "file_name": "a_p.png",
                "segments_info": [
                    {"id": 257, "category_id": 1, "area": 900, "bbox": [20, 10, 30, 30], "iscrowd": 0},
                    {"id": 7 + 2 * 65536, "category_id": 1, "area": 25, "bbox": [0, 0, 5, 5], "iscrowd": 1},
                    {"id": 9, "category_id": 1, "area": 25, "bbox": [0, 0, 5, 5], "iscrowd": 0},
                ],
            }
        ],
    }
    found, report = taken(tmp_path, document)
    assert [
        (one.shape.x, one.shape.y, one.shape.bits.sum()) for one in found if isinstance(one.shape, Mask)
    ] == [
        (20, 10, 900),
        (0, 0, 25),
    ]
    assert report.tallies["annotations"].refused == 1


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r"])
def test_names_that_are_not_utf8_are_read_right_or_refused(coco: Coco, encoding: str) -> None:
    names = {
        "gb18030": ("汽车", "行人"),
        "big5": ("汽車", "行人"),
        "cp932": ("くるま", "歩行者"),
        "euc_jp": ("くるま", "歩行者"),
        "cp949": ("자동차", "보행자"),
        "cp1251": ("машина", "пешеход"),
        "koi8_r": ("машина", "пешеход"),
    }[encoding]
    rows = [f'{{"id": {n}, "name": "{name}"}}' for n, name in enumerate(names)]
    path = coco(f'{{"images": [], "annotations": [], "categories": [{", ".join(rows)}]}}'.encode(encoding))
    if encoding == "big5":
        assert tuple(category.name for category in read_coco(path)[0].categories) == names
    else:
        with pytest.raises(FormatError, match="iconv"):
            read_coco(path)


def test_a_marked_letter_in_a_latin_word_is_certain(coco: Coco) -> None:
    dataset, report = read_coco(
        coco('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "Bär"}]}'.encode("cp1252"))
    )
    assert dataset.categories[0].name == "Bär"
    assert "not UTF-8" in report.text()


def test_what_would_take_too_much_memory_is_refused_in_a_sentence(coco: Coco, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    points = ",".join(["1,1", "9000,9000"] * 60_000)
    bomb = "o" * (9 << 20)
    text = (
        '{"images":[{"id":1,"file_name":"x.png","width":9999,"height":9999}],'
        '"categories":[{"id":1,"name":"c"}],"annotations":['
        f'{{"id":1,"image_id":1,"category_id":1,"segmentation":[[{points}]],"bbox":[1,1,9,9]}},'
        f'{{"id":2,"image_id":1,"category_id":1,"segmentation":{{"size":[9999,9999],"counts":"{bomb}"}}}}]}}'
    )
    dataset, report = read_coco(coco(text))
    assert dataset.annotations == ()
    assert [note.field for note in report.items if note.verdict == "refused"] == ["segmentation"] * 2


@pytest.mark.parametrize(("area", "word"), [(900, "area of the box"), (4800, "area of the whole image")])
def test_equal_sentences_are_one_line_with_their_number(tmp_path: Path, area: int, word: str) -> None:
    photo(tmp_path / "a.png")
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 80, "height": 60}],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [
            {
                "id": n,
                "image_id": 1,
                "category_id": 1,
                "segmentation": [[20, 10, 50, 10, 20, 40]],
                "bbox": [20, 10, 30, 30],
                "area": area,
            }
            for n in range(258)
        ],
    }
    _, report = taken(tmp_path, document)
    (line,) = report.problems().splitlines()
    assert "258 annotations.area" in line
    assert word in line
