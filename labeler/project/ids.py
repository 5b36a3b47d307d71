"""The one giver of ids of an open project: for the window, imports, runs of models and the store alike."""

import sqlite3
import threading
from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from labeler.core.records import Change
from labeler.project.table_rows import table_of

Kind: TypeAlias = Literal["annotation", "category", "image", "candidate"]


class NextIds(Struct, frozen=True):
    """The lowest ids that were never used in a project, not even by a record deleted since."""

    annotation: int
    category: int
    image: int
    candidate: int


class Ids:
    """Gives ids that were never used in a project, not even by a record deleted since; from any thread.

    Only one process writes to a project, and all of it asks here: what the window gives while its edit
    still waits to be written is not given again by an import or a run that writes in between.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._lock = threading.Lock()
        self._next: dict[str, int] = {}
        self.catch_up(db)

    def take(self, kind: Kind, count: int = 1) -> int:
        """The first of `count` new ids in a row."""
        with self._lock:
            first = self._next[kind]
            self._next[kind] = first + count
        return first

    def peek(self) -> NextIds:
        """The next id of each kind, which stays to be given."""
        with self._lock:
            return NextIds(**self._next)

    def note(self, changes: Iterable[Change]) -> None:
        """What these changes create has its id: one that comes from a rescue file was not given here."""
        with self._lock:
            for change in changes:
                if change.before is None and change.after is not None:
                    kind = table_of(change.after).name
                    self._next[kind] = max(self._next[kind], change.after.id + 1)

    def catch_up(self, db: sqlite3.Connection) -> None:
        """Go on behind what the project has given; what was given here stays given, written yet or not."""
        known = dict(db.execute("SELECT kind, next FROM sequence"))
        with self._lock:
            for kind, following in known.items():
                self._next[kind] = max(self._next.get(kind, 1), following)

    def keep(self, db: sqlite3.Connection) -> None:
        """Write down, inside a running transaction, what was given so far."""
        for kind, following in structs.asdict(self.peek()).items():
            db.execute(
                "UPDATE sequence SET next = ? WHERE kind = ? AND next < ?", (following, kind, following)
            )
