"""From what a model says of each pixel to objects, and from tiles of an image to the whole of it."""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.geometry import tight
from labeler.core.records import Candidate, Mask
from labeler.models.protocols import Rgb

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]

_STRIP = 256
"""Rows of an image that are looked through at once."""

_SQUARE_3, _SQUARE_5 = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)


def blended(
    image: Rgb, run: Callable[[Rgb], Floats], *, tile: int, overlap: int, multiple: int = 1
) -> Floats:
    """What `run` gives for an image (H, W, 3), put together from tiles of at most `tile` pixels a side.

    `run` maps (h, w, 3) to (C, h, w). Tiles begin at multiples of `multiple`, so that a network which pools
    pools the same pixels together as in the whole image. Where tiles overlap, by about `overlap` pixels at
    least, they fade into each other; the outer quarter of the overlap, where a tile knows least of its
    surroundings, counts for nothing. The result is (C, H, W) float32; an image that fits into one tile is run
    as it is.
    """
    height, width = image.shape[:2]
    if height <= tile and width <= tile:
        return run(image)
    total: Floats | None = None
    weights = np.zeros((height, width), dtype=np.float32)
    for y0, y1 in _spans(height, tile, overlap, multiple):
        for x0, x1 in _spans(width, tile, overlap, multiple):
            values = run(np.ascontiguousarray(image[y0:y1, x0:x1]))
            if total is None:
                total = np.zeros((len(values), height, width), dtype=np.float32)
            weight = np.outer(_ramp(y0, y1, height, overlap), _ramp(x0, x1, width, overlap))
            total[:, y0:y1, x0:x1] += values * weight
            weights[y0:y1, x0:x1] += weight
    assert total is not None, "an image has at least one tile"
    total /= weights
    return total


def _spans(length: int, tile: int, overlap: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Start and end of the tiles along one side, evenly spread, the last one ending with it."""
    last = -(-max(0, length - tile) // multiple) * multiple
    count = 1 + -(-last // (tile - overlap))
    for start in np.linspace(0, last, count):
        aligned = int(start) // multiple * multiple
        yield aligned, min(aligned + tile, length)


def _ramp(start: int, end: int, length: int, overlap: int) -> Floats:
    """A tile's weights along one side: 1, falling to almost 0 where another tile takes over."""
    inside = np.arange(end - start, dtype=np.float32) + 0.5
    weight = np.ones(end - start, dtype=np.float32)
    unsure, fading = overlap / 4, max(overlap / 2, 1.0)
    for is_edge, depth in ((start == 0, inside), (end == length, inside[::-1])):
        if not is_edge:
            weight *= np.clip((depth - unsure) / fading, 1e-6, 1.0)
    return weight


def objects(probabilities: Floats, *, seams: bool = False) -> tuple[Labels, Labels]:
    """The likeliest class (H, W) of each pixel, and which object (H, W) it belongs to; 0 for none in both.

    An object is a connected component of the pixels of one class, over corners too. With `seams` the model
    was taught to leave a line of background between objects that touch: corners connect nothing then, and
    the line is given to the objects on its sides.
    """
    classes = probabilities.argmax(axis=0).astype(np.int32)
    owners = np.zeros_like(classes)
    count = 0
    for index in range(1, len(probabilities)):
        bits = (classes == index).astype(np.uint8)
        found, owner = cv2.connectedComponents(bits, connectivity=4 if seams else 8)
        if seams and found > 2:
            owner = _grown(owner, classes == 0)
        inside = owner > 0
        owners[inside] = owner[inside] + count
        classes[inside] = index
        count += found - 1
    return classes, owners


def _grown(owner: Labels, free: NDArray[np.bool_]) -> Labels:
    """Objects grown by a pixel into what is free between two of them."""
    upper = owner.astype(np.float32)
    most = float(upper.max()) + 1.0
    lower = np.where(owner > 0, upper, most).astype(np.float32)
    nearest = cv2.dilate(upper, _SQUARE_3)
    between = (cv2.dilate(upper, _SQUARE_5) != cv2.erode(lower, _SQUARE_5)) & (nearest > 0) & free
    return np.where(between, nearest, owner).astype(np.int32)


def candidates(
    probabilities: Floats, names: Sequence[str], *, seams: bool = False, least: int = 1
) -> tuple[Candidate, ...]:
    """The objects of `objects` as masks, the most confident first, for `Detector.detect`.

    `probabilities` (1 + C, H, W), the background first; `names` are those of the C categories. An object's
    confidence is the mean over its pixels of the probability of its class; those of fewer than `least`
    pixels are left out.
    """
    classes, owners = objects(probabilities, seams=seams)
    flat = owners.ravel()
    likeliest = np.take_along_axis(probabilities, classes[None], axis=0).ravel()
    pixels = np.bincount(flat)
    confidences = np.bincount(flat, weights=likeliest) / np.maximum(pixels, 1)
    boxes = _boxes(owners, len(pixels))
    kept = [index for index in range(1, len(pixels)) if pixels[index] >= least]
    found = []
    for index in sorted(kept, key=lambda one: -confidences[one]):
        x0, y0, x1, y1 = boxes[index]
        bits = owners[y0:y1, x0:x1] == index
        row, column = np.argwhere(bits)[0]
        label = names[int(classes[y0 + row, x0 + column]) - 1]
        mask = tight(Mask(int(x0), int(y0), bits))
        found.append(Candidate(0, 0, 0, 0, mask, float(confidences[index]), label))
    return tuple(found)


def _boxes(owners: Labels, count: int) -> NDArray[np.intp]:
    """x0, y0, x1, y1 (count, 4) of each object's pixels."""
    height, width = owners.shape
    boxes = np.tile(np.array([width, height, 0, 0], dtype=np.intp), (count, 1))
    for top in range(0, height, _STRIP):  # the places of all pixels at once take many times the image
        rows, columns = np.nonzero(owners[top : top + _STRIP])
        which = owners[top : top + _STRIP][rows, columns]
        np.minimum.at(boxes[:, 0], which, columns)
        np.minimum.at(boxes[:, 1], which, rows + top)
        np.maximum.at(boxes[:, 2], which, columns + 1)
        np.maximum.at(boxes[:, 3], which, rows + top + 1)
    return boxes
