"""SA-1B, the masks of Segment Anything: one JSON an image, with run-length masks and no categories.

Format: https://github.com/facebookresearch/segment-anything#dataset, whose masks are those of COCO.
"""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from labeler.core.records import Box, Mask, Part, Polygons, Shape
from labeler.core.rle import decompress, rle_to_mask
from labeler.errors import FormatError
from labeler.formats.coco.shapes import MASK_BUDGET
from labeler.formats.gates import OBJECT, Fields, Kind, LimitError, RefusalError, packed
from labeler.formats.json_files.collecting import UNLABELLED, Collecting
from labeler.formats.json_files.json_walk import each_json, knows
from labeler.formats.json_files.plain_geometry import number_from, ring_of, value_of
from labeler.formats.json_text import no_collection
from labeler.formats.spec import FormatSpec, Reading, Source

_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
_GEOMETRY = frozenset(
    {"id", "segmentation", "bbox", "area", "image_id", "category_id", "iscrowd", "attributes"}
)

NO_CATEGORIES = "Has masks without names; all are taken into “unlabelled”."
NO_FILE = "Is no file of SA-1B; left out."


def sniff(path: Path) -> bool:
    """Whether a file is one image with its masks, or half of the first JSON files of a folder are."""
    return knows(path, _is_one)


def _is_one(text: bytes) -> bool:
    return (
        text[:1] == b"{"
        and b'"images"' not in text
        and all(key in text for key in (b'"image"', b'"annotations"', b'"segmentation"'))
    )


class _Budget:
    """Keeps the masks of all files within what fits into memory."""

    def __init__(self) -> None:
        self.left = MASK_BUDGET


@no_collection()
def read(source: Source) -> Reading:
    """The records of a file or folder; FormatError where a single file is none."""
    found = Collecting()
    budget = _Budget()
    for name, top in each_json(source, found):
        fields = OBJECT.read(top, "") if OBJECT.matches(top) else {}
        is_one = "image" in fields and OBJECT.matches(fields["image"])
        if is_one and "annotations" in fields and _LIST.matches(fields["annotations"]):
            _take(name, fields, source, found, budget)
        elif not source.path.is_dir():
            raise FormatError(f"“{source.path}” is no file of SA-1B: it has no image with masks.")
        else:
            found.note("told", NO_FILE, kind="file", at=name)
    if len(found):
        found.note("told", NO_CATEGORIES, kind="file")
    return found.reading()


def _take(name: str, fields: Fields, source: Source, found: Collecting, budget: _Budget) -> None:
    try:
        about = value_of(fields["image"], "image")
        size = tuple(int(number_from(about.get(side), side)) for side in ("width", "height"))
    except RefusalError as refusal:
        found.note("refused", refusal.sentence, kind="images", field=refusal.field, at=name)
        return
    said = about.get("file_name")
    own = f"{name[: -len('.json')]}.jpg"
    photo = posixpath.join(posixpath.dirname(name), said) if isinstance(said, str) and said else own
    number = about.get("image_id")
    file_id = number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None
    image = found.image(source.find(photo) or photo, (size[0], size[1]), file_id=file_id)
    category = found.category(UNLABELLED)
    rows = _LIST.read(fields["annotations"], "annotations")
    for at, one, shape in found.shapes_of(rows, f"{name}:annotations", lambda one: _shape_of(one, budget)):
        found.add(image, category, shape, at, extra=_extra_of(one))


def _extra_of(one: Mapping[str, Any]) -> bytes:
    rest = {key: msgspec.json.encode(value) for key, value in one.items() if key not in _GEOMETRY}
    return packed({key: value for key, value in rest.items() if not key.startswith("labeler")})


def _shape_of(one: Mapping[str, Any], budget: _Budget) -> Shape:
    segmentation = one.get("segmentation")
    if isinstance(segmentation, dict):
        return _mask(segmentation, budget)
    if isinstance(segmentation, list) and segmentation:
        return Polygons(tuple(Part(ring_of(ring, "segmentation")) for ring in segmentation))
    bbox = one.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise RefusalError("segmentation", "Has neither a mask nor a box.")
    x, y, width, height = (number_from(value, "bbox") for value in bbox)
    return Box(x, y, x + width, y + height)


def _mask(fields: Mapping[str, Any], budget: _Budget) -> Mask:
    counts, size = fields.get("counts"), fields.get("size")
    if budget.left <= 0:
        raise LimitError("segmentation", f"The masks before it take the {MASK_BUDGET} pixels that they may.")
    try:
        runs = decompress(counts) if isinstance(counts, str) else [int(count) for count in counts or ()]
        height, width = (int(number_from(side, "size")) for side in size or ())
        mask = rle_to_mask(runs, (height, width))
    except (ValueError, TypeError, OverflowError) as error:
        raise RefusalError("segmentation", "Is no run-length mask of its size.") from error
    budget.left -= mask.bits.size
    if not mask.bits.size:
        raise RefusalError("segmentation", "The mask has no pixels.")
    return mask


segment_anything = FormatSpec(
    "sa-1b",
    "Segment Anything (SA-1B)",
    (".json",),
    sniff,
    read,
    folder=True,
    order=20,
    summary="one JSON an image with masks that have no names",
)
"""The format's entry."""
