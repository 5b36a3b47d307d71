"""Decoding an image file in this process; `images` decides whether that is wise.

OpenCV, Pillow and Qt each apply the orientation to other formats, so theirs is switched off. A JPEG counts
as damaged when no end marker follows its first scan (OpenCV decodes such a file without a word); the other
formats are checked by Pillow while it decodes. Pillow's own limit of size, a global that others rely on, is
neither asked nor changed. What a picture needs is worked out from its header, with all copies that are made
on the way; rows are converted in bands, so that there are few.
"""

import os
import warnings
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

from labeler.core.photos.bit_depth import as_colour, coloured, on_white, windowed
from labeler.core.photos.file_marks import jpeg_head_is_cut, jpeg_is_complete, late_exif
from labeler.core.photos.photo_files import readable
from labeler.core.photos.photo_kinds import HEIC_BRANDS, heic_opener, png_opener, said_of_other
from labeler.core.photos.tiff_bands import BandsHead, any_head_of, head_of, shown
from labeler.errors import ImageError

Rgb: TypeAlias = NDArray[np.uint8]

BUDGET = 1 << 30
"""Bytes that one decoded image may take, unless told otherwise."""

PEAK = 1_700_000_000
"""Bytes that decoding one image may take at its height, with all copies on the way."""
_PEAK_HERE = 512 << 20
"""Bytes up to which an image is decoded here; larger ones are for a child process."""

# a line on stderr for each of 60,000 tags fills a pipe that nobody reads; what is wrong is in the note
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")

_ORIENTATION = 0x0112  # the tag's number, in EXIF and in TIFF
_BAND = 512  # rows that are converted at a time
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


class TooLargeHereError(Exception):
    """An image takes so much memory that a child process is to decode it."""


class _Room:
    """What this process may use for one image."""

    peak = _PEAK_HERE


def allow_large() -> None:
    """Decode images of any allowed size here: this is the child process."""
    _Room.peak = PEAK


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
    (0, b"\x89PNG\r\n\x1a\n", png_opener),
    (8, b"WEBP", WebPImagePlugin.WebPImageFile),
    (0, b"II*\0", _Tiff),
    (0, b"MM\0*", _Tiff),
    (0, b"II+\0", _Tiff),
    (0, b"MM\0+", _Tiff),
    (0, b"BM", BmpImagePlugin.BmpImageFile),
    (0, b"GIF8", GifImagePlugin.GifImageFile),
    (4, b"ftypavi", AvifImagePlugin.AvifImageFile),
    *((4, b"ftyp" + brand, heic_opener) for brand in HEIC_BRANDS),
    (4, b"jP  \r\n\x87\n", Jpeg2KImagePlugin.Jpeg2KImageFile),
    (0, b"\xff\x4f\xff\x51", Jpeg2KImagePlugin.Jpeg2KImageFile),
    *((0, b"P%d" % kind, PpmImagePlugin.PpmImageFile) for kind in range(1, 7)),
)


def read_header(path: Path) -> Header:
    """As `images.read_header`, in this process."""
    with readable(path) as file:
        head = head_of(file) if _is_tiff(file) else None
    if head is not None:
        size = (head.height, head.width) if head.orientation in range(5, 9) else (head.width, head.height)
        return Header(*size, 1, turn=head.orientation)
    with opened(path) as (_, image):
        width, height = _stored_size(image)
        turn = _orientation(image)
        if turn >= 5:
            width, height = height, width
        return Header(width, height, _frames(image), "; ".join(_facts(image)), turn)


def read_pixels(path: Path, *, budget: int = BUDGET) -> Pixels:
    """As `images.read_pixels`, in this process. Raises `TooLargeHereError` for what a child is to decode."""
    with readable(path) as file:
        head = head_of(file) if _is_tiff(file) else None
    if head is not None:
        return _read_bands(path, head, budget)
    with opened(path) as (file, image):
        _check_size(path, image, budget)
        turn, notes = _orientation(image), _facts(image)
        if _is_plain_jpeg(image):
            file.seek(0)
            data = file.read()
            whole = jpeg_is_complete(data)
            rgb = _decoded_jpeg(data if whole else data + b"\xff\xd9", cv2.IMREAD_COLOR_RGB)
            if rgb is not None:
                return _pixels(rgb, turn, "" if whole else "damaged: the file ends early", notes)
        deep = isinstance(image, PngImagePlugin.PngImageFile) and _is_deep_colour(image)
        damage = _loaded(path, image)
        dark = _dark_deep(file, image) if deep and not damage else None
        rgb, more = dark or _as_rgb(image)
        image.close()
        notes = [note for note in notes if not (dark and note.startswith("16-bit"))]
        return _pixels(rgb, turn, damage, [*notes, *more])


