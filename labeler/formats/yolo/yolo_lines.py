"""Lines of YOLO's label files: a box, an outline, four corners or keypoints, in shares of the image's sides.

    class cx cy w h                      detection: the box's centre and size
    class x y x y x y ...                segmentation: an outline of three corners or more
    class x y x y x y x y                oriented boxes: four corners, which is an outline too
    class cx cy w h  x y [v] x y [v] ..  poses: a box and keypoints, with or without whether they are seen

Models write a confidence behind the numbers. Described at docs.ultralytics.com/datasets/detect, /segment,
/obb and /pose; all kinds may stand in one file. Shares are of the displayed image (ultralytics turns photos
by EXIF before it looks at labels), and 0 and 1 are the outer edges of its first and last pixels.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct

from labeler.core.records import Box, Part, Polygons
from labeler.formats.yolo.shares import FAR, NOT_SHARES, BadLineError, inside

LineKind: TypeAlias = Literal["box", "outline", "pose"]

CONFIDENCE = "Has a confidence, which is left out."
NO_CLASS = "Begins with no class number; it must be 0 or more."
NO_NUMBERS = "Has words where numbers belong."
WRONG_COUNT = "Has {} numbers; a box has 4, an outline 6 or more."
NO_EXTENT = "Has no width or no height on its photo."
_HIGHEST_CLASS = 1_000_000


class LabelLine(Struct, frozen=True, gc=False):
    """One line, taken apart but not understood yet."""

    category: int
    numbers: tuple[float, ...]


class KeypointShape(Struct, frozen=True):
    """How many keypoints an object has, and how many numbers each (2 or 3), as `kpt_shape` of a data.yaml."""

    count: int
    each: int


class InShares(Struct, frozen=True, gc=False):
    """An object in shares of its image's sides."""

    category: int
    kind: LineKind
    values: tuple[float, ...]
    """Of a box and a pose x0, y0, x1, y1; of an outline x, y, x, y, ...; from 0 to 1."""
    keypoints: tuple[float, ...] = ()
    """x, y and seen (0 no, 1 hidden, 2 yes) of each."""
    told: tuple[str, ...] = ()
    """What was left out."""
    repaired: tuple[str, ...] = ()


def split_line(text: str, classes: Mapping[str, int]) -> LabelLine:
    """The class and the numbers of a line. `classes` are the names there are, for files that write those.

    Raises BadLineError.
    """
    words = text.split()
    if len(words) < 3:
        words = text.replace(",", " ").replace(";", " ").split()
    if not words:
        raise BadLineError(NO_CLASS)
    try:
        numbers = tuple(map(float, words[1:]))
    except ValueError:
        raise BadLineError(NO_NUMBERS) from None
    if not all(map(math.isfinite, numbers)):
        raise BadLineError("Has a number that is not finite.")
    return LabelLine(_class_of(words[0], classes), numbers)


def _class_of(word: str, classes: Mapping[str, int]) -> int:
    if word.isdecimal() and len(word) < 8:
        return int(word)
    if word in classes:
        return classes[word]
    try:
        value = float(word)
    except ValueError:
        raise BadLineError(NO_CLASS) from None
    if not 0 <= value <= _HIGHEST_CLASS or value != int(value):
        raise BadLineError(NO_CLASS)
    return int(value)


def pose_lengths(lines: Iterable[LabelLine], known: KeypointShape | None) -> frozenset[int]:
    """The counts of numbers that lines with keypoints have.

    Where no data.yaml says it, a line with a 2 in each third place says it, which no share can be.
    """
    if known is not None:
        length = 4 + known.count * known.each
        return frozenset((length, length + 1))
    return frozenset(len(line.numbers) for line in lines if _looks_like_pose(line.numbers))


def _looks_like_pose(numbers: Sequence[float]) -> bool:
    seen = numbers[6::3]
    return (
        len(numbers) >= 7 and (len(numbers) - 4) % 3 == 0 and 2 in seen and all(v in (0, 1, 2) for v in seen)
    )


