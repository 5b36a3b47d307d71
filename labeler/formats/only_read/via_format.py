"""The VGG Image Annotator's own files: JSON and CSV exports of versions 1 and 2, and projects of version 2.

Format: https://www.robots.ox.ac.uk/~vgg/software/via/docs/ and `via.js`. An image is a key of name and size;
its regions are a list (2) or an object by number (1). Coordinates are pixels of the photo as a browser shows
it, from its top left corner; an ellipse is turned by `theta` radians. There are no sizes of images.
"""

import csv
import io
import json
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from math import degrees
from pathlib import Path
from typing import Any

from msgspec import Raw, Struct

from labeler.core.records import Box, Part, Polygons, Shape
from labeler.errors import FormatError
from labeler.formats.cvat.turned_shapes import ellipse
from labeler.formats.gates import OBJECT, Fields, Kind, RefusalError, packed
from labeler.formats.json_files.collecting import UNLABELLED, Collecting
from labeler.formats.json_files.json_walk import each_json, knows
from labeler.formats.json_files.plain_geometry import no_area, number_in, ring_of, value_of
from labeler.formats.json_text import no_collection, read_bytes
from labeler.formats.spec import FormatSpec, Reading, Source

_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
_NAMES = ("label", "class", "name", "category", "type", "object", "species")
"""What most people call the attribute that says what a region is, the surest first."""
_HEAD = "region_shape_attributes"
_THIN = ("polyline", "line", "point")
_LONGEST_CELL = 1 << 28

NO_NAME = "Has no text or choice that names it; taken into “unlabelled”."
MORE_NAMES = "Has several choices; the first of them is its category, and all are in its attributes."


class _Region(Struct, frozen=True, eq=False):
    """A region, and where it stands."""

    photo: str
    at: str
    shape: dict[str, Any]
    said: dict[str, Any]
    """Its own attributes."""


def sniff(path: Path) -> bool:
    """Whether a file is an export or a project, or half of the first JSON files of a folder are."""
    return knows(path, _is_json) or (not path.is_dir() and _is_csv(path))


def _is_json(text: bytes) -> bool:
    is_export = b'"filename"' in text and b'"regions"' in text
    return text[:1] == b"{" and (b'"_via_img_metadata"' in text or is_export)


def _is_csv(path: Path) -> bool:
    with path.open("rb") as file:
        return _HEAD.encode() in file.readline(1 << 12)


@no_collection()
def read(source: Source) -> Reading:
    """The records of an export or a project; raises FormatError where a single file is none."""
    found = Collecting()
    if not source.path.is_dir() and _is_csv(source.path):
        regions = list(_rows(source, found))
    else:
        regions = [
            region for name, top in each_json(source, found) for region in _in_json(name, top, source, found)
        ]
    named = _naming(regions)
    for region in regions:
        try:
            shape = shape_of(region.shape)
        except RefusalError as refusal:
            found.note("refused", refusal.sentence, field=refusal.field, at=region.at)
            continue
        label, choices = _label_of(region.said.get(named))
        if not label.strip():
            found.note("repaired", NO_NAME, at=region.at)
        if choices > 1:
            found.note("told", MORE_NAMES, at=region.at)
        rest = {key: value for key, value in region.said.items() if key != named or choices > 1}
        kind = found.spelled(label) if label.strip() else found.category(UNLABELLED)
        image = found.image(region.photo)
        found.add(image, kind, shape, region.at, attributes=rest)
    return found.reading()


def _in_json(name: str, top: Raw, source: Source, found: Collecting) -> Iterator[_Region]:
    fields = OBJECT.read(top, "") if OBJECT.matches(top) else {}
    inner = fields.get("_via_img_metadata")
    if inner is not None and OBJECT.matches(inner):
        fields = OBJECT.read(inner, "")
    entries = [(key, OBJECT.read(raw, "")) for key, raw in fields.items() if OBJECT.matches(raw)]
    images = [(key, entry) for key, entry in entries if "filename" in entry and "regions" in entry]
    if not images:
        if not source.path.is_dir():
            raise FormatError(f"“{source.path}” has no images of the VGG Image Annotator.")
        found.note("told", "Is no file of the VGG Image Annotator; left out.", kind="file", at=name)
    for key, entry in images:
        at = f"{name}:{key}"
        try:
            photo = _photo(posixpath.dirname(name), value_of(entry["filename"], "filename"), source)
            regions = _regions_of(entry["regions"])
        except RefusalError as refusal:
            found.note("refused", refusal.sentence, kind="images", field=refusal.field, at=at)
            continue
        found.image(photo, source.size(photo) or (0, 0), extra=_extra_of(entry))
        for number, raw in regions:
            place = f"{at}:regions[{number}]"
            try:
                region = value_of(raw)
                shape, said = _both(region)
            except RefusalError as refusal:
                found.note("refused", refusal.sentence, at=place)
                continue
            yield _Region(photo, place, shape, said)


