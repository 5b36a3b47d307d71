"""`labeler evaluate` as a person types it."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.typed import labeler
from tests.evaluation.making import labels_and_results


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Labels and results of twelve images; the first category has a name that is no HTML."""
    labels, results = labels_and_results(images=12, objects=5, predictions=12, categories=3, seed=7)
    labels["categories"][0]["name"] = "<b>cat & co</b>"
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "results.json").write_text(json.dumps(results))
    return tmp_path / "labels.json", tmp_path / "results.json"


def test_a_person_reads_aligned_tables(files: tuple[Path, Path]) -> None:
    done = labeler("evaluate", *files)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"Boxes compared on 12 images with \d+ objects\.", lines[0])
    figures = lines[3:19]
    assert [line.split("  ")[0] for line in figures[:3]] == ["AP", "AP50", "AP75"]
    assert len({len(line) for line in figures}) == 1
    assert any(line.startswith("<b>cat & co</b>") for line in lines)


def test_a_program_reads_json(files: tuple[Path, Path]) -> None:
    done = labeler("evaluate", *files, "--json", "--conf", "0.5", "--against", files[1])
    assert done.returncode == 0
    first, second = json.loads(done.stdout)["models"]
    assert first["figures"] == second["figures"]
    assert first["confidence"] == 0.5
    assert first["hits"] + first["missed"] == first["truths"]
    assert sum(one["hits"] for one in first["categories"]) == first["hits"]


def test_the_report_is_one_file_that_needs_nothing(files: tuple[Path, Path], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(1, 13):
        cv2.imwrite(str(pictures / f"{number:06}.jpg"), np.full((480, 640, 3), 99, np.uint8))
    report = tmp_path / "report.html"
    done = labeler("evaluate", *files, "--images", pictures, "--against", files[1], "--html", report)
    assert done.returncode == 0, done.stderr
    text = report.read_text("utf-8")
    assert "&lt;b&gt;cat &amp; co&lt;/b&gt;" in text
    assert "<b>cat" not in text
    assert not re.search(r"(src|href)=\"(?!data:)|https?:|<script|url\(", text)
    assert text.count("data:image/jpeg;base64,") == 24
    assert text.count("<polyline") == 6
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_images_that_are_not_there_are_named_only(files: tuple[Path, Path], tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    assert labeler("evaluate", *files, "--html", report).returncode == 0
    text = report.read_text("utf-8")
    assert "data:image" not in text
    assert "000001.jpg" in text or "000002.jpg" in text


def test_masks_are_compared_where_both_have_some(tmp_path: Path) -> None:
    labels, results = labels_and_results(images=3, objects=4, predictions=9, categories=2, seed=1, masks=True)
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "results.json").write_text(json.dumps(results))
    said = labeler("evaluate", tmp_path / "labels.json", tmp_path / "results.json").stdout
    assert said.startswith("Masks compared")
    assert "Dice" in said
    boxes = labeler("evaluate", tmp_path / "labels.json", tmp_path / "results.json", "--boxes").stdout
    assert boxes.startswith("Boxes compared")
    assert "Dice" not in boxes


def test_a_model_is_run_and_judged(photos: Path, tmp_path: Path) -> None:
    labels = {
        "images": [{"id": 0, "file_name": "bus.jpg", "width": 810, "height": 1080}],
        "categories": [{"id": 0, "name": "object"}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "bbox": [0, 200, 800, 600], "area": 1000}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "model.py").write_text(
        "from labeler.core.records import Box, Candidate\n"
        "from labeler.models.protocols import ModelSpec\n"
        "from labeler.api import Plugin\n"
        "class One:\n"
        "    def detect(self, image, text=None):\n"
        "        return (Candidate(0, 0, 0, 0, Box(0, 200, 800, 800), 0.9, 'object'),)\n"
        "plugin = Plugin(1, 'One', '1', models=(ModelSpec('one', 'One', 'detector', One),))\n"
    )
    done = labeler(
        "evaluate",
        tmp_path / "labels.json",
        "--plugins",
        tmp_path,
        "--model",
        "one",
        "--images",
        photos,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    assert (model["title"], model["figures"]["ap"], model["f1"]) == ("One", pytest.approx(1.0), 1.0)


def test_refused_items_are_told_and_the_rest_is_judged(files: tuple[Path, Path]) -> None:
    results = json.loads(files[1].read_text())
    files[1].write_text(json.dumps([{**results[0], "image_id": 999}, *results[1:]]))
    done = labeler("evaluate", *files)
    assert done.returncode == 1
    assert "999" in done.stderr
    assert "AP50" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{labels}"], 2, "RESULTS.json or --model"),
        (["{labels}", "--model", "everything"], 2, "--images"),
        (["{labels}", "none.json"], 1, "none.json"),
        (["{labels}", "{results}", "--images", "none"], 1, "is no folder"),
        (["{labels}", "{results}", "--html", "none/report.html"], 1, "cannot be written"),
        (["{labels}", "{labels}"], 1, "labels.json"),
        (["{labels}", "{results}", "--conf", "2"], 2, "from 0 to 1"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    files: tuple[Path, Path], arguments: list[str], code: int, said: str
) -> None:
    filled = [one.format(labels=files[0], results=files[1]) for one in arguments]
    done = labeler("evaluate", *filled)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
