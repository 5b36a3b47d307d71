"""The geometry of one COCO item (segmentation, bbox, area) as a shape, and back.

A COCO polygon is a flat list x0, y0, x1, y1, ... and has no holes. What an export of ours could not say in
it stands beside it: see `own_shape`. Earlier ones had the rings of an outline with holes beside a run-length
mask; the mask is what counts there, and outlines that do not fill it exactly are left aside.
"""

from ast import literal_eval
from math import ceil, floor
from typing import TypeAlias

import msgspec
import numpy as np
from msgspec import Raw
from msgspec.structs import replace

from labeler.core.geometry import area, bounds, rasterise
from labeler.core.records import Box, Mask, Part, Points, Polygons, Shape
from labeler.core.rings import ring_pixels
from labeler.core.rle import MAX_PIXELS, decompress, rle_to_mask
from labeler.formats.coco.own_shape import FARTHEST, SHAPE_KEY, Ring, recalled
from labeler.formats.gates import OBJECT, Fields, Kind, LimitError, RefusalError, Repairs, Rle, packed

Size: TypeAlias = tuple[int, int]
"""(height, width) of an image in pixels."""

OUTLINES = "labeler_outlines"
ANEW = "worked out anew."
"""How the sentence about an area ends that is not that of its shape."""
AREA_KEY = "labeler_area"
"""The key that says of an area that it is to stay as the file has it, whatever the shape's is."""
GEOMETRY = frozenset({"segmentation", "bbox", "area", OUTLINES, SHAPE_KEY, AREA_KEY})

MOST_POINTS = 100_000
"""Points that the outlines of one object may have."""

MOST_CROSSED = 1 << 24
"""Rows that all edges of an outline may cross together: each is a number in memory when it is filled."""

LONGEST_GEOMETRY = 8 << 20
"""Bytes of text that one segmentation may have; unpacked it takes some hundred times as much."""

MASK_BUDGET = 1 << 30
"""Pixels that the masks of one file may take in memory together, one byte each."""

_MOST_CHECKED = 1 << 24
"""The largest box, in pixels, in which those of polygons are counted to check an area."""
_BOX_SLACK = 1.5
"""Pixels that tools differ by: whether the last pixel counts, and rounding."""
_AREA_SLACK = 0.02
_FEWEST = 3
"""Points that make a polygon."""


_NUMBERS: Kind[list[float]] = Kind(list[float], "a list of finite numbers")
_RINGS: Kind[list[list[float]] | None] = Kind(list[list[float]] | None, "a list of lists of finite numbers")
_POINTS: Kind[list[list[list[float]]]] = Kind(list[list[list[float]]], "lists of points")
_RLE: Kind[Rle] = Kind(Rle, "a run-length mask of size [height, width] and counts")
_OUTLINES: Kind[list[Ring]] = Kind(list[Ring], "a list of rings")
_AREA: Kind[float] = Kind(float, "a finite number")
_NO_SEGMENTATION = Raw(b"null")


def read_shape(fields: Fields, *, size: Size | None, repairs: Repairs) -> Shape:
    """The shape of an annotation or a result, its `origin` the text of those parts that hold.

    `size` is that of the image, None where it is not known. A wrong bbox or area is a repair. Raises
    RefusalError when there is no geometry, or none that can be taken.
    """
    segmentation = fields.get("segmentation", _NO_SEGMENTATION)
    found = len(repairs)
    try:
        shape = _segmented(segmentation, size=size, repairs=repairs)
        if shape is None:
            return _box_only(fields, size=size, repairs=repairs)
        box = bounds(shape)
        if isinstance(shape, Polygons):
            _check_extent(box, size)
    except LimitError:
        raise
    except RefusalError as refusal:
        del repairs[found:]
        return _box_instead(refusal, fields, size=size, repairs=repairs)
    kept = {} if len(repairs) > found else {"segmentation": segmentation}
    if OUTLINES in fields:
        outlined = _outlined(fields, shape, size)
        if outlined is None:
            repairs.append((OUTLINES, "Does not fill a mask beside it; the segmentation alone was taken."))
        else:
            shape, box = outlined, bounds(outlined)
            kept[OUTLINES] = fields[OUTLINES]
    exact = recalled(fields[SHAPE_KEY], segmentation, shape) if SHAPE_KEY in fields else shape
    if exact is None:
        repairs.append((SHAPE_KEY, "Is not of the segmentation beside it, which alone was taken."))
    elif exact is not shape:
        kept[SHAPE_KEY] = fields[SHAPE_KEY]
    if "bbox" in fields:
        _keep_unless(_wrong_bbox(fields["bbox"], box, size), "bbox", fields, kept, repairs)
    if "area" in fields:
        measured = exact if isinstance(exact, Box) else shape
        _keep_area(fields, _wrong_area(fields["area"], measured, box, size), measured, kept, repairs)
    return replace(shape if exact is None else exact, origin=packed(kept))


