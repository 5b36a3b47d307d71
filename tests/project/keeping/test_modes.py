"""Who may read what Labeler writes is the system's to say, and reading leaves nothing behind."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeler.project.keeping import snapshots
from labeler.project.keeping.kept import write_copy
from labeler.project.photos.folder import locate
from labeler.project.store import Store


@pytest.fixture(params=[0o002, 0o022, 0o077], ids=oct)
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    """The mode that new files have."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_project_and_its_copies_are_readable_as_the_umask_says(tmp_path: Path, mode: int) -> None:
    project = tmp_path / "labels.labeler"
    with Store.open(project) as store:
        store.set_meta("some", "thing")
        assert {_mode(path) for path in tmp_path.glob("labels.labeler-*")} == {mode}
        kept = store.securing.snapshot()
        write_copy(store.file.db, tmp_path / "copy.labeler", of=project)
    assert [_mode(path) for path in (project, kept, tmp_path / "copy.labeler")] == [mode] * 3


def test_the_copies_of_a_private_project_are_private(tmp_path: Path) -> None:
    project = tmp_path / "labels.labeler"
    Store.open(project).close()
    project.chmod(0o600)
    with Store.open(project) as store:
        kept = store.securing.snapshot()
        write_copy(store.file.db, tmp_path / "copy.labeler", of=project)
    snapshots.restore(project, kept)
    assert [_mode(path) for path in (project, kept, tmp_path / "copy.labeler")] == [0o600] * 3


def test_reading_leaves_nothing_beside_a_project(tmp_path: Path) -> None:
    project = tmp_path / "labels.labeler"
    Store.open(project).close()
    there = set(tmp_path.iterdir())
    command = [sys.executable, "-m", "labeler", "export", str(project), str(tmp_path / "out.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (tmp_path / "out.json").unlink()
    locate(tmp_path)
    Store.open(project, read_only=True).close()
    assert set(tmp_path.iterdir()) == there


def test_reading_takes_nothing_from_who_writes(tmp_path: Path) -> None:
    project = tmp_path / "labels.labeler"
    with Store.open(project) as store:
        store.set_meta("some", "thing")
        reader = Store.open(project, read_only=True)
        store.set_meta("some", "more")
        reader.close()
        locate(tmp_path)
        store.set_meta("some", "last")
        assert store.file.away is None
    with Store.open(project, read_only=True) as store:
        assert store.meta("some") == "last"
