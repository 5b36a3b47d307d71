"""COCO as a format like the others, for the table of formats and for data sets with their photos.

One COCO file goes another way, `exchange` and `export`: it is what everything is checked as, and what nobody
touched in it is given back letter by letter.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from labeler.core.records import Image
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.door import COCO
from labeler.formats.gates import packed, unpacked
from labeler.formats.report import FieldNote
from labeler.formats.spec import FormatSpec, Holds, Part, Reading, Source, Target

_HEAD = 1 << 16


def sniff(path: Path) -> bool:
    """Whether a file starts as a COCO file does; `open_document` looks at all of it."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head.lstrip()[:1] == b"{" and any(key in head for key in (b'"images"', b'"annotations"'))


def read(source: Source) -> Reading:
    """The records of a COCO file."""
    document = open_document(source.path, encoding=source.encoding, format_id=COCO)
    dataset, report = dataset_of(document, should_stop=source.should_stop)
    return Reading(dataset, report.items)


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """One COCO file whose images are named by where their photos are; gives what is to be known of it."""
    (part,) = parts
    images = tuple(_named(image, target.where[image.id]) for image in part.dataset.images)
    data, report = write_coco(replace(part.dataset, images=images), writing=target.writing)
    target.path.write_bytes(data)
    return report.items


def _named(image: Image, name: str) -> Image:
    """The image under the name that it has in the data set, whatever the file that it came from calls it."""
    extra = unpacked(image.extra)
    if "file_name" not in extra:
        return replace(image, path=name)
    return replace(image, path=name, extra=packed({**extra, "file_name": json.dumps(name).encode()}))


coco = FormatSpec(
    COCO,
    "COCO JSON",
    (".json",),
    sniff,
    read,
    write,
    Holds(
        ("box", "polygons", "mask"),
        holes=True,
        parts=True,
        crowds=True,
        attributes=True,
        extra=True,
        reviewed=True,
        skeleton=lambda _: True,
    ),
    inside=lambda part: f"annotations/instances_{part or 'default'}.json",
    summary="boxes, outlines, masks, attributes; what most programs read",
)
"""The format's entry."""
