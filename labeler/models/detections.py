"""From the arrays that detectors give to candidates in image pixels."""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.geometry import tight
from labeler.core.records import Box, Candidate, Mask, Shape
from labeler.models.protocols import Rgb

FLOOR = 0.001
"""The least confidence that is worth keeping: what COCO's evaluation is usually fed with."""

MASK_FLOOR = 0.05
"""The least confidence that a mask is worked out for; less confident candidates are boxes only."""

_PADDING = 114 / 255

Floats = NDArray[np.floating]


class Letterbox(Struct, frozen=True):
    """How an image lies in a model's input: `x_input = x * scale_x + pad_x`, and so for y."""

    size: tuple[int, int]
    """(H, W) of the image."""
    scale_x: float = 1.0
    scale_y: float = 1.0
    pad_x: float = 0
    pad_y: float = 0

    def to_image(self, boxes: Floats) -> NDArray[np.float64]:
        """Boxes (N, 4) x0, y0, x1, y1 of the input as float64 image pixels, cut at the image's edges."""
        height, width = self.size
        corners = boxes.astype(np.float64)
        corners[:, 0::2] = ((corners[:, 0::2] - self.pad_x) / self.scale_x).clip(0, width)
        corners[:, 1::2] = ((corners[:, 1::2] - self.pad_y) / self.scale_y).clip(0, height)
        return corners

    def to_input(self, boxes: Floats) -> NDArray[np.float64]:
        """Boxes (N, 4) xyxy of the image in the input."""
        scale = np.array([self.scale_x, self.scale_y] * 2)
        moved: NDArray[np.float64] = boxes * scale + np.array([self.pad_x, self.pad_y] * 2)
        return moved

    def covers(self, points: Floats) -> NDArray[np.bool_]:
        """(N,) whether points (N, 2) of the input, as x and y, are on the image."""
        height, width = self.size
        (start,) = self.to_input(np.array([[0, 0, 0, 0]]))[:, :2]
        (stop,) = self.to_input(np.array([[width, height, 0, 0]]))[:, :2]
        return np.asarray(((points > start) & (points < stop)).all(axis=1))


def placed(
    size: tuple[int, int], *, side: int, stride: int, margin: float = 0.0
) -> tuple[tuple[int, int], Letterbox]:
    """(h, w) of the frame that `letterbox` makes of an image of size (H, W), and how the image lies in it."""
    height, width = size
    new_height, new_width = _scaled(size, side)
    full_height, full_width = (
        math.ceil(length / stride + margin) * stride for length in (new_height, new_width)
    )
    top, left = (round((full_height - new_height) / 2 - 0.1), round((full_width - new_width) / 2 - 0.1))
    place = Letterbox((height, width), new_width / width, new_height / height, left, top)
    return (full_height, full_width), place


def letterbox(
    image: Rgb, *, side: int, stride: int, margin: float = 0.0
) -> tuple[NDArray[np.float32], Letterbox]:
    """The image with its longer side scaled to `side`, padded with grey to multiples of `stride`.

    Gives (1, 3, h, w) float32 from 0 to 1. The same pixels as ultralytics' LetterBox of the least rectangle;
    `margin`, in strides, is what must be left free.
    """
    height, width = image.shape[:2]
    new_height, new_width = _scaled((height, width), side)
    full, place = placed((height, width), side=side, stride=stride, margin=margin)
    top, left = int(place.pad_y), int(place.pad_x)
    if (new_height, new_width) != (height, width):
        image = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    frame = np.full((1, 3, *full), _PADDING, dtype=np.float32)
    inside = frame[0, :, top : top + new_height, left : left + new_width]
    for plane, channel in zip(cv2.split(image), inside, strict=True):
        np.multiply(plane, np.float32(1 / 255), out=channel)
    return frame, place


