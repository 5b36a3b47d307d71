"""Labels in parts: nothing in both, copies on one side, and as a run was trained."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.photos.photo_files import fingerprint
from labeler.core.records import Annotation, Box, Category, Change, Edit, Image
from labeler.errors import FormatError, LabelerError
from labeler.formats.coco.coco_format import coco
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.spec import Dataset, come_from
from labeler.project.store import Store
from labeler.training.labels_out import (
    Delivery,
    Order,
    ThereAlreadyError,
    by_folders,
    deliver,
    expected_files,
)
from labeler.training.preparation import prepare
from labeler.training.run import RunFolder, RunSpec
from tests.in_one_go import import_coco

COUNT = 12


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Twelve photos, each with a copy under another name; a box on each."""
    path = tmp_path / "photos" / "labels.labeler"
    path.parent.mkdir()
    records: list[Image | Annotation | Category] = [Category(1, "cat", "#ffffff")]
    random = np.random.default_rng(3)
    for n in range(1, COUNT + 1):
        pixels = random.integers(0, 255, (6, 8, 3), np.uint8)
        pixels = cv2.resize(pixels, (80, 60), interpolation=cv2.INTER_NEAREST)
        for number, name in ((n, f"p{n}.png"), (n + COUNT, f"again{n}.jpg")):
            assert cv2.imwrite(str(path.parent / name), pixels)
            records += [Image(number, name, 80, 60), Annotation(number, number, 1, Box(3, 4, 30, 40))]
    with Store.open(path) as store:
        store.apply(Edit("Make", tuple(Change(None, record) for record in records)))
    return path


def parts_of(delivery: Delivery) -> dict[str, dict[str, int]]:
    """Image names with their ids, by the name of the file."""
    return {
        path.stem: {one["file_name"]: one["id"] for one in json.loads(path.read_bytes())["images"]}
        for path in delivery.files
    }


def test_a_share_keeps_copies_together_and_loses_nothing(project: Path, tmp_path: Path) -> None:
    order = Order(tmp_path / "out.json", parts="share", share=0.25, over=None)
    delivery = deliver(project, order)
    assert set(delivery.files) == set(expected_files(order, []))
    assert not delivery.report.items
    parts = parts_of(delivery)
    train, val = parts["out-train"], parts["out-val"]
    assert len(train) + len(val) == 2 * COUNT
    assert 4 <= len(val) <= 8
    for n in range(1, COUNT + 1):
        assert (f"p{n}.png" in val) == (f"again{n}.jpg" in val)
    assert not set(train.values()) & set(val.values())
    assert parts_of(deliver(project, order)) == parts
    assert parts_of(deliver(project, replace(order, seed=9))) != parts


def test_parts_go_into_a_project_again_as_one(project: Path, tmp_path: Path) -> None:
    delivery = deliver(project, Order(tmp_path / "out.json", parts="share"))
    with Store.open(tmp_path / "photos" / "again.labeler") as store:
        for path in delivery.files:
            assert not import_coco(store, path, images=project.parent).refused
        assert len(store.images()) == len(list(store.all_annotations())) == 2 * COUNT


def test_folders_are_those_below_what_all_share() -> None:
    paths = ["data/train/a.jpg", "data/train/x/b.jpg", "data/val/c.jpg", "data/d.jpg"]
    images = [Image(n, path, 9, 9) for n, path in enumerate(paths)]
    assert by_folders(images) == {0: "train", 1: "train", 2: "val", 3: "rest"}
    named = Image(7, "d.jpg", 9, 9, extra=b'{"file_name": "data\\\\val\\\\d.jpg"}')
    assert by_folders([*images, named])[7] == "val"
    assert by_folders([]) == {}


def test_what_a_labels_file_said_goes_before_folders() -> None:
    said = [
        b'{"split": "val"}',
        b'{"voc": {"sets": ["small", "train"]}}',
        b'{"voc": {"sets": ["trainval"]}}',
        b'{"cvat": {"subset": "../x"}}',
        b'{"split": 3, "voc": [], "cvat": null}',
        b'{"split": ".."}',
    ]
    images = [Image(n, f"all/{n}.jpg", 9, 9, extra=extra) for n, extra in enumerate(said)]
    images.append(Image(9, "all/more/9.jpg", 9, 9))
    parts = by_folders(images)
    assert parts == {0: "val", 1: "train", 2: "trainval", 3: "_x", 4: "rest", 5: "rest", 9: "more"}


def test_a_folder_of_any_name_makes_a_file() -> None:
    images = [Image(n, f"{name}/a.jpg", 9, 9) for n, name in enumerate(["C:", "a?b", "plain"])]
    assert by_folders(images) == {0: "C_", 1: "a_b", 2: "plain"}


def trained(project: Path, tmp_path: Path) -> RunFolder:
    """A run on all images of the project but number 5."""
    with Store.open(project, read_only=True) as store:
        images = [one for one in store.images() if one.id != 5]
        placed = tuple(Image(one.id, str(store.root / one.path), 80, 60) for one in images)
        annotations = tuple(one for one in store.all_annotations() if one.image_id != 5)
        data, _ = write_coco(Dataset(placed, tuple(store.categories()), annotations))
    folder = RunFolder.create(tmp_path / "run", RunSpec(id="r", name="cats", trainer="t"))
    folder.source.write_bytes(data)
    prepare(folder, lambda _: None, lambda: False)
    return folder


