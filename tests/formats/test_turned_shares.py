"""Shares of a turned photo's sides, which a person may say are those of the photo as it is stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labeler.core.geometry import bounds
from labeler.formats import spec
from labeler.formats.coco.frames import Choice
from labeler.formats.placement import read_placed_coco
from labeler.formats.tables.open_images import open_images
from labeler.formats.yolo.yolo_format import yolo
from tests.formats.test_makers import photo


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    spec.come_from(lambda: (yolo, open_images))
    yield
    spec.come_from(tuple)


FILES = {
    "yolo": ("p.txt", "0 0.125 0.25 0.25 0.5\n"),
    "open-images": ("boxes.csv", "ImageID,LabelName,XMin,XMax,YMin,YMax\np,/m/1,0,0.25,0,0.5\n"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("frame", "box"),
    # stored 80 by 40, shown 40 by 80 after a quarter turn: stored (0, 0, 20, 20) is at the top right
    [
        ("auto", (0, 0, 10, 40)),
        ("displayed", (0, 0, 10, 40)),
        ("stored", (20, 0, 40, 20)),
        ("turn", (20, 0, 40, 20)),
    ],
)
def test_they_are_of_the_frame_that_a_person_names(
    name: str, frame: Choice, box: tuple[int, ...], tmp_path: Path
) -> None:
    photo(tmp_path / "p.jpg", 80, 40, turn=6)
    file, text = FILES[name]
    (tmp_path / file).write_text(text)
    (one,) = read_placed_coco(tmp_path / file, frame=frame, source_format=name)[0].annotations
    found = bounds(one.shape)
    assert (found.x0, found.y0, found.x1, found.y1) == box


@pytest.mark.parametrize("name", FILES)
def test_sizes_that_nobody_knows_are_no_mistake_of_the_file(name: str, tmp_path: Path) -> None:
    file, text = FILES[name]
    (tmp_path / file).write_text(text)
    dataset, report, _ = read_placed_coco(tmp_path / file, source_format=name)
    assert [(image.width, image.height) for image in dataset.images] == [(0, 0)]
    assert [note.sentence for note in report.items if note.field in ("width", "height")] == []
