"""A shape as the geometry of one COCO item: segmentation, bbox and area; `shapes` reads.

What the standard keys do not hold exactly stands beside them under a key of ours: see `own_shape`.
"""

from collections.abc import Iterable
from math import ceil, isfinite
from typing import TypeAlias

import msgspec
import numpy as np
from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.geometry import area, bounds, clipped, crop, outline, rasterise
from labeler.core.records import Box, Mask, Part, Points, Polygons, Shape
from labeler.core.rle import compress, mask_to_rle
from labeler.core.seams import seamed
from labeler.formats.coco.own_shape import (
    FARTHEST,
    SHAPE_KEY,
    Segmentation,
    own_kind,
    own_shape,
    rectangle_of,
)
from labeler.formats.coco.shapes import AREA_KEY, Size, read_shape, same_shape
from labeler.formats.gates import OBJECT, Fields, RefusalError, Repairs, Rle, packed
from labeler.formats.write_options import AS_THEY_ARE, Writing

CUT = "Reaches over the border of its image; it is written up to there."
FILLED = "Has holes, which are written filled."
SEAMED = "Has holes, so it is one ring through a seam, which sahi fills."
HOLES_AS_RUNS = "Has holes, so it is a run-length mask, which sahi drops."
RUNS = "Is a run-length mask, which sahi drops."
NO_SEGMENTATION = (
    "Is a box without a segmentation: what asks for masks (pycocotools, torchvision, DETR) fails."
)
CROWD = (
    "Is a crowd: ultralytics leaves it out, sahi drops its mask, and transformers' DETR processors fail at "
    "its image when they are asked for masks."
)


Members: TypeAlias = dict[str, Raw | bytes]

_STANDARD = {"segmentation", "bbox", "area", AREA_KEY}


class Geometry(Struct, frozen=True):
    """The geometry of one item as it is written."""

    text: bytes
    """The members `segmentation`, `bbox`, `area` (and our own key) as JSON without braces."""
    told: tuple[str, ...] = ()
    """What a person must know of it."""
    overlap: float | None = None
    """IoU of simplified polygons with the mask that they stand for."""


class _Form(Struct, frozen=True):
    """A standard segmentation of a shape."""

    segmentation: Segmentation
    measured: Shape
    """What bbox and area are taken from."""
    is_near: bool = False
    """It covers other pixels than the shape."""
    told: tuple[str, ...] = ()
    overlap: float | None = None


def write_shape(shape: Shape, *, size: Size, writing: Writing = AS_THEY_ARE, crowd: bool = False) -> Geometry:
    """The members of a shape on an image of `size` (height, width), as `writing` wants them.

    An untouched shape keeps the texts that it was read from, as far as `writing` has nothing against them.
    Raises RefusalError for a shape without an extent, farther away than any image is large, or of which the
    image shows nothing.
    """
    origin = _origin(shape, size)
    box = bounds(shape)
    if not origin:
        _check_near(box)
    inside = shown_part(shape, size, box=box)
    shown = inside if writing.clip else shape
    if "segmentation" in origin and (writing.as_read or _is_as_wanted(shape, shown, origin, writing, crowd)):
        return Geometry(packed(_measured(dict(origin), shape, box))[1:-1], (CROWD,) if crowd else ())
    form = _formed(shown, size, writing, crowd=crowd)
    measured = box if form.measured is shape else bounds(form.measured)
    is_near = form.is_near or shown is not shape
    members: Members = {"segmentation": msgspec.json.encode(form.segmentation)}
    if own := _own(shape, form, is_near=is_near):
        members[SHAPE_KEY] = own
    kept = ("bbox", "area", AREA_KEY) if not is_near else ("area", AREA_KEY) if AREA_KEY in origin else ()
    members |= {name: origin[name] for name in kept if name in origin and shown is shape}
    told = form.told if shown is shape else (CUT, *form.told)
    told = (*told, CROWD) if crowd else told
    return Geometry(packed(_measured(members, form.measured, measured))[1:-1], told, form.overlap)


def _measured(members: Members, shape: Shape, box: Box) -> Members:
    """The members with bbox and area, worked out where they are missing; `box` is that of the shape."""
    if "bbox" not in members:
        members["bbox"] = msgspec.json.encode([box.x0, box.y0, box.width, box.height])
    if "area" not in members:
        members["area"] = msgspec.json.encode(area(shape))
    return members


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


def _is_as_wanted(shape: Shape, shown: Shape, origin: Fields, writing: Writing, crowd: bool) -> bool:
    """Whether the text that a shape was read from is such as it would be given now."""
    if shown is not shape or not origin.keys() <= _STANDARD:
        return False
    if isinstance(shape, Box):
        return writing.boxes == "empty"
    return crowd or writing.masks == "rle" if isinstance(shape, Mask) else not crowd


