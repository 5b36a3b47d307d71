"""COCO annotations as records, and records as COCO, without loss.

Format: https://cocodataset.org/#format-data. Nothing of a file is believed: each item is taken, repaired by
name, or refused with its index and field. Keys that no record has a field for stay, as raw JSON, in
`extra` on every level and are written back.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.colors import next_color, next_key
from labeler.core.records import Annotation, Category, Image
from labeler.formats import facts
from labeler.formats.coco_file import Document, open_document
from labeler.formats.gates import (
    BOOL,
    TEXT,
    Fields,
    Kind,
    RefusalError,
    Repairs,
    fields_of,
    leftover,
    packed,
    plain_object,
    text,
    whole,
)
from labeler.formats.json_text import no_collection
from labeler.formats.report import Ledger, Report
from labeler.formats.shapes import GEOMETRY, MaskBudget

R = TypeVar("R")
ImageSizes: TypeAlias = Callable[[str], tuple[int, int] | None]
"""The displayed (width, height) of a file name, or None where there is no such image."""

LONGEST_NAME = 4096
LARGEST_SIDE = 1_000_000

_IMAGE_KEYS = frozenset({"id", "file_name", "width", "height"})
_CATEGORY_KEYS = frozenset({"id", "name", "supercategory"})
_PLAIN_KEYS = GEOMETRY | {"id", "image_id", "category_id", "iscrowd"}
_ANNOTATION_KEYS = _PLAIN_KEYS | {"attributes"}


class Dataset(Struct, frozen=True):
    """What a labels file holds, with ids of our own (from 1) and the file's in `file_id`.

    `Image.path` is the file's name for it, which nobody has checked: resolve it with `image_paths`.
    """

    images: tuple[Image, ...]
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]
    extra: bytes = b""
    """A JSON object of the other top-level keys: info, licenses and unknown ones."""


def read_coco(path: Path, *, image_sizes: ImageSizes | None = None) -> tuple[Dataset, Report]:
    """The records of a COCO file, and what became of each item.

    With `image_sizes` the size of the image itself counts where the file says another. Raises FormatError
    when the file is not JSON or not COCO.
    """
    return dataset_of(open_document(path), image_sizes=image_sizes)


def dataset_of(document: Document, *, image_sizes: ImageSizes | None = None) -> tuple[Dataset, Report]:
    """The records of an opened COCO file; see `read_coco`."""
    reader = _Reader(image_sizes)
    reader.ledger.extend(document.notes)
    with no_collection():
        reader.each("images", document.images, reader.image)
        reader.each("categories", document.categories, reader.category)
        reader.each("annotations", document.annotations, reader.annotation)
    dataset = Dataset(
        tuple(reader.images.values()),
        tuple(reader.categories.values()),
        tuple(reader.annotations),
        packed(dict(document.extra)),
    )
    totals = {name: len(getattr(document, name)) for name in ("images", "categories", "annotations")}
    return dataset, reader.ledger.report(document.name, totals)


class _Name(Struct, frozen=True):
    file_name: str = ""


_NAME: Kind[_Name] = Kind(_Name, "an object with a file name")


def file_names(document: Document) -> tuple[str, ...]:
    """The images' file names, of those that have one."""
    names = (_NAME.read(raw, "").file_name for raw in document.images if _NAME.matches(raw))
    return tuple(name for name in names if name)


