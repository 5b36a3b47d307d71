"""One giver of ids: the window, imports, runs and the store never give the same one."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit
from labeler.project.store import Store
from tests.in_one_go import import_coco


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "p.labeler") as opened:
        opened.photos.add(["a.jpg"])
        opened.apply(Edit("Add", (Change(None, Category(opened.ids.take("category"), "cat", "#fff")),)))
        yield opened


def candidate(key: int, model: int = 1) -> Candidate:
    return Candidate(key, 1, model, 1, Box(0, 0, 9, 9), 0.9)


def test_a_run_stored_between_giving_and_writing(store: Store) -> None:
    """What the window has given and not yet written is not given to a run."""
    model = store.predictions.ensure_model("sam", "1")
    given = store.ids.take("candidate")
    stored = store.predictions.record_run(model.id, 1, [candidate(0)] * 3)
    store.apply(Edit("Accept", (Change(None, candidate(given)),)))
    assert len({given, *(one.id for one in stored)}) == 4


def test_an_import_between_giving_and_writing(store: Store, tmp_path: Path) -> None:
    given = {kind: store.ids.take(kind) for kind in ("annotation", "category")}
    file = tmp_path / "labels.json"
    box = {"image_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
    file.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
                "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cow"}],
                "annotations": [{"id": n, "category_id": n, **box} for n in (1, 2)],
            }
        )
    )
    import_coco(store, file)
    made = Annotation(given["annotation"], 1, given["category"], Box(0, 0, 1, 1))
    kind = Category(given["category"], "horse", "#000")
    store.apply(Edit("Add", (Change(None, kind), Change(None, made))))
    assert len(store.annotations(1)) == 3
    assert len(store.categories()) == 4


def test_ids_given_are_not_given_again_after_opening_anew(store: Store) -> None:
    """Also those whose edit was never written, once anything was."""
    given = store.ids.take("annotation", 5)
    store.set_meta("something", "else")
    path = store.path
    store.close()
    with Store.open(path) as again:
        assert again.ids.take("annotation") == given + 5


def test_an_edit_that_was_rescued_has_its_ids(store: Store) -> None:
    made = Annotation(40, 1, 1, Box(0, 0, 1, 1))
    store.apply(Edit("Add", (Change(None, made),)))
    assert store.ids.take("annotation") == 41


def test_an_edit_that_fails_uses_no_ids_up(store: Store) -> None:
    before = store.ids.peek()
    impossible = Annotation(2**70, 1, 1, Box(0, 0, 1, 1))
    with pytest.raises(Exception, match="Nothing was saved"):
        store.apply(Edit("Add", (Change(None, impossible),)))
    assert store.ids.peek() == before


def test_threads_never_get_the_same_id(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: store.ids.take("annotation"), range(4000)))
    assert len(set(given)) == 4000
