"""The journal: every edit with what it changed, so that it can be undone, redone and looked back on.

A change is kept as what differs: for an update only the columns that changed, for a creation or a
deletion the whole row, each as msgpack of {column: value}. `edit.parent` is the edit that was the last
one done when an edit was made, so that also the way to an abandoned edit is known.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct, msgpack
from msgspec.structs import replace

from labeler.core.rebase import rebased
from labeler.core.records import Annotation, Asked, Category, Change, Edit, Image, Record
from labeler.errors import ProjectError
from labeler.project.table_rows import ANNOTATION, CATEGORY, IMAGE, TABLES, Row, Table, image_of, table_of

State: TypeAlias = Literal["done", "undone", "abandoned"]
_Delta: TypeAlias = dict[str, Any]
ASKED = "asked"
"""Beside the columns of a created candidate: the `Asked` that it was proposed for."""
JournalRow: TypeAlias = tuple[str, int, int | None, bytes | None, bytes | None]
"""Kind, record id, image id, and both sides of a change."""


class MisfitError(ProjectError):
    """What a change calls `before` is not what is stored."""


class JournalEntry(Struct, frozen=True):
    """One edit as the history shows it."""

    id: int
    label: str
    time: float
    """Seconds since 1970, UTC."""
    state: State
    images: int
    """How many images it touched."""
    image_id: int | None
    """The image, where it touched exactly one."""


# --- doing ------------------------------------------------------------------------------------


def record(db: sqlite3.Connection, edit: Edit, *, midway: Callable[[], None]) -> int:
    """Apply an edit inside a running transaction and journal it; gives its id.

    `midway` is called when half of its changes are written. Raises `MisfitError` where what a change
    calls `before` is not what is stored.
    """
    parent = last_done(db)
    db.execute("UPDATE edit SET state = 'abandoned' WHERE state = 'undone'")
    rows = []
    for index, change in enumerate(edit.changes):
        if index == len(edit.changes) // 2:
            midway()
        rows.append(write(db, change))
    images = {image_id for _, _, image_id, _, _ in rows if image_id is not None}
    cursor = db.execute(
        "INSERT INTO edit(parent, label, time, state, images, image_id) VALUES (?, ?, ?, 'done', ?, ?)",
        (parent or None, edit.label, time.time(), len(images), min(images) if len(images) == 1 else None),
    )
    edit_id = int(cursor.lastrowid or 0)
    db.executemany(
        "INSERT INTO change(edit_id, kind, record_id, image_id, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        ((edit_id, *row) for row in rows),
    )
    return edit_id


def made(table: Table, row: Row, image_id: int | None) -> JournalRow:
    """What the journal keeps of a new row."""
    return table.name, row[0], image_id, None, _pack(table, row, range(len(table.columns)))


def write(db: sqlite3.Connection, change: Change) -> JournalRow:
    """Do one change inside a running transaction; gives what the journal keeps of it."""
    table, key = table_of(change.record), change.record.id
    before, after = _rows(table, change)
    stored = _stored(db, table, key)
    _expect(table, key, stored=stored, before=before, after=after)
    positions: Sequence[int] = range(len(table.columns))
    if before is not None and after is not None:
        positions = [p for p in positions if before[p] != after[p]]
    _move(db, table, key, exists=stored is not None, new=after, positions=positions)
    return (
        table.name,
        key,
        image_of(change.record),
        _pack(table, stored, positions),
        _pack(table, after, positions, change.asked),
    )


def fitted(db: sqlite3.Connection, edit: Edit) -> Edit:
    """The edit, made to what is stored now, as `core.rebasing` says; maybe without changes."""
    changes = []
    for change in edit.changes:
        table = table_of(change.record)
        made = rebased(change, table.record(_stored(db, table, change.record.id)))
        if made is not None:
            changes.append(made)
    return Edit(edit.label, tuple(changes))


def sifted(db: sqlite3.Connection, edit: Edit) -> tuple[Edit, Edit]:
    """Of an edit what meets what it was made for, and what does not; what is done already is in neither."""
    fits: list[Change] = []
    left: list[Change] = []
    for change in edit.changes:
        table = table_of(change.record)
        now = table.record(_stored(db, table, change.record.id))
        if now == change.after and now != change.before:
            continue
        unsaid = {table.columns[position] for position in table.facts} | {"edited"}
        (fits if _meets(change, now, unsaid) else left).append(change)
    return Edit(edit.label, tuple(fits)), Edit(edit.label, tuple(left))


def _meets(change: Change, now: Record | None, unsaid: set[str]) -> bool:
    """Whether a change finds the fields that it changes as it knows them, or as it wants them.

    The `unsaid` ones change without an edit, or say nothing against it.
    """
    before, after = change.before, change.after
    if before is None or now is None:
        return before is now
    names = set(now.__struct_fields__) - unsaid
    if after is not None:
        names = {one for one in names if getattr(before, one) != getattr(after, one)}
    known = (before,) if after is None else (before, after)
    return all(any(getattr(now, name) == getattr(one, name) for one in known) for name in names)


def _rows(table: Table, change: Change) -> tuple[Row | None, Row | None]:
    """Both sides as rows; a shape that both share is encoded once."""
    if change.before is None or change.after is None:
        return (
            None if change.before is None else table.to_row(change.before),
            None if change.after is None else table.to_row(change.after),
        )
    if (table_of(change.after), change.after.id) != (table, change.before.id):
        raise ProjectError("A change cannot make one record into another.")
    if image_of(change.before) != image_of(change.after):
        raise ProjectError(f"{table.name.capitalize()} {change.after.id} cannot move to another image.")
    before = table.to_row(change.before)
    return before, table.next_row(change, before)


def _expect(table: Table, key: int, *, stored: Row | None, before: Row | None, after: Row | None) -> None:
    if stored is None and before is None:
        return
    name = f"{table.name} {key}"
    if stored is None:
        raise MisfitError(f"The edit was not saved: {name} is no longer in the project.")
    if before is None:
        raise MisfitError(f"The edit was not saved: {name} is in the project already.")
    if stored == before:
        return
    differing = {p for p in range(len(stored)) if stored[p] != before[p]}
    differing -= {p for p in table.facts if after is None or before[p] == after[p]}
    # the same shape may have other bytes when another zlib packed it
    merged = [stored[p] if p not in differing else before[p] for p in range(len(stored))]
    if differing and table.from_row(merged) != table.from_row(stored):
        columns = ", ".join(table.columns[p] for p in sorted(differing))
        raise MisfitError(
            f"The edit was not saved: {name} has changed since ({columns}). Open the image again."
        )


def _stored(db: sqlite3.Connection, table: Table, key: int) -> Row | None:
    row: Row | None = db.execute(f"{table.select} WHERE id = ?", (key,)).fetchone()
    return row


def _move(
    db: sqlite3.Connection, table: Table, key: int, *, exists: bool, new: Row | None, positions: Sequence[int]
) -> None:
    """Make the stored row the new one; None deletes it."""
    if new is None:
        if table is CATEGORY:
            _unmap(db, key)
        elif table is IMAGE:
            # what a run has found there since; an edit that means to keep it has it among its changes
            db.execute("DELETE FROM candidate WHERE image_id = ?", (key,))
            db.execute("DELETE FROM predicted WHERE image_id = ?", (key,))
        db.execute(table.delete, (key,))
    elif not exists:
        db.execute(table.insert, new)
    elif positions:
        db.execute(table.update(positions), (*(new[p] for p in positions), key))


def _unmap(db: sqlite3.Connection, category_id: int) -> None:
    """What models found of a category that goes is of none from then on; it belongs to no person."""
    db.execute("UPDATE candidate SET category_id = NULL WHERE category_id = ?", (category_id,))
    db.execute("DELETE FROM mapping WHERE category_id = ?", (category_id,))


def _pack(
    table: Table, row: Row | None, positions: Sequence[int], asked: Asked | None = None
) -> bytes | None:
    """A side of a change; how it was asked for stands beside the columns, where no reader of rows looks."""
    if row is None:
        return None
    beside = {} if asked is None else {ASKED: asked}
    return msgpack.encode({table.columns[p]: row[p] for p in positions} | beside)


def _unpack(data: bytes | None) -> _Delta | None:
    return None if data is None else msgpack.decode(data)


# --- undoing and redoing ----------------------------------------------------------------------


def last_done(db: sqlite3.Connection) -> int:
    """The edit that an undo would undo; 0 for none."""
    return int(db.execute("SELECT max(id) FROM edit WHERE state = 'done'").fetchone()[0] or 0)


def first_undone(db: sqlite3.Connection) -> int:
    """The edit that a redo would redo; 0 for none."""
    return int(db.execute("SELECT min(id) FROM edit WHERE state = 'undone'").fetchone()[0] or 0)


def state_of(db: sqlite3.Connection, edit_id: int) -> State:
    """Whether an edit is done, undone or abandoned; `ProjectError` if there is no such edit."""
    row = db.execute("SELECT state FROM edit WHERE id = ?", (edit_id,)).fetchone()
    if row is None:
        raise ProjectError(f"The history of this project has no edit {edit_id}.")
    state: State = row[0]
    return state


def play(db: sqlite3.Connection, edit_id: int, *, forward: bool, midway: Callable[[], None]) -> Edit:
    """Redo (forward) or undo an edit inside a running transaction; gives what was applied."""
    (label,) = db.execute("SELECT label FROM edit WHERE id = ?", (edit_id,)).fetchone()
    query = "SELECT kind, record_id, before, after FROM change WHERE edit_id = ? ORDER BY id"
    rows = db.execute(query, (edit_id,)).fetchall()
    if not forward:
        rows.reverse()
    changes = []
    for index, (kind, key, before, after) in enumerate(rows):
        if index == len(rows) // 2:
            midway()
        old, new = (_unpack(before), _unpack(after)) if forward else (_unpack(after), _unpack(before))
        changes.append(_replay(db, TABLES[kind], key, old=old, new=new))
    db.execute("UPDATE edit SET state = ? WHERE id = ?", ("done" if forward else "undone", edit_id))
    return Edit(label, tuple(changes))


def _replay(
    db: sqlite3.Connection, table: Table, key: int, *, old: _Delta | None, new: _Delta | None
) -> Change:
    stored = _stored(db, table, key)
    if not _matches(table, stored, old):
        raise ProjectError(
            f"The history does not fit the project at {table.name} {key}; nothing was changed."
        )
    row = _advanced(table, stored, new)
    positions = [p for p, column in enumerate(table.columns) if new is not None and column in new]
    _move(db, table, key, exists=stored is not None, new=row, positions=positions)
    return Change(table.record(stored), table.record(row))


def _matches(table: Table, stored: Row | None, old: _Delta | None) -> bool:
    if stored is None or old is None:
        return stored is None and old is None
    return all(
        column not in old or stored[p] == old[column] or p in table.facts
        for p, column in enumerate(table.columns)
    )


def _advanced(table: Table, row: Row | None, delta: _Delta | None) -> Row | None:
    """A row after a delta; a delta of all columns is the row."""
    if delta is None:
        return None
    base = row or (None,) * len(table.columns)
    return tuple(delta.get(column, value) for column, value in zip(table.columns, base, strict=True))


def tail(db: sqlite3.Connection, *, limit: int, most: int) -> list[tuple[int, Edit]]:
    """The last edits done, oldest first, each with its id, as undoing them one by one would find them.

    At most `limit` of them, with at most `most` changes together.
    """
    query = "SELECT id, label FROM edit WHERE state = 'done' ORDER BY id DESC LIMIT ?"
    rows: dict[tuple[str, int], Row | None] = {}
    found: list[tuple[int, Edit]] = []
    for edit_id, label in db.execute(query, (limit,)).fetchall():
        (count,) = db.execute("SELECT count(*) FROM change WHERE edit_id = ?", (edit_id,)).fetchone()
        most -= count
        changes = _looked_back(db, edit_id, rows) if most >= 0 else None
        if changes is None:
            break
        found.append((edit_id, Edit(label, changes)))
    return found[::-1]


def _looked_back(
    db: sqlite3.Connection, edit_id: int, rows: dict[tuple[str, int], Row | None]
) -> tuple[Change, ...] | None:
    """What an edit changed, where `rows` are as they were after it; they are as before it then.

    None where the journal does not fit them.
    """
    changes = []
    query = "SELECT kind, record_id, before, after FROM change WHERE edit_id = ? ORDER BY id DESC"
    for kind, key, old, new in db.execute(query, (edit_id,)).fetchall():
        table = TABLES[kind]
        after = rows[kind, key] if (kind, key) in rows else _stored(db, table, key)
        if not _matches(table, after, _unpack(new)):
            return None
        rows[kind, key] = before = _advanced(table, after, _unpack(old))
        changes.append(Change(table.record(before), table.record(after)))
    return tuple(reversed(changes))


# --- looking back -----------------------------------------------------------------------------


def entries(db: sqlite3.Connection, *, limit: int, image_id: int | None) -> list[JournalEntry]:
    """The newest edits first, of one image or of all."""
    where, values = "", [limit]
    if image_id is not None:
        where = "WHERE id IN (SELECT edit_id FROM change WHERE image_id = ?)"
        values = [image_id, limit]
    query = f"SELECT id, label, time, state, images, image_id FROM edit {where} ORDER BY id DESC LIMIT ?"
    return [JournalEntry(*row) for row in db.execute(query, values)]


def restored(db: sqlite3.Connection, image_id: int, edit_id: int) -> Edit:
    """The edit that takes one image back to what it was right after an edit; not applied here.

    It covers the image's annotations and whether it was reviewed, and brings back categories that
    these annotations need. The image itself stays.
    """
    state_of(db, edit_id)
    now = _image_rows(db, image_id)
    then = dict(now)
    for table, key, delta in _way(db, image_id, edit_id):
        then[table.name, key] = _advanced(table, then.get((table.name, key)), delta)
    changes = []
    for name, key in sorted(now.keys() | then.keys()):
        before, after = now.get((name, key)), then.get((name, key))
        change = Change(TABLES[name].record(before), TABLES[name].record(after))
        if isinstance(change.before, Image):
            change = _as_reviewed(change.before, change.after)
        if change.before != change.after:
            changes.append(change)
    (label,) = db.execute("SELECT label FROM edit WHERE id = ?", (edit_id,)).fetchone()
    return Edit(f"Go back to “{label}”", (*needed_categories(db, changes), *changes))


def _as_reviewed(image: Image, then: Record | None) -> Change:
    """Only the mark goes back: an image's file is where it is now, whatever its labels were."""
    reviewed = then.reviewed if isinstance(then, Image) else image.reviewed
    return Change(image, replace(image, reviewed=reviewed))


