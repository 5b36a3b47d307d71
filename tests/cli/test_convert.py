"""`labeler convert` as a person types it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from tests.cli.typed import labeler
from tests.coco_values import completed, without_facts


def whole(*boxes: list[float]) -> dict[str, list[dict[str, object]]]:
    return {
        "images": [{"id": 5, "file_name": "gone/a.png", "width": 40, "height": 30}],
        "annotations": [
            {
                "id": n,
                "image_id": 5,
                "category_id": 2,
                "segmentation": [],
                "area": 12.0,
                "bbox": box,
                "iscrowd": 0,
            }
            for n, box in enumerate(boxes, 1)
        ],
        "categories": [{"id": 2, "name": "cat"}],
    }


def test_to_a_project_and_back(tmp_path: Path) -> None:
    source, project, back = (tmp_path / name for name in ("in.json", "p.labeler", "back.json"))
    source.write_text(json.dumps(whole([1, 2, 3, 4])))
    done = labeler("convert", source, project)
    assert done.returncode == 0
    assert "no such file" in done.stderr
    assert labeler("convert", project, back, "--as-imported").returncode == 0
    assert without_facts(back.read_bytes()) == completed(whole([1, 2, 3, 4]))
    kept = back.read_bytes()
    refused = labeler("convert", project, back)
    assert (refused.returncode, back.read_bytes()) == (1, kept)
    assert "--force" in refused.stderr
    assert labeler("convert", project, back, "--force").returncode == 0
    assert json.loads(back.read_bytes())["annotations"][0]["segmentation"] == [[1, 2, 4, 2, 4, 6, 1, 6]]
    again = labeler("convert", source, project)
    assert again.returncode == 1
    assert "exists already" in again.stderr


def test_to_clean_json(tmp_path: Path) -> None:
    source, out = tmp_path / "in.json", tmp_path / "out.json"
    data = whole([1, 2, 3, 4], [1, 2, 0, 4], [2, 2, 3, 4])
    data["annotations"][2]["area"] = 9000
    source.write_text(json.dumps(data))
    done = labeler("convert", source, out)
    assert done.returncode == 1
    assert "annotations: 2 of 3 taken, 1 repaired, 1 refused" in done.stdout
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "refused annotations[1].bbox",
        "repaired annotations[2].area",
    ]
    written = json.loads(out.read_bytes())
    assert [(row["id"], row["area"]) for row in written["annotations"]] == [(1, 12.0), (3, 12.0)]
    clean = labeler("convert", out, tmp_path / "again.json")
    assert (clean.returncode, clean.stderr) == (0, "")
    assert (tmp_path / "again.json").read_bytes() == out.read_bytes()


def test_an_image_without_a_size_is_looked_up_or_left_out_by_name(tmp_path: Path) -> None:
    source, out = tmp_path / "in.json", tmp_path / "out.json"
    data = whole([1, 2, 3, 4])
    for name in ("width", "height"):
        del data["images"][0][name]
    source.write_text(json.dumps(data))
    done = labeler("convert", source, out)
    assert done.returncode == 1
    assert "refused images[0].width" in done.stderr
    assert "refused annotations[0]" in done.stderr
    written = json.loads(out.read_bytes())
    assert (written["images"], written["annotations"]) == ([], [])
    (tmp_path / "gone").mkdir()
    assert cv2.imwrite(str(tmp_path / "gone" / "a.png"), np.zeros((30, 40, 3), np.uint8))
    refused = labeler("convert", source, out)
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert labeler("convert", source, out, "--force").returncode == 0
    (image,) = json.loads(out.read_bytes())["images"]
    assert (image["width"], image["height"]) == (40, 30)


@pytest.mark.parametrize(
    ("source", "out"), [("a.labeler", "b.labeler"), ("none.json", "b.labeler"), ("none.json", "b.json")]
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, source: str, out: str) -> None:
    done = labeler("convert", tmp_path / source, tmp_path / out)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / out).exists()


@pytest.mark.parametrize(
    ("labels", "images"),
    [
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_default.json", "images/default"),
        ("labels/train.json", "images/train"),
    ],
)
def test_clean_json_finds_photos_where_an_import_does(tmp_path: Path, labels: str, images: str) -> None:
    source, folder = tmp_path / labels, tmp_path / images
    for made in (source.parent, folder):
        made.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / "a.png"), np.zeros((30, 40, 3), np.uint8))
    data = whole([1, 2, 3, 4])
    data["images"][0] = {"id": 5, "file_name": "a.png"}
    source.write_text(json.dumps(data))
    done = labeler("convert", source, tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "out.json").read_bytes())
    assert (written["images"][0]["width"], len(written["annotations"])) == (40, 1)


@pytest.mark.parametrize("change", ["turned", "scaled"])
def test_clean_json_is_in_the_frame_of_the_displayed_photo_as_an_import_is(
    tmp_path: Path, change: str
) -> None:
    exif = Picture.Exif()
    exif[0x0112] = 6 if change == "turned" else 1  # turned right: what is stored at the left is at the top
    stored = (40, 30) if change == "turned" else (80, 60)
    Picture.new("RGB", stored).save(tmp_path / "a.jpg", exif=exif)
    data = whole([30, 20, 10, 10])
    data["images"][0]["file_name"] = "a.jpg"
    data["annotations"][0]["area"] = 100
    source, out = tmp_path / "in.json", tmp_path / "out.json"
    source.write_text(json.dumps(data))
    done = labeler("convert", source, out)
    assert done.returncode == 0
    assert "--frame displayed leaves it" in done.stderr
    written = json.loads(out.read_bytes())
    size, box = {"turned": ((30, 40), [0, 30, 10, 10]), "scaled": ((80, 60), [60, 40, 20, 20])}[change]
    assert (written["images"][0]["width"], written["images"][0]["height"]) == size
    assert written["annotations"][0]["bbox"] == box
    assert labeler("import", source, tmp_path / "p.labeler").returncode == 0
    assert labeler("export", tmp_path / "p.labeler", tmp_path / "exported.json").returncode == 0
    assert json.loads((tmp_path / "exported.json").read_bytes())["annotations"][0]["bbox"] == box
    labeler("convert", source, out, "--force", "--frame", "displayed")
    as_it_was = [row["bbox"] for row in json.loads(out.read_bytes())["annotations"]]
    assert as_it_was == ([] if change == "turned" else [[30, 20, 10, 10]]), "it lies outside, or where it lay"


def test_an_area_of_the_file_is_kept_where_that_is_asked(tmp_path: Path) -> None:
    source, out, project = (tmp_path / name for name in ("in.json", "out.json", "p.labeler"))
    data = whole([1, 2, 3, 4])
    data["annotations"][0]["area"] = 9000.0
    source.write_text(json.dumps(data))
    assert labeler("convert", source, out).returncode == 0
    assert json.loads(out.read_bytes())["annotations"][0]["area"] == 12.0
    assert labeler("convert", source, out, "--area", "file", "--force").returncode == 0
    assert json.loads(out.read_bytes())["annotations"][0]["area"] == 9000.0
    assert labeler("convert", source, project, "--area", "file").returncode == 0
    assert labeler("convert", project, out, "--force").returncode == 0
    assert json.loads(out.read_bytes())["annotations"][0]["area"] == 9000.0
