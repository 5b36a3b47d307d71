"""A project that is read while the window that has it open goes on saving: by an export, a check, a guest."""

import subprocess
import sys
from pathlib import Path

import pytest

from labeler.project import schema
from labeler.project.keeping import known, noted, snapshots
from labeler.project.store import Store

HOLDS = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    try:
        fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
    except OSError:
        print("held")
"""
"""Whether somebody holds the byte by which SQLite knows that the index of a log is in use."""


def held(project: Path) -> bool:
    index = project.with_name(f"{project.name}-shm")
    child = subprocess.run(
        [sys.executable, "-c", HOLDS, str(index)], capture_output=True, text=True, check=True
    )
    return child.stdout.strip() == "held"


@pytest.fixture
def open_store(tmp_path: Path):
    with Store.open(tmp_path / "p.labeler") as store:
        store.set_meta("turn", "0")
        yield store


def save(store: Store) -> None:
    turn = str(int(store.meta("turn")) + 1)
    store.set_meta("turn", turn)
    store.predictions.ensure_model("m", turn)


def test_a_check_sees_one_moment_of_what_is_saved_meanwhile(open_store: Store) -> None:
    saves = []

    def save_meanwhile() -> bool:
        saves.append(save(open_store))
        return False

    assert schema.damage(open_store.path, stop=save_meanwhile) == ""
    assert saves


def test_what_is_saved_between_two_looks_is_not_lost(open_store: Store, monkeypatch) -> None:
    """Whatever comes first, the noted revision or that of the file: a save follows on it at once."""

    def then_save(look):
        def looked(path):
            found = look(path)
            save(open_store)
            return found

        return looked

    monkeypatch.setattr(known, "known_revision", then_save(noted.known_revision))
    monkeypatch.setattr(snapshots, "revision", then_save(snapshots.revision))
    known.assert_nothing_lost(open_store.path, torn=False)


@pytest.mark.skipif(sys.platform == "win32", reason="locks belong to a handle there")
def test_reading_beside_an_open_store_leaves_its_locks(open_store: Store) -> None:
    """Without them another process cuts the index under this one, which ends in a bus error."""
    assert held(open_store.path)
    with Store.open(open_store.path, read_only=True):
        assert held(open_store.path)
    assert held(open_store.path)
    known.has_torn_log(open_store.path)
    assert held(open_store.path)