def _read_bands(path: Path, head: BandsHead, budget: int) -> Pixels:
    """A TIFF that Pillow reads wrongly or not at all."""
    size = path.stat().st_size
    needed = head.width * head.height * max(3, head.bands * head.bits // 8)
    _check_room(
        path, (head.width, head.height), needed, 2 * head.bytes_decoded + 3 * size + 2 * needed, budget
    )
    with readable(path) as file:
        found = shown(file.read(), head)
    if found is None:
        raise ImageError(
            f"{path} cannot be shown: it is {head.name}, or damaged. Save it as 8- or 16-bit RGB or grey."
        )
    rgb, notes = found
    return _pixels(rgb, head.orientation, "", notes)


def _is_tiff(file: IO[bytes]) -> bool:
    return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_thumbnail(path: Path, size: int) -> Rgb:
    """As `images.read_thumbnail`, in this process. Raises `TooLargeHereError` as `read_pixels`."""
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
def opened(path: Path) -> Iterator[tuple[IO[bytes], ImageFile]]:
    """The open file and Pillow's view of its header, found by the content's signature."""
    with readable(path) as file:
        head = file.read(132)
        if not head:
            raise ImageError(f"{path} is empty (0 bytes): copy it again from where it came from.")
        kind = next((kind for at, magic, kind in _SIGNATURES if head.startswith(magic, at)), None)
        if kind is None:
            raise ImageError(f"{path} {said_of_other(head)}")
        file.seek(0)
        try:
            image = kind(file)
        except ImageError as error:
            raise ImageError(f"{path} {error}") from error
        except Image.DecompressionBombError as error:  # Pillow's WebP asks before it can be asked
            raise ImageError(
                f"{path} has more pixels than there is memory for: scale it down or cut it into parts."
            ) from error
        except Exception as error:  # Pillow's parsers raise a dozen kinds on foreign bytes
            raise ImageError(f"{path} {_said_of_header(file, kind, error)}") from error
        if kind is JpegImagePlugin.JpegImageFile and not image.tile:  # no scan follows
            raise ImageError(f"{path} {_said_of_header(file, kind, EOFError())}")
        yield file, image


def _said_of_header(file: IO[bytes], kind: Callable[[IO[bytes]], ImageFile], error: Exception) -> str:
    """The end of a sentence about a file whose header Pillow cannot read: cut, of a rare kind, or damaged."""
    size = file.seek(0, os.SEEK_END)
    if kind is JpegImagePlugin.JpegImageFile and jpeg_head_is_cut(file):
        return f"ends inside its header, after {size:,} bytes: copy it again from where it came from."
    head = any_head_of(file) if kind is _Tiff else None
    if head is not None:
        return f"cannot be shown: it is {head.name}. Save it as 8- or 16-bit RGB or grey."
    return f"cannot be shown: its header is damaged or of an unsupported kind ({_said(error)})."


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
            late = late_exif(image.fp)
            if late:
                image.info["exif"] = late
            else:
                return 1  # Pillow would decode the pixels to look behind them
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF is foreign bytes, and a photo is worth more than its EXIF
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


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
    if _is_deep_colour(image) or _is_deep_ppm(image):
        notes.append("16-bit colour, shown 8-bit")
    return notes


def _is_deep_colour(image: ImageFile) -> bool:
    return len(image.getbands()) > 1 and any(";16" in str(tile[3]) for tile in image.tile)


def _is_deep_ppm(image: ImageFile) -> bool:
    """Whether it is a PPM of colours up to more than 255, of which Pillow gives 8 bits."""
    if not isinstance(image, PpmImagePlugin.PpmImageFile) or image.mode != "RGB":
        return False
    most = [int(str(part)) for part in _parts(image.tile[0][3]) if str(part).isdigit()] if image.tile else []
    return max(most, default=0) > 255


def _parts(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _is_plain_jpeg(image: ImageFile) -> bool:
    return isinstance(image, JpegImagePlugin.JpegImageFile) and image.mode in {"L", "RGB"}


def _check_size(path: Path, image: ImageFile, budget: int) -> None:
    width, height = image.size
    deep = 2 if _is_deep_colour(image) or image.mode.startswith("I;16") else 1
    deep = 4 if image.mode in {"I", "F"} else deep
    needed = width * height * max(3, len(image.getbands()) * deep)
    _check_room(path, image.size, needed, width * height * _bytes_at_peak(image), budget)


def _check_room(path: Path, size: tuple[int, int], needed: int, peak: int, budget: int) -> None:
    """Refuse what passes the budget, or the memory that there is for one image."""
    limit = budget if needed > budget else PEAK
    most = needed if needed > budget else peak
    if most > limit:
        raise ImageError(
            f"{path} is {size[0]} × {size[1]} pixels and would take {most / 1e9:.2f} GB of memory, "
            f"over the limit of {limit / 1e9:.2f} GB: scale it down or cut it into parts."
        )
    if peak > _Room.peak:
        raise TooLargeHereError


def _bytes_at_peak(image: ImageFile) -> int:
    """Bytes a pixel that decoding takes at its height: what the decoder holds, and the picture made of it."""
    if _is_plain_jpeg(image):
        return 12 if image.info.get("progressive") else 6
    if isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile | AvifImagePlugin.AvifImageFile):
        return 23
    if isinstance(image, WebPImagePlugin.WebPImageFile):
        return 15
    small = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode.startswith("I;16") else 4)
    return small + 3 + (1 if _orientation(image) == 1 else 3)


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


