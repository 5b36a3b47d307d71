"""Zips of data sets: unpacked beside themselves, never outside, never more than there is room for."""

import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from labeler.errors import FormatError, ImportStoppedError
from labeler.formats import archives
from labeler.formats.archives import folder_for, is_archive, unpack


def made(path: Path, files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_a_zip_is_unpacked_as_it_is(tmp_path: Path) -> None:
    path = made(
        tmp_path / "set.zip", {"train/a.txt": b"1", "ü/猫.txt": b"2", "empty/": b"", "data.yaml": b"3"}
    )
    assert is_archive(path)
    assert unpack(path, tmp_path / "set") == 0
    assert below(tmp_path / "set") == {"train/a.txt", "ü/猫.txt", "data.yaml"}
    assert (tmp_path / "set" / "ü" / "猫.txt").read_bytes() == b"2"


def test_what_leads_elsewhere_stays_out_and_is_counted(tmp_path: Path) -> None:
    path = made(
        tmp_path / "set.zip",
        {"../out.txt": b"x", "/etc/x": b"x", "C:\\x": b"x", "__MACOSX/a": b"x", "a.txt": b"x"},
    )
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert unpack(path, tmp_path / "in" / "set") == 5
    assert below(tmp_path) == {"set.zip", "in/set/a.txt"}


@pytest.mark.parametrize("cut", [60, 4000])
def test_a_damaged_zip_is_one_sentence_and_leaves_nothing(tmp_path: Path, cut: int) -> None:
    path = made(tmp_path / "set.zip", {"a.txt": bytes(range(256)) * 40}, compression=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[cut : cut + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(FormatError, match="cannot be unpacked"):
        unpack(path, tmp_path / "set")
    assert below(tmp_path) == {"set.zip"}


def test_a_file_that_is_no_zip_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip at all")
    assert not is_archive(tmp_path / "x.zip")
    assert not is_archive(tmp_path)
    with pytest.raises(FormatError, match="cannot be unpacked"):
        unpack(tmp_path / "x.zip", tmp_path / "x")


def test_a_bomb_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_SMALL", 1000)
    path = made(tmp_path / "bomb.zip", {"a": bytes(10_000_000)})
    with pytest.raises(FormatError, match="as no data set does"):
        unpack(path, tmp_path / "bomb")
    assert below(tmp_path) == {"bomb.zip"}


def test_a_password_and_a_full_disk_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "set.zip", {"a.txt": b"x"})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(FormatError, match="are free"):
        unpack(path, tmp_path / "set")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="has a password"):
        unpack(path, tmp_path / "set")


def test_one_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    path = made(tmp_path / "set.zip", {"a.txt": b"x"})
    with pytest.raises(ImportStoppedError):
        unpack(path, tmp_path / "set", should_stop=lambda: True)
    assert below(tmp_path) == {"set.zip"}


def test_a_second_unpacking_leaves_the_first_alone(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    assert folder_for(path) == tmp_path / "set"
    (tmp_path / "set").mkdir()
    (tmp_path / "set-2").mkdir()
    assert folder_for(path) == tmp_path / "set-3"
