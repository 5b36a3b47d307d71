"""In which frame the coordinates of a labels file are: whose pixels they count, if pixels at all.

A file may mean the image as it is displayed, as it is stored (before its EXIF orientation turns it), a
larger or smaller copy of it, or fractions of its sides. What the file says of the image's size, and which
frame holds all shapes of it, decide. Where nothing decides, all labels of the image are refused: a part of
them would be wrong without a word.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.affine import Affine, scaling, turning
from labeler.formats.gates import OBJECT, Fields, Kind, RefusalError
from labeler.formats.photo_folder import LYING

Choice: TypeAlias = Literal["auto", "turn", "stored", "displayed"]
"""What a person says of coordinates on turned photos: worked out, worked out and as stored where nothing
decides, as stored, or as displayed."""
Size: TypeAlias = tuple[int, int]
"""(width, height) in pixels."""

SLACK = 2.0
"""Pixels that shapes may reach over a border, and that a size may be off, before it counts."""
IN_DOUBT = (
    "Its EXIF orientation turns or mirrors the photo, and nothing in the file says whether its labels were "
    "made before or after that; taken as made after it (--frame stored turns them)."
)
_UNIT = 1.001
_CORNERS_AGREE = 0.02


class Seen(Struct, frozen=True):
    """What is known of one image of the file."""

    said: Size | None
    """As the file has it."""
    real: Size | None
    """As the image is displayed."""
    turn: int = 1
    """Its EXIF orientation."""


class CoordinateFrame(Struct, frozen=True):
    """How coordinates of one image become those of the displayed image."""

    size: Size | None
    """The size of the file's frame; None where it is not known."""
    change: Affine | None = None
    """None where they are the same."""
    sentence: str = ""
    """What is to be said where they change."""
    refusal: str = ""
    """Why nothing of the image can be taken."""
    real: Size | None = None
    turn: int = 1
    doubt: str = ""
    """What is to be said where nothing decides and it was taken as displayed."""


class Extent(Struct):
    """How far the shapes of one image reach, and the sizes of its run-length masks."""

    x0: float = 0.0
    y0: float = 0.0
    x1: float = 0.0
    y1: float = 0.0
    masks: set[Size] = set()

    def fits(self, size: Size) -> bool:
        """Whether all lies in a frame of that size."""
        return (
            self.x0 >= -SLACK
            and self.y0 >= -SLACK
            and self.x1 <= size[0] + SLACK
            and self.y1 <= size[1] + SLACK
        )


class _Geometry(Struct, frozen=True):
    segmentation: Raw = Raw(b"null")
    bbox: Raw = Raw(b"null")
    area: Raw = Raw(b"null")


class _Size(Struct, frozen=True):
    size: tuple[int, int]


_GEOMETRY: Kind[_Geometry] = Kind(_Geometry, "an object")
_NUMBERS: Kind[list[float]] = Kind(list[float], "a list of finite numbers")
_NUMBER: Kind[float] = Kind(float, "a finite number")
_RINGS: Kind[list[list[float]]] = Kind(list[list[float]], "a list of lists of finite numbers")
_MASK: Kind[_Size] = Kind(_Size, "a run-length mask")
_LARGEST_LOOK = 1 << 22
"""Bytes of one geometry beyond which it is not looked at here."""


def _box(raw: Raw) -> list[float] | None:
    if not _NUMBERS.matches(raw):
        return None
    numbers = _NUMBERS.read(raw, "bbox")
    return numbers if len(numbers) == 4 else None


def _rings(raw: Raw) -> list[list[float]]:
    if len(memoryview(raw)) > _LARGEST_LOOK:
        return []
    try:
        return [ring for ring in _RINGS.read(raw, "") if ring and len(ring) % 2 == 0]
    except RefusalError:
        return [_NUMBERS.read(raw, "")] if _NUMBERS.matches(raw) else []


