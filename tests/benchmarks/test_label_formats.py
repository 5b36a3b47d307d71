"""100,000 annotations in each labels format, read and written, beside COCO in the same run.

Each is read to checked records, as an import reads it, so that what the gates cost is in both. Photos are
small and real, since formats without sizes in them look at each.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.records import Annotation, Box, Category, Image, Mask
from labeler.core.rle import mask_to_rle
from labeler.formats import spec as formats_spec
from labeler.formats.coco.coco_format import coco
from labeler.formats.cvat.cvat_format import cvat
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.datumaro.datumaro_format import datumaro
from labeler.formats.label_studio.label_studio_format import label_studio
from labeler.formats.labelme.labelme_format import labelme
from labeler.formats.masks.masks_format import masks, masks_instance
from labeler.formats.only_read.createml_format import createml
from labeler.formats.only_read.segment_anything_format import segment_anything
from labeler.formats.only_read.superannotate_format import superannotate
from labeler.formats.only_read.supervisely_format import supervisely
from labeler.formats.only_read.via_format import via
from labeler.formats.panoptic_set.panoptic_format import panoptic
from labeler.formats.placement import read_placed_coco
from labeler.formats.spec import Dataset, FormatSpec
from labeler.formats.tables.csv_format import csv_boxes
from labeler.formats.tables.open_images import open_images
from labeler.formats.voc.voc_format import voc, voc_masks
from labeler.formats.yolo.yolo_format import yolo, yolo_seg
from tests.benchmarks.harness import report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

ANNOTATIONS, IMAGES, CATEGORIES = 100_000, 5_000, 80
GOAL = 3.0
"""Times of COCO's, in which each format is read and written."""
SPECS = (csv_boxes, cvat, datumaro, label_studio, labelme, voc, yolo, yolo_seg)
OF_MASKS = (masks, masks_instance, panoptic, voc_masks)
ONLY_READ = (createml, open_images, segment_anything, superannotate, supervisely, via)


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


