"""Pictures whose pixels are labels: taken apart into one mask for each label, and masks into their pieces."""

from collections.abc import Collection, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.geometry import from_bits
from labeler.core.records import Mask

Labels = NDArray[np.integer]
"""(H, W), a label for each pixel."""


def split(labels: Labels, *, without: Collection[int] = (0,)) -> Iterator[tuple[int, Mask]]:
    """Each label with its tight mask, in ascending order; those in `without` belong to nothing.

    The work grows with the pixels and with the masks' boxes, not with their number times the image.
    """
    height, width = labels.shape
    if not height or not width:
        return
    flat = np.ascontiguousarray(labels).ravel()
    change = np.empty(flat.size, dtype=np.bool_)
    change[0] = True
    np.not_equal(flat[1:], flat[:-1], out=change[1:])
    change[::width] = True  # a run ends with its row
    starts = np.flatnonzero(change)
    values = flat[starts]
    ends = np.append(starts[1:], flat.size)
    order = np.argsort(values, kind="stable")
    starts, ends, values = starts[order], ends[order], values[order]
    edges = np.flatnonzero(np.diff(values)) + 1
    for one in np.split(np.arange(values.size), edges):
        label = int(values[one[0]])
        if label not in without:
            yield label, _mask(starts[one], ends[one], width)


def _mask(starts: NDArray[np.int64], ends: NDArray[np.int64], width: int) -> Mask:
    """The tight mask of runs of one label, each within its row."""
    rows, lefts = np.divmod(starts, width)
    rights = lefts + (ends - starts)
    x, y = int(lefts.min()), int(rows.min())
    shape = int(rows.max()) + 1 - y, int(rights.max()) - x
    steps = np.zeros((shape[0], shape[1] + 1), dtype=np.int8)
    steps[rows - y, lefts - x] += 1
    steps[rows - y, rights - x] -= 1  # no run begins where one of its label ends
    return Mask(x, y, np.cumsum(steps[:, :-1], axis=1, dtype=np.int8).astype(np.bool_))


def pieces(mask: Mask) -> list[Mask]:
    """The connected pieces of a mask; pixels that touch by a corner are of one piece."""
    if not mask.bits.size:
        return []
    count, labels = cv2.connectedComponents(mask.bits.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    if count <= 2:
        return [mask]
    return [Mask(one.x + mask.x, one.y + mask.y, one.bits) for _, one in split(labels)]


def paint(into: Labels, mask: Mask, label: int) -> None:
    """Give the mask's pixels a label in the image (H, W) `into`, whatever they had; outside it nothing."""
    height, width = into.shape
    x0, y0 = max(mask.x, 0), max(mask.y, 0)
    x1, y1 = min(mask.x + mask.width, width), min(mask.y + mask.height, height)
    if x0 < x1 and y0 < y1:
        bits = mask.bits[y0 - mask.y : y1 - mask.y, x0 - mask.x : x1 - mask.x]
        into[y0:y1, x0:x1][bits] = label


def visible(labels: Labels, mask: Mask, label: int) -> Mask:
    """The pixels of a painted mask that still have its label."""
    x0, y0 = max(mask.x, 0), max(mask.y, 0)
    window = labels[y0 : mask.y + mask.height, x0 : mask.x + mask.width]
    bits = mask.bits[y0 - mask.y :, x0 - mask.x :][: window.shape[0], : window.shape[1]]
    return from_bits((window == label) & bits, x0, y0)
