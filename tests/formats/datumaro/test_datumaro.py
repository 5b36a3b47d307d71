"""Datumaro's JSON in and out: what was fitted comes back, and each type and trap of it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.geometry import area, bounds
from labeler.core.records import Annotation, Box, Category, Image, Mask, Part, Polygons
from labeler.errors import FormatError
from labeler.formats import spec as formats_spec
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.datumaro.datumaro_format import datumaro
from labeler.formats.datumaro.datumaro_reading import read, sniff
from labeler.formats.datumaro.datumaro_shapes import ShapeReader
from labeler.formats.datumaro.datumaro_writing import write
from labeler.formats.gates import RefusalError
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Source, Target
from labeler.formats.write_options import Writing
from tests.cli.typed import labeler

POINTS = {"label_id": 1, "labels": ["nose", "hand"], "joints": [[0, 1]], "positions": []}


@pytest.fixture(autouse=True)
def _formats() -> Any:
    formats_spec.come_from(lambda: (datumaro,))
    yield
    formats_spec.come_from(tuple)


def whole(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    labels = [
        {"name": "car", "parent": "vehicle", "attributes": ["occluded"]},
        {"name": "person", "parent": ""},
    ]
    item = {"id": "sub/a", "annotations": list(annotations), "attr": {"frame": 3}}
    return {
        "dm_format_version": "1.0",
        "media_type": 2,
        "infos": {},
        "categories": {
            "label": {"labels": labels, "label_groups": [], "attributes": []},
            "mask": {"colormap": [{"label_id": 0, "r": 255, "g": 128, "b": 0}]},
            "points": {"items": [POINTS]},
        },
        "items": [item | {"image": {"path": "sub/a.png", "size": [80, 100]}} | more],
    }


def one(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": 0, "type": kind, "attributes": {}, "group": 0, "label_id": 0, "z_order": 0} | more


def taken(tmp_path: Path, found: object) -> tuple[Dataset, Report]:
    path = tmp_path / "default.json"
    path.write_text(found if isinstance(found, str) else json.dumps(found), "utf-8")
    return dataset_of(open_document(path))


def sentences(report: Report) -> str:
    return "\n".join(map(str, report.items))


def test_what_a_file_says_beside_shapes(tmp_path: Path) -> None:
    box = one("bbox", bbox=[1.5, 2, 10, 20], attributes={"occluded": True}, group=4, z_order=2, object_id=7)
    dataset, report = taken(tmp_path, whole(box))
    (found,) = dataset.annotations
    assert bounds(found.shape) == Box(1.5, 2, 11.5, 22)
    assert found.attributes == {"occluded": True}
    assert msgspec.json.decode(found.extra)["datumaro"] == {"group": 4, "z_order": 2, "object_id": 7}
    assert [(c.name, c.supercategory) for c in dataset.categories] == [("car", "vehicle"), ("person", "")]
    assert dataset.categories[0].color == "#ff8000"
    assert [(i.path, i.width, i.height) for i in dataset.images] == [("sub/a.png", 100, 80)]
    assert report.refused == 0


def test_a_mask_is_as_in_coco(tmp_path: Path) -> None:
    bits = np.zeros((80, 100), bool)
    bits[3:7, 10:12] = True
    bits[5, 11] = False
    mask = Annotation(1, 1, 1, Mask(0, 0, bits))
    out = tmp_path / "out.json"
    write_data_set(
        datumaro, Wanted(Dataset((Image(1, "a.png", 100, 80),), (Category(1, "car", ""),), (mask,)), out)
    )
    rle = json.loads(out.read_bytes())["items"][0]["annotations"][0]["rle"]
    assert rle["size"] == [80, 100]
    assert isinstance(rle["counts"], str)
    runs = [803, 4, 76, 2, 1, 1, 7113]  # down each column
    for given_counts in (rle["counts"], runs):
        dataset, _ = taken(tmp_path, whole(one("mask", rle={"size": [80, 100], "counts": given_counts})))
        (shape,) = (found.shape for found in dataset.annotations)
        assert isinstance(shape, Mask)
        assert shape.bits.tolist() == bits[3:7, 10:12].tolist()


def test_polygons_of_one_object_are_one_and_of_a_group_are_several(tmp_path: Path) -> None:
    first = one("polygon", id=5, group=5, points=[1, 1, 9, 1, 9, 9])
    second = one("polygon", id=5, group=5, points=[11, 1, 19, 1, 19, 9])
    other = one("polygon", id=6, group=5, points=[21, 1, 29, 1, 29, 9])
    dataset, _ = taken(tmp_path, whole(first, second, other))
    parts = [len(found.shape.parts) for found in dataset.annotations if isinstance(found.shape, Polygons)]
    assert parts == [2, 1]


def test_points_of_an_object_are_its_keypoints(tmp_path: Path) -> None:
    box = one("bbox", id=5, group=5, label_id=1, bbox=[1, 1, 30, 40])
    points = one("points", id=5, group=5, label_id=1, points=[2, 3, 20, 30], visibility=[2, 1])
    path = tmp_path / "in.json"
    path.write_text(json.dumps(whole(box, points)))
    dataset = read(Source(path)).dataset
    (found,) = dataset.annotations
    assert msgspec.json.decode(found.extra)["keypoints"] == [2, 3, 2, 20, 30, 1]
    assert msgspec.json.decode(dataset.categories[1].extra)["keypoints"] == ["nose", "hand"]
    out = tmp_path / "out.json"
    write_data_set(datumaro, Wanted(dataset, out))
    again = json.loads(out.read_bytes())
    rows = again["items"][0]["annotations"]
    assert [row["type"] for row in rows] == ["bbox", "points"]
    assert rows[1]["points"] == [2, 3, 20, 30]
    assert rows[1]["visibility"] == [2, 1]
    assert len({(row["id"], row["group"]) for row in rows}) == 1
    assert again["categories"]["points"]["items"] == [POINTS]
    assert again["items"][0]["attr"] == {"frame": 3}


@pytest.mark.parametrize(
    "other",
    [
        one("label"),
        one("caption", caption="a car"),
        one("points", points=[1, 2], visibility=[2]),
        one("points", id=3, group=9, points=[1, 2], visibility=[2]),
        one("polyline", points=[1, 2, 3, 4]),
    ],
)
def test_what_has_no_area_stays_with_its_image(tmp_path: Path, other: dict[str, Any]) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(whole(other)))
    reading = read(Source(path))
    assert "without an area" in "\n".join(map(str, reading.notes))
    out = tmp_path / "out.json"
    write_data_set(datumaro, Wanted(reading.dataset, out))
    assert json.loads(out.read_bytes())["items"][0]["annotations"] == [other]


def test_an_ellipse_is_one_again_and_a_turned_box_an_outline(tmp_path: Path) -> None:
    turned = one("rotated_bbox", points=[50, 40, 20, 10, 90])
    path = tmp_path / "in.json"
    path.write_text(json.dumps(whole(one("ellipse", points=[10, 20, 50, 40]), turned)))
    dataset = read(Source(path)).dataset
    ellipse, box = (found.shape for found in dataset.annotations)
    assert area(ellipse) == pytest.approx(np.pi * 200, rel=0.01)
    around = bounds(box)
    assert np.allclose((around.x0, around.y0, around.x1, around.y1), (45, 30, 55, 50))
    out = tmp_path / "out.json"
    write_data_set(datumaro, Wanted(dataset, out))
    rows = json.loads(out.read_bytes())["items"][0]["annotations"]
    assert rows[0]["type"] == "ellipse"
    assert np.allclose(rows[0]["points"], [10, 20, 50, 40])
    assert rows[1]["type"] == "polygon"


def test_crowds_and_parts_and_paint_order_go_out(tmp_path: Path) -> None:
    ring = np.array([(1.0, 1), (9, 1), (9, 9)])
    records = (
        Annotation(1, 1, 1, Polygons((Part(ring), Part(ring + 10))), crowd=True),
        Annotation(2, 1, 1, Box(1, 1, 9, 9), extra=b'{"datumaro":{"z_order":3}}'),
        Annotation(3, 1, 1, Box(2, 1, 9, 9), extra=b'{"mood":"sad"}'),
    )
    out = tmp_path / "out.json"
    written = write_data_set(
        datumaro,
        Wanted(Dataset((Image(1, "a.png", 30, 30),), (Category(1, "cat", "#010203"),), records), out),
    )
    rows = json.loads(out.read_bytes())["items"][0]["annotations"]
    assert [row["z_order"] for row in rows] == [0, 0, 3, 3]
    assert rows[0]["attributes"] == {"is_crowd": True}
    assert rows[0]["group"] == rows[1]["group"] != 0
    assert "“mood”" in sentences(written.report)
    back = read(Source(out)).dataset
    assert [found.crowd for found in back.annotations] == [True, False, False]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (one("bbox", bbox=[1, 2, 3]), "Must be 4 numbers, but is 3"),
        (one("bbox", bbox="x"), "list of numbers"),
        (one("bbox"), "list of numbers"),
        (one("bbox", bbox=[1e300, 2, 3, 4]), "far from every image"),
        (one("polygon", points=[1, 2, 3]), "pairs of numbers"),
        (one("mask", rle={"size": [80, 100], "counts": [5]}), "run-length mask"),
        (one("mask", rle={"size": [1 << 40, 100], "counts": "0"}), "run-length mask"),
        (one("mask", rle=[]), "no run-length mask"),
        (one("mask", rle={"size": [80, 100], "counts": [8000]}), "no pixels"),
        (one("magic"), "no type that is known"),
        (one("ellipse", points=[1, 1, 1, 9]), "no extent"),
    ],
)
def test_an_annotation_that_is_bad_is_one_refusal(tmp_path: Path, bad: dict[str, Any], said: str) -> None:
    dataset, report = taken(tmp_path, whole(bad, one("bbox", bbox=[1, 2, 3, 4])))
    assert len(dataset.annotations) == 1
    assert report.tallies["annotations"].refused == 1
    assert said in sentences(report)
    assert "items[0].annotations[0]" in sentences(report)


def test_nan_is_one_refusal(tmp_path: Path) -> None:
    text = json.dumps(whole(one("bbox", bbox=[1, 2, 3, 4]), one("bbox", bbox=[float("nan"), 2, 3, 4])))
    dataset, report = taken(tmp_path, text)
    assert len(dataset.annotations) == 1
    assert report.tallies["annotations"].refused == 1


def test_an_object_without_a_label_is_unlabelled(tmp_path: Path) -> None:
    dataset, report = taken(tmp_path, whole(one("bbox", bbox=[1, 2, 3, 4], label_id=99)))
    assert dataset.categories[-1].name == "unlabelled"
    assert "no label" in sentences(report)


def test_items_that_are_no_images(tmp_path: Path) -> None:
    found = whole()
    found["items"] += [{"id": "b", "point_cloud": {"path": "b.pcd"}}, 5, {"id": "c", "annotations": []}]
    PillowImage.new("RGB", (20, 10)).save(tmp_path / "c.png")
    dataset, report = taken(tmp_path, found)
    assert [image.path for image in dataset.images] == ["sub/a.png", "c.png"]
    assert report.tallies["images"].refused == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        json.dumps(whole())[:-30],
        '{"dm_format_version": "1.0", "categories": 5, "items": []}',
        '{"dm_format_version": "1.0", "categories": {}, "items": 5}',
        '{"dm_format_version": "1.0", "categories": {}, "items": ' + "[" * 200_000,
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError) as raised:
        taken(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_the_command_line_reads_and_writes_it(tmp_path: Path) -> None:
    home = tmp_path / "in"
    (home / "annotations").mkdir(parents=True)
    (home / "images" / "train" / "sub").mkdir(parents=True)
    PillowImage.new("RGB", (100, 80)).save(home / "images" / "train" / "sub" / "a.png")
    (home / "annotations" / "train.json").write_text(json.dumps(whole(one("bbox", bbox=[1, 2, 3, 4]))))
    done = labeler("import", home, tmp_path / "p.labeler")
    assert done.returncode == 0, done.stderr
    assert "annotations: 1 of 1 taken" in done.stdout
    assert "no such file" not in done.stdout + done.stderr
    out = tmp_path / "out"
    done = labeler("export", tmp_path / "p.labeler", out, "--format", "datumaro", "--photos", "copy")
    assert done.returncode == 0, done.stderr
    (labels,) = (out / "annotations").iterdir()
    item = json.loads(labels.read_bytes())["items"][0]
    assert list((out / "images").rglob(item["image"]["path"]))
    assert labeler("convert", labels, tmp_path / "back.json", "--to", "coco").returncode == 0


def written(tmp_path: Path, dataset: Dataset, **target: Any) -> tuple[dict[str, Any], list[str]]:
    """The file of a data set, and what is told of it."""
    where = {image.id: f"images/train/{image.path}" for image in dataset.images}
    path = tmp_path / "train.json"
    aim = Target(path, target.get("photos", "copied"), where, Writing())
    notes = [note.sentence for note in write([formats_spec.Part("train", dataset)], aim)]
    return json.loads(path.read_text()), notes


def of_one_image(*annotations: Annotation, extra: bytes = b"") -> Dataset:
    categories = (Category(1, "a", "", extra=extra), Category(2, "b", ""))
    return Dataset((Image(1, "x.png", 40, 30),), categories, annotations)


def test_the_head_of_a_file_and_the_paths_of_photos(tmp_path: Path) -> None:
    found, _ = written(tmp_path, of_one_image())
    assert (found["dm_format_version"], found["media_type"]) == ("1.0", 2)
    assert found["items"][0]["image"] == {"path": "x.png", "size": [30, 40]}
    left, _ = written(tmp_path, of_one_image(), photos="left")
    assert left["items"][0]["image"]["path"] == "images/train/x.png"


def test_keypoints_go_out_as_points_of_a_group_that_no_other_has(tmp_path: Path) -> None:
    kept = [
        Annotation(n, 1, 1, Box(n, 1, n + 5, 9), extra=b'{"datumaro":{"group":%d}}' % n) for n in (1, 2, 9, 3)
    ]
    points = Annotation(10, 1, 1, Box(1, 1, 9, 9), extra=b'{"keypoints":[2,3,2,4,5,1,0,0,0]}')
    found, _ = written(tmp_path, of_one_image(*kept, points))
    rows = found["items"][0]["annotations"]
    assert [row["group"] for row in rows] == [1, 2, 9, 3, 10, 10]
    assert (rows[5]["type"], rows[5]["points"]) == ("points", [2, 3, 4, 5, 0, 0])
    assert rows[5]["visibility"] == [2, 1, 0]


def test_what_is_left_out_is_listed_three_at_a_time(tmp_path: Path) -> None:
    plain = Annotation(1, 1, 1, Box(1, 1, 9, 9))
    more = Annotation(2, 1, 1, Box(1, 1, 9, 9), extra=b'{"d":1,"a":2,"c":3,"b":4}')
    _, notes = written(tmp_path, of_one_image(plain, more))
    assert notes == ["Has more in its file (“a”, “b”, “c”), which is left out."]


def test_masks_beyond_the_budget_of_a_file_are_refused() -> None:
    rle = {"size": [4, 5], "counts": [8, 12]}  # 3 of the 5 columns
    reader = ShapeReader(24)
    for _ in range(2):
        mask = reader.shape("mask", {"rle": rle})
        assert isinstance(mask, Mask)
        assert mask.bits.all()
        assert mask.bits.size == 12
    with pytest.raises(RefusalError, match="The masks before it take"):
        reader.shape("mask", {"rle": rle})


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        ('{"dm_format_version":"1.0"}', True),
        ('{"categories":{"label":{"labels":[]}},"items":[]}', True),
        ('{"categories":{"label":{"labels":[]}}}', False),
        ('{"images":[],"annotations":[],"categories":[]}', False),
        ('["dm_format_version"]', False),
    ],
)
def test_by_what_a_file_is_known(tmp_path: Path, head: str, is_one: bool) -> None:
    (tmp_path / "a.json").write_text(head)
    assert sniff(tmp_path / "a.json") is is_one
