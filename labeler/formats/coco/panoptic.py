"""COCO panoptic annotations: one entry an image, its segments being colours of a PNG beside the file.

Format: https://cocodataset.org/#format-data (4). A pixel's segment is R + 256 G + 65536 B; 0 is none.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Raw

from labeler.core.label_images import split
from labeler.core.photos.images import read_pixels
from labeler.core.records import Mask
from labeler.core.rle import compress, mask_to_rle
from labeler.errors import ImageError
from labeler.formats.folder_layouts import those_there
from labeler.formats.gates import BAD_JSON, Fields, packed
from labeler.formats.image_paths import Folder
from labeler.formats.report import FieldNote

_ENTRY = msgspec.json.Decoder(dict[str, Raw])
_SEGMENTS = msgspec.json.Decoder(list[dict[str, Raw]])


def is_panoptic(annotations: Iterable[Raw]) -> bool:
    """Whether the first annotation holds the segments of a whole image."""
    return any(b'"segments_info"' in bytes(raw) for raw in list(annotations)[:1])


def unfolded(labels: Path, annotations: Iterable[Raw]) -> tuple[list[bytes], tuple[FieldNote, ...]]:
    """Each segment as an annotation with its mask; entries whose PNG is not found stay as they are."""
    folders = those_there(_folders(labels))[0]
    found: list[bytes] = []
    read = 0
    for raw in annotations:
        segments = _segments(raw, folders)
        read += segments is not None
        found += [bytes(raw)] if segments is None else segments
    sentence = f"Is a panoptic file; the masks of {read} images were read from their PNGs."
    return found, (FieldNote("repaired", "file", None, "", sentence),) if read else ()


def _folders(labels: Path) -> list[Path]:
    here = labels.resolve()
    above = here.parent.parent
    return [
        here.with_suffix(""),
        above / here.stem,
        here.parent,
        above / "panoptic",
        here.parent / "panoptic",
    ]


def _segments(raw: Raw, folders: list[Folder]) -> list[bytes] | None:
    try:
        entry = _ENTRY.decode(raw)
        name = msgspec.json.decode(entry["file_name"], type=str)
        infos = _SEGMENTS.decode(entry["segments_info"])
    except (KeyError, *BAD_JSON):
        return None
    path = next((folder.root / name for folder in folders if folder.holds(name)), None)
    if path is None:
        return None
    try:
        pixels = read_pixels(path).rgb.astype(np.int32)
    except ImageError:
        return None
    ids = pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2]
    masks = dict(split(ids))
    height, width = ids.shape
    return [_annotation(info, entry, masks, (height, width)) for info in infos]


def _annotation(info: Fields, entry: Fields, masks: Mapping[int, Mask], size: tuple[int, int]) -> bytes:
    """One segment as an annotation; without a mask where the PNG has no pixel of it, so that it is told."""
    members: dict[str, Raw | bytes] = {**info, "image_id": entry.get("image_id", Raw(b"null"))}
    try:
        mask = masks.get(msgspec.json.decode(info["id"], type=int))
    except (KeyError, *BAD_JSON):
        return packed(members)
    if mask is not None:
        height, width = size
        counts = compress(mask_to_rle(mask, size)).decode()
        members["segmentation"] = msgspec.json.encode({"size": [height, width], "counts": counts})
    else:
        # its bbox alone would be another object than the one that was drawn
        members.pop("bbox", None)
    return packed(members)
