"""`labeler predict` on real photos with a real checkpoint, and what it says when it cannot."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image as Picture

from labeler import cli
from labeler.cli import predict
from labeler.core.rle import decode, decompress
from labeler.formats.coco.coco_reading import read_coco

ANNOTATIONS = "data/coco-mini/annotations.json"


@pytest.fixture
def weights(shared) -> Path:
    return shared / "models/yolo/yolov8n-coco.pt"


def labels(path: Path, photo: Path, *names: str) -> Path:
    """Labels that know one image as 77, and categories from 10."""
    data = {
        "images": [{"id": 77, "file_name": f"elsewhere/{photo.name}", "width": 810, "height": 1080}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 10)],
        "annotations": [],
    }
    path.write_text(json.dumps(data))
    return path


def test_results_summary_ids_and_masks(weights, photo, tmp_path, capsys) -> None:
    out = tmp_path / "results.json"
    arguments = ["predict", str(photo), "--model", str(weights), "--out", str(out)]
    assert cli.run(arguments) == 0
    assert "objects of" in capsys.readouterr().out
    results = json.loads(out.read_text())
    assert {result["image_id"] for result in results} == {1}
    assert sorted(result["category_id"] for result in results)[:4] == [1, 1, 1, 1]
    assert 6 in {result["category_id"] for result in results}, "the bus is COCO's sixth class"
    assert all(result["score"] >= 0.25 for result in results)
    assert [result["score"] for result in results] == sorted((r["score"] for r in results), reverse=True)

    known = labels(tmp_path / "labels.json", photo, "Person", "bus")
    more = ["--labels", str(known), "--json", "--masks", "--conf", "0.5"]
    (photo.parent / "broken.jpg").write_bytes(b"no image")
    assert cli.run([*arguments, *more]) == 0
    summary = json.loads(capsys.readouterr().out)
    results = json.loads(out.read_text())
    assert (summary["images"], summary["objects"]) == (1, len(results))
    assert summary["candidates"] > 300
    assert {result["image_id"] for result in results} == {77}
    assert {result["category_id"] for result in results} == {10, 11}
    bus = next(result for result in results if result["category_id"] == 11)
    segmentation = bus["segmentation"]
    assert segmentation["size"] == [1080, 810]
    mask = decode(decompress(segmentation["counts"].encode()), (1080, 810))
    assert mask.sum() > 0.4 * bus["bbox"][2] * bus["bbox"][3]

    known = labels(tmp_path / "labels.json", photo, "bus")
    assert cli.run([*arguments[:-1], str(out), "--labels", str(known)]) == 1
    assert "no category for these classes, whose objects were left out: person (4" in capsys.readouterr().err

    assert cli.run(["predict", str(photo.parent), *arguments[2:], "--kind", "none", "--top", "3"]) == 1
    assert "broken.jpg" in capsys.readouterr().err
    assert len(json.loads(out.read_text())) == 3


TROUBLE = {
    "two models": (["--model", "x", "--everything"], "Name one model"),
    "unknown model": (["--model", "nothing"], "There is no model named “nothing”"),
    "no model file": (["--model", "{photo}"], "is not a model file"),
    "segmenter": (["--model", "mobilesam"], "MobileSAM is no detector"),
    "text": (["--everything", "--text", "a dog"], "does not read"),
    "labels": (["--everything", "--labels", "{labels}"], "None of the images is named in the labels"),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_what_cannot_be_done_is_said_in_a_sentence(case, photo, tmp_path, capsys) -> None:
    more, sentence = TROUBLE[case]
    other = labels(tmp_path / "labels.json", Path("other.jpg"), "bus")
    more = [word.format(photo=photo, labels=other) for word in more]
    out = tmp_path / "results.json"
    assert cli.run(["predict", str(photo), "--out", str(out), *more]) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.splitlines()) == 1
    assert not out.exists()


def test_a_path_without_images_is_told(tmp_path, capsys) -> None:
    arguments = ["--everything", "--out", str(tmp_path / "out.json")]
    assert cli.run(["predict", str(tmp_path / "none"), *arguments]) == 1
    assert "There is no image or folder" in capsys.readouterr().err
    assert cli.run(["predict", str(tmp_path), *arguments]) == 1
    assert "There is no image in" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        cli.run(["predict", str(tmp_path), *arguments, "--conf", "1.5"])
    assert stopped.value.code == 2


@pytest.mark.slow
def test_average_precision_is_that_of_ultralytics_validation(shared, weights, tmp_path) -> None:
    out = tmp_path / "results.json"
    folder = shared / "data/coco-mini/images"
    truth = shared / ANNOTATIONS
    options = ["--conf", "0.001", "--iou", "0.7", "--labels", str(truth), "--out", str(out)]
    assert cli.run(["predict", str(folder), "--model", str(weights), *options]) == 0
    ours = average_precision(truth, json.loads(out.read_text()))
    theirs = average_precision(truth, validated(weights, folder, truth, tmp_path))
    print(f"AP of labeler predict {ours:.4f}, of ultralytics' validation {theirs:.4f}")
    assert abs(ours - theirs) <= 0.005
    assert ours > 0.4


def average_precision(truth: Path, results: list[dict]) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    known = COCO(str(truth))
    evaluation = COCOeval(known, known.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def validated(weights: Path, folder: Path, truth: Path, tmp_path: Path) -> list[dict]:
    """The results of ultralytics' own validation, on copies of the images, with the ids of the labels."""
    from labeler.models.ultralytics_home import import_ultralytics

    model = import_ultralytics().YOLO(str(weights))
    data = json.loads(truth.read_text())
    numbers = {name: index for index, name in model.names.items()}
    categories = {category["id"]: numbers[category["name"]] for category in data["categories"]}
    ids = {index: category for category, index in categories.items()}
    images = {image["file_name"]: image for image in data["images"]}
    root = tmp_path / "set"
    shutil.copytree(folder, root / "images")
    (root / "labels").mkdir()
    for name, image in images.items():
        lines = []
        for one in data["annotations"]:
            if one["image_id"] == image["id"] and not one["iscrowd"]:
                x, y, width, height = one["bbox"]
                centre = (x + width / 2) / image["width"], (y + height / 2) / image["height"]
                size = width / image["width"], height / image["height"]
                lines.append(" ".join(map(str, (categories[one["category_id"]], *centre, *size))))
        (root / "labels" / f"{Path(name).stem}.txt").write_text("\n".join(lines))
    classes = "\n".join(f"  {index}: {json.dumps(name)}" for index, name in model.names.items())
    recipe = root / "data.yaml"
    recipe.write_text(f"path: {root}\ntrain: images\nval: images\nnames:\n{classes}\n")
    model.val(
        data=str(recipe),
        conf=0.001,
        iou=0.7,
        save_json=True,
        plots=False,
        workers=0,
        batch=8,
        device="cpu",
        project=str(tmp_path / "runs"),
        name="val",
    )
    results = json.loads((tmp_path / "runs/val/predictions.json").read_text())
    for result in results:
        result["image_id"] = images[result["file_name"]]["id"]
        result["category_id"] = ids[result["category_id"] - 1]
    return results


