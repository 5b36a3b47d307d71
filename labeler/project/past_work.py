"""What the journal says that a person did, edit by edit, to be counted or done again with other helpers."""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct, msgpack

from labeler.core.records import Asked
from labeler.project.journal import ASKED

_ROWS = """
SELECT edit_id, kind, record_id, change.image_id, before, after
FROM change JOIN edit ON edit.id = edit_id
WHERE state = 'done' AND kind IN ('annotation', 'candidate') ORDER BY edit_id, change.id
"""


class PastChange(Struct, frozen=True):
    """An annotation or a candidate before and after an edit: columns by name, of an update what differs."""

    is_annotation: bool
    id: int
    image_id: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def is_new(self) -> bool:
        """Whether it is a creation."""
        return self.before is None

    @property
    def asked(self) -> Asked | None:
        """What a proposal was asked for with; None for all else, and where that was not kept yet."""
        found = (self.after or {}).get(ASKED)
        return None if found is None else msgspec.convert(found, Asked)


def past_edits(db: sqlite3.Connection) -> Iterator[tuple[PastChange, ...]]:
    """The changes of each edit that is done and no import, oldest first, read as they are taken."""
    for _, rows in groupby(db.execute(_ROWS), key=lambda row: row[0]):
        changes = tuple(
            PastChange(kind == "annotation", key, image_id or 0, _columns(before), _columns(after))
            for _, kind, key, image_id, before, after in rows
        )
        if not any((one.after or {}).get("source") == "import" for one in changes):
            yield changes


def _columns(data: bytes | None) -> dict[str, Any] | None:
    return None if data is None else msgpack.decode(data)