def same_shape(a: Shape, b: Shape) -> bool:
    """Whether two shapes are the same geometry, however they were written."""
    if isinstance(a, Polygons) and isinstance(b, Polygons):
        return a.parts == b.parts
    return replace(a, origin=b"") == replace(b, origin=b"")


class MaskBudget:
    """Keeps the masks of one file within what fits into memory."""

    def __init__(self, pixels: int = MASK_BUDGET) -> None:
        self._pixels = pixels
        self._left = pixels

    def read_shape(self, fields: Fields, *, size: Size | None, repairs: Repairs) -> Shape:
        """As `read_shape`; RefusalError for a mask when those before it have used the budget up."""
        is_mask = SHAPE_KEY in fields or OBJECT.matches(fields.get("segmentation", _NO_SEGMENTATION))
        if self._left <= 0 and is_mask:
            sentence = f"The masks before it take the {self._pixels} pixels that one file may."
            raise LimitError("segmentation", sentence)
        shape = read_shape(fields, size=size, repairs=repairs)
        if isinstance(shape, Mask):
            self._left -= shape.bits.size
        return shape


def _keep_unless(wrong: str, name: str, fields: Fields, kept: Fields, repairs: Repairs) -> None:
    """Keep a member as it was written, or note what is wrong with it."""
    if wrong:
        repairs.append((name, wrong))
    else:
        kept[name] = fields[name]


def _box_instead(refusal: RefusalError, fields: Fields, *, size: Size | None, repairs: Repairs) -> Shape:
    """The bbox of an item whose segmentation is refused; that refusal where the bbox is no better."""
    if refusal.field != "segmentation" or "bbox" not in fields:
        raise refusal
    others = {name: raw for name, raw in fields.items() if name not in ("segmentation", OUTLINES)}
    more: Repairs = []
    try:
        box = _box_only(others, size=size, repairs=more)
    except RefusalError:
        raise refusal from None
    repairs.append(("segmentation", f"{refusal.sentence} Its bbox was taken instead."))
    repairs += more
    return box


def _box_only(fields: Fields, *, size: Size | None, repairs: Repairs) -> Shape:
    if "bbox" not in fields:
        raise RefusalError("segmentation", "Neither a segmentation nor a bbox is there.")
    numbers = _NUMBERS.read(fields["bbox"], "bbox")
    if len(numbers) == 5:
        raise RefusalError("bbox", "Has 5 numbers: a rotated box, which is not read.")
    if len(numbers) != 4:
        raise RefusalError("bbox", f"Must be x, y, width and height, but has {len(numbers)} numbers.")
    x, y, width, height = numbers
    _check_near(numbers, "bbox")
    if width <= 0 or height <= 0:
        raise RefusalError("bbox", f"Its size {width:g} by {height:g} is not positive.")
    box = Box(x, y, x + width, y + height)
    _check_inside(box, size, "bbox")
    kept: Fields = {name: fields[name] for name in ("segmentation", "bbox") if name in fields}
    if "area" in fields:
        _keep_area(fields, _wrong_area(fields["area"], box, box, size), box, kept, repairs)
    if SHAPE_KEY not in fields:
        return replace(box, origin=packed(kept))
    # without a segmentation the key belongs to the bbox
    exact = recalled(fields[SHAPE_KEY], Raw(b"[%b]" % fields["bbox"]), box)
    if exact is None:
        repairs.append((SHAPE_KEY, "Is not of the bbox beside it, which alone was taken."))
        return replace(box, origin=packed(kept))
    return replace(exact, origin=packed({**kept, SHAPE_KEY: fields[SHAPE_KEY]}))


def _segmented(raw: Raw, *, size: Size | None, repairs: Repairs) -> Polygons | Mask | None:
    """The outline or the mask of a segmentation; None where it is null or an empty list."""
    if len(memoryview(raw)) > LONGEST_GEOMETRY:
        raise LimitError(
            "segmentation", f"Is {len(memoryview(raw)) >> 20} MiB of text; {LONGEST_GEOMETRY >> 20} are read."
        )
    try:
        rings = _RINGS.read(raw, "segmentation")
    except RefusalError:
        if OBJECT.matches(raw):
            return _mask(raw, size)
        rings = _other_rings(raw, repairs)
    if rings and len(rings) >= _FEWEST and all(len(ring) == 2 for ring in rings):
        rings = [[number for point in rings for number in point]]
        repairs.append(("segmentation", "Was a list of points, taken as a single polygon."))
    return _outer_rings(rings, repairs) if rings else None


