"""A file is the old one or the new one, whatever fails in between."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from labeler.core import files
from labeler.core.files import amount, atomic_write, atomic_writer


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "labels.json"
    path.write_bytes(b"old")
    return path


def only(target: Path, content: bytes) -> bool:
    """Whether the folder holds just this file with this content."""
    return list(target.parent.iterdir()) == [target] and target.read_bytes() == content


def test_new_content_takes_the_place_of_the_old(target: Path) -> None:
    atomic_write(target, b"new")
    assert only(target, b"new")


def test_a_file_that_was_not_there_is_made_with_the_usual_mode(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.write_bytes(b"")
    atomic_write(tmp_path / "new", b"content")
    assert (tmp_path / "new").stat().st_mode == usual.stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_is_kept(target: Path, mode: int) -> None:
    target.chmod(mode)
    atomic_write(target, b"new")
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_stays_a_link(target: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(target)
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_an_error_in_the_block_leaves_the_old_file(target: Path) -> None:
    def interrupted() -> None:
        with atomic_writer(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert only(target, b"old")


STEPS = ["open", "write", "chmod", "fsync", "replace", "fsync of the folder"]


@pytest.mark.skipif(os.name == "nt", reason="the steps are those of POSIX systems")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_may_fail(target: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int) -> None:
    done = []

    def watched(name: str, real: object) -> object:
        def call(*args: object, **kwargs: object) -> object:
            done.append("fsync of the folder" if name == "fsync" and "fsync" in done else name)
            if done[-1] == step:
                raise OSError(code, os.strerror(code))
            return real(*args, **kwargs)

        return call

    monkeypatch.setattr(Path, "open", watched("open", Path.open))
    monkeypatch.setattr(Path, "chmod", watched("chmod", Path.chmod))
    monkeypatch.setattr(Path, "replace", watched("replace", Path.replace))
    monkeypatch.setattr(files.os, "fsync", watched("fsync", os.fsync))

    with pytest.raises(OSError, match=r".") as raised, atomic_writer(target) as file:
        watched("write", file.write)(b"new")

    assert raised.value.errno == code
    monkeypatch.undo()
    assert only(target, b"new" if step == "fsync of the folder" else b"old")
    assert done == STEPS[: len(done)]


@pytest.mark.skipif(os.name == "nt", reason="the steps are those of POSIX systems")
def test_the_order_is_content_to_disk_then_name_then_folder_to_disk(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(handle: int) -> None:
        status = os.fstat(handle)
        order.append("folder" if stat.S_ISDIR(status.st_mode) else f"file {status.st_size}")
        fsync(handle)

    def watched_replace(self: Path, other: Path) -> Path:
        order.append("replace")
        return replace(self, other)

    monkeypatch.setattr(files.os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    atomic_write(target, b"12345")
    assert order == ["file 5", "replace", "folder"]


def test_a_folder_that_is_not_there_or_is_a_file(target: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(target.parent / "gone" / "a.json", b"new")
    with pytest.raises(NotADirectoryError):
        atomic_write(target / "a.json", b"new")
    with pytest.raises(IsADirectoryError):
        atomic_write(target.parent, b"new")
    assert only(target, b"old")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(target: Path) -> None:
    target.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            atomic_write(target, b"new")
    finally:
        target.parent.chmod(0o700)
    assert only(target, b"old")


def test_writers_at_the_same_time_never_mix(target: Path) -> None:
    contents = [bytes([65 + index]) * 50_000 for index in range(8)]
    threads = [threading.Thread(target=atomic_write, args=(target, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(only(target, content) for content in contents)


def test_a_long_and_odd_name(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 100 + " %s.json")
    atomic_write(path, b"new")
    assert only(path, b"new")


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (12_500, "12.5 kB"), (1_600_000, "1.6 MB"), (3.2e9, "3.2 GB")],
)
def test_bytes_in_words(size: float, said: str) -> None:
    assert amount(size) == said