def _image_rows(db: sqlite3.Connection, image_id: int) -> dict[tuple[str, int], Row | None]:
    rows: dict[tuple[str, int], Row | None] = {}
    for table, column in ((ANNOTATION, "image_id"), (IMAGE, "id")):
        for row in db.execute(f"{table.select} WHERE {column} = ?", (image_id,)):
            rows[table.name, row[0]] = row
    return rows


def _way(db: sqlite3.Connection, image_id: int, target: int) -> Iterator[tuple[Table, int, _Delta | None]]:
    """The deltas that lead an image from now to right after an edit: back to where the ways part, then on."""
    parents: dict[int, int | None] = dict(db.execute("SELECT id, parent FROM edit"))
    there = _ancestors(parents, target)
    here = _ancestors(parents, last_done(db))
    back, on = set(here) - set(there), set(there) - set(here)
    rows = db.execute(
        "SELECT edit_id, kind, record_id, before, after FROM change WHERE image_id = ? "
        "AND kind IN ('annotation', 'image') ORDER BY edit_id, id",
        (image_id,),
    ).fetchall()
    for edit_id, kind, key, before, after in reversed(rows):
        if edit_id in back and not _existence(kind, before, after):
            yield TABLES[kind], key, _unpack(before)
    for edit_id, kind, key, before, after in rows:
        if edit_id in on and not _existence(kind, before, after):
            yield TABLES[kind], key, _unpack(after)


