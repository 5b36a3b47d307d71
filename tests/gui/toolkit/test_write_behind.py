"""Files written beside the thread that says what is in them."""

import threading
from pathlib import Path

import pytest

from labeler.gui.toolkit import write_behind
from labeler.gui.toolkit.settings import Settings, flush_settings, load_settings, settings_file
from labeler.gui.toolkit.write_behind import WriteBehind


class Disk:
    """A disk that takes as long as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self.written: list[bytes] = []
        self._write = write_behind.atomic_write
        monkeypatch.setattr(write_behind, "atomic_write", self)

    def __call__(self, path: Path, data: bytes) -> None:
        self.reached.set()
        assert self.go.wait(30)
        self.written.append(data)
        self._write(path, data)


def test_nobody_waits_for_the_disk_and_the_newest_content_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, behind, path = Disk(monkeypatch), WriteBehind(), tmp_path / "new" / "a.json"
    behind.put(path, b"1")
    assert disk.reached.wait(30)
    for content in (b"2", b"3", b"4"):
        behind.put(path, content)
    assert not behind.flush(0.01), "the disk has not answered yet"
    disk.go.set()
    assert behind.flush(30)
    assert disk.written == [b"1", b"4"]
    assert path.read_bytes() == b"4"


def test_it_goes_on_after_a_failure(tmp_path: Path) -> None:
    behind = WriteBehind()
    (tmp_path / "file").write_bytes(b"")
    behind.put(tmp_path / "file" / "below.json", b"no")
    behind.put(tmp_path / "b.json", b"yes")
    assert behind.flush(30)
    assert (tmp_path / "b.json").read_bytes() == b"yes"


def test_settings_do_not_wait_for_the_disk_and_are_there_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    settings = Settings(theme="light")
    settings.save()
    assert disk.reached.wait(30)
    settings.theme = "dark"
    settings.save()
    settings.look_ahead = 3  # not saved
    assert not settings_file().exists(), "save came back although nothing is written yet"
    disk.go.set()
    assert flush_settings()
    found = load_settings()
    assert (found.theme, found.look_ahead) == ("dark", Settings().look_ahead)
