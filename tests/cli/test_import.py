"""`labeler import` as a person types it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeler.cli.import_labels import import_into
from labeler.errors import ProjectError
from labeler.project.keeping import snapshots
from labeler.project.store import Store
from tests.cli.typed import labeler


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A COCO file of one photo with a good and a bad box, beside the folder `photos` with that photo."""
    (tmp_path / "photos").mkdir()
    assert cv2.imwrite(str(tmp_path / "photos" / "a.png"), np.zeros((30, 40, 3), np.uint8))
    box = {"id": 1, "image_id": 5, "category_id": 2, "segmentation": [], "bbox": [1, 2, 3, 4], "area": 12}
    whole = {
        "images": [{"id": 5, "file_name": "a.png", "width": 40, "height": 30}],
        "categories": [{"id": 2, "name": "cat"}],
        "annotations": [box, box | {"id": 2, "bbox": [1, 2, -3, 4]}],
    }
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(whole))
    return path


def test_a_new_project_is_made(labels: Path, tmp_path: Path) -> None:
    project, kept = tmp_path / "p.labeler", tmp_path / "report.json"
    done = labeler("import", labels, "--images", tmp_path / "photos", project, "--report", kept)
    assert done.returncode == 1  # an item was refused
    assert done.stdout.splitlines() == [
        "labels.json",
        "  images: 1 of 1 taken",
        "  categories: 1 of 1 taken",
        "  annotations: 1 of 2 taken, 1 refused",
    ]
    assert done.stderr == "refused annotations[1].bbox: Its size -3 by 4 is not positive.\n"
    report = json.loads(kept.read_bytes())
    assert report["tallies"]["annotations"] == {
        "total": 2,
        "taken": 1,
        "repaired": 0,
        "refused": 1,
        "skipped": 0,
        "missing": 0,
    }
    assert [item["index"] for item in report["items"]] == [1]
    with Store.open(project, read_only=True) as store:
        (image,) = store.images()
        assert (image.path, image.note) == ("a.png", "")
        assert (store.root / image.path).is_file()
        assert len(store.annotations(image.id)) == 1


def test_again_adds_nothing(labels: Path, tmp_path: Path) -> None:
    project = tmp_path / "p.labeler"
    labeler("import", labels, "--images", tmp_path / "photos", project)
    done = labeler("import", labels, project)
    assert "annotations: 0 of 2 taken, 1 refused, 1 already there" in done.stdout
    with Store.open(project, read_only=True) as store:
        assert len(list(store.all_annotations())) == 1


def test_a_snapshot_goes_before_an_import_into_what_is_there(labels: Path, tmp_path: Path) -> None:
    project = tmp_path / "p.labeler"
    labeler("import", labels, "--images", tmp_path / "photos", project)
    assert snapshots.listed(project) == []
    more = json.loads(labels.read_bytes())
    more["annotations"] = [more["annotations"][0] | {"id": 7, "bbox": [5, 6, 7, 8]}]
    (tmp_path / "more.json").write_text(json.dumps(more))
    labeler("import", tmp_path / "more.json", project)
    (before,) = snapshots.listed(project)
    with Store.open(before, read_only=True) as store:
        assert [annotation.file_id for annotation in store.all_annotations()] == [1]
    labeler("import", tmp_path / "more.json", project)
    assert len(snapshots.listed(project)) == 2
    labeler("import", tmp_path / "more.json", project)
    assert len(snapshots.listed(project)) == 2  # nothing was written in between


def test_an_import_without_a_snapshot_is_not_begun(labels: Path, tmp_path: Path) -> None:
    project = tmp_path / "p.labeler"
    import_into(project, labels, images=tmp_path / "photos")
    for where, folder in zip(("beside", "home"), snapshots.folders(project), strict=True):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text(where)  # no folder can be made here
    revision = _revision(project)
    with pytest.raises(ProjectError, match="Nothing was imported: no snapshot"):
        import_into(project, labels, images=None)
    assert _revision(project) == revision


def _revision(project: Path) -> int:
    with Store.open(project, read_only=True) as store:
        return store.revision


def test_results(labels: Path, tmp_path: Path) -> None:
    project, results = tmp_path / "p.labeler", tmp_path / "scored.json"
    results.write_text(json.dumps([{"image_id": 5, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}]))
    early = labeler("import", "--results", results, project)
    assert early.returncode == 1
    assert "does not exist" in early.stderr
    labeler("import", labels, "--images", tmp_path / "photos", project)
    done = labeler("import", "--results", "--model", "yolo", "--model-version", "8n", results, project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "results: 1 of 1 taken" in done.stdout
    with Store.open(project, read_only=True) as store:
        assert [(model.name, model.version) for model in store.predictions.models()] == [("yolo", "8n")]
        assert len(store.predictions.candidates(store.images()[0].id)) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"annotations": []}', "\0\0"])
def test_a_bad_file_is_one_line_and_leaves_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    done = labeler("import", tmp_path / "bad.json", tmp_path / "p.labeler")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("labeler: ")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["bad.json"]


def test_wrong_use(labels: Path, tmp_path: Path) -> None:
    assert labeler("import", labels).returncode == 2
    assert labeler("import", labels, tmp_path / "project.txt").returncode == 2
    done = labeler("import", labels, tmp_path / "p.labeler", "--images", tmp_path / "none")
    assert done.returncode == 1
    assert "is no folder" in done.stderr
    assert not (tmp_path / "p.labeler").exists()


def test_results_in_a_named_encoding(labels: Path, tmp_path: Path) -> None:
    project, results = tmp_path / "p.labeler", tmp_path / "scored.json"
    labeler("import", labels, "--images", tmp_path / "photos", project)
    row = {"image_id": 5, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5, "note": "\u00e9t\u00e9"}
    results.write_bytes(json.dumps([row], ensure_ascii=False).encode("utf-16-le"))
    command = ["import", "--results", results, project, "--model", "m"]
    wrong = labeler(*command, "--encoding", "nonsense")
    assert (wrong.returncode, "“nonsense” is no encoding" in wrong.stderr) == (1, True)
    done = labeler(*command, "--encoding", "utf-16-le")
    assert (done.returncode, "results: 1 of 1 taken" in done.stdout) == (0, True)


def test_a_photo_that_is_there_twice_by_links_is_said(labels: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "b.png").symlink_to("a.png")
    whole = json.loads(labels.read_text())
    whole["images"].append({"id": 6, "file_name": "b.png", "width": 40, "height": 30})
    whole["annotations"].pop()
    labels.write_text(json.dumps(whole))
    project = tmp_path / "p.labeler"
    done = labeler("import", labels, "--images", tmp_path / "photos", project)
    assert (done.returncode, "images: 2 of 2 taken" in done.stdout) == (0, True)
    assert done.stderr == (
        "told images[1].file_name: Is the photo “a.png” by a link; each name is an image of its own.\n"
    )
