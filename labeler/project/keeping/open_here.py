"""Which project files this process has open.

On Unix a process that closes any handle of a file loses all the locks it has on that file, those of SQLite
too. Another process then takes the index of the log for its own and cuts it short, and the next read here
ends in a bus error. So a file that is open here is not looked at but by SQLite.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")

_guard = threading.RLock()
_open: "WeakSet[Connection]" = WeakSet()


class Connection(sqlite3.Connection):
    """A connection that counts as open until it is closed or gone."""

    path: Path

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        with _guard:
            _open.discard(self)


def connect(path: Path, options: str, **arguments: Any) -> Connection:
    """A connection to a file with the options of its address; `arguments` as for `sqlite3.connect`."""
    with _guard:
        address = f"{path.absolute().as_uri()}?{options}"
        db = sqlite3.connect(address, uri=True, factory=Connection, **arguments)
        db.path = path.resolve()
        _open.add(db)
    return db


def unless_open(path: Path, look: Callable[[], T], otherwise: T) -> T:
    """What `look` finds in a file or beside it; `otherwise`, and no look, while this process has it open.

    Nobody here can open it meanwhile.
    """
    with _guard:
        place = path.resolve()
        return otherwise if any(db.path == place for db in _open) else look()