def _existence(kind: str, before: bytes | None, after: bytes | None) -> bool:
    """Whether a change made or removed the image itself."""
    return kind == IMAGE.name and (before is None or after is None)


def _ancestors(parents: dict[int, int | None], edit_id: int) -> list[int]:
    way = []
    at: int | None = edit_id or None
    while at is not None:
        way.append(at)
        at = parents[at]
    return way


def needed_categories(db: sqlite3.Connection, changes: Sequence[Change]) -> Iterator[Change]:
    """The changes that bring back the categories which these changes need and the project has no more."""
    made = {c.after.id for c in changes if isinstance(c.after, Category)}
    needed = {c.after.category_id for c in changes if isinstance(c.after, Annotation)}
    there = {key for (key,) in db.execute("SELECT id FROM category")} if needed else set()
    for category_id in sorted(needed - made - there):
        yield Change(None, _lost_category(db, category_id))


def _lost_category(db: sqlite3.Connection, category_id: int) -> Category:
    row = db.execute(
        "SELECT coalesce(before, after) FROM change WHERE image_id IS NULL AND kind = 'category' "
        "AND record_id = ? AND (before IS NULL OR after IS NULL) ORDER BY id DESC LIMIT 1",
        (category_id,),
    ).fetchone()
    if row is None:
        raise ProjectError(f"The history does not have category {category_id} any more.")
    category = CATEGORY.from_row(_advanced(CATEGORY, None, _unpack(row[0])) or ())
    assert isinstance(category, Category)
    return category
