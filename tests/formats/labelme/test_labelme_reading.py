"""What makers write into labelme files, and what becomes of it."""

import base64
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as Picture

from labeler.core.companions import carried
from labeler.core.geometry import area, bounds, translated
from labeler.core.records import Annotation, Box, Category, Change, Image, Mask, Part, Polygons
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import format_of, read_by
from labeler.formats.labelme.labelme_format import labelme
from labeler.formats.labelme.labelme_upkeep import updated
from labeler.formats.labelme.labelme_writing import ROTATED, image_text
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Source
from tests.formats.labelme.samples import document, mask_text, shape

TRIANGLE = [[20, 10], [50, 10], [50, 40]]


def photo(path: Path, size: tuple[int, int] = (80, 60), turn: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Picture.Exif()
    exif[0x0112] = turn
    Picture.new("RGB", size).save(path, exif=exif)


def read(path: Path, **named: Any) -> tuple[Dataset, Report]:
    dataset, report, _ = read_placed_coco(path, **named)
    return dataset, report


@pytest.fixture(autouse=True)
def _known(shipped_formats: None) -> None: ...


@pytest.fixture
def taken(tmp_path: Path) -> Any:
    """The objects of one file beside its photo, and the report."""

    def those(*shapes: dict[str, Any], **more: Any) -> tuple[Sequence[Annotation], Report]:
        photo(tmp_path / "a.jpg")
        (tmp_path / "a.json").write_text(json.dumps(document(*shapes, **more)), "utf-8")
        dataset, report = read(tmp_path / "a.json")
        return dataset.annotations, report

    return those


@pytest.mark.parametrize(
    "corners", [[[50, 40], [20, 10]], [[20, 40], [50, 10]], [["20", "10"], ["50", "40"]]]
)
def test_a_rectangle_in_any_order(taken: Any, corners: Any) -> None:
    ((one,), report) = taken(shape("cat", corners, "rectangle"))
    assert bounds(one.shape) == Box(20, 10, 50, 40)
    assert isinstance(one.shape, Box)
    assert report.refused == 0


def test_rectangles_of_four_points(taken: Any) -> None:
    upright = [[20, 10], [50, 10], [50, 40], [20, 40]]
    turned = [[30, 10], [50, 30], [30, 50], [10, 30]]
    (a, b), _ = taken(shape("cat", upright, "rectangle"), shape("cat", turned, "rectangle"))
    assert isinstance(a.shape, Box)
    assert isinstance(b.shape, Polygons)
    assert area(b.shape) == 800


def test_a_circle_has_its_area(taken: Any) -> None:
    (one,), _ = taken(shape("cat", [[40, 30], [40, 50]], "circle"))
    assert area(one.shape) == pytest.approx(np.pi * 400, rel=0.01)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "LA", "RGBA"])
def test_a_mask_has_its_last_pixel(taken: Any, mode: str) -> None:
    bits = np.array([[1, 0, 1], [0, 1, 1]], bool)
    (one,), report = taken(shape("cat", [[3, 4], [5, 5]], "mask", mask=mask_text(bits, mode)))
    assert isinstance(one.shape, Mask)
    assert (one.shape.x, one.shape.y) == (3, 4)
    assert np.array_equal(one.shape.bits, bits)
    assert report.refused == 0


def test_rotations_and_quadrilaterals_of_x_anylabeling(taken: Any, tmp_path: Path) -> None:
    ring = [[30, 10], [50, 30], [30, 50], [10, 30]]
    given = (
        shape("cat", ring, "rotation", direction=0.785, difficult=True, score=0.5, kie_linking=[]),
        shape("cat", ring, "quadrilateral", attributes={"colour": "red"}),
    )
    objects, _ = taken(*given, version="3.2.1")
    assert [area(one.shape) for one in objects] == [800, 800]
    assert objects[1].attributes == {"colour": "red"}
    back = written_again(tmp_path)
    assert [one["shape_type"] for one in back] == ["rotation", "quadrilateral"]
    assert back[0]["direction"] == 0.785
    assert (back[0]["difficult"], back[0]["score"], back[0]["kie_linking"]) == (True, 0.5, [])
    assert back[1]["attributes"] == {"colour": "red"}


