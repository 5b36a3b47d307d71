"""`labeler segment` on real photos with the real model."""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest

from labeler.cli import segment
from labeler.core.records import Mask, Proposal
from labeler.core.rle import decode, decompress
from labeler.errors import FormatError
from labeler.models.simulated import MOST_CLICKS, innermost_point, next_click


def parse(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    segment.add_parser(parser.add_subparsers())
    return parser.parse_args(["segment", *map(str, arguments)])


def figures(text: str) -> dict[str, tuple[float, float]]:
    """Mean IoU of the first choice and of the best proposal, by prompt."""
    rows = re.findall(r"^(box|\d+ clicks?)\s+([\d.]+)\s+([\d.]+)$", text, re.MULTILINE)
    return {name: (float(chosen), float(best)) for name, chosen, best in rows}


def subset(shared: Path, tmp_path: Path, count: int) -> Path:
    """The first images of coco-mini that have objects, as a labels file of its own."""
    data = json.loads((shared / "data/coco-mini/annotations.json").read_text())
    images = data["images"][:count]
    ids = {image["id"] for image in images}
    data["images"] = images
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in ids]
    path = tmp_path / "few.json"
    path.write_text(json.dumps(data))
    return path


def test_masks_and_figures_of_a_few_images(shared, tmp_path, capsys) -> None:
    labels, out = subset(shared, tmp_path, 4), tmp_path / "masks.json"
    images = shared / "data/coco-mini/images"
    assert (
        segment.run(parse(labels, "--images", images, "--prompts", "click", "--clicks", 3, "--out", out)) == 0
    )
    found = figures(capsys.readouterr().out)
    assert found["1 click"][0] > 0.35
    assert found["1 click"][1] > found["1 click"][0]
    assert found["3 clicks"][0] > found["1 click"][0] + 0.1

    data = json.loads(labels.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    known = {a["id"]: a for a in data["annotations"]}
    results = json.loads(out.read_text())
    assert len({result["annotation_id"] for result in results}) == len(results) > 5
    for result in results:
        annotation = known[result["annotation_id"]]
        assert result["image_id"] == annotation["image_id"]
        assert result["category_id"] == annotation["category_id"]
        assert not annotation["iscrowd"]
        assert result["click"] == 3
        assert 0 <= result["score"] <= 1
        rle = result["segmentation"]
        assert tuple(rle["size"]) == sizes[result["image_id"]]
        bits = decode(decompress(rle["counts"].encode()), tuple(rle["size"]))
        ys, xs = np.nonzero(bits)
        x, y, width, height = result["bbox"]
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x, y, x + width, y + height)

    assert segment.run(parse(labels, "--images", images, "--prompts", "box", "--out", out)) == 0
    assert figures(capsys.readouterr().out)["box"][0] > 0.6
    assert {result["click"] for result in json.loads(out.read_text())} == {0}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_accuracy_on_all_of_coco_mini(shared, tmp_path, capsys) -> None:
    """Within two points of what the bare model files give; see the README of the model."""
    labels, images = shared / "data/coco-mini/annotations.json", shared / "data/coco-mini/images"
    out = tmp_path / "masks.json"
    segment.run(parse(labels, "--images", images, "--prompts", "click", "--clicks", 5, "--out", out))
    clicks = figures(capsys.readouterr().out)
    segment.run(parse(labels, "--images", images, "--prompts", "box", "--out", out))
    box = figures(capsys.readouterr().out)
    assert box["box"][0] >= 0.719 - 0.02
    assert clicks["1 click"][0] >= 0.488 - 0.02
    assert clicks["1 click"][1] >= 0.640 - 0.02
    assert clicks["3 clicks"][0] >= 0.694 - 0.02
    assert clicks["5 clicks"][0] >= 0.778 - 0.02


def test_labels_that_do_not_fit_their_image_are_named_and_left_out(photos, tmp_path, capsys) -> None:
    square = [[100, 100, 200, 100, 200, 200, 100, 200]]
    data = {
        "images": [
            {"id": 1, "file_name": "bus.jpg", "width": 810, "height": 1080},
            {"id": 2, "file_name": "zidane.jpg", "width": 300, "height": 300},
            {"id": 3, "file_name": "gone.jpg", "width": 300, "height": 300},
        ],
        "categories": [{"id": 5, "name": "thing"}],
        "annotations": [
            {"id": 10 + i, "image_id": i, "category_id": 5, "segmentation": square, "iscrowd": 0,
             "bbox": [100, 100, 100, 100], "area": 10_000}
            for i in (1, 2, 3)
        ],
    }  # fmt: skip
    labels, out = tmp_path / "labels.json", tmp_path / "out.json"
    labels.write_text(json.dumps(data))
    assert segment.run(parse(labels, "--images", photos, "--prompts", "box", "--out", out)) == 1
    said = capsys.readouterr().err
    assert "are for an image of 300 by 300, but it has 1280 by 720" in said
    assert "gone.jpg is not in the folder" in said
    assert [result["annotation_id"] for result in json.loads(out.read_text())] == [11]


