"""Seals: each row has a checksum of its content, and each table one of all of its rows.

SQLite's own check knows whether a file is put together rightly, not whether a value in it is the one that
was saved. A seal is made by a trigger that lives in the connection that writes, so that nothing that
writes can forget it; it is never in the file, where triggers are a stranger's.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from msgspec import Struct, msgpack

SEALED = (
    "meta sequence image photo category annotation model candidate mapping predicted run agreement edit "
    "change"
).split()
COLUMN = "seal"
_BATCH = 500


class _Table(Struct, frozen=True):
    name: str
    columns: tuple[str, ...]
    """All but the seal, in the order of the file."""
    key: tuple[str, ...]
    whole: tuple[int, ...]
    """Places of the columns that keep whole numbers."""
    real: tuple[int, ...]

    def listed(self, prefix: str = "") -> str:
        return ", ".join(f"{prefix}{column}" for column in self.columns)


def seal_of(values: Sequence[Any]) -> int:
    """The checksum of a row's values, as SQLite keeps a number; empty last ones do not count.

    So a column that a newer version adds leaves the seals of old rows as they are.
    """
    end = len(values)
    while end and values[end - 1] is None:
        end -= 1
    # SQLite keeps a zero without its sign
    plain = [value + 0.0 if value.__class__ is float else value for value in values[:end]]
    return int.from_bytes(
        hashlib.blake2b(msgpack.encode(plain), digest_size=8).digest(), "little", signed=True
    )


def is_sealed(db: sqlite3.Connection) -> bool:
    """Whether a file is of a version that has seals."""
    return (
        db.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'seals'").fetchone()
        is not None
    )


def keep_sealed(db: sqlite3.Connection) -> None:
    """Have whatever this connection writes from now on sealed; nothing happens in a file without seals."""
    if not is_sealed(db):
        return
    db.create_function("row_seal", -1, _seal)
    db.create_function("mixed", 3, _mixed)
    db.execute("PRAGMA temp_store = memory")
    # a row that REPLACE takes away is told too
    db.execute("PRAGMA recursive_triggers = 1")
    for table in _tables(db):
        for statement in _triggers(table):
            db.execute(statement)


def insert(db: sqlite3.Connection, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Many new rows of a table inside a running transaction, each with its seal, made without the triggers.

    A row has all columns but the seal, in the order of the file. It takes a quarter of the time: the
    triggers write each row twice, and the seal of the table once for each.
    """
    table = _table(db, name)
    columns, marks = table.listed(), ", ".join("?" * len(table.columns))
    if not is_sealed(db):
        db.executemany(f"INSERT INTO {name}({columns}) VALUES ({marks})", rows)
        return
    kept = [_as_kept(table, row) for row in rows]
    seals = [seal_of(row) for row in kept]
    db.execute(f"DROP TRIGGER temp.{name}_insert")
    try:
        db.executemany(
            f"INSERT INTO {name}({columns}, {COLUMN}) VALUES ({marks}, ?)",
            ((*row, seal) for row, seal in zip(kept, seals, strict=True)),
        )
        total = 0
        for seal in seals:
            total ^= seal
        db.execute("UPDATE seals SET total = mixed(total, NULL, ?) WHERE name = ?", (total, name))
    finally:
        db.execute(_triggers(table)[0].replace("TRIGGER", "TRIGGER IF NOT EXISTS", 1))


def _as_kept(table: _Table, row: Sequence[Any]) -> list[Any]:
    """The values as SQLite keeps them, which is what is sealed: a bool is a whole number there."""
    values = list(row)
    for place in table.whole:
        if values[place].__class__ is bool:
            values[place] = int(values[place])
    for place in table.real:
        if values[place].__class__ is int:
            values[place] = float(values[place])
    return values


def _seal(*values: Any) -> int:
    return seal_of(values)


def _mixed(total: int, old: int | None, new: int | None) -> int:
    """A table's seal after one of its rows has another: one that is mixed in twice is out again."""
    return total ^ (old or 0) ^ (new or 0)


