"""The one decoder, against files of every kind that this test makes itself."""

import hashlib
import logging
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from labeler.core.photos import photo_files
from labeler.core.photos.images import Pixels, read_header, read_pixels, read_thumbnail
from labeler.core.photos.photo_files import digest
from labeler.errors import ImageError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

# CIPA DC-008: the displayed side that stored row 0 and stored column 0 lie on.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def corners() -> Image.Image:
    """48 x 32, as stored: red top left, green top right, blue bottom left, white bottom right."""
    image = Image.new("RGB", (48, 32))
    for box, colour in (
        ((0, 0, 16, 16), RED),
        ((32, 0, 48, 16), GREEN),
        ((0, 16, 16, 32), BLUE),
        ((32, 16, 48, 32), WHITE),
    ):
        image.paste(colour, box)
    return image


def texture(width: int = 160, height: int = 120) -> Image.Image:
    """Smooth colours with some noise: no two rows are alike, and compression keeps many bytes."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(7).integers(0, 40, (height, width))
    bands = np.stack([x + noise, y + noise, x // 2 + y // 2 + noise], -1)
    return Image.fromarray(bands.clip(0, 255).astype(np.uint8))


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, rgb: bool = False, rows: bool = True, tail: bytes = b"") -> bytes:
    """A black 1-bit (or RGB) PNG, made row by row; without `rows` only its header, which then lies."""
    header = struct.pack(">IIBBBBB", width, height, 8 if rgb else 1, 2 if rgb else 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = bytes(1 + (width * 3 if rgb else (width + 7) // 8))
    packed = b"".join(packer.compress(row) for _ in range(height if rows else 0)) + packer.flush()
    body = chunk(b"IDAT", packed) if rows else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + tail + chunk(b"IEND", b"")


def attempt(read: Callable[[Path], object], path: Path) -> object:
    """What it gives, or the sentence that refuses it; any other error is the test's failure."""
    try:
        return read(path)
    except ImageError as error:
        return str(error)


# --- orientation --------------------------------------------------------------------------------------
@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".jpg", {"quality": 95, "subsampling": 0}),
        (".jpg", {"quality": 95, "subsampling": 0, "progressive": True}),
        (".png", {}),
        (".webp", {"lossless": True}),
        (".tif", {}),
        (".tif", {"compression": "tiff_lzw"}),
    ],
)
def test_corners_are_where_exif_says(tmp_path: Path, suffix: str, options: dict, orientation: int) -> None:
    path = saved(corners(), tmp_path / f"a{suffix}", exif=exif(orientation), **options)
    row, column = SIDES[orientation]
    expected = {
        frozenset({row, column}): RED,
        frozenset({row, OPPOSITE[column]}): GREEN,
        frozenset({OPPOSITE[row], column}): BLUE,
        frozenset({OPPOSITE[row], OPPOSITE[column]}): WHITE,
    }
    rgb = read_pixels(path).rgb
    header = read_header(path)

    assert rgb.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    assert (header.height, header.width) == rgb.shape[:2]
    for vertical, y in (("top", 3), ("bottom", -4)):
        for horizontal, x in (("left", 3), ("right", -4)):
            wanted = expected[frozenset({vertical, horizontal})]
            np.testing.assert_allclose(rgb[y, x].astype(int), wanted, atol=12)
    small = read_thumbnail(path, 24)
    assert max(small.shape) == 24
    np.testing.assert_allclose(small[1, 1].astype(int), expected[frozenset({"top", "left"})], atol=24)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_large_jpeg_thumbnail_is_turned_too(tmp_path: Path, orientation: int) -> None:
    large = corners().resize((960, 640), Image.Resampling.NEAREST)
    path = saved(large, tmp_path / "a.jpg", exif=exif(orientation), quality=90)
    small = read_thumbnail(path, 120)
    assert small.shape == ((120, 80, 3) if orientation == 6 else (80, 120, 3))
    expected = cv2.resize(read_pixels(path).rgb, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).mean() < 4


