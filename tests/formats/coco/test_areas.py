"""Areas that are not those of their shapes: worked out anew, or kept where that is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from labeler.core.geometry import translated
from labeler.core.records import Change, Edit
from labeler.formats.export import export_coco
from labeler.formats.report import Report
from labeler.formats.write_options import Writing
from labeler.project.store import Store
from tests.in_one_go import import_coco

AREA = 3000
SHAPES: dict[str, dict[str, object]] = {
    "box": {"segmentation": []},
    "polygon": {"segmentation": [[1, 1, 21, 1, 1, 21]]},
    "flat list": {"segmentation": [1, 1, 21, 1, 1, 21]},
    "two parts": {"segmentation": [[1, 1, 9, 1, 1, 9], [12, 12, 21, 12, 12, 21]]},
    "mask": {"segmentation": {"size": [60, 80], "counts": [65, 5, 55, 5, 4670]}, "bbox": [1, 5, 2, 5]},
    "wrong bbox": {"segmentation": [[1, 1, 21, 1, 1, 21]], "bbox": [0, 0, 70, 50]},
}


def document(more: dict[str, object], area: object = AREA) -> dict[str, Any]:
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 20], "area": area, "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 80, "height": 60}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [one | more],
    }


def taken(store: Store, path: Path, content: object, **options: Any) -> Report:
    path.write_text(json.dumps(content))
    return import_coco(store, path, **options)


def area(store: Store, **writing: Any) -> float:
    (row,) = json.loads(export_coco(store, writing=Writing(**writing))[0])["annotations"]
    return float(row["area"])


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "p.labeler") as opened:
        opened.set_root(tmp_path)
        yield opened


@pytest.mark.parametrize("name", SHAPES)
def test_the_files_area_is_kept_through_every_export_and_back(
    store: Store, tmp_path: Path, name: str
) -> None:
    report = taken(store, tmp_path / "l.json", document(SHAPES[name]), area="file")
    assert "1 object keeps the file's area" in report.text()
    for writing in ({}, {"masks": "rle"}, {"boxes": "empty"}, {"as_read": True}):
        assert area(store, **writing) == AREA
    exported = json.loads(export_coco(store)[0])
    with Store.open(tmp_path / "again.labeler") as again:
        taken(again, tmp_path / "out.json", exported)
        assert area(again) == AREA


@pytest.mark.parametrize("name", SHAPES)
def test_without_that_it_is_worked_out_anew(store: Store, tmp_path: Path, name: str) -> None:
    report = taken(store, tmp_path / "l.json", document(SHAPES[name]))
    assert "worked out anew" in report.text()
    assert area(store) < 500


def test_an_object_that_is_changed_has_its_own_area(store: Store, tmp_path: Path) -> None:
    taken(store, tmp_path / "l.json", document(SHAPES["polygon"]), area="file")
    (one,) = store.all_annotations()
    store.apply(Edit("Move", (Change(one, replace(one, shape=translated(one.shape, 3, 0))),)))
    assert area(store) == 200


@pytest.mark.parametrize("bad", [-5, 0, "many", None])
def test_what_is_no_area_is_never_kept(store: Store, tmp_path: Path, bad: object) -> None:
    taken(store, tmp_path / "l.json", document(SHAPES["polygon"], bad), area="file")
    assert area(store) == 200


def test_the_areas_can_be_taken_afterwards_in_one_step_that_is_undone(store: Store, tmp_path: Path) -> None:
    content = document(SHAPES["polygon"])
    taken(store, tmp_path / "l.json", content)
    report = taken(store, tmp_path / "l.json", content, area="file")
    assert (report.tallies["annotations"].repaired, len(list(store.all_annotations()))) == (1, 1)
    assert area(store) == AREA
    assert taken(store, tmp_path / "l.json", content, area="file").tallies["annotations"].skipped == 1
    store.history.undo()
    assert area(store) == 200
