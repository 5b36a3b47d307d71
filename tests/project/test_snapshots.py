"""Damage is seen, never written to, and a good copy is at hand."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from project_model import ProjectModel, carry_out, prepare, state

from labeler.core.records import Box, Category, Change, Edit, Model
from labeler.errors import ProjectError
from labeler.paths import data_dir
from labeler.project import schema, shape_bytes
from labeler.project.keeping import copying, snapshots
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.keeping.upkeep import Upkeep
from labeler.project.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.labeler"


def fill(path: Path, steps: int = 60) -> dict:
    model = ProjectModel(3)
    with Store.open(path) as store:
        prepare(store)
        for _ in range(steps):
            carry_out(store, model.step())
        store.securing.snapshot()
    return dict(model.records)


def test_a_snapshot_is_a_whole_project_of_its_own(path: Path) -> None:
    records = fill(path)
    (snapshot,) = snapshots.listed(path)
    assert snapshot.parent == path.with_name("labels.labeler.backups")
    assert [file.name for file in snapshot.parent.iterdir()] == [snapshot.name]
    with Store.open(snapshot, read_only=True) as store:
        assert state(store) == records
        assert store.file.settings()["journal_mode"] == "delete"


def test_a_project_is_secured_once_for_each_state(path: Path) -> None:
    fill(path)
    with Store.open(path) as store:
        assert store.securing.secure() is None
        store.history.undo()
        assert store.securing.secure() == snapshots.listed(path)[0]
        assert store.securing.secure() is None
    assert len(snapshots.listed(path)) == 2


def test_a_bulk_edit_is_preceded_by_a_snapshot(path: Path) -> None:
    with Store.open(path) as store:
        prepare(store)
        store.apply(Edit("Few", tuple(Change(None, Category(n, "c", "#000000")) for n in range(1, 10))))
        assert snapshots.listed(path) == []
        store.apply(Edit("Many", tuple(Change(None, Category(n, "c", "#000000")) for n in range(10, 1010))))
    (taken,) = snapshots.listed(path)
    with Store.open(taken, read_only=True) as store:
        assert len(store.categories()) == 9


def test_an_import_takes_no_copy_away_that_is_just_being_made(path: Path) -> None:
    """Upkeep copies on a thread of its own, and an import is preceded by a snapshot on the writer's."""
    fill(path)
    made: list[Path] = []
    with Store.open(path) as store:
        store.history.undo()

        def meanwhile() -> None:
            left = path.with_name("labels.labeler.backups") / "labels-left-by-a-kill.tmp"
            left.touch()
            made.append(copying.take(path))
            assert not left.exists()

        made.append(copying.take(path, midway=meanwhile))
    assert all(snapshots.is_good(one) for one in made)
    assert not copying._underway


def test_where_the_folder_takes_none_they_go_to_the_data_folder(path: Path) -> None:
    with Store.open(path) as store:
        path.with_name("labels.labeler.backups").write_bytes(b"a file in the way")
        taken = store.securing.snapshot()
    assert taken.is_relative_to(data_dir() / "backups")
    assert snapshots.newest_good(path) == taken


def test_ten_and_one_for_each_of_seven_days_are_kept(path: Path) -> None:
    fill(path)
    (real,) = snapshots.listed(path)
    now = datetime.now(UTC)
    for hours in range(1, 24 * 12, 3):
        stamp = (now - timedelta(hours=hours)).strftime("%Y%m%d-%H%M%S-%f")
        shutil.copy(real, real.with_name(f"labels-{stamp}.labeler"))
    other = real.with_name("labels-of-mine.labeler")
    other.write_bytes(b"")
    with Store.open(path) as store:
        newest = store.securing.snapshot()
    kept = snapshots.listed(path)
    assert newest in kept
    days = {datetime.fromtimestamp(snapshots.taken(p), UTC).date() for p in kept}
    assert len(days) == 7
    assert 10 <= len(kept) <= 17
    ages = [now.timestamp() - snapshots.taken(p) for p in kept]
    assert max(ages[:10]) < 30 * 3600
    assert other.exists()


