"""The rings that a shape is painted with: as exact as the zoom shows, and no more.

A *level* says how exact: level L is for one device pixel to 2 ** L image pixels, EXACT for seeing the
pixels themselves. Rings are (N, 2) float32 x, y in image coordinates, implicitly closed.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.records import Bits, Box, Mask, Polygons, Shape
from labeler.gui.canvas.viewport import CRISP

Ring = NDArray[np.float32]

EXACT = -2
"""Along the edges of the mask's pixels."""
NEAR = -1
"""Along the edges too, the corners of the stairs rounded off."""
_SLACK = 0.4
"""Device pixels that an outline may be off for the sake of fewer points."""


def level_for(scale: float) -> int:
    """The level for so many device pixels to an image pixel."""
    if scale >= CRISP:
        return EXACT
    return NEAR if scale >= 1 else int(math.log2(1 / scale))


def rings(shape: Shape, level: int) -> list[Ring]:
    """The rings of a shape, holes among them: to be filled by the even-odd rule."""
    if isinstance(shape, Box):
        x0, y0, x1, y1 = shape.x0, shape.y0, shape.x1, shape.y1
        return [np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float32)]
    if isinstance(shape, Polygons):
        whole = [ring for part in shape.parts for ring in (part.outer, *part.holes)]
        exact = [np.asarray(ring, dtype=np.float32) for ring in whole]
        return exact if level < 0 else [_thinned(ring, _SLACK * 2**level) for ring in exact]
    return mask_rings(shape, level)


def mask_rings(mask: Mask, level: int) -> list[Ring]:
    """The rings of a raster mask."""
    if not mask.bits.size:
        return []
    corner = np.array((mask.x, mask.y), dtype=np.float32)
    if level < 0:
        # pixel p covers the samples 2p to 2p + 2, so contours through samples run along pixel edges
        slack = 0.01 if level == EXACT else _SLACK / CRISP
        contours = _contours(_doubled(mask.bits))
        return [_thinned(_smoothed(ring, level) * np.float32(0.5) + corner, slack) for ring in contours]
    step = 2**level
    coarse = _reduced(mask.bits, step)
    return [
        _thinned(_smoothed(ring + np.float32(0.5), level) * step + corner, _SLACK * step)
        for ring in _contours(coarse)
    ]


def _contours(bits: NDArray[np.uint8]) -> list[Ring]:
    found, _ = cv2.findContours(bits, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [ring[:, 0].astype(np.float32) for ring in found]


def _doubled(bits: Bits) -> NDArray[np.uint8]:
    height, width = bits.shape
    samples = np.zeros((2 * height + 1, 2 * width + 1), dtype=np.uint8)
    for dy in range(3):
        for dx in range(3):
            samples[dy : dy + 2 * height : 2, dx : dx + 2 * width : 2] |= bits
    return samples


def _reduced(bits: Bits, step: int) -> NDArray[np.uint8]:
    """One pixel for each `step` by `step` of them, set where at least half of them are."""
    pixels = bits.view(np.uint8)
    if step == 1:
        return np.ascontiguousarray(pixels)
    height, width = (-(-side // step) for side in bits.shape)
    padded = np.zeros((height * step, width * step), dtype=np.uint8)
    np.multiply(pixels, 255, out=padded[: bits.shape[0], : bits.shape[1]])
    small = cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)
    return (np.asarray(small) >= 128).view(np.uint8)


def _smoothed(ring: Ring, level: int) -> Ring:
    """A moving average that takes the stairs away; none where the pixels themselves are looked at."""
    if level == EXACT or len(ring) < 8:
        return ring
    for _ in range(3 if level == NEAR else 1):
        ring = (np.roll(ring, 1, axis=0) + ring + ring + np.roll(ring, -1, axis=0)) * np.float32(0.25)
    return ring


def _thinned(ring: Ring, tolerance: float) -> Ring:
    """The ring within `tolerance` image pixels, with as few points as that takes."""
    if len(ring) < 8:
        return ring
    return np.asarray(cv2.approxPolyDP(ring, tolerance, True), dtype=np.float32)[:, 0]