def _reduced_jpeg(path: Path, size: int) -> Rgb | None:
    """A JPEG decoded at 1/8, 1/4 or 1/2, oriented, still at least `size` on its longer side; else None."""
    with opened(path) as (file, image):
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


def _dark_deep(file: IO[bytes], image: ImageFile) -> tuple[Rgb, list[str]] | None:
    """16-bit colour of 10 to 14 bits, by one window for its bands; None where the high byte is used.

    Pillow keeps the high byte only, by which such a picture is black.
    """
    extrema = image.getextrema()
    colours = extrema[: 3 if len(extrema) > 2 else 1]
    if max(high for _, high in colours) >= 64:  # type: ignore[misc]
        return None
    file.seek(0)
    try:
        values = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.ndim != 3 or values.dtype != np.uint16:
        return None
    seen, note = coloured(values[:, :, 2::-1])
    if values.shape[2] == 4 and values[:, :, 3].min() < np.iinfo(np.uint16).max:
        return on_white(seen, values[:, :, 3]), [note, "transparency shown on white"]
    return seen, [note]


def _as_rgb(loaded: ImageFile) -> tuple[Rgb, list[str]]:
    """The loaded pixels, not oriented, as 8-bit RGB, and notes about how."""
    image = loaded._new(loaded.im)  # a plain image of the stored size, which nothing loads again
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if isinstance(loaded, PpmImagePlugin.PpmImageFile) and image.mode == "I":
            values = values.astype(np.uint16)  # all it can have, which Pillow keeps in 32 bits
        grey, note = windowed(values)
        return as_colour(grey), [note]
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    transparent = False
    for row in range(0, image.height, _BAND):  # a copy of the whole would take as much again
        band = image.crop((0, row, image.width, min(row + _BAND, image.height)))
        rgb[row : row + _BAND], clear = _band_as_rgb(band, image.has_transparency_data)
        transparent |= clear
    return rgb, ["transparency shown on white"] if transparent else []


def _band_as_rgb(image: Image.Image, has_alpha: bool) -> tuple[Rgb, bool]:
    """Some rows as (h, W, 3) RGB, and whether anything of them was transparent."""
    if has_alpha:
        coloured_ = image.convert("RGBA")
        alpha = coloured_.getchannel("A")
        if alpha.getextrema() != (255, 255):
            white = Image.new("RGB", image.size, "white")
            white.paste(coloured_, mask=alpha)
            return np.asarray(white), True
        image = coloured_
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), False