def at_the_time(monkeypatch, when: datetime) -> None:
    """Let snapshots be named as if the clock said so."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return when

    monkeypatch.setattr(copying, "datetime", Clock)


def test_they_take_no_more_than_a_share_of_the_disk_and_it_is_told(path: Path, monkeypatch) -> None:
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    folder = snapshots.folder_to_write(path)
    now, made = datetime(2026, 5, 20, 12, tzinfo=UTC), []
    for number in range(20):  # ten of today, one a day before
        ago = timedelta(seconds=number) if number < 10 else timedelta(days=number - 9)
        file = folder / f"labels-{(now - ago).strftime(snapshots.STAMP)}.labeler"
        file.write_bytes(bytes(1000))
        made.append(file)
    monkeypatch.setattr(snapshots, "ALWAYS", 0)
    monkeypatch.setattr(snapshots, "SHARE", 0.25)
    told = snapshots.rotate(folder, "labels", keeping=made[0])
    left = [file for file in made if file.exists()]
    assert len(left) == 5
    assert left == [*made[:2], *made[10:13]], "the two newest, then one a day"
    assert told.startswith("5 earlier copies are kept of labels, 0.0 GB: more would take over a tenth")
    monkeypatch.setattr(snapshots, "SHARE", 0.01)
    snapshots.rotate(folder, "labels", keeping=made[0])
    assert [file for file in made if file.exists()] == made[:2], "never fewer than two"


def test_the_window_is_told_once_that_few_snapshots_are_kept(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(snapshots, "rotate", lambda *_, **__: "few")
    said: list[str] = []
    with Store.open(path) as store:
        upkeep = Upkeep(store, lambda _: None, said.append)
        for name in ("a", "b"):
            store.apply(Edit("Add", (Change(None, Category(ord(name), name, "#ff0000")),)))
            assert upkeep._secure(1)
        upkeep.last()
    assert said == ["few"]


def test_a_clock_put_back_loses_no_snapshot_and_makes_none_look_newer(path: Path, monkeypatch) -> None:
    with Store.open(path) as store:
        prepare(store)
        for number in range(1, 13):
            store.apply(Edit("Add", (Change(None, Category(number, f"c{number}", "#000000")),)))
            store.securing.snapshot()
        at_the_time(monkeypatch, datetime.now(UTC) - timedelta(days=400))
        for number in range(13, 25):
            store.apply(Edit("Add", (Change(None, Category(number, f"c{number}", "#000000")),)))
            taken = store.securing.snapshot()
            assert taken.exists()
            assert snapshots.listed(path)[0] == taken
    revisions = [snapshots.revision(one) for one in snapshots.listed(path)]
    assert revisions[:10] == list(range(25, 15, -1))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    with pytest.raises(DamagedProjectError) as caught:
        Store.open(path)
    snapshots.restore(path, caught.value.snapshot)
    with Store.open(path) as store:
        assert len(store.categories()) == 24


def test_what_was_restored_is_newer_than_the_way_that_was_left(path: Path) -> None:
    with Store.open(path) as store:
        prepare(store)
        early = store.securing.snapshot()
        for number in range(1, 30):
            store.apply(Edit("Add", (Change(None, Category(number, f"c{number}", "#000000")),)))
        late = store.securing.snapshot()
    snapshots.restore(path, early)
    with Store.open(path) as store:
        assert store.categories() == []
        store.apply(Edit("Add", (Change(None, Category(1, "of the new way", "#000000")),)))
        newest = store.securing.snapshot()
    assert snapshots.listed(path) == [newest, late, early]


def test_a_new_project_where_another_was_is_newer_than_its_snapshots(path: Path) -> None:
    fill(path)
    path.unlink()
    with Store.open(path) as store:
        prepare(store)
        newest = store.securing.snapshot()
    assert snapshots.newest_good(path) == newest


def test_a_snapshot_is_of_its_moment_whatever_is_written_while_it_is_taken(path: Path) -> None:
    with Store.open(path) as store:
        prepare(store)

        def write_on() -> None:
            store.apply(Edit("Add", (Change(None, Category(1, "c", "#000000")),)))
            store.file.checkpoint()

        with closing(copying.Pinned(path)) as pinned:
            write_on()
            taken = copying.keep(pinned)
    with Store.open(taken, read_only=True) as old, Store.open(path, read_only=True) as new:
        assert (len(old.categories()), len(new.categories())) == (0, 1)


def test_a_snapshot_that_is_stopped_leaves_nothing(path: Path) -> None:
    fill(path)
    before = sorted(path.with_name("labels.labeler.backups").iterdir())
    with pytest.raises(copying.CopyStoppedError):
        copying.take(path, stop=lambda: True)
    assert sorted(path.with_name("labels.labeler.backups").iterdir()) == before


def test_leftovers_of_a_killed_snapshot_go_with_the_next(path: Path) -> None:
    fill(path)
    left = path.with_name("labels.labeler.backups") / "labels-123.tmp"
    left.write_bytes(b"half")
    with Store.open(path) as store:
        store.securing.snapshot()
    assert not left.exists()


def test_a_damaged_project_is_left_alone_and_the_newest_good_snapshot_offered(path: Path) -> None:
    records = fill(path)
    good = snapshots.listed(path)[0]
    stamp = datetime.fromtimestamp(snapshots.taken(good) + 60, UTC).strftime("%Y%m%d-%H%M%S-%f")
    bad = good.with_name(f"labels-{stamp}.labeler")
    bad.write_bytes(good.read_bytes()[:9000])
    content = bytearray(path.read_bytes())
    content[8192 : 8192 + 4096 * 6] = os.urandom(4096 * 6)
    path.write_bytes(content)
    with pytest.raises(DamagedProjectError) as caught:
        Store.open(path)
    assert path.read_bytes() == content
    assert caught.value.snapshot == good
    assert caught.value.saves_behind == 0
    assert "has all that was saved in it" in str(caught.value)
    aside = snapshots.restore(path, good)
    assert aside.read_bytes() == content
    with Store.open(path) as store:
        assert state(store) == records
    with pytest.raises(ProjectError, match="is not whole"):
        snapshots.restore(path, bad)


def test_damage_without_a_snapshot_says_so(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(DamagedProjectError, match="There is no whole copy") as caught:
        Store.open(path)
    assert (caught.value.snapshot, caught.value.saves_behind) == (None, None)


def test_an_empty_file_is_damage_and_not_a_new_project(path: Path) -> None:
    path.touch()
    with pytest.raises(DamagedProjectError, match="it is empty"):
        Store.open(path)
    assert path.stat().st_size == 0


def test_every_kind_of_damage_is_seen_or_does_no_harm(tmp_path: Path) -> None:
    whole = tmp_path / "whole.labeler"
    records = fill(whole)
    content, rng = whole.read_bytes(), random.Random(8)
    seen = 0
    for number in range(60):
        data = bytearray(content)
        match number % 3:
            case 0:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:
                del data[rng.randrange(len(data)) :]
            case _:
                page = rng.randrange(len(data) // 4096)
                data[page * 4096 : page * 4096 + 4096] = bytes(4096)
        path = tmp_path / f"{number}.labeler"
        path.write_bytes(data)
        try:
            with Store.open(path, read_only=True) as store:
                same = _readable(store) == records
        except ProjectError:
            seen += 1
            same = True
        assert path.read_bytes() == data
        if not same:
            # a flipped bit inside a value is beyond SQLite: what stands then must at least be a whole project
            assert number % 3 == 0
    assert seen >= 40


def _readable(store: Store) -> dict | None:
    try:
        return state(store)
    except (ProjectError, ValueError, TypeError):
        return None


# --- a stranger's file ------------------------------------------------------------------------

ACTS = {
    "trigger": "CREATE TRIGGER t AFTER INSERT ON annotation BEGIN DELETE FROM annotation; END",
    "temp-like trigger": 'CREATE TRIGGER "sqlite-x" AFTER UPDATE ON meta BEGIN DELETE FROM image; END',
    "view": "CREATE VIEW v AS SELECT * FROM image",
    "table": "CREATE TABLE t (x)",
    "index": "CREATE UNIQUE INDEX i ON annotation (id, edited)",
    "column": "ALTER TABLE image ADD COLUMN depth REAL",
    "generated": "ALTER TABLE image ADD COLUMN twice INTEGER AS (width * 2)",
    "fts": "CREATE VIRTUAL TABLE t USING fts5 (x)",
}


@pytest.mark.parametrize("sql", ACTS.values(), ids=ACTS)
def test_a_file_with_parts_that_are_not_ours_is_refused_and_unharmed(path: Path, sql: str) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql)
    content = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(ProjectError, match=r"Labeler (does not make|makes it)"):
            Store.open(path, read_only=read_only)
    assert path.read_bytes() == content
    assert not snapshots.is_good(path)


SWAPS = {
    "on conflict": ("path TEXT NOT NULL UNIQUE", "path TEXT NOT NULL UNIQUE ON CONFLICT REPLACE"),
    "cascade": ("REFERENCES category DEFERRABLE", "REFERENCES category ON DELETE CASCADE DEFERRABLE"),
    "check": ("key TEXT NOT NULL", "key TEXT NOT NULL CHECK (key != '7')"),
}


@pytest.mark.parametrize("version", [0, 7])
@pytest.mark.parametrize(("old", "new"), SWAPS.values(), ids=SWAPS)
def test_a_table_that_is_ours_only_by_name_is_refused(path: Path, old: str, new: str, version: int) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, ?)", (old, new))
        db.execute(f"PRAGMA user_version = {schema.newest() + version}")
        db.commit()
    with pytest.raises(ProjectError, match="is not as Labeler makes it"):
        Store.open(path)


@pytest.mark.parametrize("kind", ["trigger", "view", "generated", "fts", "index"])
def test_a_newer_version_is_no_excuse_for_parts_that_act(path: Path, kind: str) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {schema.newest() + 7}")
        db.execute(ACTS[kind])
    with pytest.raises(ProjectError, match="Labeler"):
        Store.open(path)


def test_a_project_that_was_analysed_is_opened(path: Path) -> None:
    records = fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ANALYZE")
        db.execute("VACUUM")
    with Store.open(path) as store:
        assert state(store) == records


# --- versions ---------------------------------------------------------------------------------


def test_a_project_of_a_newer_major_version_is_refused_and_unharmed(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {schema.newest() + 1000}")
    content = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(ProjectError, match="newer version of Labeler"):
            Store.open(path, read_only=read_only)
    assert path.read_bytes() == content


def test_a_newer_minor_version_is_opened_and_kept(path: Path) -> None:
    records = fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {schema.newest() + 7}")
        db.execute("ALTER TABLE image ADD COLUMN depth REAL")
    with Store.open(path) as store:
        assert state(store) == records
        assert store.file.settings()["user_version"] == schema.newest() + 7


def test_another_programs_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(ProjectError, match="another program"):
        Store.open(path)


def test_a_text_file_is_refused(path: Path) -> None:
    path.write_text("not a project, but long enough to be taken for the header of one" * 20)
    with pytest.raises(DamagedProjectError, match="not a database"):
        Store.open(path)


def test_an_older_project_is_brought_up_to_date_after_a_snapshot(path: Path, monkeypatch) -> None:
    records = fill(path)
    sql = "ALTER TABLE image ADD COLUMN depth REAL;\nCREATE TABLE extra (\n  x\n);"
    version = schema.newest()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, schema.Migration(version + 1, sql)))
    with Store.open(path) as store:
        assert store.file.settings()["user_version"] == version + 1
        assert state(store) == records
    newest = snapshots.listed(path)[0]
    assert len(snapshots.listed(path)) == 2
    with closing(sqlite3.connect(newest)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (version,)


def test_a_step_that_fails_leaves_the_older_project_as_it_was(path: Path, monkeypatch) -> None:
    records = fill(path)
    version = schema.newest()
    steps = [schema.Migration(version + n, "CREATE TABLE fine (x);") for n in (1, 2)]
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, *steps))
        with pytest.raises(ProjectError, match="cannot be opened"):
            Store.open(path)
    with Store.open(path) as store:
        assert store.file.settings()["user_version"] == version
        assert state(store) == records


# --- fsync ------------------------------------------------------------------------------------


def test_every_commit_is_flushed_to_the_disk(path: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace to count calls of fsync")
    script = (
        "import sys; from pathlib import Path; from labeler.project.store import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "for n in range(100): store.set_meta('key', str(n))\n"
        "store.close()"
    )
    log = tmp_path / "calls"
    watched = [strace, "-f", "-e", "trace=fsync,fdatasync", "-o", str(log)]
    command = [*watched, sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if "ptrace" in done.stderr.lower():
        pytest.skip("this system does not let strace look on")
    assert done.returncode == 0, done.stderr
    assert log.read_text().count("= 0") >= 100


def first_version(path: Path) -> None:
    """A project as the first version wrote it, with an accepted candidate and another one."""
    with closing(schema.connect(path, mode="rwc")) as db:
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        schema.migrate(db, before=lambda: None, steps=schema.STEPS[:1])
        db.execute("INSERT INTO image VALUES (1, 'a.jpg', 40, 30, 0, '', '', NULL, x'')")
        db.execute("INSERT INTO category VALUES (1, 'cat', '#ffffff', '', '', 0, 0, NULL, x'')")
        db.execute("INSERT INTO model VALUES (1, 'sam', '1')")
        shape = shape_bytes.encode(Box(1, 2, 3, 4))
        db.executemany("INSERT INTO candidate VALUES (?, 1, 1, 1, ?, x'', 0.5)", [(1, shape), (2, shape)])


def test_a_project_of_the_first_version_keeps_its_candidates(path: Path) -> None:
    first_version(path)
    with Store.open(path) as store:
        assert store.file.settings()["user_version"] == schema.newest()
        assert [(c.id, c.shape, c.label, c.verdict) for c in store.predictions.candidates(1)] == [
            (1, Box(1, 2, 3, 4), "", ""),
            (2, Box(1, 2, 3, 4), "", ""),
        ]
        assert store.predictions.models() == [Model(1, "sam", "1")]


def test_a_project_of_the_first_version_must_be_opened_for_writing_once(path: Path) -> None:
    first_version(path)
    with pytest.raises(ProjectError, match="older version"):
        Store.open(path, read_only=True)
