"""The file of an open project: its connection, its lock, its transactions, and where it lies."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from labeler.errors import CannotWriteError, ProjectError
from labeler.project import opening, schema
from labeler.project.ids import Ids
from labeler.project.keeping import seals, snapshots
from labeler.project.keeping.kept import let_go, write_copy
from labeler.project.keeping.lock import Lock, acquire
from labeler.project.keeping.noted import NotedRevision, note
from labeler.project.keeping.whereabouts import AwayError, Whereabouts

Probe = Callable[[str], None]
"""Called with the name of each point of a write that a fault test may want to stop at."""


WAL_BYTES = 32 << 20
"""A write-ahead log that has grown so far is brought into the main file even while work goes on."""


def no_probe(point: str) -> None:
    """Nothing is tested."""


def _locked(path: Path, *, take_over: bool) -> Lock:
    """The lock of a project; one that is damaged is told as damaged, though nothing can be written."""
    try:
        return acquire(path, take_over=take_over)
    except CannotWriteError:
        if path.is_file() and (reason := schema.damage(path)):
            raise snapshots.DamagedProjectError(path, reason, snapshots.newest_good(path)) from None
        raise


class OpenFile:
    """What a `Store` lies in; all methods belong to the thread that opened it."""

    def __init__(
        self, whereabouts: Whereabouts, db: sqlite3.Connection, lock: Lock | None, probe: Probe
    ) -> None:
        path = self.path = whereabouts.path
        self.read_only = lock is None
        self.db = db
        """The connection; another one after `reconnect`, `go_on_at` and some a `look`."""
        self._lock = lock
        self.probe = probe
        self.ids = Ids(db)
        """The one giver of ids, which the window shares."""
        self._whereabouts = whereabouts
        self._leaves_sides = True
        """Whether side files that are there after reading were so before, or may be somebody else's."""
        self._note = NotedRevision(path)
        if lock is not None:
            self._note.write(self.revision)
        self._left_at = -1 if lock is None else opening.bare_revision(path)
        """The revision in the main file alone, as our last checkpoint left it."""
        self.tells_of_away = False
        """Whether `away` is looked at after each commit; else `transaction` raises it."""
        self.away: AwayError | None = None
        """What a look after a commit found: the commit is in what is open, not in what is at the path."""

    # --- opening and closing ------------------------------------------------------------------

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = False, take_over: bool = False, probe: Probe = no_probe
    ) -> Self:
        """Open a project, and make it first where there is none.

        Raises `ProjectLockedError` while another process writes to it (`take_over` overrules a lock
        that another machine has left behind), `DamagedProjectError` for a damaged file, which is left
        as it is, and `ProjectError` for what is no project of this or an older version. Opening
        read-only needs no lock and changes nothing.
        """
        # by its real name: SQLite has its log there too, whichever link led to it
        path = Path(os.path.realpath(path))
        had_sides = schema.has_sides(path)
        lock = None if read_only else _locked(path, take_over=take_over)
        try:
            if not read_only and not path.exists():
                opening.create(path)
            whereabouts = Whereabouts(path)
            db = opening.connected(path, read_only=read_only)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        try:
            whereabouts.note_sides()
            opened = cls(whereabouts, db, lock, probe)
        except BaseException:
            db.close()
            if lock is not None:
                lock.release()
            raise
        opened._leaves_sides = had_sides
        return opened

    @classmethod
    def beside(cls, path: Path) -> Self:
        """A project that this process has open for writing, to read it by another connection; unchecked."""
        whereabouts = Whereabouts(path)
        db = schema.connect_to_read(path)
        try:
            schema.configure(db, read_only=True)
            whereabouts.note_sides()
            return cls(whereabouts, db, None, no_probe)
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        """Bring everything into the main file and let go of it; a second call does nothing."""
        try:
            if self.read_only or self._whereabouts.is_same():
                self.db.close()
            else:
                let_go(self.db, self._whereabouts, self.path)
        finally:
            if self.read_only and not self._leaves_sides and self._whereabouts.is_same():
                schema.take_sides_away(self.path)
                self._leaves_sides = True
            self._note.close()
            if self._lock is not None:
                self._lock.release()

    def reconnect(self) -> None:
        """Open the file anew under the same lock, after its disk was away; raises as `open` does."""
        if (change := self._whereabouts.look()) not in ("", "side files"):
            raise AwayError(self.path, change, self._whereabouts.now_at())
        old = self.db
        self._open_again()
        old.close()

    def _open_again(self) -> None:
        fresh = opening.connected(self.path, read_only=self.read_only)
        if not self._whereabouts.is_same():
            fresh.close()
            raise AwayError(self.path, "replaced", None)
        self.db = fresh
        self.ids.catch_up(self.db)
        self._whereabouts.note_sides()

    def look(self) -> None:
        """Compare what lies at the path with what is open; raises `AwayError` where that is another file.

        Side files that somebody took away are made anew, with nothing lost.
        """
        change = self._whereabouts.look()
        if not change or self.read_only:
            return
        if change == "written" and opening.bare_revision(self.path) == self._left_at:
            # only touched
            self._whereabouts.note_written()
        elif change == "side files":
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._note_main()
            # what is open goes first: within a process SQLite would share its index of the lost log
            self.db.close()
            self._open_again()
        else:
            raise AwayError(self.path, change, self._whereabouts.now_at())

    def _look_after_commit(self) -> None:
        """What was committed is saved only if the file is still the one at the path."""
        try:
            self.look()
        except AwayError as away:
            if not self.tells_of_away:
                raise
            self.away = away

    def is_whole(self) -> bool:
        """Whether what is open can still be read from end to end, after somebody else wrote into it."""
        with tempfile.TemporaryDirectory() as folder, suppress(sqlite3.Error, ProjectError, OSError):
            copy = Path(folder) / self.path.name
            revision = self.revision
            write_copy(self.db, copy, of=self.path)
            return not schema.damage(copy) and opening.bare_revision(copy) == revision
        return False

    @property
    def is_at_its_path(self) -> bool:
        """Whether the file at the path is the one that is open; on any thread."""
        return self._whereabouts.is_same()

    def assert_as_saved(self, table: str, where: str, key: int) -> None:
        """Compare rows with their checksums; raises `DamagedProjectError`."""
        wrong = seals.broken_rows(self.db, table, where, (key,))
        if wrong:
            raise snapshots.DamagedProjectError(self.path, wrong, snapshots.newest_good(self.path))

    def go_on_at(self, target: Path, *, source: Path | None = None) -> None:
        """Go on in another file, after `look` said that ours is no longer at its path.

        It is written from what is open, or from `source` where that was spoilt, unless what is open lies at
        `target` already. Whatever lies at the old path is left alone. Raises what the disk raises, and
        `ProjectLockedError` where another process was quicker; what is open stays open then.
        """
        kept = target
        if target == self.path:
            kept = target.with_name(f".{target.name}.again")
        if target != self._whereabouts.now_at():
            if source is None:
                write_copy(self.db, kept, of=self.path)
            else:
                with closing(schema.connect_to_read(source)) as db:
                    write_copy(db, kept, of=self.path)
        if self._lock is not None:
            self._lock.release()
            self._lock = acquire(target)
        if self._whereabouts.now_at() not in (None, self.path):
            # a file that was moved is to have all of it too
            with suppress(sqlite3.Error):
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        let_go(self.db, self._whereabouts, self.path)
        if kept != target:
            kept.rename(target)
        self._whereabouts = Whereabouts(target)
        self.db = opening.connected(target, read_only=False)
        self._whereabouts.note_sides()
        if target != self.path and self.path.is_file():
            # what lies there now is another project: ours is noted where it goes on
            note(self.path, opening.bare_revision(self.path))
        self.path, self.away = target, None
        self._note.close()
        self._note = NotedRevision(target)
        self._note.write(self.revision)
        self.ids.catch_up(self.db)
        self._left_at = opening.bare_revision(target)

    def _note_main(self) -> None:
        self._whereabouts.note_written()
        self._left_at = opening.bare_revision(self.path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is on disk together or not at all; may be nested.

        Inside, an exception must not be swallowed: the whole of it is rolled back.
        """
        if self.read_only:
            raise ProjectError(f"{self.path.name} is open read-only; nothing was changed.")
        if self.db.in_transaction:
            yield
            return
        self.probe("before begin")
        self.look()
        try:
            with schema.transaction(self.db):
                yield
                self.ids.keep(self.db)
                self.db.execute("UPDATE meta SET value = value + 1 WHERE key = 'revision'")
                self.probe("before commit")
        except sqlite3.IntegrityError as error:
            raise ProjectError(schema.integrity_sentence(error)) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise ProjectError(
                f"Nothing was saved: a value does not fit the project file ({error})."
            ) from error
        self._note.write(self.revision)
        self.probe("after commit")
        self._look_after_commit()
        if self._whereabouts.wal_size() > WAL_BYTES:
            self._checkpoint_passively()

    def at_mid_action(self) -> None:
        """Half of an edit is written."""
        self.probe("mid action")

    # --- facts of the file ------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """How many transactions have written to this project."""
        (value,) = self.db.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
        return int(value)

    # --- upkeep -------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Bring all commits into the main file, so that it alone is the whole project."""
        self.look()
        self._checkpoint_passively()
        self.probe("mid checkpoint")
        # whoever reads now, as a snapshot being taken, is not waited for: the next pause is soon enough
        self.db.execute("PRAGMA busy_timeout = 0")
        try:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self.db.execute(f"PRAGMA busy_timeout = {schema.BUSY_MS}")
            self._note_main()

    def _checkpoint_passively(self) -> None:
        try:
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            self._note_main()

    def settings(self) -> Mapping[str, Any]:
        """What SQLite says about how safe this file is kept, by pragma name."""
        names = "journal_mode synchronous foreign_keys trusted_schema application_id user_version".split()
        return {name: self.db.execute(f"PRAGMA {name}").fetchone()[0] for name in names}
