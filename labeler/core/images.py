"""The one decoder: what it gives is what the person sees and what every model is shown.

- **Orientation** (EXIF, all 8 values, every format) is applied here and nowhere else. OpenCV, Pillow and
  Qt each apply it to other formats, so theirs is switched off.
- **Deep pixels** become 8-bit. Single-band 16-bit, int32 and float images are windowed linearly from their
  0.1th to their 99.9th percentile, NaN and infinities left out; 16-bit colour keeps the high byte.
- **Transparency** is laid on white. **CMYK** becomes RGB. Colour profiles are not applied.
- **Several frames or pages**: the first one.
- **Damage**: what can be read is shown, the rest is black (grey in a JPEG), and the note starts with
  "damaged". A JPEG counts as damaged when no end marker follows its first scan (OpenCV decodes such a
  file without a word); the other formats are checked by Pillow while it decodes.
- **Size**: the header is read first, and what would need more than the budget is refused before any
  memory is asked for. Pillow's own limit, a global that others rely on, is neither asked nor changed.

Whatever is left out or changed is said in the note. Files are only ever opened for reading.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from labeler.core.photo_files import readable
from labeler.errors import ImageError

Rgb: TypeAlias = NDArray[np.uint8]

BUDGET = 1 << 30
"""Bytes that one decoded image may take, unless told otherwise."""

_ORIENTATION = 0x0112  # the tag's number, in EXIF and in TIFF
_SAMPLED = 1 << 22  # values that a percentile is worked out from
_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


class Pixels(Struct, frozen=True, eq=False):
    """A decoded image as displayed."""

    rgb: Rgb
    """(H, W, 3) uint8, red first, C-contiguous and read-only."""
    note: str = ""
    """What a person must know, parts joined by "; ": "damaged: ..." first; "" for nothing."""


class Header(Struct, frozen=True):
    """What is known of an image without decoding it."""

    width: int
    height: int
    """Displayed size in pixels: orientation applied."""
    frames: int
    note: str = ""
    turn: int = 1
    """The EXIF orientation, 1 to 8; from 5 on the stored width is the displayed height."""


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Pillow's TIFF, except that it neither asks the global size limit nor rotates by itself."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()

    def load_end(self) -> None:
        """Leave the pixels as stored."""


_SIGNATURES: tuple[tuple[int, bytes, Callable[[IO[bytes]], ImageFile]], ...] = (
    (0, b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (0, b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (8, b"WEBP", WebPImagePlugin.WebPImageFile),
    (0, b"II*\0", _Tiff),
    (0, b"MM\0*", _Tiff),
    (0, b"II+\0", _Tiff),
    (0, b"MM\0+", _Tiff),
    (0, b"BM", BmpImagePlugin.BmpImageFile),
    (0, b"GIF8", GifImagePlugin.GifImageFile),
    (4, b"ftypavi", AvifImagePlugin.AvifImageFile),
    (4, b"jP  \r\n\x87\n", Jpeg2KImagePlugin.Jpeg2KImageFile),
    (0, b"\xff\x4f\xff\x51", Jpeg2KImagePlugin.Jpeg2KImageFile),
    *((0, b"P%d" % kind, PpmImagePlugin.PpmImageFile) for kind in range(1, 7)),
)


def read_header(path: Path) -> Header:
    """The displayed size, the number of frames and the note of an image, without decoding its pixels.

    Raises `ImageError` where the file is missing, unreadable or not an image. Damage further down the
    file does not show here.
    """
    with _opened(path) as (_, image):
        width, height = _stored_size(image)
        turn = _orientation(image)
        if turn >= 5:
            width, height = height, width
        return Header(width, height, _frames(image), "; ".join(_facts(image)), turn)


def read_pixels(path: Path, *, budget: int = BUDGET) -> Pixels:
    """An image as 8-bit RGB, as displayed; the module's text says how each kind becomes that.

    `budget` is in bytes: width x height x max(3, bytes per stored pixel) must not pass it. Raises
    `ImageError` with one sentence where the file is missing, unreadable, not an image, over the budget,
    or so damaged that no pixel of it can be read.
    """
    with _opened(path) as (file, image):
        _check_size(path, image, budget)
        turn, notes = _orientation(image), _facts(image)
        if _is_plain_jpeg(image):
            file.seek(0)
            data = file.read()
            whole = _jpeg_is_complete(data)
            rgb = _decoded_jpeg(data if whole else data + b"\xff\xd9", cv2.IMREAD_COLOR_RGB)
            if rgb is not None:
                return _pixels(rgb, turn, "" if whole else "damaged: the file ends early", notes)
        damage = _loaded(path, image)
        rgb, more = _as_rgb(image)
        return _pixels(rgb, turn, damage, [*notes, *more])


def read_thumbnail(path: Path, size: int) -> Rgb:
    """A small version of an image, (h, w, 3) uint8 RGB with the longer side at most `size` pixels.

    Oriented and toned as `read_pixels` does it; never larger than the image. A JPEG is decoded at an
    eighth, a quarter or half of its size where that is enough. Raises `ImageError` as `read_pixels`.
    """
    rgb = _reduced_jpeg(path, size)
    if rgb is None:
        rgb = read_pixels(path).rgb
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    if scale < 1:
        shape = max(1, round(width * scale)), max(1, round(height * scale))
        rgb = cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA)
    return rgb


# --- files ----------------------------------------------------------------------------------------
@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], ImageFile]]:
    """The open file and Pillow's view of its header, found by the content's signature."""
    with readable(path) as file:
        head = file.read(16)
        if not head:
            raise ImageError(f"{path} is empty (0 bytes): copy it again from where it came from.")
        kind = next((kind for at, magic, kind in _SIGNATURES if head.startswith(magic, at)), None)
        if kind is None:
            raise ImageError(f"{path} is not an image of a known format: its content has no known signature.")
        file.seek(0)
        try:
            image = kind(file)
        except Exception as error:  # Pillow's parsers raise a dozen kinds on foreign bytes
            raise ImageError(
                f"{path} cannot be shown: its header is damaged or of an unsupported kind ({_said(error)})."
            ) from error
        yield file, image


def _said(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


# --- what the header says -------------------------------------------------------------------------
def _stored_size(image: ImageFile) -> tuple[int, int]:
    """Width and height before orientation; Pillow swaps those of a TIFF by itself."""
    return image._tile_size if isinstance(image, _Tiff) else image.size


def _orientation(image: ImageFile) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    try:
        if isinstance(image, PngImagePlugin.PngImageFile) and "exif" not in image.info:
            late = _late_exif(image.fp)
            if late:
                image.info["exif"] = late
            else:
                return 1  # Pillow would decode the pixels to look behind them
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF is foreign bytes, and a photo is worth more than its EXIF
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _late_exif(file: IO[bytes] | None) -> bytes:
    """The eXIf chunk that a PNG has after its pixels, or b"". The file's position is kept."""
    if file is None:
        return b""
    position = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                return b"Exif\0\0" + file.read(length)
            file.seek(length + 4, os.SEEK_CUR)
        return b""
    finally:
        file.seek(position)


