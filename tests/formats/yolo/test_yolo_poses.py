"""Poses out and in again: the keypoints of each object, what data.yaml says of them, and what is lost."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.core.records import Annotation, Box, Category, Image
from labeler.formats.data_set import Wanted, losses, write_data_set
from labeler.formats.placement import read_placed_coco
from labeler.formats.spec import Dataset
from labeler.formats.yolo import yolo_poses
from labeler.formats.yolo.yolo_format import yolo, yolo_pose
from labeler.formats.yolo.yolo_reading import POSE
from tests.formats.round_trip_law import came_back

HAND = ["wrist", "left_tip", "right_tip"]
POINTS = [10.0, 15, 2, 20, 7.5, 1, 0, 0, 0]


def category(number: int, name: str, points: list[str] | None) -> Category:
    extra = json.dumps({"keypoints": points, "skeleton": [[1, 2]]}).encode() if points else b""
    return Category(number, name, "", extra=extra)


def hands(*points: list[float] | None, names: list[str] | None = HAND, classes: int = 1) -> Dataset:
    """A box each on a photo of 40 by 30, with these keypoints."""
    rows = [{} if one is None else {"keypoints": one, "num_keypoints": 2, "area": 5} for one in points]
    return Dataset(
        (Image(1, "a.png", 40, 30),),
        tuple(category(n, f"class {n}", names if n == 1 else None) for n in range(1, classes + 1)),
        tuple(
            Annotation(n, 1, 1, Box(4, 3, 24, 18), extra=json.dumps(row).encode() if row else b"")
            for n, row in enumerate(rows, 1)
        ),
    )


def written(dataset: Dataset, out: Path) -> tuple[list[str], dict[str, object], set[str]]:
    """The lines, what data.yaml says of keypoints, and what is told."""
    done = write_data_set(yolo_pose, Wanted(dataset, out))
    said = yaml.safe_load((out / "data.yaml").read_text("utf-8"))
    about = {key: said.get(key) for key in ("kpt_shape", "flip_idx", "kpt_names")}
    lines = (out / "labels/train/a.txt").read_text().splitlines()
    return lines, about, {note.sentence for note in done.report.items if note.field == "keypoints"}


def test_a_line_has_the_box_and_its_keypoints(tmp_path: Path) -> None:
    lines, about, told = written(hands(POINTS), tmp_path / "out")
    assert lines == ["0 0.35 0.35 0.5 0.5 0.25 0.5 2 0.5 0.25 1 0 0 0"]
    assert about == {"kpt_shape": [3, 3], "flip_idx": [0, 2, 1], "kpt_names": {0: HAND}}
    assert told == set()
    (skeleton,) = losses(yolo_pose, hands(POINTS)).items
    assert "has a skeleton, the lines between its keypoints, which is left out" in skeleton.sentence
    assert any("keypoints”" in note.sentence for note in losses(yolo, hands(POINTS)).items)


@pytest.mark.parametrize(
    ("points", "line", "told"),
    [
        (None, "0 0 0 0 0 0 0 0 0", yolo_poses.NONE),
        ([10.0, 15, 2], "0.25 0.5 2 0 0 0 0 0 0", yolo_poses.FEWER.format(1, 3)),
        ([10.0, 15, 2, 41, 7.5, 2, 5, -1, 1], "0.25 0.5 2 0 0 0 0 0 0", yolo_poses.OUTSIDE),
        ([10.0, 15, 7, 1, 1, 1, 1, 1, 1], "0 0 0 0 0 0 0 0 0", yolo_poses.NONE),
    ],
    ids=["none", "fewer", "outside", "no keypoints of COCO"],
)
def test_every_line_is_as_long_as_the_others(
    points: list[float] | None, line: str, told: str, tmp_path: Path
) -> None:
    lines, _, said = written(hands(POINTS, points), tmp_path / "out")
    assert lines[1].removeprefix("0 0.35 0.35 0.5 0.5 ") == line
    assert said == {told}


@pytest.mark.parametrize(
    ("names", "flips"),
    [
        (["nose", "Left Eye", "Right Eye"], (0, 2, 1)),
        (["L_hip", "R_hip", "neck"], (1, 0, 2)),
        (["left_hip", "right_hip", "left_toe"], ()),
        (["nose", "tail", "ear"], ()),
    ],
)
def test_what_a_keypoint_is_in_a_mirror(names: list[str], flips: tuple[int, ...]) -> None:
    assert yolo_poses.mirrored(names) == flips


def test_a_class_without_names_has_some_all_the_same_and_is_not_mirrored(tmp_path: Path) -> None:
    _, about, _ = written(hands(POINTS, classes=2), tmp_path / "two")
    plain = ["point 1", "point 2", "point 3"]
    assert about == {"kpt_shape": [3, 3], "flip_idx": None, "kpt_names": {0: HAND, 1: plain}}
    _, about, _ = written(hands(POINTS, names=None), tmp_path / "none")
    assert about == {"kpt_shape": [3, 3], "flip_idx": None, "kpt_names": None}


def test_without_poses_they_are_boxes_which_is_told(tmp_path: Path) -> None:
    done = write_data_set(yolo_pose, Wanted(hands(None, names=None), tmp_path / "out"))
    assert yolo_poses.NO_POSES in {note.sentence for note in done.report.items}
    assert (tmp_path / "out/labels/train/a.txt").read_text() == "0 0.35 0.35 0.5 0.5\n"


POINT = st.tuples(st.integers(1, 40), st.integers(1, 30), st.sampled_from((1, 2))) | st.just((0, 0, 0))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(POINT, min_size=4, max_size=4), min_size=1, max_size=4))
def test_keypoints_come_back(points: list[list[tuple[int, int, int]]]) -> None:
    flat = [[float(n) for point in one for n in point] for one in points]
    back, report, _ = came_back(yolo_pose, hands(*flat, names=["a", "b", "c", "d"]))
    assert [json.loads(one.extra)["keypoints"] for one in back.annotations] == flat
    assert json.loads(back.categories[0].extra)["keypoints"] == ["a", "b", "c", "d"]
    assert {note.sentence for note in report.items} == {POSE}


def test_poses_of_a_coco_file_become_yolos_and_come_back(tmp_path: Path) -> None:
    """What others make of COCO's keypoints: a project's are those of the file."""
    rows = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 3, 20, 15], "keypoints": POINTS}]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "categories": [{"id": 1, "name": "hand", "keypoints": HAND}],
        "annotations": rows,
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    dataset, _, _ = read_placed_coco(tmp_path / "a.json")
    lines, about, told = written(dataset, tmp_path / "out")
    assert lines == ["0 0.35 0.35 0.5 0.5 0.25 0.5 2 0.5 0.25 1 0 0 0"]
    assert (about["kpt_names"], told) == ({0: HAND}, set())