def _photo(folder: str, name: Any, source: Source) -> str:
    if not isinstance(name, str) or not name.strip():
        raise RefusalError("filename", "Is no name of a photo.")
    is_far = "://" in name or name.startswith("/")
    photo = name if is_far or not folder else posixpath.join(folder, name)
    return source.find(photo) or photo


def _regions_of(raw: Raw) -> list[tuple[str, Raw]]:
    if _LIST.matches(raw):
        return [(str(number), one) for number, one in enumerate(_LIST.read(raw, "regions"))]
    return list(OBJECT.read(raw, "regions").items())


def _both(region: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    fields = region if isinstance(region, dict) else {}
    shape, said = fields.get("shape_attributes"), fields.get("region_attributes", {})
    if not isinstance(shape, dict):
        raise RefusalError("shape_attributes", "Has no shape.")
    return shape, said if isinstance(said, dict) else {"label": said}


def _extra_of(entry: Fields) -> bytes:
    raw = entry.get("file_attributes", Raw(b"{}"))
    is_empty = not OBJECT.matches(raw) or not OBJECT.read(raw, "")
    return b"" if is_empty else packed({"via": packed({"file_attributes": raw})})


def _rows(source: Source, found: Collecting) -> Iterator[_Region]:
    """The regions of a CSV export: JSON texts in columns, one row a region, or one without any."""
    name = source.path.name
    data = read_bytes(source.path, encoding=source.encoding)
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline="")))
    except csv.Error as error:
        raise FormatError(f"“{source.path}” is no CSV: {error}.") from error
    finally:
        csv.field_size_limit(limit)
    for number, row in enumerate(rows, 2):
        at = f"{name}:{number}"
        try:
            photo = _photo("", row.get("#filename") or row.get("filename"), source)
        except RefusalError as refusal:
            found.note("refused", refusal.sentence, kind="images", field=refusal.field, at=at)
            continue
        found.image(photo, source.size(photo) or (0, 0))
        text = (row.get(_HEAD) or "").strip()
        if text in ("", "{}"):
            continue
        try:
            shape, said = _both(
                {
                    "shape_attributes": _cell(text),
                    "region_attributes": _cell(row.get("region_attributes") or "{}"),
                }
            )
        except RefusalError as refusal:
            found.note("refused", refusal.sentence, at=at)
            continue
        yield _Region(photo, at, shape, said)


def _cell(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusalError("", "Has a cell that is no JSON.") from error


def shape_of(fields: Mapping[str, Any]) -> Shape:
    """The shape that `shape_attributes` say; RefusalError for what has no area, or is wrong."""
    kind = str(fields.get("name", "")).lower()
    if kind in _THIN:
        raise no_area(kind)
    if "all_points_x" in fields:  # whatever a script calls it: polygone, polygons
        xs, ys = fields.get("all_points_x"), fields.get("all_points_y")
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise RefusalError("all_points_x", "Has not as many x as y.")
        return Polygons((Part(ring_of(list(zip(xs, ys, strict=True)), "all_points_x")),))
    if kind == "rect":
        x, y = number_in(fields, "x"), number_in(fields, "y")
        width, height = number_in(fields, "width"), number_in(fields, "height")
        return Box(min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height))
    if kind in ("circle", "ellipse"):
        centre = number_in(fields, "cx"), number_in(fields, "cy")
        if kind == "circle":
            radius = number_in(fields, "r")
            return ellipse(*centre, radius, radius)
        turn = number_in(fields, "theta") if "theta" in fields else 0.0
        return ellipse(*centre, number_in(fields, "rx"), number_in(fields, "ry"), degrees(turn))
    raise RefusalError("name", f"Is a “{kind}”, which is not known.")


def _naming(regions: list[_Region]) -> str:
    """The attribute that says what regions are: one of a usual name, else the one that most have."""
    said = ((key, _label_of(value)[0]) for region in regions for key, value in region.said.items())
    counts = Counter(key for key, label in said if label.strip())
    usual = {key: _NAMES.index(key.lower()) for key in counts if key.lower() in _NAMES}
    if usual:
        return min(usual, key=lambda key: (-counts[key], usual[key]))
    return max(counts, key=lambda key: counts[key], default="")


def _label_of(value: Any) -> tuple[str, int]:
    """The text of an attribute, the first choice of a list of them, and how many there are."""
    if isinstance(value, dict):
        chosen = [key for key, is_chosen in value.items() if is_chosen in (True, "true", 1)]
        return (chosen[0] if chosen else ""), len(chosen)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value), 1
    return "", 0


via = FormatSpec(
    "via",
    "VGG Image Annotator",
    (".json", ".csv"),
    sniff,
    read,
    folder=True,
    order=30,
    summary="JSON or CSV exports and projects of VIA 1 and 2",
)
"""The format's entry."""
