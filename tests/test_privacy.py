"""Libraries that report to their makers are told not to; ultralytics' own test is in tests/models."""

import os
import subprocess
import sys
from pathlib import Path

IMPORTS = "import labeler, onnxruntime"


def test_onnxruntime_leaves_no_device_id(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    subprocess.run([sys.executable, "-c", IMPORTS], env=environment | {"HOME": str(tmp_path)}, check=True)
    assert not list(tmp_path.rglob("*"))
