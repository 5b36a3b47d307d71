"""`labeler demo` on a machine without a display: the whole job, and what it leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from labeler import paths


def without_display() -> dict[str, str]:
    """An environment in which no window can be shown."""
    gone = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return {name: value for name, value in os.environ.items() if name not in gone}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has machines without a display")
def test_the_demo_does_the_job_without_a_display(home: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labeler", "demo", "--folder", str(tmp_path / "demo")],
        env=without_display(),
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "No display was found, so the window works off-screen."
    assert [line.split(". ")[0].strip() for line in lines[1:11]] == [str(number) for number in range(1, 11)]
    named = dict(
        line.split(": ", 1) for line in lines if line.startswith(("pictures: ", "COCO file: ", "report: "))
    )
    pictures = sorted(Path(named["pictures"].strip()).glob("*.png"))
    assert len(pictures) == 8
    for picture in pictures:
        pixels = cv2.imread(str(picture))
        assert pixels.shape == (900, 1440, 3)
        assert pixels.std() > 20, "an empty window"
    assert len(json.loads(Path(named["COCO file"].strip()).read_text("utf-8"))["annotations"]) == 11
    report = Path(named["report"].strip()).read_text("utf-8")
    assert "Instant 1" in report
    assert "AP50" in report
    # a person's own settings and models are as before
    assert not list(paths.config_dir().iterdir())
    assert not (paths.data_dir() / "runs").exists()
