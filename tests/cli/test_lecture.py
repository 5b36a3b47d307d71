"""`labeler demo --lecture`: a detector and a small U-Net, in one HTML file that needs nothing else."""

import json
import re
from pathlib import Path

import cv2
import pytest

from labeler import cli
from labeler.cli.demo import lecture


def test_the_toy_task_is_labels_of_what_is_in_its_pictures(tmp_path: Path) -> None:
    labels = lecture.write_toy_task(tmp_path / "toy")
    document = json.loads(labels.read_text("utf-8"))
    assert len(document["images"]) == lecture.PICTURES
    assert [one["name"] for one in document["categories"]] == ["disc", "square"]
    assert len(document["annotations"]) == 2 * lecture.PICTURES
    for one in document["annotations"]:
        pixels = cv2.imread(str(tmp_path / "toy" / "images" / f"{one['image_id']:02}.png"))
        x, y, width, height = one["bbox"]
        inside = pixels[y + height // 2, x + width // 2]
        assert inside.max() >= 160, "the ground is darker"
    again = lecture.write_toy_task(tmp_path / "again")
    assert again.read_bytes() == labels.read_bytes()


def test_the_lecture_is_one_file_with_both_parts(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lecture, "EPOCHS", 3)
    assert cli.run(["demo", "--lecture", "--folder", str(tmp_path / "photos")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert any(
        re.fullmatch(r"YOLO11n, bus\.jpg: 719 candidates, 47 from .*, 5 after NMS .*", line) for line in said
    )
    assert [line.split(":")[0] for line in said if line.startswith("U-Net")] == [
        "U-Net, disc",
        "U-Net, square",
    ]
    path = Path(said[-1].removeprefix("report: "))
    text = path.read_text("utf-8")
    assert text.count("after NMS</figcaption>") == 3
    for name in ("disc", "square"):
        row = re.search(rf"<tr><td>{name}</td><td>\d</td><td>(0\.\d+|1\.0+)</td>", text)
        assert row is not None, "IoU by class"
    assert not re.search(r'(src|href)="(?!data:)', text), "it needs nothing else"


def test_a_folder_that_cannot_be_written_to_is_told(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos-lecture").write_text("in the way")
    assert cli.run(["demo", "--lecture", "--folder", str(tmp_path / "photos")]) == 1
    assert "cannot be written to" in capsys.readouterr().err
