"""Arrays of boxes (N, 4) in the three usual forms, and as offsets from anchors.

xyxy is x0, y0, x1, y1; xywh is x0, y0, width, height; cxcywh is centre x, centre y, width, height. All in
image pixels, float64 out whatever comes in.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes: TypeAlias = NDArray[np.float64]


def as_boxes(values: ArrayLike, name: str = "boxes") -> Boxes:
    """`values` as a float64 array (N, 4); none at all as (0, 4). Raises ValueError for any other shape."""
    boxes: Boxes = np.asarray(values, dtype=np.float64)
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name} must have the shape (N, 4), not {boxes.shape}.")
    return boxes


def _joined(first: Boxes, second: Boxes) -> Boxes:
    return np.concatenate((first, second), axis=1)


def xyxy_to_xywh(boxes: ArrayLike) -> Boxes:
    """Corners (N, 4) to upper left corner and size."""
    array = as_boxes(boxes)
    return _joined(array[:, :2], array[:, 2:] - array[:, :2])


def xywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """Upper left corner and size (N, 4) to corners."""
    array = as_boxes(boxes)
    return _joined(array[:, :2], array[:, :2] + array[:, 2:])


def xyxy_to_cxcywh(boxes: ArrayLike) -> Boxes:
    """Corners (N, 4) to centre and size."""
    array = as_boxes(boxes)
    return _joined((array[:, :2] + array[:, 2:]) / 2.0, array[:, 2:] - array[:, :2])


def cxcywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """Centre and size (N, 4) to corners."""
    array = as_boxes(boxes)
    return _joined(array[:, :2] - array[:, 2:] / 2.0, array[:, :2] + array[:, 2:] / 2.0)


def xywh_to_cxcywh(boxes: ArrayLike) -> Boxes:
    """Upper left corner and size (N, 4) to centre and size."""
    array = as_boxes(boxes)
    return _joined(array[:, :2] + array[:, 2:] / 2.0, array[:, 2:])


def cxcywh_to_xywh(boxes: ArrayLike) -> Boxes:
    """Centre and size (N, 4) to upper left corner and size."""
    array = as_boxes(boxes)
    return _joined(array[:, :2] - array[:, 2:] / 2.0, array[:, 2:])


def encode_deltas(boxes: ArrayLike, anchors: ArrayLike) -> Boxes:
    """Offsets (N, 4) of boxes from anchors, both cxcywh: dx, dy in anchor sizes, dw, dh as log ratios.

    The parametrisation of R-CNN (Girshick et al., CVPR 2014). Raises ValueError for a box or anchor
    without width or height.
    """
    array, base = as_boxes(boxes), as_boxes(anchors, "anchors")
    if (array[:, 2:] <= 0).any() or (base[:, 2:] <= 0).any():
        raise ValueError("Boxes and anchors must have a width and height above 0 to be encoded.")
    return _joined((array[:, :2] - base[:, :2]) / base[:, 2:], np.log(array[:, 2:] / base[:, 2:]))


def decode_deltas(deltas: ArrayLike, anchors: ArrayLike) -> Boxes:
    """The boxes (N, 4) cxcywh that lie at `deltas` (N, 4) from anchors cxcywh; undoes `encode_deltas`."""
    offsets, base = as_boxes(deltas, "deltas"), as_boxes(anchors, "anchors")
    return _joined(base[:, :2] + offsets[:, :2] * base[:, 2:], base[:, 2:] * np.exp(offsets[:, 2:]))
