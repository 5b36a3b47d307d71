"""COCO annotations as records, without loss; `coco_writing` gives records back as COCO.

Format: https://cocodataset.org/#format-data. Nothing of a file is believed: each item is taken, repaired by
name, or refused with its index and field. Keys that no record has a field for stay, as raw JSON, in
`extra` on every level and are written back.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Raw
from msgspec.structs import replace

from labeler.core.colors import Palette, next_key
from labeler.core.companions import moved
from labeler.core.records import Annotation, Category, Image
from labeler.errors import ImportStoppedError
from labeler.formats.coco import facts
from labeler.formats.coco.coco_file import CocoDocument, open_document
from labeler.formats.coco.file_ids import FileIds, Key, is_missing, key_of, number_of, with_original
from labeler.formats.coco.frames import (
    Choice,
    CoordinateFrame,
    Seen,
    extent,
    fields_as_box,
    frames_of,
    has_corners,
    is_in_question,
    is_normalised,
)
from labeler.formats.coco.image_names import name_of
from labeler.formats.coco.placed_shapes import read_placed
from labeler.formats.coco.shapes import AREA_KEY, GEOMETRY, MaskBudget
from labeler.formats.gates import (
    BOOL,
    OBJECT,
    TEXT,
    Fields,
    RefusalError,
    Repairs,
    excerpt,
    fields_of,
    packed,
    plain_object,
    text,
    whole,
)
from labeler.formats.json_text import no_collection
from labeler.formats.label_kinds import why_no_object
from labeler.formats.report import Ledger, Report, Verdict
from labeler.formats.spec import Dataset, Places

ImageSizes: TypeAlias = Callable[[str], tuple[int, int] | None]
"""The displayed (width, height) of a file name, or None where there is no such image."""
Turns: TypeAlias = Callable[[str], int]
"""The EXIF orientation of the image of a file name, 1 where it is not known."""

LONGEST_NAME = 4096
LARGEST_SIDE = 1_000_000
_STEP = 256
"""Items between two questions whether to stop."""
UNLABELLED = "unlabelled"
"""The category of objects in a file that has no categories."""
Area: TypeAlias = Literal["shape", "file"]
"""Whose area counts where a file says another than its shape has."""

_IMAGE_KEYS = frozenset({"id", "file_name", "width", "height"})
_CATEGORY_KEYS = frozenset({"id", "name", "supercategory"})
_PLAIN_KEYS = GEOMETRY | {"id", "image_id", "category_id", "iscrowd"}
_BARE = frozenset({"segmentation", "bbox"})
_ANNOTATION_KEYS = _PLAIN_KEYS | {"attributes"}


def read_coco(
    path: Path,
    *,
    image_sizes: ImageSizes | None = None,
    turns: Turns | None = None,
    frame: Choice = "auto",
    encoding: str = "",
) -> tuple[Dataset, Report]:
    """The records of a COCO file, and what became of each item.

    With `image_sizes` the size of the image itself counts where the file says another, and coordinates are
    brought to it: see `frames`. Raises FormatError when the file is not JSON or not COCO.
    """
    document = open_document(path, encoding=encoding, frame=frame)
    return dataset_of(document, image_sizes=image_sizes, turns=turns, frame=frame)


def dataset_of(
    document: CocoDocument,
    *,
    image_sizes: ImageSizes | None = None,
    turns: Turns | None = None,
    frame: Choice = "auto",
    area: Area = "shape",
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Dataset, Report]:
    """The records of an opened COCO file; see `read_coco`. With `area` "file" its areas stay as they are.

    Raises ImportStoppedError once `should_stop` says so.
    """
    reader = _Reader(image_sizes, turns, should_stop, area, made=document.at is not None)
    reader.ledger.extend(document.notes)
    with no_collection():
        reader.each("images", document.images, reader.image)
        reader.each("categories", document.categories, reader.category)
        reader.settle(document.annotations, frame)
        reader.each("annotations", document.annotations, reader.annotation)
    reader.tell_areas()
    places = reader.places
    dataset = Dataset(
        tuple(reader.images.records),
        tuple(reader.categories.records),
        tuple(reader.annotations),
        packed(dict(document.extra)),
        Places(tuple(places["images"]), tuple(places["categories"]), tuple(places["annotations"])),
    )
    totals = {
        name: len(getattr(document, name)) + document.refused.get(name, 0)
        for name in ("images", "categories", "annotations")
    }
    return dataset, _placed(reader.ledger.report(document.name, totals), document)


def _placed(report: Report, document: CocoDocument) -> Report:
    """The report with what the document is, and the places in files of another format that it was made of."""
    report = replace(report, format=document.format)
    if document.at is None:
        return report
    count = len(document.heads)
    items = tuple(
        replace(note, at=document.at(note.index))
        if note.kind == "annotations" and note.index is not None and note.index < count and not note.at
        else note
        for note in report.items
    )
    return replace(report, items=items)


class _Reader:
    """Takes the items of one file in order, knowing those before."""

    def __init__(
        self,
        image_sizes: ImageSizes | None,
        turns: Turns | None,
        should_stop: Callable[[], bool],
        area: Area,
        *,
        made: bool = False,
    ) -> None:
        self._made = made
        self._should_stop = should_stop
        self.ledger = Ledger()
        self.images: FileIds[Image] = FileIds("image")
        self.categories: FileIds[Category] = FileIds("category")
        self.annotations: list[Annotation] = []
        self.places: dict[str, list[int | None]] = {"images": [], "categories": [], "annotations": []}
        self._image_sizes = image_sizes
        self._turns = turns
        self._seen: dict[int, Seen] = {}
        self._frames: dict[int, CoordinateFrame] = {}
        self._corners = False
        self._lacks_categories = False
        self._palette = Palette()
        self._ids: set[int] = set()
        self._budget = MaskBudget()
        self._area = area
        self._kept_areas = 0
        self._here = 0
        self.images.by_names(lambda: {image.path: place for place, image in enumerate(self.images.records)})
        self.categories.by_names(
            lambda: {category.name: place for place, category in enumerate(self.categories.records)}
        )

    def each(self, kind: str, raws: Sequence[Raw], take: Callable[[Fields, Repairs], None]) -> None:
        """Let `take` have each item, and note what it repaired or why it refused."""
        for index, raw in enumerate(raws):
            if index % _STEP == 0 and self._should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            repairs: Repairs = []
            self._here = index
            try:
                take(fields_of(raw, repairs), repairs)
            except RefusalError as refusal:
                verdict: Verdict = "skipped" if isinstance(refusal, _AgainError) else "refused"
                self.ledger.note(verdict, kind, index, refusal.field, refusal.sentence)
                continue
            for field, sentence in repairs:
                self.ledger.note("repaired", kind, index, field, sentence)

    def image(self, fields: Fields, repairs: Repairs) -> None:
        name = name_of(fields, repairs)
        if len(name) > LONGEST_NAME or "\0" in name:
            raise RefusalError(
                "file_name", f"Is no file name: longer than {LONGEST_NAME} characters, or with a NUL."
            )
        key = self._key(fields, repairs)
        before = self.images.known(key)
        if before is not None and key is not None:
            if before.path == name:
                raise _AgainError("id", f"Is the image {key} again.")
            self._contested(key, before.path, name, repairs)
            key = None
        width, height = self._size(name, fields, repairs)
        number = self.images.take_number(key)
        image, ours = facts.of_image(Image(len(self.images) + 1, name, width, height, file_id=number), fields)
        extra = _other_keys(fields, _IMAGE_KEYS | ours, key, number)
        self.images.add(key, replace(image, extra=extra))
        self.places["images"].append(self._here)

    def _key(self, fields: Fields, repairs: Repairs) -> Key | None:
        """The id of an image or a category; None where the file has none for it."""
        if is_missing(fields, "id"):
            repairs.append(("id", "Is missing, so nothing of the file can mean it; a new one will be given."))
            return None
        key = key_of(fields["id"], "id")
        if number_of(key) is None:
            sentence = "Is a text or too large a number: understood where it stands; a new one will be given."
            repairs.append(("id", sentence))
        elif isinstance(key, str) or not bytes(fields["id"]).isdigit():
            repairs.append(("id", f"Was written {excerpt(fields['id'])}, read as {number_of(key)}."))
        return key

    def _contested(self, key: Key, first: str, second: str, repairs: Repairs) -> None:
        sentence = (
            f"Two images have the id {key}, “{first}” and “{second}”: which one is meant cannot be known."
        )
        place = self.images.contest(key, sentence)
        self.images.records[place] = replace(self.images.records[place], file_id=None)
        repairs.append(("id", f"{sentence} Both get new ones, and no label of that id is taken."))

    def _size(self, name: str, fields: Fields, repairs: Repairs) -> tuple[int, int]:
        """Width and height: the image's own where it can be looked at, else what the file says, else 0."""
        real = self._image_sizes(name) if self._image_sizes else None
        said: dict[str, int] = {}
        for field in ("width", "height"):
            try:
                said[field] = whole(fields, field, repairs, least=1, most=LARGEST_SIDE)
            except RefusalError as refusal:
                if self._made and bytes(fields.get(field, b"")) == b"0":
                    continue  # another format has no sizes, which is nothing wrong
                remedy = "the image's own was taken" if real else "taken as not known"
                repairs.append((field, f"{refusal.sentence.removesuffix('.')}; {remedy}."))
        given = (said["width"], said["height"]) if len(said) == 2 else None
        turn = self._turns(name) if self._turns and real else 1
        self._seen[len(self.images) + 1] = Seen(given, real, turn)
        if real and given and real != given:
            said_size, real_size = (f"{width} by {height}" for width, height in (given, real))
            repairs.append(
                ("width", f"The file says {said_size}, the image has {real_size}, which was taken.")
            )
        return real or given or (0, 0)

    def settle(self, annotations: Sequence[Raw], choice: Choice) -> None:
        """Find out in which frame the coordinates are, before the first of them is taken."""
        self._lacks_categories = not self.categories.records
        self._corners = has_corners(annotations)
        if self._corners:
            sentence = "Every bbox is x0, y0, x1, y1, as their areas show; taken as such."
            self.ledger.note("repaired", "file", None, "bbox", sentence)
        # another format's reader that knew the sizes has made pixels of its numbers
        known = self._made and any(seen.said for seen in self._seen.values())
        normalised = not known and is_normalised(annotations)
        if normalised:
            sentence = "All coordinates are fractions from 0 to 1; scaled by the images' width and height."
            self.ledger.note("repaired", "file", None, "", sentence)
        asked = {key for key, seen in self._seen.items() if is_in_question(seen)}
        shapes: dict[int, list[Raw]] = {}
        for raw in annotations if asked else ():
            try:
                image = self.images.find(OBJECT.read(raw, ""), "image_id", [])
            except RefusalError:
                continue
            if image.id in asked:
                shapes.setdefault(image.id, []).append(raw)
        reach = {key: extent(raws) for key, raws in shapes.items()}
        self._frames = frames_of(self._seen, reach, normalised=normalised, choice=choice)
        for key, frame in self._frames.items():
            if frame.doubt:
                self.ledger.note("told", "images", self.places["images"][key - 1], "", frame.doubt)

    def category(self, fields: Fields, repairs: Repairs) -> None:
        name = text(fields, "name")
        key = self._key(fields, repairs)
        before = self.categories.known(key)
        if before is not None and key is not None:
            if before.name == name:
                raise _AgainError("id", f"Is the category {key} “{name}” again.")
            sentence = (
                f"Two categories have the id {key}, “{before.name}” and “{name}”: which one is meant cannot "
                "be known."
            )
            place = self.categories.contest(key, sentence)
            self.categories.records[place] = replace(before, file_id=None)
            repairs.append(("id", f"{sentence} Both get new ones, and no label of that id is taken."))
            key = None
        known = _CATEGORY_KEYS
        above = ""
        if "supercategory" in fields:
            raw = fields["supercategory"]
            above = TEXT.read(raw, "supercategory") if TEXT.matches(raw) else ""
            known = known if TEXT.matches(raw) else known - {"supercategory"}
        number = self.categories.take_number(key)
        looks = Category(0, name, *self._look(), supercategory=above, file_id=number)
        made, ours = facts.of_category(looks, fields)
        if self._made and not made.key:  # another format may have colours, and has no keys
            made = replace(made, key=looks.key)
        extra = _other_keys(fields, known | ours, key, number)
        self._add_category(key, replace(made, extra=extra), self._here)

    def _look(self) -> tuple[str, str]:
        """The colour and the key of the next category."""
        return self._palette.next(), next_key(category.key for category in self.categories.records[:10])

    def _add_category(self, key: Key | None, made: Category, place: int | None) -> Category:
        category = replace(made, id=len(self.categories) + 1)
        self.categories.add(key, category)
        self.places["categories"].append(place)
        return category

    def annotation(self, fields: Fields, repairs: Repairs) -> None:
        image = self.images.find(fields, "image_id", repairs)
        frame = self._frames[image.id]
        if frame.refusal:
            raise RefusalError("", frame.refusal)
        if _BARE.isdisjoint(fields) and (why := why_no_object(fields)):
            raise RefusalError("", why)
        category = self._category_of(fields, repairs)
        if self._corners:
            fields = fields_as_box(fields)
        if self._area == "file":
            fields = {**fields, AREA_KEY: Raw(b'"file"')}
        shape, change = read_placed(self._budget, fields, frame, repairs)
        if change is not None and frame.change is not None:
            repairs.append(("", frame.sentence))
        self._kept_areas += AREA_KEY.encode() in shape.origin
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
        )
        annotation, ours = facts.of_annotation(annotation, fields)
        number, extra = self._file_id(fields, repairs, known | ours)
        if change is not None and extra:
            extra, _ = moved(extra, change)
        self.annotations.append(replace(annotation, file_id=number, extra=extra))
        self.places["annotations"].append(self._here)

    def tell_areas(self) -> None:
        """Say how many objects have the file's area although their shape has another."""
        if self._kept_areas:
            objects = f"{self._kept_areas:,} object{'s keep' if self._kept_areas > 1 else ' keeps'}"
            sentence = f"{objects} the file's area, which is not that of the shape."
            self.ledger.note("told", "file", None, "area", sentence)

    def _category_of(self, fields: Fields, repairs: Repairs) -> Category:
        if not self._lacks_categories:
            return self.categories.find(fields, "category_id", repairs)
        key = None if is_missing(fields, "category_id") else key_of(fields["category_id"], "category_id")
        name = UNLABELLED if key is None else f"category {key}" if isinstance(key, int) else key
        repairs.append(("category_id", f"The file has no categories; taken into “{name}”."))
        known = self.categories.known(name)
        if known is not None:
            return known
        made = Category(0, name, *self._look(), file_id=self.categories.take_number(key))
        return self._add_category(name, made, None)

    def _file_id(self, fields: Fields, repairs: Repairs, known: frozenset[str]) -> tuple[int | None, bytes]:
        """The annotation's id in the file, None where it cannot be given back, and its other keys."""
        key: Key | None = None
        number: int | None = None
        if is_missing(fields, "id"):
            repairs.append(("id", "Is missing; a new one will be given."))
        else:
            try:
                key = key_of(fields["id"], "id")
                number = number_of(key)
                if number is None:
                    repairs.append(("id", "Is a text or too large a number: a new one will be given."))
                elif isinstance(key, str) or not bytes(fields["id"]).isdigit():
                    repairs.append(("id", f"Was written {excerpt(fields['id'])}, read as {number}."))
            except RefusalError as refusal:
                repairs.append(("id", f"{refusal.sentence.removesuffix('.')}; a new one will be given."))
        if number is not None and number in self._ids:
            sentence = f"An annotation before it has the id {number}; a new one will be given."
            repairs.append(("id", sentence))
            return None, _other_keys(fields, known, None, None)
        if number is not None:
            self._ids.add(number)
        return number, _other_keys(fields, known, key, number)


class _AgainError(RefusalError):
    """An item that is there already, so that leaving it out loses nothing."""


def _other_keys(fields: Fields, known: frozenset[str], key: Key | None, number: int | None) -> bytes:
    return packed(with_original({k: raw for k, raw in fields.items() if k not in known}, key, number))


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
