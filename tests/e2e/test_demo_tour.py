"""The steps of the demo, done by the tour in a real window: all but the training, which takes longer."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask

from labeler.errors import LabelerError
from labeler.gui.window.demo.tour import DEMO_STEPS, Tour
from tests.e2e.user import User

pytestmark = [
    pytest.mark.qt_log_ignore("propagateSizeHints"),  # of the off-screen platform
]
QUICK = [step for step in DEMO_STEPS if not step.learns]


def labels_of(document: dict) -> list[tuple[str, str]]:
    """Photo and category of each annotation of a COCO file, sorted; each shape is decoded on the way."""
    images = {image["id"]: image for image in document["images"]}
    names = {category["id"]: category["name"] for category in document["categories"]}
    for one in document["annotations"]:
        image = images[one["image_id"]]
        rings = mask.frPyObjects(one["segmentation"], image["height"], image["width"])
        assert abs(mask.area(mask.merge(rings)) - one["area"]) <= 0.02 * one["area"]
    return sorted(
        (images[one["image_id"]]["file_name"], names[one["category_id"]]) for one in document["annotations"]
    )


EXPECTED = [
    *[("bus.jpg", "bollard")] * 2,
    ("bus.jpg", "bus"),
    *[("bus.jpg", "person")] * 4,
    *[("zidane.jpg", "person")] * 2,
    *[("zidane.jpg", "tie")] * 2,
]
"""What the detector finds on the two photos, and what is clicked."""


def test_the_steps_label_two_photos_and_say_it_in_figures(
    start: Callable[..., User], photos: Path, tmp_path: Path
) -> None:
    user = start(host=True)
    told: list[str] = []
    left = Tour(user.window, told.append).run(photos, tmp_path / "results", QUICK)
    assert len(told) == len(left.said) == len(QUICK) == 7
    predicted, why, accepted, added, corrected, reviewed, exported = left.said
    # candidates before NMS, what confidence and NMS leave, and why one is gone
    assert "YOLO11n has 719 candidates for bus.jpg; 47 are" in predicted
    assert "NMS at IoU 0.50 keeps 5 and suppresses 42" in predicted
    assert "is suppressed: its IoU with" in why
    assert accepted.startswith("8 predictions are accepted on 2 photos")
    assert "11 objects in all" in added
    assert "IoU 0.9" in corrected
    assert "Dice 0.9" in corrected
    assert reviewed == "2 of 3 photos are reviewed."
    assert exported.startswith("labels.json: 11 objects on 3 images")
    assert labels_of(json.loads(left.coco.read_text("utf-8"))) == EXPECTED
    assert left.report is None
    assert len(left.pictures) == 5
    for picture in left.pictures:
        pixels = cv2.imread(str(picture))
        assert pixels.shape == (900, 1440, 3)
        assert pixels.std() > 20, "an empty window"


def test_a_step_that_comes_to_nothing_says_why(start: Callable[..., User], tmp_path: Path) -> None:
    user = start(host=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    cv2.imwrite(str(folder / "other.png"), np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(LabelerError, match=r"The demo needs the photo bus\.jpg, which is not in"):
        Tour(user.window, print).run(folder, tmp_path / "results", QUICK)
    assert not (tmp_path / "results").exists()