def seal_all(db: sqlite3.Connection) -> None:
    """Seal all rows as they are, inside a running transaction, after a step has changed the tables."""
    db.create_function("row_seal", -1, _seal)
    for table in _tables(db):
        db.execute(f"UPDATE {table.name} SET {COLUMN} = row_seal({table.listed()})")
        total = 0
        for (seal,) in db.execute(f"SELECT {COLUMN} FROM {table.name}"):
            total ^= seal
        db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?)", (table.name, total))


def broken(db: sqlite3.Connection, *, look: Callable[[], object] = lambda: None) -> str:
    """What of a file is not what was saved, as "2 rows of annotation are ..."; "" where all of it is.

    `look` is called now and then; it may raise. A file of a version without seals is taken as it is.
    """
    if not is_sealed(db):
        return ""
    totals = dict(db.execute("SELECT name, total FROM seals"))
    for table in _tables(db):
        bad, total = _all_of(db, table, look)
        if bad:
            return _wrong(table.name, bad)
        if total != totals.get(table.name):
            return f"rows of “{table.name}” are missing, or are of another time"
    return ""


def broken_rows(db: sqlite3.Connection, name: str, where: str, values: Sequence[int]) -> str:
    """What of some rows of a table is not what was saved, as `broken` says it."""
    if not is_sealed(db):
        return ""
    table = _table(db, name)
    rows = db.execute(f"SELECT {COLUMN}, {table.listed()} FROM {name} {where}", values)
    return _wrong(name, sum(seal_of(row[1:]) != row[0] for row in rows))


def _wrong(name: str, number: int) -> str:
    if not number:
        return ""
    rows = "1 row of" if number == 1 else f"{number} rows of"
    return f"{rows} “{name}” {'is' if number == 1 else 'are'} not what was saved"


def _all_of(db: sqlite3.Connection, table: _Table, look: Callable[[], object]) -> tuple[int, int]:
    bad = total = 0
    rows = db.execute(f"SELECT {COLUMN}, {table.listed()} FROM {table.name}")
    while batch := rows.fetchmany(_BATCH):
        for row in batch:
            seal = seal_of(row[1:])
            bad += seal != row[0]
            total ^= seal
        look()
    return bad, total


def _tables(db: sqlite3.Connection) -> list[_Table]:
    return [_table(db, name) for name in SEALED]


def _table(db: sqlite3.Connection, name: str) -> _Table:
    found = db.execute(f"PRAGMA table_info({name})").fetchall()
    plain = [row for row in found if row[1] != COLUMN]
    whole, real = (
        tuple(place for place, row in enumerate(plain) if row[2] == kind) for kind in ("INTEGER", "REAL")
    )
    keys = tuple(row[1] for row in found if row[5])
    return _Table(name, tuple(row[1] for row in plain), keys, whole, real)


@cache
def _triggers(table: _Table) -> tuple[str, ...]:
    name = table.name
    own = " AND ".join(f"{column} = NEW.{column}" for column in table.key)
    make = f"UPDATE {name} SET {COLUMN} = row_seal({table.listed('NEW.')}) WHERE {own};"
    made = f"(SELECT {COLUMN} FROM {name} WHERE {own})"

    def trigger(event: str, seal: str, *, old: str, new: str) -> str:
        mix = f"UPDATE seals SET total = mixed(total, {old}, {new}) WHERE name = '{name}';"
        word = event.split(maxsplit=1)[0].lower()
        return f"CREATE TEMP TRIGGER {name}_{word} AFTER {event} ON main.{name} BEGIN {seal} {mix} END"

    before = f"OLD.{COLUMN}"
    return (
        trigger("INSERT", make, old="NULL", new=made),
        trigger(f"UPDATE OF {table.listed()}", make, old=before, new=made),
        trigger("DELETE", "", old=before, new="NULL"),
    )