def _frames(image: ImageFile) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # counting walks the whole file, which may be cut
        return 1


def _facts(image: ImageFile) -> list[str]:
    """Notes that the header alone can tell."""
    notes = []
    frames = _frames(image)
    if frames > 1:
        notes.append(f"first of {frames} frames")
    if image.mode == "CMYK":
        notes.append("CMYK, shown as RGB")
    if _is_deep_colour(image):
        notes.append("16-bit colour, shown 8-bit")
    return notes


def _is_deep_colour(image: ImageFile) -> bool:
    return len(image.getbands()) > 1 and any(";16" in str(tile[3]) for tile in image.tile)


def _is_plain_jpeg(image: ImageFile) -> bool:
    return isinstance(image, JpegImagePlugin.JpegImageFile) and image.mode in {"L", "RGB"}


def _check_size(path: Path, image: ImageFile, budget: int) -> None:
    width, height = image.size
    deep = 2 if _is_deep_colour(image) or image.mode.startswith("I;16") else 1
    deep = 4 if image.mode in {"I", "F"} else deep
    needed = width * height * max(3, len(image.getbands()) * deep)
    if needed > budget:
        raise ImageError(
            f"{path} is {width} × {height} pixels and would take {needed / 1e9:.2f} GB of memory, "
            f"over the limit of {budget / 1e9:.2f} GB: scale it down or cut it into parts."
        )


# --- pixels ---------------------------------------------------------------------------------------
def _pixels(rgb: Rgb, turn: int, damage: str, notes: list[str]) -> Pixels:
    turned = np.ascontiguousarray(_turned(rgb, turn))
    turned.flags.writeable = False
    return Pixels(turned, "; ".join([damage, *notes] if damage else notes))


