"""The tables of a project file, its version, and how an older one is brought up to date."""

import re
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from labeler.errors import ProjectError
from labeler.project.keeping import open_here, seals
from labeler.project.keeping.foreign import foreign_part

APPLICATION_ID = 0x4C41424C
"""The four letters LABL in the file's header, by which other programs can tell what it is."""
SUFFIX = ".labeler"
_NO_SIDES = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
"""What SQLite says where a folder, or the disk it is on, takes no side files."""
BUSY_MS = 2000
"""How long a connection waits for another one before it says that the file is held."""

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', '0');
CREATE TABLE sequence (kind TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO sequence VALUES ('annotation', 1), ('category', 1), ('image', 1), ('candidate', 1);
CREATE TABLE image (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, width INTEGER NOT NULL, height INTEGER NOT NULL,
    reviewed INTEGER NOT NULL, digest TEXT NOT NULL, note TEXT NOT NULL, file_id INTEGER, extra BLOB NOT NULL
) STRICT;
CREATE TABLE category (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, color TEXT NOT NULL, key TEXT NOT NULL,
    supercategory TEXT NOT NULL, hidden INTEGER NOT NULL, locked INTEGER NOT NULL,
    file_id INTEGER, extra BLOB NOT NULL
) STRICT;
CREATE TABLE annotation (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image DEFERRABLE INITIALLY DEFERRED,
    category_id INTEGER NOT NULL REFERENCES category DEFERRABLE INITIALLY DEFERRED,
    shape BLOB NOT NULL, origin BLOB NOT NULL, source TEXT NOT NULL, prediction_id INTEGER,
    crowd INTEGER NOT NULL, attributes TEXT NOT NULL, created REAL NOT NULL, edited REAL NOT NULL,
    file_id INTEGER, extra BLOB NOT NULL
) STRICT;
CREATE INDEX annotation_image ON annotation (image_id, category_id);
CREATE INDEX annotation_category ON annotation (category_id);
CREATE TABLE model (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (name, version)
) STRICT;
CREATE TABLE candidate (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image DEFERRABLE INITIALLY DEFERRED,
    model_id INTEGER NOT NULL REFERENCES model DEFERRABLE INITIALLY DEFERRED,
    category_id INTEGER NOT NULL REFERENCES category DEFERRABLE INITIALLY DEFERRED,
    shape BLOB NOT NULL, origin BLOB NOT NULL, confidence REAL NOT NULL
) STRICT;
CREATE INDEX candidate_image ON candidate (image_id, model_id);
CREATE INDEX candidate_category ON candidate (category_id);
CREATE TABLE run (
    id INTEGER PRIMARY KEY, model_id INTEGER REFERENCES model, folder TEXT NOT NULL,
    started REAL NOT NULL, finished REAL, metrics TEXT NOT NULL
) STRICT;
CREATE TABLE agreement (
    id INTEGER PRIMARY KEY, image_id INTEGER NOT NULL REFERENCES image DEFERRABLE INITIALLY DEFERRED,
    model_id INTEGER NOT NULL REFERENCES model DEFERRABLE INITIALLY DEFERRED, time REAL NOT NULL,
    iou REAL NOT NULL, dice REAL NOT NULL, boundary REAL,
    matched INTEGER NOT NULL, missed INTEGER NOT NULL, extra INTEGER NOT NULL
) STRICT;
CREATE INDEX agreement_image ON agreement (image_id, model_id, time);
CREATE TABLE edit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER REFERENCES edit, label TEXT NOT NULL,
    time REAL NOT NULL, state TEXT NOT NULL CHECK (state IN ('done', 'undone', 'abandoned')),
    images INTEGER NOT NULL, image_id INTEGER
) STRICT;
CREATE INDEX edit_state ON edit (state, id);
CREATE TABLE change (
    id INTEGER PRIMARY KEY, edit_id INTEGER NOT NULL REFERENCES edit, kind TEXT NOT NULL,
    record_id INTEGER NOT NULL, image_id INTEGER, before BLOB, after BLOB
) STRICT;
CREATE INDEX change_edit ON change (edit_id);
CREATE INDEX change_image ON change (image_id, edit_id);
"""

_REVIEW = """
ALTER TABLE model ADD COLUMN suppressed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE new_candidate (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image DEFERRABLE INITIALLY DEFERRED,
    model_id INTEGER NOT NULL REFERENCES model DEFERRABLE INITIALLY DEFERRED,
    category_id INTEGER REFERENCES category DEFERRABLE INITIALLY DEFERRED,
    shape BLOB NOT NULL, origin BLOB NOT NULL, confidence REAL NOT NULL, label TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('', 'accepted', 'rejected'))
) STRICT;
INSERT INTO new_candidate SELECT *, '', '' FROM candidate;
DROP TABLE candidate;
ALTER TABLE new_candidate RENAME TO candidate;
CREATE INDEX candidate_image ON candidate (image_id, model_id);
CREATE INDEX candidate_category ON candidate (category_id);
CREATE INDEX candidate_label ON candidate (model_id, label, confidence);
CREATE TABLE mapping (
    model_id INTEGER NOT NULL REFERENCES model, label TEXT NOT NULL,
    category_id INTEGER REFERENCES category DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (model_id, label)
) STRICT, WITHOUT ROWID;
CREATE TABLE predicted (
    model_id INTEGER NOT NULL REFERENCES model,
    image_id INTEGER NOT NULL REFERENCES image DEFERRABLE INITIALLY DEFERRED, time REAL NOT NULL,
    PRIMARY KEY (model_id, image_id)
) STRICT, WITHOUT ROWID;
"""
"""What a person said of candidates, what a model's classes mean here, and which images a model has seen."""

