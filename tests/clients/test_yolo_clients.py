"""An export as YOLO in ultralytics' hands: nothing is corrupt, every object is read, and it trains."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.geometry import bounds, clipped, rasterise
from labeler.core.records import Annotation, Box, Category, Image, Part, Polygons
from labeler.formats import spec
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.fitting import CROWD
from labeler.formats.spec import Dataset
from labeler.formats.yolo.yolo_format import yolo, yolo_pose, yolo_seg
from labeler.project.store import Store
from labeler.training.labels_out import Order, deliver
from tests.clients.conftest import PROGRAMS, SHAPES, Sample, environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    spec.come_from(lambda: (yolo, yolo_pose, yolo_seg))
    yield
    spec.come_from(tuple)


def trained(folder: Path, task: str, home: Path) -> dict[str, Any]:
    """What ultralytics says of a data set, asked from a folder that has nothing to do with it."""
    answer, elsewhere = home / "answer.json", home / "elsewhere"
    elsewhere.mkdir()
    command = [
        str(environment("ultralytics")),
        str(PROGRAMS / "ultralytics_trains.py"),
        str(folder),
        task,
        str(answer),
    ]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QT_"))}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=1200, env=clean, cwd=elsewhere
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(answer.read_text("utf-8"))
    return found


def filled(ring: Any, size: tuple[int, int]) -> Any:
    """A ring in shares as pixels of an image of (H, W)."""
    height, width = size
    points = np.round(np.array(ring) * (width, height), 3)  # it keeps shares in single precision
    mask = rasterise(Polygons((Part(points),)), size=size)
    bits = np.zeros(size, bool)
    bits[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width] = mask.bits
    return bits


@pytest.mark.parametrize(("form", "task"), [("yolo", "detect"), ("yolo-seg", "segment")])
@pytest.mark.parametrize("parts", ["", "share"])
def test_what_is_exported_trains_an_epoch_and_nothing_is_corrupt(
    form: str, task: str, parts: Any, sample: Sample, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    order = Order(out, format=form, photos="copied", parts=parts, share=0.3)
    report = deliver(sample.project, order).report
    assert report.refused == 0
    assert sum(note.sentence == CROWD for note in report.items) == 1
    moved = out.rename(tmp_path / "moved")
    said = trained(moved, task, tmp_path)
    assert said["corrupt"] == 0
    assert said["trained"]
    assert list(said["names"].values()) == ["cat", "dog", "cow"]
    train, val = said["parts"]["train"], said["parts"]["val"]
    assert (train == val) if not parts else not set(train) & set(val)
    assert len(said["objects"]) == len(SHAPES)
    with Store.open(sample.project, read_only=True) as store:
        for image in store.images():
            read = said["objects"][Path(image.path).name]
            size = image.height, image.width
            assert tuple(read["size"]) == size
            annotations = store.annotations(image.id)
            assert sorted(read["classes"]) == sorted(one.category_id - 1 for one in annotations)
            for one in annotations:
                box = bounds(clipped(one.shape, size))
                shares = np.array(
                    [
                        (box.x0 + box.x1) / 2 / image.width,
                        (box.y0 + box.y1) / 2 / image.height,
                        box.width / image.width,
                        box.height / image.height,
                    ]
                )
                assert min(np.abs(shares - other).max() for other in read["boxes"]) < 1e-5
                if task == "segment":
                    true = sample.masks[one.id]
                    masks = [filled(ring, size) for ring in read["rings"]]
                    best = max(np.sum(true & mask) / np.sum(true | mask) for mask in masks)
                    assert best > 0.98, (image.path, one.id, best)


def test_poses_train_an_epoch_and_have_their_keypoints(tmp_path: Path) -> None:
    files, points = {}, [40.0, 30, 2, 100, 90, 1, 0, 0, 0]
    for number in (1, 2):
        files[number] = tmp_path / f"{number}.jpg"
        PillowImage.new("RGB", (160, 120), (90, number * 90, 30)).save(files[number])
    names = json.dumps({"keypoints": ["nose", "left_ear", "right_ear"]}).encode()
    rows = [json.dumps({"keypoints": one}).encode() for one in (points, [170.0, 30, 2])]
    dataset = Dataset(
        tuple(Image(n, f"{n}.jpg", 160, 120) for n in files),
        (Category(1, "person", "", extra=names),),
        (
            Annotation(1, 1, 1, Box(20, 20, 120, 100), extra=rows[0]),
            Annotation(2, 2, 1, Box(20, 20, 120, 100), extra=rows[1]),  # outside, which costs no photo
            Annotation(3, 2, 1, Box(5, 5, 60, 60)),
        ),
    )
    write_data_set(yolo_pose, Wanted(dataset, tmp_path / "out", files, photos="copied"))
    said = trained(tmp_path / "out", "pose", tmp_path)
    assert (said["corrupt"], said["trained"]) == (0, True)
    assert [len(one["keypoints"]) for one in said["objects"].values()] == [1, 2]
    (first,) = said["objects"]["1.jpg"]["keypoints"]
    np.testing.assert_allclose(first, [[0.25, 0.25, 2], [0.625, 0.75, 1], [0, 0, 0]], atol=1e-5)
