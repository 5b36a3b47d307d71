"""What a person did to what they saw, done to what is stored; and the journal's end, for undo at once."""

import sqlite3
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.records import Candidate, Category, Change, Edit
from labeler.project import journal

LIMIT, MOST = 50, 2000
"""How many of the last edits, with how many changes together, a `Tail` has at most."""


class Tail(Struct, frozen=True, eq=False):
    """The end of the journal."""

    done: tuple[tuple[int, Edit], ...] = ()
    """The last edits done, oldest first, each with its journal id."""
    older: bool = False
    """Whether there are edits done before these."""
    undone: bool = False
    """Whether there is one to redo."""


def settled(db: sqlite3.Connection, edit: Edit, *, midway: Callable[[], None]) -> tuple[int, Edit]:
    """Apply an edit inside a running transaction, to what is stored by now; see `Store.settle`."""
    db.execute("SAVEPOINT settle")
    try:
        made = _with_categories(db, edit)
        edit_id = journal.record(db, made, midway=midway)
    except journal.MisfitError:
        db.execute("ROLLBACK TO settle")
        made = _with_categories(db, journal.fitted(db, edit))
        edit_id = journal.record(db, made, midway=midway) if made.changes else 0
    db.execute("RELEASE settle")
    return edit_id, made


def tail(db: sqlite3.Connection) -> Tail:
    """The end of the journal as it is now."""
    done = tuple(journal.tail(db, limit=LIMIT, most=MOST))
    first = done[0][0] if done else journal.last_done(db) + 1
    older = db.execute("SELECT 1 FROM edit WHERE state = 'done' AND id < ? LIMIT 1", (first,)).fetchone()
    return Tail(done, older is not None, journal.first_undone(db) != 0)


def _with_categories(db: sqlite3.Connection, edit: Edit) -> Edit:
    """The edit, with the categories that its annotations need and that are gone.

    A candidate that it brings back is of no category, where its own is gone.
    """
    needed = tuple(journal.needed_categories(db, edit.changes))
    changes = (*needed, *edit.changes)
    if any(change.before is None and isinstance(change.after, Candidate) for change in changes):
        known = {key for (key,) in db.execute("SELECT id FROM category")}
        known |= {change.after.id for change in changes if isinstance(change.after, Category)}
        changes = tuple(_placed(change, known) for change in changes)
        return edit if changes == edit.changes else Edit(edit.label, changes)
    return Edit(edit.label, changes) if needed else edit


def _placed(change: Change, known: set[int]) -> Change:
    made = change.after
    if change.before is None and isinstance(made, Candidate) and made.category_id not in known:
        return replace(change, after=replace(made, category_id=0))
    return change
