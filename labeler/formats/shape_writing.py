"""A shape as the geometry of one COCO item: segmentation, bbox and area; `shapes` reads.

An outline with holes is written as a run-length mask, with its rings beside it under a key of ours.
"""

from math import isfinite

import msgspec
from msgspec import Raw

from labeler.core.geometry import area, bounds, outline, rasterise
from labeler.core.records import Box, Mask, Polygons, Shape
from labeler.core.rle import compress, mask_to_rle
from labeler.formats.gates import OBJECT, Fields, RefusalError, Repairs, packed
from labeler.formats.shapes import OUTLINES, Ring, Size, read_shape, same_shape


def write_shape(shape: Shape, *, size: Size, polygons: bool = False) -> bytes:
    """The members `segmentation`, `bbox`, `area` (and `OUTLINES`) of a shape as JSON text without braces.

    An untouched shape gives the text it was read from. Masks become compressed run-length text, or with
    `polygons` outlines where they have no holes. Raises RefusalError for a shape that has no finite extent.
    """
    origin = _origin(shape, size)
    if not origin:
        _check_finite(bounds(shape))
    convert = polygons and isinstance(shape, Mask)
    members: dict[str, Raw | bytes] = {} if convert else dict(origin)
    if "segmentation" not in members:
        members |= _segmentation(shape, size=size, polygons=polygons)
    for name in ("bbox", "area"):
        if name in origin:
            members[name] = origin[name]
    if "bbox" not in members:
        box = bounds(shape)
        members["bbox"] = msgspec.json.encode([box.x0, box.y0, box.width, box.height])
    if "area" not in members:
        members["area"] = msgspec.json.encode(area(shape))
    return packed(members)[1:-1]


def _origin(shape: Shape, size: Size) -> Fields:
    """The members that the shape was read from; none when it is not that geometry any more."""
    if not shape.origin:
        return {}
    repairs: Repairs = []
    try:
        fields = OBJECT.read(Raw(shape.origin), "origin")
        again = read_shape(fields, size=size if all(size) else None, repairs=repairs)
    except RefusalError:
        return {}
    return fields if same_shape(again, shape) and not repairs else {}


def _check_finite(box: Box) -> None:
    if not all(map(isfinite, (box.x0, box.y0, box.x1, box.y1))):
        raise RefusalError("bbox", "Its coordinates are not finite.")


def _segmentation(shape: Shape, *, size: Size, polygons: bool) -> dict[str, Raw | bytes]:
    if isinstance(shape, Box):
        return {"segmentation": b"[]"}
    if isinstance(shape, Mask) and polygons:
        traced = outline(shape)
        if not _has_holes(traced):
            shape = traced
    if isinstance(shape, Polygons) and not _has_holes(shape):
        return {"segmentation": msgspec.json.encode([part.outer.ravel().tolist() for part in shape.parts])}
    mask = shape if isinstance(shape, Mask) else rasterise(shape, size=size)
    if not all(size) or not mask.bits.any():
        raise RefusalError(
            "segmentation", "The mask has no pixels on the image, or the image's size is not known."
        )
    counts = compress(mask_to_rle(mask, size)).decode("ascii")
    members: dict[str, Raw | bytes] = {"segmentation": msgspec.json.encode({"size": size, "counts": counts})}
    if isinstance(shape, Polygons):
        rings = [
            Ring(part.outer.ravel().tolist(), [hole.ravel().tolist() for hole in part.holes])
            for part in shape.parts
        ]
        members[OUTLINES] = msgspec.json.encode(rings)
    return members


def _has_holes(shape: Polygons) -> bool:
    return any(part.holes for part in shape.parts)
