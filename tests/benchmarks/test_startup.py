"""Row 15: the window is up with its images at once, and beside a bare window of Qt."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.harness import report

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7
SEEN = ("window", "furnished", "image", "strip")
"""Moments: the first paint, all of the window built, the photo painted, its thumbnails painted."""


def _start(what: str, environment: dict[str, str]) -> dict[str, object]:
    """Start one; gives seconds from before the process was made to what it saw, and the CPU it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.startup_child", what],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    return {name: value - began if name in SEEN else value for name, value in seen.items()}


def _least(starts: list[dict[str, object]], what: str) -> float:
    return min(float(str(seen[what])) for seen in starts)


def test_the_window_is_up_with_its_images(photos: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # as a user's machine has it after the first start: byte code and thumbnails are there
    environment |= {"PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode"), "QT_QPA_PLATFORM": "offscreen"}
    for what in ("bare", str(photos)):
        _start(what, environment)
    bare, ours = [], []
    order = ["bare", str(photos)]
    for _ in range(ROUNDS):
        random.Random(len(bare)).shuffle(order)
        for what in order:
            (bare if what == "bare" else ours).append(_start(what, environment))
    assert not any(seen["heavy"] for seen in ours), ours[0]["heavy"]
    window, furnished, spent = (_least(ours, what) for what in ("window", "furnished", "window cpu"))
    floor, floor_spent = _least(bare, "window"), _least(bare, "window cpu")
    whole = min(max(float(str(seen["image"])), float(str(seen["strip"]))) for seen in ours)
    report(
        "15 time to window",
        "<= 2.5 x bare QMainWindow; < 1 s with its images",
        f"{window / floor:.3g} x ({window * 1000:.0f} ms, CPU {spent / floor_spent:.3g} x; "
        f"ready {furnished * 1000:.0f} ms; with its images {whole * 1000:.0f} ms)",
    )
    assert window <= 2.5 * floor
    assert whole < 1.0
