"""No file takes more than 5 seconds of work or 2 GB, or what it holds up with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labeler.core import decode_child, images
from labeler.core.images import read_header, read_pixels, read_thumbnail
from labeler.core.photo_look import is_dangerous
from labeler.errors import ImageError
from tests.core import bombs

# every read in a process of its own, which says how much it and its children took
_READER = """
import json, resource, sys
from pathlib import Path
from labeler.core import decode_child, images
from labeler.errors import ImageError
read = {"header": images.read_header, "pixels": images.read_pixels,
        "thumbnail": lambda path: images.read_thumbnail(path, 192)}[sys.argv[1]]
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    found = read(Path(sys.argv[2])); said = type(found).__name__
except ImageError as error:
    said = str(error)
decode_child.end_child()
me, child = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({"said": said, "seconds": me.ru_utime + me.ru_stime + child.ru_utime + child.ru_stime,
                  "gigabytes": (me.ru_maxrss - start + child.ru_maxrss) * 1024 / 1e9}))
"""
STARTING = 6.0
"""Seconds of work that starting two Pythons may take on a busy machine, beside the 5 of the file."""


def read_apart(what: str, path: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", _READER, what, str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def hold(path: Path, *ways: str) -> None:
    for what in ways:
        figures = read_apart(what, path)
        took = f"{figures['seconds']:.1f} s {figures['gigabytes']:.2f} GB"
        print(f"BOMB {path.stem}: {what} {took} {figures['said'][-90:]}")
        assert "\n" not in figures["said"]
        assert figures["seconds"] < decode_child.SECONDS + STARTING
        assert figures["gigabytes"] < 2.3
    path.unlink()


@pytest.mark.parametrize("name", bombs.QUICK)
def test_a_bomb_is_shown_or_stopped(tmp_path: Path, name: str) -> None:
    hold(bombs.write(tmp_path, name), "pixels")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*bombs.QUICK, *bombs.SLOW])
def test_any_bomb_is_shown_or_stopped(tmp_path: Path, name: str) -> None:
    hold(bombs.write(tmp_path, name), "header", "pixels", "thumbnail")


def photo(path: Path, **options: object) -> Path:
    noise = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
    Image.fromarray(noise).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {}),
        ("a.jpg", {"progressive": True}),
        ("a.jpg", {"exif": b"Exif\0\0" + bytes(60_000)}),
        ("a.png", {}),
        ("a.png", {"interlace": 1}),
        ("a.webp", {}),
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.bmp", {}),
        ("a.gif", {}),
        ("a.ppm", {}),
    ],
)
def test_an_ordinary_photo_is_read_here(tmp_path: Path, name: str, options: dict, monkeypatch) -> None:
    path = photo(tmp_path / name, **options)
    assert not is_dangerous(path)
    monkeypatch.setattr(decode_child, "_ask", lambda *_: pytest.fail("a child was asked"))
    read_pixels(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_a_child_gives_what_is_given_here(tmp_path: Path, name: str) -> None:
    path = photo(tmp_path / name)
    here = read_pixels(path)
    there = decode_child.read_pixels(path, budget=images.BUDGET)
    np.testing.assert_array_equal(here.rgb, there.rgb)
    assert here.note == there.note
    assert not there.rgb.flags.writeable
    assert decode_child.read_header(path) == read_header(path)
    np.testing.assert_array_equal(decode_child.read_thumbnail(path, 64), read_thumbnail(path, 64))


def test_a_child_says_what_is_wrong_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    for _ in range(2):
        with pytest.raises(ImageError, match="ends inside its header"):
            decode_child.read_pixels(tmp_path / "bad.jpg", budget=images.BUDGET)
    assert decode_child.read_header(photo(tmp_path / "a.png")).width == 400


def test_a_child_that_dies_costs_one_sentence(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png")
    decode_child.read_header(path)
    decode_child._kept[0]._process.kill()
    decode_child._kept[0]._process.wait()
    assert decode_child.read_header(path).width == 400


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_read_that_never_ends_is_stopped(tmp_path: Path, monkeypatch) -> None:
    """A disk that does not answer, played by a pipe that the child is made to take for a file."""
    pipe = tmp_path / "stuck.avif"
    os.mkfifo(pipe)
    stuck = [
        sys.executable,
        "-c",
        f"import sys; sys.stdout.write('!'); sys.stdout.flush(); open({str(pipe)!r}).read()",
    ]
    real = subprocess.Popen
    monkeypatch.setattr(decode_child.subprocess, "Popen", lambda _, **options: real(stuck, **options))
    monkeypatch.setattr(decode_child, "SECONDS", 0.5)
    decode_child.end_child()
    with pytest.raises(ImageError, match="has not been read after"):
        decode_child.read_pixels(photo(tmp_path / "a.png"), budget=images.BUDGET)
    assert not decode_child._kept


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name, what in (("pipe.jpg", "a pipe"), ("zero.jpg", "a device")):
        for read in (read_header, read_pixels, lambda one: read_thumbnail(one, 64)):
            with pytest.raises(ImageError, match=f"is {what}, not an image file"):
                read(tmp_path / name)


def test_run_lengths_and_numbers_as_text_are_for_a_child(tmp_path: Path) -> None:
    for name, data in (("a.bmp", bombs.rle_bmp(900)), ("a.ppm", bombs.ppm_text(500))):
        (tmp_path / name).write_bytes(data)
        assert is_dangerous(tmp_path / name)
