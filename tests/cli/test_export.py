"""`labeler export` as a person types it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labeler.core.records import Annotation, Category, Change, Edit, Image, Mask
from labeler.project.store import Store


def labeler(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labeler", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of a reviewed and an unreviewed image with a mask each."""
    path = tmp_path / "p.labeler"
    records = [
        Image(1, "a.png", 40, 30, reviewed=True),
        Image(2, "b.png", 40, 30),
        Category(1, "cat", "#ffffff"),
        *(Annotation(n, n, 1, Mask(2, 5, np.ones((5, 2), bool))) for n in (1, 2)),
    ]
    with Store.open(path) as store:
        store.apply(Edit("Start", tuple(Change(None, record) for record in records)))
    return path


def test_everything(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = labeler("export", project, out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "annotations: 2 of 2 taken" in done.stdout
    whole = json.loads(out.read_bytes())
    assert [image["file_name"] for image in whole["images"]] == ["a.png", "b.png"]
    assert whole["annotations"][0]["segmentation"] == {"size": [30, 40], "counts": "Q25i00cQ1"}
    assert (whole["annotations"][0]["area"], whole["annotations"][0]["bbox"]) == (10, [2, 5, 2, 5])


def test_reviewed_as_polygons(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert labeler("export", project, out, "--polygons", "--reviewed").returncode == 0
    whole = json.loads(out.read_bytes())
    assert [image["file_name"] for image in whole["images"]] == ["a.png"]
    assert whole["annotations"][0]["segmentation"] == [[2, 5, 4, 5, 4, 10, 2, 10]]


def test_while_the_project_is_open_elsewhere(project: Path, tmp_path: Path) -> None:
    with Store.open(project):
        assert labeler("export", project, tmp_path / "out.json").returncode == 0


def test_what_cannot_be_done_is_one_line(project: Path, tmp_path: Path) -> None:
    for arguments in (
        (tmp_path / "none.labeler", tmp_path / "o.json"),
        (project, tmp_path / "none" / "o.json"),
    ):
        done = labeler("export", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
    assert labeler("export", project).returncode == 2