@pytest.fixture(scope="module")
def large_masks() -> Dataset:
    """As many masks of 8 by 8 pixels with a corner off, that do not touch each other."""
    bits = np.ones((8, 8), dtype=np.bool_)
    bits[0, 0] = False
    each = ANNOTATIONS // IMAGES
    places = [(n // each + 1, n % each % 5 * 12 + 1, n % each // 5 * 12 + 1) for n in range(ANNOTATIONS)]
    return Dataset(
        tuple(Image(n, f"{n:06d}.png", 64, 48) for n in range(1, IMAGES + 1)),
        tuple(Category(n, f"category {n}", "") for n in range(1, CATEGORIES + 1)),
        tuple(
            Annotation(n, image, n % CATEGORIES + 1, Mask(x, y, bits), file_id=n)
            for n, (image, x, y) in enumerate(places, 1)
        ),
    )


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    formats_spec.come_from(lambda: (coco, *SPECS, *OF_MASKS, *ONLY_READ))
    yield
    formats_spec.come_from(tuple)


def place(spec: FormatSpec, folder: Path) -> Path:
    """Where a format is written."""
    return folder / (spec.id if spec.folder else f"{spec.id}{spec.suffixes[0]}")


def seconds(action: Callable[[], object]) -> float:
    """How long it takes a processor, of all threads: what else the machine does would count in a time."""
    start = time.process_time()
    action()
    return time.process_time() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """By how much ours takes longer: the better of two rounds, since a round takes half a minute."""
    return min(seconds(ours) / seconds(theirs) for _ in range(2))


@pytest.mark.parametrize("spec", [*SPECS, *OF_MASKS], ids=lambda spec: spec.id)
def test_100k_annotations_beside_coco(
    spec: FormatSpec, large: Dataset, large_masks: Dataset, photos: Path, tmp_path: Path
) -> None:
    dataset = large_masks if spec in OF_MASKS else large

    def writing(one: FormatSpec) -> Callable[[], object]:
        return lambda: write_data_set(one, Wanted(dataset, place(one, tmp_path), over=True))

    def reading(one: FormatSpec) -> Callable[[], object]:
        return lambda: read_placed_coco(place(one, tmp_path), images=photos, source_format=one.id)

    written = ratio(writing(spec), writing(coco))
    check_whole(spec, place(spec, tmp_path), photos)
    read = ratio(reading(spec), reading(coco))
    report(f"{spec.id} written, to COCO", f"<= {GOAL:g} x", f"{written:.3g} x")
    report(f"{spec.id} read, to COCO", f"<= {GOAL:g} x", f"{read:.3g} x")
    assert written <= GOAL
    assert read <= GOAL


def check_whole(spec: FormatSpec, path: Path, photos: Path) -> None:
    """Assert that all annotations are read."""
    dataset, told, _ = read_placed_coco(path, images=photos, source_format=spec.id)
    assert (len(dataset.annotations), told.refused) == (ANNOTATIONS, 0)


# --- formats that are only read -----------------------------------------------------------------------
def made_as(spec: FormatSpec, dataset: Dataset, out: Path) -> Path:
    """The data set as a maker of a format that we do not write has it: a file, or a folder of them."""
    by_image: dict[str, list[Annotation]] = {image.path: [] for image in dataset.images}
    for one in dataset.annotations:
        by_image[dataset.images[one.image_id - 1].path].append(one)
    out.mkdir()
    if spec is open_images:
        rows = [
            f"{name[:-4]},xclick,/m/{one.category_id},1,{b[0] / 64},{b[2] / 64},{b[1] / 48},{b[3] / 48}"
            for name, objects in by_image.items()
            for one in objects
            for b in [corners(one)]
        ]
        path = out / "boxes.csv"
        path.write_text("\n".join(["ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax", *rows]))
        return path
    if spec is via or spec is createml:
        of_one = via_entry if spec is via else createml_entry
        entries = [of_one(name, objects) for name, objects in by_image.items()]
        path = out / "labels.json"
        path.write_text(
            json.dumps({f"{one['filename']}9": one for one in entries} if spec is via else entries)
        )
        return path
    of_file = {segment_anything: sa1b_file, superannotate: superannotate_file, supervisely: supervisely_file}
    for name, objects in by_image.items():
        own = name.replace(".png", ".json") if spec is segment_anything else f"{name}.json"
        (out / own).write_text(json.dumps(of_file[spec](name, objects)))
    return out


def corners(one: Annotation) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1."""
    assert isinstance(one.shape, Box)
    return one.shape.x0, one.shape.y0, one.shape.x1, one.shape.y1


def label(one: Annotation) -> str:
    """Its category's name."""
    return f"category {one.category_id}"


def via_entry(name: str, objects: list[Annotation]) -> dict[str, object]:
    """An image of the VGG Image Annotator."""
    regions = [
        {
            "shape_attributes": {"name": "rect", "x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0},
            "region_attributes": {"label": label(one)},
        }
        for one in objects
        for x0, y0, x1, y1 in [corners(one)]
    ]
    return {"filename": name, "size": 9, "regions": regions, "file_attributes": {}}


def createml_entry(name: str, objects: list[Annotation]) -> dict[str, object]:
    """An image of Create ML, whose x and y are the middle of a box."""
    rows = [
        {
            "label": label(one),
            "coordinates": {"x": (x0 + x1) / 2, "y": (y0 + y1) / 2, "width": x1 - x0, "height": y1 - y0},
        }
        for one in objects
        for x0, y0, x1, y1 in [corners(one)]
    ]
    return {"image": name, "annotations": rows}


def superannotate_file(name: str, objects: list[Annotation]) -> dict[str, object]:
    """The file of an image."""
    rows = [
        {
            "type": "bbox",
            "className": label(one),
            "points": dict(zip(("x1", "y1", "x2", "y2"), corners(one), strict=True)),
        }
        for one in objects
    ]
    return {"metadata": {"name": name, "width": 64, "height": 48}, "instances": rows}


def supervisely_file(_: str, objects: list[Annotation]) -> dict[str, object]:
    """The file of an image."""
    rows = [
        {
            "classTitle": label(one),
            "geometryType": "rectangle",
            "tags": [],
            "points": {"exterior": [[x0, y0], [x1, y1]], "interior": []},
        }
        for one in objects
        for x0, y0, x1, y1 in [corners(one)]
    ]
    return {"size": {"width": 64, "height": 48}, "tags": [], "objects": rows}


def sa1b_file(name: str, objects: list[Annotation]) -> dict[str, object]:
    """The file of an image, whose masks have no names."""
    rows = []
    for one in objects:
        assert isinstance(one.shape, Mask)
        counts = mask_to_rle(one.shape, (48, 64))
        rows.append({"id": one.id, "segmentation": {"size": [48, 64], "counts": counts}, "area": 63})
    about = {"image_id": int(name[:-4]), "file_name": name, "width": 64, "height": 48}
    return {"image": about, "annotations": rows}


@pytest.mark.parametrize("spec", ONLY_READ, ids=lambda spec: spec.id)
def test_100k_annotations_of_formats_that_are_only_read(
    spec: FormatSpec, large: Dataset, large_masks: Dataset, photos: Path, tmp_path: Path
) -> None:
    dataset = large_masks if spec is segment_anything else large
    path, as_coco = made_as(spec, dataset, tmp_path / spec.id), place(coco, tmp_path)
    write_data_set(coco, Wanted(dataset, as_coco))
    check_whole(spec, path, photos)
    read = ratio(
        lambda: read_placed_coco(path, images=photos, source_format=spec.id),
        lambda: read_placed_coco(as_coco, images=photos, source_format=coco.id),
    )
    report(f"{spec.id} read, to COCO", f"<= {GOAL:g} x", f"{read:.3g} x")
    assert read <= GOAL
