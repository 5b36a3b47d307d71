"""Pictures of validation images with what a model finds on them, for a person to follow a training by."""

from collections.abc import Sequence

import cv2
import numpy as np

from labeler.core.geometry import bounds, rasterise
from labeler.core.records import Candidate, Mask
from labeler.models.protocols import Rgb

SHOWN = 0.25
"""The least confidence of what is drawn."""

_COLOURS = ((255, 194, 10), (12, 123, 220), (221, 70, 120), (64, 176, 100), (170, 110, 230), (240, 120, 40))
_VEIL = 0.45


def drawn(rgb: Rgb, found: Sequence[Candidate], names: Sequence[str]) -> Rgb:
    """A copy of the image with boxes, masks, names and confidences of those of at least `SHOWN`."""
    picture = rgb.copy()
    size = picture.shape[0], picture.shape[1]
    thick = max(1, round(max(size) / 400))
    for one in found:
        if one.confidence < SHOWN:
            continue
        place = names.index(one.label) if one.label in names else 0
        colour = _COLOURS[place % len(_COLOURS)]
        if isinstance(one.shape, Mask):
            _veil(picture, rasterise(one.shape, size=size), colour)
        box = bounds(one.shape)
        start, end = (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1))
        cv2.rectangle(picture, start, end, colour, thick)
        _write(picture, f"{one.label} {one.confidence:.2f}", start, colour, thick)
    return picture


def _veil(picture: Rgb, mask: Mask, colour: tuple[int, int, int]) -> None:
    window = picture[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width]
    window[mask.bits] = (1 - _VEIL) * window[mask.bits] + _VEIL * np.array(colour)


def _write(picture: Rgb, text: str, at: tuple[int, int], colour: tuple[int, int, int], thick: int) -> None:
    scale = 0.45 * thick
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    x, y = at[0], max(at[1], height + below)
    cv2.rectangle(picture, (x, y - height - below), (x + width, y), colour, -1)
    cv2.putText(
        picture, text, (x, y - below // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), thick, cv2.LINE_AA
    )
