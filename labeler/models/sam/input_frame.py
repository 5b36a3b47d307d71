"""The frame that SAM-like models work in: how pixels, prompts and masks go into it and come back.

The image is scaled so that its longer side is 1024 and padded at bottom and right to a square; masks
come as logits of a quarter of that. After Kirillov et al. 2023 (ResizeLongestSide and
Sam.postprocess_masks in facebookresearch/segment-anything).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.geometry import tight
from labeler.core.records import Bits, Mask, Prompt

FRAME = 1024
"""Side of the model's input, in pixels."""

LOGITS = 256
"""Side of its masks, in pixels."""

_STEP = FRAME // LOGITS
_MARGIN = 2
"""Logits around the foreground that its upscaling can depend on: one for each of the two steps."""

_OUTSIDE, _BETWEEN, _INSIDE = 0, 1, 2
_KINDS = np.array([_OUTSIDE, _BETWEEN, _BETWEEN, _BETWEEN, *[_INSIDE] * 252], dtype=np.uint8)
"""By the number of a cell's corners that are positive."""

_AT_ONCE = 1 << 22
"""Pixels of a mask that are worked out at once: those of a photo of 300 megapixels would take gigabytes."""

_BACKGROUND_POINT, _OBJECT_POINT, _BOX_START, _BOX_END, _PADDING_POINT = 0, 1, 2, 3, -1