def _own(shape: Shape, form: _Form, *, is_near: bool) -> bytes:
    """Our own key for a shape, b"" where the standard geometry says all of it."""
    segmentation = form.segmentation
    if isinstance(shape, Box):
        if not is_near:
            return own_kind("box") if segmentation else b""
        shown = bounds(form.measured)
        return own_shape(shape, segmentation or [[shown.x0, shown.y0, shown.width, shown.height]])
    if not is_near and isinstance(shape, Mask) and shape.x >= 0 and shape.y >= 0:
        return b"" if isinstance(segmentation, Rle) else own_kind("mask")
    if not is_near and isinstance(shape, Polygons) and not isinstance(segmentation, Rle):
        return own_shape(shape, segmentation) if _has_holes(shape) else b""
    return own_shape(shape, segmentation)


def _check_near(box: Box) -> None:
    sides = box.x0, box.y0, box.x1, box.y1
    if not all(map(isfinite, sides)):
        raise RefusalError("bbox", "Its coordinates are not finite.")
    if max(map(abs, sides)) > FARTHEST:
        raise RefusalError("bbox", f"Has a coordinate beyond {FARTHEST:.0f} pixels.")


def shown_part(shape: Shape, size: Size, *, box: Box | None = None) -> Shape:
    """The part of a shape that its image (height, width) shows; all of it where the size is not known.

    `box` is that of the shape, where it is known. Raises RefusalError for what has no extent, or of which the
    image shows nothing.
    """
    box = bounds(shape) if box is None else box
    if box.width <= 0 or box.height <= 0:
        what = "The mask has no pixels." if isinstance(shape, Mask) else "It has no width or no height."
        raise RefusalError("segmentation" if isinstance(shape, Mask) else "bbox", what)
    height, width = size
    if not all(size) or (box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height):
        return shape
    shown = clipped(shape, size)
    inside = bounds(shown)
    if inside.width <= 0 or inside.height <= 0:
        raise RefusalError("bbox", f"Lies wholly outside the image of {width} by {height} pixels.")
    return shown


# the forms


def _formed(shape: Shape, size: Size, writing: Writing, *, crowd: bool) -> _Form:
    if isinstance(shape, Box):
        if writing.boxes == "empty":
            return _Form((), shape, told=(NO_SEGMENTATION,))
        return _Form((rectangle_of(bounds(shape)),), shape)
    if crowd and not writing.as_read:
        return _in_runs(shape, size, writing)
    if isinstance(shape, Polygons):
        return _in_rings(shape, shape, size, writing)
    return _of_mask(shape, size, writing)


def _of_mask(mask: Mask, size: Size, writing: Writing) -> _Form:
    if writing.masks == "rle":
        return _in_runs(mask, size, writing, told=(RUNS,))
    near = outline(mask, tolerance=writing.tolerance) if writing.tolerance > 0 else Polygons(())
    # a mask that simplifying would leave nothing of is written as it is
    form = _in_rings(near if near.parts else outline(mask), mask, size, writing)
    if not near.parts or isinstance(form.segmentation, Rle):
        return form
    return replace(form, is_near=True, overlap=_overlap(form.measured, mask))


def _in_rings(shape: Polygons, source: Mask | Polygons, size: Size, writing: Writing) -> _Form:
    """A segmentation of polygons; where holes are to stay run-length text, the runs of their source."""
    if not _has_holes(shape):
        return _Form(_flat(part.outer for part in shape.parts), shape)
    if writing.holes == "rle":
        return _in_runs(source, size, writing, told=(HOLES_AS_RUNS,))
    if writing.holes == "seam":
        return _Form(_flat(seamed(part) for part in shape.parts), shape, told=(SEAMED,))
    filled = Polygons(tuple(Part(part.outer) for part in shape.parts))
    return _Form(_flat(part.outer for part in filled.parts), filled, is_near=True, told=(FILLED,))


def _flat(rings: Iterable[Points]) -> list[list[float]]:
    return [ring.ravel().tolist() for ring in rings]


def _in_runs(shape: Mask | Polygons, size: Size, writing: Writing, *, told: tuple[str, ...] = ()) -> _Form:
    mask = rasterise(shape, size=size)
    if not all(size) or not mask.bits.any():
        raise RefusalError("segmentation", "It has no pixels on the image, or the image's size is not known.")
    counts = mask_to_rle(mask, size)
    runs = Rle(size, counts if writing.runs == "list" else compress(counts).decode("ascii"))
    shown = clipped(shape, size)
    is_cut = shown is not shape
    return _Form(runs, shown, is_near=is_cut, told=(CUT, *told) if is_cut else told)


def _overlap(near: Shape, mask: Mask) -> float:
    """IoU of simplified polygons with their mask."""
    box = bounds(near)
    size = ceil(max(box.y1, mask.y + mask.height)), ceil(max(box.x1, mask.x + mask.width))
    other = rasterise(near, size=size)
    window = crop(other, mask.x, mask.y, mask.x + mask.width, mask.y + mask.height)
    shared = int(np.count_nonzero(window & mask.bits))
    return shared / (area(other) + area(mask) - shared)


def _has_holes(shape: Polygons) -> bool:
    return any(part.holes for part in shape.parts)
