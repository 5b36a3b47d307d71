"""100,000 annotations in each labels format, read and written, beside COCO in the same run.

Each is read to checked records, as an import reads it, so that what the gates cost is in both. Photos are
small and real, since formats without sizes in them look at each.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.records import Annotation, Box, Category, Image
from labeler.formats import spec as formats_spec
from labeler.formats.coco.coco_format import coco
from labeler.formats.cvat.cvat_format import cvat
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.datumaro.datumaro_format import datumaro
from labeler.formats.label_studio.label_studio_format import label_studio
from labeler.formats.labelme.labelme_format import labelme
from labeler.formats.placement import read_placed_coco
from labeler.formats.spec import Dataset, FormatSpec
from labeler.formats.tables.csv_format import csv_boxes
from labeler.formats.voc.voc_format import voc
from labeler.formats.yolo.yolo_format import yolo, yolo_seg
from tests.benchmarks.harness import report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

ANNOTATIONS, IMAGES, CATEGORIES = 100_000, 5_000, 80
GOAL = 3.0
"""Times of COCO's, in which each format is read and written."""
SPECS = (csv_boxes, cvat, datumaro, label_studio, labelme, voc, yolo, yolo_seg)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,000 photos of 64 by 48 pixels."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(1, IMAGES + 1):
        PillowImage.new("RGB", (64, 48), (number % 256, number // 256, 9)).save(folder / f"{number:06d}.png")
    return folder


@pytest.fixture(scope="module")
def large() -> Dataset:
    """Boxes, for every format has them or makes outlines of them."""
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform((0, 0), (1, 1), (ANNOTATIONS, 2, 2)), axis=1)
    corners[:, 1] += 0.01
    boxes = (corners.clip(0, 1) * (64, 48)).reshape(-1, 4).tolist()
    return Dataset(
        tuple(Image(n, f"{n:06d}.png", 64, 48) for n in range(1, IMAGES + 1)),
        tuple(Category(n, f"category {n}", "") for n in range(1, CATEGORIES + 1)),
        tuple(
            Annotation(n, n % IMAGES + 1, n % CATEGORIES + 1, Box(*box), file_id=n)
            for n, box in enumerate(boxes, 1)
        ),
    )


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    formats_spec.come_from(lambda: (coco, *SPECS))
    yield
    formats_spec.come_from(tuple)


def place(spec: FormatSpec, folder: Path) -> Path:
    """Where a format is written."""
    return folder / (spec.id if spec.folder else f"{spec.id}{spec.suffixes[0]}")


def seconds(action: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """By how much ours takes longer: the better of two rounds, since a round takes half a minute."""
    return min(seconds(ours) / seconds(theirs) for _ in range(2))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_100k_annotations_beside_coco(spec: FormatSpec, large: Dataset, photos: Path, tmp_path: Path) -> None:
    def writing(one: FormatSpec) -> Callable[[], object]:
        return lambda: write_data_set(one, Wanted(large, place(one, tmp_path), over=True))

    def reading(one: FormatSpec) -> Callable[[], object]:
        return lambda: read_placed_coco(place(one, tmp_path), images=photos, source_format=one.id)

    written = ratio(writing(spec), writing(coco))
    dataset, told, _ = read_placed_coco(place(spec, tmp_path), images=photos, source_format=spec.id)
    assert (len(dataset.annotations), told.refused) == (ANNOTATIONS, 0)
    read = ratio(reading(spec), reading(coco))
    report(f"{spec.id} written, to COCO", f"<= {GOAL:g} x", f"{written:.3g} x")
    report(f"{spec.id} read, to COCO", f"<= {GOAL:g} x", f"{read:.3g} x")
    assert written <= GOAL
    assert read <= GOAL
