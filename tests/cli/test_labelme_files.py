"""labelme files on the command line: in, out, and to another format."""

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image as Picture

from tests.formats.labelme.samples import document, shape


def labeler(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labeler", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_in_and_out(tmp_path: Path) -> None:
    photos, project = tmp_path / "photos", tmp_path / "labels.labeler"
    photos.mkdir()
    Picture.new("RGB", (80, 60)).save(photos / "a.jpg")
    given = document(shape("cat", [[20, 10], [50, 40]], "rectangle"), shape("nose", [[1, 2]], "point"))
    (photos / "a.json").write_text(json.dumps(given), "utf-8")
    done = labeler("import", photos, project)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 taken" in done.stdout + done.stderr
    done = labeler("export", project, tmp_path / "out", "--format", "labelme", "--photos", "copy")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "a.json").read_text("utf-8"))["shapes"] == given["shapes"]
    done = labeler("convert", tmp_path / "out", tmp_path / "coco.json")
    assert done.returncode == 0, done.stderr
    (one,) = json.loads((tmp_path / "coco.json").read_text("utf-8"))["annotations"]
    assert one["bbox"] == [20, 10, 30, 30]
