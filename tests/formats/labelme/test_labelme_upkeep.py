"""A labelme file kept up to date: only what a person changed changes in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from labeler.core.geometry import translated
from labeler.core.records import Annotation, Box, Category, Image, Part, Polygons
from labeler.errors import FormatError
from labeler.formats.door import read_by
from labeler.formats.labelme.labelme_format import labelme
from labeler.formats.labelme.labelme_upkeep import ChangedOutsideError, keep_up, mark_of, updated
from labeler.formats.spec import Dataset
from tests.formats.labelme.samples import document, mask_text, shape
from tests.formats.round_trip_law import datasets

PHOTO = "a.jpg"
ODD = document(
    shape("cat", [[20.100, 10], [50, 1e1], [50, 40]], mine={"a": [1.50, 2]}, flags={"far": True}),
    shape("cat", [[1, 2], [3, 4]], "line"),
    shape("dog", [[30, 30], [10, 5]], "rectangle", description="by hand"),
    shape("dog", [[1, 1]]),
    shape("ring", [[40, 30], [44, 33]], "circle"),
    shape("blob", [[3, 4], [5, 5]], "mask", mask=mask_text(np.array([[1, 0, 1], [0, 1, 1]]))),
    shape("two", [[0, 0], [9, 0], [9, 9]], group_id=7),
    shape("two", [[20, 0], [29, 0], [29, 9]], group_id=7),
    version="2.4.1",
    imageData="AAAA",
    checked=True,
)


def read(path: Path) -> tuple[Image, list[Annotation], tuple[Category, ...]]:
    dataset = read_by(labelme, path).dataset
    return replace(dataset.images[0], width=80, height=60), list(dataset.annotations), dataset.categories


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ODD), "utf-8")
    return path


def shapes(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["shapes"]
    return found


def test_what_nobody_touched_is_not_written(odd: Path) -> None:
    image, annotations, categories = read(odd)
    assert len(annotations) == 5
    before, stood = odd.read_bytes(), odd.stat().st_mtime_ns
    kept = keep_up(odd, image, annotations, categories, photo=PHOTO, seen=mark_of(odd))
    assert not kept.is_written
    assert (odd.read_bytes(), odd.stat().st_mtime_ns) == (before, stood)
    assert kept.mark == mark_of(odd)


@pytest.mark.parametrize("said", [{"imageHeight": None}, {"imageWidth": 81}, {"imageHeight": 60.0}])
def test_a_file_of_another_size_is_not_written_for_that_alone(odd: Path, said: dict[str, Any]) -> None:
    odd.write_text(json.dumps(ODD | said), "utf-8")
    image, annotations, categories = read(odd)
    assert not keep_up(odd, image, annotations, categories, photo=PHOTO, seen=mark_of(odd)).is_written
    kept = keep_up(odd, image, annotations[1:], categories, photo=PHOTO, seen=mark_of(odd))
    after = json.loads(odd.read_text("utf-8"))
    assert (after["imageHeight"], after["imageWidth"]) == (60, 80)
    assert bool(kept.notes) == ("imageWidth" in said or said["imageHeight"] is not None)


def test_only_what_changed_changes(odd: Path) -> None:
    image, annotations, categories = read(odd)
    annotations[1] = replace(annotations[1], shape=Box(11, 5, 30, 30))
    keep_up(odd, image, annotations, categories, photo=PHOTO, seen=mark_of(odd))
    after = json.loads(odd.read_text("utf-8"))
    assert {k: v for k, v in after.items() if k != "shapes"} == {
        k: v for k, v in ODD.items() if k != "shapes"
    }
    assert list(after) == list(ODD)
    changed = [n for n, (a, b) in enumerate(zip(after["shapes"], ODD["shapes"], strict=True)) if a != b]
    assert changed == [2]
    assert after["shapes"][2]["points"] == [[11, 5], [30, 30]]
    assert after["shapes"][2]["description"] == "by hand"
    assert b"20.1" in odd.read_bytes()


def test_deleted_and_new_objects(odd: Path) -> None:
    image, annotations, categories = read(odd)
    new = Annotation(99, 1, annotations[0].category_id, Box(60, 1, 70, 9))
    keep_up(odd, image, [annotations[0], new, *annotations[2:]], categories, photo=PHOTO, seen=mark_of(odd))
    kinds = [one["shape_type"] for one in shapes(odd)]
    assert kinds == ["polygon", "line", "rectangle", "polygon", "circle", "mask", "polygon", "polygon"]
    assert shapes(odd)[3] == ODD["shapes"][3]  # one that cannot be read is nobody's to delete


def test_parts_of_one_object_go_together(odd: Path) -> None:
    image, annotations, categories = read(odd)
    moved = replace(annotations[-1], shape=translated(annotations[-1].shape, 1, 1))
    keep_up(odd, image, [*annotations[:-1], moved], categories, photo=PHOTO, seen=mark_of(odd))
    two = [one for one in shapes(odd) if one["label"] == "two"]
    assert [one["group_id"] for one in two] == [7, 7]
    assert two[0]["points"][0] == [1, 1]


def test_new_parts_get_a_group_that_is_free(odd: Path) -> None:
    image, annotations, categories = read(odd)
    two = annotations[-1]
    copy = replace(two, id=50, shape=translated(two.shape, 0, 30))
    keep_up(odd, image, [*annotations, copy], categories, photo=PHOTO, seen=mark_of(odd))
    groups = [one["group_id"] for one in shapes(odd) if one["label"] == "two"]
    assert groups[:2] == [7, 7]
    assert groups[2] == groups[3] != 7


def test_a_changed_circle_is_an_outline(odd: Path) -> None:
    image, annotations, categories = read(odd)
    ring = annotations[2]
    assert isinstance(ring.shape, Polygons)
    bent = Polygons((Part(ring.shape.parts[0].outer[:-3]),))
    annotations[2] = replace(ring, shape=bent)
    keep_up(odd, image, annotations, categories, photo=PHOTO, seen=mark_of(odd))
    assert shapes(odd)[4]["shape_type"] == "polygon"


def test_another_program_s_file_is_not_written_over(odd: Path) -> None:
    image, annotations, categories = read(odd)
    seen = mark_of(odd)
    odd.write_text(json.dumps(ODD | {"checked": False}), "utf-8")
    before = odd.read_bytes()
    with pytest.raises(ChangedOutsideError, match="changed by another program"):
        keep_up(odd, image, [], categories, photo=PHOTO, seen=seen)
    with pytest.raises(ChangedOutsideError):
        keep_up(odd, image, [], categories, photo=PHOTO, seen="")
    assert odd.read_bytes() == before
    odd.unlink()
    with pytest.raises(ChangedOutsideError):
        keep_up(odd, image, annotations, categories, photo=PHOTO, seen=seen)
    assert not odd.exists()


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", '{"shapes": 3}', '{"shapes": [', '{"shapes": [NaN]}', "\xff"]
)
def test_what_is_no_labelme_file_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match="left as it is") as error:
        keep_up(path, Image(1, PHOTO, 80, 60), [], [], photo=PHOTO, seen=mark_of(path))
    assert "\n" not in str(error.value)
    assert path.read_bytes() == text.encode("latin-1")


def test_a_full_disk_leaves_the_file(odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, _, categories = read(odd)
    before = odd.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labeler.core.files.os.fsync", full)
    with pytest.raises(FormatError, match="cannot be written"):
        keep_up(odd, image, [], categories, photo=PHOTO, seen=mark_of(odd))
    assert odd.read_bytes() == before
    assert list(odd.parent.iterdir()) == [odd]


def test_a_new_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    one = Annotation(1, 1, 1, Box(1, 2, 30, 40))
    kept = keep_up(path, Image(1, PHOTO, 80, 60), [one], [Category(1, "cat", "")], photo=PHOTO, seen="")
    assert kept.is_written
    image, annotations, _ = read(path)
    assert (image.path, annotations[0].shape) == (PHOTO, Box(1, 2, 30, 40))


@settings(max_examples=30, deadline=None)
@given(dataset=datasets(), other=datasets())
def test_any_labels_after_any_labels(dataset: Dataset, other: Dataset) -> None:
    """Written over another state or afresh, the objects are the same; and once more changes nothing."""
    image = dataset.images[0]
    mine = [one for one in dataset.annotations if one.image_id == image.id]
    theirs = [one for one in other.annotations if one.image_id == other.images[0].id]
    before, _ = updated(None, image, theirs, other.categories, photo=PHOTO)
    afresh, _ = updated(None, image, mine, dataset.categories, photo=PHOTO)
    over, _ = updated(before, image, mine, dataset.categories, photo=PHOTO)

    def told(data: bytes) -> list[str]:
        return sorted(json.dumps([s["label"], s["points"], s["mask"]]) for s in json.loads(data)["shapes"])

    assert told(over) == told(afresh)