def _scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(h, w) once the longer side is `side`."""
    scale = side / max(size)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def to_candidates(
    boxes: Floats,
    confidences: Floats,
    classes: NDArray[np.integer],
    names: Sequence[str],
    *,
    mask: Callable[[int], Mask | None] | None = None,
) -> tuple[Candidate, ...]:
    """Candidates, the most confident first, of boxes (N, 4) in image pixels, confidences and classes (N,).

    `mask` gives the mask of the box with that index, None for an empty one; it is asked for those of at
    least `MASK_FLOOR`. Boxes without area and those that are not finite are left out.
    """
    sound = np.isfinite(boxes).all(axis=1) & np.isfinite(confidences)
    sound &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    order = np.argsort(-confidences, kind="stable")
    order = order[sound[order]]
    corners, confident = boxes[order].tolist(), confidences[order].clip(0.0, 1.0).tolist()
    labels = [names[index] for index in classes[order].tolist()]
    shapes: list[Shape] = [Box(*corner) for corner in corners]
    if mask is not None:
        for place, index in enumerate(order[confidences[order] >= MASK_FLOOR].tolist()):
            shapes[place] = mask(index) or shapes[place]
    return tuple(
        Candidate(0, 0, 0, 0, shape, confidence, label)
        for shape, confidence, label in zip(shapes, confident, labels, strict=True)
    )


def upsampled(
    values: Floats, box: NDArray[np.float64], frame: Letterbox, *, threshold: float = 0.0
) -> Mask | None:
    """The mask where `values` (h, w), spread over `frame`, are above `threshold` inside `box` of the image.

    `frame` says how the image lies in `values`. Interpolation is bilinear between pixel centres, with the
    edge carried on outwards. None where nothing of it is above the threshold.
    """
    height, width = frame.size
    x0, y0 = max(int(np.floor(box[0])), 0), max(int(np.floor(box[1])), 0)
    x1, y1 = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    if x1 <= x0 or y1 <= y0:
        return None
    columns, left = _taps(x0, x1, frame.scale_x, frame.pad_x, values.shape[1])
    rows, top = _taps(y0, y1, frame.scale_y, frame.pad_y, values.shape[0])
    window = values[top : top + rows.shape[1], left : left + columns.shape[1]].astype(np.float32)
    bits = (rows @ window @ columns.T) > threshold
    found = tight(Mask(x0, y0, bits))
    return found if found.bits.size else None


def upsampled_whole(logits: Floats, frame: Letterbox) -> Mask | None:
    """The mask where `logits` (h, w) are above 0, wherever in the image that is; None for nowhere.

    As `upsampled`, which is asked only for the part of the image that positive logits can reach.
    """
    rows, columns = (np.flatnonzero((logits > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    reach = np.array([columns[0] - 1, rows[0] - 1, columns[-1] + 2, rows[-1] + 2], dtype=np.float64)
    reach[0::2] = (reach[0::2] - frame.pad_x) / frame.scale_x
    reach[1::2] = (reach[1::2] - frame.pad_y) / frame.scale_y
    return upsampled(logits, reach, frame)


def corners_of(boxes: Floats, size: tuple[int, int]) -> NDArray[np.float64]:
    """x0, y0, x1, y1 (N, 4) in pixels of an image (H, W), from centre, width and height as parts of it."""
    centres = boxes.astype(np.float64)
    middle, half = centres[:, :2], centres[:, 2:] / 2
    corners = np.hstack([middle - half, middle + half])
    pixels: NDArray[np.float64] = corners * np.array([size[1], size[0], size[1], size[0]])
    return pixels


def _taps(start: int, stop: int, scale: float, pad: float, length: int) -> tuple[NDArray[np.float32], int]:
    """Weights (stop - start, K) of K source pixels for each target pixel, and which source is the first."""
    place = ((np.arange(start, stop) + 0.5) * scale + pad - 0.5).clip(0, length - 1)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, length - 1)
    first = int(low[0])
    weights = np.zeros((stop - start, int(high[-1]) - first + 1), dtype=np.float32)
    targets = np.arange(stop - start)
    weights[targets, low - first] = 1.0 - (place - low)
    weights[targets, high - first] += place - low
    return weights, first
