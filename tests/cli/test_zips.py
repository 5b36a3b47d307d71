"""Zips and parts of data sets on the command line."""

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from labeler.cli import run
from labeler.project.store import Store


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zip as CVAT makes it: train and val as COCO, and their photos."""
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as made:
        for part in ("train", "val"):
            photo = tmp_path / f"{part}.png"
            Image.new("RGB", (40, 30)).save(photo)
            made.write(photo, f"images/{part}/{photo.name}")
            photo.unlink()
            labels = {
                "images": [{"id": 1, "file_name": f"{part}.png", "width": 40, "height": 30}],
                "categories": [{"id": 1, "name": "thing"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81}],
            }
            made.writestr(f"annotations/instances_{part}.json", json.dumps(labels))
    return path


def test_all_labels_of_a_zip_come_into_a_project(archive: Path, tmp_path: Path) -> None:
    assert run(["import", str(archive), str(tmp_path / "p.labeler")]) == 0
    with Store.open(tmp_path / "p.labeler", read_only=True) as store:
        assert len(list(store.all_annotations())) == 2
        assert all((store.root / image.path).is_file() for image in store.images())
    assert (tmp_path / "set" / "images" / "train" / "train.png").is_file()


def test_a_zip_without_labels_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("readme.txt", "hello")
    assert run(["import", str(path), str(tmp_path / "p.labeler")]) == 1
    assert "no labels of a known format" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["set.zip"]


def test_converting_a_zip_leaves_only_what_was_asked_for(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["convert", str(archive), str(tmp_path / "out.json")]) == 1
    assert "several labels (instances_train.json, instances_val.json)" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["set.zip"]


def test_a_coco_data_set_is_exported_with_its_photos_and_read_again(archive: Path, tmp_path: Path) -> None:
    project, out = tmp_path / "p.labeler", tmp_path / "out"
    run(["import", str(archive), str(project)])
    order = ["export", str(project), str(out), "--format", "coco", "--photos", "copy", "--split", "folders"]
    assert run(order) == 0
    assert (out / "images" / "val" / "val.png").is_file()
    assert run(["import", str(out / "annotations" / "instances_val.json"), str(tmp_path / "q.labeler")]) == 0
    assert run(order) == 1  # nobody said that it may be written over
    assert run([*order, "--force"]) == 0


def test_only_named_categories_are_exported(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "p.labeler"
    run(["import", str(archive), str(project)])
    assert run(["export", str(project), str(tmp_path / "o.json"), "--categories", "thing"]) == 0
    assert len(json.loads((tmp_path / "o.json").read_bytes())["annotations"]) == 2
    assert run(["export", str(project), str(tmp_path / "n.json"), "--categories", "thin"]) == 1
    assert "no category “thin”; there are: thing" in capsys.readouterr().err


def test_the_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["formats"]) == 0
    assert "coco" in capsys.readouterr().out
    assert run(["formats", "--json"]) == 0
    assert {"id", "written", "folder"} <= json.loads(capsys.readouterr().out)[0].keys()
    assert run(["import", "x.json", "p.labeler", "--from", "nothing"]) == 1
    assert "There is no format “nothing”" in capsys.readouterr().err
