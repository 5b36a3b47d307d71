"""The one decoder: what it gives is what the person sees and what every model is shown.

- **Orientation** (EXIF, all 8 values, every format) is applied here and nowhere else.
- **Deep pixels** become 8-bit. Single bands of more than 8 bits, signed and float values are windowed
  linearly from their 0.1th to their 99.9th percentile, NaN and infinities left out, several bands by one
  window; 16-bit colour keeps the high byte where that is used.
- **Transparency** is laid on white. **CMYK** becomes RGB. Colour profiles are not applied.
- **Several frames or pages**: the first one. More than three bands: the first three, or the first of two.
- **Damage**: what can be read is shown, the rest is black (grey in a JPEG), and the note starts with
  "damaged".
- **Size**: the header is read first, and what would need more memory than there is room for is refused
  before any is asked for.
- **What looks dangerous** (a cheap look at the bytes, or the size in the header) is read by a child process
  that is stopped after `decode_child.SECONDS` of work or of silence, and at `decode_child.MEMORY`.
  Everything else is read here, at full speed, and given up where the disk does not answer (`patience`).

Whatever is left out or changed is said in the note. Files are only ever opened for reading.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from labeler.core.photos import decode_child, decoding
from labeler.core.photos.decoding import BUDGET, Header, Pixels, Rgb, TooLargeHereError
from labeler.core.photos.patience import patiently
from labeler.core.photos.photo_look import is_dangerous

__all__ = ["BUDGET", "Header", "Pixels", "Rgb", "read_header", "read_pixels", "read_thumbnail"]

T = TypeVar("T")


def read_header(path: Path) -> Header:
    """The displayed size, the number of frames and the note of an image, without decoding its pixels.

    Raises `ImageError` where the file is missing, unreadable or not an image. Damage further down the
    file does not show here.
    """
    return _read(path, lambda: decoding.read_header(path), lambda: decode_child.read_header(path))


def read_pixels(path: Path, *, budget: int = BUDGET) -> Pixels:
    """An image as 8-bit RGB, as displayed; the module's text says how each kind becomes that.

    `budget` is in bytes: width x height x max(3, bytes per stored pixel) must not pass it. Raises
    `ImageError` with one sentence where the file is missing, unreadable, not an image, over the budget,
    or so damaged that no pixel of it can be read.
    """
    return _read(
        path,
        lambda: decoding.read_pixels(path, budget=budget),
        lambda: decode_child.read_pixels(path, budget=budget),
    )


def read_thumbnail(path: Path, size: int) -> Rgb:
    """A small version of an image, (h, w, 3) uint8 RGB with the longer side at most `size` pixels.

    Oriented and toned as `read_pixels` does it; never larger than the image. A JPEG is decoded at an
    eighth, a quarter or half of its size where that is enough. Raises `ImageError` as `read_pixels`.
    """
    return _read(
        path,
        lambda: decoding.read_thumbnail(path, size),
        lambda: decode_child.read_thumbnail(path, size),
    )


def _read(path: Path, here: Callable[[], T], there: Callable[[], T]) -> T:
    """Read here, or in a child what looks dangerous or turns out to be large."""
    if patiently(path, lambda: is_dangerous(path)):
        return there()
    try:
        return patiently(path, here)
    except TooLargeHereError:
        return there()
