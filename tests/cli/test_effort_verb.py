"""`labeler effort` on a few drawn photos, with the SAM that comes along and a detector of bright spots."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.typed import labeler

WAYS = {"polygons", "sam", "with_predictions"}
BRIGHT = """
import cv2
import numpy as np

from labeler.api import Box, Candidate, ModelSpec, Plugin


class Bright:
    def detect(self, image, text=None):
        found, _, rows, _ = cv2.connectedComponentsWithStats((image.min(axis=2) > 150).astype(np.uint8))
        boxes = [Box(x, y, x + w, y + h) for x, y, w, h, size in rows[1:].tolist() if size > 50]
        return tuple(Candidate(0, 0, 0, 0, box, 0.9, "Spot") for box in boxes)


plugin = Plugin(
    api=1, name="Bright", version="1", models=(ModelSpec("bright", "Bright spots", "detector", Bright),)
)
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """labels.json, boxes.json and `images` with 4 photos of two bright discs each; the plugin `bright`."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    images, outlines, boxes = [], [], []
    for number in range(1, 5):
        pixels = rng.integers(20, 60, (120, 180, 3)).astype(np.uint8)
        name = f"photo {number}.png"
        images.append({"id": number, "file_name": name, "width": 180, "height": 120})
        for place, middle in enumerate(((45, 30 + 12 * number), (130, 90 - 10 * number)), 1):
            cv2.circle(pixels, middle, 24, (230, 220, 210), -1)
            ring = cv2.ellipse2Poly(middle, (24, 24), 0, 0, 360, 10)[:-1].astype(float) + 0.5
            box = [middle[0] - 24, middle[1] - 24, 49, 49]
            one = {"id": number * 10 + place, "image_id": number, "category_id": 3, "bbox": box}
            one |= {"area": 2401, "iscrowd": 0}
            boxes.append(one)
            outlines.append({**one, "area": 1800, "segmentation": [ring.ravel().tolist()]})
        cv2.imwrite(str(tmp_path / "images" / name), pixels)
    rest = {"images": images, "categories": [{"id": 3, "name": "spot"}]}
    (tmp_path / "labels.json").write_text(json.dumps({**rest, "annotations": outlines}))
    (tmp_path / "boxes.json").write_text(json.dumps({**rest, "annotations": boxes}))
    (tmp_path / "spots").mkdir()
    (tmp_path / "spots" / "bright.py").write_text(BRIGHT)
    monkeypatch.setenv("LABELER_PLUGINS", str(tmp_path / "spots"))
    return tmp_path


def effort(data: Path, *words: object, labels: str = "labels.json"):
    return labeler("effort", data / labels, "--images", data / "images", *words)


def test_the_json_has_all_three_ways_in_all_and_by_image_and_is_the_same_again(data):
    words = ("--with", "bright", "--learn", "none", "--limit", "2", "--json", "--out", data / "out.json")
    done = effort(data, *words)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["images"], told["objects"], told["target"]) == (2, 4, 0.85)
    assert told["actions_per_object"].keys() == told["seconds_per_object"].keys() == WAYS
    costs = told["actions_per_object"]
    assert costs["with_predictions"] < costs["sam"] < costs["polygons"]
    assert told["predictions"]["shown"] == told["predictions"]["unchanged"] == 4
    names = [one["file_name"] for one in told["by_image"]]
    assert names == sorted(set(names))
    for one in told["by_image"]:
        assert one["actions_per_object"].keys() == one["seconds_per_object"].keys() == WAYS
        assert (one["model"], one["objects"]) == ("Bright spots", 2)
        # all at once: one key for two objects
        assert one["actions_per_object"]["with_predictions"] == 0.5
    assert json.loads((data / "out.json").read_text()) == told
    # embeddings come from the cache now
    assert effort(data, *words).stdout == done.stdout


def test_boxes_cost_two_clicks_without_predictions(data):
    done = effort(data, "--with", "bright", "--learn", "none", "--json", labels="boxes.json")
    told = json.loads(done.stdout)
    assert told["actions_per_object"] == {"polygons": 2.0, "sam": 2.0, "with_predictions": 0.5}
    alone = json.loads(effort(data, "--with", "--learn", "none", "--json", labels="boxes.json").stdout)
    assert set(alone["actions_per_object"].values()) == {2.0}
    assert {one["model"] for one in alone["by_image"]} == {None}


def test_what_is_learnt_is_shown_on_later_images(data):
    words = ("--with", "--learn", "instant", "--every", "2", "--limit", "3", "--json")
    done = labeler("effort", data / "boxes.json", "--images", data / "images", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["models"], told["learn"]) == ([], "instant")
    models = [one["model"] for one in told["by_image"]]
    assert models == [None, "Instant after 1 image", "Instant after 2 images"]


def test_a_table_some_images_only_and_a_pace_of_ones_own(data):
    words = ("--with", "bright", "--learn", "none", "--limit", "3", "--seed", "7")
    done = effort(data, *words, "--seconds", "click=10", "look=0", labels="boxes.json")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "6 objects on 3 images, masks to IoU 0.85."
    assert lines[2].split() == ["by", "hand", "2.0", "20.0"]
    assert [line.split()[0] for line in lines[-3:]] == ["1", "2", "3"]
    drawn = json.loads(effort(data, *words, "--json", labels="boxes.json").stdout)["by_image"]
    again = json.loads(effort(data, *words, "--json", labels="boxes.json").stdout)["by_image"]
    assert drawn == again
    assert len({one["file_name"] for one in drawn}) == 3


def test_a_photo_that_is_gone_or_damaged_is_told_and_left_out(data):
    (data / "images" / "photo 2.png").unlink()
    (data / "images" / "photo 3.png").write_bytes(b"no photo")
    done = effort(data, "--with", "bright", "--learn", "none", "--json", labels="boxes.json")
    assert done.returncode == 1
    assert "photo 2.png is not in the folder" in done.stderr
    assert "photo 3.png" in done.stderr
    assert json.loads(done.stdout)["images"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--with", "nothing"), "There is no model named “nothing”"),
        (("--with", "mobilesam"), "is no detector"),
        (("--learn", "nothing"), "There is no trainer named “nothing”"),
        (("--images", "nowhere"), "is no folder"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_what_there_is_not_is_one_sentence(data, words, said):
    done = effort(data, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_labels_without_objects_or_photos_are_one_sentence(data, tmp_path):
    (data / "none.json").write_text('{"images": [], "categories": [], "annotations": []}')
    done = effort(data, labels="none.json")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "has no labels" in done.stderr
    (tmp_path / "empty").mkdir()
    done = labeler("effort", data / "labels.json", "--images", tmp_path / "empty")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "None of the photos of" in done.stderr
    small = json.loads((data / "labels.json").read_text())
    for one in small["annotations"]:
        one["segmentation"] = [[5, 5, 15, 5, 15, 15, 5, 15]]
        one["bbox"], one["area"] = [5, 5, 10, 10], 100
    (data / "small.json").write_text(json.dumps(small))
    done = effort(data, "--with", "--learn", "none", labels="small.json")
    assert done.returncode == 1
    assert "has no object to measure with" in done.stderr


@pytest.mark.parametrize(
    "words", [("--target", "1.5"), ("--seconds", "hop=3"), ("--seconds", "click"), ("--limit", "0")]
)
def test_wrong_calls(data, words):
    assert effort(data, *words).returncode == 2
