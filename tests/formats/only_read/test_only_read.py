"""Formats that are read only, as their makers write them, with what is odd in each."""

import base64
import csv
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from labeler.core.geometry import area, bounds
from labeler.core.records import Annotation, Box, Mask, Polygons
from labeler.core.rle import compress, encode
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.coco.coco_file import open_document
from labeler.formats.door import format_of, read_by
from labeler.formats.json_files import json_walk
from labeler.formats.json_files.collecting import Collecting
from labeler.formats.json_files.json_walk import each_json
from labeler.formats.only_read.superannotate_pixels import NO_COLORS, NO_PICTURE, NO_PIXELS
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, FormatSpec, Source
from plugins.label_formats import plugin

ONLY_READ = [spec for spec in plugin.formats if "only_read" in spec.read.__module__]
BITS = np.array([[1, 0, 1], [0, 1, 1]], bool)

Read = Callable[..., tuple[Dataset, Report]]


@pytest.fixture(autouse=True)
def _known(shipped_formats: None) -> None: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What is read of one JSON beside a photo a.jpg of 80 by 60, or of the folder."""
    Picture.new("RGB", (80, 60)).save(tmp_path / "a.jpg")

    def those(content: object, *, name: str = "labels.json", folder: bool = False) -> tuple[Dataset, Report]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        dataset, report, _ = read_placed_coco(tmp_path if folder else path)
        return dataset, report

    return those


def named(dataset: Dataset) -> list[tuple[str, Annotation]]:
    names = {category.id: category.name for category in dataset.categories}
    return [(names[one.category_id], one) for one in dataset.annotations]


def refusals(report: Report) -> list[str]:
    return [str(note) for note in report.items if note.verdict == "refused"]


# VIA


def region(shape: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": said}


RECT = {"name": "rect", "x": 20, "y": "10", "width": 30, "height": "30"}
VIA = [
    region(RECT, species="cat", colour="red"),
    region({"name": "circle", "cx": 40, "cy": 30, "r": 10}, species={"dog": True, "cat": False}),
    region({"name": "ellipse", "cx": 40, "cy": 30, "rx": 20, "ry": 5, "theta": np.pi / 2}, species="cat"),
    region(
        {"name": "polygone", "all_points_x": [20, 50, 50, 20], "all_points_y": [10, 10, "40", 10]},
        species={"a": True, "b": True},
    ),
    region({"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]}, species="cat"),
    region({"name": "point", "cx": 1, "cy": 2}, species="cat"),
    region({"name": "rect", "x": 1}, species="cat"),
    region(RECT),
]
ENTRY = {"filename": "a.jpg", "size": 123, "regions": VIA, "file_attributes": {"night": "yes"}}


@pytest.mark.parametrize("way", ["export", "by number", "project"])
def test_via(read: Read, way: str) -> None:
    entry = ENTRY if way != "by number" else ENTRY | {"regions": {str(n): one for n, one in enumerate(VIA)}}
    images = {"a.jpg123": entry, "b.jpg1": ENTRY | {"filename": "b.jpg", "regions": []}}
    project = {"_via_settings": {}, "_via_img_metadata": images, "_via_attributes": {"region": {}}}
    dataset, report = read(project if way == "project" else images)
    objects = named(dataset)
    assert [name for name, _ in objects] == ["cat", "dog", "cat", "a", "unlabelled"]
    shapes = [one.shape for _, one in objects]
    assert bounds(shapes[0]) == Box(20, 10, 50, 40)
    assert isinstance(shapes[0], Box)
    assert area(shapes[1]) == pytest.approx(np.pi * 100, rel=0.01)
    assert (bounds(shapes[2]).width, bounds(shapes[2]).height) == pytest.approx((10, 40), abs=0.2)
    assert isinstance(shapes[3], Polygons)
    assert len(shapes[3].parts[0].outer) == 3
    assert objects[0][1].attributes == {"colour": "red"}
    said = refusals(report)
    assert len(said) == 3
    assert "“polyline”" in said[0]
    assert "Is missing" in said[2]
    assert len(dataset.images) == 2
    assert (dataset.images[0].width, dataset.images[0].height) == (80, 60)


@pytest.mark.parametrize("head", ["filename", "#filename"])
def test_via_csv(read: Read, head: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(
        [
            head,
            "file_size",
            "file_attributes",
            "region_count",
            "region_id",
            "region_shape_attributes",
            "region_attributes",
        ]
    )
    for number, one in enumerate(VIA):
        writer.writerow(
            [
                "a.jpg",
                123,
                "{}",
                len(VIA),
                number,
                json.dumps(one["shape_attributes"]),
                json.dumps(one["region_attributes"]),
            ]
        )
    writer.writerow(["b.jpg", 1, "{}", 0, 0, "{}", "{}"])
    writer.writerow(["a.jpg", 1, "{}", 0, 0, "{cut", "{}"])
    dataset, report = read("\ufeff" + file.getvalue(), name="via.csv")
    assert [name for name, _ in named(dataset)] == ["cat", "dog", "cat", "a", "unlabelled"]
    assert len(dataset.images) == 2
    assert len(refusals(report)) == 4
    assert any("via.csv:11" in said for said in refusals(report))


# Supervisely


def png(bits: np.ndarray, mode: str) -> str:
    file = io.BytesIO()
    if mode == "RGBA":
        alpha = bits.astype(np.uint8) * 255
        Picture.fromarray(np.dstack([alpha * 0, alpha * 0, alpha * 0, alpha])).save(file, "PNG")
    else:
        Picture.fromarray(bits.astype(np.uint8) * 255).convert(mode).save(file, "PNG")
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def supervised(mode: str = "L") -> dict[str, Any]:
    square = {
        "exterior": [[20, 10], [50, 10], [50, 40], [20, 40]],
        "interior": [[[30, 20], [40, 20], [40, 30]], []],
    }
    return {
        "description": "",
        "tags": [{"name": "night", "value": None}],
        "size": {"height": 60, "width": 80},
        "objects": [
            {
                "classTitle": "cat",
                "geometryType": "bitmap",
                "bitmap": {"data": png(BITS, mode), "origin": [3, 4]},
            },
            {
                "classTitle": "dog",
                "geometryType": "polygon",
                "points": square,
                "tags": [{"name": "colour", "value": "red"}],
            },
            {
                "classTitle": "dog",
                "geometryType": "rectangle",
                "points": {"exterior": [[50, 40], [20, 10]], "interior": []},
            },
            {"classTitle": "dog", "geometryType": "point", "points": {"exterior": [[1, 1]], "interior": []}},
            {"classTitle": "dog", "geometryType": "bitmap", "bitmap": {"data": "AAAA", "origin": [3, 4]}},
            {"geometryType": "polygon", "points": square, "description": "by hand"},
        ],
    }


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA"])
def test_supervisely(read: Read, tmp_path: Path, mode: str) -> None:
    (tmp_path / "ds" / "img").mkdir(parents=True)
    (tmp_path / "a.jpg").rename(tmp_path / "ds" / "img" / "a.jpg")
    (tmp_path / "meta.json").write_text(
        json.dumps({"classes": [{"title": "cat", "shape": "bitmap"}], "tags": []})
    )
    dataset, report = read(supervised(mode), name="ds/ann/a.jpg.json", folder=True)
    assert [image.path for image in dataset.images] == ["ds/img/a.jpg"]
    objects = named(dataset)
    assert [name for name, _ in objects] == ["cat", "dog", "dog", "unlabelled"]
    mask, polygon, box = (one.shape for _, one in objects[:3])
    assert isinstance(mask, Mask)
    assert (mask.x, mask.y) == (3, 4)
    assert np.array_equal(mask.bits, BITS)
    assert area(polygon) == 900 - 50
    assert box == Box(20, 10, 50, 40, origin=box.origin)
    assert objects[1][1].attributes == {"colour": "red"}
    assert b"by hand" in objects[3][1].extra
    assert b"night" in dataset.images[0].extra
    assert len(refusals(report)) == 2
    assert report.missing == 0


def test_one_annotation_of_supervisely(read: Read) -> None:
    dataset, _ = read(supervised(), name="a.jpg.json")
    assert [image.path for image in dataset.images] == ["a.jpg"]


def test_a_mask_that_unpacks_to_too_much(read: Read) -> None:
    bomb = base64.b64encode(zlib.compress(bytes(80 << 20))).decode()
    one = {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": bomb, "origin": [0, 0]}}
    dataset, report = read(supervised() | {"objects": [one]}, name="a.jpg.json")
    assert not dataset.annotations
    assert "too large" in refusals(report)[0]


# SA-1B


def test_segment_anything(read: Read) -> None:
    whole = np.zeros((60, 80), bool)
    whole[10:40, 20:50] = True
    counts = compress(encode(whole)).decode()
    rows = [
        {
            "id": 5,
            "segmentation": {"size": [60, 80], "counts": counts},
            "bbox": [20, 10, 30, 30],
            "area": 900,
            "predicted_iou": 0.9,
        },
        {"id": 6, "segmentation": {"size": [60, 80], "counts": encode(whole)}, "crop_box": [0, 0, 80, 60]},
        {"id": 7, "segmentation": {"size": [60, 81], "counts": counts}},
        {"id": 8, "segmentation": [[20, 10, 50, 10, 50, 40]]},
        {"id": 9, "segmentation": {"size": [1 << 40, 1 << 40], "counts": [1 << 62]}},
        [],
    ]
    about = {"image_id": 77, "width": 80, "height": 60, "file_name": "a.jpg"}
    dataset, report = read({"image": about, "annotations": rows})
    assert [area(one.shape) for one in dataset.annotations] == [900, 900, 450]
    assert b"predicted_iou" in dataset.annotations[0].extra
    assert [name for name, _ in named(dataset)] == ["unlabelled"] * 3
    assert dataset.images[0].file_id == 77
    assert len(refusals(report)) == 3


# Create ML


@pytest.mark.parametrize(("photo", "objects"), [("image", "annotations"), ("imagefilename", "annotation")])
def test_create_ml(read: Read, photo: str, objects: str) -> None:
    where = {"x": 35, "y": 25, "width": 30, "height": 30}
    rows = [
        {"label": "cat", "coordinates": where},
        {"label": None, "coordinates": where | {"x": "35"}},
        {"label": "cat", "coordinates": {"x": 1}},
        {"label": "cat"},
    ]
    dataset, report = read(
        [{photo: "a.jpg", objects: rows}, {photo: "b.jpg", objects: []}, {objects: rows}, 3]
    )
    assert [(name, bounds(one.shape)) for name, one in named(dataset)] == [
        ("cat", Box(20, 10, 50, 40)),
        ("unlabelled", Box(20, 10, 50, 40)),
    ]
    assert len(dataset.images) == 2
    assert len(refusals(report)) == 4


# SuperAnnotate

POLYGON = {"type": "polygon", "classId": 3, "className": "cat", "points": [20, 10, 50, 10, 50, 40, 20, 40]}
INSTANCES = [
    POLYGON
    | {
        "exclude": [[30, 20, 40, 20, 40, 30]],
        "attributes": [{"name": "red", "groupName": "colour"}],
        "groupId": 2,
    },
    {"type": "bbox", "className": "dog", "points": {"x1": 50, "y1": 40, "x2": 20, "y2": 10}},
    {"type": "ellipse", "className": "dog", "cx": 40, "cy": 30, "rx": 20, "ry": 5, "angle": 90},
    {
        "type": "rbbox",
        "className": "dog",
        "points": dict(
            zip(
                ["x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4"],
                [30, 10, 50, 30, 30, 50, 10, 30],
                strict=True,
            )
        ),
    },
    {"type": "point", "className": "dog", "x": 1, "y": 2},
    {"classId": 3, "className": "cat", "parts": [{"color": "#0000ff"}]},
]
ABOUT = {"name": "a.jpg", "width": 80, "height": 60}


@pytest.mark.parametrize("way", ["new", "list", "all in one"])
def test_superannotate(read: Read, way: str) -> None:
    made: Any = {"metadata": ABOUT, "instances": INSTANCES, "tags": [], "comments": []}
    if way == "list":
        made = [{"type": "meta", "name": "imageAttributes", "width": 80, "height": 60}, *INSTANCES]
    if way == "all in one":
        made = {"a.jpg": INSTANCES, "___objects___": {}}
    dataset, report = read(made, name="a.jpg___objects.json")
    assert [image.path for image in dataset.images] == ["a.jpg"]
    objects = named(dataset)
    assert [name for name, _ in objects] == ["cat", "dog", "dog", "dog"]
    assert [round(area(one.shape), -1) for _, one in objects[:2]] == [850, 900]
    assert bounds(objects[2][1].shape).height == pytest.approx(40, abs=0.2)
    assert area(objects[3][1].shape) == 800
    assert objects[0][1].attributes == {"colour": "red"}
    said = refusals(report)
    assert len(said) == 2
    assert "___save.png" in said[1]


def save_picture(path: Path, *rectangles: tuple[int, int, int, int, tuple[int, int, int]]) -> None:
    picture = np.zeros((60, 80, 4), np.uint8)
    for x0, y0, x1, y1, color in rectangles:
        picture[y0:y1, x0:x1] = (*color, 255)
    Picture.fromarray(picture).save(path)


def test_superannotate_s_masks_are_the_colours_of_their_png(read: Read, tmp_path: Path) -> None:
    one, two, three = (0, 4, 71), (0, 0, 1), (9, 9, 9)
    save_picture(
        tmp_path / "a.jpg___save.png", (5, 5, 15, 10, one), (30, 5, 40, 10, two), (50, 50, 60, 60, three)
    )
    parts = [["#000447", "#000001"], ["#090909"], ["#ffffff"], ["red"], []]
    made = [{"className": "cat", "parts": [{"color": c} for c in colors]} for colors in parts]
    dataset, report = read({"metadata": ABOUT, "instances": made}, name="a.jpg___pixel.json")
    first, second = (one.shape for one in dataset.annotations)
    assert isinstance(first, Mask)
    assert (bounds(first).x0, bounds(first).x1, area(first)) == (5, 40, 100)
    assert (bounds(second).y0, area(second)) == (50, 100)
    assert [said.partition(": ")[2] for said in refusals(report)] == [NO_PIXELS, NO_COLORS, NO_COLORS]


def test_superannotate_s_masks_without_their_png_are_refused_by_name(read: Read, tmp_path: Path) -> None:
    made = {"metadata": ABOUT, "instances": [{"className": "cat", "parts": [{"color": "#000001"}]}]}
    for content, why in ((None, NO_PICTURE), (b"no picture", "Is a mask, and its PNG")):
        if content is not None:
            (tmp_path / "a.jpg___save.png").write_bytes(content)
        dataset, report = read(made, name="a.jpg___pixel.json")
        assert not dataset.annotations
        assert why in refusals(report)[0]
    Picture.new("RGB", (8, 6), (0, 0, 1)).save(tmp_path / "a.jpg___save.png")
    assert (
        "8 by 6 pixels, which is not the photo's size, 80 by 60"
        in refusals(read(made, name="a.jpg.json")[1])[0]
    )


def test_no_mask_outside_the_folder_is_looked_at(read: Read, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    save_picture(tmp_path / "b.jpg___save.png", (5, 5, 15, 10, (0, 0, 1)))
    rows = [{"className": "cat", "parts": [{"color": "#000001"}]}]
    for name in ("../b.jpg", str(tmp_path / "b.jpg")):
        dataset, report = read({name: {"instances": rows, "metadata": ABOUT}}, name="in/all.json")
        assert not dataset.annotations
        assert NO_PICTURE in refusals(report)[0]


def test_superannotate_s_classes_by_number(read: Read, tmp_path: Path) -> None:
    (tmp_path / "classes").mkdir()
    (tmp_path / "classes" / "classes.json").write_text(
        json.dumps([{"id": 3, "name": "cat", "color": "#00ff00"}])
    )
    bare = {key: value for key, value in POLYGON.items() if key != "className"}
    made = [bare, bare | {"classId": 4}, bare | {"classId": -1}]
    dataset, _ = read({"metadata": ABOUT, "instances": made}, name="a.jpg.json", folder=True)
    assert [name for name, _ in named(dataset)] == ["cat", "class 4", "unlabelled"]


# all of them

ONE_OF_EACH: dict[str, Any] = {
    "via": {"a.jpg1": ENTRY},
    "supervisely": supervised(),
    "sa-1b": {"image": ABOUT, "annotations": [{"segmentation": [[1, 1, 9, 1, 9, 9]]}]},
    "createml": [
        {
            "image": "a.jpg",
            "annotations": [{"label": "cat", "coordinates": {"x": 9, "y": 9, "width": 2, "height": 2}}],
        }
    ],
    "superannotate": {"metadata": ABOUT, "instances": INSTANCES},
}


@pytest.mark.parametrize("spec", ONLY_READ, ids=lambda spec: spec.id)
def test_each_is_known_by_its_content(spec: FormatSpec, tmp_path: Path) -> None:
    for name in ("any.json", "folder/any.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(ONE_OF_EACH[spec.id], indent=2))
        assert format_of(path) is spec
    assert format_of(tmp_path / "folder") is spec


POINTS = {"type": "polygon", "points": [1, 2, 3, 4, 5, 6]}
OF_OTHERS: dict[str, Any] = {
    "coco": {"images": [], "annotations": [{"segmentation": [[1, 1, 9, 1, 9, 9]]}], "categories": []},
    "results": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}],
    "label studio": [
        {"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "rectanglelabels"}]}]}
    ],
    "datumaro": {
        "info": {},
        "categories": {},
        "items": [{"id": "a", "annotations": [POINTS], "image": {"size": [1, 2]}}],
    },
    "vott": {
        "assets": {
            "1": {"asset": {"name": "a.jpg", "size": {}}, "regions": [{"type": "RECTANGLE", "tags": []}]}
        }
    },
    "geojson": {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}}]},
    "package": {"name": "a", "version": "1", "files": ["image"], "objects": {}},
    "tensorboard": {"images": 3, "shapes": [[1, 2]], "flags": {}},
}


@pytest.mark.parametrize("other", OF_OTHERS)
def test_what_others_write_is_not_taken(other: str, tmp_path: Path) -> None:
    mine = [*ONLY_READ, next(spec for spec in plugin.formats if spec.id == "labelme")]
    (tmp_path / "a.json").write_text(json.dumps(OF_OTHERS[other]))
    assert [spec.id for spec in mine if spec.sniff(tmp_path / "a.json") or spec.sniff(tmp_path)] == []


@pytest.mark.parametrize("spec", ONLY_READ, ids=lambda spec: spec.id)
@pytest.mark.parametrize("text", ["", "{", "[]x", "3", '"a"', "[" * 200_000, "\x00\x01\x02", "{}"])
def test_what_is_none_is_one_sentence(spec: FormatSpec, text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FormatError) as error:
        read_by(spec, path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("spec", ONLY_READ, ids=lambda spec: spec.id)
def test_what_is_damaged_in_the_middle_costs_no_more(spec: FormatSpec, tmp_path: Path) -> None:
    """Every number, text, list or object of a file is once something else: nothing is raised."""
    whole = json.dumps(ONE_OF_EACH[spec.id])
    path = tmp_path / "a.json"
    for odd in ("1e400", "null", "[]", '"x"', "-1", "{}", "1e300", "true"):
        for at in [n for n, character in enumerate(whole) if character == ":"]:
            end = _end_of_value(whole, at + 1)
            path.write_text(whole[: at + 1] + odd + whole[end:])
            try:
                read_by(spec, path)
            except FormatError as error:
                assert "Error" not in str(error), (odd, whole[at - 20 : at + 1])  # noqa: PT017


def _end_of_value(text: str, start: int) -> int:
    start += text[start] == " "
    _, end = json.JSONDecoder().raw_decode(text, start)
    return end


@pytest.mark.parametrize("spec", ONLY_READ, ids=lambda spec: spec.id)
def test_a_folder_with_other_files(spec: FormatSpec, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ONE_OF_EACH[spec.id]))
    (tmp_path / "b.json").write_text('{"cut": ')
    (tmp_path / "c.json").write_text('{"other": 1}')
    reading = read_by(spec, tmp_path)
    assert reading.dataset.annotations
    assert {note.at for note in reading.notes if note.kind == "file" and note.at} == {"b.json", "c.json"}
    with pytest.raises(ImportStoppedError):
        spec.read(Source(tmp_path, should_stop=lambda: True))


def test_many_files_cost_few_waits_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[Path] = []
    monkeypatch.setattr(json_walk, "_TOGETHER", 4)
    monkeypatch.setattr(json_walk, "_BYTES_TOGETHER", 1000)
    monkeypatch.setattr(json_walk, "patiently", lambda path, look: (waits.append(path), look())[1])
    for number in range(9):
        text = json.dumps([number] * (400 if number == 1 else 1))
        (tmp_path / f"{number}.json").write_text("" if number == 6 else text)
    found = Collecting()
    names = [name for name, _ in each_json(Source(tmp_path), found)]
    assert names == [f"{number}.json" for number in range(9) if number != 6]
    assert [path.name for path in waits] == [
        "0.json",
        "2.json",
        "6.json",
    ]  # 1 is as much as is read at a time
    (note,) = found.reading().notes
    assert (note.verdict, note.at) == ("refused", "6.json")


def test_lvis_with_addresses_only(tmp_path: Path) -> None:
    """LVIS is like COCO; version 1 has no file names, and keys of its own."""
    made = {
        "info": {"version": "v1"},
        "images": [
            {
                "id": 397133,
                "coco_url": "http://images.cocodataset.org/val2017/000000397133.jpg",
                "width": 80,
                "height": 60,
                "not_exhaustive_category_ids": [1],
                "neg_category_ids": [2],
            }
        ],
        "categories": [
            {
                "id": 1,
                "name": "cat",
                "synset": "cat.n.01",
                "synonyms": ["cat"],
                "frequency": "f",
                "def": "a cat",
            }
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 397133,
                "category_id": 1,
                "segmentation": [[20, 10, 50, 10, 50, 40]],
                "bbox": [20, 10, 30, 30],
                "area": 450.0,
            }
        ],
    }
    (tmp_path / "val2017").mkdir()
    Picture.new("RGB", (80, 60)).save(tmp_path / "val2017" / "000000397133.jpg")
    path = tmp_path / "lvis_v1_val.json"
    path.write_text(json.dumps(made))
    dataset, report, folder = read_placed_coco(path)
    assert area(dataset.annotations[0].shape) == 450
    assert report.refused == 0
    found = folder.find(dataset.images[0].path)
    assert found is not None
    assert (folder.root / found.path).is_file()
    assert b"neg_category_ids" in dataset.images[0].extra
    assert b"synset" in dataset.categories[0].extra


@pytest.mark.parametrize(
    ("known", "title"),
    [
        ("via", "VGG Image Annotator"),
        ("supervisely", "Supervisely"),
        ("sa-1b", r"Segment Anything \(SA-1B\)"),
        ("createml", "Create ML"),
        ("superannotate", "SuperAnnotate"),
    ],
)
def test_what_is_taken_for_coco_is_said_to_be_another(known: str, title: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ONE_OF_EACH[known]))
    with pytest.raises(FormatError, match=f"It is {title}; without --from it is read as what it is"):
        open_document(path, format_id="coco")
