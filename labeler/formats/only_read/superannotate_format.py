"""SuperAnnotate's own JSON, as it is now and as it was.

Format: https://doc.superannotate.com/docs/image-json. Now a file an image (`a.jpg.json` or
`a.jpg___objects.json`) with `metadata` and `instances`; before that a bare list of instances, and earlier
one object of all images. Points are pixels from the top left corner, an ellipse is turned by `angle` degrees.
Categories are `className`, or of `classId` by `classes.json`. The masks of pixel projects are in a PNG beside
it: see `superannotate_pixels`.
"""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from labeler.core.records import Box, Shape
from labeler.errors import FormatError
from labeler.formats.cvat.turned_shapes import ellipse
from labeler.formats.gates import OBJECT, Kind, RefusalError, packed
from labeler.formats.image_paths import clean
from labeler.formats.json_files.collecting import UNLABELLED, Collecting
from labeler.formats.json_files.json_walk import each_json, knows
from labeler.formats.json_files.plain_geometry import (
    no_area,
    number_in,
    object_in,
    ring_of,
    value_of,
    with_holes,
)
from labeler.formats.json_text import no_collection
from labeler.formats.only_read.superannotate_pixels import PixelMasks
from labeler.formats.spec import FormatSpec, Reading, Source

_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
_ENDINGS = ("___objects.json", "___pixel.json", ".json")
_TYPES = (b'"polygon"', b'"bbox"', b'"ellipse"', b'"rbbox"', b'"cuboid"', b'"template"', b'"polyline"')
_KEPT = ("groupId", "probability", "trackingId", "locked", "error", "pointLabels")

NO_FILE = "Is no file of SuperAnnotate; left out."


class _Document(Struct, frozen=True, eq=False):
    """The instances of one image."""

    photo: str
    at: str
    instances: list[Raw]
    picture: str
    """The PNG that has the pixels of its masks."""
    about: dict[str, Any] = {}


def sniff(path: Path) -> bool:
    """Whether a file has instances, or half of the first JSON files of a folder have."""
    return knows(path, _is_one)


def _is_one(text: bytes) -> bool:
    is_now = b'"instances"' in text and (b'"metadata"' in text or b'"classId"' in text)
    has_type = b'"type"' in text and any(one in text for one in _TYPES)
    return b'"images"' not in text and (is_now or (b'"classId"' in text and has_type))


@no_collection()
def read(source: Source) -> Reading:
    """The records of a file or folder; FormatError where a single file is none."""
    found = Collecting()
    texts = dict(each_json(source, found))
    names = _class_names(texts)
    for name, top in texts.items():
        if posixpath.basename(name) in ("classes.json", "config.json", "attributes.json"):
            continue
        documents = list(_documents(name, top))
        if not documents:
            if not source.path.is_dir():
                raise FormatError(f"“{source.path}” is no file of SuperAnnotate: it has no instances.")
            found.note("told", NO_FILE, kind="file", at=name)
        for document in documents:
            _take(document, source, found, names)
    return found.reading()


def _class_names(texts: Mapping[str, Raw]) -> dict[Any, str]:
    """The names of classes by their ids, of the `classes.json` that is there."""
    for name, top in texts.items():
        if posixpath.basename(name) == "classes.json":
            try:
                rows = value_of(top)
            except RefusalError:
                continue
            return {
                row["id"]: row["name"]
                for row in (rows if isinstance(rows, list) else [])
                if isinstance(row, dict)
                and isinstance(row.get("name"), str)
                and isinstance(row.get("id"), int)
            }
    return {}


def _documents(name: str, top: Raw) -> Iterator[_Document]:
    folder, file = posixpath.split(name)
    own = next(file[: -len(ending)] for ending in _ENDINGS if file.endswith(ending))
    picture = posixpath.join(folder, f"{own}___save.png")
    if _LIST.matches(top):
        yield _Document(posixpath.join(folder, own), name, _LIST.read(top, ""), picture)
        return
    fields = OBJECT.read(top, "") if OBJECT.matches(top) else {}
    if "instances" in fields and _LIST.matches(fields["instances"]):
        about = _about(fields.get("metadata"))
        said = about.get("name")
        photo = posixpath.join(folder, said if isinstance(said, str) and said else own)
        yield _Document(photo, name, _LIST.read(fields["instances"], ""), picture, about)
        return
    for key, raw in fields.items():
        if key == "___objects___" or not (_LIST.matches(raw) or OBJECT.matches(raw)):
            continue
        inner = OBJECT.read(raw, "") if OBJECT.matches(raw) else {"instances": raw}
        if "instances" in inner and _LIST.matches(inner["instances"]):
            about = _about(inner.get("metadata"))
            rows = _LIST.read(inner["instances"], "")
            picture = posixpath.join(folder, f"{key}___save.png")
            yield _Document(posixpath.join(folder, key), f"{name}:{key}", rows, picture, about)


