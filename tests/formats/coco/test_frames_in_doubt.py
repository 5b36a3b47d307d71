"""Turned photos whose size is the same in both frames: told, and a person decides."""

from pathlib import Path
from typing import Any

import pytest

from labeler.core.geometry import bounds
from labeler.formats.coco.frames import IN_DOUBT
from tests.formats.test_makers import photo, taken

BOX = [2, 4, 10, 6]


def document(*names: str, **said: Any) -> dict[str, Any]:
    return {
        "images": [{"id": n, "file_name": name} | said.get(name[0], {}) for n, name in enumerate(names, 1)],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": BOX} for n in range(1, len(names) + 1)
        ],
    }


def corner(folder: Path, content: object, **options: Any) -> tuple[tuple[float, float], list[str]]:
    found, report = taken(folder, content, **options)
    box = bounds(found[0].shape)
    return (box.x0, box.y0), [note.sentence for note in report.items if note.sentence == IN_DOUBT]


@pytest.mark.parametrize(
    ("turn", "size", "turned"),
    [
        (3, (80, 60), (68, 50)),  # by 180 degrees
        (2, (80, 60), (68, 4)),  # mirrored
        (4, (80, 60), (2, 50)),
        (6, (60, 60), (50, 2)),  # square
        (8, (60, 60), (4, 48)),
        (5, (60, 60), (4, 2)),
    ],
)
def test_it_is_said_and_the_frame_decides(
    tmp_path: Path, turn: int, size: tuple[int, int], turned: tuple[int, int]
) -> None:
    said = {"p": {"width": size[0], "height": size[1]}}
    for place, (frame, at, doubts) in enumerate(
        (("auto", (2, 4), 1), ("turn", turned, 0), ("stored", turned, 0), ("displayed", (2, 4), 0))
    ):
        folder = tmp_path / str(place)
        photo(folder / "p.jpg", *size, turn=turn)
        found, told = corner(folder, document("p.jpg", **said), frame=frame)
        assert found == at
        assert len(told) == doubts


def test_photos_of_the_file_that_are_certain_decide_for_the_others(tmp_path: Path) -> None:
    photo(tmp_path / "p.jpg", 60, 60, turn=6)
    photo(tmp_path / "q.jpg", 80, 40, turn=6)
    said = {"p": {"width": 60, "height": 60}, "q": {"width": 80, "height": 40}}
    found, told = corner(tmp_path, document("p.jpg", "q.jpg", **said))
    assert found == (50, 2)
    assert told == []


def test_a_photo_that_is_not_turned_or_not_labelled_is_in_no_doubt(tmp_path: Path) -> None:
    photo(tmp_path / "p.jpg", 60, 60)
    photo(tmp_path / "q.jpg", 60, 60, turn=3)
    content = document("p.jpg", "q.jpg")
    content["annotations"].pop()
    assert corner(tmp_path, content) == ((2, 4), [])


def test_fractions_fit_into_both_frames(tmp_path: Path) -> None:
    content = document("p.jpg", p={"width": 40, "height": 80})
    content["annotations"][0]["bbox"] = [0.1, 0.1, 0.25, 0.5]
    for frame, at, doubts in (("auto", (4, 8), 1), ("turn", (16, 8), 0)):
        folder = tmp_path / frame
        photo(folder / "p.jpg", 80, 40, turn=6)
        found, told = corner(folder, content, frame=frame)
        assert found == pytest.approx(at)
        assert len(told) == doubts
