"""What a labels file calls an image: its file name, or the last part of an address where it has none."""

from urllib.parse import unquote, urlsplit

from labeler.formats.coco.coco_file import CocoDocument
from labeler.formats.gates import (
    OBJECT,
    TEXT,
    Fields,
    RefusalError,
    Repairs,
    text,
)

ADDRESSES = (
    "coco_url",
    "absolute_url",
    "url",
    "image_url",
    "flickr_url",
    "path",
    "filename",
    "name",
    "image",
)
"""Keys that makers write an image's address or name under, best first."""


def name_of(fields: Fields, repairs: Repairs) -> str:
    """The name of an image. Raises RefusalError where no key has one."""
    try:
        return text(fields, "file_name")
    except RefusalError as refusal:
        for key in ADDRESSES:
            if key in fields and TEXT.matches(fields[key]):
                name = last_of_address(TEXT.read(fields[key], key))
                if name:
                    repairs.append(("file_name", f"{refusal.sentence.removesuffix('.')}; taken from {key}."))
                    return name
        raise


def last_of_address(address: str) -> str:
    """The file name at the end of an address or a path."""
    if "://" in address:
        address = unquote(urlsplit(address).path)
    return address.strip().replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def file_names(document: CocoDocument) -> tuple[str, ...]:
    """The images' file names, of those that have one."""
    names = []
    for raw in document.images:
        if OBJECT.matches(raw):
            try:
                names.append(name_of(OBJECT.read(raw, ""), []))
            except RefusalError:
                continue
    return tuple(names)
