"""Rare kinds of TIFF, PPM and PNG, and JPEGs cut anywhere: shown right, or named for what they are."""

import base64
import struct
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labeler.core.photos.images import read_header, read_pixels
from labeler.core.photos.photo_files import OTHER_KINDS, photos_below, said_left_out
from labeler.errors import ImageError
from tests.core.photos.bombs import chunk
from tests.core.photos.tiffs import tiff

ROWS, COLUMNS = 40, 64
LEVEL = np.linspace(0, 1, ROWS * COLUMNS).reshape(ROWS, COLUMNS)
COLOUR = np.stack([LEVEL, LEVEL * 0.5, 1 - LEVEL], -1)


def shown(path: Path, data: bytes) -> tuple[np.ndarray, str]:
    path.write_bytes(data)
    pixels = read_pixels(path)
    header = read_header(path)
    assert (header.height, header.width) == pixels.rgb.shape[:2] == (ROWS, COLUMNS)
    return pixels.rgb.astype(int), pixels.note


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def differences(values: np.ndarray, *, big_endian: bool) -> bytes:
    """A TIFF of differences from the pixel to the left (predictor 2)."""
    stored = values.copy()
    stored[:, 1:] = values[:, 1:] - values[:, :-1]
    predictor = (317, 3, struct.pack(">HH" if big_endian else "<HH", 2, 0))
    return tiff(stored, deflate=True, big_endian=big_endian, extra=[predictor])


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("bands", [1, 3, 5, 7])
def test_differences_are_added_up_whatever_the_bands(tmp_path, bands, kind, big_endian) -> None:
    top = np.iinfo(kind).max
    values = np.concatenate([COLOUR, np.repeat(LEVEL[:, :, None], 4, 2)], -1)[:, :, :bands]
    values = (values * top).astype(kind)
    rgb, _ = shown(
        tmp_path / "a.tif", differences(values[:, :, 0] if bands == 1 else values, big_endian=big_endian)
    )
    expected = np.stack([LEVEL] * 3, -1) if bands == 1 else COLOUR
    assert np.abs(rgb - expected * 255).max() < 3


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
def test_half_floats_are_shown(tmp_path, big_endian, planar) -> None:
    for values, expected in ((LEVEL, np.stack([LEVEL] * 3, -1)), (COLOUR, COLOUR)):
        data = tiff(values.astype(np.float16), big_endian=big_endian, planar=planar and values.ndim == 3)
        rgb, note = shown(tmp_path / "a.tif", data)
        assert np.abs(rgb - expected * 255).max() < 3
        assert note.startswith("float")


@pytest.mark.parametrize(("kind", "bands"), [("u2", 4), ("u1", 5), ("u2", 5)])
def test_cmyk_of_16_bits_or_more_bands_is_shown(tmp_path, kind, bands) -> None:
    black, spot = np.zeros_like(LEVEL), LEVEL
    inks = np.stack([*(1 - COLOUR).transpose(2, 0, 1), black, spot][:bands], -1)
    data = tiff((inks * np.iinfo(kind).max).astype(kind), photometric=5)
    rgb, note = shown(tmp_path / "a.tif", data)
    assert np.abs(rgb - COLOUR * 255).max() < 3
    assert "CMYK, shown as RGB" in note
    assert ("bands 1 to 4 of 5" in note) == (bands == 5)


def test_lab_and_paper_white_and_palettes_are_right(tmp_path: Path) -> None:
    grey = np.zeros((ROWS, COLUMNS, 3), np.uint8)  # a and b of 0: no colour
    grey[:, :, 0] = 200
    rgb, _ = shown(
        tmp_path / "lab.tif", saved(Image.frombytes("LAB", (COLUMNS, ROWS), grey.tobytes()), "TIFF")
    )
    assert np.ptp(rgb[0, 0]) < 3
    assert 150 < rgb.mean() < 230

    bits = Image.fromarray(LEVEL > 0.5)
    rgb, _ = shown(tmp_path / "fax.tif", saved(bits.convert("1"), "TIFF", compression="group4"))
    assert (rgb[0, 0].tolist(), rgb[-1, -1].tolist()) == ([0, 0, 0], [255, 255, 255])
    rgb, _ = shown(tmp_path / "white.tif", tiff((LEVEL * 255).astype(np.uint8), photometric=0))
    assert (rgb[0, 0, 0], rgb[-1, -1, 0]) == (255, 0)

    few = Image.fromarray((COLOUR * 255).astype(np.uint8)).quantize(16)
    rgb, note = shown(tmp_path / "a.png", saved(few, "PNG", transparency=bytes([0] * 16)))
    assert note == "transparency shown on white"
    assert (rgb == 255).all()


@pytest.mark.parametrize(
    ("photometric", "kind", "name"), [(8, "u2", "Lab"), (6, "u1", "YCbCr"), (3, "u1", "palette")]
)
def test_a_tiff_that_cannot_be_shown_is_named(tmp_path, photometric, kind, name) -> None:
    values = (COLOUR * np.iinfo(kind).max).astype(kind)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values[:, :, 0] if photometric == 3 else values, photometric=photometric))
    with pytest.raises(ImageError, match=f"it is a TIFF of .*{name}.*Save it as") as caught:
        read_pixels(path)
    assert "damaged" not in str(caught.value)