def test_a_rotation_that_is_moved_is_one_still(taken: Any, tmp_path: Path) -> None:
    ring = [[30, 10], [50, 30], [30, 50], [10, 30]]
    (one,), _ = taken(shape("cat", ring, "rotation", direction=3.9))
    moved = translated(one.shape, 1, 2)
    bent = Polygons((Part(moved.parts[0].outer + np.array([[0, 0], [0, 0], [0, 0], [9, 0]])),))
    for made, kind, direction in (
        (one.shape, "rotation", 3.9),
        (moved, "rotation", np.pi / 4),
        (bent, "polygon", None),
    ):
        change = Change(one, replace(one, shape=made))
        carried_along, _ = carried(change)
        assert isinstance(carried_along.after, Annotation)
        data, _ = updated(
            None, Image(1, "a.jpg", 80, 60), [carried_along.after], [Category(1, "cat", "")], photo="a.jpg"
        )
        (written,) = json.loads(data)["shapes"]
        assert (written["shape_type"], written.get("direction")) == (kind, pytest.approx(direction))


def test_a_circle_that_is_moved_is_one_still(taken: Any) -> None:
    (one,), _ = taken(shape("cat", [[40, 30], [44, 33]], "circle"))
    moved = replace(one, shape=translated(one.shape, 1.5, -2))
    data, _ = updated(None, Image(1, "a.jpg", 80, 60), [moved], [Category(1, "cat", "")], photo="a.jpg")
    (written,) = json.loads(data)["shapes"]
    assert (written["shape_type"], written["points"]) == ("circle", [[41.5, 28], [45.5, 31]])


