"""16-bit colour, bands in planes, floats, two bands and five: shown right, or named."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from labeler.core.photos import decoding, photo_files
from labeler.core.photos.images import read_header, read_pixels
from labeler.errors import ImageError
from tests.core.photos.tiffs import tiff

ROWS, COLUMNS = 40, 64


def ramps(kind: str, top: float, bands: int) -> np.ndarray:
    """(ROWS, COLUMNS, bands) values from 0 to `top`, each band another gradient."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    made = [x / (COLUMNS - 1), y / (ROWS - 1), 1 - x / (COLUMNS - 1), 1 - y / (ROWS - 1), 0 * x]
    values = (np.stack(made[:bands], -1) * top).astype(kind)
    return values if bands > 1 else values[:, :, 0]


def shown(path: Path, data: bytes) -> tuple[np.ndarray, str]:
    path.write_bytes(data)
    pixels = read_pixels(path)
    header = read_header(path)
    assert (header.height, header.width) == pixels.rgb.shape[:2] == (ROWS, COLUMNS)
    return pixels.rgb.astype(int), pixels.note


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("kind", "top"), [("u2", 65_535), ("u2", 4_095), ("i2", 30_000), ("u4", 2**32 - 1), ("f4", 1), ("f8", 9)]
)
def test_deep_colour_is_right(tmp_path, kind, top, planar, deflate, big_endian) -> None:
    values = ramps(kind, top, 3)
    rgb, note = shown(tmp_path / "a.tif", tiff(values, planar=planar, deflate=deflate, big_endian=big_endian))
    np.testing.assert_allclose(rgb, values.astype(np.float64) / top * 255, atol=2)
    assert "shown 8-bit" in note


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("kind", "top"), [("u1", 255), ("u2", 65_535), ("f4", 1)])
def test_more_bands_than_three(tmp_path, kind, top, planar) -> None:
    values = ramps(kind, top, 5)
    rgb, note = shown(tmp_path / "a.tif", tiff(values, planar=planar))
    np.testing.assert_allclose(rgb, values[:, :, :3].astype(np.float64) / top * 255, atol=2)
    assert "bands 1 to 3 of 5" in note


@pytest.mark.parametrize(("kind", "top"), [("u1", 255), ("u2", 65_535), ("f4", 1)])
def test_two_bands_are_said(tmp_path, kind, top) -> None:
    values = ramps(kind, top, 2)
    rgb, note = shown(tmp_path / "a.tif", tiff(values))
    np.testing.assert_allclose(rgb[:, :, 0], values[:, :, 0].astype(np.float64) / top * 255, atol=2)
    assert "band 1 of 2" in note


@pytest.mark.parametrize(
    ("kind", "top"), [("u1", 255), ("u2", 65_535), ("u4", 2**32 - 1), ("i2", 9_000), ("f4", 1), ("f8", 1)]
)
@pytest.mark.parametrize("photometric", [0, 1])
def test_grey_of_any_depth_has_its_white_where_the_file_says(tmp_path, kind, top, photometric) -> None:
    values = ramps(kind, top, 1)
    rgb, _ = shown(tmp_path / "a.tif", tiff(values, photometric=photometric))
    expected = values.astype(np.float64) / top * 255
    np.testing.assert_allclose(rgb[:, :, 0], expected if photometric else 255 - expected, atol=2)


def test_deep_colour_of_twelve_bits_in_a_png(tmp_path) -> None:
    values = ramps("u2", 4_095, 3)
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), values[:, :, ::-1])
    pixels = read_pixels(path)
    np.testing.assert_allclose(pixels.rgb, values / 4_095 * 255, atol=2)
    assert "16-bit, shown 8-bit" in pixels.note
    assert cv2.imwrite(str(path), values[:, :, ::-1] * 16)
    pixels = read_pixels(path)
    np.testing.assert_array_equal(pixels.rgb, values * 16 >> 8)
    assert pixels.note == "16-bit colour, shown 8-bit"


def test_differences_and_lzw_as_other_programs_write_them(tmp_path) -> None:
    values = ramps("u2", 65_535, 3)
    path = tmp_path / "a.tif"
    assert cv2.imwrite(str(path), values[:, :, ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    np.testing.assert_array_equal(read_pixels(path).rgb, values >> 8)


def test_kinds_that_are_no_photo_are_named(tmp_path) -> None:
    for content, told in (
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "run git lfs pull"),
        (bytes(128) + b"DICM", "a DICOM file"),
        (b"\0\0\0\x18ftypqt  ", "a video"),
        (b"8BPS\0\1", "a Photoshop file"),
    ):
        (tmp_path / "a.jpg").write_bytes(content)
        for read in (read_header, read_pixels):
            with pytest.raises(ImageError, match=told):
                read(tmp_path / "a.jpg")


def test_heic_is_read_with_its_extra(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1")
    monkeypatch.setattr(photo_files, "READS_HEIC", False)
    with pytest.raises(ImageError, match=r"install the extra labeler\[heic\]"):
        decoding.read_pixels(path)
    pytest.importorskip("pi_heif", reason="the extra labeler[heic] is not installed")
    assert ".heic" in photo_files.SUFFIXES
    monkeypatch.undo()
    with pytest.raises(ImageError, match="its header is damaged"):
        read_pixels(path)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_shows_what_it_has(tmp_path, part, progressive) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (200, 300, 3), np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(noise).save(path, quality=90, progressive=progressive)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    pixels = read_pixels(path)
    assert pixels.note.startswith("damaged: the file ends early")
    assert pixels.rgb[:20].std() > 10
