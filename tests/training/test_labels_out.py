"""Labels in parts: nothing in both, copies on one side, and as a run was trained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeler.core.records import Annotation, Box, Category, Change, Edit, Image
from labeler.errors import LabelerError
from labeler.formats.coco import Dataset
from labeler.formats.coco_writing import write_coco
from labeler.formats.exchange import import_coco
from labeler.project.store import Store
from labeler.training.labels_out import Delivery, Order, by_folders, deliver, expected_files
from labeler.training.preparing import prepare
from labeler.training.run import RunFolder, RunSpec

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
    order = Order(tmp_path / "out.json", parts="share", share=0.25)
    delivery = deliver(project, order)
    assert delivery.files == expected_files(order)
    assert not delivery.report.items
    parts = parts_of(delivery)
    train, val = parts["out-train"], parts["out-val"]
    assert len(train) + len(val) == 2 * COUNT
    assert 4 <= len(val) <= 8
    for n in range(1, COUNT + 1):
        assert (f"p{n}.png" in val) == (f"again{n}.jpg" in val)
    assert not set(train.values()) & set(val.values())
    assert parts_of(deliver(project, order)) == parts
    assert parts_of(deliver(project, Order(order.out, parts="share", share=0.25, seed=9))) != parts


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


def test_as_a_run_was_trained(project: Path, tmp_path: Path) -> None:
    with Store.open(project, read_only=True) as store:
        images = [one for one in store.images() if one.id != 5]
        placed = tuple(Image(one.id, str(store.root / one.path), 80, 60) for one in images)
        annotations = tuple(one for one in store.all_annotations() if one.image_id != 5)
        data, _ = write_coco(Dataset(placed, tuple(store.categories()), annotations))
    folder = RunFolder.create(tmp_path / "run", RunSpec(id="r", name="cats", trainer="t"))
    folder.source.write_bytes(data)
    prepare(folder, lambda _: None, lambda: False)
    parts = parts_of(deliver(project, Order(tmp_path / "out.json", parts="run", run=folder.path)))
    assert parts["out-rest"] == {"p5.png": 5}
    held_out = {one["id"] for one in json.loads(folder.held_out_labels.read_bytes())["images"]}
    assert held_out
    assert set(parts["out-val"].values()) == held_out
    assert len(parts["out-train"]) == 2 * COUNT - 1 - len(held_out)


@pytest.mark.parametrize("spoil", [shutil.rmtree, lambda run: (run / "held_out.json").unlink()])
def test_a_run_that_is_not_there_is_one_sentence(
    project: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = RunFolder.create(tmp_path / "run", RunSpec(id="r", name="cats", trainer="t"))
    for path in (folder.source, folder.train_labels, folder.held_out_labels):
        path.write_text('{"images": [], "annotations": [], "categories": []}')
    spoil(folder.path)
    with pytest.raises(LabelerError) as caught:
        deliver(project, Order(tmp_path / "out.json", parts="run", run=folder.path))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*"))
