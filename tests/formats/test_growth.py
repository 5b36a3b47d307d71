"""Reading a file takes time by its size, not by its square: counted in CPU time of ten times as much."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labeler.formats.coco.coco_reading import read_coco
from labeler.project.store import Store
from tests.in_one_go import import_coco

Coco = Callable[..., Path]

ALLOWED = 25
"""Times as long for ten times as much; a square would be 100."""


def keys(count: int) -> str:
    many = ",".join(f'"k{n}":{{"a":1}}' for n in range(count))
    return (
        '{"images":[{"id":1,"file_name":"a.png","width":80,"height":60}],"categories":[{"id":1,"name":"c"}],'
        f'"annotations":[{{"id":1,"image_id":1,"category_id":1,"bbox":[1,1,9,9],{many},"k0":2}}]}}'
    )


def categories(count: int) -> str:
    rows = [{"id": n, "name": f"c{n}"} for n in range(count)]
    return json.dumps({"images": [], "annotations": [], "categories": rows})


def missing_images(count: int) -> str:
    rows = [{"id": n, "file_name": f"{n}.png", "width": 9, "height": 9} for n in range(count)]
    return json.dumps({"images": rows, "annotations": [], "categories": []})


def repairs(count: int) -> str:
    rows = [
        {"id": str(n), "image_id": "1", "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": False}
        for n in range(count)
    ]
    document = json.loads(keys(1))
    return json.dumps(document | {"annotations": rows})


def seconds(work: Callable[[], object]) -> float:
    """The least CPU time of three tries."""
    spent = []
    for _ in range(3):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent)


@pytest.mark.parametrize(
    ("make", "count"), [(keys, 4_000), (categories, 5_000), (missing_images, 2_000), (repairs, 2_000)]
)
def test_ten_times_as_much_takes_about_ten_times_as_long(
    tmp_path: Path, make: Callable[[int], str], count: int
) -> None:
    spent = []
    for size in (count, 10 * count):
        path = tmp_path / f"{size}.json"
        path.write_text(make(size))
        spent.append(seconds(lambda path=path: read_coco(path)[1].text()))
    assert spent[1] < ALLOWED * spent[0]


def test_many_categories_come_into_a_project_one_after_the_other(tmp_path: Path) -> None:
    spent = []
    for size in (2_000, 20_000):
        path = tmp_path / f"{size}.json"
        path.write_text(categories(size))
        with Store.open(tmp_path / f"{size}.labeler") as store:
            begun = time.process_time()
            import_coco(store, path)
            spent.append(time.process_time() - begun)
            assert len(store.categories()) == size
    assert spent[1] < ALLOWED * spent[0]
