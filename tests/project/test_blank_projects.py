"""A project that was made for a folder and never used goes with its snapshots; any other stays."""

from pathlib import Path

import pytest

from labeler.core.records import Category, Change, Edit
from labeler.project.blank_projects import is_blank, take_away
from labeler.project.keeping import snapshots
from labeler.project.store import Store

CAT = Category(1, "cat", "#fff")


def photo(store: Store) -> None:
    store.photos.add(["a.jpg"])


def category(store: Store) -> None:
    store.apply(Edit("Add", (Change(None, CAT),)))


def taken_back(store: Store) -> None:
    category(store)
    store.history.undo()


@pytest.mark.parametrize(
    ("use", "blank"), [(lambda store: None, True), (photo, False), (category, False), (taken_back, False)]
)
def test_only_what_was_never_used_is_blank(tmp_path: Path, use, blank) -> None:
    with Store.open(tmp_path / "p.labeler") as store:
        use(store)
        assert is_blank(store) is blank


def test_what_is_taken_away_leaves_nothing_but_what_is_not_its_own(tmp_path: Path) -> None:
    path, other = tmp_path / "p.labeler", tmp_path / "other.labeler"
    for one in (path, other):
        with Store.open(one) as store:
            assert store.securing.snapshot()
    kept, others = snapshots.listed(path), snapshots.listed(other)
    assert kept
    assert others
    take_away(path)
    assert not path.exists()
    assert snapshots.listed(path) == []
    assert other.exists()
    assert snapshots.listed(other) == others
    assert not any(one.parent.exists() for one in kept)
    take_away(path)
    assert other.exists(), "what is gone already is no reason to look elsewhere"
