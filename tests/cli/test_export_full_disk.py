"""Exports onto a disk that is really full: a sentence, nothing half done, and what stood there stands."""

import json
import sys
from pathlib import Path

from tests.project.test_full_tmpfs import on_a_small_disk


def test_an_export_that_finds_no_room_leaves_what_was_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    child = str(Path(__file__).with_name("full_disk_child.py"))
    done = on_a_small_disk(disk, sys.executable, child, str(disk))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 56, "14 formats, with photos and without, new and over another"
    assert {case: problems for case, problems in found.items() if problems} == {}