def test_two_files_of_one_photo(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    for name in "xy":
        made = document(shape("cat", TRIANGLE), shape("nose", [[1, 2]], "point"))
        (tmp_path / f"{name}.json").write_text(json.dumps(made), "utf-8")
    dataset, report = read(tmp_path)
    assert (len(dataset.images), len(dataset.annotations)) == (1, 2)
    assert "y.json: Is about the photo of a file before" in report.text()


def written_again(folder: Path) -> list[dict[str, Any]]:
    """The shapes of the file as labelme gets them back from a project."""
    dataset, _ = read(folder / "a.json")
    write_data_set(labelme, Wanted(dataset, folder / "out", {1: folder / "a.jpg"}, photos="copied"))
    found: list[dict[str, Any]] = json.loads((folder / "out" / "a.json").read_text("utf-8"))["shapes"]
    return found


def test_what_we_do_not_edit_comes_back(taken: Any, tmp_path: Path) -> None:
    given = [
        shape("cat", TRIANGLE, flags={"far": True}, description="by hand", group_id=3),
        shape("cat", TRIANGLE, group_id="left"),
        shape("ring", [[40, 30], [44, 33]], "circle"),
        shape("nose", [[1, 2]], "point", group_id=3),
        shape("edge", [[1, 2], [3, 4], [5, 6]], "linestrip"),
    ]
    _, report = taken(*given, flags={"night": True}, imageData="AAAA", mine=[1])
    assert "kept for labelme" in report.text()
    assert written_again(tmp_path) == given
    whole = json.loads((tmp_path / "out" / "a.json").read_text("utf-8"))
    assert (whole["flags"], whole["mine"], whole["imageData"]) == ({"night": True}, [1], None)
    assert (whole["version"], whole["imagePath"]) == ("5.5.0", "a.jpg")


def test_a_group_is_one_object_of_a_label(taken: Any) -> None:
    far = [[60, 10], [70, 10], [70, 20]]
    objects, _ = taken(
        shape("cat", TRIANGLE, group_id=1),
        shape("cat", far, group_id=1),
        shape("dog", far, group_id=1),
        shape("cat", far, group_id="1"),
        shape("cat", far),
    )
    parts = [len(one.shape.parts) for one in objects]
    assert parts == [2, 1, 1, 1]


def test_masks_and_outlines_of_a_group_are_one_mask(taken: Any) -> None:
    square = [[10, 10], [14, 10], [14, 14], [10, 14]]
    (one,), _ = taken(
        shape("cat", [[12, 12], [15, 15]], "mask", mask=mask_text(np.ones((4, 4))), group_id=1),
        shape("cat", square, group_id=1),
    )
    assert isinstance(one.shape, Mask)
    assert area(one.shape) == 16 + 16 - 4


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (shape("cat", [[1, 2], [3, 4]]), "Has 2 points"),
        (shape("cat", [[1, 2]], "rectangle"), "Has 1 points"),
        (shape("cat", [[1, 2], [3, 4], [5, 6]], "circle"), "Has 3 points"),
        (shape("cat", "text"), "list of points"),
        (shape("cat", [[1], [2], [3]]), "list of points"),
        (shape("cat", [[1, None], [2, 2], [3, 3]]), "list of points"),
        (shape("cat", [[1, 1], [1e300, 2], [3, 1e300]]), "farther away"),
        (shape("cat", [["nan", 1], [1, 2], [3, 3]]), "not finite"),
        (shape("cat", [[5, 5], [5, 5]], "rectangle"), "no width or no height"),
        (shape("cat", [[900, 900], [950, 950]], "rectangle"), "outside"),
        (shape({}, TRIANGLE), "Is no text"),
        (shape("cat", [[1, 1], [2, 2]], "mask"), "Is missing"),
        (shape("cat", [[1, 1], [2, 2]], "mask", mask="@@@"), "PNG"),
        (shape("cat", [[1, 1], [2, 2]], "mask", mask=mask_text(np.zeros((2, 2)))), "no pixels"),
        ([], "object"),
    ],
)
def test_what_is_wrong_is_one_sentence(taken: Any, made: Any, said: str) -> None:
    objects, report = taken(made, shape("dog", TRIANGLE))
    assert len(objects) == 1
    (note,) = [note for note in report.items if note.verdict == "refused"]
    assert said in note.sentence
    assert note.place == "a.json:shapes[0]"
    assert report.tallies["annotations"].refused == 1


def test_labels_that_are_no_texts(taken: Any) -> None:
    objects, report = taken(shape(7, TRIANGLE), shape(None, TRIANGLE), shape("", TRIANGLE))
    assert len(objects) == 3
    assert [note.place for note in report.items] == ["a.json:shapes[1]", "a.json:shapes[2]"]


def test_a_bomb_is_refused(taken: Any) -> None:
    head = struct.pack(">IIBBBBB", 60000, 60000, 1, 0, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )
    objects, report = taken(shape("cat", [[0, 0], [1, 1]], "mask", mask=base64.b64encode(png).decode()))
    assert not objects
    assert "too large" in report.text()


@pytest.mark.parametrize(
    "name", ["..\\photos\\b.jpg", "../photos/b.jpg", "C:\\data\\photos\\b.jpg", "/x/photos/b.jpg"]
)
def test_photos_in_another_folder(tmp_path: Path, name: str) -> None:
    photo(tmp_path / "photos" / "b.jpg")
    (tmp_path / "labels").mkdir()
    made = document(shape("cat", TRIANGLE), imagePath=name)
    (tmp_path / "labels" / "b.json").write_text(json.dumps(made), "utf-8")
    dataset, report = read(tmp_path / "labels", images=tmp_path / "photos")
    assert report.missing == 0
    assert len(dataset.annotations) == 1


