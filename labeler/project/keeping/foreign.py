"""Parts of a project file that this program did not make: a stranger's file runs nothing of its own.

A trigger, a view, a cascade or a conflict clause acts behind the back of what is written. So a file must
have exactly the tables and indexes that the steps of its version make.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import TypeAlias

_Key: TypeAlias = tuple[str, str]
"""Type and name of a part, as `sqlite_schema` has them."""

_INTERNAL = frozenset({("table", "sqlite_sequence"), ("table", "sqlite_stat1"), ("table", "sqlite_stat4")})
"""What SQLite keeps for itself, and what its ANALYZE leaves."""
_PLAIN_COLUMN = re.compile(
    r"\w+ (?:integer|real|text|blob|any)(?: not null)?(?: default (?:'[^']*'|x''|-?[\d.]+))?", re.IGNORECASE
)


def foreign_part(db: sqlite3.Connection, made_by: Sequence[str], *, newer: bool) -> str:
    """What of an open file is not ours, as "it has a trigger “x”, ..."; "" where all of it is.

    `made_by` are the statements that make a file of its version. `newer` says that a later minor version
    wrote it, which may have added plain columns, tables and indexes that change nothing of ours.
    """
    ours = _made(tuple(made_by))
    found: dict[_Key, str | None] = {
        (kind, name): sql for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_schema")
    }
    for (kind, name), sql in found.items():
        if (kind, name) in ours:
            if not _alike(sql, ours[kind, name], newer=newer):
                return f"its {kind} “{name}” is not as Labeler makes it"
        elif not _is_harmless((kind, name), sql, newer=newer):
            return f"it has a {kind} “{name}”, which Labeler does not make"
    gone = next((key for key in ours if key not in found), None)
    return f"its {gone[0]} “{gone[1]}” is not there" if gone else ""


@cache
def _made(statements: tuple[str, ...]) -> Mapping[_Key, str | None]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
        rows = db.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
    return {(kind, name): sql for kind, name, sql in rows}


def _is_harmless(key: _Key, sql: str | None, *, newer: bool) -> bool:
    if key in _INTERNAL or (key[0] == "index" and sql is None):
        return True
    if not newer or sql is None:
        return False
    words = _plain(sql).lower()
    if key[0] == "index":
        return words.startswith("create index ")
    return words.startswith("create table ") and " as " not in words and "references" not in words


def _alike(sql: str | None, ours: str | None, *, newer: bool) -> bool:
    if sql is None or ours is None:
        return sql is ours
    if _plain(sql) == _plain(ours):
        return True
    if not newer:
        return False
    theirs, known = _items(_plain(sql)), _items(_plain(ours))
    extra = [item for item in theirs if item not in known]
    same = [item for item in theirs if item in known] == known
    return same and all(_PLAIN_COLUMN.fullmatch(item) for item in extra)


def _plain(sql: str) -> str:
    """SQL with single blanks and without the quotes that a renaming puts around names."""
    text = re.sub(r"\s+", " ", sql.replace('"', "")).strip()
    return re.sub(r" ?([(),]) ?", r"\1", text)


def _items(plain: str) -> list[str]:
    """What stands before the list of columns, each of its items, and what stands behind it."""
    items, depth, start = [], 0, 0
    for at, letter in enumerate(plain):
        depth += (letter == "(") - (letter == ")")
        begins = letter == "(" and depth == 1
        ends = letter == ")" and depth == 0
        if begins or ends or (letter == "," and depth == 1):
            items.append(plain[start:at])
            start = at + 1
    return [*items, plain[start:]]
