"""What is known of photos is sealed as labels are: by whichever statement it was written."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from labeler.core.photos.photo_files import Fingerprint
from labeler.core.records import Image
from labeler.project import schema
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a photo that was written by each of the ways that there are, and is whole."""
    path = tmp_path / "labels.labeler"
    with Store.open(path) as store:
        one, two = store.photos.add(["a.jpg", "b.jpg"])
        store.photos.meet(Image(one.id, one.path, 40, 30), Fingerprint(100, 1, "first", "all"))
        store.photos.keep([(two.id, two.path, Fingerprint(200, 2, "second", ""))])
        store.photos.replace(one.id, Fingerprint(300, 3, "third", "more"))
        store.photos.meet(Image(two.id, two.path, 20, 10), Fingerprint(200, 4, "second", "whole"))
    assert schema.damage(path) == ""
    return path


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE photo SET size = size + 1 WHERE image_id = 1", "photo"),
        ("UPDATE photo SET content = 'other' WHERE image_id = 2", "photo"),
        ("UPDATE photo SET seal = seal + 1 WHERE image_id = 2", "photo"),
        ("DELETE FROM photo WHERE image_id = 1", "photo"),
        ("UPDATE image SET digest = 'other' WHERE id = 1", "image"),
        ("UPDATE image SET width = 41 WHERE id = 2", "image"),
    ],
)
def test_damage_to_what_is_known_of_a_photo_is_told(project: Path, change: str, table: str) -> None:
    with closing(sqlite3.connect(project, isolation_level=None)) as db:
        db.execute(change)
    with pytest.raises(DamagedProjectError, match=f"“{table}”"):
        Store.open(project)
