"""What the numbers and the colours of masks mean: the tables that makers put beside them.

`labelmap.txt` (CVAT, Datumaro), `dataset_meta.json` (Datumaro), `mask_color_map.json` (X-AnyLabeling),
`class_dict.csv` (name, r, g, b), `_classes.csv` (Roboflow: pixel value, class), `label_colors.txt` (CamVid:
r g b name), and a name a line (`classes.txt`, labelme's `class_names.txt`): its first line is 0 where that is
the background, else 1.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from labeler.core.records import Category
from labeler.errors import FormatError
from labeler.formats.gates import BAD_JSON
from labeler.formats.json_text import read_bytes
from labeler.formats.masks.label_map import NAME as LABEL_MAP
from labeler.formats.masks.label_map import read_label_map
from labeler.formats.masks.palettes import VOID, Rgb3, hex_of
from labeler.formats.report import FieldNote

CLASSES = "classes.txt"
NOTHING = frozenset({"background", "_background_", "__background__", "bg", "back_ground"})
IGNORED = frozenset({"void", "__ignore__", "ignore", "_ignore_", "unlabeled", "ignored"})
_MOST = 16 << 20
"""Bytes of a table."""
SEVERAL = "“{}” stands on several lines of the table of classes, which became one category."
Row = tuple[str, int | None, Rgb3 | None]
"""A name with its number and its colour, None where the table says none."""


class ClassTable(Struct, frozen=True):
    """What a table says; names of the background and of what is to be ignored are None."""

    names: tuple[str, ...] = ()
    """The categories in the table's order."""
    numbers: Mapping[int, str | None] = {}
    colors: Mapping[Rgb3, str | None] = {}
    notes: tuple[FieldNote, ...] = ()
    """Of names that several of its lines have."""

    def categories(self) -> list[Category]:
        """The table's categories, with ids from 1 and its colours."""
        shown = {name: hex_of(color) for color, name in self.colors.items() if name is not None}
        return [Category(place, name, shown.get(name, "")) for place, name in enumerate(self.names, 1)]


def table_of(folders: Iterable[Path]) -> ClassTable | None:
    """The first table that lies in one of the folders; None where there is none."""
    for folder in folders:
        found = table_in(folder)
        if found is not None:
            return found
    return None


def table_in(folder: Path) -> ClassTable | None:
    """The table that lies in a folder; one that says nothing is passed over."""
    for names, read in _READERS:
        for name in names:
            path = folder / name
            if not path.is_file() or path.stat().st_size > _MOST:
                continue
            try:
                rows = list(read(read_bytes(path).decode("utf-8-sig", "replace")))
            except (FormatError, ValueError, TypeError, KeyError, AttributeError, *BAD_JSON):
                continue
            if rows:
                return _table(rows)
    return None


def _table(rows: Sequence[Row]) -> ClassTable:
    numbers: dict[int, str | None] = {}
    colors: dict[Rgb3, str | None] = {}
    names: dict[str, None] = {}
    several: dict[str, None] = {}
    for name, number, color in rows:
        low = name.strip().lower()
        is_nothing = low in IGNORED or (low in NOTHING and (number in (None, 0) or color == (0, 0, 0)))
        meant = None if is_nothing else name.strip()
        if meant is not None:
            if meant in names:
                several.setdefault(meant)
            names.setdefault(meant)
        if number is not None:
            numbers.setdefault(number, meant)
        if color is not None:
            colors.setdefault(color, meant)
    numbers.setdefault(0, None)
    if colors:
        colors.setdefault((0, 0, 0), None)
        colors.setdefault(VOID, None)
    notes = (
        FieldNote("repaired", "categories", None, "name", SEVERAL.format(name), name) for name in several
    )
    return ClassTable(tuple(names), numbers, colors, tuple(notes))


def _label_map_rows(text: str) -> Iterator[Row]:
    for number, (name, color) in enumerate(read_label_map(text)):
        yield name, number, color


def _line_rows(text: str) -> Iterator[Row]:
    names = [line.strip() for line in text.splitlines() if line.strip()]
    first = 0 if names and names[0].lower() in NOTHING else 1
    if len(names) > 1 and names[0].lower() == "__ignore__":  # labelme's list: -1, 0, 1, ...
        names, first = names[1:], int(names[1].lower() not in NOTHING)
    for number, name in enumerate(names, first):
        yield name, number, None


def _meta_rows(text: str) -> Iterator[Row]:
    """Datumaro's `dataset_meta.json`."""
    whole: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    listed = whole.get("label_map", {})
    if not isinstance(listed, dict):
        return
    colors = whole.get("segmentation_colors", [])
    for place, (number, name) in enumerate(listed.items()):
        color = colors[place] if place < len(colors) else None
        yield str(name), int(number), _rgb(color)


def _color_map_rows(text: str) -> Iterator[Row]:
    """X-AnyLabeling's `mask_color_map.json`: colours, or numbers of grey, by name."""
    whole: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    for name, value in whole.get("colors", whole).items():
        if isinstance(value, int):
            yield name, value, None
        elif isinstance(value, list) and len(value) == 1:
            yield name, int(value[0]), None
        elif isinstance(value, list):
            yield name, None, _rgb(value)


def _rgb(value: object) -> Rgb3 | None:
    if not isinstance(value, list) or len(value) < 3:
        return None
    r, g, b = (int(one) for one in value[:3])
    return (r, g, b) if all(0 <= one <= 255 for one in (r, g, b)) else None


def _csv_rows(text: str) -> Iterator[Row]:
    """Tables with a heading: name, r, g, b, or pixel value and class."""
    for row in csv.DictReader(text.splitlines(), skipinitialspace=True):
        fields = {(key or "").strip().lower(): (value or "").strip() for key, value in row.items()}
        name = next((fields[key] for key in ("name", "class", "label", "class_name") if fields.get(key)), "")
        number = next((fields[key] for key in ("pixel value", "value", "index", "id") if key in fields), "")
        channels = [fields.get(key) or fields.get(key[0]) or "" for key in ("red", "green", "blue")]
        color = _rgb([int(one) for one in channels]) if all(one.isdigit() for one in channels) else None
        if name and (number.isdigit() or color):
            yield name, int(number) if number.isdigit() else None, color


_COLOR_LINE = re.compile(r"^\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,:]+(\S.*?)\s*$")
_NAME_LINE = re.compile(r"^\s*(\S.*?)[\s,:]+(\d+)[\s,]+(\d+)[\s,]+(\d+)\s*$")


def _color_line_rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        if found := _COLOR_LINE.match(line):
            yield found[4], None, _rgb([int(found[n]) for n in (1, 2, 3)])
        elif found := _NAME_LINE.match(line):
            yield found[1], None, _rgb([int(found[n]) for n in (2, 3, 4)])


_READERS: tuple[tuple[tuple[str, ...], Callable[[str], Iterable[Row]]], ...] = (
    ((LABEL_MAP, "label_map.txt"), _label_map_rows),
    (("dataset_meta.json",), _meta_rows),
    (("mask_color_map.json",), _color_map_rows),
    (("_classes.csv", "class_dict.csv", "class_dict_seg.csv", "classes.csv"), _csv_rows),
    (("label_colors.txt", "colormap.txt", "color_map.txt", "colors.txt"), _color_line_rows),
    ((CLASSES, "class_names.txt", "labels.txt"), _line_rows),
)
