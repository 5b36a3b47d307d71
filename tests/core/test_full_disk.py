"""What is said of a disk that does not take what is written."""

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from labeler.core.full_disk import disk_of, is_full, is_full_disk, why

Usage = namedtuple("Usage", "free")


@pytest.mark.parametrize(
    ("number", "full"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False), (errno.EACCES, False)],
)
def test_a_full_disk_and_an_exceeded_quota_are_the_same_to_a_person(tmp_path: Path, number, full) -> None:
    error = OSError(number, "No Such Luck")
    assert is_full(error) is full
    said = why(error, tmp_path / "x.json")
    assert said == (f"the disk {disk_of(tmp_path)} is full" if full else "no such luck")


def test_an_error_without_words_of_the_system_is_said_in_its_own(tmp_path: Path) -> None:
    assert why(OSError("Out of Luck"), tmp_path) == "out of luck"


def test_the_disk_is_where_it_was_mounted_also_of_what_is_not_there_yet(tmp_path, monkeypatch) -> None:
    mount = namedtuple("Mount", "mountpoint")
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [mount("/"), mount(str(tmp_path))])
    assert disk_of(tmp_path / "not" / "there.json") == str(tmp_path.resolve())
    assert disk_of(Path("/")) == "/"


@pytest.mark.parametrize("error", [OSError("no"), StopIteration()])
def test_where_nobody_knows_the_disk_it_is_that_of_the_path(tmp_path, monkeypatch, error) -> None:
    def fails(**_):
        raise error

    monkeypatch.setattr(psutil, "disk_partitions", fails)
    assert disk_of(tmp_path) == tmp_path.anchor
    assert disk_of(Path("sub/x")) == "sub/x"


@pytest.mark.parametrize(("free", "full"), [(0, True), ((1 << 17) - 1, True), (1 << 17, False)])
def test_a_disk_is_full_where_no_side_file_fits(tmp_path, monkeypatch, free, full) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(free))
    assert is_full_disk(tmp_path / "x") is full


def test_a_disk_that_cannot_be_asked_is_not_called_full(tmp_path: Path) -> None:
    assert not is_full_disk(tmp_path / "gone" / "x")
