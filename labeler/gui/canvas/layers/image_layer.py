"""The photo: shared memory at full size, a pyramid of halved copies for looking from afar."""

import logging
import math

import cv2
import numpy as np
from msgspec import Struct
from PySide6.QtCore import QObject, QRectF, Signal
from PySide6.QtGui import QImage, QPainter

from labeler.gui.canvas.layers.qimages import Bytes, display_table, shared_bgrx, shared_rgb
from labeler.gui.canvas.viewport import CRISP, Rect, Viewport
from labeler.gui.toolkit.courier import Courier, run_in_pool

_log = logging.getLogger(__name__)

_LARGEST_TILE = 3_000_000
"""Pixels; a larger part of the image is drawn from its own memory."""
_WORTH_HALVING = 512
"""Levels stop when the longer side is at most this."""


def halved(rgb: Bytes) -> tuple[Bytes, ...]:
    """(h, w, 4) uint8 B, G, R, 255 copies of an (H, W, 3) RGB image: a half, a quarter, ... of its size."""
    levels: list[Bytes] = []
    level = rgb
    while max(level.shape[:2]) > _WORTH_HALVING:
        height, width = (max(side // 2, 1) for side in level.shape[:2])
        level = np.asarray(cv2.resize(level, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        levels.append(np.asarray(cv2.cvtColor(level, cv2.COLOR_RGB2BGRA), dtype=np.uint8))
    return tuple(levels)


class _Tile(Struct, frozen=True, eq=False):
    """A part of a level as it is shown, in the order of bytes that Qt draws fastest."""

    level: int
    rect: Rect
    pixels: Bytes
    image: QImage
    """On the memory of `pixels`."""


def _within(inner: Rect, outer: Rect) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


class ImageLayer(QObject):
    """Paints the open image for any view."""

    sharpened = Signal()
    """The pyramid of the image is there: it paints faster and cleaner now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rgb: Bytes | None = None
        self._arrays: list[Bytes] = []
        self._images: list[QImage] = []
        self._table: Bytes | None = None
        self._tile: _Tile | None = None
        self._asked = False
        self._courier = Courier(self)

    @property
    def image(self) -> QImage | None:
        """The full-size QImage on the array's own memory, None without an image."""
        return self._images[0] if self._images else None

    def set_pixels(self, rgb: Bytes | None) -> None:
        """Show another image: (H, W, 3) uint8 RGB, C-contiguous, kept and never copied as a whole."""
        self._rgb = rgb
        self._arrays = [] if rgb is None else [rgb]
        self._images = [] if rgb is None else [shared_rgb(rgb)]
        self._tile, self._asked = None, False

    def set_tone(self, brightness: float, contrast: float) -> None:
        """Brightness and contrast of the display, each -1 to 1; the image itself stays as it is."""
        plain = brightness == 0 and contrast == 0
        self._table = None if plain else display_table(brightness, contrast)
        self._tile = None

    def color_at(self, x: int, y: int) -> tuple[int, int, int] | None:
        """The image's own R, G, B at a pixel, None outside."""
        if self._rgb is None or not (0 <= y < self._rgb.shape[0] and 0 <= x < self._rgb.shape[1]):
            return None
        r, g, b = self._rgb[y, x].tolist()
        return r, g, b

    def paint(self, painter: QPainter, view: Viewport, clip: Rect, ratio: float) -> None:
        """Paint the part of the image that `clip` (widget pixels) shows; `ratio` device pixels a pixel."""
        if self._rgb is None:
            return
        height, width = self._rgb.shape[:2]
        x0, y0, x1, y1 = view.extent(clip)
        # one pixel more on each side, so that smooth scaling has its neighbours
        part = (max(int(x0) - 1, 0), max(int(y0) - 1, 0), min(int(x1) + 2, width), min(int(y1) + 2, height))
        if part[0] >= part[2] or part[1] >= part[3]:
            return
        level = self._level(view.scale * ratio)
        image, source = self._source(level, part)
        target = QRectF(
            *view.point_on_screen(*part[:2]),
            (part[2] - part[0]) * view.scale,
            (part[3] - part[1]) * view.scale,
        )
        scale = view.scale * ratio
        # from a far larger image smoothing is slow and no cleaner: that waits for the pyramid
        smooth = scale < CRISP and scale != 1 and (scale * 2**level >= 0.5 or not self._awaited)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(target, image, source)
        self._ask_for_levels()

    def _level(self, scale: float) -> int:
        """The smallest level that still has about one pixel for each device pixel."""
        level = 0
        while level + 1 < len(self._images) and scale * 2**level < 0.6:
            level += 1
        return level

    def _source(self, level: int, part: Rect) -> tuple[QImage, QRectF]:
        """The QImage to draw from, and where in it `part` (pixels of the full image) lies."""
        assert self._rgb is not None
        full_height, full_width = self._rgb.shape[:2]
        height, width = self._arrays[level].shape[:2]
        fx, fy = width / full_width, height / full_height
        x0, y0, x1, y1 = part[0] * fx, part[1] * fy, part[2] * fx, part[3] * fy
        crop = (int(x0), int(y0), min(math.ceil(x1), width), min(math.ceil(y1), height))
        area = (crop[2] - crop[0]) * (crop[3] - crop[1])
        if self._table is None and (level or area > _LARGEST_TILE):
            return self._images[level], QRectF(x0, y0, x1 - x0, y1 - y0)
        tile = self._tile_around(level, crop)
        return tile.image, QRectF(x0 - tile.rect[0], y0 - tile.rect[1], x1 - x0, y1 - y0)

    def _tile_around(self, level: int, crop: Rect) -> "_Tile":
        """The tile of a level that holds `crop`, made with a margin to pan in where it is not there yet."""
        known = self._tile
        if known is not None and known.level == level and _within(crop, known.rect):
            return known
        height, width = self._arrays[level].shape[:2]
        dx, dy = (crop[2] - crop[0]) // 4, (crop[3] - crop[1]) // 4
        x0, y0 = max(crop[0] - dx, 0), max(crop[1] - dy, 0)
        x1, y1 = min(crop[2] + dx, width), min(crop[3] + dy, height)
        pixels = self._arrays[level][y0:y1, x0:x1]
        if level == 0:
            pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGRA), dtype=np.uint8)
        if self._table is not None:
            pixels = np.asarray(cv2.LUT(pixels, self._table), dtype=np.uint8)
        self._tile = _Tile(level, (x0, y0, x1, y1), pixels, shared_bgrx(pixels))
        return self._tile

    @property
    def _awaited(self) -> bool:
        """Whether the pyramid is to come and is not there yet."""
        return (
            len(self._images) == 1 and max(self._images[0].width(), self._images[0].height()) > _WORTH_HALVING
        )

    def _ask_for_levels(self) -> None:
        """After the first paint, so that it waits for nothing."""
        if self._asked or self._rgb is None or max(self._rgb.shape[:2]) <= _WORTH_HALVING:
            return
        self._asked = True
        rgb = self._rgb
        run_in_pool(
            lambda: halved(rgb),
            courier=self._courier,
            done=lambda levels: self._take_levels(rgb, levels),
            failed=lambda error: _log.info("the photo is drawn without its halved copies: %s", error),
        )

    def _take_levels(self, rgb: Bytes, levels: tuple[Bytes, ...]) -> None:
        if rgb is not self._rgb:
            return
        self._arrays = [rgb, *levels]
        self._images = [self._images[0], *map(shared_bgrx, levels)]
        self._tile = None
        self.sharpened.emit()
