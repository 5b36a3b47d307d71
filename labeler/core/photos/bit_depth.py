"""Values of any depth as 8-bit grey or colour."""

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

_SAMPLED = 1 << 22  # values that a percentile is worked out from
_ROWS = 256  # so many at a time, so that floats of a huge image need no copy of it
_UNUSED_TOP = 1 << 14
"""16-bit colour below this is of 10, 12 or 14 bits: by its high byte it would be black."""

Values: TypeAlias = NDArray[Any]
Grey: TypeAlias = NDArray[np.uint8]


def windowed(values: Values) -> tuple[Grey, str]:
    """Values of any shape as 8 bits and a note: 0.1th percentile black, 99.9th white, linear between.

    All bands have one window. Of more than four million values an even sample gives the percentiles; NaN
    and infinities are left out, and shown as black and white.
    """
    bits = 8 * values.dtype.itemsize
    name = "float" if values.dtype.kind == "f" else f"{bits}-bit"
    sample = values.reshape(-1)[:: max(1, values.size // _SAMPLED)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, (0.1, 99.9)) if sample.size else (0.0, 0.0)
    scale = 255.0 / (high - low) if high > low else 0.0
    with np.errstate(all="ignore"):  # values beyond all reason become black or white
        grey = _by_rows(values, lambda rows: (rows.astype(np.float64) - low) * scale)
    return grey, f"{name}, shown 8-bit ({low:.6g} black, {high:.6g} white)"


def coloured(values: Values) -> tuple[Grey, str]:
    """Bands of a picture, (H, W, bands), as 8 bits and a note; 16 bits by their high byte if it is used."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values, np.uint8), ""
    if values.dtype == np.uint16 and values.max(initial=0) >= _UNUSED_TOP:
        return _by_rows(values, lambda rows: rows >> 8), "16-bit colour, shown 8-bit"
    return windowed(values)


def on_white(rgb: Grey, alpha: Values) -> Grey:
    """A picture on white, by its alpha (H, W) of any depth."""
    top = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    for row in range(0, len(rgb), _ROWS):
        part = np.clip(alpha[row : row + _ROWS, :, None].astype(np.float64) / top, 0.0, 1.0)
        band = rgb[row : row + _ROWS]
        rgb[row : row + _ROWS] = (band * part + 255.0 * (1.0 - part)).round()
    return rgb


def as_colour(grey: Grey) -> Grey:
    """(H, W) or (H, W, 1) as (H, W, 3)."""
    colour: Grey = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return colour


def _by_rows(values: Values, tone: Callable[[Values], Values]) -> Grey:
    grey = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), _ROWS):
        band = tone(values[row : row + _ROWS])
        if band.dtype.kind == "f":
            band = np.nan_to_num(band, nan=0.0).clip(0.0, 255.0).round()
        grey[row : row + _ROWS] = band
    return grey
