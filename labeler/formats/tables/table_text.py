"""Tables as texts: comma-separated values with whatever makes the columns, and what their columns are."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from labeler.core.photos.photo_files import SUFFIXES
from labeler.errors import FormatError
from labeler.formats.json_text import read_text
from labeler.formats.report import FieldNote

BoxForm: TypeAlias = Literal["corners", "size", "centre", "list"]

_DELIMITERS = ",;\t|"
_NAME = (
    "filename file filepath imagefilename imagename imagepath imgpath imgname fname image img path imageid "
    "photo"
).split()
_CATEGORY = (
    "class classname label labelname category categoryname object objectclass name classes labels type "
    "classid categoryid labelid"
).split()
_CORNERS = (
    ("xmin ymin xmax ymax"),
    ("x1 y1 x2 y2"),
    ("x0 y0 x1 y1"),
    ("left top right bottom"),
    ("xtl ytl xbr ybr"),
    ("minx miny maxx maxy"),
    ("bboxxmin bboxymin bboxxmax bboxymax"),
    ("bboxx1 bboxy1 bboxx2 bboxy2"),
)
_SIZES = (
    ("x y w h"),
    ("x y boxwidth boxheight"),
    ("x y bboxwidth bboxheight"),
    ("bboxx bboxy bboxwidth bboxheight"),
    ("bboxx bboxy bboxw bboxh"),
    ("left top boxwidth boxheight"),
    ("xmin ymin w h"),
    ("xmin ymin boxwidth boxheight"),
    ("x y width height"),
    ("left top width height"),
    ("xmin ymin width height"),
)
_CENTRES = (("xcenter ycenter width height"), ("xcenter ycenter w h"), ("cx cy w h"), ("cx cy width height"))
_IMAGE_SIZES = (
    ("imagewidth imageheight"),
    ("imgwidth imgheight"),
    ("imwidth imheight"),
    ("imgw imgh"),
    ("width height"),
    ("w h"),
)
_SCORE = ("confidence", "score", "conf", "probability")
_PLAIN = re.compile(r"[^a-z0-9]")


class Table(Struct, frozen=True):
    """The rows of a table, each with the number of its line from 1."""

    head: tuple[str, ...]
    """The first row."""
    rows: tuple[tuple[int, list[str]], ...]
    """All rows, the first among them; empty ones left out."""
    notes: tuple[FieldNote, ...]
    delimiter: str


class Columns(Struct, frozen=True):
    """Where in a row what stands; None where it is not there."""

    name: int
    box: tuple[int, ...]
    """Four places, or one of a list of four numbers."""
    form: BoxForm
    category: int | None = None
    size: tuple[int, int] | None = None
    """Width and height of the photo."""
    score: int | None = None
    has_head: bool = True


def table_in(path: Path, encoding: str = "") -> Table:
    """The table of a file. Raises FormatError, one sentence, where it is none."""
    text, notes = read_text(path, encoding=encoding)
    return parsed_table(text, path, notes)


def parsed_table(text: str, path: Path, notes: tuple[FieldNote, ...] = ()) -> Table:
    """The table of a text; see `table_in`."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    if not first.count(delimiter):
        raise FormatError(f"“{path}” is no table: its first line has no columns.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if any(field and not field.isspace() for field in row):
                rows.append((reader.line_num, row))
    except csv.Error as error:
        raise FormatError(f"“{path}” is no table from line {reader.line_num} on: {error}.") from error
    return Table(tuple(rows[0][1]), tuple(rows), notes, delimiter)


def plain(name: str) -> str:
    """A column's name without what people write differently."""
    return _PLAIN.sub("", name.lower())


def columns_of(table: Table) -> Columns | None:
    """The columns of a table of boxes, by its head or, where there is none, by the first row; else None."""
    places: dict[str, int] = {}
    for place, name in enumerate(table.head):
        places.setdefault(plain(name), place)
    return _named(places) or _headless(table)


def _named(places: Mapping[str, int]) -> Columns | None:
    name = _first(_NAME, places)
    if name is None:
        return None
    box, form = _box(places)
    if not box:
        return None
    taken = {name, *box}
    size = next(
        (found for names in _IMAGE_SIZES if (found := _all(names, places)) and not taken & {*found}), None
    )
    category = _first(_CATEGORY, {key: place for key, place in places.items() if place not in taken})
    score = _first(_SCORE, places)
    return Columns(name, box, form, category, (size[0], size[1]) if size else None, score)


def _box(places: Mapping[str, int]) -> tuple[tuple[int, ...], BoxForm]:
    ways: tuple[tuple[BoxForm, tuple[str, ...]], ...] = (
        ("corners", _CORNERS),
        ("size", _SIZES),
        ("centre", _CENTRES),
    )
    for form, known in ways:
        for names in known:
            if found := _all(names, places):
                return found, form
    if "bbox" in places:
        return (places["bbox"],), "list"
    return (), "corners"


def _first(names: Sequence[str], places: Mapping[str, int]) -> int | None:
    return next((places[name] for name in names if name in places), None)


def _all(names: str, places: Mapping[str, int]) -> tuple[int, ...] | None:
    found = [places.get(name) for name in names.split()]
    whole = tuple(place for place in found if place is not None)
    return whole if len(whole) == len(found) else None


def _headless(table: Table) -> Columns | None:
    """Tables without a head that many programs write.

    keras-retinanet: path, x1, y1, x2, y2, class, where all but the path may be empty. makesense.ai: label,
    x, y, width, height, file, width and height of the photo. TensorFlow's: file, width, height, class and
    four corners.
    """
    row = next((row for _, row in table.rows if all(row)), table.head)
    numbers = [number_in(field, table.delimiter) is not None for field in row]
    shown = "".join("n" if is_number else "t" for is_number in numbers)
    if len(row) == 6 and shown[:5] == "tnnnn" and is_photo(row[0]):
        return Columns(0, (1, 2, 3, 4), "corners", 5, has_head=False)
    if len(row) == 8 and shown[1:5] == "nnnn" and shown[6:] == "nn" and is_photo(row[5]):
        return Columns(5, (1, 2, 3, 4), "size", 0, (6, 7), has_head=False)
    if len(row) == 8 and shown[:3] == "tnn" and shown[4:] == "nnnn" and is_photo(row[0]):
        return Columns(0, (4, 5, 6, 7), "corners", 3, (1, 2), has_head=False)
    return None


def is_photo(name: str) -> bool:
    """Whether a text is the name of a photo, by its ending."""
    return f".{name.rpartition('.')[2].lower().strip()}" in SUFFIXES


def number_in(field: str, delimiter: str = ",") -> float | None:
    """The finite number of a field, with a comma for the point where that makes no columns; else None."""
    text = field.strip()
    if delimiter != "," and "," in text:
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def corners_of(fields: Sequence[str], form: BoxForm, delimiter: str) -> tuple[float, ...] | None:
    """x0, y0, x1, y1 of the fields of a box; None where they are no four numbers."""
    if form == "list":
        fields = re.split(r"[\s,;]+", fields[0].strip("[](){} \t"))
    numbers = [number_in(field, delimiter) for field in fields]
    a, b, c, d = numbers if len(numbers) == 4 else (None,) * 4
    if a is None or b is None or c is None or d is None:
        return None
    if form == "corners":
        return a, b, c, d
    if form == "centre":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return a, b, a + c, b + d
