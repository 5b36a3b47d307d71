"""A format that is only read on the command line: it is found out, and cannot be written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Picture

from tests.formats.only_read.test_only_read import ONE_OF_EACH


def labeler(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labeler", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("known", ONE_OF_EACH)
def test_in(known: str, tmp_path: Path) -> None:
    Picture.new("RGB", (80, 60)).save(tmp_path / "a.jpg")
    (tmp_path / "a.json").write_text(json.dumps(ONE_OF_EACH[known]), "utf-8")
    done = labeler("convert", tmp_path / "a.json", tmp_path / "coco.json")
    assert done.returncode in (0, 1), done.stderr
    assert json.loads((tmp_path / "coco.json").read_text("utf-8"))["annotations"], done.stderr
    done = labeler("convert", tmp_path / "coco.json", tmp_path / "out", "--to", known)
    assert done.returncode
    assert "is only read" in done.stderr


def test_what_is_called_coco_and_is_not_is_named_with_the_way_to_read_it(tmp_path: Path) -> None:
    Picture.new("RGB", (80, 60)).save(tmp_path / "a.jpg")
    box = {"x": 10, "y": 10, "width": 50, "height": 50, "rectanglelabels": ["cat"]}
    result = {"type": "rectanglelabels", "original_width": 80, "original_height": 60, "value": box}
    task = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"id": 1, "result": [result]}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]), "utf-8")
    project = tmp_path / "p.labeler"
    done = labeler("import", tmp_path / "tasks.json", project, "--from", "coco")
    assert done.returncode == 1
    assert "It is Label Studio JSON; without --from it is read as what it is." in done.stderr
    assert not project.exists()
    done = labeler("import", tmp_path / "tasks.json", project)
    assert done.returncode == 0, done.stderr
    assert "annotations: 1 of 1 taken" in done.stdout
