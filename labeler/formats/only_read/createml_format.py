"""Create ML's object detection: a JSON list of images with boxes by their centre.

Format: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source. `x` and
`y` are the centre of the box in pixels, from the top left corner of the photo. There are no sizes of images.
"""

import posixpath
from pathlib import Path
from typing import Any

from msgspec import Raw

from labeler.core.records import Box
from labeler.errors import FormatError
from labeler.formats.gates import Kind, RefusalError
from labeler.formats.json_files.collecting import UNLABELLED, Collecting
from labeler.formats.json_files.json_walk import each_json, knows
from labeler.formats.json_files.plain_geometry import number_in, value_of
from labeler.formats.json_text import no_collection
from labeler.formats.spec import FormatSpec, Reading, Source

_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
_PHOTO = ("image", "imagefilename", "imageFilename", "filename", "imageURL")
_OBJECTS = ("annotations", "annotation")

NO_NAME = "Has no label; taken into “unlabelled”."
NO_FILE = "Is no list of Create ML; left out."
WHOLE = "Is a label of the whole image, without a box."


def sniff(path: Path) -> bool:
    """Whether a file is such a list, or half of the first JSON files of a folder are."""
    return knows(path, _is_one)


def _is_one(text: bytes) -> bool:
    has_image = any(f'"{name}"'.encode() in text for name in _PHOTO)
    return text[:1] == b"[" and has_image and b'"annotation' in text and b'"coordinates"' in text


@no_collection()
def read(source: Source) -> Reading:
    """The records of a list, or of all in a folder; FormatError where a single file is none."""
    found = Collecting()
    for name, top in each_json(source, found):
        if _LIST.matches(top):
            for number, raw in enumerate(_LIST.read(top, "")):
                _take(name, f"{name}[{number}]", raw, source, found)
        elif not source.path.is_dir():
            raise FormatError(f"“{source.path}” is no list of Create ML.")
        else:
            found.note("told", NO_FILE, kind="file", at=name)
    return found.reading()


def _take(name: str, at: str, raw: Raw, source: Source, found: Collecting) -> None:
    try:
        entry = value_of(raw)
    except RefusalError as refusal:
        found.note("refused", refusal.sentence, kind="images", at=at)
        return
    fields = entry if isinstance(entry, dict) else {}
    said = next((fields[key] for key in _PHOTO if isinstance(fields.get(key), str) and fields[key]), None)
    if said is None:
        found.note("refused", "Has no name of a photo.", kind="images", field="image", at=at)
        return
    photo = said if "://" in said else posixpath.join(posixpath.dirname(name), said)
    photo = source.find(photo) or photo
    image = found.image(photo, source.size(photo) or (0, 0))
    rows: Any = next((fields[key] for key in _OBJECTS if fields.get(key)), [])
    if isinstance(rows, str | dict):
        rows = [rows]
    for number, one in enumerate(rows if isinstance(rows, list) else []):
        _object(image, one, f"{at}:annotations[{number}]", found)


def _object(image: int, one: Any, at: str, found: Collecting) -> None:
    try:
        box = _box(one)
    except RefusalError as refusal:
        found.note("refused", refusal.sentence, field=refusal.field, at=at)
        return
    label = one.get("label")
    if label is None or isinstance(label, dict | list) or not str(label).strip():
        found.note("repaired", NO_NAME, field="label", at=at)
        label = UNLABELLED
    found.add(image, found.spelled(str(label)), box, at)


def _box(one: Any) -> Box:
    coordinates = one.get("coordinates") if isinstance(one, dict) else None
    if not isinstance(coordinates, dict):
        raise RefusalError("coordinates", WHOLE)
    x, y = number_in(coordinates, "x"), number_in(coordinates, "y")
    width, height = number_in(coordinates, "width"), number_in(coordinates, "height")
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


createml = FormatSpec(
    "createml",
    "Create ML",
    (".json",),
    sniff,
    read,
    folder=True,
    order=30,
    summary="a JSON list of images with boxes",
)
"""The format's entry."""