def test_a_png_with_its_exif_after_the_pixels_is_turned(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    path.write_bytes(png(40, 20, tail=chunk(b"eXIf", exif(6).tobytes().removeprefix(b"Exif\0\0"))))
    assert read_pixels(path).rgb.shape == (40, 20, 3)
    assert (read_header(path).width, read_header(path).height) == (20, 40)


@pytest.mark.parametrize("value", [0, 9, 4711])
def test_an_orientation_that_makes_no_sense_is_none(tmp_path: Path, value: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = value
    assert read_pixels(saved(corners(), tmp_path / "a.jpg", exif=tags)).rgb.shape == (32, 48, 3)


def test_exif_that_is_garbage_does_not_matter(tmp_path: Path) -> None:
    path = saved(corners(), tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert read_pixels(path).rgb.shape == (32, 48, 3)


# --- what comes out -----------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".ppm", ".gif", ".jp2"])
def test_pixels_are_contiguous_read_only_rgb(tmp_path: Path, suffix: str) -> None:
    pixels = read_pixels(saved(texture(), tmp_path / f"a{suffix}"))
    assert pixels.rgb.shape == (120, 160, 3)
    assert pixels.rgb.dtype == np.uint8
    assert pixels.rgb.flags.c_contiguous
    assert not pixels.rgb.flags.writeable
    assert pixels.note == ""


def test_a_jpeg_is_decoded_as_opencv_does(photo: Path) -> None:
    np.testing.assert_array_equal(read_pixels(photo).rgb, cv2.imread(str(photo))[:, :, ::-1])


@pytest.mark.parametrize("name", ["bus.jpg", "grace_hopper.jpg", "zidane.jpg"])
def test_thumbnails_look_like_the_photo(photos: Path, name: str) -> None:
    full = read_pixels(photos / name).rgb
    small = read_thumbnail(photos / name, 160)
    assert max(small.shape) == 160
    expected = cv2.resize(full, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).mean() < 4


def test_a_thumbnail_is_never_larger_than_the_image(tmp_path: Path) -> None:
    assert read_thumbnail(saved(corners(), tmp_path / "a.png"), 500).shape == (32, 48, 3)


# --- kinds of pixels ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("suffix", "dtype", "name"),
    [
        (".png", np.uint16, "16-bit"),
        (".tif", np.uint16, "16-bit"),
        (".tif", np.int32, "32-bit"),
        (".tif", np.float32, "float"),
    ],
)
def test_deep_grey_is_windowed_from_its_darkest_to_its_brightest(
    tmp_path: Path, suffix: str, dtype: type, name: str
) -> None:
    ramp = np.linspace(1000, 5000, 200 * 100).reshape(100, 200).astype(dtype)
    pixels = read_pixels(saved(Image.fromarray(ramp), tmp_path / f"a{suffix}"))
    grey = pixels.rgb[:, :, 0].ravel().astype(int)
    np.testing.assert_array_equal(pixels.rgb[:, :, 0], pixels.rgb[:, :, 2])
    assert (np.diff(grey) >= 0).all()
    np.testing.assert_allclose(grey, np.linspace(0, 255, grey.size), atol=1.5)
    assert pixels.note.startswith(f"{name}, shown 8-bit (1004")


def test_nan_and_infinity_do_not_spoil_a_float_image(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    values[0, :3] = np.nan, np.inf, -np.inf
    grey = read_pixels(saved(Image.fromarray(values), tmp_path / "a.tif")).rgb[:, :, 0]
    assert grey[0, :3].tolist() == [0, 255, 0]
    assert grey[50, 0] == pytest.approx(128, abs=2)


@pytest.mark.parametrize("value", [0, 700, np.nan])
def test_one_value_everywhere_is_black(tmp_path: Path, value: float) -> None:
    path = saved(Image.fromarray(np.full((5, 5), value, np.float32)), tmp_path / "a.tif")
    assert not read_pixels(path).rgb.any()


def test_sixteen_bit_colour_keeps_the_high_byte(tmp_path: Path) -> None:
    values = np.arange(3 * 64, dtype=np.uint16).reshape(8, 8, 3) * 331
    cv2.imwrite(str(tmp_path / "a.png"), values[:, :, ::-1])
    pixels = read_pixels(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels.rgb, values >> 8)
    assert pixels.note == "16-bit colour, shown 8-bit"
    assert read_header(tmp_path / "a.png").note == pixels.note


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(200, 0, 0, 0), (200, 0, 0, 255), (0, 0, 0, 51)])
    pixels = read_pixels(saved(image, tmp_path / "a.png"))
    assert pixels.rgb.tolist() == [[[255, 255, 255], [200, 0, 0], [204, 204, 204]]]
    assert pixels.note == "transparency shown on white"


@pytest.mark.parametrize(
    ("mode", "options"), [("LA", {}), ("P", {"transparency": 0}), ("L", {"transparency": 0})]
)
def test_other_kinds_of_transparency_too(tmp_path: Path, mode: str, options: dict) -> None:
    pixels = read_pixels(saved(Image.new(mode, (4, 4)), tmp_path / "a.png", **options))
    assert (pixels.rgb == 255).all()
    assert pixels.note == "transparency shown on white"


def test_an_opaque_alpha_band_is_not_worth_a_word(tmp_path: Path) -> None:
    pixels = read_pixels(saved(corners().convert("RGBA"), tmp_path / "a.png"))
    np.testing.assert_array_equal(pixels.rgb, np.asarray(corners()))
    assert pixels.note == ""


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    pixels = read_pixels(saved(corners().convert("CMYK"), tmp_path / f"a{suffix}"))
    np.testing.assert_allclose(pixels.rgb[3, 3].astype(int), RED, atol=12)
    assert pixels.note == "CMYK, shown as RGB"


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "LAB"])
def test_every_other_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    source = texture().quantize(200) if mode == "P" else Image.new(mode, (20, 10), 1 if mode == "1" else None)
    path = saved(source, tmp_path / ("a.tif" if mode in {"YCbCr", "LAB"} else "a.png"))
    np.testing.assert_array_equal(read_pixels(path).rgb, np.asarray(source.convert("RGB")))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_of_several_frames_the_first_is_shown_and_said(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = saved(frames[0], tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **options)
    pixels = read_pixels(path)
    assert (pixels.rgb == RED).all()
    assert pixels.note == read_header(path).note == "first of 3 frames"
    assert read_header(path).frames == 3


# --- damage -------------------------------------------------------------------------------------------
KINDS: dict[str, Callable[[Path], Path]] = {
    "jpeg": lambda folder: saved(texture(), folder / "a.jpg", quality=92),
    "progressive jpeg": lambda folder: saved(texture(), folder / "a.jpg", quality=92, progressive=True),
    "jpeg with thumbnail": lambda folder: saved(
        texture(), folder / "a.jpg", quality=92, exif=b"Exif\0\0" + b"\xff\xd8\xff\xd9" * 20
    ),
    "cmyk jpeg": lambda folder: saved(texture().convert("CMYK"), folder / "a.jpg", quality=92),
    "png": lambda folder: saved(texture(), folder / "a.png"),
    "grey png": lambda folder: saved(texture().convert("L"), folder / "a.png"),
    "gif": lambda folder: saved(texture(), folder / "a.gif"),
    "bmp": lambda folder: saved(texture(), folder / "a.bmp"),
    "ppm": lambda folder: saved(texture(), folder / "a.ppm"),
    "tiff": lambda folder: saved(texture(), folder / "a.tif"),
    "lzw tiff": lambda folder: saved(texture(), folder / "a.tif", compression="tiff_lzw"),
    "turned tiff": lambda folder: saved(texture(), folder / "a.tif", exif=exif(6)),
    "16-bit tiff": lambda folder: saved(
        Image.fromarray(np.asarray(texture().convert("L")).astype(np.uint16) * 200 + 50), folder / "a.tif"
    ),
    "webp": lambda folder: saved(texture(), folder / "a.webp"),
    "jpeg 2000": lambda folder: saved(texture(), folder / "a.jp2"),
}
SHOWS_A_HALF = ["jpeg", "progressive jpeg", "cmyk jpeg", "png", "gif", "bmp", "ppm", "tiff", "turned tiff"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_shown_as_damaged_or_refused(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path)
    whole = path.read_bytes()
    expected = read_pixels(path)
    assert "damaged" not in expected.note
    for twentieth in range(20):
        cut = whole[: len(whole) * twentieth // 20]
        path.write_bytes(cut)
        result = attempt(read_pixels, path)
        if isinstance(result, Pixels):
            assert result.note.startswith("damaged: "), f"cut at {twentieth}/20 is not told"
            assert result.rgb.shape == expected.rgb.shape
        else:
            assert str(path) in str(result)
            assert "\n" not in str(result)
        assert path.read_bytes() == cut


@pytest.mark.parametrize("kind", SHOWS_A_HALF)
def test_what_is_there_of_a_cut_file_is_shown(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path)
    expected = read_pixels(path).rgb.astype(int)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    shown = read_pixels(path).rgb.astype(int)
    assert (np.abs(shown - expected).max(axis=2) < 40).mean() > 0.4


@pytest.mark.parametrize("tail", [bytes(1000), b"\xff\xd8 a second picture, a video", b"\n"])
def test_bytes_after_the_end_of_a_jpeg_are_no_damage(photo: Path, tail: bytes) -> None:
    photo.write_bytes(photo.read_bytes() + tail)
    assert read_pixels(photo).note == ""


def test_a_half_downloaded_jpeg_filled_up_with_zeros_is_damaged(photo: Path) -> None:
    data = photo.read_bytes()
    photo.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    assert read_pixels(photo).note == "damaged: the file ends early"


@pytest.mark.parametrize("kind", KINDS)
def test_scrambled_bytes_never_raise_anything_else(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("PIL.TiffImagePlugin"), "disabled", True)  # its view of the bytes
    path = KINDS[kind](tmp_path)
    whole = path.read_bytes()
    dice = random.Random(kind)
    for _ in range(20):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 12)):
            data[dice.randrange(4, 400)] = dice.randrange(256)
        path.write_bytes(data)
        for read in (read_header, read_pixels, lambda one: read_thumbnail(one, 32)):
            result = attempt(read, path)
            assert not isinstance(result, str) or "\n" not in result
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest()


# --- refusals -----------------------------------------------------------------------------------------
def test_a_decompression_bomb_is_refused_with_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(30_000, 30_000, rows=False))
    for read in (read_pixels, lambda one: read_thumbnail(one, 64)):
        with pytest.raises(ImageError, match=r"30000 × 30000 pixels .* 2\.70 GB .* limit of 1\.07 GB"):
            read(path)
    assert read_header(path).width == 30_000