def mask_size(segmentation: Raw) -> Size | None:
    """The (width, height) of a run-length mask; None for any other segmentation."""
    if not OBJECT.matches(segmentation) or not _MASK.matches(segmentation):
        return None
    height, width = _MASK.read(segmentation, "").size
    return width, height


def extent(raws: Iterable[Raw]) -> Extent:
    """How far the shapes of these annotations reach."""
    found = Extent(masks=set())
    for raw in raws:
        if not _GEOMETRY.matches(raw):
            continue
        geometry = _GEOMETRY.read(raw, "")
        xs: list[float] = []
        ys: list[float] = []
        if (size := mask_size(geometry.segmentation)) is not None:
            found.masks.add(size)
        for ring in _rings(geometry.segmentation):
            if len(ring) >= 6:
                xs += ring[::2]
                ys += ring[1::2]
        box = _box(geometry.bbox)
        if box is not None and not xs and not found.masks:
            xs, ys = [box[0], box[0] + box[2]], [box[1], box[1] + box[3]]
        if xs:
            found.x0, found.x1 = min(found.x0, *xs), max(found.x1, *xs)
            found.y0, found.y1 = min(found.y0, *ys), max(found.y1, *ys)
    return found


def is_normalised(raws: Iterable[Raw]) -> bool:
    """Whether all coordinates are fractions of the image's sides: none beyond 1, and not only 0 and 1."""
    broken = False
    for raw in raws:
        if not _GEOMETRY.matches(raw):
            continue
        geometry = _GEOMETRY.read(raw, "")
        box = _box(geometry.bbox)
        numbers = [number for ring in _rings(geometry.segmentation) for number in ring] + (box or [])
        if any(not 1 - _UNIT <= number <= _UNIT for number in numbers):
            return False
        broken = broken or any(number != int(number) for number in numbers)
    return broken


def has_corners(raws: Iterable[Raw]) -> bool:
    """Whether bbox is x0, y0, x1, y1: the areas of all boxes without a segmentation say so."""
    sure = False
    for raw in raws:
        if not _GEOMETRY.matches(raw):
            continue
        geometry = _GEOMETRY.read(raw, "")
        box = _box(geometry.bbox)
        if box is None or not _NUMBER.matches(geometry.area) or _rings(geometry.segmentation):
            continue
        x0, y0, x1, y1 = box
        area = _NUMBER.read(geometry.area, "")
        corners, sides = (x1 - x0) * (y1 - y0), x1 * y1
        slack = 1.0 + _CORNERS_AGREE * area
        # a tool may count the last pixel too
        wider = (x1 - x0 + 1) * (y1 - y0 + 1)
        if x1 <= x0 or y1 <= y0 or min(abs(corners - area), abs(wider - area)) > slack:
            return False
        sure = sure or abs(sides - area) > slack
    return sure


def one_factor(said: Size, real: Size) -> float | None:
    """By what both sides differ, if it is one factor but for rounding; else None."""
    if not (said[0] and said[1]):
        return None
    x, y = real[0] / said[0], real[1] / said[1]
    off = abs(said[0] * y - real[0]) if y > x else abs(said[1] * x - real[1])
    return (x + y) / 2 if off <= max(1.0, x, y) + 0.005 * max(real) else None


