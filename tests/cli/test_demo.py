"""`labeler demo` on a machine without a display: the whole job, and what it leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from pycocotools import mask


def without_display() -> dict[str, str]:
    """An environment in which no window can be shown."""
    gone = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return {name: value for name, value in os.environ.items() if name not in gone}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has machines without a display")
def test_the_demo_does_the_job_without_a_display(home: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labeler", "demo", "--folder", str(tmp_path / "demo")],
        env=without_display(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "No display was found, so the window works off-screen."
    named = dict(line.split(": ", 1) for line in lines if line.startswith(("screenshot: ", "COCO file: ")))
    screenshot = cv2.imread(named["screenshot"].strip())
    assert screenshot is not None
    assert screenshot.shape == (900, 1440, 3)
    assert screenshot.std() > 20, "an empty window"
    _check(json.loads(Path(named["COCO file"].strip()).read_text(encoding="utf-8")))


def _check(document: dict[str, list[dict[str, object]]]) -> None:
    images = {image["id"]: image for image in document["images"]}
    names = {category["id"]: category["name"] for category in document["categories"]}
    found = sorted(
        (images[a["image_id"]]["file_name"], names[a["category_id"]]) for a in document["annotations"]
    )
    assert found == [
        ("bus.jpg", "bus"),
        ("bus.jpg", "person"),
        ("bus.jpg", "person"),
        ("grace_hopper.jpg", "person"),
        ("zidane.jpg", "person"),
    ]
    for annotation in document["annotations"]:
        image, segmentation = images[annotation["image_id"]], annotation["segmentation"]
        size = (image["height"], image["width"])
        rings = mask.frPyObjects(segmentation, *size)
        assert mask.area(mask.merge(rings)) == annotation["area"]
        assert annotation["area"] > 5_000  # type: ignore[operator]
