"""Pictures that are labels, decoded as they are stored: the index of a palette is kept, and so are 16 bits.

Nothing is toned, turned or laid on white, as `images` does for photos. A picture that is larger than
`MOST_PIXELS`, or looks dangerous to decode, is refused with one sentence before any memory is asked for.
"""

from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from labeler.core.photos.decoding import opened
from labeler.core.photos.patience import patiently
from labeler.core.photos.photo_look import is_dangerous
from labeler.errors import ImageError

MOST_PIXELS = 1 << 27
"""The largest picture that is decoded; its colours take three bytes each."""
_LOSSY = frozenset({"JPEG", "WEBP", "AVIF", "JPEG2000"})


class LabelPixels(Struct, frozen=True, eq=False):
    """A decoded picture: either `index` or `rgb` is there."""

    index: NDArray[np.integer] | None = None
    """(H, W) uint8, uint16 or int32: the stored numbers, of a palette or grey."""
    rgb: NDArray[np.uint8] | None = None
    """(H, W, 3); black where it is transparent."""
    palette: NDArray[np.uint8] | None = None
    """(256, 3): the colours that `index` stands for, where it is a palette's."""
    is_lossy: bool = False
    """Whether the file's kind changes pixels, so that no colour is certain."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        pixels = self.index if self.index is not None else self.rgb
        assert pixels is not None, "one of both is there"
        return int(pixels.shape[1]), int(pixels.shape[0])


def read_label_pixels(path: Path) -> LabelPixels:
    """Decode a picture of labels. Raises `ImageError`, one sentence, where that cannot be done."""
    return patiently(path, lambda: _read(path))


def label_picture_size(path: Path) -> tuple[int, int]:
    """Its width and height, from the header. Raises `ImageError` as `read_label_pixels`."""

    def look() -> tuple[int, int]:
        with opened(path) as (_, image):
            return int(image.size[0]), int(image.size[1])

    return patiently(path, look)


def _read(path: Path) -> LabelPixels:
    if is_dangerous(path):
        raise ImageError(f"{path} is not read as a mask: it is unusually built; save it again as PNG.")
    with opened(path) as (_, image):
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ImageError(
                f"{path} has {width} × {height} pixels; masks of up to {MOST_PIXELS:,} are read: cut it into "
                "parts."
            )
        try:
            image.load()
        except Exception as error:  # Pillow's decoders raise a dozen kinds on foreign bytes
            said = str(error).strip().rstrip(".") or type(error).__name__
            raise ImageError(f"{path} is damaged, so its labels are not certain ({said}).") from error
        return _pixels(image, is_lossy=image.format in _LOSSY)


def _pixels(image: ImageFile, *, is_lossy: bool) -> LabelPixels:
    if image.mode == "P":
        colors = np.zeros((256, 3), dtype=np.uint8)
        listed = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)[:256]
        colors[: len(listed)] = listed
        return LabelPixels(np.array(image), palette=colors)
    if image.mode == "1":
        return LabelPixels(np.array(image).astype(np.uint8))
    if image.mode in ("L", "I", "I;16", "I;16B", "I;16L"):
        return LabelPixels(_native(np.array(image)), is_lossy=is_lossy)
    if image.mode == "F":
        values = np.array(image)
        whole = np.nan_to_num(values, posinf=0, neginf=0).clip(0, 2**31 - 1).astype(np.int32)
        return LabelPixels(whole)
    rgba = np.array(Image.Image.convert(image, "RGBA"))
    rgb = np.where(rgba[..., 3:] < 128, 0, rgba[..., :3]).astype(np.uint8)
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 0] == rgb[..., 2]).all():
        return LabelPixels(np.ascontiguousarray(rgb[..., 0]), is_lossy=is_lossy)
    return LabelPixels(rgb=rgb, is_lossy=is_lossy)


def _native(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """The numbers in this machine's byte order; those below 0 are none."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return np.maximum(native, 0)