def _turned(rgb: Rgb, orientation: int) -> Rgb:
    """Stored pixels as displayed (CIPA DC-008, tag Orientation)."""
    if orientation in {5, 6, 7, 8}:
        rgb = cv2.transpose(rgb)
    # what is left after transposing: 1 = left to right, 0 = top to bottom, -1 = both
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    turned: Rgb = rgb if flip is None else cv2.flip(rgb, flip)
    return turned


def _decoded_jpeg(data: bytes, how: int) -> Rgb | None:
    """A JPEG's pixels, not oriented; None where OpenCV cannot read it at all."""
    decoded: Rgb | None
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), how | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return decoded


def _jpeg_is_complete(data: bytes) -> bool:
    """Whether an end marker follows the first scan.

    Inside a scan every 0xFF byte is followed by 0 or a restart marker (ITU T.81, B.1.1.5), so the pair
    FF D9 can only be the end marker. It is looked for from the first scan on, as EXIF thumbnails before
    that have their own; what follows it (padding, a second picture, a video) is none of our business.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            return data.find(b"\xff\xd9", at) >= 0
    return False


def _reduced_jpeg(path: Path, size: int) -> Rgb | None:
    """A JPEG decoded at 1/8, 1/4 or 1/2, oriented, still at least `size` on its longer side; else None."""
    with _opened(path) as (file, image):
        factor = next((factor for factor in _REDUCED if max(image.size) >= size * factor), 0)
        if not factor or not _is_plain_jpeg(image):
            return None
        _check_size(path, image, BUDGET)
        turn = _orientation(image)
        file.seek(0)
        bgr = _decoded_jpeg(file.read() + b"\xff\xd9", _REDUCED[factor])  # an end, should it have none
    return None if bgr is None else _turned(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), turn)


def _loaded(path: Path, image: ImageFile) -> str:
    """Decode with Pillow; gives "" or what was damaged. What was decoded before the damage is kept."""
    try:
        image.load()
    except MemoryError as error:
        raise ImageError(f"{path} needs more memory than there is: close other programs.") from error
    except Exception as error:  # Pillow's decoders raise a dozen kinds on foreign bytes
        image.tile = []  # what is there is all there is
        if image._im is None or not _has_content(image):
            raise ImageError(f"{path} is damaged: no pixel of it can be read ({_said(error)}).") from error
        return f"damaged: {_said(error)}"
    return ""


def _has_content(image: ImageFile) -> bool:
    """Whether any sample was decoded into the zeros that decoding starts from."""
    extrema = image.im.getextrema() if len(image.getbands()) == 1 else image.im.getbbox()
    return extrema not in {None, (0, 0), (0.0, 0.0)}


def _as_rgb(loaded: ImageFile) -> tuple[Rgb, list[str]]:
    """The loaded pixels, not oriented, as 8-bit RGB, and notes about how."""
    image = loaded._new(loaded.im)  # a plain image of the stored size, which nothing loads again
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return _windowed(np.asarray(image))
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        alpha = coloured.getchannel("A")
        if alpha.getextrema() != (255, 255):
            white = Image.new("RGB", image.size, "white")
            white.paste(coloured, mask=alpha)
            return np.asarray(white), ["transparency shown on white"]
        image = coloured
    if image.mode in {"1", "L"}:
        return cv2.cvtColor(np.asarray(image.convert("L")), cv2.COLOR_GRAY2RGB), []
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), []


def _windowed(values: NDArray[np.generic]) -> tuple[Rgb, list[str]]:
    """One band of any depth as grey: 0.1th percentile black, 99.9th white, linear between.

    Of more than four million values an even sample gives the percentiles.
    """
    name = {"u": "16-bit", "i": "32-bit", "f": "float"}[values.dtype.kind]
    sample = values.ravel()[:: max(1, values.size // _SAMPLED)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, (0.1, 99.9)) if sample.size else (0.0, 0.0)
    scale = 255.0 / (high - low) if high > low else 0.0
    grey = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), 256):  # in bands, so that floats of a huge image need no copy of it
        band = (values[row : row + 256].astype(np.float64) - low) * scale
        grey[row : row + 256] = np.nan_to_num(band, nan=0.0).clip(0.0, 255.0).round()
    note = f"{name}, shown 8-bit ({low:.6g} black, {high:.6g} white)"
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), [note]
