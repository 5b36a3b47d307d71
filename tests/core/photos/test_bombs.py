"""No file takes more than 5 seconds of work or 2 GB, or what it holds up with it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from labeler.core.photos import decode_child, images
from labeler.core.photos.images import read_header, read_pixels, read_thumbnail
from labeler.core.photos.photo_look import is_dangerous
from labeler.errors import ImageError
from tests.core.photos import bombs, more_bombs

BOMBS = more_bombs.QUICK | more_bombs.SLOW | bombs.QUICK | bombs.SLOW
# every read in a process of its own, which says how much work it and its child did for the file
_READER = """
import json, os, sys
from pathlib import Path
from labeler.core.photos import decode_child, images
from labeler.errors import ImageError
read = {"header": images.read_header, "pixels": images.read_pixels,
        "thumbnail": lambda path: images.read_thumbnail(path, 192)}[sys.argv[1]]
start = os.times()
try:
    found = read(Path(sys.argv[2])); said = type(found).__name__
except ImageError as error:
    said = str(error)
decode_child.end_child()
end = os.times()
print(json.dumps({"said": said, "seconds": sum(end[:4]) - sum(start[:4])}))
"""
STARTING = 3.0
"""Seconds of work that starting the child may take on a busy machine, beside the 5 of the file."""
PROGRAMS = 0.3
"""GB that the reader and its child take without a file."""
LOOK_EVERY = 0.02


def gigabytes_of(process: psutil.Process) -> float:
    """What a process and its children hold now."""
    held = 0
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                held += one.memory_info().rss
    return held / 1e9


def read_apart(what: str, path: Path) -> dict:
    """What it said, the seconds of work, and the most that it and its child held at one time.

    What a process says of its own peak is no measure: it begins with that of the process that started it.
    """
    most = 0.0
    with (
        tempfile.TemporaryFile("w+") as wrong,  # a pipe that nobody reads would be full of warnings
        subprocess.Popen(
            [sys.executable, "-c", _READER, what, str(path)], stdout=subprocess.PIPE, stderr=wrong, text=True
        ) as reader,
    ):
        seen = psutil.Process(reader.pid)
        begun = time.monotonic()
        while reader.poll() is None:
            most = max(most, gigabytes_of(seen))
            if most > 6 or time.monotonic() - begun > 300:
                reader.kill()
            time.sleep(LOOK_EVERY)
        said, _ = reader.communicate()
        wrong.seek(0)
        assert reader.returncode == 0, f"{most:.1f} GB, then {reader.returncode}: {wrong.read()[-2000:]}"
    return json.loads(said) | {"gigabytes": most}


def hold(path: Path, *ways: str) -> None:
    for what in ways:
        figures = read_apart(what, path)
        took = f"{figures['seconds']:.1f} s {figures['gigabytes']:.2f} GB"
        print(f"BOMB {path.stem}: {what} {took} {figures['said'][-90:]}")
        assert "\n" not in figures["said"]
        assert figures["seconds"] < decode_child.SECONDS + STARTING
        assert figures["gigabytes"] < decode_child.MEMORY / 1e9 + PROGRAMS
    path.unlink()


def written(folder: Path, name: str) -> Path:
    """The bomb of that name as a file."""
    path = folder / f"{name.replace(' ', '-').replace(',', '')}.img"
    path.write_bytes(BOMBS[name]())
    return path


@pytest.mark.parametrize("name", [*bombs.QUICK, *more_bombs.QUICK])
def test_a_bomb_is_shown_or_stopped(tmp_path: Path, name: str) -> None:
    hold(written(tmp_path, name), "pixels")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BOMBS)
def test_any_bomb_is_shown_or_stopped(tmp_path: Path, name: str) -> None:
    hold(written(tmp_path, name), "header", "pixels", "thumbnail")


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


MANY: dict[str, tuple[bytes, bool]] = {
    "bmp of run lengths": (bombs.rle_bmp(900), True),
    "ppm of text": (bombs.ppm_text(500), True),
    "ppm of a long comment": (more_bombs.ppm_comment(1), True),
    "ppm of a short comment": (b"P6\n# made by hand\n300 300 255\n" + bytes(270_000), False),
    "gif of 5000 frames": (more_bombs.gif(8, 8, frames=5000), True),
    "gif of 500 frames": (more_bombs.gif(8, 8, frames=500), False),
    "gif of 8000 comments": (
        more_bombs.gif(8, 8, frames=1, before=more_bombs.gif_comment(2, apart=True)),
        True,
    ),
    "webp of 5000 frames": (more_bombs.webp(8, 8, frames=5000), True),
    "webp of 500 frames": (more_bombs.webp(8, 8, frames=500), False),
    "tiff of 600000 strips": (more_bombs.strips(600_000), True),
    "tiff of 10000 strips": (more_bombs.strips(10_000), False),
    "tiff of 100 MB of tags": (more_bombs.heavy_tags(100, 1), True),
    "tiff of 1 MB of tags": (more_bombs.heavy_tags(1, 1), False),
    "tiff of a circle": (more_bombs.circle(2), True),
}


@pytest.mark.parametrize("name", MANY)
def test_what_is_many_is_for_a_child(tmp_path: Path, name: str) -> None:
    data, dangerous = MANY[name]
    path = tmp_path / "a.img"
    path.write_bytes(data)
    assert is_dangerous(path) == dangerous
    path.write_bytes(data[: len(data) // 2])  # cut anywhere it is no reason to stumble
    is_dangerous(path)


def test_one_too_large_for_its_own_library_is_told_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(more_bombs.webp(16_383, 16_383, frames=2))
    with pytest.raises(ImageError, match="more pixels than there is memory for: scale it down"):
        read_pixels(path)


@pytest.mark.parametrize(
    "texts", [more_bombs.profile_bomb(8), more_bombs.many_texts(80)], ids=["profile", "texts"]
)
def test_a_png_is_shown_whatever_its_texts_unpack_to(tmp_path: Path, texts: bytes) -> None:
    plain, path = tmp_path / "plain.png", tmp_path / "a.png"
    noise = np.random.default_rng(2).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(noise).save(plain)
    data = plain.read_bytes()
    path.write_bytes(data[:33] + texts[33 : texts.index(b"IDAT") - 4] + data[33:])
    for read in (read_pixels, lambda one: decode_child.read_pixels(one, budget=images.BUDGET)):
        np.testing.assert_array_equal(read(path).rgb, noise)
    assert (read_header(path).width, read_header(path).height) == (30, 20)


def test_what_a_library_thinks_of_a_file_fills_no_pipe(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(more_bombs.jpeg_of_exif(more_bombs.many_tags(1000, 50_000)))
    done = subprocess.run(
        [sys.executable, "-c", _READER, "pixels", str(path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["said"] == "Pixels"
    assert done.stderr == ""
