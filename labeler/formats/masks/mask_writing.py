"""Pictures of labels out: PNGs whose numbers are categories or objects, and what painting them loses.

A pixel has one label, so where objects overlap the later one is on top.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image as PillowImage

from labeler.core.geometry import bounds
from labeler.core.label_images import paint, pieces, split, visible
from labeler.core.records import Annotation, Box, Image, Mask
from labeler.formats.masks.palettes import VOID, Rgb3
from labeler.formats.report import FieldNote
from labeler.formats.spec import Part

MOST_BYTES, MOST_SHORTS = 254, 65534
"""Labels that a picture of 8 and of 16 bits has beside the background and void."""
COVERED = "Lies wholly under objects after it, so no pixel of it is written."
PARTLY = "Lies partly under objects after it, which have those pixels."
APART = "Has pieces apart, which are read as objects of their own."
TOUCHES = "Touches another object of its category, so both are read as one."


class Painted(Struct, frozen=True, eq=False):
    """A picture of labels, (H, W) int32, and what of each mask is seen on it."""

    labels: NDArray[np.int32]
    seen: tuple[Mask, ...]


def painted(masks: Sequence[Mask], labels: Sequence[int], size: tuple[int, int]) -> Painted:
    """Masks painted one over the other on an image of `size` (height, width)."""
    ids = np.zeros(size, dtype=np.int32)
    for place, mask in enumerate(masks, 1):
        paint(ids, mask, place)
    table = np.array([0, *labels], dtype=np.int32)
    seen = tuple(visible(ids, mask, place) for place, mask in enumerate(masks, 1))
    return Painted(table[ids], seen)


def covered(masks: Sequence[Mask], found: Painted) -> list[str]:
    """For each mask what it lost to those after it, or ""."""
    said = []
    for mask, seen in zip(masks, found.seen, strict=True):
        pixels, left = int(np.count_nonzero(mask.bits)), int(np.count_nonzero(seen.bits))
        said.append("" if pixels == left else PARTLY if left else COVERED)
    return said


def merged(found: Painted) -> list[str]:
    """For each mask why it is not read as one object from a picture of categories, or ""."""
    alone: dict[int, set[tuple[int, int, bytes]]] = {}
    for label, mask in split(found.labels):
        alone[label] = {_mark(one) for one in pieces(mask)}
    said = []
    for seen in found.seen:
        if not seen.bits.any():
            said.append("")
            continue
        y, x = divmod(int(np.flatnonzero(seen.bits)[0]), seen.bits.shape[1])
        label = int(found.labels[seen.y + y, seen.x + x])
        own = pieces(seen)
        is_whole = all(_mark(one) in alone[label] for one in own)
        said.append(TOUCHES if not is_whole else APART if len(own) > 1 else "")
    return said


def _mark(mask: Mask) -> tuple[int, int, bytes]:
    return mask.x, mask.y, mask.bits.tobytes() + bytes(str(mask.bits.shape), "ascii")


def masks_of(annotations: Sequence[Annotation]) -> list[Mask]:
    """The masks of objects that were fitted to a format of masks; a box is one of its whole pixels."""
    found = []
    for one in annotations:
        if isinstance(one.shape, Mask):
            found.append(one.shape)
        else:
            box: Box = bounds(one.shape)
            x0, y0, x1, y1 = (round(edge) for edge in (box.x0, box.y0, box.x1, box.y1))
            found.append(Mask(x0, y0, np.ones((max(y1 - y0, 0), max(x1 - x0, 0)), dtype=np.bool_)))
    return found


def save(labels: "NDArray[np.int32]", path: Path, *, colors: Sequence[Rgb3] | None = None) -> None:
    """Write labels as a PNG: of 8 bits with the colours of a palette, void last, or else of 16 bits.

    The same labels make the same bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if colors is None:
        PillowImage.fromarray(labels.astype(np.uint16)).save(path, compress_level=3)
        return
    picture = PillowImage.fromarray(labels.astype(np.uint8), mode="P")
    rows = [(0, 0, 0), *colors, *[(0, 0, 0)] * (MOST_BYTES - len(colors)), VOID]
    picture.putpalette([channel for row in rows for channel in row])
    picture.save(path, compress_level=3)


def by_image(part: Part) -> Iterator[tuple[Image, list[Annotation]]]:
    """Each image of a part with its objects in their order."""
    found: dict[int, list[Annotation]] = {image.id: [] for image in part.dataset.images}
    for one in part.dataset.annotations:
        found[one.image_id].append(one)
    for image in part.dataset.images:
        yield image, found[image.id]


def mask_name(image: Image) -> str:
    """The name of an image's mask: its own, with the ending of a PNG."""
    return f"{PurePosixPath(image.path).name.rpartition('.')[0] or image.path}.png"


def told(sentences: Sequence[str], at: str) -> list[FieldNote]:
    """Notes on objects of one picture; none for an empty sentence."""
    return [FieldNote("told", "annotations", None, "", one, at=at) for one in sentences if one]