def frames_of(
    images: Mapping[int, Seen], reach: Mapping[int, Extent], *, normalised: bool, choice: Choice
) -> dict[int, CoordinateFrame]:
    """The frame of each image, `reach` being how far the shapes of those go whose size is in question.

    What is certain for other photos of the file holds for those that could be either; without any, what the
    file says of their sizes.
    """
    rather: Choice = "stored" if choice == "turn" else "displayed"
    open_choice, choice = choice, "auto" if choice == "turn" else choice
    turned = {
        key: _frame_by_fit(seen, reach.get(key, Extent()))
        for key, seen in images.items()
        if choice == "auto" and not normalised and _is_turned(seen)
    }
    sure = {one for one in turned.values() if one} or {
        "stored" if _says_stored(images[key]) else "displayed"
        for key in turned
        if images[key].said in (images[key].real, stored_size(images[key])) and not _is_alike(images[key])
    }
    known = next(iter(sure)) if len(sure) == 1 else ""
    frames = {}
    for key, seen in images.items():
        fit = turned.get(key, "") or known
        fit = fit or ("stored" if _is_turned(seen) and _says_stored(seen) else "")
        is_open = choice == "auto" and key in reach and _is_open(seen, fit, normalised=normalised)
        if normalised:
            frames[key] = _unit(seen, rather if is_open else choice)
        elif _is_turned(seen):
            frames[key] = _turned(seen, reach.get(key, Extent()), rather if is_open else fit, choice)
        else:
            frames[key] = _scaled(seen, reach.get(key, Extent()), choice)
        if is_open and open_choice == "auto":
            frames[key] = replace(frames[key], doubt=IN_DOUBT)
    return frames


def is_in_question(seen: Seen) -> bool:
    """Whether the shapes of an image must be looked at to know their frame."""
    return _is_turned(seen) or bool(seen.said and seen.real and seen.said != seen.real)


def _is_turned(seen: Seen) -> bool:
    return seen.turn != 1 and seen.real is not None


def stored_size(seen: Seen) -> Size:
    """The size of the image before its EXIF orientation turns it; the image's real size must be known."""
    assert seen.real is not None, "asked only of images that were seen"
    width, height = seen.real
    return (height, width) if seen.turn >= LYING else (width, height)


def _is_alike(seen: Seen) -> bool:
    """Whether a turned photo has one size in both frames, so that its size says nothing."""
    return stored_size(seen) == seen.real


def _is_open(seen: Seen, fit: str, *, normalised: bool) -> bool:
    """Whether nothing decides in which frame the shapes of a photo are: fractions fit into any."""
    if not _is_turned(seen) or normalised:
        return _is_turned(seen)
    return not fit and (seen.said is None or (seen.said == seen.real and _is_alike(seen)))


def _says_stored(seen: Seen) -> bool:
    return seen.said == stored_size(seen) != seen.real


def _frame_by_fit(seen: Seen, reach: Extent) -> str:
    """What the shapes of a turned photo say themselves: "stored", "displayed", or "" where both hold them."""
    assert seen.real is not None, "asked only of images that were seen"
    stored, shown = stored_size(seen), seen.real
    if stored == shown:
        return ""
    if reach.masks and reach.masks <= {stored, shown} and len(reach.masks) == 1:
        return "stored" if stored in reach.masks else "displayed"
    in_stored, in_shown = reach.fits(stored), reach.fits(shown)
    # a file that says the displayed size is only doubted where it says the stored one
    if in_stored and not in_shown and (_says_stored(seen) or seen.said is None):
        return "stored"
    return "displayed" if in_shown and not in_stored else ""


def _turned(seen: Seen, reach: Extent, fit: str, choice: Choice) -> CoordinateFrame:
    assert seen.real is not None, "asked only of images that were seen"
    stored = stored_size(seen)
    if choice == "stored" or (choice == "auto" and fit == "stored"):
        if choice == "auto" and not reach.fits(stored):
            return CoordinateFrame(
                seen.real, refusal=_neither(stored, seen.real), real=seen.real, turn=seen.turn
            )
        sentence = (
            f"Was in the frame of the photo as stored, {stored[0]} by {stored[1]}; turned as its EXIF "
            "orientation shows it (--frame displayed leaves it)."
        )
        return CoordinateFrame(stored, turning(seen.turn, *stored), sentence, real=seen.real, turn=seen.turn)
    if choice == "auto" and _says_stored(seen) and not reach.fits(seen.real):
        return CoordinateFrame(seen.real, refusal=_neither(stored, seen.real), real=seen.real, turn=seen.turn)
    if seen.said in (None, stored, seen.real) or choice == "displayed":
        return CoordinateFrame(seen.real, real=seen.real, turn=seen.turn)
    scaled = _scaled(seen, reach, choice)
    turned = _scaled(Seen(seen.said, stored), reach, choice)
    if scaled.refusal and not turned.refusal and turned.change is not None:
        change = turning(seen.turn, *stored).after(turned.change)
        return CoordinateFrame(turned.size, change, turned.sentence, real=seen.real, turn=seen.turn)
    return CoordinateFrame(scaled.size, scaled.change, scaled.sentence, scaled.refusal, seen.real, seen.turn)