def test_as_a_run_was_trained(project: Path, tmp_path: Path) -> None:
    folder = trained(project, tmp_path)
    parts = parts_of(deliver(project, Order(tmp_path / "out.json", parts="run", run=folder.path)))
    assert parts["out-rest"] == {"p5.png": 5}
    validation = {one["id"] for one in json.loads(folder.validation_labels.read_bytes())["images"]}
    assert validation
    assert set(parts["out-val"].values()) == validation
    assert len(parts["out-train"]) == 2 * COUNT - 1 - len(validation)


@pytest.mark.parametrize("spoil", [shutil.rmtree, lambda run: (run / "held_out.json").unlink()])
def test_a_run_that_is_not_there_is_one_sentence(
    project: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = RunFolder.create(tmp_path / "run", RunSpec(id="r", name="cats", trainer="t"))
    for path in (folder.source, folder.train_labels, folder.validation_labels):
        path.write_text('{"images": [], "annotations": [], "categories": []}')
    spoil(folder.path)
    with pytest.raises(LabelerError) as caught:
        deliver(project, Order(tmp_path / "out.json", parts="run", run=folder.path))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("how", "there"),
    [("", "out.json"), ("share", "out-val.json"), ("folders", "out-rest.json"), ("run", "out-rest.json")],
)
def test_nothing_is_written_over_unasked(project: Path, tmp_path: Path, how: Any, there: str) -> None:
    run = trained(project, tmp_path).path if how == "run" else None
    old = tmp_path / there
    old.write_text("a day's work")
    order = Order(tmp_path / "out.json", parts=how, run=run)
    with pytest.raises(ThereAlreadyError, match=f"{there}.* there already") as caught:
        deliver(project, order)
    assert caught.value.paths == (old,)
    assert old.read_text() == "a day's work"
    assert list(tmp_path.glob("out*")) == [old], "not even the parts that were not there"
    with Store.open(project, read_only=True) as store:
        assert old in expected_files(order, store.images())
    delivery = deliver(project, replace(order, over=frozenset([old])))
    assert old in delivery.files
    assert "a day's work" not in old.read_text()


@pytest.mark.parametrize("agreed", [None, frozenset()])
def test_a_project_is_never_written_over(project: Path, tmp_path: Path, agreed: Any) -> None:
    before = project.read_bytes()
    (tmp_path / "link.json").symlink_to(project)
    for out in (project, tmp_path / "link.json"):
        with pytest.raises(LabelerError, match="name of a project"):
            deliver(project, Order(out, over=agreed))
    assert project.read_bytes() == before


def test_a_photo_of_which_only_the_middle_changed_is_told(project: Path, tmp_path: Path) -> None:
    photo = project.parent / "large.bmp"
    assert cv2.imwrite(str(photo), np.zeros((400, 400, 3), np.uint8))
    with Store.open(project) as store:
        known = fingerprint(photo)
        large = Image(99, "large.bmp", 400, 400, digest=known.digest)
        store.apply(Edit("Make", (Change(None, large),)))
        store.photos.keep([(99, large.path, known)])
    order = Order(tmp_path / "out.json", over=None)
    assert not deliver(project, order).report.items
    data = bytearray(photo.read_bytes())
    data[len(data) // 2] ^= 255
    photo.write_bytes(data)
    os.utime(photo, ns=(known.modified, known.modified + 1))
    assert fingerprint(photo, whole=False).digest == known.digest, "its ends are what they were"
    delivery = deliver(project, order)
    (note,) = delivery.report.items
    assert "another photo" in note.sentence
    assert delivery.where(note) == "large.bmp"


def test_photos_of_the_time_and_size_that_are_known_are_not_read_again(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(project) as store:
        found = [(one.id, one.path, fingerprint(store.root / one.path)) for one in store.images()]
        store.photos.keep(found)
    read: list[Path] = []

    def counted(path: Path, **_: bool) -> Any:
        read.append(path)
        return fingerprint(path)

    monkeypatch.setattr("labeler.formats.photo_checks.fingerprint", counted)
    deliver(project, Order(tmp_path / "out.json"))
    assert not read
    (project.parent / "p3.png").touch()
    assert not deliver(project, Order(tmp_path / "again.json")).report.items
    assert [path.name for path in read] == ["p3.png"]


def test_what_a_note_is_about_is_named_by_its_photo(project: Path, tmp_path: Path) -> None:
    with Store.open(project) as store:
        first = next(one for one in store.images() if one.id == 2)
        out = Annotation(77, first.id, 1, Box(70, 3, 95, 40))
        store.apply(Edit("Add", (Change(None, out),)))
    delivery = deliver(project, Order(tmp_path / "out.json"))
    (note,) = delivery.report.items
    assert delivery.where(note) == "p2.png, object 2"


def test_photos_do_not_come_along_to_where_they_would_be_new_ones(project: Path) -> None:
    with Store.open(project, read_only=True) as store:
        root = store.root
    order = Order(root / "set", format="coco", photos="copied")
    come_from(lambda: (coco,))
    try:
        with pytest.raises(FormatError, match="choose a place outside"):
            deliver(project, order)
        assert deliver(project, replace(order, out=root.parent / "set")).files == (root.parent / "set",)
    finally:
        come_from(tuple)
    assert not (root / "set").exists()
