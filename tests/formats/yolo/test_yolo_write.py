"""What is written as YOLO: the round trip, the parts of data.yaml, and through the command line."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml as yaml_library
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Category, Image
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.spec import Dataset, FormatSpec
from labeler.formats.yolo import yolo_format
from labeler.formats.yolo.yolo_format import yolo, yolo_seg
from tests.formats.conftest import Files
from tests.formats.round_trip_law import agree, came_back, datasets

LaidOut = Callable[[Files], Path]

SPECS = pytest.mark.parametrize("spec", [yolo, yolo_seg], ids=lambda spec: spec.id)


@SPECS
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_written_comes_back(spec: FormatSpec, data: st.DataObject) -> None:
    dataset = data.draw(datasets())
    named = data.draw(st.sampled_from([{}, {1: "train", 2: "val", 3: "test"}, {1: "val", 2: "berlin"}]))
    parts = {image.id: named.get(image.id, "") for image in dataset.images} if named else {}
    photos = data.draw(st.sampled_from(("copied", "left")))
    back, report, held = came_back(spec, dataset, photos=photos, parts=parts)
    assert report.refused == 0
    assert len(back.images) == len(dataset.images)
    assert [one.name for one in back.categories] == [one.name for one in dataset.categories]
    assert [one.file_id for one in back.categories] == list(range(len(back.categories)))
    agree(back, held)


ONE = Dataset(
    (Image(1, "a.png", 40, 30), Image(2, "b.png", 40, 30)),
    (Category(1, "no", ""), Category(2, "key: [value] # “x”", ""), Category(3, "'", "")),
    (Annotation(1, 1, 2, Box(0, 0, 20, 15)),),
)


def settings_of(folder: Path) -> dict[str, object]:
    found = yaml_library.safe_load((folder / "data.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def written(out: Path, parts: dict[int, str], dataset: Dataset = ONE) -> list[str]:
    """Write it without photos; what was told of the whole."""
    done = write_data_set(yolo, Wanted(dataset, out, {}, parts))
    return [note.sentence for note in done.report.items if note.kind == "file"]


def test_classes_keep_their_order_and_any_name(tmp_path: Path) -> None:
    assert written(tmp_path / "out", {}) == [yolo_format.LEFT]
    found = settings_of(tmp_path / "out")
    assert found["names"] == {0: "no", 1: "key: [value] # “x”", 2: "'"}
    assert "path" not in found
    assert (tmp_path / "out/labels/train/a.txt").read_text() == "1 0.25 0.25 0.5 0.5\n"
    assert (tmp_path / "out/labels/train/b.txt").read_text() == ""


@pytest.mark.parametrize(
    ("names", "train", "val", "rest"),
    [
        (("", ""), "images/train", "images/train", None),
        (("train", "val"), "images/train", "images/val", None),
        (("training", "valid"), "images/training", "images/valid", None),
        (("val", "val"), "images/val", "images/val", None),
        (("train", "rest"), "images/train", "images/train", "images/rest"),
        (("berlin", "paris"), ["images/berlin", "images/paris"], ["images/berlin", "images/paris"], None),
        (("test", "train"), "images/train", "images/train", None),
    ],
)
def test_data_yaml_always_has_what_to_train_and_to_judge_on(
    tmp_path: Path, names: Sequence[str], train: object, val: object, rest: object
) -> None:
    told = written(tmp_path / "out", dict(enumerate(names, 1)))
    found = settings_of(tmp_path / "out")
    assert (found["train"], found["val"], found.get("rest")) == (train, val, rest)
    assert any("no key for the part" in sentence for sentence in told) == (rest is not None)


def test_the_same_labels_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, {1: "train", 2: "val"})
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_data_set_without_objects_or_classes_is_one_too(tmp_path: Path) -> None:
    empty = replace(ONE, annotations=(), categories=())
    written(tmp_path / "out", {}, empty)
    assert settings_of(tmp_path / "out")["names"] == {}


PARTED = (("a", "train"), ("b", "val"), ("c", "train"))


def labeler(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labeler", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_parts_that_only_lists_name_are_kept(tmp_path: Path, laid_out: LaidOut) -> None:
    root = laid_out(
        {
            "data.yaml": "train: train.txt\nval: valid.txt\nnames: [cat]\n",
            "train.txt": "./images/a.jpg\n./images/c.jpg\n",
            "valid.txt": "./images/b.jpg\n",
            **{f"images/{name}.jpg": (80, 60) for name in "abc"},
            "labels/a.txt": "0 0.5 0.5 0.25 0.5\n",
        }
    )
    project, out = tmp_path / "p.labeler", tmp_path / "out"
    assert labeler("import", root, project).returncode == 0
    for form in ("yolo", "coco"):
        done = labeler(
            "export", project, out / form, "--format", form, "--photos", "link", "--split", "folders"
        )
        assert done.returncode == 0, done.stderr
        for name, part in PARTED:
            assert (out / form / f"images/{part}/{name}.jpg").is_symlink()
    back = labeler("convert", root, tmp_path / "again", "--to", "voc")
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "again/ImageSets/Main/val.txt").read_text() == "b\n"


def test_from_one_kind_of_yolo_to_a_project_and_to_the_other(tmp_path: Path, laid_out: LaidOut) -> None:
    root = laid_out(
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnames: ['cat', 'dog']\n",
            "train/images/a.jpg": (80, 60),
            "train/labels/a.txt": "1 0.1 0.1 0.5 0.1 0.5 0.6\n",
            "valid/images/b.jpg": (80, 60),
            "valid/labels/b.txt": "0 0.5 0.5 0.25 0.5\n",
        }
    )
    project, out, again = tmp_path / "p.labeler", tmp_path / "out", tmp_path / "again"
    done = labeler("import", root, project)
    assert (done.returncode, done.stderr) == (0, "")
    done = labeler("export", project, out, "--format", "yolo", "--photos", "copy", "--split", "folders")
    assert done.returncode == 0
    assert "only the box is written" in done.stderr
    assert (out / "labels/train/a.txt").read_text() == "1 0.3 0.35 0.4 0.5\n"
    assert (out / "labels/valid/b.txt").read_text() == "0 0.5 0.5 0.25 0.5\n"
    assert (out / "images/valid/b.jpg").read_bytes() == (root / "valid/images/b.jpg").read_bytes()
    assert settings_of(out) == {
        "train": "images/train",
        "val": "images/valid",
        "names": {0: "cat", 1: "dog"},
    }
    done = labeler("convert", out, again, "--to", "yolo-seg", "--photos", "link")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    text = (again / "labels/train/a.txt").read_text()
    assert text == "1 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6\n"
    assert (again / "images/val/b.jpg").is_symlink()
    refused = labeler("convert", out, again, "--to", "yolo")
    assert refused.returncode == 1
    assert "--force" in refused.stderr
