"""What every program asks for is always there; what only we know travels beside it and comes back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Category, Change, Edit, Image
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.export import export_coco
from labeler.formats.spec import Dataset
from labeler.formats.write_options import AS_THEY_ARE, FOR_OTHERS
from labeler.project.store import Store
from tests.in_one_go import import_coco

Coco = Callable[..., Path]

CAT = Category(1, "cat", "#123456", key="7", supercategory="animal")
DOG = Category(2, "dog", "#abcdef")
COW = Category(3, "cow", "#abcdee")
DONE, OPEN = Image(1, "a.png", 40, 30, reviewed=True), Image(2, "b.png", 40, 30)
BOXES = (
    Annotation(1, 1, 1, Box(1, 2, 11, 14), source="human"),
    Annotation(2, 1, 2, Box(3, 2, 11, 14), source="model", prediction_id=8),
    Annotation(3, 2, 2, Box(3, 2, 11, 15), source="import"),
)


def filled(path: Path) -> bytes:
    """A project's export."""
    with Store.open(path / "made.labeler") as store:
        records = (CAT, DOG, COW, DONE, OPEN, *(replace(one, prediction_id=None) for one in BOXES))
        store.apply(Edit("Make", tuple(Change(None, record) for record in records)))
        return export_coco(store)[0]


def test_what_clients_ask_for_is_always_there() -> None:
    for dataset in (Dataset((), (), ()), Dataset((DONE,), (CAT, DOG), BOXES)):
        whole = json.loads(write_coco(dataset)[0])
        assert isinstance(whole["info"], dict)
        assert whole["licenses"] == []
        # "none" would be a category's name to rf-detr, which leaves such out
        assert [item["supercategory"] for item in whole["categories"]] == [
            category.supercategory for category in dataset.categories
        ]


def test_a_files_own_info_is_kept(coco: Coco) -> None:
    text = (
        '{"info": {"year": 2017}, "licenses": [{"id": 1}], "images": [], "annotations": [], "categories": []}'
    )
    assert json.loads(write_coco(read_coco(coco(text))[0])[0]) == json.loads(text)


def test_reviewed_marks_colours_keys_and_sources_come_back(tmp_path: Path, coco: Coco) -> None:
    data = filled(tmp_path)
    with Store.open(tmp_path / "again.labeler") as store:
        assert not import_coco(store, coco(data)).tallies["annotations"].refused
        assert [(image.path, image.reviewed) for image in store.images()] == [
            ("a.png", True),
            ("b.png", False),
        ]
        assert [(one.name, one.color, one.key, one.supercategory) for one in store.categories()] == [
            ("cat", "#123456", "7", "animal"),
            ("dog", "#abcdef", "", ""),
            ("cow", "#abcdee", "", ""),
        ]
        assert [one.source for one in store.all_annotations()] == ["human", "model", "import"]
        assert {one.prediction_id for one in store.all_annotations()} == {None}
        assert {record.extra for record in (*store.images(), *store.categories())} == {b""}
        assert json.loads(export_coco(store)[0]) == json.loads(data)


def test_a_mark_is_not_put_on_work_it_does_not_speak_of(tmp_path: Path, coco: Coco) -> None:
    data = filled(tmp_path)
    with Store.open(tmp_path / "again.labeler") as store:
        one, other = store.photos.add(["a.png", "b.png"])
        mine = Annotation(1, one.id, 1, Box(20, 20, 30, 29))
        store.apply(Edit("Draw", (Change(None, CAT), Change(None, mine))))
        import_coco(store, coco(data.replace(b'"id":2,"file', b'"labeler":{"reviewed":true},"id":2,"file')))
        assert not store.image(one.id).reviewed
        assert store.image(other.id).reviewed


def test_a_colour_or_key_that_another_has_is_not_taken_twice(tmp_path: Path, coco: Coco) -> None:
    data = filled(tmp_path)
    with Store.open(tmp_path / "again.labeler") as store:
        store.apply(Edit("Add", (Change(None, Category(5, "bird", CAT.color, key=CAT.key)),)))
        import_coco(store, coco(data))
        colors = [one.color for one in store.categories()]
        assert len(set(colors)) == 4
        assert [one.key for one in store.categories()].count("7") == 1


@pytest.mark.parametrize(
    "foreign", ['"by hand"', '{"reviewed": 3}', "[1]", '{"reviewed": true, "by": "x"}', "null"]
)
def test_another_programs_key_of_that_name_is_left_as_it_is(coco: Coco, foreign: str) -> None:
    raw = f'"labeler": {foreign}'
    text = (
        f'{{"images": [{{"id": 1, "file_name": "a", "width": 9, "height": 9, {raw}}}], '
        f'"categories": [{{"id": 1, "name": "c", {raw}}}], "annotations": '
        f'[{{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [1, 1, 2, 2], {raw}}}]}}'
    )
    dataset, report = read_coco(coco(text))
    assert not report.items
    assert not dataset.images[0].reviewed
    for writing in (AS_THEY_ARE, FOR_OTHERS):
        written = json.loads(write_coco(dataset, writing=writing)[0])
        for kind in ("images", "categories", "annotations"):
            assert written[kind][0]["labeler"] == json.loads(foreign)


def test_a_colour_that_is_none_is_passed_over(coco: Coco) -> None:
    own = '{"color": "url(x)", "key": "F"}'
    category_text = f'{{"id": 1, "name": "c", "labeler": {own}}}'
    text = f'{{"images": [], "annotations": [], "categories": [{category_text}]}}'
    (category,) = read_coco(coco(text))[0].categories
    assert category.color.startswith("#")
    assert (category.key, category.extra) == ("", b"")
