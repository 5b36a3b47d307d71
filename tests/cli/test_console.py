"""Every verb under every console: what its encoding lacks is written in other letters, and never raises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeler.cli import VERBS

CONSOLES: dict[str, dict[str, str]] = {
    **{name: {"PYTHONIOENCODING": name} for name in ("cp1252", "ascii", "cp437", "utf-8")},
    "LC_ALL=C without Python's own help": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
"""What a person, a pipe or a system may set."""
NAMES = ("汽车", "𝒳🚗", "plain", "Fußgänger")
MARK = "Lkw – groß ☃.png"


def labeler(console: str, *words: object) -> subprocess.CompletedProcess[bytes]:
    """The program in such a console; what it writes, as bytes."""
    gone = ("PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE", "LC_ALL", "LANG", "LC_CTYPE")
    environment = {key: value for key, value in os.environ.items() if key not in gone} | CONSOLES[console]
    command = [sys.executable, "-m", "labeler", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, env=environment)
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    return done


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with labels.json, results.json and an image of a name that few consoles have."""
    (tmp_path / "images").mkdir()
    _, data = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "images" / MARK).write_bytes(data.tobytes())
    box = {"bbox": [1, 1, 10, 10], "area": 100, "iscrowd": 0}
    labels = {
        "images": [{"id": 1, "file_name": MARK, "width": 64, "height": 48}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": number, **box} for number in range(1, 4)
        ],
    }
    results = [{"image_id": 1, "category_id": 2, "bbox": [1, 1, 10, 10], "score": 0.9}]
    # a label on an image that is not there is refused, so that the complaint is written too
    labels["annotations"].append({"id": 9, "image_id": 77, "category_id": 1, **box})  # type: ignore[union-attr, attr-defined]
    for name, content in (("labels", labels), ("results", results)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("console", CONSOLES)
@pytest.mark.parametrize("verb", ["agree", "evaluate"])
def test_a_table_of_names_that_the_console_lacks(console: str, verb: str, files: Path) -> None:
    done = labeler(console, verb, files / "labels.json", files / "results.json")
    assert done.returncode == 1, "one label was refused"
    encoding = CONSOLES[console].get("PYTHONIOENCODING", "utf-8")
    said = done.stdout.decode(encoding)
    assert "plain" in said
    if console == "ascii":
        assert "\\u6c7d\\u8f66" in said
        assert "–" not in said
        assert "\\u2013" not in said, "our own dash is a hyphen there"
    if console == "utf-8":
        assert "汽车" in said


@pytest.mark.parametrize("console", CONSOLES)
@pytest.mark.parametrize("verb", ["agree", "evaluate"])
def test_json_keeps_the_names_in_every_console(console: str, verb: str, files: Path) -> None:
    done = labeler(console, verb, files / "labels.json", files / "results.json", "--json")
    told = json.loads(done.stdout.decode("ascii"))
    categories = told["categories"] if verb == "agree" else told["models"][0]["categories"]
    assert {"汽车", "𝒳🚗", "plain"} <= {one["name"] for one in categories}


@pytest.mark.parametrize("console", ["ascii", "cp437", "LC_ALL=C without Python's own help"])
def test_import_export_and_convert(console: str, files: Path) -> None:
    project, labels = files / "p.labeler", files / "labels.json"
    for words in (
        ("import", labels, "--images", files / "images", project),
        ("import", files / "results.json", "--results", "--model", "Modell ☃", project),
        ("export", project, files / "back.json"),
        ("convert", labels, files / "clean ☃.json"),
    ):
        assert labeler(console, *words).stderr is not None
    back = json.loads((files / "back.json").read_text(encoding="utf-8"))
    assert back["images"][0]["file_name"].endswith(MARK)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb(verb: str) -> None:
    done = labeler("ascii", verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(b"usage: labeler ")


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "nowhere ☃", "--model", "汽车", "--out", "x.json"),
        ("segment", "nowhere ☃.json", "--images", "汽车", "--out", "x.json"),
        ("train", "nowhere ☃.json", "--model", "汽车", "--out", "run ☃"),
        ("models", "remove", "汽车 ☃"),
        ("agree", "nowhere ☃.json", "汽车.json"),
        ("evaluate", "nowhere ☃.json", "汽车.json"),
    ],
    ids=lambda words: words[0],
)
def test_a_complaint_about_a_name_that_the_console_lacks(words: tuple[str, ...], tmp_path: Path) -> None:
    done = labeler("ascii", *words)
    assert done.returncode == 1
    assert done.stderr.startswith(b"labeler: ")


@pytest.mark.parametrize("words", [("train", "--list"), ("train", "--list", "--json"), ("models", "list")])
def test_lists(words: tuple[str, ...]) -> None:
    done = labeler("ascii", *words)
    assert done.returncode == 0
    assert done.stdout.isascii()