@pytest.mark.parametrize("name", [None, "", "b.json", "gone.jpg", "..\\elsewhere\\gone.png"])
def test_the_photo_of_the_file_s_own_name(tmp_path: Path, name: object) -> None:
    photo(tmp_path / "sub" / "b.jpg")
    made = document(shape("cat", TRIANGLE), imagePath=name)
    (tmp_path / "sub" / "b.json").write_text(json.dumps(made), "utf-8")
    dataset, report = read(tmp_path)
    assert [image.path for image in dataset.images] == ["sub/b.jpg"]
    assert report.missing == 0


def test_a_file_without_version_and_sizes(taken: Any) -> None:
    made = document(shape("cat", TRIANGLE))
    bare = {key: made[key] for key in ("shapes", "imagePath")}
    for key in ("version", "flags", "imageData", "imageHeight", "imageWidth"):
        made.pop(key)
    assert bare == made
    objects, report = taken(shape("cat", TRIANGLE), imageHeight=None, imageWidth=None, version=None)
    assert len(objects) == 1
    assert report.repaired == 0


def test_the_picture_in_the_file_says_the_size_where_there_is_no_photo(tmp_path: Path) -> None:
    photo(tmp_path / "turned.jpg", (80, 60), turn=6)
    text = base64.b64encode((tmp_path / "turned.jpg").read_bytes()).decode()
    made = document(shape("cat", TRIANGLE), imagePath="gone.jpg", imageData=text, imageHeight=None)
    (tmp_path / "x.json").write_text(json.dumps(made), "utf-8")
    (tmp_path / "turned.jpg").unlink()
    dataset, report = read(tmp_path / "x.json")
    assert (dataset.images[0].width, dataset.images[0].height) == (60, 80)
    assert "picture in the file" in report.text()


def test_a_turned_photo_has_the_frame_that_is_shown(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", (80, 60), turn=6)
    made = document(shape("cat", [[5, 60], [55, 78]], "rectangle"), imageHeight=80, imageWidth=60)
    (tmp_path / "a.json").write_text(json.dumps(made), "utf-8")
    dataset, _ = read(tmp_path / "a.json")
    assert bounds(dataset.annotations[0].shape) == Box(5, 60, 55, 78)


def test_a_list_of_files(tmp_path: Path) -> None:
    rows = [document(shape("cat", TRIANGLE), imagePath=f"{n}.jpg") for n in range(3)]
    (tmp_path / "all.json").write_text(json.dumps([*rows, {"other": 1}]), "utf-8")
    dataset, report = read(tmp_path / "all.json")
    assert len(dataset.images) == len(dataset.annotations) == 3
    assert "all.json[3]" in report.text()


def test_what_else_lies_in_the_folder(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    for name in "abc":
        (tmp_path / f"{name}.json").write_text(
            json.dumps(document(shape("cat", TRIANGLE), imagePath="a.jpg"))
        )
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "cut.json").write_text('{"shapes": [')
    (tmp_path / ".hidden.json").write_text("x")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    dataset, report = read(tmp_path)
    assert len(dataset.images) == 1
    assert len(dataset.annotations) == 3
    text = report.text()
    assert "config.json: Is no labelme file" in text
    assert "cut.json" in text
    assert "hidden" not in text


def test_a_file_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    huge = document(shape("cat", TRIANGLE), imageData="A" * 300_000)
    for made in (huge, dict(sorted(huge.items())), [huge], document()):
        path.write_text(json.dumps(made), "utf-8")
        assert format_of(path) is labelme
    path.write_bytes(json.dumps(document()).encode("utf-16"))
    assert format_of(path) is labelme
    for other in ({"images": [], "annotations": []}, {"shapes": []}, [1], 3):
        path.write_text(json.dumps(other), "utf-8")
        assert format_of(path) is not labelme


@pytest.mark.parametrize(
    "text", ["", "{", '{"shapes": 1, "imagePath": ""}', "[" * 200_000, "\x00\x01", '"a"']
)
def test_what_is_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FormatError) as error:
        read_by(labelme, path)
    assert "\n" not in str(error.value)


