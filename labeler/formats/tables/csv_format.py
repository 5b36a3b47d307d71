"""Boxes as a table: a row a box, as TensorFlow's and many other tutorials have it.

    filename,width,height,class,xmin,ymin,xmax,ymax
    a.jpg,640,480,cat,10,20,110.5,220

Corners are the outer edges of the box in pixels of the photo, from 0; they are read as they are, whatever the
columns are called, in any order, with commas, semicolons or tabs (see `table_text`). A row without a box, as
keras-retinanet has it, is an image without objects.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.gates import packed
from labeler.formats.json_text import no_collection
from labeler.formats.report import FieldNote, Spellings, Verdict
from labeler.formats.spec import Dataset, FormatSpec, Holds, Part, Reading, Source, Target
from labeler.formats.tables.open_images import is_open_images
from labeler.formats.tables.table_text import (
    Columns,
    Table,
    columns_of,
    corners_of,
    number_in,
    parsed_table,
    table_in,
)
from labeler.formats.yolo.label_texts import head_of

HEAD = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
NO_BOX = "Has no four numbers where its box belongs."
NO_PHOTO_NAME = "Names no photo."
NO_CLASS = "Names no class; taken into “{}”."
SWAPPED = "Has its corners the wrong way round; put right."
UNNAMED = "object"
_LARGEST_SIDE = 1_000_000
_STEP = 1024


def sniff(path: Path) -> bool:
    """Whether a file is a table whose columns, by their names or content, are those of boxes on photos."""
    if path.suffix.lower() == ".json":
        return False
    try:
        table = parsed_table(head_of(path), path)
    except FormatError:
        return False
    return columns_of(table) is not None and not is_open_images(table.head)


def read(source: Source) -> Reading:
    """The records of a table of boxes; photos without a size in it are looked at.

    Raises FormatError where it is no such table, and ImportStoppedError when stopped.
    """
    with no_collection():
        table = table_in(source.path, source.encoding)
        columns = columns_of(table)
        if columns is None:
            raise FormatError(f"“{source.path}” has no columns of boxes; name them as: {','.join(HEAD)}.")
        return _Boxes(table, columns, source).reading()


class _Boxes:
    """Takes the rows of a table in order."""

    def __init__(self, table: Table, columns: Columns, source: Source) -> None:
        self._table, self._columns, self._source = table, columns, source
        self._images: dict[str, Image] = {}
        self._categories: dict[str, Category] = {}
        self._annotations: list[Annotation] = []
        self._at: list[str] = []
        self._notes = list(table.notes)
        self._spellings = Spellings()

    def reading(self) -> Reading:
        """All of it."""
        rows = self._table.rows[1:] if self._columns.has_head else self._table.rows
        for count, (line, row) in enumerate(rows):
            if count % _STEP == 0 and self._source.should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            self._row(row, f"{self._source.path.name}:{line}")
        found = Dataset(
            tuple(self._images.values()), tuple(self._categories.values()), tuple(self._annotations)
        )
        return Reading(found, (*self._notes, *self._spellings.notes()), self._at.__getitem__)

    def _note(self, verdict: Verdict, sentence: str, at: str) -> None:
        self._notes.append(FieldNote(verdict, "annotations", None, "", sentence, at=at))

    def _row(self, row: list[str], at: str) -> None:
        columns = self._columns
        name = _field(row, columns.name)
        if not name:
            self._note("refused", NO_PHOTO_NAME, at)
            return
        image = self._image(name, row)
        fields = [_field(row, place) for place in columns.box]
        if not any(fields):
            return
        corners = corners_of(fields, columns.form, self._table.delimiter)
        if corners is None:
            self._note("refused", NO_BOX, at)
            return
        x0, y0, x1, y1 = corners
        if x1 < x0 or y1 < y0:
            self._note("repaired", SWAPPED, at)
            x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        label = self._spellings.plain(_raw_field(row, columns.category))
        if not label:
            self._note("told", NO_CLASS.format(UNNAMED), at)
        number = len(self._annotations) + 1
        box = Box(x0, y0, x1, y1)
        category = self._category(label or UNNAMED)
        self._annotations.append(
            Annotation(number, image.id, category.id, box, source="import", extra=self._score(row))
        )
        self._at.append(at)

    def _image(self, name: str, row: list[str]) -> Image:
        if name not in self._images:
            size = self._said_size(row) or self._source.size(name) or (0, 0)
            self._images[name] = Image(len(self._images) + 1, name, *size)
        return self._images[name]

    def _said_size(self, row: list[str]) -> tuple[int, int] | None:
        if self._columns.size is None:
            return None
        width, height = (
            number_in(_field(row, place), self._table.delimiter) or 0 for place in self._columns.size
        )
        is_size = 1 <= width <= _LARGEST_SIDE and 1 <= height <= _LARGEST_SIDE
        return (round(width), round(height)) if is_size else None

    def _category(self, name: str) -> Category:
        return self._categories.setdefault(name, Category(len(self._categories) + 1, name, ""))

    def _score(self, row: list[str]) -> bytes:
        score = number_in(_field(row, self._columns.score), self._table.delimiter)
        return b"" if score is None else packed({"score": msgspec.json.encode(score)})


def _field(row: list[str], place: int | None) -> str:
    return _raw_field(row, place).strip()


def _raw_field(row: list[str], place: int | None) -> str:
    return row[place] if place is not None and place < len(row) else ""


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """A table of one part, photos by the names that `target.where` has, sorted as the images are."""
    (part,) = parts
    images = {image.id: image for image in part.dataset.images}
    names = {category.id: category.name for category in part.dataset.categories}
    boxes: dict[int, list[Annotation]] = {key: [] for key in images}
    for one in part.dataset.annotations:
        boxes[one.image_id].append(one)
    with target.path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEAD)
        for key, image in images.items():
            start = (target.where[key], image.width, image.height)
            for one in boxes[key]:
                box = one.shape
                assert isinstance(box, Box), "shapes are made such as `holds` says"
                corners = map(_written, (box.x0, box.y0, box.x1, box.y1))
                table.writerow((*start, names[one.category_id], *corners))
    return ()


def _written(number: float) -> str:
    """A number as short as it can be exact."""
    return str(int(number)) if number == int(number) else repr(float(number))


csv_boxes = FormatSpec(
    "csv",
    "CSV of boxes",
    (".csv", ".tsv"),
    sniff,
    read,
    write,
    Holds(("box",), empty_images=False, spelled=str.strip),
    summary="filename,width,height,class,xmin,ymin,xmax,ymax; TensorFlow's, keras-retinanet's",
)
"""In and out."""
