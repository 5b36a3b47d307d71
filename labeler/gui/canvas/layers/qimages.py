"""QImages that share their memory with numpy arrays, and the display's brightness and contrast."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

Bytes = NDArray[np.uint8]


def shared_rgb(rgb: Bytes) -> QImage:
    """A QImage on the memory of a C-contiguous (H, W, 3) uint8 RGB array: nothing is copied.

    The caller keeps the array alive as long as the QImage.
    """
    height, width, _ = rgb.shape
    return QImage(rgb.data, width, height, rgb.strides[0], QImage.Format.Format_RGB888)


def shared_bgrx(bgrx: Bytes) -> QImage:
    """A QImage (RGB32) on the memory of a C-contiguous (H, W, 4) uint8 array in B, G, R, unused order."""
    height, width, _ = bgrx.shape
    return QImage(bgrx.data, width, height, bgrx.strides[0], QImage.Format.Format_RGB32)


def shared_overlay(bgra: Bytes) -> QImage:
    """A QImage on the memory of an (H, W, 4) uint8 array of B, G, R, A, the colours premultiplied by A."""
    height, width, _ = bgra.shape
    return QImage(bgra.data, width, height, bgra.strides[0], QImage.Format.Format_ARGB32_Premultiplied)


def premultiplied(color: tuple[int, int, int], alpha: float) -> tuple[int, int, int, int]:
    """(R, G, B) of 0 to 255 and an opacity of 0 to 1 as the B, G, R, A of a premultiplied buffer."""
    r, g, b = (round(channel * alpha) for channel in color)
    return b, g, r, round(255 * alpha)


def display_table(brightness: float, contrast: float) -> Bytes:
    """The (256,) uint8 table that shows a channel brighter or with more contrast.

    Both are -1 to 1 with 0 for no change. Contrast turns around the middle grey with a slope of
    4 ** contrast; brightness then shifts by half the range.
    """
    values = (np.arange(256) / 255 - 0.5) * 4.0**contrast + 0.5 + brightness / 2
    table: Bytes = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return table
