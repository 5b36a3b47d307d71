"""Geometry that nobody sees goes where its object goes, or goes away; a copy has no ids of another."""

import json

import numpy as np
import pytest

from labeler.core.affine import Affine, scaling, turning
from labeler.core.companions import carried, copied, moved
from labeler.core.geometry import translated
from labeler.core.records import Annotation, Box, Change, Mask, Part, Polygons, Shape

KEYPOINTS = [12, 12, 2, 18, 15, 1, 0, 0, 0]
EXTRA = {
    "keypoints": KEYPOINTS,
    "num_keypoints": 2,
    "face_box": [11, 11, 4, 4],
    "lefthand_kpts": [13.5, 14, 1],
    "face_valid": True,
    "bbox3d": [1, 2, 3, 4, 5, 6, 7],
    "score": 0.5,
    "track_id": 7,
    "instance_id": "x",
    "note": "[1, 2, 3]",
    "zip": [1.10, 2],
}
SQUARE = np.array([[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]])


def annotation(shape: Shape, extra: dict[str, object] = EXTRA) -> Annotation:
    return Annotation(1, 1, 1, shape, extra=json.dumps(extra).encode())


def edited(before: Shape, after: Shape) -> tuple[dict[str, object], list[str]]:
    one = annotation(before)
    change, gone = carried(Change(one, Annotation(1, 1, 1, after, extra=one.extra)))
    assert isinstance(change.after, Annotation)
    return json.loads(change.after.extra), gone


@pytest.mark.parametrize(
    "shape", [Box(10, 10, 20, 20), Polygons((Part(SQUARE),)), Mask(10, 10, np.ones((10, 10), bool))]
)
def test_what_is_moved_takes_its_keypoints_along(shape: Shape) -> None:
    extra, gone = edited(shape, translated(shape, 100, 5))
    assert extra["keypoints"] == [112, 17, 2, 118, 20, 1, 0, 0, 0]
    assert extra["face_box"] == [111, 16, 4, 4]
    assert extra["lefthand_kpts"] == [113.5, 19, 1]
    assert gone == ["bbox3d"]
    assert {"bbox3d"} == EXTRA.keys() - extra.keys()
    assert {key: extra[key] for key in ("num_keypoints", "score", "note", "zip")} == {
        key: EXTRA[key] for key in ("num_keypoints", "score", "note", "zip")
    }


def test_what_is_resized_takes_its_keypoints_along() -> None:
    extra, _ = edited(Box(10, 10, 20, 20), Box(10, 10, 30, 40))
    assert extra["keypoints"] == [14, 16, 2, 26, 25, 1, 0, 0, 0]
    assert extra["face_box"] == [12, 13, 8, 12]


def test_a_corrected_outline_keeps_them_while_they_lie_on_it() -> None:
    ring = SQUARE.copy()
    ring[2] = 25, 24
    one = annotation(Polygons((Part(SQUARE),)), {"keypoints": KEYPOINTS, "num_keypoints": 2})
    change, gone = carried(Change(one, Annotation(1, 1, 1, Polygons((Part(ring),)), extra=one.extra)))
    assert (change.after.extra, gone) == (one.extra, [])
    away = Mask(300, 300, np.eye(9, dtype=bool))
    change, gone = carried(Change(one, Annotation(1, 1, 1, away, extra=one.extra)))
    assert (change.after.extra, gone) == (b"", ["keypoints", "num_keypoints"])


def test_what_has_no_geometry_is_left_byte_for_byte() -> None:
    one = Annotation(1, 1, 1, Box(0, 0, 5, 5), extra=b'{"a": 1.10,"keypoints":[]}')
    change = Change(one, Annotation(1, 1, 1, Box(9, 9, 14, 14), extra=one.extra))
    assert carried(change) == (change, [])


def test_a_copy_has_neither_geometry_nor_ids_nor_score() -> None:
    assert json.loads(copied(json.dumps(EXTRA).encode())) == {
        "face_valid": True,
        "note": "[1, 2, 3]",
        "zip": [1.1, 2],
    }


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_outlines_and_masks_turn_alike(orientation: int) -> None:
    bits = np.zeros((40, 80), dtype=bool)
    bits[4:9, 10:30] = True
    turns = {
        1: bits,
        2: bits[:, ::-1],
        3: bits[::-1, ::-1],
        4: bits[::-1],
        5: bits.T,
        6: np.rot90(bits, -1),
        7: bits[::-1, ::-1].T,
        8: np.rot90(bits),
    }
    rows, columns = np.nonzero(turns[orientation])
    expected = Box(float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1)
    change = turning(orientation, 80, 40)
    assert change.shape(Box(10, 4, 30, 9)) == expected
    mask = change.shape(Mask(10, 4, np.ones((5, 20), bool)))
    assert isinstance(mask, Mask)
    assert (mask.x, mask.y, mask.width, mask.height) == (
        expected.x0,
        expected.y0,
        expected.width,
        expected.height,
    )
    both = scaling(2, 3).after(change)
    assert (
        both.points(np.array([[10.0, 4.0]])).tolist()
        == (change.points(np.array([[10.0, 4.0]])) * (2, 3)).tolist()
    )


def test_a_mask_of_half_the_size_doubles_each_pixel() -> None:
    bits = np.array([[True, False, True], [False, True, True]])
    mask = scaling(2, 2).shape(Mask(1, 2, bits))
    assert isinstance(mask, Mask)
    assert (mask.x, mask.y) == (2, 4)
    assert np.array_equal(mask.bits, np.kron(bits, np.ones((2, 2), bool)))


def test_empty_keypoints_stay_empty() -> None:
    assert moved(b"", Affine()) == (b"", [])
    extra, gone = moved(b'{"keypoints":[0,0,0,0,0,0]}', Affine(x0=5))
    assert (json.loads(extra), gone) == ({"keypoints": [0] * 6}, [])
