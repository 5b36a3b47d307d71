"""What docs/adding.md says: each of its code blocks, put where its first line says, adds what it promises."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labeler.cli import run
from labeler.formats.coco.coco_reading import read_coco

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "adding.md").read_text("utf-8")
BLOCKS = {
    code.partition(":")[0].removeprefix("# "): code
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
}


@pytest.fixture
def added(tmp_path: Path) -> Path:
    """The folder of the page's plugins."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name, code in BLOCKS.items():
        if name.startswith("plugins/"):
            (folder / name.removeprefix("plugins/")).write_text(code)
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A COCO file of twelve photos, each with a box in its left upper quarter."""
    cv2 = pytest.importorskip("cv2")
    photos = tmp_path / "photos"
    photos.mkdir()
    images, annotations = [], []
    for number in range(1, 13):
        pixels = np.full((60, 80, 3), number * 20, np.uint8)
        cv2.imwrite(str(photos / f"{number}.png"), pixels)
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 60})
        box = {"id": number, "image_id": number, "category_id": 1, "bbox": [8, 6, 32, 24], "area": 768}
        annotations.append(box | {"iscrowd": 0, "segmentation": []})
    path = photos / "labels.json"
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}
    path.write_text(json.dumps(content))
    return path


def test_the_format_reads_and_writes(tmp_path: Path, added: Path, labels: Path) -> None:
    extra = ["--plugins", str(added)]
    assert run(["convert", str(labels), str(tmp_path / "out.lines"), *extra]) == 0
    lines = (tmp_path / "out.lines").read_text().splitlines()
    assert len(lines) == 12
    assert lines[0] == "1.png 80 60 cell 8 6 40 30"
    assert run(["import", str(tmp_path / "out.lines"), str(tmp_path / "p.labeler"), *extra]) == 0
    assert run(["export", str(tmp_path / "p.labeler"), str(tmp_path / "again.lines"), *extra]) == 0
    assert (tmp_path / "again.lines").read_text().splitlines() == lines
    assert run(["convert", str(tmp_path / "again.lines"), str(tmp_path / "again.json"), *extra]) == 0
    assert len(read_coco(tmp_path / "again.json")[0].annotations) == 12


def test_the_trainer_trains_and_its_model_predicts(tmp_path: Path, added: Path, labels: Path) -> None:
    extra = ["--plugins", str(added)]
    out = tmp_path / "run"
    assert run(["train", str(labels), "--model", "usual", "--out", str(out), *extra]) == 0
    results = tmp_path / "results.json"
    assert run(["predict", str(labels.parent), "--model", str(out), "--out", str(results), *extra]) == 0
    found = json.loads(results.read_text())
    assert len(found) == 12
    assert found[0]["bbox"] == pytest.approx([8, 6, 32, 24])


HEADS = {
    "labeler/gui/window/panels.py": ("PANELS = (", "labelling.largest_panel import LargestPanel"),
    "labeler/gui/window/actions.py": ('    "Edit": (', ""),
    "labeler/gui/canvas/tools/table.py": ("TOOLS = (", "canvas.tools.stamp import StampTool"),
}
"""Where an entry of the page goes, and what the table imports for it from the window's rooms."""


def test_a_panel_an_action_and_a_tool_are_a_file_and_an_entry_each(tmp_path: Path, labels: Path) -> None:
    house = tmp_path / "house"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "labeler", house / "labeler", ignore=ignored)
    for name in ("plugins", "resources"):
        (house / name).symlink_to(ROOT / name)
    done = set()
    for name, code in BLOCKS.items():
        path = house / name
        if name in HEADS:
            head, imported = HEADS[name]
            text = path.read_text("utf-8")
            assert text.count(f"\n{head}\n") == 1
            entry = code.partition("\n")[2].rstrip() + ","
            text = text.replace(f"\n{head}\n", f"\n{head}\n{entry}\n")
            if imported:
                text = text.replace("\nfrom labeler", f"\nfrom labeler.gui.{imported}\nfrom labeler", 1)
            path.write_text(text, "utf-8")
        elif name.startswith("labeler/"):
            assert not path.exists()
            path.write_text(code, "utf-8")
        else:
            continue
        done.add(name)
    assert len(done) == 5
    child = subprocess.run(
        [sys.executable, "-P", str(ROOT / "tests" / "adding_child.py"), str(labels.parent)],
        env={**os.environ, "PYTHONPATH": str(house), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == [
        str(house / "labeler" / "__init__.py"),
        "10",
        "selected",
        "none",
        "stamped",
    ]