def frame_size(size: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of an image of size (H, W) once its longer side is 1024, rounded half up as SAM does."""
    scale = FRAME / max(size)
    return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))


def prompt_arrays(prompt: Prompt, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates (1, N, 2) as x, y of the frame and labels (1, N), as SAM's exported decoder takes them.

    Labels are 1 and 0 for points, 2 and 3 for a box's corners; without a box a point labelled -1 pads.
    The decoder adds half a pixel, since SAM means pixel indices; half-open coordinates have it already.
    """
    points = [np.asarray(prompt.points, dtype=np.float64).reshape(-1, 2)]
    labels = [np.where(prompt.positive, _OBJECT_POINT, _BACKGROUND_POINT)]
    if prompt.box is not None:
        box = prompt.box
        x0, x1 = sorted((box.x0, box.x1))
        y0, y1 = sorted((box.y0, box.y1))
        points.append(np.array([[x0, y0], [x1, y1]]))
        labels.append(np.array([_BOX_START, _BOX_END]))
    coordinates = np.concatenate(points) * (FRAME / max(size)) - 0.5
    if prompt.box is None:
        coordinates = np.concatenate([coordinates, np.zeros((1, 2))])
        labels.append(np.array([_PADDING_POINT]))
    return coordinates[None].astype(np.float32), np.concatenate(labels)[None].astype(np.float32)


def mask_of(logits: NDArray[np.float32], size: tuple[int, int]) -> Mask:
    """The tight mask, in an image of size (H, W), where upscaled `logits` (256, 256) are above 0.

    Pixel for pixel what SAM's two bilinear resizes of the whole frame give (to 1024, padding cut off,
    to the image), but worked out only around the foreground: there, a pixel between four equal signs
    has that sign, and only those between different ones are interpolated.
    """
    rows, columns = (np.flatnonzero((logits > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return _empty()
    y0, y1 = max(int(rows[0]) - _MARGIN, 0), min(int(rows[-1]) + _MARGIN + 1, LOGITS)
    x0, x1 = max(int(columns[0]) - _MARGIN, 0), min(int(columns[-1]) + _MARGIN + 1, LOGITS)
    height, width = frame_size(size)
    fine = cv2.resize(
        np.ascontiguousarray(logits[y0:y1, x0:x1]),
        ((x1 - x0) * _STEP, (y1 - y0) * _STEP),
        interpolation=cv2.INTER_LINEAR,
    )
    fine = np.ascontiguousarray(fine[: height - y0 * _STEP, : width - x0 * _STEP])
    if fine.size == 0 or not (fine > 0).any():
        return _empty()  # all of it lies in the padding
    y = _Taps(length=size[0], source=height, start=y0 * _STEP, count=fine.shape[0])
    x = _Taps(length=size[1], source=width, start=x0 * _STEP, count=fine.shape[1])
    if len(y.low) == 0 or len(x.low) == 0:
        return _empty()  # a small image may have no pixel there
    return tight(Mask(x.first, y.first, _signs(fine, y, x)))


def pixels_of(logits: NDArray[np.float32], size: tuple[int, int]) -> int:
    """About how many pixels the box around the mask of these logits has in an image of size (H, W)."""
    rows, columns = (np.count_nonzero((logits > 0).any(axis=axis)) for axis in (1, 0))
    return int(rows * columns * (max(size) / LOGITS) ** 2)


def _empty() -> Mask:
    return Mask(0, 0, np.zeros((0, 0), dtype=np.bool_))


class _Taps:
    """Along one axis: which two source pixels each target pixel is interpolated from, and how.

    The arithmetic is OpenCV's (imgproc/resize.cpp, INTER_LINEAR), in the same precisions. Only targets
    whose sources all lie in the `count` pixels from `start` on are kept, from target `first` on;
    `low`, `high` index those sources, `weight` (float32) is that of `high`.
    """

    def __init__(self, *, length: int, source: int, start: int, count: int) -> None:
        scale = 1.0 / (length / source)
        place = ((np.arange(length) + 0.5) * scale - 0.5).astype(np.float32)
        low = np.floor(place).astype(np.intp)
        weight = place - low.astype(np.float32)
        outside = (low < 0) | (low >= source - 1)
        weight[outside] = 0.0
        low = np.clip(low, 0, source - 1)
        high = np.minimum(low + 1, source - 1)
        kept = np.flatnonzero((low >= start) & (high < start + count))
        self.first = int(kept[0]) if len(kept) else 0
        self.low = low[kept] - start
        self.high = high[kept] - start
        self.weight = weight[kept]


def _signs(fine: NDArray[np.float32], y: _Taps, x: _Taps) -> Bits:
    """Where the interpolation of `fine` at the taps is above 0: bool (len(y), len(x))."""
    positive = (fine > 0).view(np.uint8)
    pairs = positive + np.concatenate([positive[1:], positive[-1:]])
    corners = pairs + np.concatenate([pairs[:, 1:], pairs[:, -1:]], axis=1)  # 0 to 4 of them positive
    # rows are copied whole, so columns are picked as rows too: a third of the time
    kinds = cv2.transpose(cv2.transpose(cv2.LUT(corners, _KINDS))[x.low])
    bits: Bits = (kinds == _INSIDE)[y.low]
    between = kinds == _BETWEEN
    values = fine.reshape(-1)
    rows = max(_AT_ONCE // max(len(x.low), 1), 1)
    for start in range(0, len(y.low), rows):
        low, high, weight = (part[start : start + rows] for part in (y.low, y.high, y.weight))
        row, column = _spread(between[low[0] : low[-1] + 1], low - low[0])
        upper_row, lower_row = low[row] * fine.shape[1], high[row] * fine.shape[1]
        left, right = x.low[column], x.high[column]
        across, down = x.weight[column], weight[row]
        upper = values[upper_row + left] * (1 - across) + values[upper_row + right] * across
        lower = values[lower_row + left] * (1 - across) + values[lower_row + right] * across
        signs = upper * (1 - down) + lower * down > 0
        bits.reshape(-1)[(start + row) * bits.shape[1] + column] = signs
    return bits


def _spread(marked: Bits, low: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of what is marked once row i of the result is row `low[i]` (ascending) of `marked`.

    The same as `np.nonzero(marked[low])`, without making those rows.
    """
    source, column = np.divmod(np.flatnonzero(marked), marked.shape[1])
    edges = np.searchsorted(low, np.arange(marked.shape[0] + 1))
    times = np.diff(edges)[source]
    nth = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(edges[source], times) + nth, np.repeat(column, times)
