"""The exact shape beside a standard one that can only come near it, under a key of our own.

COCO has no boxes in `segmentation` and no holes, and programs that learn masks read polygons best, so an
export writes boxes as rectangles and masks as polygons, and says here what they are. Where the standard
geometry is only near (simplified, cut at the border, a hole filled or joined by a seam), the exact one stands
here with a mark of the standard one that it belongs to: if another program has changed that, it counts.
"""

import hashlib
from collections.abc import Sequence
from math import ceil
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Raw, Struct

from labeler.core.geometry import bounds, rasterise
from labeler.core.records import Box, Mask, Part, Polygons, Shape
from labeler.core.rle import compress, decompress, mask_to_rle, rle_to_mask
from labeler.formats.gates import Kind, RefusalError, Rle

SHAPE_KEY = "labeler_shape"

FARTHEST = 1e6
"""No image is larger, so a coordinate beyond is a mistake."""


class Ring(Struct, frozen=True):
    """One outline with its holes: flat lists x0, y0, x1, y1, ..."""

    outer: list[float]
    holes: list[list[float]] = []


class Crop(Struct, frozen=True):
    """A mask: its crop's top left pixel, and run-length text of the size of the crop."""

    x: int
    y: int
    size: tuple[int, int]
    counts: str


class OwnShape(Struct, frozen=True, omit_defaults=True):
    """What the key holds; without an exact shape the standard one says it all, but for its kind."""

    kind: Literal["box", "mask", "polygons"]
    of: str = ""
    """The mark of the standard geometry beside an exact shape."""
    box: tuple[float, float, float, float] | None = None
    mask: Crop | None = None
    rings: list[Ring] | None = None


Segmentation: TypeAlias = Sequence[Sequence[float]] | Rle

_OWN: Kind[OwnShape] = Kind(OwnShape, "what Labeler knows of a shape")
_RINGS: Kind[list[list[float]]] = Kind(list[list[float]], "a list of lists of finite numbers")
_RLE: Kind[Rle] = Kind(Rle, "a run-length mask of size [height, width] and counts")


def mark_of(segmentation: Segmentation) -> str:
    """Twelve characters that change with any number of a segmentation, but not with how it is written."""
    digest = hashlib.sha256()
    if isinstance(segmentation, Rle):
        counts = segmentation.counts
        runs = decompress(counts) if isinstance(counts, str) else counts
        digest.update(np.array([*segmentation.size, *runs], dtype="<i8").tobytes())
    else:
        for ring in segmentation:
            digest.update(np.array([len(ring), *ring], dtype="<f8").tobytes())
    return digest.hexdigest()[:12]


def own_shape(shape: Shape, segmentation: Segmentation) -> bytes:
    """The key's JSON text with the exact shape."""
    mark = mark_of(segmentation)
    if isinstance(shape, Box):
        own = OwnShape("box", mark, box=(shape.x0, shape.y0, shape.x1, shape.y1))
    elif isinstance(shape, Mask):
        size = shape.height, shape.width
        counts = compress(mask_to_rle(Mask(0, 0, shape.bits), size)).decode("ascii")
        own = OwnShape("mask", mark, mask=Crop(shape.x, shape.y, size, counts))
    else:
        own = OwnShape("polygons", mark, rings=[_ring(part) for part in shape.parts])
    return msgspec.json.encode(own)


def own_kind(kind: Literal["box", "mask"]) -> bytes:
    """The key's JSON text where the standard geometry is exact, and only not of its kind."""
    return msgspec.json.encode(OwnShape(kind))


def _ring(part: Part) -> Ring:
    return Ring(part.outer.ravel().tolist(), [hole.ravel().tolist() for hole in part.holes])


def recalled(raw: Raw, segmentation: Raw, standard: Shape) -> Shape | None:
    """The exact shape that the key holds; None where it is none, or not that of the geometry beside it."""
    if not _OWN.matches(raw):
        return None
    own = _OWN.read(raw, SHAPE_KEY)
    try:
        if own.box is None and own.mask is None and own.rings is None:
            return _of_kind(own.kind, standard)
        return _exact(own) if own.of and own.of == _mark(segmentation) else None
    except (RefusalError, ValueError, OverflowError):
        return None


def _mark(raw: Raw) -> str:
    return mark_of(_RINGS.read(raw, "") if _RINGS.matches(raw) else _RLE.read(raw, ""))


def _of_kind(kind: str, standard: Shape) -> Shape | None:
    """The standard geometry as a box or a mask, if it can be one without loss."""
    if not isinstance(standard, Polygons):
        return None
    box = bounds(standard)
    if kind == "box":
        rectangle = _rectangle(box)
        is_one = len(standard.parts) == 1 and np.array_equal(standard.parts[0].outer, rectangle)
        return box if is_one else None
    if kind != "mask" or box.x0 < 0 or box.y0 < 0:
        return None
    mask = rasterise(standard, size=(ceil(box.y1), ceil(box.x1)))
    return mask if mask.bits.size else None


def _rectangle(box: Box) -> np.ndarray:
    return np.array(rectangle_of(box)).reshape(-1, 2)


def rectangle_of(box: Box) -> list[float]:
    """A box as a polygon: x0, y0, ... from the top left, clockwise as seen."""
    return [box.x0, box.y0, box.x1, box.y0, box.x1, box.y1, box.x0, box.y1]


def _exact(own: OwnShape) -> Shape | None:
    if own.box is not None:
        x0, y0, x1, y1 = own.box
        near = max(map(abs, own.box)) <= FARTHEST
        return Box(x0, y0, x1, y1) if near and x0 < x1 and y0 < y1 else None
    if own.mask is not None:
        crop = rle_to_mask(decompress(own.mask.counts), own.mask.size)
        far = max(abs(own.mask.x), abs(own.mask.y)) > FARTHEST
        return (
            None if far or not crop.bits.size else Mask(own.mask.x + crop.x, own.mask.y + crop.y, crop.bits)
        )
    rings = own.rings or []
    numbers = [ring for each in rings for ring in (each.outer, *each.holes)]
    if not numbers or any(len(ring) < 6 or len(ring) % 2 for ring in numbers):
        return None
    if max(abs(number) for ring in numbers for number in ring) > FARTHEST:
        return None
    return Polygons(tuple(Part(_points(each.outer), tuple(map(_points, each.holes))) for each in rings))


def _points(ring: list[float]) -> np.ndarray:
    return np.array(ring, dtype=np.float64).reshape(-1, 2)
