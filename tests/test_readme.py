"""What the README says is true: its commands, its keys, and its sample plugin, which is run as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest

from labeler.cli import VERBS
from labeler.core.records import Prompt
from labeler.gui.window.actions import ACTIONS, TOOL_ACTIONS
from labeler.registry import discover

README = (Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")


def test_its_plugin_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code.strip().splitlines()) <= 25
    (tmp_path / "flood.py").write_text(code)
    monkeypatch.setenv("LABELER_PLUGINS", str(tmp_path))
    model = discover().model("flood").load()
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    image[10:20, 15:35] = 200
    prompt = Prompt(points=np.array([[20.0, 15.0]]), positive=np.array([True]))
    best = model.segment(model.embed(image), prompt)[0]
    assert (best.mask.x, best.mask.y, best.mask.width, best.mask.height) == (15, 10, 20, 10)


def test_every_verb_is_told() -> None:
    for verb in VERBS.keys() - {"open"}:
        assert f"labeler {verb} " in README


def test_the_keys_it_tells_are_the_keys() -> None:
    known = {key for spec in (*TOOL_ACTIONS, *ACTIONS) for key in spec.keys}
    told = "V R P B E Q W D A Ctrl+Return Ctrl+Z Ctrl+Shift+Z Del Ctrl+C Ctrl+V Ctrl+D F Ctrl+0 F1 Ctrl+E"
    assert set(told.split()) <= known


def test_it_shows_pictures_that_are_there() -> None:
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).resolve().parents[1] / name).is_file(), name
