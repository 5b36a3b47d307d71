"""COCO to records and back: nothing is lost, and what nobody touched comes back byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec.structs import replace

from labeler.core.geometry import area, bounds, rasterise, translated
from labeler.core.records import Annotation, Box, Category, Image, Mask, Part, Polygons, Shape
from labeler.core.rle import decompress, rle_to_mask
from labeler.formats.coco.coco_file import AnnotationHead, open_document
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import exported_ids, write_coco
from labeler.formats.coco.shapes import OUTLINES
from labeler.formats.spec import Dataset
from tests.coco_values import completed

Coco = Callable[..., Path]

SQUARE = np.array([[4.0, 4], [24, 4], [24, 24], [4, 24]])
HOLE = np.array([[10.0, 10], [18, 10], [18, 18], [10, 18]])
FAR = np.array([[30.25, 2.5], [38.75, 2.125], [35.1, 9.3]])


def dataset_of(*shapes: Shape, **fields: Any) -> Dataset:
    return Dataset(
        (Image(1, "a.jpg", 40, 30),),
        (Category(1, "cat", "#ffffff"),),
        tuple(Annotation(n, 1, 1, shape, **fields) for n, shape in enumerate(shapes, 1)),
    )


def again(coco: Coco, dataset: Dataset) -> tuple[Dataset, list[dict[str, Any]]]:
    """The data set written and read again without a complaint, and the annotations as plain JSON."""
    data, written = write_coco(dataset)
    assert not written.items, written.text()
    back, report = read_coco(coco(data))
    assert not report.items, report.text()
    return back, json.loads(data)["annotations"]


def bare(shape: Shape) -> Shape:
    return msgspec.structs.replace(shape, origin=b"")


@pytest.mark.parametrize("name", ["coco-mini", "pedestrians"])
def test_real_files_come_back_exactly(coco: Coco, shared: Path, name: str) -> None:
    path = shared / "data" / name / "annotations.json"
    dataset, report = read_coco(path)
    assert not report.items, report.text()
    data, written = write_coco(dataset)
    assert not written.items
    assert json.loads(data) == completed(path.read_bytes())
    before, after = open_document(path), open_document(coco(data))
    raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
    for one, other in zip(before.annotations, after.annotations, strict=True):
        old, new = raw.decode(one), raw.decode(other)
        for key in ("segmentation", "bbox", "area"):
            assert bytes(old[key]) == bytes(new[key])
    assert read_coco(coco(data))[0] == dataset


WHOLE = """{
 "info": {"year": 2024, "π": "ünïcode", "big": 123456789012345678901234567890},
 "licenses": [{"id": 1, "name": "CC"}], "x-tool": [1.10, null],
 "images": [
  {"id": 42, "file_name": "sub/folder/\\u5199\\u771f 1.jpg", "width": 40, "height": 30, "license": 1,
   "coco_url": ""},
  {"id": 7, "file_name": "b.jpg", "width": 64, "height": 48, "date_captured": "2013-11-14", "exif": {"o": 6}}
 ],
 "categories": [
  {"id": 90, "name": "toothbrush", "supercategory": "indoor", "keypoints": ["a", "b"]},
  {"id": 0, "name": "zero"}, {"id": 5, "name": "猫", "supercategory": null}
 ],
 "annotations": [
  {"id": 900, "image_id": 42, "category_id": 90, "iscrowd": 0, "area": 57.90, "bbox": [1.0, 1.00, 20.10, 16],
   "segmentation": [[1.0, 1.00, 11.1e0, 1, 11, 11.25], [15, 15, 21.1, 15, 18, 17.0]],
   "attributes": {"occluded": true, "note": "é", "n": [1, 2.5]}, "score": 0.50},
  {"id": 1, "image_id": 42, "category_id": 0, "iscrowd": 1, "area": 10, "bbox": [2, 5, 2, 5],
   "segmentation": {"size": [30, 40], "counts": [65, 5, 25, 5, 1100]}, "attributes": {}},
  {"id": 2, "image_id": 42, "category_id": 5, "iscrowd": 1, "area": 10, "bbox": [2.0, 5.0, 2.0, 5.0],
   "segmentation": {"counts": "Q25i00cQ1", "size": [30, 40]},
   "attributes": {"huge": 99999999999999999999999}},
  {"id": 3, "image_id": 7, "category_id": 5, "segmentation": [], "bbox": [3.25, 4, 10, 10.5], "iscrowd": 0,
   "area": 60.5, "keypoints": [1, 2, 2], "num_keypoints": 1}
 ]
}"""


def test_everything_a_file_has_comes_back(coco: Coco) -> None:
    dataset, report = read_coco(coco(WHOLE))
    assert not report.items, report.text()
    assert [image.path for image in dataset.images] == ["sub/folder/写真 1.jpg", "b.jpg"]
    assert [category.file_id for category in dataset.categories] == [90, 0, 5]
    assert dataset.annotations[0].attributes == {"occluded": True, "note": "é", "n": [1, 2.5]}
    assert [annotation.crowd for annotation in dataset.annotations] == [False, True, True, False]
    assert dataset.annotations[1].shape == msgspec.structs.replace(
        Mask(2, 5, np.ones((5, 2), bool)), origin=dataset.annotations[1].shape.origin
    )
    data, written = write_coco(dataset)
    assert not written.items
    assert json.loads(data) == completed(WHOLE)
    for text in (
        "[1.0, 1.00, 11.1e0, 1, 11, 11.25]",
        "57.90",
        "[1.0, 1.00, 20.10, 16]",
        "[1.10, null]",
        "0.50",
    ):
        assert text.encode() in data
    assert read_coco(coco(data))[0] == dataset


def test_the_fast_layer_keeps_every_byte_of_an_item(coco: Coco) -> None:
    path = coco(WHOLE)
    document = open_document(path)
    assert document.heads == [
        AnnotationHead(42, 900),
        AnnotationHead(42, 1),
        AnnotationHead(42, 2),
        AnnotationHead(7, 3),
    ]
    assert document.by_image == {42: [0, 1, 2], 7: [3]}
    assert list(document.extra) == ["info", "licenses", "x-tool"]
    saved = path.with_name("saved.json")
    document.save(saved)
    assert json.loads(saved.read_bytes()) == json.loads(WHOLE)
    assert open_document(saved).annotations == document.annotations or all(
        bytes(a) == bytes(b)
        for a, b in zip(open_document(saved).annotations, document.annotations, strict=True)
    )


def test_empty_lists_are_a_file_too(coco: Coco) -> None:
    text = '{"images": [], "annotations": [], "categories": []}'
    document = open_document(coco(text))
    assert json.loads(document.encode()) == json.loads(text)
    dataset, report = read_coco(coco(text))
    assert not report.items
    assert json.loads(write_coco(dataset)[0]) == completed(text)


def test_what_was_touched_is_measured_anew(coco: Coco) -> None:
    dataset, _ = read_coco(coco(WHOLE))
    moved = tuple(replace(one, shape=translated(one.shape, 1, 2)) for one in dataset.annotations)
    back, rows = again(coco, replace(dataset, annotations=moved))
    for row, one, original in zip(rows, moved, dataset.annotations, strict=True):
        box = bounds(one.shape)
        assert row["bbox"] == [box.x0, box.y0, box.width, box.height]
        assert row["area"] == area(one.shape)
        assert row["id"] == original.file_id
    assert [bare(one.shape) for one in back.annotations] == [bare(one.shape) for one in moved]
    assert rows[0]["segmentation"][0] == [2.0, 3.0, 12.1, 3.0, 12.0, 13.25]
    assert isinstance(rows[1]["segmentation"]["counts"], str)


def test_a_stale_origin_is_not_believed(coco: Coco) -> None:
    dataset, _ = read_coco(coco(WHOLE))
    for number, one in enumerate(dataset.annotations):
        stale = msgspec.structs.replace(translated(one.shape, 3, 1), origin=one.shape.origin)
        _, rows = again(coco, replace(dataset, annotations=(replace(one, shape=stale),)))
        assert rows[0]["segmentation"] != json.loads(WHOLE)["annotations"][number][
            "segmentation"
        ] or isinstance(stale, Box)
        assert rows[0]["bbox"][0] == bounds(stale).x0
    foreign = msgspec.structs.replace(dataset.annotations[0].shape, origin=b"<not json>")
    back, _ = again(coco, replace(dataset, annotations=(replace(dataset.annotations[0], shape=foreign),)))
    assert bare(back.annotations[0].shape) == bare(foreign)


def test_holes_come_back_as_they_were_drawn_and_as_a_mask_for_others(coco: Coco) -> None:
    shape = Polygons((Part(SQUARE, (HOLE, HOLE / 4 + 3)), Part(FAR)))
    back, rows = again(coco, dataset_of(shape))
    assert bare(back.annotations[0].shape) == shape
    rle = rows[0]["segmentation"]
    assert rle["size"] == [30, 40]
    assert rle_to_mask(decompress(rle["counts"]), (30, 40)) == rasterise(shape, size=(30, 40))
    assert rows[0]["area"] == area(shape)


def earlier(shape: Polygons) -> str:
    """A file as exports were until holes had a seam: run-length text with the rings beside it."""
    data, _ = write_coco(dataset_of(rasterise(shape, size=(30, 40))))
    rings = [
        {"outer": part.outer.ravel().tolist(), "holes": [hole.ravel().tolist() for hole in part.holes]}
        for part in shape.parts
    ]
    whole = json.loads(data)
    whole["annotations"][0][OUTLINES] = rings
    return json.dumps(whole)


def test_outlines_of_earlier_exports_are_read(coco: Coco) -> None:
    shape = Polygons((Part(SQUARE, (HOLE,)),))
    dataset, report = read_coco(coco(earlier(shape)))
    assert not report.items
    assert bare(dataset.annotations[0].shape) == shape
    back, rows = again(coco, dataset)
    assert (bare(back.annotations[0].shape), OUTLINES in rows[0]) == (shape, True)


def test_outlines_that_do_not_fill_their_mask_are_left_aside(coco: Coco) -> None:
    data = earlier(Polygons((Part(SQUARE, (HOLE,)),)))
    for old, new in (
        ("24.0, 24.0", "24.0, 20.0"),
        (OUTLINES + '": [', OUTLINES + '": [5,'),
        ("24.0, 24.0", "24.0"),
    ):
        dataset, report = read_coco(coco(data.replace(old, new)))
        assert [note.field for note in report.items] == [OUTLINES]
        assert isinstance(dataset.annotations[0].shape, Mask)
        assert OUTLINES.encode() not in write_coco(dataset)[0]


@settings(max_examples=60, deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 18), st.integers(0, 28)
)
def test_any_mask_comes_back(bits: np.ndarray, y: int, x: int) -> None:
    if not bits.any():
        return
    mask = rasterise(Mask(x, y, bits), size=(30, 40))
    row = json.loads(write_coco(dataset_of(mask))[0])["annotations"][0]
    assert rle_to_mask(decompress(row["segmentation"]["counts"]), (30, 40)) == mask
    box = bounds(mask)
    assert (row["area"], row["bbox"]) == (bits.sum(), [box.x0, box.y0, box.width, box.height])


@pytest.mark.parametrize(
    ("shape", "width"),
    [
        (Box(float("nan"), 0, 1, 1), 40),
        (Box(0, 0, float("inf"), 1), 40),
        (Polygons((Part(SQUARE * np.inf),)), 40),
        (Polygons((Part(SQUARE + 500, (HOLE + 500,)),)), 40),
        (Mask(0, 0, np.zeros((0, 0), bool)), 40),
        (Mask(0, 0, np.ones((2, 2), bool)), 0),
        (Polygons((Part(SQUARE * 1e300),)), 0),
    ],
    ids=["nan", "infinite", "infinite-polygon", "outside", "empty-mask", "no-size", "far"],
)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_written_is_named(coco: Coco, shape: Shape, width: int) -> None:
    dataset = dataset_of(Box(1, 2, 3, 4), shape)
    dataset = replace(dataset, images=(Image(1, "a.jpg", width, 30 if width else 0),))
    data, report = write_coco(dataset)
    assert [(note.verdict, note.kind, note.index) for note in report.items] == [("refused", "annotations", 1)]
    assert len(json.loads(data)["annotations"]) == 1
    _, again = read_coco(coco(data))
    assert again.refused == 0


def test_annotations_of_nothing_are_named() -> None:
    dataset = dataset_of(Box(1, 2, 3, 4))
    lost = (replace(dataset.annotations[0], image_id=9), replace(dataset.annotations[0], category_id=9))
    data, report = write_coco(replace(dataset, annotations=lost))
    assert report.refused == 2
    assert json.loads(data)["annotations"] == []


def test_ids_stay_and_new_ones_do_not_collide() -> None:
    records = [
        Image(1, "a", 1, 1, file_id=5),
        Image(2, "b", 1, 1),
        Image(5, "c", 1, 1),
        Image(6, "d", 1, 1, file_id=5),
        Image(7, "e", 1, 1, file_id=0),
    ]
    ids = exported_ids(records)
    assert (ids[1], ids[7]) == (5, 0)
    assert ids[2] == 2
    assert len(set(ids.values())) == len(records)
    assert exported_ids(records[1:3]) == {2: 2, 5: 5}
    assert exported_ids([]) == {}


def test_attributes_set_here_take_the_place_of_empty_ones(coco: Coco) -> None:
    dataset, _ = read_coco(coco(WHOLE))
    one = replace(dataset.annotations[1], attributes={"truncated": 1})
    _, rows = again(coco, replace(dataset, annotations=(one,)))
    assert rows[0]["attributes"] == {"truncated": 1}


def test_the_size_of_the_image_itself_counts(coco: Coco) -> None:
    dataset, report = read_coco(coco(WHOLE), image_sizes={"b.jpg": (65, 47)}.get)
    assert (dataset.images[1].width, dataset.images[1].height) == (65, 47)
    assert [(note.kind, note.index, note.field) for note in report.items] == [("images", 1, "width")]
    assert len(dataset.annotations) == 4


def test_labels_for_an_image_of_another_form_are_refused_together(coco: Coco) -> None:
    name = "sub/folder/写真 1.jpg"
    dataset, report = read_coco(coco(WHOLE), image_sizes={name: (30, 40)}.get)
    assert [note.index for note in report.items if note.verdict == "refused"] == [0, 1, 2]
    assert [one.file_id for one in dataset.annotations] == [3]
    taken, report = read_coco(coco(WHOLE), image_sizes={name: (30, 40)}.get, frame="displayed")
    assert [one.file_id for one in taken.annotations] == [900, 1, 2, 3]