_AGREEMENT = """
DROP TABLE agreement;
CREATE TABLE agreement (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    model_id INTEGER NOT NULL REFERENCES model ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    settings TEXT NOT NULL, time REAL NOT NULL, categories BLOB NOT NULL, worst INTEGER, worst_iou REAL,
    candidates INTEGER NOT NULL, newest INTEGER NOT NULL, checked REAL NOT NULL
) STRICT;
CREATE INDEX agreement_latest ON agreement (model_id, settings, image_id);
CREATE INDEX agreement_image ON agreement (image_id, model_id);
CREATE INDEX candidate_verdict ON candidate (model_id, verdict, image_id) WHERE verdict != '';
CREATE INDEX candidate_rejected ON candidate (image_id) WHERE verdict = 'rejected';
"""
"""Agreement by category, with what it was measured on; the table of before was never written to."""

_RUNS = """
DROP TABLE run;
CREATE TABLE run (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, name TEXT NOT NULL, trainer TEXT NOT NULL,
    images INTEGER NOT NULL, started REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'interrupted', 'failed', 'finished')),
    finished REAL, metrics TEXT NOT NULL, before TEXT NOT NULL
) STRICT;
"""
"""Trainings with their name, state and what they are to replace; the table of before was never written to."""

_PHOTOS = """
CREATE TABLE photo (
    image_id INTEGER PRIMARY KEY REFERENCES image ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    size INTEGER NOT NULL, modified INTEGER NOT NULL, content TEXT NOT NULL
) STRICT;
"""
"""By what a photo's file is known again, beside its digest."""


_SEALS = "".join(
    (
        "CREATE TABLE seals (name TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT, WITHOUT ROWID;\n",
        *(f"ALTER TABLE {name} ADD COLUMN {seals.COLUMN} INTEGER;\n" for name in seals.SEALED),
    )
)
"""A checksum of each row, and one of each table; a program that does not keep them must not write."""


class Migration(Struct, frozen=True):
    """What brings a file to `version` from the version before it.

    A version is major times 1000 plus minor. A newer minor only adds what older programs can leave
    alone; a newer major is refused by them.
    """

    version: int
    sql: str


STEPS: tuple[Migration, ...] = (
    Migration(1000, _FIRST),
    Migration(2000, _REVIEW),
    Migration(2001, _AGREEMENT),
    Migration(2002, _RUNS),
    Migration(2003, _PHOTOS),
    Migration(3000, _SEALS),
)


def newest() -> int:
    """The version that this program writes."""
    return STEPS[-1].version


def statements_of(number: int) -> tuple[str, ...]:
    """What makes an empty file of a version, or of the newest one known where it is newer."""
    return tuple(s for step in STEPS if step.version <= number for s in _statements(step.sql))


def connect(path: Path, *, mode: str, any_thread: bool = False) -> sqlite3.Connection:
    """A bare connection in autocommit, for the thread it is made on unless `any_thread` says otherwise.

    `mode` is "rw", "rwc" to make the file, "ro" or, for media that cannot change, "immutable".
    """
    return open_here.connect(
        path,
        "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}",
        isolation_level=None,
        timeout=BUSY_MS / 1000,
        check_same_thread=not any_thread,
    )


