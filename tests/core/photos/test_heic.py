"""HEIC photos, made by pillow-heif and read through the extra that only reads, pi-heif."""

import base64
from pathlib import Path

import numpy as np
import pytest

from labeler.core.photos.images import read_header, read_pixels, read_thumbnail
from labeler.core.photos.photo_files import SUFFIXES, photos_below
from labeler.errors import ImageError

# 64 x 48, red, its top left quarter blue
UPRIGHT = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAFwAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA"
    "AA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNw"
    "AAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFz"
    "wIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAA"
    "Av////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAGRtZGF0AAAAWCgBrwngITip//e8"
    "DX+10f/uhyeVp79Y9x3Tz/9Leb981t0fpJsjz0WH5dv//xkRVvonf4LDefpc9V8L5fvXj5MQS63k7UpjF8g6Ci8sZhfzV1pV"
    "FrhczMA="
)
# the same pixels, to be turned by a quarter to the right
TURNED = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAFwAAgAAAAACSAABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVp"
    "bmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZo"
    "dmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAA"
    "AwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAA"
    "AAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90"
    "AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAIhtZGF0AAAAWCgBrwngITip"
    "//e8DX+10f/uhyeVp79Y9x3Tz/9Leb981t0fpJsjz0WH5dv//xkRVvonf4LDefpc9V8L5fvXj5MQS63k7UpjF8g6Ci8sZhfz"
    "V1pVFrhczMAAAAAGRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA="
)


@pytest.fixture(autouse=True)
def reader() -> None:
    pytest.importorskip("pi_heif", reason="the extra labeler[heic] is not installed")


def corner(rgb: np.ndarray) -> set[str]:
    """Where blue is."""
    height, width = rgb.shape[:2]
    spots = {"top left": (4, 4), "top right": (4, width - 5), "bottom left": (height - 5, 4)}
    return {name for name, at in spots.items() if rgb[at][2] > 150}


@pytest.mark.parametrize(
    ("text", "size", "where"), [(UPRIGHT, (48, 64), {"top left"}), (TURNED, (64, 48), {"top right"})]
)
def test_a_heic_photo_is_read_upright(
    tmp_path: Path, text: str, size: tuple[int, int], where: set[str]
) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(base64.b64decode(text))
    assert ".heic" in SUFFIXES
    assert list(photos_below(tmp_path)) == ["a.heic"]
    header, pixels = read_header(path), read_pixels(path)
    assert (header.height, header.width) == size == pixels.rgb.shape[:2]
    assert corner(pixels.rgb) == where
    small = read_thumbnail(path, 32)
    assert max(small.shape) == 32
    assert corner(small) == where


def test_a_cut_heic_photo_is_one_sentence(tmp_path: Path) -> None:
    data = base64.b64decode(UPRIGHT)
    for part in (0.2, 0.5, 0.8, 0.95):
        path = tmp_path / "a.heic"
        path.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(ImageError, match="damaged") as caught:
            read_pixels(path)
        assert "\n" not in str(caught.value)
