"""A disk that does not answer costs a few seconds and one sentence a file, and then it is left alone."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labeler.core.photos import patience
from labeler.core.photos.images import read_header, read_pixels, read_thumbnail
from labeler.core.photos.patience import (
    is_folder,
    is_there,
    patiently,
    resolved,
    said_together,
    silent_disk,
    silent_disks,
    unhurried,
)
from labeler.core.photos.photo_files import fingerprint, photos_below
from labeler.errors import ImageError
from tests.core.photos.dead_disk import dead_disk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a file system nobody serves: Linux")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was given up yet, and waiting is short."""
    monkeypatch.setattr(patience, "SECONDS", 0.4)
    monkeypatch.setattr(patience, "SHORT", 0.2)
    monkeypatch.setattr(patience, "_rows", {})
    monkeypatch.setattr(patience, "_given_up", {})


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[Path]:
    with dead_disk(tmp_path / "dead") as folder:
        yield folder


def photo(path: Path) -> Path:
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(path)
    return path


def test_every_kind_of_look_is_given_up_with_one_sentence(dead: Path) -> None:
    looks = (read_header, read_pixels, fingerprint, lambda path: read_thumbnail(path, 64))
    for number, look in enumerate(looks):
        with pytest.raises(ImageError, match=r"not been read after 0 seconds: check the disk") as caught:
            look(dead / f"{number}.jpg")
        assert "\n" not in str(caught.value)
    assert is_there(dead / "9.jpg"), "nobody knows"


def test_a_thousand_photos_of_a_silent_disk_cost_a_few_and_name_it(dead: Path, tmp_path: Path) -> None:
    good = photo(tmp_path / "good.png")
    before = threading.active_count()
    said = []
    for number in range(1000):
        with pytest.raises(ImageError) as caught:
            read_header(dead / f"{number}.jpg")
        said.append(str(caught.value))
        if number % 100 == 0:
            assert read_pixels(good).rgb.shape == (30, 40, 3)
    given_up = sum("has not been read" in one for one in said)
    assert given_up == 1 + patience.MANY - patience.FEW, "the mount point did not answer either"
    assert said[-1].endswith(f"was left out: the disk at {dead} does not answer. Check it, and try again.")
    assert silent_disks() == [str(dead)]
    assert threading.active_count() - before <= patience.MANY + 6


def test_links_to_a_silent_disk_cost_the_others_nothing(dead: Path, tmp_path: Path, expect_log) -> None:
    expect_log(r"photos/c was left out: the disk at .*/dead does not answer")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        photo(folder / f"a{number}.png")
        (folder / f"b{number}.png").symlink_to(dead / f"{number}.png")
    (folder / "c").symlink_to(dead / "folder")
    found = list(photos_below(folder, Counter()))
    assert [name for name in found if name.startswith("a")] == [f"a{n}.png" for n in range(20)]
    failed = 0
    for name in found:
        try:
            read_pixels(folder / name)
        except ImageError:
            failed += 1
    assert failed == len(found) - 20
    assert silent_disks() == [str(dead)], "not the disk that the links lie on"


def test_two_silent_disks_are_both_left_alone(dead: Path, tmp_path: Path) -> None:
    with dead_disk(tmp_path / "other") as other:
        (other.parent / "link.png").symlink_to(other / "0.png")
        for number in range(patience.MANY):
            for path in (dead / f"{number}.png", other / f"{number}.png"):
                with pytest.raises(ImageError):
                    read_header(path)
        assert silent_disks() == [str(dead), str(other)]
        assert silent_disk(tmp_path / "link.png") == str(other)
        assert silent_disk(tmp_path / "good.png") == ""


def test_what_is_said_of_a_silent_disk_is_said_once(dead: Path, tmp_path: Path) -> None:
    failures = []
    for path in [*(dead / f"{number}.png" for number in range(50)), tmp_path / "gone.png"]:
        with pytest.raises(ImageError) as caught:
            read_header(path)
        failures.append((path, str(caught.value)))
    said = said_together(failures)
    together = f"the disk at {dead} does not answer. Check it, and try again."
    assert said == [failures[-1][1], f"50 files, {dead / '0.png'} first, were left out: {together}"]


def test_folders_and_real_paths_of_a_silent_disk(dead: Path, tmp_path: Path, expect_log) -> None:
    expect_log(r"The folder .*/dead was left out")
    expect_log(r"/link has not been read after 0 seconds")
    with pytest.raises(ImageError, match="has not been read"):
        is_folder(dead / "photos")
    assert is_folder(tmp_path)
    (tmp_path / "link").symlink_to(dead / "photos")
    assert resolved(tmp_path / "link") == tmp_path / "link"
    photo(tmp_path / "good.png")
    assert list(photos_below(tmp_path)) == ["good.png"], "the mount point itself is one of its folders"


def test_one_file_asked_for_often_does_not_name_its_disk(dead: Path) -> None:
    for _ in range(patience.MANY + 2):
        with pytest.raises(ImageError, match="has not been read"):
            read_header(dead / "1.jpg")
    assert silent_disks() == []


def test_a_disk_that_answers_again_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dead_disk(tmp_path / "disk") as folder:
        for number in range(patience.MANY):
            with pytest.raises(ImageError):
                read_header(folder / f"{number}.png")
        assert silent_disks() == [str(folder)]
    path = photo(folder / "1.png")
    with pytest.raises(ImageError, match="was left out"):
        read_header(path)
    monkeypatch.setattr(patience, "AGAIN", 0.0)
    assert read_header(path).width == 40
    assert silent_disks() == []


def test_long_work_is_not_waiting_and_errors_come_through(tmp_path: Path) -> None:
    def work() -> int:
        end = time.thread_time() + 1.5
        while time.thread_time() < end:
            pass
        return 7

    assert patiently(tmp_path / "a", work) == 7
    with pytest.raises(ZeroDivisionError):
        patiently(tmp_path / "a", lambda: 1 // 0)
    with unhurried():
        assert patiently(tmp_path / "a", threading.get_ident) == threading.get_ident()
    assert patiently(tmp_path / "a", threading.get_ident) != threading.get_ident()