def _other_rings(raw: Raw, repairs: Repairs) -> list[list[float]]:
    """Polygons that are written in other lists than those of COCO; RefusalError where they are none."""
    if _NUMBERS.matches(raw):
        repairs.append(("segmentation", "Was one flat list of numbers, taken as a single polygon."))
        return [_NUMBERS.read(raw, "segmentation")]
    if _POINTS.matches(raw):
        repairs.append(("segmentation", "Was lists of points, taken as polygons."))
        return [[n for point in ring for n in point] for ring in _POINTS.read(raw, "segmentation")]
    return _RINGS.read(raw, "segmentation") or []


def _outer_rings(rings: list[list[float]], repairs: Repairs) -> Polygons:
    parts = []
    if sum(map(len, rings)) > 2 * MOST_POINTS:
        raise LimitError("segmentation", f"Has more than the {MOST_POINTS} points that can be shown.")
    for index, ring in enumerate(rings):
        if len(ring) % 2:
            repairs.append(
                ("segmentation", f"Polygon {index} has {len(ring)} numbers, which is odd; it was left out.")
            )
            continue
        if len(ring) < 2 * _FEWEST:
            repairs.append(("segmentation", f"Polygon {index} has fewer than 3 points and was left out."))
            continue
        _check_near(ring, "segmentation")
        parts.append(Part(_points(ring)))
    if not parts:
        raise RefusalError("segmentation", "Has no polygon of at least 3 points in pairs of numbers.")
    crossed = sum(float(np.abs(np.diff(part.outer[:, 1])).sum()) for part in parts)
    if crossed > MOST_CROSSED:
        raise LimitError("segmentation", "Its outline goes up and down too often to be drawn.")
    return Polygons(tuple(parts))


def _points(ring: list[float]) -> Points:
    return np.array(ring, dtype=np.float64).reshape(-1, 2)


def _mask(raw: Raw, size: Size | None) -> Mask:
    rle = _RLE.read(raw, "segmentation")
    height, width = rle.size
    if height <= 0 or width <= 0 or height * width > MAX_PIXELS:
        raise RefusalError(
            "segmentation", f"Its size {height} by {width} is not from 1 to {MAX_PIXELS} pixels."
        )
    if size is not None and rle.size != size:
        sentence = f"Its size {height} by {width} is not that of the image, {size[0]} by {size[1]}."
        raise RefusalError("segmentation", sentence)
    try:
        counts = decompress(_code(rle.counts)) if isinstance(rle.counts, str) else rle.counts
        mask = rle_to_mask(counts, rle.size)
    except (ValueError, OverflowError) as error:
        raise RefusalError("segmentation", str(error)) from error
    if not mask.bits.size:
        raise RefusalError("segmentation", "The mask has no pixels.")
    return mask


def _code(counts: str) -> str | bytes:
    """Run-length text, freed of the b'...' that str() puts around bytes."""
    if counts[:2] not in ("b'", 'b"'):
        return counts
    try:
        value = literal_eval(counts)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return counts
    return value if isinstance(value, bytes) else counts


def _outlined(fields: Fields, shape: Shape, size: Size | None) -> Polygons | None:
    """The outline that was written beside a mask, if it fills exactly that mask."""
    if not isinstance(shape, Mask) or not _OUTLINES.matches(fields[OUTLINES]):
        return None
    rings = _OUTLINES.read(fields[OUTLINES], OUTLINES)
    size = size or _RLE.read(fields["segmentation"], "segmentation").size
    if not rings or any(
        len(ring) < 6 or len(ring) % 2 for each in rings for ring in (each.outer, *each.holes)
    ):
        return None
    outlined = Polygons(tuple(Part(_points(each.outer), tuple(map(_points, each.holes))) for each in rings))
    points = np.concatenate([ring for part in outlined.parts for ring in (part.outer, *part.holes)])
    if np.abs(points).max() > FARTHEST:
        return None
    return outlined if rasterise(outlined, size=size) == shape else None


def _check_near(numbers: list[float], field: str) -> None:
    if max(numbers) > FARTHEST or min(numbers) < -FARTHEST:
        raise RefusalError(field, f"Has a coordinate beyond {FARTHEST:.0f} pixels.")


def _check_extent(box: Box, size: Size | None) -> None:
    if box.width <= 0 or box.height <= 0:
        raise RefusalError("segmentation", "Its points lie on one line, so it has no area.")
    _check_inside(box, size, "segmentation")


