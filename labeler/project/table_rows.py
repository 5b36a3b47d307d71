"""Records as rows of the project's tables, and back."""

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from msgspec.structs import astuple

from labeler.core.records import Annotation, Candidate, Category, Change, Image, Record
from labeler.project import shape_bytes

Row: TypeAlias = tuple[Any, ...]

_EMPTY = "{}"


class Table:
    """How records of one kind become rows of one table."""

    def __init__(
        self,
        name: str,
        columns: str,
        *,
        to_row: Callable[[Any], Row],
        from_row: Callable[[Sequence[Any]], Record],
        facts: str = "",
    ) -> None:
        self.name = name
        self.columns = tuple(columns.split())
        self.to_row = to_row
        self.from_row = from_row
        self.facts = frozenset(self.columns.index(fact) for fact in facts.split())
        """Positions of columns that change without an edit: found in a file, or worked out from settings."""

    def record(self, row: Row | None) -> Record | None:
        """The record of a row, where there is a row."""
        return None if row is None else self.from_row(row)

    @cached_property
    def select(self) -> str:
        """All columns of the table, for a WHERE to follow."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name}"

    @cached_property
    def insert(self) -> str:
        """A whole new row."""
        marks = ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self.name}({', '.join(self.columns)}) VALUES ({marks})"

    @cached_property
    def delete(self) -> str:
        """One row away, by id."""
        return f"DELETE FROM {self.name} WHERE id = ?"

    def next_row(self, change: Change, before: Row) -> Row:
        """The row of `change.after`, given that of `change.before`; a shared shape is encoded once."""
        old, new = change.before, change.after
        if not (isinstance(old, Annotation) and isinstance(new, Annotation) and old.shape is new.shape):
            return self.to_row(new)
        return _annotation_row(new, before[3])

    def update(self, positions: Sequence[int]) -> str:
        """Some columns of one row, by id."""
        return f"UPDATE {self.name} SET {', '.join(f'{self.columns[p]} = ?' for p in positions)} WHERE id = ?"


def _annotation_row(record: Annotation, shape: bytes | None = None) -> Row:
    return (
        record.id,
        record.image_id,
        record.category_id,
        shape_bytes.encode(record.shape) if shape is None else shape,
        record.shape.origin,
        record.source,
        record.prediction_id,
        record.crowd,
        json.dumps(record.attributes) if record.attributes else _EMPTY,
        record.created,
        record.edited,
        record.file_id,
        record.extra,
    )


def _annotation(row: Sequence[Any]) -> Annotation:
    key, image, category, shape, origin, source, prediction, crowd, attributes, *rest = row
    created, edited, file_id, extra = rest
    return Annotation(
        id=key,
        image_id=image,
        category_id=category,
        shape=shape_bytes.decode(shape, origin),
        source=source,
        prediction_id=prediction,
        crowd=bool(crowd),
        attributes={} if attributes == _EMPTY else json.loads(attributes),
        created=created,
        edited=edited,
        file_id=file_id,
        extra=extra,
    )


def _category(row: Sequence[Any]) -> Category:
    key, name, color, digit, parent, hidden, locked, file_id, extra = row
    return Category(key, name, color, digit, parent, bool(hidden), bool(locked), file_id, extra)


def _image(row: Sequence[Any]) -> Image:
    key, path, width, height, reviewed, digest, note, file_id, extra = row
    return Image(key, path, width, height, bool(reviewed), digest, note, file_id, extra)


def _candidate_row(record: Candidate) -> Row:
    return (
        record.id,
        record.image_id,
        record.model_id,
        record.category_id or None,
        shape_bytes.encode(record.shape),
        record.shape.origin,
        record.confidence,
        record.label,
        record.verdict,
    )


def _candidate(row: Sequence[Any]) -> Candidate:
    key, image_id, model_id, category_id, shape, origin, confidence, label, verdict = row
    return Candidate(
        id=key,
        image_id=image_id,
        model_id=model_id,
        category_id=category_id or 0,
        shape=shape_bytes.decode(shape, origin),
        confidence=confidence,
        label=label,
        verdict=verdict,
    )


ANNOTATION = Table(
    "annotation",
    "id image_id category_id shape origin source prediction_id crowd attributes created edited file_id extra",
    to_row=_annotation_row,
    from_row=_annotation,
)
CATEGORY = Table(
    "category",
    "id name color key supercategory hidden locked file_id extra",
    to_row=astuple,
    from_row=_category,
)
IMAGE = Table(
    "image",
    "id path width height reviewed digest note file_id extra",
    to_row=astuple,
    from_row=_image,
    facts="path width height digest note",
)
CANDIDATE = Table(
    "candidate",
    "id image_id model_id category_id shape origin confidence label verdict",
    to_row=_candidate_row,
    from_row=_candidate,
    facts="category_id",
)
TABLES = {table.name: table for table in (ANNOTATION, CATEGORY, IMAGE, CANDIDATE)}


def table_of(record: Record) -> Table:
    """The table that a record lives in."""
    match record:
        case Annotation():
            return ANNOTATION
        case Category():
            return CATEGORY
        case Image():
            return IMAGE
        case Candidate():
            return CANDIDATE


def image_of(record: Record) -> int | None:
    """The id of the image that a record belongs to; None for a category."""
    match record:
        case Annotation() | Candidate():
            return record.image_id
        case Image():
            return record.id
        case Category():
            return None
