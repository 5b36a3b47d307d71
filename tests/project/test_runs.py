"""Trainings are remembered by the project as they were told, and over its reopening."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.errors import ProjectError
from labeler.project import schema
from labeler.project.runs import Run
from labeler.project.store import Store

RUN = Run(0, "/runs/ä b", "Cells “3” 細胞", "unet", 12, 1_700_000_000.5)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "set.labeler"
    Store.open(path).close()
    return path


def test_a_training_is_kept_over_a_reopening_with_its_figures(project: Path) -> None:
    with Store.open(project) as store:
        made = store.runs.add(RUN)
        assert made == replace(RUN, id=made.id)
        ended = replace(made, state="finished", finished=3.5, metrics={"AP50": 0.81}, before={"AP50": 0.74})
        store.runs.update(ended)
    with Store.open(project) as store:
        assert store.runs.list() == [ended]


def test_the_newest_training_comes_first_and_a_removed_one_not_at_all(project: Path) -> None:
    with Store.open(project) as store:
        old, new = (store.runs.add(replace(RUN, folder=f"/{n}", started=n)) for n in (1.0, 2.0))
        assert store.runs.list() == [new, old]
        store.runs.remove(new.id)
        store.runs.remove(new.id)
        assert store.runs.list() == [old]
        with pytest.raises(ProjectError, match="no training"):
            store.runs.update(new)


def test_a_folder_belongs_to_one_training(project: Path) -> None:
    with Store.open(project) as store:
        store.runs.add(RUN)
        with pytest.raises(ProjectError, match="run"):
            store.runs.add(RUN)
        assert len(store.runs.list()) == 1


def test_figures_that_cannot_be_read_are_no_figures(project: Path) -> None:
    with Store.open(project) as store:
        store.runs.add(RUN)
        with store.transaction():  # sealed as everything that is written, so that it is no damage
            store.file.db.execute("UPDATE run SET metrics = '{', before = '[1]'")
    with Store.open(project) as store:
        (run,) = store.runs.list()
        assert (run.metrics, run.before) == ({}, {})


def test_a_project_of_the_version_before_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "old.labeler"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        schema.migrate(db, before=lambda: None, steps=[s for s in schema.STEPS if s.version < 2002])
    with Store.open(path) as store:
        assert store.runs.list() == []
        store.runs.add(RUN)
        assert store.file.settings()["user_version"] == schema.newest()
