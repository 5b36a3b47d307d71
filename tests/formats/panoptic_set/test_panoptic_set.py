"""COCO panoptic as a data set: segments come back by pixels, ids and colours."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from PIL import Image as PillowImage

from labeler.core.geometry import to_bits
from labeler.core.records import Annotation, Category, Image, Mask
from labeler.errors import FormatError
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import read_by
from labeler.formats.masks.mask_writing import COVERED, PARTLY
from labeler.formats.panoptic_set.panoptic_format import panoptic
from labeler.formats.panoptic_set.panoptic_reading import sniff
from labeler.formats.panoptic_set.panoptic_writing import STUFF
from labeler.formats.spec import Dataset
from tests.formats.masks.test_instance_masks import seen_pixels
from tests.formats.round_trip_law import came_back, datasets

W, H = 20, 12


@settings(max_examples=40, deadline=None)
@given(datasets())
def test_segments_come_back_by_the_pixels_that_are_seen(dataset: Dataset) -> None:
    parts = {image.id: ("val", "train")[image.id % 2] for image in dataset.images}
    back, report, held = came_back(panoptic, dataset, parts=parts)
    assert seen_pixels(back) == seen_pixels(held)
    assert report.refused == 0
    assert len(back.images) == len(held.images)


def block(x: int, y: int, width: int, height: int) -> Mask:
    return Mask(x, y, np.ones((height, width), bool))


THING = Category(1, "cat", "#102030", supercategory="animal")
SKY = Category(2, "sky", "#4080ff", extra=b'{"isthing":0}')


def written(shapes: list[Annotation], out: Path) -> tuple[dict, np.ndarray, list[str]]:
    """The JSON, the segment of each pixel, and what was told."""
    dataset = Dataset((Image(1, "a.jpg", W, H),), (THING, SKY), tuple(shapes))
    report = write_data_set(panoptic, Wanted(dataset, out)).report
    whole = json.loads((out / "annotations/panoptic_default.json").read_text())
    with PillowImage.open(out / "annotations/panoptic_default/a.png") as picture:
        pixels = np.array(picture).astype(int)
    return whole, pixels @ (1, 256, 65536), [note.sentence for note in report.items]


def test_it_is_as_the_format_says(tmp_path: Path) -> None:
    shapes = [
        Annotation(1, 1, 1, block(1, 1, 4, 4), file_id=77, attributes={"a": 1}, extra=b'{"score":0.5}'),
        Annotation(2, 1, 1, block(3, 3, 4, 4), crowd=True),
        Annotation(3, 1, 2, block(0, 10, 20, 2)),
    ]
    whole, ids, said = written(shapes, tmp_path / "out")
    assert said == [PARTLY]
    assert {"info", "licenses", "images", "annotations", "categories"} == whole.keys()
    (entry,) = whole["annotations"]
    assert entry["file_name"] == "a.png"
    first, second, third = entry["segments_info"]
    assert first == {
        "id": 77, "category_id": 1, "area": 12, "bbox": [1, 1, 4, 4], "iscrowd": 0,
        "attributes": {"a": 1}, "score": 0.5,
    }  # fmt: skip
    assert second["iscrowd"] == 1
    assert second["id"] == 0x10 + 256 * 0x20 + 65536 * 0x30  # the colour of its category
    assert [(ids == one["id"]).sum() for one in (first, second, third)] == [12, 16, 40]
    assert (ids == 0).sum() == W * H - 68
    assert whole["categories"][0] == {
        "id": 1, "name": "cat", "supercategory": "animal", "isthing": 1, "color": [16, 32, 48],
    }  # fmt: skip
    assert whole["categories"][1]["isthing"] == 0


def test_ids_colours_and_kinds_come_back(tmp_path: Path) -> None:
    shapes = [
        Annotation(1, 1, 1, block(1, 1, 4, 4), file_id=77, attributes={"a": 1}, crowd=True),
        Annotation(2, 1, 2, block(0, 10, 20, 2)),
    ]
    written(shapes, tmp_path / "out")
    back = read_by(panoptic, tmp_path / "out").dataset
    assert back.annotations[0].file_id == 77
    assert back.annotations[0].crowd
    assert back.annotations[0].attributes == {"a": 1}
    assert [one.color for one in back.categories] == ["#102030", "#4080ff"]
    assert msgspec.json.decode(back.categories[1].extra)["isthing"] == 0
    again = replace(back, images=(replace(back.images[0], path="a.jpg"),))
    write_data_set(panoptic, Wanted(again, tmp_path / "again"))
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("out", "again")
    )
    assert one == two


def test_what_it_cannot_hold_is_told(tmp_path: Path) -> None:
    shapes = [
        Annotation(1, 1, 1, block(1, 1, 4, 4)),
        Annotation(2, 1, 1, block(1, 1, 4, 4)),
        Annotation(3, 1, 2, block(8, 8, 2, 2)),
        Annotation(4, 1, 2, block(14, 8, 2, 2)),
    ]
    whole, ids, said = written(shapes, tmp_path / "out")
    assert said == [COVERED, STUFF, STUFF]
    assert len(whole["annotations"][0]["segments_info"]) == 3
    assert len(np.unique(ids)) == 4


def test_bad_files_of_a_folder_are_named_and_cost_no_other(tmp_path: Path) -> None:
    written([Annotation(1, 1, 1, block(1, 1, 4, 4))], tmp_path / "out")
    folder = tmp_path / "out/annotations"
    good = (folder / "panoptic_default.json").read_text()
    (folder / "panoptic_cut.json").write_text(good[: len(good) // 2])
    (folder / "panoptic_other.json").write_text(good)  # its PNGs are not there
    (folder / "captions.json").write_text('{"images": [], "annotations": [{"caption": "a"}]}')
    found = read_by(panoptic, tmp_path / "out")
    assert len(found.dataset.annotations) == 1
    refused = [note for note in found.notes if note.verdict == "refused"]
    assert {note.at.partition(":")[0] for note in refused} == {
        "annotations/panoptic_cut.json",
        "annotations/panoptic_other.json",
    }
    assert all("\n" not in note.sentence for note in refused)


def test_what_is_and_is_not_of_this_format(tmp_path: Path) -> None:
    written([Annotation(1, 1, 1, block(1, 1, 4, 4))], tmp_path / "out")
    assert sniff(tmp_path / "out")
    assert sniff(tmp_path / "out/annotations/panoptic_default.json")
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco/instances.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert not sniff(tmp_path / "coco")
    with pytest.raises(FormatError, match="no panoptic file"):
        read_by(panoptic, tmp_path / "coco")


def test_many_segments_take_the_time_of_their_pixels(tmp_path: Path) -> None:
    side = 400
    shapes = tuple(Annotation(n + 1, 1, 1, block(n % 100 * 4, n // 100 * 4, 3, 3)) for n in range(10_000))
    dataset = Dataset((Image(1, "a.jpg", side, side),), (THING,), shapes)
    write_data_set(panoptic, Wanted(dataset, tmp_path / "out"))
    back = read_by(panoptic, tmp_path / "out").dataset
    assert len(back.annotations) == 10_000
    assert sum(int(to_bits(one.shape, (side, side)).sum()) for one in back.annotations[:50]) == 450


def test_the_command_line_reads_and_writes_it(tmp_path: Path) -> None:
    written([Annotation(1, 1, 1, block(1, 1, 4, 4))], tmp_path / "in")
    (tmp_path / "in/images").mkdir()
    PillowImage.new("RGB", (W, H)).save(tmp_path / "in/images/a.jpg")

    def labeler(*arguments: object) -> str:
        command = [sys.executable, "-m", "labeler", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "annotations: 1 of 1 taken" in labeler("import", tmp_path / "in", tmp_path / "a.labeler")
    out = tmp_path / "out"
    labeler("export", tmp_path / "a.labeler", out, "--format", "panoptic", "--photos", "copy")
    assert (out / "annotations/panoptic_default/a.png").is_file()
    assert (out / "images/default/a.jpg").is_file()
    assert "annotations: 1 of 1" in labeler("convert", out, tmp_path / "again", "--to", "masks")