def understood(line: LabelLine, poses: frozenset[int], known: KeypointShape | None) -> InShares:
    """What a line says. Raises BadLineError."""
    numbers = line.numbers
    count = len(numbers)
    if count in poses and (known is not None or all(v in (0, 1, 2) for v in numbers[6::3])):
        return _pose(line, known or KeypointShape((count - 4) // 3, 3))
    told: tuple[str, ...] = ()
    if count == 5 or (count >= 7 and count % 2):
        numbers, told = numbers[:-1], (CONFIDENCE,)
    if len(numbers) == 4:
        values, repaired = _box(numbers)
        return InShares(line.category, "box", values, told=told, repaired=repaired)
    if len(numbers) < 6:
        raise BadLineError(WRONG_COUNT.format(count))
    values, repaired = inside(numbers)
    xs, ys = values[::2], values[1::2]
    if max(xs) <= min(xs) or max(ys) <= min(ys):
        raise BadLineError(NO_EXTENT)
    return InShares(line.category, "outline", values, told=told, repaired=repaired)


def _pose(line: LabelLine, shape: KeypointShape) -> InShares:
    values, repaired = _box(line.numbers[:4])
    length = shape.count * shape.each
    points = line.numbers[4 : 4 + length]
    told = (CONFIDENCE,) if len(line.numbers) > 4 + length else ()
    found: list[float] = []
    for place in range(0, length, shape.each):
        x, y = points[place : place + 2]
        seen = points[place + 2] if shape.each == 3 else 2 * (x > 0 or y > 0)
        if not 0 <= seen <= 2 or seen != int(seen):  # a model's confidence in the point
            seen = 2 * (seen >= 0.5)
        found += (x, y, int(seen))
    return InShares(line.category, "pose", values, tuple(found), told=told, repaired=repaired)


def _box(numbers: Sequence[float]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    cx, cy, width, height = numbers
    if max(map(abs, numbers)) > FAR:
        raise BadLineError(NOT_SHARES)
    if width <= 0 or height <= 0:
        raise BadLineError(NO_EXTENT)
    corners = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
    values, repaired = inside(corners)
    if values[2] <= values[0] or values[3] <= values[1]:
        raise BadLineError(NO_EXTENT)
    return values, repaired


def shape_on(one: InShares, size: tuple[int, int]) -> Box | Polygons:
    """The box or the outline of an object on an image of (width, height); of (1, 1) it stays in shares."""
    width, height = size
    if one.kind == "outline":
        ring = np.array(one.values, dtype=np.float64).reshape(-1, 2) * (width, height)
        return Polygons((Part(ring),))
    x0, y0, x1, y1 = one.values
    return Box(x0 * width, y0 * height, x1 * width, y1 * height)


def keypoints_on(one: InShares, size: tuple[int, int]) -> list[float]:
    """Its keypoints as COCO has them, x, y, v, x, y, v, ..., on an image of (width, height)."""
    width, height = size
    found: list[float] = []
    for place in range(0, len(one.keypoints), 3):
        x, y, seen = one.keypoints[place : place + 3]
        found += (round(x * width, 6), round(y * height, 6), int(seen))
    return found


def label_line(number: int, shape: Box | Polygons, size: tuple[int, int]) -> str:
    """The line of a box, or of the one ring that an outline has, on an image of (width, height)."""
    width, height = size
    if isinstance(shape, Box):
        values = [
            (shape.x0 + shape.x1) / 2 / width,
            (shape.y0 + shape.y1) / 2 / height,
            shape.width / width,
            shape.height / height,
        ]
    else:
        values = (shape.parts[0].outer / (width, height)).ravel().tolist()
    return " ".join([str(number), *map(written, values)])


def written(share: float) -> str:
    """A share with 9 digits, which on a photo of 100,000 pixels is to 0.0001 pixels."""
    return f"{round(share, 9) + 0.0:.9f}".rstrip("0").rstrip(".")  # no -0
