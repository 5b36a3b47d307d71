"""What only Labeler knows of an image, a category or an annotation, under one key of its own.

COCO has no place for it: whether an image is reviewed, a category's colour and key, who made an annotation.
Other programs leave a key alone that they do not know; our reader takes it back. Which candidate an
annotation was accepted from is not written: candidates are not part of a labels file, and a number that
means nothing where it is read would be a link to the wrong one.
"""

import re
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.records import Annotation, Category, Image, Source
from labeler.formats.gates import Fields, Kind

KEY = "labeler"
Members: TypeAlias = dict[str, Raw | bytes]
"""Keys of a JSON object with their texts."""

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_KEYS = frozenset("1234567890")

T = TypeVar("T")


class _OfImage(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    reviewed: bool = False


class _OfCategory(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    color: str = ""
    key: str = ""


class _OfAnnotation(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    source: Source = "import"


_IMAGE: Kind[_OfImage] = Kind(_OfImage, "what Labeler knows of an image")
_CATEGORY: Kind[_OfCategory] = Kind(_OfCategory, "what Labeler knows of a category")
_ANNOTATION: Kind[_OfAnnotation] = Kind(_OfAnnotation, "what Labeler knows of an annotation")


def members(record: Image | Category | Annotation) -> Members:
    """The key and its JSON text, or nothing where there is nothing to say."""
    facts: _OfImage | _OfCategory | _OfAnnotation
    if isinstance(record, Image):
        facts = _OfImage(record.reviewed)
    elif isinstance(record, Category):
        facts = _OfCategory(record.color, record.key)
    else:
        facts = _OfAnnotation(record.source)
    text = msgspec.json.encode(facts)
    return {KEY: text} if text != b"{}" else {}


def of_image(image: Image, fields: Fields) -> tuple[Image, frozenset[str]]:
    """The image with what the key says, and the key where it is ours (else it stays among the others)."""
    facts = _read(_IMAGE, fields)
    return (image, frozenset()) if facts is None else (replace(image, reviewed=facts.reviewed), _OURS)


def of_category(category: Category, fields: Fields) -> tuple[Category, frozenset[str]]:
    """The category in the colour and with the key that it had; one that is not possible is passed over."""
    facts = _read(_CATEGORY, fields)
    if facts is None:
        return category, frozenset()
    color = facts.color if _COLOR.fullmatch(facts.color) else category.color
    return replace(category, color=color, key=facts.key if facts.key in _KEYS else ""), _OURS


def of_annotation(annotation: Annotation, fields: Fields) -> tuple[Annotation, frozenset[str]]:
    """The annotation with who made it."""
    facts = _read(_ANNOTATION, fields)
    return (annotation, frozenset()) if facts is None else (replace(annotation, source=facts.source), _OURS)


_OURS = frozenset({KEY})


def _read(kind: Kind[T], fields: Fields) -> T | None:
    """What the key says; None where it is not there, or is another program's."""
    raw = fields.get(KEY)
    return kind.read(raw, KEY) if raw is not None and kind.matches(raw) else None
