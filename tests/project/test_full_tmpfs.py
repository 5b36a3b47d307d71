"""A disk that is really full, a small tmpfs in a mount namespace of the test's own, and a project on it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SIZE = "6m"


def on_a_small_disk(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command's end, run where a small disk is mounted at a folder; skips where nobody may mount one."""
    unshare, mount = shutil.which("unshare"), shutil.which("mount")
    if unshare is None or mount is None:
        pytest.skip("needs unshare and mount, for a disk that is full")
    script = f'"{mount}" -t tmpfs -o size={SIZE} labeler-test "$0" && exec "$@"'
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    apart = [unshare, *root, "--mount", "sh", "-c", script, str(folder)]
    tried = subprocess.run([*apart, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no disk can be mounted here: {tried.stderr.strip()}")
    return subprocess.run([*apart, *command], capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize("home", ["apart", "too"])
def test_a_full_disk_takes_nothing_away_and_is_named(
    tmp_path: Path, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if home == "too":
        monkeypatch.setenv("LABELER_DATA_DIR", str(disk / "data"))
    child = str(Path(__file__).with_name("full_tmpfs_child.py"))
    done = on_a_small_disk(disk, sys.executable, child, str(disk), home)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 9
    assert {scene: problems for scene, problems in found.items() if problems} == {}