def _check_inside(box: Box, size: Size | None, field: str) -> None:
    if size is None:
        return
    height, width = size
    if box.x0 >= width or box.y0 >= height or box.x1 <= 0 or box.y1 <= 0:
        raise RefusalError(field, f"Lies wholly outside the image of {width} by {height} pixels.")


def _wrong_bbox(raw: Raw, box: Box, size: Size | None) -> str:
    """What is wrong with a bbox, "" when it is the box of the shape or of what the image shows of it."""
    try:
        numbers = _NUMBERS.read(raw, "bbox")
    except RefusalError as refusal:
        return refusal.sentence
    if len(numbers) != 4:
        return f"Must be x, y, width and height, but has {len(numbers)} numbers; worked out anew."
    x, y, width, height = numbers
    given = Box(x, y, x + width, y + height)
    is_right = _is_near(given, box) or (size is not None and _is_near(given, _shown(box, size)))
    return "" if is_right else "Is not the box of the segmentation; worked out anew."


def _is_near(a: Box, b: Box) -> bool:
    return (
        abs(a.x0 - b.x0) <= _BOX_SLACK
        and abs(a.y0 - b.y0) <= _BOX_SLACK
        and abs(a.x1 - b.x1) <= _BOX_SLACK
        and abs(a.y1 - b.y1) <= _BOX_SLACK
    )


def _shown(box: Box, size: Size) -> Box:
    """The box, cut at the borders of the image."""
    height, width = size
    x0, x1 = (min(max(x, 0.0), width) for x in (box.x0, box.x1))
    y0, y1 = (min(max(y, 0.0), height) for y in (box.y0, box.y1))
    return Box(x0, y0, x1, y1)


def _wrong_area(raw: Raw, shape: Shape, box: Box, size: Size | None) -> str:
    """What is wrong with an area, "" when it may be that of the shape, whose bounds are `box`.

    Tools give the outline's area or the number of pixels, and a box may carry the area of the object in it.
    """
    try:
        given = _AREA.read(raw, "area")
    except RefusalError as refusal:
        return refusal.sentence
    slack = box.width + box.height
    if isinstance(shape, Box):
        fits = 0 < given <= box.area * (1 + _AREA_SLACK) + slack
    else:
        fits = given > 0 and (
            _is_about(given, area(shape), slack) or _is_about(given, _united(shape, box, size), slack)
        )
    if fits:
        return ""
    if not isinstance(shape, Box) and _is_about(given, box.area, slack):
        return f"Is the area of the box, not of the shape; {ANEW}"
    if size is not None and given == size[0] * size[1]:
        return f"Is the area of the whole image, not of the shape; {ANEW}"
    return f"Is {given:g}, which is not the area of the shape; {ANEW}"


def _keep_area(fields: Fields, wrong: str, shape: Shape, kept: Fields, repairs: Repairs) -> None:
    """Keep an area that is right, and one that is `wrong` where the file's is wanted all the same.

    It belongs to the segmentation beside it, which is written anew where that had to be put right.
    """
    whole = {**kept, **({} if "segmentation" in kept else _plain(shape))}
    if not wrong or AREA_KEY not in fields or "segmentation" not in whole or not _is_positive(fields["area"]):
        _keep_unless(wrong, "area", fields, kept, repairs)
        return
    kept |= {**whole, "area": fields["area"], AREA_KEY: Raw(b'"file"')}


def _is_positive(raw: Raw) -> bool:
    return _AREA.matches(raw) and _AREA.read(raw, "area") > 0


def _plain(shape: Shape) -> Fields:
    """The segmentation of outlines without holes, and none of a box; nothing for other shapes."""
    if isinstance(shape, Box):
        return {"segmentation": _NO_SEGMENTATION}
    if not isinstance(shape, Polygons) or any(part.holes for part in shape.parts):
        return {}
    return {"segmentation": Raw(msgspec.json.encode([part.outer.ravel().tolist() for part in shape.parts]))}


def _is_about(given: float, true: float, slack: float) -> bool:
    return abs(given - true) <= _AREA_SLACK * true + slack


def _united(shape: Shape, box: Box, size: Size | None) -> float:
    """The pixels that polygons cover, which may overlap or cross themselves; 0 where they are too many."""
    if size is None or not isinstance(shape, Polygons) or box.area > _MOST_CHECKED:
        return 0.0
    if len(shape.parts) > 1 or shape.parts[0].holes:
        return area(rasterise(shape, size=size))
    shown = _shown(box, size)
    x, y = floor(shown.x0), floor(shown.y0)
    window = ceil(shown.y1) - y, ceil(shown.x1) - x
    return float(ring_pixels(shape.parts[0].outer, x=x, y=y, shape=window))
