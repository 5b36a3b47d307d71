"""Label Studio's tasks in and out: what was fitted comes back, and each trap of its JSON."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.geometry import area, bounds
from labeler.core.records import Annotation, Box, Category, Image, Mask, Polygons
from labeler.errors import FormatError
from labeler.formats import spec as formats_spec
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.gates import RefusalError
from labeler.formats.label_studio.label_studio_format import label_studio
from labeler.formats.label_studio.region_shapes import RegionReader
from labeler.formats.label_studio.task_reading import plain_name, read
from labeler.formats.label_studio.task_writing import write
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Source, Target
from labeler.formats.write_options import Writing
from tests.cli.typed import labeler
from tests.formats.label_studio.test_brush_runs import CODE

SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}


@pytest.fixture(autouse=True)
def _formats() -> Any:
    formats_spec.come_from(lambda: (label_studio,))
    yield
    formats_spec.come_from(tuple)


def result(kind: str, key: str = "r1", **value: Any) -> dict[str, Any]:
    head = {"id": key, "type": kind, "from_name": "label", "to_name": "image", **SIZE}
    return {**head, "value": value}


def rectangle(number: str = "r1", **more: Any) -> dict[str, Any]:
    where = {"x": 10, "y": 20, "width": 5, "height": 10, "rotation": 0, "rectanglelabels": ["car"]}
    return result("rectanglelabels", number, **where | more)


def task(
    *results: dict[str, Any], image: str = "/data/upload/1/0123abcd-a.png", **more: Any
) -> dict[str, Any]:
    annotation = {
        "id": 5,
        "result": list(results),
        "was_cancelled": False,
        "created_at": "2024-05-07T12:00:00Z",
    }
    return {"id": 1, "data": {"image": image}, "annotations": [annotation], "predictions": []} | more


def taken(tmp_path: Path, *tasks: Any) -> tuple[Dataset, Report]:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(list(tasks)), "utf-8")
    return dataset_of(open_document(path))


def shape_of(dataset: Dataset) -> Any:
    (one,) = dataset.annotations
    return one.shape


def edges(shape: Any) -> list[float]:
    box = bounds(shape)
    return [box.x0, box.y0, box.x1, box.y1]


def sentences(report: Report) -> str:
    return "\n".join(map(str, report.items))


def again(tmp_path: Path, *tasks: Any) -> list[Any]:
    """What is read of tasks is written, and given as JSON."""
    path = tmp_path / "in.json"
    path.write_text(json.dumps(list(tasks)), "utf-8")
    out = tmp_path / "out.json"
    write_data_set(label_studio, Wanted(read(Source(path)).dataset, out))
    found: list[Any] = json.loads(out.read_bytes())
    return found


def test_a_rectangle_is_percent_of_its_image(tmp_path: Path) -> None:
    dataset, report = taken(tmp_path, task(rectangle()))
    assert isinstance(shape_of(dataset), Box)
    assert np.allclose(edges(shape_of(dataset)), [20, 20, 30, 30])
    assert [(one.path, one.width, one.height) for one in dataset.images] == [("a.png", 200, 100)]
    assert [one.name for one in dataset.categories] == ["car"]
    assert report.refused == 0


def test_a_rectangle_is_turned_about_its_top_left_corner(tmp_path: Path) -> None:
    dataset, report = taken(tmp_path, task(rectangle(x=50, y=50, width=10, height=10, rotation=90)))
    shape = shape_of(dataset)
    assert isinstance(shape, Polygons)
    assert np.allclose(shape.parts[0].outer, [(100, 50), (100, 70), (90, 70), (90, 50)])
    assert "turned box" in sentences(report)
    (found,) = again(tmp_path, task(rectangle(x=50, y=50, width=10, height=10, rotation=33)))
    value = found["annotations"][0]["result"][0]["value"]
    numbers = [value[name] for name in ("x", "y", "width", "height", "rotation")]
    assert np.allclose(numbers, [50, 50, 10, 10, 33])


def test_an_ellipse_has_radii_in_percent_of_both_sides(tmp_path: Path) -> None:
    where = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 0, "ellipselabels": ["car"]}
    dataset, _ = taken(tmp_path, task(result("ellipselabels", **where)))
    assert np.allclose(edges(shape_of(dataset)), [80, 40, 120, 60], atol=0.05)
    assert area(shape_of(dataset)) == pytest.approx(np.pi * 200, rel=0.01)
    (found,) = again(tmp_path, task(result("ellipselabels", **where | {"rotation": 30})))
    (back,) = found["annotations"][0]["result"]
    assert back["type"] == "ellipselabels"
    assert np.allclose([back["value"][name] for name in ("x", "y", "radiusX", "radiusY")], [50, 50, 10, 10])
    assert back["value"]["rotation"] == pytest.approx(30, abs=1e-3)


def test_a_brush_has_a_code_of_its_own(tmp_path: Path) -> None:
    brush = result("brushlabels", format="rle", rle=CODE, brushlabels=["car"])
    brush |= {"original_width": 5, "original_height": 4}
    dataset, _ = taken(tmp_path, task(brush))
    mask = shape_of(dataset)
    assert isinstance(mask, Mask)
    assert (mask.x, mask.y) == (1, 1)
    assert mask.bits.tolist() == [[True, True, True], [False, True, False]]
    (found,) = again(tmp_path, task(brush))
    assert found["annotations"][0]["result"][0]["value"] == {
        "format": "rle",
        "rle": CODE,
        "brushlabels": ["car"],
    }


def test_a_region_in_two_results_of_one_id(tmp_path: Path) -> None:
    plain = result("rectangle", x=10, y=20, width=5, height=10, rotation=0)
    labels = result("labels", x=10, y=20, width=5, height=10, labels=["dog"])
    dataset, report = taken(tmp_path, task(plain, labels), task(labels, plain, image="b.png"))
    assert len(dataset.annotations) == 2
    assert [one.name for one in dataset.categories] == ["dog"]
    assert report.refused == 0


def test_what_is_said_of_a_region_becomes_its_attributes(tmp_path: Path) -> None:
    said = [
        result("choices", choices=["red"]) | {"from_name": "colour"},
        result("textarea", text=["a note"]) | {"from_name": "note"},
        result("number", number=3) | {"from_name": "doors"},
        result("taxonomy", taxonomy=[["a", "b"]]) | {"from_name": "kind"},
    ]
    dataset, _ = taken(tmp_path, task(rectangle(), *said))
    wanted = {"colour": "red", "note": "a note", "doors": 3, "kind": [["a", "b"]]}
    assert dataset.annotations[0].attributes == wanted
    (found,) = again(tmp_path, task(rectangle(), *said))
    back = {one["from_name"]: (one["type"], one["value"]) for one in found["annotations"][0]["result"]}
    for one in said:
        assert back[one["from_name"]] == (one["type"], one["value"])
    assert len({one["id"] for one in found["annotations"][0]["result"]}) == 1


def test_what_is_said_of_the_image_stays_with_it_and_is_told(tmp_path: Path) -> None:
    night = {
        "type": "choices",
        "id": "c",
        "from_name": "scene",
        "to_name": "image",
        "value": {"choices": ["night"]},
    }
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    point = result("keypointlabels", "k", x=1, y=2, width=0.4, keypointlabels=["nose"])
    dataset, report = taken(tmp_path, task(night, relation, point, rectangle()))
    assert len(dataset.annotations) == 1
    assert "whole image" in sentences(report)
    assert "no area" in sentences(report)
    (found,) = again(tmp_path, task(night, relation, point, rectangle()))
    assert found["annotations"][0]["result"][1:] == [night, relation, point]
    assert found["data"]["image"] == "/data/upload/1/0123abcd-a.png"


def test_the_newest_annotation_that_was_not_cancelled_counts(tmp_path: Path) -> None:
    def annotation(label: str, when: str, *, cancelled: bool = False) -> dict[str, Any]:
        made = rectangle(rectanglelabels=[label])
        return {"result": [made], "was_cancelled": cancelled, "created_at": "2020", "updated_at": when}

    several = [
        annotation("new", "2024-05-08"),
        annotation("old", "2024-05-07"),
        annotation("gone", "2024-05-09", cancelled=True),
    ]
    dataset, report = taken(tmp_path, task(annotations=several))
    assert [one.name for one in dataset.categories] == ["new"]
    assert "2 annotations or more" in sentences(report)
    dataset, report = taken(tmp_path, task(annotations=several[2:]))
    assert not dataset.annotations
    assert len(dataset.images) == 1
    assert "cancelled" in sentences(report)


def test_predictions_are_told_and_left_out(tmp_path: Path) -> None:
    dataset, report = taken(tmp_path, task(predictions=[{"result": [rectangle()]}], annotations=[]))
    assert not dataset.annotations
    assert "predictions" in sentences(report)


def test_old_completions_and_the_least_json(tmp_path: Path) -> None:
    old = {
        "id": 1,
        "data": {"image": "a.png"},
        "completions": [{"result": [rectangle()], "created_at": 1550}],
    }
    dataset, _ = taken(tmp_path, old)
    assert len(dataset.annotations) == 1
    value = {"x": 10, "y": 20, "width": 5, "height": 10, "rotation": 0, "rectanglelabels": ["car"]}
    least = {"id": 1, "image": "/data/upload/1/0123abcd-a.png", "label": [value | SIZE], "annotator": 1}
    dataset, report = taken(tmp_path, least)
    assert np.allclose(edges(shape_of(dataset)), [20, 20, 30, 30])
    assert dataset.images[0].path == "a.png"
    assert [one.name for one in dataset.categories] == ["car"]
    assert report.refused == 0


@pytest.mark.parametrize(
    ("turn", "wanted"),
    [(0, [20, 20, 30, 30]), (90, [40, 75, 60, 85]), (180, [170, 70, 180, 80]), (270, [140, 15, 160, 25])],
)
def test_an_image_that_was_turned_is_turned_back(tmp_path: Path, turn: int, wanted: list[float]) -> None:
    box = rectangle(x=10, y=20, width=5, height=10) | {"image_rotation": turn}
    if turn % 180:  # percent of the turned image, 100 by 200
        box = rectangle(x=15, y=20, width=10, height=10) | {"image_rotation": turn}
    dataset, _ = taken(tmp_path, task(box))
    assert np.allclose(edges(shape_of(dataset)), wanted)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/data/upload/3/0123abcd-cat%20one.jpg", "cat one.jpg"),
        ("/data/local-files/?d=photos/cat.jpg", "photos/cat.jpg"),
        ("s3://bucket/some/cat.jpg", "some/cat.jpg"),
        ("https://example.com/x/cat.jpg?size=3", "x/cat.jpg"),
        ("photos/cat.jpg", "photos/cat.jpg"),
        ("/image1", "image1"),
    ],
)
def test_names_behind_addresses(url: str, name: str) -> None:
    assert plain_name(url) == name


def test_a_photo_is_found_behind_its_address(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    PillowImage.new("RGB", (200, 100)).save(tmp_path / "photos" / "a.png")
    dataset, _ = taken(tmp_path, task(rectangle(), image="/data/local-files/?d=elsewhere/photos/a.png"))
    assert dataset.images[0].path == "photos/a.png"


def test_a_size_that_nothing_says_is_a_refusal_but_for_the_photo(tmp_path: Path) -> None:
    bare = rectangle()
    del bare["original_width"]
    _, report = taken(tmp_path, task(bare))
    assert "size that neither" in sentences(report)
    PillowImage.new("RGB", (200, 100)).save(tmp_path / "a.png")
    dataset, report = taken(tmp_path, task(bare))
    assert np.allclose(edges(shape_of(dataset)), [20, 20, 30, 30])


def test_copies_of_a_region_have_ids_of_their_own(tmp_path: Path) -> None:
    kept = msgspec.json.encode({"label-studio": {"id": "r1"}})
    objects = tuple(Annotation(n, 1, 1, Box(n, 1, 9, 9), extra=kept) for n in (1, 2, 3))
    dataset = Dataset((Image(1, "a b.png", 20, 20),), (Category(1, "cat", ""),), objects)
    out = tmp_path / "out.json"
    write_data_set(label_studio, Wanted(dataset, out))
    (found,) = json.loads(out.read_bytes())
    assert len({one["id"] for one in found["annotations"][0]["result"]}) == 3
    assert found["data"]["image"] == "/data/local-files/?d=a%20b.png"
    assert len(read(Source(out)).dataset.annotations) == 3


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (rectangle(x="x"), "Must be a number"),
        (rectangle(x=1e300), "far from every image"),
        (result("polygonlabels", points=[[1, 2], [3]], polygonlabels=["car"]), "pairs of numbers"),
        (result("polygonlabels", points=5, polygonlabels=["car"]), "pairs of numbers"),
        (result("brushlabels", rle=[1, 2], brushlabels=["car"]), "ends in the middle"),
        (result("brushlabels", rle="abc", brushlabels=["car"]), "no code"),
        (result("ellipselabels", x=1, y=1, radiusX=0, radiusY=1), "no extent"),
        (rectangle() | {"image_rotation": 45}, "no quarters"),
        (rectangle(x=float("nan")), "no result that can be read"),
    ],
)
def test_a_region_that_is_bad_is_one_refusal(tmp_path: Path, bad: dict[str, Any], said: str) -> None:
    dataset, report = taken(tmp_path, task(bad, rectangle("good")))
    assert len(dataset.annotations) == 1
    assert report.tallies["annotations"].refused == 1
    assert said in sentences(report)
    assert "[0].annotations[0].result[0]" in sentences(report)


@pytest.mark.parametrize("bad", [5, {"data": 5, "annotations": []}, {"data": {}, "annotations": []}, [1]])
def test_a_task_that_is_bad_is_one_refusal(tmp_path: Path, bad: Any) -> None:
    dataset, report = taken(tmp_path, task(rectangle()), bad)
    assert len(dataset.annotations) == 1
    assert report.tallies["images"].refused == 1


@pytest.mark.parametrize("text", ["", "[", '[{"data": {"image": "a"}, "annotations": [', "[" * 200_000])
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(text)
    with pytest.raises(FormatError) as raised:
        dataset_of(open_document(path))
    assert "\n" not in str(raised.value)


def test_the_command_line_reads_and_writes_it(tmp_path: Path) -> None:
    home = tmp_path / "in"
    home.mkdir()
    PillowImage.new("RGB", (200, 100)).save(home / "0123abcd-a.png")
    (home / "tasks.json").write_text(json.dumps([task(rectangle())]))
    done = labeler("import", home, tmp_path / "p.labeler")
    assert done.returncode == 0, done.stderr
    assert "annotations: 1 of 1 taken" in done.stdout
    out = tmp_path / "out"
    done = labeler("export", tmp_path / "p.labeler", out, "--format", "label-studio", "--photos", "copy")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((out / "tasks.json").read_bytes())
    assert found["data"]["image"].startswith("/data/local-files/?d=images/")
    assert labeler("convert", out / "tasks.json", tmp_path / "back.json", "--to", "coco").returncode == 0
    assert len(json.loads((tmp_path / "back.json").read_bytes())["annotations"]) == 1


def test_what_is_left_out_is_listed_three_at_a_time(tmp_path: Path) -> None:
    plain = Annotation(1, 1, 1, Box(1, 1, 9, 9))
    more = Annotation(2, 1, 1, Box(1, 1, 9, 9), extra=b'{"d":1,"a":2,"c":3,"b":4}')
    dataset = Dataset((Image(1, "x.png", 40, 30),), (Category(1, "a", ""),), (plain, more))
    aim = Target(tmp_path / "out.json", "left", {1: "x.png"}, Writing())
    notes = [note.sentence for note in write([formats_spec.Part("", dataset)], aim)]
    assert notes == ["Has more in its file (“a”, “b”, “c”), which is left out."]


def test_brushes_beyond_the_budget_of_a_file_are_refused() -> None:
    reader = RegionReader(12)  # the box around what the code paints is 3 by 2
    for _ in range(2):
        reader.shape({"rle": CODE}, (5, 4), 0)
    with pytest.raises(RefusalError, match="The masks before it take"):
        reader.shape({"rle": CODE}, (5, 4), 0)