class _Reader:
    """Takes the items of one file in order, knowing those before."""

    def __init__(self, image_sizes: ImageSizes | None) -> None:
        self.ledger = Ledger()
        self.images: dict[int, Image] = {}
        self.categories: dict[int, Category] = {}
        self.annotations: list[Annotation] = []
        self._image_sizes = image_sizes
        self._ids: set[int] = set()
        self._budget = MaskBudget()

    def each(self, kind: str, raws: Sequence[Raw], take: Callable[[Fields, Repairs], None]) -> None:
        """Let `take` have each item, and note what it repaired or why it refused."""
        for index, raw in enumerate(raws):
            repairs: Repairs = []
            try:
                take(fields_of(raw, repairs), repairs)
            except RefusalError as refusal:
                self.ledger.note("refused", kind, index, refusal.field, refusal.sentence)
                continue
            for field, sentence in repairs:
                self.ledger.note("repaired", kind, index, field, sentence)

    def image(self, fields: Fields, repairs: Repairs) -> None:
        file_id = whole(fields, "id", repairs)
        if file_id in self.images:
            raise RefusalError("id", f"An image before it has the id {file_id}.")
        name = text(fields, "file_name")
        if len(name) > LONGEST_NAME or "\0" in name:
            raise RefusalError(
                "file_name", f"Is no file name: longer than {LONGEST_NAME} characters, or with a NUL."
            )
        width, height = self._size(name, fields, repairs)
        image = Image(id=len(self.images) + 1, path=name, width=width, height=height, file_id=file_id)
        image, ours = facts.of_image(image, fields)
        self.images[file_id] = replace(image, extra=leftover(fields, _IMAGE_KEYS | ours))

    def _size(self, name: str, fields: Fields, repairs: Repairs) -> tuple[int, int]:
        """Width and height: the image's own where it can be looked at, else what the file says, else 0."""
        real = self._image_sizes(name) if self._image_sizes else None
        said: dict[str, int] = {}
        for field in ("width", "height"):
            try:
                said[field] = whole(fields, field, repairs, least=1, most=LARGEST_SIDE)
            except RefusalError as refusal:
                remedy = "the image's own was taken" if real else "taken as not known"
                repairs.append((field, f"{refusal.sentence.removesuffix('.')}; {remedy}."))
        given = (said["width"], said["height"]) if len(said) == 2 else None
        if real and given and real != given:
            said_size, real_size = (f"{width} by {height}" for width, height in (given, real))
            repairs.append(
                ("width", f"The file says {said_size}, the image has {real_size}, which was taken.")
            )
        return real or given or (0, 0)

    def category(self, fields: Fields, repairs: Repairs) -> None:
        file_id = whole(fields, "id", repairs)
        if file_id in self.categories:
            raise RefusalError("id", f"A category before it has the id {file_id}.")
        name = text(fields, "name")
        known = _CATEGORY_KEYS
        above = ""
        if "supercategory" in fields:
            raw = fields["supercategory"]
            above = TEXT.read(raw, "supercategory") if TEXT.matches(raw) else ""
            known = known if TEXT.matches(raw) else known - {"supercategory"}
        category = Category(
            id=len(self.categories) + 1,
            name=name,
            color=next_color(category.color for category in self.categories.values()),
            key=next_key(category.key for category in self.categories.values()),
            supercategory=above,
            file_id=file_id,
        )
        category, ours = facts.of_category(category, fields)
        self.categories[file_id] = replace(category, extra=leftover(fields, known | ours))

    def annotation(self, fields: Fields, repairs: Repairs) -> None:
        image = known_record("image_id", self.images, fields, repairs)
        category = known_record("category_id", self.categories, fields, repairs)
        size = (image.height, image.width) if image.width else None
        shape = self._budget.read_shape(fields, size=size, repairs=repairs)
        attributes, known = {}, _PLAIN_KEYS
        if "attributes" in fields:
            attributes = plain_object(fields["attributes"]) or {}
            known = _ANNOTATION_KEYS if attributes else known
        annotation = Annotation(
            id=len(self.annotations) + 1,
            image_id=image.id,
            category_id=category.id,
            shape=shape,
            source="import",
            crowd=_crowd(fields, repairs),
            attributes=attributes,
            file_id=self._file_id(fields, repairs),
        )
        annotation, ours = facts.of_annotation(annotation, fields)
        self.annotations.append(replace(annotation, extra=leftover(fields, known | ours)))

    def _file_id(self, fields: Fields, repairs: Repairs) -> int | None:
        """The annotation's id in the file, None where it cannot be given back."""
        if "id" not in fields:
            repairs.append(("id", "Is missing; a new one will be given."))
            return None
        file_id = whole(fields, "id", repairs)
        if file_id in self._ids:
            repairs.append(("id", f"An annotation before it has the id {file_id}; a new one will be given."))
            return None
        self._ids.add(file_id)
        return file_id


def known_record(field: str, records: Mapping[int, R], fields: Fields, repairs: Repairs) -> R:
    """The image or category that a field names by its id in the file; RefusalError when there is none."""
    number = whole(fields, field, repairs)
    if number not in records:
        raise RefusalError(field, f"There is no {field.removesuffix('_id')} with the id {number}.")
    return records[number]


def _crowd(fields: Fields, repairs: Repairs) -> bool:
    raw = fields.get("iscrowd")
    if raw is None:
        return False
    try:
        return bool(whole(fields, "iscrowd", repairs, most=1))
    except RefusalError:
        if not BOOL.matches(raw):
            raise
        crowd = BOOL.read(raw, "iscrowd")
        repairs.append(("iscrowd", f"Was {str(crowd).lower()}, read as {int(crowd)}."))
        return crowd
