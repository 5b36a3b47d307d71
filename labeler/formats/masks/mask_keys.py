"""The pixels of a mask as keys, and what each key means.

A key is a number of the picture, or for a colour `COLOR` and its red, green and blue in one number; 0 is the
background. Masks that were drawn by hand or went through a JPEG have colours between two of a table's: the
nearest counts.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from labeler.core.photos.label_pixels import LabelPixels
from labeler.formats.masks.class_tables import ClassTable
from labeler.formats.masks.palettes import VOID, Rgb3, hex_of, voc_color

Keys = NDArray[np.int32]
COLOR = 1 << 24
BYTE_VOID, SHORT_VOID = 255, 65535
OBJECT = "object"
"""The category of masks of which nothing says one."""
_FEW = 64
"""So many labels a picture without a table may have; more of them are shades."""
_SHARE = 0.01
"""Of a picture's pixels: colours without a table that fill less are shades of others."""
_CHUNK = 1 << 15
VOC_NAMES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
).split()
NEAREST = "Has pixels of colours between those of its categories; the nearest counts."
THRESHOLD = "Has shades of grey and no table of categories; what is brighter than half is the object."


class KeyedPicture(Struct, frozen=True, eq=False):
    """A mask's pixels as keys (H, W), and a sentence on what was put right, or ""."""

    keys: Keys
    repair: str = ""
    is_voc: bool = False
    """Whether its numbers have the colours of VOC's palette."""


def keyed(pixels: LabelPixels, table: ClassTable | None) -> KeyedPicture:
    """The keys of a decoded mask."""
    if pixels.index is None:
        assert pixels.rgb is not None, "one of both is there"
        return _colored(_packed(pixels.rgb), table)
    index = pixels.index
    if pixels.palette is not None:
        used = np.flatnonzero(np.bincount(index.ravel(), minlength=256))
        colors = [_color(pixels.palette[one]) for one in used.tolist()]
        if table is not None and table.colors and _are_in(used.tolist(), colors, table.colors):
            # by the palette's few colours, not by the many pixels
            few = _colored(_packed(pixels.palette[used][None]), table)
            keys = np.zeros(256, np.int32)
            keys[used] = few.keys[0]
            return replace(few, keys=keys[index])
        is_voc = all(color == voc_color(one) for one, color in zip(used.tolist(), colors, strict=True))
        return KeyedPicture(index.astype(np.int32), is_voc=is_voc)
    if table is not None and table.colors and not _has_numbers(table):
        return _colored(packed_colors(pixels), table)
    return _numbered(index, pixels.is_lossy, table)


def _has_numbers(table: ClassTable) -> bool:
    """Whether the table gives any category a number."""
    return any(name is not None for name in table.numbers.values())


def _are_in(numbers: Sequence[int], colors: Sequence[Rgb3], known: Collection[Rgb3]) -> bool:
    return all(c in known for n, c in zip(numbers, colors, strict=True) if n not in (0, BYTE_VOID))


def _color(values: "NDArray[np.uint8]") -> Rgb3:
    r, g, b = values.tolist()
    return r, g, b


def packed_colors(pixels: LabelPixels) -> Keys:
    """The colour of each pixel (H, W) as one number, red times 65536, green times 256 and blue."""
    if pixels.rgb is not None:
        return _packed(pixels.rgb)
    assert pixels.index is not None, "one of both is there"
    if pixels.palette is not None:
        keys: Keys = _packed(pixels.palette[None])[0][pixels.index]
        return keys
    return _packed(np.repeat(pixels.index.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))


def _packed(rgb: "NDArray[np.uint8]") -> Keys:
    wide = rgb.astype(np.int32)
    packed: Keys = (wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]).astype(np.int32)
    return packed


def _counted(index: "NDArray[np.integer]") -> "tuple[NDArray[np.integer], NDArray[np.integer]]":
    """The values there are, and how often."""
    if index.dtype != np.uint8:
        return np.unique(index, return_counts=True)
    counts = np.bincount(index.ravel(), minlength=256)
    values = np.flatnonzero(counts)
    return values.astype(index.dtype), counts[values]