def _about(raw: Raw | None) -> dict[str, Any]:
    try:
        value = None if raw is None else value_of(raw)
    except RefusalError:
        value = None
    return value if isinstance(value, dict) else {}


def _take(document: _Document, source: Source, found: Collecting, names: Mapping[Any, str]) -> None:
    rows: list[tuple[str, dict[str, Any]]] = []
    about = document.about
    for number, raw in enumerate(document.instances):
        at = f"{document.at}:instances[{number}]"
        try:
            one = object_in(raw)
        except RefusalError as refusal:
            found.note("refused", refusal.sentence, at=at)
            continue
        if one.get("type") == "meta":
            about = about or one
        else:
            rows.append((at, one))
    photo = source.find(document.photo) or document.photo
    size = _size_of(about) or source.size(photo) or (0, 0)
    image = found.image(photo, size)
    root = source.path if source.path.is_dir() else source.path.parent
    # names are a stranger's: one that leads out of the folder is that of no picture
    pixels = PixelMasks(root / clean(document.picture), size)
    for at, one in rows:
        try:
            shape = pixels.mask(one.get("parts")) if _is_of_pixels(one) else shape_in(one)
        except RefusalError as refusal:
            found.note("refused", refusal.sentence, field=refusal.field, at=at)
            continue
        label = one.get("className") or names.get(one.get("classId"))
        if not isinstance(label, str) or not label.strip():
            known = one.get("classId")
            label = UNLABELLED if known in (None, -1) or not isinstance(known, int) else f"class {known}"
            found.note(
                "repaired", f"Has no name of its class; taken into “{label}”.", field="className", at=at
            )
        kept = {key: one[key] for key in _KEPT if one.get(key)}
        extra = packed({"superannotate": msgspec.json.encode(kept)}) if kept else b""
        found.add(image, found.spelled(label), shape, at, attributes=_attributes(one), extra=extra)


def _size_of(about: Mapping[str, Any]) -> tuple[int, int] | None:
    try:
        width, height = (int(number_in(about, side)) for side in ("width", "height"))
    except RefusalError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _attributes(one: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes by the names of their groups; several of one group are a list."""
    groups: dict[str, list[Any]] = {}
    rows = one.get("attributes")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("name"), str):
            group = row.get("groupName")
            if isinstance(group, str):
                groups.setdefault(group, []).append(row["name"])
            else:
                groups[row["name"]] = [True]
    return {group: names[0] if len(names) == 1 else names for group, names in groups.items()}


def _is_of_pixels(one: Mapping[str, Any]) -> bool:
    return "parts" in one or str(one.get("type", "")).lower() == "mask"


def shape_in(one: Mapping[str, Any]) -> Shape:
    """The shape of an instance that is no mask; RefusalError for what has no area, or is wrong."""
    kind = str(one.get("type", "")).lower()
    points = one.get("points")
    if kind == "bbox" and isinstance(points, dict):
        xs, ys = ([number_in(points, f"{axis}{n}") for n in (1, 2)] for axis in "xy")
        return Box(min(xs), min(ys), max(xs), max(ys))
    if kind == "polygon":
        holes = one.get("exclude")
        return with_holes(points, holes if isinstance(holes, list) else [], "points")
    if kind == "rbbox" and isinstance(points, dict):
        corners = [(number_in(points, f"x{n}"), number_in(points, f"y{n}")) for n in (1, 2, 3, 4)]
        return with_holes(ring_of(corners, "points"), [], "points")
    if kind == "ellipse":
        centre = number_in(one, "cx"), number_in(one, "cy")
        turn = number_in(one, "angle") if "angle" in one else 0.0
        return ellipse(*centre, number_in(one, "rx"), number_in(one, "ry"), turn)
    raise no_area(kind or "shape without a type")


superannotate = FormatSpec(
    "superannotate",
    "SuperAnnotate",
    (".json",),
    sniff,
    read,
    folder=True,
    order=30,
    summary="its JSON, new and old: polygons, boxes, ellipses, masks of pixels",
)
"""The format's entry."""