def test_it_stops(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document()), "utf-8")
    with pytest.raises(ImportStoppedError):
        labelme.read(Source(tmp_path, should_stop=lambda: True))


def test_keys_of_a_stranger_do_not_become_coco_s(taken: Any) -> None:
    (one,), _ = taken(
        shape("cat", TRIANGLE, labeler={"segmentation": [[0, 0, 9, 0, 9, 9]], "id": 9, "keep": 1})
    )
    assert area(one.shape) == 450
    assert one.extra == b'{"keep":1}'


def test_a_mask_and_an_outline_of_one_object_stay_on_the_photo(taken: Any) -> None:
    """Of 80 by 60: what of the outline lies beside it is no pixel of the object."""
    bits = np.ones((10, 10), bool)
    mask = shape("cat", [[10, 10], [19, 19]], "mask", mask=mask_text(bits), group_id=3)
    beside = shape("cat", [[60, 20], [300, 20], [300, 40], [60, 40]], group_id=3)
    (one,), _ = taken(mask, beside)
    assert isinstance(one.shape, Mask)
    reach = bounds(one.shape)
    assert (reach.x0, reach.y0, reach.y1) == (10, 10, 40)
    assert 79 <= reach.x1 <= 81


def test_parts_that_are_all_beside_the_photo_stay_objects_of_their_own(taken: Any) -> None:
    mask = shape("cat", [[200, 10], [201, 11]], "mask", mask=mask_text(np.ones((2, 2), bool)), group_id=4)
    beside = shape("cat", [[150, 10], [170, 10], [170, 30]], group_id=4)
    _, report = taken(mask, beside)
    said = "\n".join(map(str, report.items))
    assert "Its parts reach too far to be joined; they stay objects of their own." in said


@pytest.mark.parametrize(("size", "said"), [((80, 60), (80, 60)), ((0, 0), (None, None))])
def test_a_file_says_the_size_of_its_photo_where_it_is_known(
    size: tuple[int, int], said: tuple[int | None, int | None]
) -> None:
    text, _ = image_text(Image(1, "a.jpg", *size), (), {}, "a.jpg")
    found = json.loads(text)
    assert (found["imageWidth"], found["imageHeight"]) == said


def test_a_rotated_rectangle_goes_out_as_one_and_it_is_said(taken: Any) -> None:
    corners = [[20, 10], [40, 20], [35, 30], [15, 20]]
    (one,), _ = taken(shape("cat", corners, "rotation", direction=0.46))
    text, notes = image_text(Image(1, "a.jpg", 80, 60), [one], {one.category_id: "cat"}, "a.jpg")
    (found,) = json.loads(text)["shapes"]
    assert (found["shape_type"], found["direction"]) == ("rotation", 0.46)
    assert [note.sentence for note in notes] == [ROTATED]


def test_objects_of_parts_get_groups_that_no_other_of_their_label_has() -> None:
    """One that came with group 1 keeps it; the others get the next numbers, counted for each label."""
    square = np.array([[1.0, 1], [5, 1], [5, 5], [1, 5]])
    two = Polygons((Part(square), Part(square + 10)))
    kept = b'{"labelme":{"group_id":1}}'
    objects = [
        Annotation(1, 1, 1, two),
        Annotation(2, 1, 1, Box(1, 1, 9, 9), extra=kept),
        Annotation(3, 1, 1, two),
        Annotation(4, 1, 2, two),
        Annotation(5, 1, 1, Box(1, 1, 9, 9)),
        Annotation(6, 1, 1, Box(1, 1, 9, 9), extra=kept),  # a copy
    ]
    text, _ = image_text(Image(1, "a.jpg", 80, 60), objects, {1: "cat", 2: "dog"}, "a.jpg")
    groups = [(one["label"], one["group_id"]) for one in json.loads(text)["shapes"]]
    cats = [group for label, group in groups if label == "cat"]
    assert cats == [2, 2, 1, 3, 3, None, None]
    assert [group for label, group in groups if label == "dog"] == [1, 1]