def _numbered(index: "NDArray[np.integer]", is_lossy: bool, table: ClassTable | None) -> KeyedPicture:
    """Numbers as they are; of shades those that are meant."""
    values, counts = _counted(index)
    if table is None:
        white = counts[values == BYTE_VOID].sum() if index.dtype == np.uint8 else 0
        is_shaded = len(values) > _FEW and white * 2 >= counts[values != 0].sum()
        if is_shaded or (is_lossy and len(values) > 2):
            return KeyedPicture((index > BYTE_VOID // 2).astype(np.int32) * BYTE_VOID, THRESHOLD)
        return KeyedPicture(index.astype(np.int32))
    if is_lossy:
        known = np.array(sorted(table.numbers), dtype=np.int64)
        nearest = known[np.abs(values[:, None].astype(np.int64) - known).argmin(axis=1)]
        if (nearest != values).any():
            return KeyedPicture(nearest[np.searchsorted(values, index)].astype(np.int32), NEAREST)
    return KeyedPicture(index.astype(np.int32))


def _colored(packed: Keys, table: ClassTable | None) -> KeyedPicture:
    """Colours of a table, or of the picture where there is none, the nearest where a pixel has another."""
    values, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    if table is not None and table.colors:
        known = {r << 16 | g << 8 | b for r, g, b in table.colors}
    elif len(values) > _FEW:
        known = {0, *values[counts >= _SHARE * packed.size].tolist()}
    else:
        known = set(values.tolist())
    nearest = _nearest(values, sorted(known))
    keys = np.where(nearest == 0, 0, nearest | COLOR).astype(np.int32)
    return KeyedPicture(keys[inverse].reshape(packed.shape), NEAREST if (nearest != values).any() else "")


def _nearest(values: Keys, known: Sequence[int]) -> Keys:
    """Of each packed colour the nearest known one, by the distance of red, green and blue."""
    table = np.array(known, dtype=np.int32)
    points = _channels(table)
    found = values.copy()
    strangers = np.flatnonzero(~np.isin(values, table))
    for start in range(0, len(strangers), _CHUNK):
        some = strangers[start : start + _CHUNK]
        steps = _channels(values[some])[:, None] - points[None]
        found[some] = table[(steps * steps).sum(axis=2).argmin(axis=1)]
    return found


def _channels(packed: Keys) -> Keys:
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)


def names_of(
    keys: Iterable[int], table: ClassTable | None, *, deep: bool, is_voc: bool
) -> dict[int, str | None]:
    """What each key that occurs in a data set means; None for what belongs to nothing.

    `deep` says that its pictures have 16 bits; `is_voc` that all have VOC's palette and no table.
    """
    used = sorted(set(keys) - {0})
    numbers = [key for key in used if key < COLOR]
    found: dict[int, str | None] = {key: _color_name(key, table) for key in used if key >= COLOR}
    if table is not None and (_has_numbers(table) or not table.colors):
        void = {BYTE_VOID, SHORT_VOID}
        return found | {
            key: table.numbers.get(key, None if key in void else f"class {key}") for key in numbers
        }
    if is_voc and numbers and set(numbers) <= {*range(1, 21), BYTE_VOID}:
        return found | {key: VOC_NAMES[key - 1] if key <= 20 else None for key in numbers}
    return found | _without_table(numbers, deep=deep)


def _without_table(numbers: Sequence[int], *, deep: bool) -> dict[int, str | None]:
    """Numbers of which nothing says what they are: 0 and 1 or 0 and 255 are a mask of one thing."""
    void = SHORT_VOID if deep else BYTE_VOID
    inner = [key for key in numbers if key != void]
    if not inner:
        return dict.fromkeys(numbers, OBJECT)
    if inner == [1]:
        return {1: OBJECT, void: None}
    return {key: f"class {key}" for key in inner} | {void: None}


def _color_name(key: int, table: ClassTable | None) -> str | None:
    color = (key >> 16 & 255, key >> 8 & 255, key & 255)
    if table is not None and color in table.colors:
        return table.colors[color]
    return None if color == VOID else hex_of(color)