def test_16_bit_text_pictures_say_their_depth(tmp_path: Path) -> None:
    colour = (COLOUR * 65_535).astype(">u2").tobytes()
    rgb, note = shown(tmp_path / "a.ppm", b"P6 %d %d 65535\n" % (COLUMNS, ROWS) + colour)
    assert np.abs(rgb - COLOUR * 255).max() < 2
    assert note == "16-bit colour, shown 8-bit"
    _, note = shown(
        tmp_path / "a.pgm", b"P5 %d %d 65535\n" % (COLUMNS, ROWS) + (LEVEL * 65_535).astype(">u2").tobytes()
    )
    assert note.startswith("16-bit, shown")
    _, note = shown(tmp_path / "b.ppm", b"P6 %d %d 255\n" % (COLUMNS, ROWS) + bytes(ROWS * COLUMNS * 3))
    assert note == ""


def test_16_bit_grey_with_alpha_is_laid_on_white(tmp_path: Path) -> None:
    values = np.stack([LEVEL * 65_535, np.full_like(LEVEL, 65_535 / 2)], -1).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    head = struct.pack(">IIBBBBB", COLUMNS, ROWS, 16, 4, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    rgb, note = shown(tmp_path / "a.png", data)
    assert "transparency shown on white" in note
    assert np.abs(rgb[:, :, 0] - (127.5 + LEVEL * 127.5)).max() < 3


def test_a_jpeg_cut_anywhere_is_shown_or_said_to_be_cut(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
    data = saved(Image.fromarray(noise), "JPEG", exif=b"Exif\0\0" + bytes(300))
    scan = data.index(b"\xff\xda")
    path = tmp_path / "a.jpg"
    for end in (*range(3, scan, 7), scan - 1, scan):
        path.write_bytes(data[:end])
        for read in (read_header, read_pixels):
            with pytest.raises(ImageError, match=f"ends inside its header, after {end} bytes: copy it again"):
                read(path)
    for end in range(scan + 400, len(data) - 2, 1500):
        path.write_bytes(data[:end])
        assert read_pixels(path).note == "damaged: the file ends early"
    deep = bytearray(data)
    deep[data.index(b"\xff\xc0") + 4] = 13  # bits, which no JPEG has
    path.write_bytes(deep)
    with pytest.raises(ImageError, match="header is damaged"):
        read_pixels(path)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"icns", "an icon"),
        (b"\0\0\1\0", "an icon"),
        (b"DDS ", "a DDS texture"),
        (b"8BPS", "a Photoshop file"),
        (b"\xff\x0a", "a JPEG XL file"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file"),
        (b"II\x1a\0\0\0HEAPCCDR", "a camera raw file"),
        (b"IIRO", "a camera raw file"),
        (b"IIU\0", "a camera raw file"),
        (b"\0\0\0\x18ftypcrx ", "a camera raw file"),
        (b"<!DOCTYPE html", "a web page"),
    ],
)
def test_what_only_has_the_ending_of_a_photo_is_named(tmp_path, head, name) -> None:
    (tmp_path / "a.jpg").write_bytes(head + bytes(300))
    with pytest.raises(ImageError, match=f"it is {name}.*Save it as JPEG"):
        read_pixels(tmp_path / "a.jpg")


def test_kinds_that_are_left_out_are_counted_by_name(tmp_path: Path) -> None:
    for name in ("a.jxl", "b.CR2", "c.nef", "d.dng", "e.psd", "f.ico", "g.icns", "h.dds", "i.tga", "j.avif"):
        (tmp_path / name).write_bytes(b"x")
    left_out = Counter[str]()
    assert list(photos_below(tmp_path, left_out)) == ["j.avif"]
    assert left_out == {"JPEG XL": 1, "camera raw": 3, "PSD": 1, "icon": 2, "DDS": 1, "TGA": 1}
    said = said_left_out(left_out)
    assert said.startswith("3 camera raw files, 2 icon files, 1 DDS file, ")
    assert OTHER_KINDS[".heic"] == "HEIC"


# libjpeg-turbo's `jpegtran -arithmetic` of 48 x 32 pixels that Pillow saved with quality 50
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1R"
    "V19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"
    "Y2NjY2NjY2NjY2NjY2P/yQARCAAgADADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AHS+ab/6awcoF92j"
    "WzWVzrP38eG/6IAiSJKkygpLBeW6AQAfqAUesfJvdNgWXzug+wmFu/gkqjGVyfWOXFER9ntvVgHtN87mjKKTnp+TKcD/2Q=="
)


def test_a_jpeg_of_arithmetic_codes_is_right(tmp_path: Path) -> None:
    assert b"\xff\xc9" in ARITHMETIC
    rows, columns = np.mgrid[0:32, 0:48]
    path = tmp_path / "a.jpg"
    path.write_bytes(ARITHMETIC)
    pixels = read_pixels(path)
    assert np.abs(pixels.rgb - np.stack([columns * 5, rows * 7, 255 - columns * 5], -1)).max() < 16
    assert pixels.note == ""
    path.write_bytes(ARITHMETIC[:-40])
    assert read_pixels(path).note.startswith("damaged")
