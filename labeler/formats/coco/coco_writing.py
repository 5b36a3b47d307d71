"""Records as COCO annotations: the exporting half; `coco` reads."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Raw

from labeler.core.records import Annotation, Category, Image
from labeler.formats.coco import facts
from labeler.formats.coco.coco_file import encode
from labeler.formats.coco.shape_writing import Geometry, write_shape
from labeler.formats.gates import RefusalError, packed, unpacked
from labeler.formats.report import Ledger, Report
from labeler.formats.spec import Dataset
from labeler.formats.write_options import AS_THEY_ARE, Writing

Own: TypeAlias = Callable[[Image | Category | Annotation], facts.Members]

_TOP_LEVEL: facts.Members = {"info": b'{"description":"Labels from Labeler"}', "licenses": b"[]"}
"""Written where the data set has none from a file: pycocotools 2.0.9 and 2.0.10 raise KeyError without."""


def exported_ids(records: Iterable[Image | Category | Annotation]) -> dict[int, int]:
    """Each record's id in an exported file: the one it came with, else its own, else the next free one.

    Who came first (the lower id) keeps a number that two claim, and what came later changes nothing of it.
    """
    ids: dict[int, int] = {}
    taken: set[int] = set()
    highest = 0
    for record in sorted(records, key=lambda record: record.id):
        number = record.id if record.file_id is None else record.file_id
        if number in taken:
            number = highest + 1
        ids[record.id] = number
        taken.add(number)
        highest = max(highest, number)
    return ids


def write_coco(
    dataset: Dataset, *, source: str = "export", writing: Writing = AS_THEY_ARE
) -> tuple[bytes, Report]:
    """A COCO file of the records, and what could not be written, or not as it is.

    Annotations that name no image or category of the data set, or of whose shape their image shows nothing,
    are refused.
    """
    ledger = Ledger()
    images = {image.id: image for image in dataset.images}
    image_ids, category_ids = exported_ids(dataset.images), exported_ids(dataset.categories)
    ids = exported_ids(dataset.annotations)
    own: Own = facts.members if writing.facts else _nothing
    rows: list[bytes] = []
    overlaps: list[float] = []
    for index, annotation in enumerate(dataset.annotations):
        try:
            shape = _shape_of(annotation, images, category_ids, writing)
        except RefusalError as refusal:
            ledger.note("refused", "annotations", index, refusal.field, refusal.sentence)
            continue
        if writing != AS_THEY_ARE:
            for sentence in shape.told:
                ledger.note("told", "annotations", index, "segmentation", sentence)
        if shape.overlap is not None:
            overlaps.append(shape.overlap)
        head = b'{"id":%d,"image_id":%d,"category_id":%d,' % (
            ids[annotation.id],
            image_ids[annotation.image_id],
            category_ids[annotation.category_id],
        )
        tail = _annotation_tail(annotation, own(annotation))
        rows.append(head + shape.text + b',"iscrowd":%d' % annotation.crowd + tail + b"}")
    if overlaps:
        ledger.note("told", "file", None, "", _simplified(overlaps, writing.tolerance))
    data = encode(
        images=[_image_text(image, image_ids[image.id], own(image)) for image in dataset.images],
        annotations=rows,
        categories=[
            _category_text(category, category_ids[category.id], own(category))
            for category in dataset.categories
        ],
        extra=_TOP_LEVEL | unpacked(dataset.extra),
    )
    totals = {name: len(getattr(dataset, name)) for name in ("images", "categories", "annotations")}
    return data, ledger.report(source, totals, done="written")


def _shape_of(
    annotation: Annotation, images: Mapping[int, Image], categories: Container[int], writing: Writing
) -> Geometry:
    image = images.get(annotation.image_id)
    if image is None or annotation.category_id not in categories:
        raise RefusalError("image_id", "Its image or category is not part of what is written.")
    size = image.height, image.width
    return write_shape(annotation.shape, size=size, writing=writing, crowd=annotation.crowd)


def _simplified(overlaps: Sequence[float], tolerance: float) -> str:
    masks = f"{len(overlaps)} masks are" if len(overlaps) > 1 else "1 mask is"
    mean = sum(overlaps) / len(overlaps)
    return (
        f"{masks} written as polygons that stray up to {tolerance:g} pixels: their IoU with the pixels is "
        f"{mean:.3f} on average and {min(overlaps):.3f} at least."
    )


def _nothing(_: Image | Category | Annotation) -> facts.Members:
    return {}


def _annotation_tail(annotation: Annotation, ours: facts.Members) -> bytes:
    extra = annotation.extra
    if not annotation.attributes and not ours:
        return b"," + extra[1:-1] if extra else b""
    fields = ours | unpacked(extra)
    if annotation.attributes:
        fields = {"attributes": msgspec.json.encode(annotation.attributes)} | {
            key: raw for key, raw in fields.items() if key != "attributes"
        }
    return b"," + packed(fields)[1:-1]


def _image_text(image: Image, number: int, ours: facts.Members) -> bytes:
    """An image's object; a `file_name` in `extra` is the name that the labels file it came from uses."""
    members: dict[str, Raw | bytes] = {
        "id": msgspec.json.encode(number),
        "file_name": msgspec.json.encode(image.path),
        "width": msgspec.json.encode(image.width),
        "height": msgspec.json.encode(image.height),
    }
    return packed(members | ours | unpacked(image.extra))


def _category_text(category: Category, number: int, ours: facts.Members) -> bytes:
    members: dict[str, Raw | bytes] = {
        "id": msgspec.json.encode(number),
        "name": msgspec.json.encode(category.name),
    }
    extra = unpacked(category.extra)
    # a file may have had null there, which is kept; without the key rf-detr raises KeyError
    if category.supercategory or "supercategory" not in extra:
        members["supercategory"] = msgspec.json.encode(category.supercategory)
    return packed(ours | extra | members)
