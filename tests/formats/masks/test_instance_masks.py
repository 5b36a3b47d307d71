"""Masks of instances: each object comes back by its pixels, and other makers' folders are read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image as PillowImage

from labeler.core.geometry import to_bits
from labeler.core.records import Annotation, Category, Image, Mask
from labeler.errors import FormatError
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import read_by
from labeler.formats.masks.instance_reading import EMPTY, UNNAMED
from labeler.formats.masks.mask_writing import COVERED, PARTLY
from labeler.formats.masks.masks_format import masks, masks_instance, sniff_instances, sniff_masks
from labeler.formats.spec import Dataset, Reading
from tests.formats.round_trip_law import came_back, datasets

W, H = 20, 12


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture).save(path)


def read(path: Path) -> Reading:
    return read_by(masks_instance, path)


def seen_pixels(dataset: Dataset) -> list[tuple[str, str, bytes]]:
    """What is seen of each object when all are painted in their order: image, category, and its pixels."""
    names = {one.id: one.name for one in dataset.categories}
    found = []
    for image in dataset.images:
        on = [one for one in dataset.annotations if one.image_id == image.id]
        canvas = np.zeros((image.height, image.width), int)
        for number, one in enumerate(on, 1):
            assert isinstance(one.shape, Mask)
            canvas[to_bits(one.shape, canvas.shape)] = number
        for number, one in enumerate(on, 1):
            if (canvas == number).any():
                pixels = (canvas == number).tobytes()
                found.append((Path(image.path).stem, names[one.category_id], pixels))
    return sorted(found)


@settings(max_examples=40, deadline=None)
@given(datasets())
def test_each_object_comes_back_by_the_pixels_that_are_seen(dataset: Dataset) -> None:
    parts = {image.id: ("val", "train")[image.id % 2] for image in dataset.images}
    back, report, held = came_back(masks_instance, dataset, parts=parts)
    assert seen_pixels(back) == seen_pixels(held)
    assert report.refused == 0
    assert len(back.images) == len(held.images)
    assert [one.name for one in back.categories] == [one.name for one in dataset.categories]


def test_what_is_covered_is_told_and_400_objects_have_400_numbers(tmp_path: Path) -> None:
    block = np.ones((4, 4), bool)
    lots = [Mask(x, y, np.ones((1, 1), bool)) for y in range(20) for x in range(20, 40)]
    shapes = [Mask(0, 0, block), Mask(2, 2, block), Mask(10, 10, block), Mask(10, 10, block), *lots]
    annotations = tuple(Annotation(n, 1, 1, shape) for n, shape in enumerate(shapes, 1))
    dataset = Dataset((Image(1, "a.png", 40, 20),), (Category(1, 'a "b", c', ""),), annotations)
    report = write_data_set(masks_instance, Wanted(dataset, tmp_path / "out")).report
    assert [note.sentence for note in report.items] == [PARTLY, COVERED]
    back = read(tmp_path / "out").dataset
    assert len(back.annotations) == 403
    assert [one.name for one in back.categories] == ['a "b", c']


def test_a_picture_for_each_object(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    PillowImage.new("RGB", (W, H)).save(tmp_path / "images/a.jpg")
    first, second = np.zeros((H, W), np.uint8), np.zeros((H, W), np.uint8)
    first[1:5, 1:5] = 255
    second[3:9, 3:9] = 255  # they overlap, which this layout can say
    save(tmp_path / "Masks/a_mask_1.png", first)
    save(tmp_path / "Masks/cat/a_mask_2.png", second)
    save(tmp_path / "Masks/a_mask_3.png", np.zeros((H, W), np.uint8))
    assert sniff_instances(tmp_path)
    found = read(tmp_path)
    (image,) = found.dataset.images
    assert (image.path, image.width, image.height) == ("images/a.jpg", W, H)
    names = {one.id: one.name for one in found.dataset.categories}
    pixels = {names[one.category_id]: to_bits(one.shape, (H, W)) for one in found.dataset.annotations}
    assert np.array_equal(pixels["object"], first > 0)
    assert np.array_equal(pixels["cat"], second > 0)
    assert [note.sentence for note in found.notes] == [EMPTY]


def test_cityscapes_has_the_category_in_the_number_of_an_object(tmp_path: Path) -> None:
    picture = np.zeros((H, W), np.uint16)
    picture[:4], picture[4:, :5], picture[4:, 5:9], picture[4:, 9:12] = 23, 26001, 26002, 24
    picture[4:, 12:15], picture[4:, 15:] = 3, 60
    (tmp_path / "leftImg8bit/val/bonn").mkdir(parents=True)
    PillowImage.new("RGB", (W, H)).save(tmp_path / "leftImg8bit/val/bonn/b_1_leftImg8bit.png")
    save(tmp_path / "gtFine/val/bonn/b_1_gtFine_instanceIds.png", picture)
    save(tmp_path / "gtFine/val/bonn/b_1_gtFine_labelIds.png", (picture // 1000).astype(np.uint8) + 4)
    save(tmp_path / "gtFine/val/bonn/b_1_gtFine_color.png", np.zeros((H, W, 3), np.uint8))
    assert sniff_instances(tmp_path)
    found = read(tmp_path).dataset
    assert [image.path for image in found.images] == ["leftImg8bit/val/bonn/b_1_leftImg8bit.png"]
    names = {one.id: one.name for one in found.categories}
    said = [(names[one.category_id], one.crowd) for one in found.annotations]
    assert said == [("sky", False), ("person", True), ("class 60", True), ("car", False), ("car", False)]
    semantic = read_by(masks, tmp_path).dataset
    assert [one.name for one in semantic.categories][:2] == ["static", "dynamic"]
    assert len(semantic.categories) == 30


def test_numbers_without_a_line_are_kept_and_told(tmp_path: Path) -> None:
    picture = np.zeros((H, W), np.uint16)
    picture[:3, :3], picture[5:, 5:] = 7, 300
    save(tmp_path / "instances/a.png", picture)
    (tmp_path / "objects.csv").write_text("mask,id,category\na.png,7,cat\na.png,x,cat\nbroken\n")
    found = read(tmp_path)
    assert [one.name for one in found.dataset.categories] == ["cat", "object"]
    assert UNNAMED in {note.sentence for note in found.notes}


def test_bad_folders_and_pictures(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has no masks"):
        read(tmp_path)
    save(tmp_path / "instances/a.png", np.ones((H, W), np.uint16))
    (tmp_path / "instances/b.png").write_bytes(b"no picture")
    found = read(tmp_path)
    assert len(found.dataset.annotations) == 1
    assert [note.at for note in found.notes if note.verdict == "refused"] == ["instances/b.png"]


def labeler(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labeler", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_line_reads_and_writes_masks(tmp_path: Path) -> None:
    picture = np.zeros((H, W), np.uint8)
    picture[1:5, 1:5] = 1
    save(tmp_path / "in/masks/a.png", picture)
    (tmp_path / "in/images").mkdir()
    PillowImage.new("RGB", (W, H)).save(tmp_path / "in/images/a.jpg")
    assert sniff_masks(tmp_path / "in")
    done = labeler("import", tmp_path / "in", tmp_path / "a.labeler")
    assert "annotations: 1 of 1 taken" in done.stdout, done.stderr
    for name in ("masks", "masks-instance"):
        out = tmp_path / name
        done = labeler("export", tmp_path / "a.labeler", out, "--format", name, "--photos", "copy")
        assert done.returncode == 0, done.stderr
        done = labeler("convert", out, tmp_path / f"{name}.json")
        assert "annotations: 1 of 1 taken" in done.stdout, done.stderr
