"""Every way to write shapes: what others read is what it should be, and what we read is what it was."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec.structs import replace

from labeler.core.geometry import area, bounds, clipped, outline, rasterise
from labeler.core.records import Annotation, Box, Category, Image, Mask, Part, Polygons, Shape
from labeler.core.rle import decompress, rle_to_mask
from labeler.core.seams import seamed
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of, read_coco
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.coco.own_shape import SHAPE_KEY
from labeler.formats.report import Report
from labeler.formats.spec import Dataset
from labeler.formats.write_options import AS_THEY_ARE, FOR_OTHERS, Writing

Coco = Callable[..., Path]

SIZE = 30, 40
SQUARE = np.array([[4.0, 4], [24, 4], [24, 24], [4, 24]])
HOLE = np.array([[10.0, 10], [18, 10], [18, 18], [10, 18]])
FAR = np.array([[30.25, 2.5], [38.75, 2.125], [35.1, 9.3]])
LESSER = np.array([[5.5, 5.25], [8, 6], [6, 9.5]])

BOX = Box(1.1, 2.2, 11.3, 14.7)
OVER = Box(-3.5, 5.0, 8.0, 33.25)
SOLID = rasterise(Polygons((Part(SQUARE), Part(FAR))), size=SIZE)
HOLED = rasterise(Polygons((Part(SQUARE, (HOLE, LESSER)), Part(FAR))), size=SIZE)
ISLAND = rasterise(Polygons((Part(SQUARE, (HOLE,)), Part(HOLE / 4 + 10.5))), size=SIZE)
DRAWN = Polygons((Part(SQUARE), Part(FAR)))
DRAWN_HOLED = Polygons((Part(SQUARE[::-1], (HOLE, LESSER)), Part(FAR)))
DRAWN_OVER = Polygons((Part(SQUARE + 20.5, (HOLE + 20.5,)),))
STICKING_OUT = Mask(-4, 25, np.ones((9, 12), dtype=bool))
SHAPES: dict[str, Shape] = {
    "box": BOX,
    "box over": OVER,
    "mask": SOLID,
    "mask with holes": HOLED,
    "mask in a hole of another": ISLAND,
    "mask over": STICKING_OUT,
    "outline": DRAWN,
    "outline with holes": DRAWN_HOLED,
    "outline over": DRAWN_OVER,
}

WAYS = [
    FOR_OTHERS,
    AS_THEY_ARE,
    Writing(boxes="empty"),
    Writing(masks="rle"),
    Writing(holes="fill"),
    Writing(holes="rle"),
    Writing(clip=False),
    Writing(tolerance=1.5),
    Writing(tolerance=2.0, holes="fill", clip=False),
    Writing(masks="rle", holes="rle", boxes="empty", clip=False),
    Writing(as_read=True),
]


def data_set(*shapes: Shape, crowd: bool = False) -> Dataset:
    return Dataset(
        (Image(1, "a.jpg", 40, 30),),
        (Category(1, "cat", "#ffffff", supercategory="animal"),),
        tuple(Annotation(n, 1, 1, shape, source="import", crowd=crowd) for n, shape in enumerate(shapes, 1)),
    )


def written(dataset: Dataset, writing: Writing) -> tuple[bytes, Report, list[dict[str, Any]]]:
    data, report = write_coco(dataset, writing=writing)
    return data, report, json.loads(data)["annotations"]


def one(shape: Shape, writing: Writing = FOR_OTHERS, *, crowd: bool = False) -> dict[str, Any]:
    """The item of a shape."""
    (row,) = written(data_set(shape, crowd=crowd), writing)[2]
    return row


def bare(shape: Shape) -> Shape:
    return replace(shape, origin=b"")


def pixels(segmentation: Any) -> Mask:
    """What others make of it: a union of rings without holes, or a mask."""
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        return rle_to_mask(decompress(counts) if isinstance(counts, str) else counts, SIZE)
    parts = tuple(Part(np.array(ring, dtype=float).reshape(-1, 2)) for ring in segmentation)
    return rasterise(Polygons(parts), size=SIZE)


@pytest.mark.parametrize("writing", WAYS, ids=str)
@pytest.mark.parametrize("crowd", [False, True])
def test_whatever_is_chosen_comes_back_exactly(coco: Coco, writing: Writing, crowd: bool) -> None:
    data, told, _ = written(data_set(*SHAPES.values(), crowd=crowd), writing)
    assert told.refused == 0
    back, report = read_coco(coco(data))
    assert not report.items, report.text()
    for name, shape, found in zip(SHAPES, SHAPES.values(), back.annotations, strict=True):
        assert bare(found.shape) == shape, name
    assert [found.crowd for found in back.annotations] == [crowd] * len(SHAPES)
    # and what came back is written again letter by letter
    assert write_coco(back, writing=writing)[0] == data


@settings(max_examples=80, deadline=None)
@given(
    bits=arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    x=st.integers(-6, 36),
    y=st.integers(-6, 26),
    writing=st.sampled_from(WAYS),
)
def test_any_mask_comes_back_and_covers_its_pixels(
    tmp_path_factory: pytest.TempPathFactory, bits: np.ndarray, x: int, y: int, writing: Writing
) -> None:
    mask = rasterise(Mask(20, 20, bits), size=(99, 99))
    mask = Mask(mask.x - 20 + x, mask.y - 20 + y, mask.bits)
    data, report, rows = written(data_set(mask), writing)
    shown = clipped(mask, SIZE)
    if not bounds(shown).area:
        assert (rows, report.refused) == ([], 1)
        return
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    back, again = dataset_of(open_document(path))
    assert not again.items
    assert bare(back.annotations[0].shape) == mask
    if not writing.tolerance and writing.holes != "fill":
        assert pixels(rows[0]["segmentation"]) == rasterise(shown, size=SIZE)


def test_by_default_everything_is_rings_that_cover_the_same_pixels() -> None:
    for name, shape in SHAPES.items():
        row = one(shape)
        assert all(len(ring) >= 6 for ring in row["segmentation"]), name
        assert pixels(row["segmentation"]) == rasterise(shape, size=SIZE), name
        box = bounds(clipped(shape, SIZE))
        assert row["bbox"] == [box.x0, box.y0, box.width, box.height], name
        assert row["area"] == pytest.approx(area(clipped(shape, SIZE))), name


def test_a_box_is_a_rectangle_or_nothing() -> None:
    assert one(BOX)["segmentation"] == [[1.1, 2.2, 11.3, 2.2, 11.3, 14.7, 1.1, 14.7]]
    assert one(BOX, Writing(boxes="empty"))["segmentation"] == []


def test_crowds_are_run_length_masks_whatever_is_chosen() -> None:
    for writing in WAYS:
        if writing.as_read:
            continue
        for shape in (SOLID, HOLED, DRAWN, DRAWN_HOLED):
            row = one(shape, writing, crowd=True)
            assert pixels(row["segmentation"]) == rasterise(shape, size=SIZE)
            # as in COCO's own files; loaders of the DETR family raise ValueError at compressed text
            assert isinstance(row["segmentation"]["counts"], list)


def test_holes_filled_are_filled_and_said_so() -> None:
    for shape in (HOLED, DRAWN_HOLED):
        _, report, (row,) = written(data_set(shape), Writing(holes="fill"))
        assert pixels(row["segmentation"]) == rasterise(Polygons((Part(SQUARE), Part(FAR))), size=SIZE)
        assert row["area"] == pytest.approx(area(DRAWN), rel=0.02)
        assert [note.verdict for note in report.items] == ["told"]
        assert "filled" in report.text()
        assert report.tallies["annotations"].taken == 1


def test_holes_that_stay_make_run_length_text_of_nothing_else() -> None:
    _, report, rows = written(data_set(SOLID, HOLED, DRAWN, DRAWN_HOLED), Writing(holes="rle"))
    assert [isinstance(row["segmentation"], dict) for row in rows] == [False, True, False, True]
    assert [note.index for note in report.items] == [1, 3]


def test_a_simplified_mask_has_few_points_and_its_overlap_is_told() -> None:
    y, x = np.mgrid[:200, :200]
    disc = Mask(10, 20, (x - 99.5) ** 2 + (y - 99.5) ** 2 <= 99**2)
    dataset = replace(data_set(disc), images=(Image(1, "a.jpg", 640, 480),))
    exact = written(dataset, FOR_OTHERS)[2][0]
    _, report, (row,) = written(dataset, Writing(tolerance=2.0))
    assert len(row["segmentation"][0]) * 10 < len(exact["segmentation"][0])
    parts = (Part(np.array(row["segmentation"][0]).reshape(-1, 2)),)
    near = rasterise(Polygons(parts), size=(480, 640)).bits.sum()
    assert near == pytest.approx(disc.bits.sum(), rel=0.03)
    (note,) = report.items
    assert (note.verdict, note.kind) == ("told", "file")
    assert "1 mask is written as polygons that stray up to 2 pixels" in note.sentence
    assert 0.95 < float(note.sentence.split("pixels is ")[1].split()[0]) < 1


def test_a_mask_that_simplifying_would_leave_nothing_of_stays_as_it_is() -> None:
    speck = Mask(3, 4, np.ones((1, 2), dtype=bool))
    row = one(speck, Writing(tolerance=8.0))
    assert pixels(row["segmentation"]) == speck


def test_what_another_program_changed_counts(coco: Coco) -> None:
    data, _, _ = written(data_set(OVER, DRAWN_HOLED, HOLED), Writing(tolerance=1.5, holes="fill"))
    whole = json.loads(data)
    for row in whole["annotations"]:
        row["segmentation"][0][0] += 3
        del row["bbox"], row["area"]
    back, report = read_coco(coco(json.dumps(whole)))
    assert [note.field for note in report.items] == [SHAPE_KEY] * 3
    assert all(isinstance(found.shape, Polygons) for found in back.annotations)
    assert [found.shape.parts[0].outer[0, 0] for found in back.annotations] == [
        row["segmentation"][0][0] for row in whole["annotations"]
    ]


def test_numbers_written_another_way_are_the_same(coco: Coco) -> None:
    data, _, _ = written(data_set(OVER, DRAWN_HOLED), FOR_OTHERS)
    whole = json.loads(
        data, parse_float=lambda text: int(float(text)) if text.endswith(".0") else float(text)
    )
    back, report = read_coco(coco(json.dumps(whole, indent=3)))
    assert not report.items
    assert [bare(found.shape) for found in back.annotations] == [OVER, DRAWN_HOLED]


def tampered() -> Iterator[object]:
    yield from ("x", 5, None, [], {}, {"kind": "circle"}, {"kind": "box", "box": [1, 2, 3, 4]})
    good = one(DRAWN_OVER)[SHAPE_KEY]
    yield from (
        {**good, "rings": []},
        {**good, "rings": [{"outer": [1, 2, 3, 4]}]},
        {**good, "rings": [{"outer": [1, 2, 3, 4, 5, 1e300]}]},
        {**good, "rings": None, "box": [5, 5, 1, 1]},
        {**good, "rings": None, "mask": {"x": 0, "y": 0, "size": [99999, 99999], "counts": "0"}},
        {**good, "rings": None, "mask": {"x": 0, "y": 0, "size": [2, 2], "counts": "ä"}},
        {**good, "rings": None, "mask": {"x": 10**12, "y": 0, "size": [1, 1], "counts": "01"}},
        {"kind": "box"},
    )


@pytest.mark.parametrize("value", list(tampered()), ids=repr)
def test_a_key_that_makes_no_sense_is_passed_over(coco: Coco, value: object) -> None:
    data, _, _ = written(data_set(DRAWN_OVER), FOR_OTHERS)
    whole = json.loads(data)
    whole["annotations"][0][SHAPE_KEY] = value
    back, report = read_coco(coco(json.dumps(whole)))
    assert [(note.verdict, note.field) for note in report.items] == [("repaired", SHAPE_KEY)]
    found = back.annotations[0].shape
    assert isinstance(found, Polygons)
    assert SHAPE_KEY.encode() not in found.origin


@pytest.mark.parametrize("writing", WAYS, ids=str)
@pytest.mark.parametrize(
    "shape",
    [
        Box(50, 5, 60, 9),
        Box(5, 5, 5, 9),
        Mask(0, 0, np.zeros((0, 0), bool)),
        Mask(2, 2, np.zeros((3, 3), bool)),
        Mask(70, 2, np.ones((3, 3), bool)),
        Polygons(()),
        Polygons((Part(np.array([[1.0, 5], [9, 5], [5, 5]])),)),
        Polygons((Part(SQUARE - 60),)),
        Box(float("nan"), 0, 1, 1),
    ],
    ids=repr,
)
def test_nonsense_is_refused_and_never_written(shape: Shape, writing: Writing) -> None:
    _, report, rows = written(data_set(shape, BOX), writing)
    assert len(rows) == 1
    assert (report.refused, report.items[0].verdict, report.items[0].index) == (1, "refused", 0)


def test_what_was_imported_and_not_touched_keeps_its_text_where_that_is_wanted(coco: Coco) -> None:
    text = (
        '{"images": [{"id": 1, "file_name": "a", "width": 40, "height": 30}],'
        '"categories": [{"id": 1, "name": "c"}], "annotations": ['
        '{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [1.0, 2, 3.50, 4], "area": 9.10,'
        ' "segmentation": []},'
        '{"id": 2, "image_id": 1, "category_id": 1, "iscrowd": 1, "bbox": [2, 5, 2, 5], "area": 10,'
        ' "segmentation": {"size": [30, 40], "counts": [65, 5, 25, 5, 1100]}},'
        '{"id": 3, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [2, 5, 2, 5], "area": 10,'
        ' "segmentation": {"size": [30, 40], "counts": [65, 5, 25, 5, 1100]}}]}'
    )
    dataset, _ = read_coco(coco(text))
    data, _, rows = written(dataset, FOR_OTHERS)
    # converted so that others can read it, with the box and the area that the file had
    assert rows[0]["segmentation"] == [[1.0, 2.0, 4.5, 2.0, 4.5, 6.0, 1.0, 6.0]]
    assert b"[1.0, 2, 3.50, 4]" in data
    assert b"9.10" in data
    assert rows[1]["segmentation"]["counts"] == [65, 5, 25, 5, 1100]
    assert rows[2]["segmentation"] == [[2.0, 5.0, 4.0, 5.0, 4.0, 10.0, 2.0, 10.0]]
    _, _, rows = written(dataset, Writing(as_read=True))
    assert [row["segmentation"] for row in rows] == [
        row["segmentation"] for row in json.loads(text)["annotations"]
    ]


@settings(max_examples=150, deadline=None)
@given(arrays(bool, st.tuples(st.integers(3, 16), st.integers(3, 16)), elements=st.booleans()))
def test_a_seam_encloses_the_same_pixels(bits: np.ndarray) -> None:

    mask = rasterise(Mask(0, 0, bits), size=bits.shape)
    for part in outline(mask).parts:
        ring = seamed(part)
        size = bits.shape
        assert rasterise(Polygons((Part(ring),)), size=size) == rasterise(Polygons((part,)), size=size)
        assert not np.any(np.all(ring == np.roll(ring, 1, axis=0), axis=1))
