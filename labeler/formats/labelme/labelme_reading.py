"""labelme files as records: single ones, lists of them, and folders of them beside photos or apart."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Raw, Struct

from labeler.errors import FormatError
from labeler.formats.gates import OBJECT, TEXT, Fields, Kind, RefusalError, packed
from labeler.formats.json_files.collecting import Collecting
from labeler.formats.json_files.json_walk import each_json, knows
from labeler.formats.json_files.picture_text import PngMasks, size_of_picture
from labeler.formats.json_text import no_collection
from labeler.formats.labelme.labelme_shapes import KEY, found_in
from labeler.formats.spec import Reading, Source

_KEYS = (b'"shapes"', b'"imagePath"', b'"imageData"', b'"shape_type"', b'"imageHeight"')
_LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
_SIZE: Kind[float] = Kind(float, "a number")
_STANDARD = frozenset({"version", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"})
_NO_FLAGS = (b"{}", b"null")
FARTHEST = 1 << 24

NO_PHOTO = "Its photo is not there; its size was taken from the picture in the file, which is not kept."
OWN_NAME = "The photo that it names is not there; the one beside it that has its own name was taken."
SAME_PHOTO = "Is about the photo of a file before; its objects are taken, its points and flags are not."
NOT_LABELME = "Is no labelme file; left out."


def sniff(path: Path) -> bool:
    """Whether a file is one of labelme, or half of the first JSON files of a folder are."""
    return knows(path, _is_one)


def _is_one(text: bytes) -> bool:
    return sum(key in text for key in _KEYS) > 1 and b'"annotations"' not in text[:1024]


class _Document(Struct, frozen=True, eq=False):
    """One labelme object of a file."""

    name: str
    """The file's path in the folder, POSIX."""
    place: str
    """As `name`, with the number in it where the file is a list."""
    fields: Fields


@no_collection()
def read(source: Source) -> Reading:
    """The records of a file or folder; raises FormatError where it is one file that is none."""
    found = Collecting()
    masks = PngMasks()
    for document in _documents(source, found):
        _take(document, source, found, masks)
    return found.reading()


def _documents(source: Source, found: Collecting) -> Iterator[_Document]:
    for name, top in each_json(source, found):
        rows = _LIST.read(top, "") if _LIST.matches(top) else [top]
        for number, raw in enumerate(rows):
            place = f"{name}[{number}]" if len(rows) > 1 else name
            fields = OBJECT.read(raw, "") if OBJECT.matches(raw) else {}
            if "shapes" in fields and _LIST.matches(fields["shapes"]):
                yield _Document(name, place, fields)
            elif not source.path.is_dir() and len(rows) == 1:
                raise FormatError(f"“{source.path}” is no labelme file: it has no list “shapes”.")
            else:
                found.note("told", NOT_LABELME, kind="file", at=place)


def _take(document: _Document, source: Source, found: Collecting, masks: PngMasks) -> None:
    """The image of a document, its objects and what is to be said of them."""
    fields = document.fields
    shapes = _LIST.read(fields["shapes"], "shapes")
    path = _photo_of(document, source, found)
    size = _size_of(document, path, source, found)
    result = found_in(shapes, size, masks)
    extra = _extra_of(fields, [shapes[place] for place in result.kept])
    if extra and found.has(path):
        found.note("told", SAME_PHOTO, kind="images", field="imagePath", at=document.place)
    image = found.image(path, size, extra=extra)
    for item in result.items:
        found.add(
            image,
            found.spelled(item.spelled) if item.spelled else found.category(item.label),
            item.shape,
            f"{document.place}:shapes[{item.places[0]}]",
            attributes=item.attributes,
            extra=item.extra,
        )
    for one in result.remarks:
        at = f"{document.place}:shapes[{one.place}]"
        found.note(one.verdict, one.sentence, field=one.field, at=at)


def _photo_of(document: _Document, source: Source, found: Collecting) -> str:
    """The photo that a file is about: where it says, else the one of its own name, else what it says.

    A name may be one of Windows, lead up, be absolute on a machine of somebody else, or be the file's own.
    """
    folder = posixpath.dirname(document.name)
    own = posixpath.splitext(document.name)[0]
    raw = document.fields.get("imagePath", Raw(b"null"))
    said = TEXT.read(raw, "imagePath").strip().replace("\\", "/") if TEXT.matches(raw) else ""
    if not said or said.lower().endswith(".json"):
        return source.find(own) or source.find(posixpath.basename(own)) or f"{own}.jpg"
    near = said if _is_absolute(said) else posixpath.normpath(posixpath.join(folder, said))
    if _is_at(source.find(near), near):
        return near
    beside = source.find(own)
    if beside is not None and _is_at(beside, own):
        found.note("told", OWN_NAME, kind="images", field="imagePath", at=document.place)
        return beside
    return near  # the gates look for it in other places, and tell of it


def _is_at(found: str | None, name: str) -> bool:
    """Whether a photo is just where a name says, its ending apart."""
    return found is not None and (found == name or posixpath.splitext(found)[0] == name)


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or path[1:2] == ":"


def _size_of(document: _Document, path: str, source: Source, found: Collecting) -> tuple[int, int]:
    """The size that a file says its image has, else that of the photo, else of the picture in the file."""
    width, height = (_number(document.fields, name) for name in ("imageWidth", "imageHeight"))
    if width and height:
        return width, height
    if size := source.size(path):
        return size
    raw = document.fields.get("imageData", Raw(b"null"))
    size = size_of_picture(TEXT.read(raw, "imageData")) if TEXT.matches(raw) else None
    if size is None:
        return 0, 0
    found.note("told", NO_PHOTO, kind="images", field="imageData", at=document.place)
    return size


def _number(fields: Fields, name: str) -> int:
    try:
        value = _SIZE.read(fields[name], name)
    except (KeyError, RefusalError):
        return 0
    return int(value) if value == int(value) and 0 < value < FARTHEST else 0


def _extra_of(fields: Fields, shapes: list[Raw]) -> bytes:
    """What of a file goes with its image: flags, other keys, and the shapes that have no area."""
    rest: dict[str, Any] = {
        name: raw
        for name, raw in fields.items()
        if name not in _STANDARD and not (name == "flags" and bytes(raw) in _NO_FLAGS)
    }
    if shapes:
        rest["shapes"] = b"[%b]" % b",".join(map(bytes, shapes))
    return packed({KEY: packed(rest)}) if rest else b""
