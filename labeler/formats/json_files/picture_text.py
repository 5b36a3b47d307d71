"""Pictures that stand in JSON as base64 text: masks in both directions, and how large a photo is."""

import base64
import binascii
import io
import struct
import zlib

import numpy as np
from PIL import Image as PillowImage

from labeler.core.records import Bits
from labeler.core.rle import MAX_PIXELS
from labeler.formats.coco.shapes import MASK_BUDGET
from labeler.formats.gates import LimitError, RefusalError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = 24
_LONGEST = 64 << 20
"""Bytes that a text of a mask may be unpacked to before it is a picture."""

_LONGEST_HEAD = 1 << 22
"""Characters that are unpacked at most: a header lies in the first few kilobytes, behind a colour profile."""
_TURN = 0x0112
_LYING = (5, 6, 7, 8)
_LARGEST = 1 << 16


class PngMasks:
    """Unpacks the masks of one file or folder as long as they fit into memory together."""

    def __init__(self, pixels: int = MASK_BUDGET) -> None:
        self._pixels = pixels
        self._left = pixels

    def bits(self, text: str, field: str, *, deflated: bool = False) -> Bits:
        """The pixels (h, w) that a base64 text of a PNG has set: its alpha where it has one, else not black.

        `deflated` texts are packed by zlib as well. Raises RefusalError for what is none, or too large.
        """
        data = _unpacked(text, field, deflated=deflated)
        if not data.startswith(_SIGNATURE) or len(data) < _HEAD:
            raise RefusalError(field, "Is no PNG as base64 text.")
        width, height = struct.unpack(">II", data[16:_HEAD])
        if width * height > MAX_PIXELS:
            raise LimitError(field, f"Is a mask of {width} by {height} pixels, which is too large.")
        if width * height > self._left:
            raise LimitError(field, f"The masks before it take the {self._pixels} pixels that they may.")
        try:
            with PillowImage.open(io.BytesIO(data), formats=("PNG",)) as picture:
                bits = _set(picture)
        except (OSError, ValueError, SyntaxError, zlib.error, PillowImage.DecompressionBombError) as error:
            raise RefusalError(field, "Is a damaged PNG.") from error
        self._left -= bits.size
        return bits


def _set(picture: PillowImage.Image) -> Bits:
    if picture.mode in ("P", "PA", "LA", "RGBA"):
        alpha: Bits = np.asarray(picture.convert("RGBA"))[..., 3] > 0
        if not alpha.all():
            return alpha
        picture = picture.convert("RGB")
    pixels = np.asarray(picture)
    found = pixels.any(axis=2) if pixels.ndim > 2 else pixels != 0
    return np.ascontiguousarray(found, dtype=np.bool_)


def _unpacked(text: str, field: str, *, deflated: bool) -> bytes:
    _, comma, rest = text.partition(",")
    text = rest if comma and text.startswith("data:") else text
    try:
        data = base64.b64decode(text)
        if not deflated:
            return data
        unpacker = zlib.decompressobj()
        found = unpacker.decompress(data, _LONGEST)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise RefusalError(field, "Is no PNG as base64 text.") from error
    if unpacker.unconsumed_tail:
        raise LimitError(field, "Is too large when it is unpacked.")
    return found


def png_text(bits: Bits) -> str:
    """The base64 text of a PNG of one channel with 0 and 1, as labelme writes it."""
    file = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(bits).view(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def size_of_picture(text: str) -> tuple[int, int] | None:
    """The displayed (width, height) of a picture given as base64 text; None where it is none."""
    head = text[:_LONGEST_HEAD]
    try:
        data = base64.b64decode(head[: len(head) - len(head) % 4])
        with PillowImage.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            turn = picture.getexif().get(_TURN, 1)
    except (OSError, ValueError, SyntaxError, binascii.Error, PillowImage.DecompressionBombError):
        return None
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        return None
    return (height, width) if turn in _LYING else (width, height)