def test_photos_that_are_links_are_photos_and_pipes_are_none(tmp_path: Path, expect_log) -> None:
    """A link to elsewhere, to a file or a folder, is what it leads to; what is no file costs nothing."""
    expect_log("loop.png was left out")
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        Picture.new("RGB", (40, 30)).save(folder / f"{name}.png")
    (tmp_path / "one" / "linked.png").symlink_to(tmp_path / "two" / "two.png")
    (tmp_path / "one" / "deep").symlink_to(tmp_path / "two")
    (tmp_path / "one" / "loop.png").symlink_to(tmp_path / "one" / "loop.png")
    os.mkfifo(tmp_path / "one" / "pipe.png")
    found, told = predict._files([tmp_path / "one"], None)
    assert [path.relative_to(tmp_path / "one").as_posix() for path in found] == [
        "deep/two.png",
        "linked.png",
        "one.png",
    ]
    (twice,) = told
    one, other = tmp_path / "one/linked.png", tmp_path / "one/deep/two.png"
    assert twice.startswith(f"1 photo is there twice by links, “{one}” and “{other}”")


def test_masks_beside_photos_are_no_photos(tmp_path) -> None:
    for name in ("photos/a.png", "photos/b.png", "masks/a.png", "masks/b_mask.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Picture.new("RGB", (40, 30)).save(tmp_path / name)
    found, told = predict._files([tmp_path], None)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["photos/a.png", "photos/b.png"]
    assert told == ["2 pictures in “masks” are masks of the photos here and are left out."]
    assert len(predict._files([tmp_path / "masks"], None)[0]) == 2, "asked for by name"
    named = labels(tmp_path / "labels.json", Path("a.png"), "bus")
    named.write_text(named.read_text().replace("elsewhere/", "masks/"))
    assert len(predict._files([tmp_path], read_coco(named)[0])[0]) == 4, "the labels have them as photos"
