"""One edit that is written in portions, between which other edits may come in."""

import sqlite3
import time
from collections.abc import Callable, Sequence

from labeler.core.records import Change
from labeler.project import journal
from labeler.project.ids import Ids
from labeler.project.keeping import seals
from labeler.project.table_rows import Row, image_of, table_of


class LongEdit:
    """An edit of the journal whose changes come in portions, all within one transaction that is running.

    It stands in the journal before what comes in between, since that may change what it has made. Until
    `finish` it is none that an undo would take back.
    """

    def __init__(
        self, db: sqlite3.Connection, ids: Ids, label: str, *, midway: Callable[[], None] = lambda: None
    ) -> None:
        self._db = db
        self._midway = midway
        self._ids = ids
        self._images: set[int] = set()
        db.execute("UPDATE edit SET state = 'abandoned' WHERE state = 'undone'")
        cursor = db.execute(
            "INSERT INTO edit(label, time, state, images) VALUES (?, ?, 'abandoned', 0)", (label, time.time())
        )
        self.id = int(cursor.lastrowid or 0)
        """Its id in the journal."""

    def add(self, changes: Sequence[Change]) -> None:
        """Do these changes and journal them; raises `MisfitError` as `journal.record` does."""
        made: dict[str, list[Row]] = {}
        rows = []
        for change in changes:
            if change.before is None and change.after is not None:
                table = table_of(change.after)
                row = table.to_row(change.after)
                made.setdefault(table.name, []).append(row)
                rows.append(journal.made(table, row, image_of(change.after)))
            else:
                rows.append(journal.write(self._db, change))
        for name, new in made.items():
            seals.insert(self._db, name, new)
        self._midway()
        (last,) = self._db.execute("SELECT max(id) FROM change").fetchone()
        seals.insert(
            self._db,
            "change",
            [(number, self.id, *row) for number, row in enumerate(rows, (last or 0) + 1)],
        )
        self._ids.note(changes)
        self._images.update(image_id for _, _, image_id, _, _ in rows if image_id is not None)

    def finish(self) -> int:
        """All changes are there: let it be done, before what came in between; gives its journal id."""
        images, db = self._images, self._db
        # what was undone meanwhile was done before this: it cannot be done again on top of it
        db.execute("UPDATE edit SET state = 'abandoned' WHERE state = 'undone' AND id < ?", (self.id,))
        query = "SELECT max(id) FROM edit WHERE state = 'done' AND id < ?"
        (parent,) = db.execute(query, (self.id,)).fetchone()
        db.execute(
            "UPDATE edit SET parent = ?, state = 'done', images = ?, image_id = ? WHERE id = ?",
            (parent, len(images), min(images) if len(images) == 1 else None, self.id),
        )
        db.execute(
            "UPDATE edit SET parent = ?1 WHERE id > ?1 AND (parent IS NULL OR parent < ?1)", (self.id,)
        )
        return self.id
