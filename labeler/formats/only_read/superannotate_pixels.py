"""The masks of SuperAnnotate's pixel projects: the colours of an object's parts in the PNG beside its file.

Format: https://doc.superannotate.com/docs/image-json. `a.jpg___pixel.json` has `parts` with a `color` each,
as `#000447`, and `a.jpg___save.png` the pixels of these colours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labeler.core.geometry import bounds, from_bits, paste
from labeler.core.label_images import split
from labeler.core.photos.label_pixels import read_label_pixels
from labeler.core.records import Mask
from labeler.errors import ImageError
from labeler.formats.gates import RefusalError
from labeler.formats.masks.mask_keys import packed_colors

NO_PICTURE = "Is a mask whose pixels are in a PNG beside the file (___save.png), which is not there."
NO_PIXELS = "Is a mask of colours that the PNG beside the file (___save.png) has no pixels of."
NO_COLORS = "Is a mask without colours of its parts."
OTHER_SIZE = "Is a mask in a PNG of {} by {} pixels, which is not the photo's size, {} by {}."


class PixelMasks:
    """The masks of one image, whose picture is decoded when the first of them is asked for."""

    def __init__(self, picture: Path, size: tuple[int, int]) -> None:
        self._picture, self._size = picture, size
        self._masks: dict[int, Mask] | None = None

    def mask(self, parts: Any) -> Mask:
        """The mask of an object's parts; RefusalError where there is none."""
        colors = [_color_of(part) for part in parts] if isinstance(parts, list) else []
        if not colors:
            raise RefusalError("parts", NO_COLORS)
        if self._masks is None:
            self._masks = self._read()
        found = [self._masks[color] for color in colors if color in self._masks]
        if not found:
            raise RefusalError("parts", NO_PIXELS)
        return found[0] if len(found) == 1 else _together(found)

    def _read(self) -> dict[int, Mask]:
        try:
            if not self._picture.is_file():
                raise RefusalError("parts", NO_PICTURE)
            pixels = read_label_pixels(self._picture)
        except (OSError, ImageError) as error:
            sentence = str(error).replace(str(self._picture), "its PNG", 1)
            raise RefusalError("parts", f"Is a mask, and {sentence}") from error
        if all(self._size) and pixels.size != self._size:
            raise RefusalError("parts", OTHER_SIZE.format(*pixels.size, *self._size))
        return dict(split(packed_colors(pixels)))


def _color_of(part: Mapping[str, Any]) -> int:
    color = part.get("color") if isinstance(part, dict) else None
    try:
        if isinstance(color, str) and color.startswith("#") and len(color) == len("#rrggbb"):
            return int(color[1:], 16)
    except ValueError:
        pass
    raise RefusalError("parts", NO_COLORS)


def _together(masks: list[Mask]) -> Mask:
    """One mask of several."""
    boxes = [bounds(mask) for mask in masks]
    x, y = int(min(box.x0 for box in boxes)), int(min(box.y0 for box in boxes))
    width, height = int(max(box.x1 for box in boxes)) - x, int(max(box.y1 for box in boxes)) - y
    bits = np.zeros((height, width), dtype=np.bool_)
    for mask in masks:
        paste(Mask(mask.x - x, mask.y - y, mask.bits), bits)
    return from_bits(bits, x, y)