def test_what_cannot_be_measured_is_one_sentence(photos, tmp_path) -> None:
    labels = tmp_path / "labels.json"
    labels.write_text('{"images": [], "categories": [], "annotations": []}')
    with pytest.raises(FormatError, match="no labelled object"):
        segment.run(parse(labels, "--images", photos, "--out", tmp_path / "out.json"))
    with pytest.raises(FormatError, match="is no folder"):
        segment.run(parse(labels, "--images", tmp_path / "none", "--out", tmp_path / "out.json"))
    with pytest.raises(FormatError, match="at least one click"):
        segment.run(parse(labels, "--images", photos, "--clicks", 0, "--out", tmp_path / "out.json"))


def steps_of(*ious: float) -> list[segment.PromptStep]:
    nothing = Proposal(Mask(0, 0, np.zeros((0, 0), dtype=bool)), 0.0, np.zeros((1, 1), dtype=np.float32))
    return [segment.PromptStep(number, nothing, iou, iou) for number, iou in enumerate(ious, 1)]


def test_clicks_are_counted_as_papers_do() -> None:
    quick, slow, never = steps_of(0.5, 0.86, 0.95), steps_of(0.87, 0.8, 0.91), steps_of(*[0.3] * 20)
    assert segment.clicks_to(quick, 0.85) == 2
    assert segment.clicks_to(slow, 0.85) == 1, "the first time counts, also where it gets worse again"
    assert segment.clicks_to(never, 0.85) is None
    rows = [line.split() for line in segment._noc_table([quick, slow, never]).splitlines()]
    assert rows[1] == ["NoC@85", f"{(2 + 1 + 20) / 3:.2f}", "1"]
    assert rows[2] == ["NoC@90", f"{(3 + 3 + 20) / 3:.2f}", "1"]


def test_clicks_to_an_iou_on_a_real_photo(photos, tmp_path, capsys) -> None:
    data = {
        "images": [{"id": 1, "file_name": "bus.jpg", "width": 810, "height": 1080}],
        "categories": [{"id": 5, "name": "thing"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 5, "iscrowd": 0, "bbox": [10, 230, 790, 520],
             "area": 410_800, "segmentation": [[10, 230, 800, 230, 800, 750, 10, 750]]}
        ],
    }  # fmt: skip
    labels, out = tmp_path / "labels.json", tmp_path / "out.json"
    labels.write_text(json.dumps(data))
    assert segment.run(parse(labels, "--images", photos, "--noc", "--out", out)) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    (result,) = json.loads(out.read_text())
    assert [row[0] for row in rows[1:3]] == ["NoC@85", "NoC@90"]
    assert float(rows[1][1]) <= float(rows[2][1]) <= MOST_CLICKS
    assert 1 <= result["click"] <= MOST_CLICKS
    with pytest.raises(FormatError, match="--noc counts clicks by itself"):
        segment.run(parse(labels, "--images", photos, "--noc", "--clicks", 3, "--out", out))


def test_the_innermost_point_is_the_centre_of_the_widest_part() -> None:
    region = np.zeros((20, 30), dtype=bool)
    region[2:7, 3:8] = True
    region[4, 8:25] = True
    assert innermost_point(region) == (5.5, 4.5)
    corner = np.zeros((9, 9), dtype=bool)
    corner[:3, :3] = True
    assert innermost_point(corner) == (1.5, 1.5)  # outside the image is outside the object
    with pytest.raises(ValueError, match="empty"):
        innermost_point(np.zeros((3, 3), dtype=bool))


def test_the_next_click_corrects_the_largest_error() -> None:
    truth = np.zeros((40, 40), dtype=bool)
    truth[5:16, 5:16] = True
    mask = truth.copy()
    mask[5:16, 5:8] = False  # 33 pixels missed
    mask[30:35, 30:37] = True  # 35 too many
    click = next_click(truth, mask)
    assert click is not None
    assert not click.positive
    assert (click.x, click.y) == (32.5, 32.5)
    mask[30:35, 30:37] = False
    click = next_click(truth, mask)
    assert click is not None
    assert click.positive
    assert (click.x, click.y) == (6.5, 6.5)
    assert next_click(truth, truth) is None
