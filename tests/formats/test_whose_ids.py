"""Results onto a project into which several files gave the same ids: never onto the wrong photo."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from labeler.errors import UnclearIdsError
from labeler.formats.exchange import import_results
from labeler.formats.export import export_coco
from labeler.project.store import Store
from tests.in_one_go import import_coco


def labels(folder: Path, ids: list[Any], category: str = "c", category_id: Any = 1) -> Path:
    """A labels file and its photos, named by their folder and place."""
    folder.mkdir()
    names = [f"{folder.name}{place}.png" for place in range(len(ids))]
    for name in names:
        PilImage.fromarray(np.zeros((48, 64, 3), np.uint8)).save(folder / name)
    content = {
        "images": [{"id": key, "file_name": name} for key, name in zip(ids, names, strict=True)],
        "categories": [{"id": category_id, "name": category}],
        "annotations": [],
    }
    path = folder.parent / f"{folder.name}.json"
    path.write_text(json.dumps(content))
    return path


def results(tmp_path: Path, *ids: Any, category_id: Any = 1) -> Path:
    path = tmp_path / "results.json"
    row = {"category_id": category_id, "bbox": [1, 1, 10, 10], "score": 0.9}
    path.write_text(json.dumps([row | {"image_id": key} for key in ids]))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "p.labeler") as opened:
        opened.set_root(tmp_path)
        yield opened


def hit(store: Store) -> list[str]:
    return [Path(image.path).name for image in store.images() if store.predictions.candidates(image.id)]


def test_ids_of_two_files_are_asked_about_and_the_named_file_decides(store: Store, tmp_path: Path) -> None:
    first, second = labels(tmp_path / "A", [1, 2]), labels(tmp_path / "B", [1, 2])
    for path in (first, second):
        import_coco(store, path, images=path.with_suffix(""))
    with pytest.raises(UnclearIdsError, match=r"Image id 1 .*A0\.png.*B0\.png"):
        import_results(store, results(tmp_path, 1), model="m")
    assert hit(store) == []
    assert import_results(store, results(tmp_path, 1), model="m", of=second).taken == 1
    assert hit(store) == ["B0.png"]
    assert import_results(store, results(tmp_path, 2), model="n", of=first).taken == 1
    assert hit(store) == ["A1.png", "B0.png"]


def test_ids_that_only_an_export_gives_are_those_of_the_export(store: Store, tmp_path: Path) -> None:
    for path in (labels(tmp_path / "A", [1, 2]), labels(tmp_path / "B", [1, 2])):
        import_coco(store, path, images=path.with_suffix(""))
    exported = {row["id"]: row["file_name"] for row in json.loads(export_coco(store)[0])["images"]}
    assert import_results(store, results(tmp_path, *exported), model="m").taken == 4
    out = tmp_path / "export.json"
    out.write_bytes(export_coco(store)[0])
    assert import_results(store, results(tmp_path, 1), model="n", of=out).taken == 1


def test_ids_that_only_one_file_gave_are_taken(store: Store, tmp_path: Path) -> None:
    for path in (labels(tmp_path / "A", [1, 2]), labels(tmp_path / "B", [2, 30])):
        import_coco(store, path, images=path.with_suffix(""))
    assert import_results(store, results(tmp_path, 1, 30), model="m").taken == 2
    assert hit(store) == ["A0.png", "B1.png"]
    with pytest.raises(UnclearIdsError, match="Image id 2 "):
        import_results(store, results(tmp_path, 1, 2), model="m")


def test_a_category_id_of_two_files_is_asked_about(store: Store, tmp_path: Path) -> None:
    first = labels(tmp_path / "A", [1], "cat")
    for path in (first, labels(tmp_path / "B", [2], "dog")):
        import_coco(store, path, images=path.with_suffix(""))
    with pytest.raises(UnclearIdsError, match=r"Category id 1 .*cat.*dog"):
        import_results(store, results(tmp_path, 1), model="m")
    assert import_results(store, results(tmp_path, 1), model="m", of=first).taken == 1


def test_texts_that_two_files_gave_mean_neither_unless_the_file_is_named(
    store: Store, tmp_path: Path
) -> None:
    second = tmp_path / "B.json"
    for path in (labels(tmp_path / "A", ["x", "y"]), labels(tmp_path / "B", ["x", "z"])):
        import_coco(store, path, images=path.with_suffix(""))
    report = import_results(store, results(tmp_path, "x", "y"), model="m")
    assert (report.taken, report.refused) == (1, 1)
    assert hit(store) == ["A1.png"]
    assert import_results(store, results(tmp_path, "x"), model="n", of=second).taken == 1
    assert hit(store) == ["A1.png", "B0.png"]