def test_the_budget_is_what_it_says(tmp_path: Path) -> None:
    path = saved(texture(100, 50), tmp_path / "a.png")
    read_pixels(path, budget=100 * 50 * 3)
    with pytest.raises(ImageError, match="over the limit"):
        read_pixels(path, budget=100 * 50 * 3 - 1)


def test_a_header_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(2_000, 2_000, rows=False))
    with pytest.raises(ImageError, match="damaged: no pixel"):
        read_pixels(tmp_path / "a.png")


def test_pillows_limit_is_neither_asked_nor_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for suffix in (".png", ".tif", ".bmp", ".gif", ".jpg"):
        assert read_pixels(saved(texture(), tmp_path / f"a{suffix}")).note == ""
    assert Image.MAX_IMAGE_PIXELS == 100


def test_more_pixels_than_pillow_allows_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(13_500, 13_500))
    assert read_pixels(path).rgb.shape == (13_500, 13_500, 3)


@pytest.mark.slow
def test_an_orthophoto_of_144_megapixels_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(12_000, 12_000, rgb=True))
    assert read_pixels(path).rgb.shape == (12_000, 12_000, 3)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"GIF", "not an image of a known format"),
        (b"<!doctype html><title>404</title>", "not an image of a known format"),
        (b"%PDF-1.7", "not an image of a known format"),
        (bytes(5000), "not an image of a known format"),
        (b"\xff\xd8\xff\xe0", "ends inside its header, after 4 bytes"),
        (b"\x89PNG\r\n\x1a\n", "its header is damaged or of an unsupported kind"),
        (b"RIFF\x04\0\0\0WEBP", "its header is damaged or of an unsupported kind"),
        (b"II*\0\x08\0\0\0\0\0", "its header is damaged or of an unsupported kind"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (read_header, read_pixels, lambda one: read_thumbnail(one, 64)):
        with pytest.raises(ImageError, match=sentence):
            read(path)


def test_missing_folder_and_forbidden_files_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for read in (read_header, read_pixels, digest):
        with pytest.raises(ImageError, match="is missing"):
            read(tmp_path / "gone.jpg")
        with pytest.raises(ImageError, match="cannot be read: Is a directory"):
            read(tmp_path)

    def forbidden(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    saved(texture(), tmp_path / "a.jpg")
    monkeypatch.setattr(photo_files.os, "open", forbidden)  # root may read everything, whatever the mode
    with pytest.raises(ImageError, match="may not be read"):
        read_pixels(tmp_path / "a.jpg")


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = saved(texture(), tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert read_pixels(path).rgb.shape == (120, 160, 3)


# --- digest -------------------------------------------------------------------------------------------
def test_digest_follows_size_head_and_tail(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    base = random.Random(1).randbytes(300_000)
    seen = set()
    for data in (base, base[:-1], b"x" + base[1:], base[:-1] + b"x", b"", b"a", base[:65_537]):
        path.write_bytes(data)
        seen.add(digest(path))
    assert len(seen) == 7
    assert all(len(one) == 32 for one in seen)
    path.write_bytes(base)
    moved = path.rename(tmp_path / "b.bin")
    assert digest(moved) in seen


def test_suffixes_are_those_that_can_be_read() -> None:
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN}
    assert known | {".heic", ".heif", ".hif"} >= photo_files.SUFFIXES