def connect_to_read(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A read-only connection, also where the folder cannot take SQLite's side files."""
    db = connect(path, mode="ro", any_thread=any_thread)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        db.close()
        wal = path.with_name(path.name + "-wal")
        if error.sqlite_errorcode & 0xFF not in _NO_SIDES or (wal.exists() and wal.stat().st_size):
            raise
        db = connect(path, mode="immutable", any_thread=any_thread)
    return db


def has_sides(path: Path) -> bool:
    """Whether a project has a write-ahead log or its index beside it."""
    return any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-shm"))


def take_sides_away(path: Path) -> None:
    """Have SQLite remove the side files that reading has left; not where anybody has the file open."""
    with suppress(sqlite3.Error), closing(connect(path, mode="rw")) as db:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchall()


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to read by that leaves nothing beside the file."""
    had_sides = has_sides(path)
    try:
        with closing(connect_to_read(path)) as db:
            yield db
    finally:
        if not had_sides and has_sides(path):
            take_sides_away(path)


def make_file(path: Path, *, like: Path | None = None) -> None:
    """Make an empty file for SQLite that others may read as the system's umask, or another file, has it.

    SQLite gives its side files the mode of the main one.
    """
    path.open("xb").close()
    if like is not None:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(like.stat().st_mode))


def is_table(db: sqlite3.Connection, name: str) -> bool:
    """Whether a file has a table of that name, and no view that goes by it."""
    query = "SELECT type FROM sqlite_schema WHERE name = ? AND sql NOT LIKE '%virtual%'"
    return db.execute(query, (name,)).fetchall() == [("table",)]


def configure(db: sqlite3.Connection, *, read_only: bool) -> None:
    """Set what makes a commit durable and the file safe to read, and assert that SQLite took it."""
    wanted = {"foreign_keys": 1, "trusted_schema": 0, "cell_size_check": 1}
    if not read_only:
        db.execute("PRAGMA journal_mode = wal")
        # the store makes checkpoints itself, so that it knows when the main file is written to
        wanted |= {"synchronous": 2, "wal_autocheckpoint": 0}
    for name, value in wanted.items():
        db.execute(f"PRAGMA {name} = {value}")
    expected: dict[str, int | str] = {**wanted, "application_id": APPLICATION_ID}
    if not read_only:
        expected["journal_mode"] = "wal"
    for name, wish in expected.items():
        (value,) = db.execute(f"PRAGMA {name}").fetchone()
        if value != wish:
            raise ProjectError(
                f"The project file cannot be kept safe here: SQLite has {name} = {value} instead of {wish}. "
                "Move the project to a local disk."
            )


def version(db: sqlite3.Connection) -> int:
    """The version of an open file."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def damage(path: Path, *, stop: Callable[[], bool] = lambda: False, content: bool = True) -> str:
    """Why a file is no whole project that only Labeler has made, or ""; nothing is written to it.

    Raises `ProjectError` for a file that is whole, but of another program or a newer version, and where
    `stop`, which is asked now and then, gives True. With `content` each value is compared with its
    checksum, which takes a second for 500,000 rows; else the structure only is looked at.
    """
    try:
        with closing(connect_to_read(path)) as db:
            db.set_progress_handler(stop, 100_000)
            # one moment of the file, also while a window that has it open goes on saving
            db.execute("BEGIN")
            return _damage_in(db, path) or (seals.broken(db, look=partial(_ask, stop)) if content else "")
    except sqlite3.DatabaseError as error:
        # an error without a code is not SQLite's but Python's: a text that is no UTF-8
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return str(error)
        raise ProjectError(f"{path} cannot be opened ({error}). Check that you may read it.") from error


def _damage_in(db: sqlite3.Connection, path: Path) -> str:
    """Why what is open is no whole project in its structure; see `damage`."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if path.stat().st_size == 0:
        return "it is empty"
    if application != APPLICATION_ID:
        raise ProjectError(f"{path} is a database of another program, not a Labeler project.")
    if version(db) // 1000 > newest() // 1000:
        raise ProjectError(
            f"{path} was written by a newer version of Labeler, which this one cannot read. "
            "It was left as it is; install the newer version to open it."
        )
    if strange := foreign_part(db, statements_of(version(db)), newer=version(db) > newest()):
        return strange
    (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        return str(answer).strip().splitlines()[-1]
    if db.execute("PRAGMA foreign_key_check").fetchone():
        return "it refers to records that are not there"
    return ""


def _ask(stop: Callable[[], bool]) -> None:
    if stop():
        raise ProjectError("The check was stopped.")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; rolled back on any exception."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def migrate(db: sqlite3.Connection, *, before: Callable[[], object], steps: Sequence[Migration] = ()) -> None:
    """Bring an open file to the newest version in one transaction; `before` is called if it is older."""
    due = [step for step in steps or STEPS if step.version > version(db)]
    if not due:
        return
    before()
    with transaction(db):
        for step in due:
            for statement in _statements(step.sql):
                db.execute(statement)
        if seals.is_sealed(db):
            # of the tables as they are now
            seals.seal_all(db)
        db.execute(f"PRAGMA user_version = {due[-1].version}")


def _statements(sql: str) -> Iterator[str]:
    """Single statements: `executescript` would commit between them."""
    buffer = ""
    for line in sql.splitlines(keepends=True):
        buffer += line
        if buffer.strip() and sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""


def integrity_sentence(error: sqlite3.IntegrityError) -> str:
    """What to tell a person of a constraint that an edit does not keep."""
    if "FOREIGN KEY" in str(error):
        return (
            "Nothing was saved: a record would be left that belongs to an image, category or model that is "
            "not in the project. Delete or move what belongs to it first."
        )
    match = re.search(r"UNIQUE constraint failed: (\w+)\.(\w+)", str(error))
    if match:
        return f"Nothing was saved: another {match[1]} of the project has the same {match[2]}."
    return f"Nothing was saved: the project does not take it ({error})."