def _scaled(seen: Seen, reach: Extent, choice: Choice) -> CoordinateFrame:
    said, real = seen.said, seen.real
    if said is None or real is None or choice == "displayed" or _is_close(said, real):
        return CoordinateFrame(real or said, real=real, turn=seen.turn)
    factor = one_factor(said, real)
    fits_said = reach.fits(said) and reach.masks <= {said}
    if not fits_said and reach.fits(real) and reach.masks <= {real}:
        # the size is what is wrong: the shapes would not lie in such an image
        return CoordinateFrame(real, real=real, turn=seen.turn)
    if factor is not None and fits_said:
        sentence = (
            f"Was on a copy of {said[0]} by {said[1]}; scaled to the image's {real[0]} by {real[1]} "
            "(--frame displayed leaves it)."
        )
        return CoordinateFrame(
            said, scaling(real[0] / said[0], real[1] / said[1]), sentence, real=real, turn=seen.turn
        )
    if not (reach.masks or reach.x1 or reach.y1):
        return CoordinateFrame(real, real=real, turn=seen.turn)
    return CoordinateFrame(real, refusal=_neither(said, real), real=real, turn=seen.turn)


def _is_close(said: Size, real: Size) -> bool:
    return abs(said[0] - real[0]) <= SLACK and abs(said[1] - real[1]) <= SLACK


def _neither(said: Size, real: Size) -> str:
    return (
        f"The labels are for an image of {said[0]} by {said[1]}, but it has {real[0]} by {real[1]}, and no "
        "turning or scaling brings all of them onto it; give the image they were made on, or --frame "
        "displayed to take them as they are."
    )


def _unit(seen: Seen, choice: Choice) -> CoordinateFrame:
    size = seen.real or seen.said
    if size is None:
        return CoordinateFrame(
            None,
            refusal="Its coordinates are fractions of the image's sides, and the image's size is not known.",
        )
    change = scaling(*size)
    if choice == "stored" and _is_turned(seen):
        stored = stored_size(seen)
        change = turning(seen.turn, *stored).after(scaling(*stored))
    sentence = f"Was in fractions of the image's sides; scaled by {size[0]} and {size[1]}."
    return CoordinateFrame((1, 1), change, sentence, real=size, turn=seen.turn)


def mask_change(frame: CoordinateFrame, size: Size) -> Affine | None:
    """What takes a run-length mask of a size of its own to the displayed image.

    Raises RefusalError where nothing does.
    """
    real = frame.real or frame.size
    if frame.turn != 1 and real is not None:
        stored = stored_size(Seen(None, real, frame.turn))
        if frame.change is not None and size == frame.size:
            return frame.change
        if size == stored != real:
            return turning(frame.turn, *stored)
    if real is None or size == real:
        return None
    factor = one_factor(size, real)
    if factor is None:
        raise RefusalError(
            "segmentation",
            f"Its size {size[1]} by {size[0]} is not that of the image, {real[1]} by {real[0]}.",
        )
    return scaling(real[0] / size[0], real[1] / size[1])


def fields_as_box(fields: Fields) -> Fields:
    """The fields with a bbox of corners written as x, y, width and height."""
    box = _box(fields.get("bbox", Raw(b"null")))
    if box is None:
        return fields
    x0, y0, x1, y1 = box
    text = f"[{x0:.17g}, {y0:.17g}, {x1 - x0:.17g}, {y1 - y0:.17g}]"
    return {**fields, "bbox": Raw(text.encode())}
