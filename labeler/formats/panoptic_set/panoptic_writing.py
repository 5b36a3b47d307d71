"""COCO panoptic out: a JSON file for each part and a PNG for each image, whose colours are its segments.

Format: https://cocodataset.org/#format-data (4). A pixel's segment is R + 256 G + 65536 B; 0 is none.
Segments do not overlap: the later object is on top. A category is a thing unless its `isthing` is 0.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from PIL import Image as PillowImage

from labeler.core.colors import rgb
from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Category, Image, Mask
from labeler.errors import FormatError
from labeler.formats.coco.coco_writing import exported_ids
from labeler.formats.gates import packed, unpacked
from labeler.formats.masks.mask_writing import by_image, covered, mask_name, masks_of, painted, told
from labeler.formats.masks.palettes import colors_of
from labeler.formats.masks.semantic_writing import NO_SIZE
from labeler.formats.report import FieldNote
from labeler.formats.spec import Part, Target

_IDS = 1 << 24
_STEP = 0x051_4B7
"""From the colour of a segment to that of the next one of its category; odd, so that all are come by."""
_INFO = {"description": "Labels from Labeler"}
STUFF = "Is one of several segments of stuff on its image, which evaluations expect as one."


def photo_place(part: str, name: str) -> str:
    """Where a photo lies."""
    return f"images/{part or 'default'}/{name}"


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """The files of all parts; gives what is lost."""
    notes: list[FieldNote] = []
    for part in parts:
        if len(part.dataset.annotations) >= _IDS // 2:
            raise FormatError(
                f"{len(part.dataset.annotations):,} objects are more than there are colours for."
            )
        notes += _Writer(part, target).written()
    return notes


class _Writer:
    """Writes one part."""

    def __init__(self, part: Part, target: Target) -> None:
        self._part = part
        self._target = target
        self._name = f"panoptic_{part.name or 'default'}"
        self._folder = target.path / "annotations"
        categories = part.dataset.categories
        self._colors = dict(zip((one.id for one in categories), colors_of(categories), strict=True))
        self._category_ids = exported_ids(categories)
        self._image_ids = exported_ids(part.dataset.images)
        self._stuff = {one.id for one in categories if not _is_thing(one)}
        self._next: dict[int, int] = {}
        self._taken: set[int] = {0}
        self._kept = {
            one.file_id for one in part.dataset.annotations if one.file_id and 0 < one.file_id < _IDS
        }

    def written(self) -> list[FieldNote]:
        """Write the part's JSON and PNGs."""
        (self._folder / self._name).mkdir(parents=True)
        notes: list[FieldNote] = []
        rows: list[bytes] = []
        for image, annotations in by_image(self._part):
            at = f"{self._name}/{mask_name(image)}"
            if not image.width or not image.height:
                notes.append(FieldNote("told", "images", None, "", NO_SIZE, at=at))
                continue
            row, said = self._segments(image, annotations)
            rows.append(row)
            notes += told(said, at)
        dataset = self._part.dataset
        members = {
            "info": json.dumps(_INFO).encode(),
            "licenses": b"[]",
            "images": _listed([self._image(image) for image in dataset.images]),
            "annotations": _listed(rows),
            "categories": _listed([self._category(one) for one in dataset.categories]),
        }
        (self._folder / f"{self._name}.json").write_bytes(packed(dict(members)) + b"\n")
        return notes

    def _segments(self, image: Image, annotations: Sequence[Annotation]) -> tuple[bytes, list[str]]:
        """The entry of an image, whose PNG is written, and what is to be told of its objects."""
        masks = masks_of(annotations)
        ids = [self._id(one) for one in annotations]
        found = painted(masks, ids, (image.height, image.width))
        said = covered(masks, found)
        infos: list[bytes] = []
        stuff = Counter(one.category_id for one in annotations if one.category_id in self._stuff)
        for place, (one, seen) in enumerate(zip(annotations, found.seen, strict=True)):
            if seen.bits.any():
                infos.append(self._info(one, seen, ids[place]))
            if not said[place] and stuff[one.category_id] > 1:
                said[place] = STUFF
        # the lowest three bytes of a number are its red, green and blue
        whole = np.ascontiguousarray(found.labels.astype("<u4")).view(np.uint8)
        rgb_pixels = np.ascontiguousarray(whole.reshape(*found.labels.shape, 4)[..., :3])
        name = mask_name(image)
        PillowImage.fromarray(rgb_pixels).save(self._folder / self._name / name, compress_level=1)
        entry = {
            "image_id": msgspec.json.encode(self._image_ids[image.id]),
            "file_name": msgspec.json.encode(name),
            "segments_info": _listed(infos, line=b""),
        }
        return packed(dict(entry)), said

    def _id(self, annotation: Annotation) -> int:
        """The number that it came with, where no other has it, else one near the colour of its category."""
        number = annotation.file_id
        if number is not None and 0 < number < _IDS and number not in self._taken:
            self._taken.add(number)
            return number
        r, g, b = self._colors[annotation.category_id]
        number = self._next.get(annotation.category_id, r | g << 8 | b << 16)
        while number in self._taken or number in self._kept:
            number = (number + _STEP) % _IDS
        self._next[annotation.category_id] = number
        self._taken.add(number)
        return number

    def _info(self, annotation: Annotation, seen: Mask, number: int) -> bytes:
        box = bounds(seen)
        members: dict[str, Any] = {
            "id": number,
            "category_id": self._category_ids[annotation.category_id],
            "area": int(np.count_nonzero(seen.bits)),
            "bbox": [int(box.x0), int(box.y0), int(box.width), int(box.height)],
            "iscrowd": int(annotation.crowd),
        }
        if annotation.attributes:
            members["attributes"] = annotation.attributes
        return _over(annotation.extra, members)

    def _image(self, image: Image) -> bytes:
        name = self._target.where[image.id] if self._target.photos == "left" else image.path
        members: dict[str, Any] = {
            "id": self._image_ids[image.id],
            "file_name": name,
            "width": image.width,
            "height": image.height,
        }
        return _over(image.extra, members)

    def _category(self, category: Category) -> bytes:
        members: dict[str, Any] = {
            "id": self._category_ids[category.id],
            "name": category.name,
            "supercategory": category.supercategory,
            "isthing": int(category.id not in self._stuff),
            "color": rgb(category.color) if category.color else self._colors[category.id],
        }
        return _over(category.extra, members)


def _over(extra: bytes, members: dict[str, Any]) -> bytes:
    """A JSON object of these members, and of the others of `extra`."""
    ours = {key: msgspec.json.encode(value) for key, value in members.items()}
    return packed({**ours, **{key: raw for key, raw in unpacked(extra).items() if key not in ours}})


def _is_thing(category: Category) -> bool:
    raw = unpacked(category.extra).get("isthing")
    return raw is None or bytes(raw).strip() not in (b"0", b"false")


def _listed(items: Sequence[bytes], *, line: bytes = b"\n") -> bytes:
    return b"[" + line + (b"," + line).join(items) + b"]"
