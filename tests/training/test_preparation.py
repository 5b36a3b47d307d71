"""From a COCO file to a run's folder."""

import json
import shutil

import cv2
import numpy as np
import pytest

from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Category, Image, Mask
from labeler.errors import LabelerError
from labeler.formats.spec import Dataset
from labeler.training import preparation
from labeler.training.preparation import adopt, is_prepared, prepare, unique_names
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import StoppedError


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", RunSpec("small", "run"))


def prepared(folder, labels, **more):
    """Adopt and prepare; gives the event."""
    said = []

    def report(event) -> None:
        folder.record(event)
        said.append(event)

    warnings = adopt(folder, labels / "labels.json", labels / "images")
    prepare(folder, report, lambda: False, warnings=warnings, **more)
    (event,) = said
    return event


def change(labels, **lists) -> None:
    path = labels / "labels.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | lists))


def read(path) -> dict:
    return json.loads(path.read_text())


def annotations(labels) -> list[dict]:
    return read(labels / "labels.json")["annotations"]


def test_two_parts_with_copies_and_the_ids_of_the_labels(folder, two_colours) -> None:
    event = prepared(folder, two_colours)
    assert event.training + event.validation == 20
    assert event.objects == {"red": 10, "green": 10}
    assert event.warnings == ()
    assert is_prepared(folder)
    train, validation = read(folder.train_labels), read(folder.validation_labels)
    ids = [image["id"] for part in (train, validation) for image in part["images"]]
    assert sorted(ids) == [number * 10 for number in range(1, 21)]
    assert train["categories"] == validation["categories"]
    assert [one["id"] for one in train["categories"]] == [7, 8]
    for image in train["images"] + validation["images"]:
        original = two_colours / "images" / image["file_name"]
        assert (folder.images / image["file_name"]).read_bytes() == original.read_bytes()


def test_the_parts_as_a_trainer_sees_them(folder, two_colours) -> None:
    prepared(folder, two_colours)
    part = folder.validation_set()
    assert part.names == ("red", "green")
    image = part.images[0]
    assert image.path.is_file()
    assert image.size == (24, 32)
    assert image.id == int(image.name[:3]) * 10
    (annotation,) = image.annotations
    assert bounds(annotation.shape) == Box(0, 0, 32, 24)
    assert part.class_of[annotation.category_id] == int(image.name[:3]) % 2
    assert len(folder.train_set().images) + len(part.images) == 20
    image.path.unlink()
    with pytest.raises(LabelerError, match="is gone from the run"):
        folder.validation_set()


def test_what_is_there_is_not_copied_again(folder, two_colours) -> None:
    calls = iter(range(10**6))
    adopt(folder, two_colours / "labels.json", two_colours / "images")
    with pytest.raises(StoppedError):
        prepare(folder, folder.record, lambda: next(calls) >= 30)
    assert not is_prepared(folder)
    first = {path.name: path.stat().st_mtime_ns for path in folder.images.iterdir()}
    assert 5 <= len(first) < 20
    prepare(folder, folder.record, lambda: False)
    again = {path.name: path.stat().st_mtime_ns for path in folder.images.iterdir()}
    assert len(again) == 20
    assert first.items() <= again.items()


def test_damaged_and_missing_images_are_left_out(folder, two_colours) -> None:
    images = two_colours / "images"
    (images / "001.png").write_bytes(b"no image")
    (images / "002.png").write_bytes((images / "002.png").read_bytes()[:1500])
    (images / "003.png").unlink()
    event = prepared(folder, two_colours)
    assert event.training + event.validation == 17
    assert "Left out, since damaged: 2 images, 001.png, 002.png." in event.warnings
    assert "Left out, since not found: 1 image, 003.png." in event.warnings


def test_items_that_cannot_be_used_are_said(folder, two_colours) -> None:
    every = annotations(two_colours)
    every[3]["category_id"] = 99
    change(two_colours, annotations=every)
    event = prepared(folder, two_colours)
    (warning,) = [one for one in event.warnings if one.startswith("Left out, since unusable: 1 item")]
    assert "annotations[3].category_id: There is no category with the id 99." in warning


def test_only_outlines_where_masks_are_needed(folder, two_colours) -> None:
    every = annotations(two_colours)
    for annotation in every[:12]:
        annotation["segmentation"] = [[0, 0, 32, 0, 32, 24, 0, 24]]
    extra = {**every[15], "id": 99, "image_id": 10}
    change(two_colours, annotations=[*every, extra])
    event = prepared(folder, two_colours, needs_masks=True)
    assert event.training + event.validation == 12
    assert event.objects == {"red": 6, "green": 6}
    assert "Left out, since they are only boxes and this model learns outlines: 9 objects." in event.warnings


def test_masks_come_through(folder, two_colours) -> None:
    every = annotations(two_colours)
    for annotation in every:
        annotation["segmentation"] = {"size": [24, 32], "counts": [0, 24 * 16, 24 * 16]}
    change(two_colours, annotations=every)
    prepared(folder, two_colours)
    mask = folder.train_set().images[0].annotations[0].shape
    assert isinstance(mask, Mask)
    assert mask.bits.sum() == 24 * 16


def test_warnings_of_few_objects_and_imbalance(folder, two_colours) -> None:
    every = annotations(two_colours)
    for annotation in every[1:]:
        annotation["category_id"] = 7
    many = [{**every[4], "id": 100 + number} for number in range(20)]
    change(two_colours, annotations=[*every, *many])
    event = prepared(folder, two_colours)
    assert "Fewer than 10 objects: green (1)." in event.warnings
    assert "Out of balance: 39 of red, but 1 of green; label more of these." in event.warnings
    assert any(warning.startswith("No object to ") for warning in event.warnings)


def test_images_without_objects_are_empty_and_said_to_be(folder, two_colours) -> None:
    change(two_colours, annotations=annotations(two_colours)[:4])
    event = prepared(folder, two_colours)
    assert event.training + event.validation == 20
    assert any(warning.startswith("16 of 20 images have no object") for warning in event.warnings)


def test_categories_without_objects_are_no_classes(folder, two_colours) -> None:
    change(
        two_colours, categories=[{"id": 3, "name": "blue"}, *read(two_colours / "labels.json")["categories"]]
    )
    prepared(folder, two_colours)
    assert folder.train_set().names == ("red", "green")


def test_copies_of_an_image_are_on_one_side(folder, two_colours) -> None:
    images = two_colours / "images"
    data = read(two_colours / "labels.json")
    rng = np.random.default_rng(1)
    picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (320, 240))
    for number in range(1, 21):
        if number % 4 == 0:
            cv2.imwrite(str(images / f"{number:03d}.png"), np.clip(picture.astype(int) + number, 0, 255))
    prepared(folder, two_colours)
    held = {image["id"] for image in read(folder.validation_labels)["images"]}
    assert len({number * 10 in held for number in range(1, 21) if number % 4 == 0}) == 1
    assert data == read(two_colours / "labels.json")


def test_one_image_is_learnt_from_and_nothing_is_judged(folder, two_colours) -> None:
    data = read(two_colours / "labels.json")
    change(two_colours, images=data["images"][:1], annotations=data["annotations"][:1])
    event = prepared(folder, two_colours)
    assert (event.training, event.validation) == (1, 0)
    assert any(warning.startswith("Nothing is left to judge the model on") for warning in event.warnings)
    assert folder.validation_set().images == ()


def test_too_few_images(folder, two_colours) -> None:
    with pytest.raises(LabelerError, match="20 images to learn from: label at least 30"):
        prepared(folder, two_colours, least=30)


def test_nothing_to_learn_from(folder, two_colours) -> None:
    with pytest.raises(LabelerError, match=r"no image has an object that can be used\. Left out, since they"):
        prepared(folder, two_colours, needs_masks=True)


def test_a_disk_that_is_too_small(folder, two_colours, monkeypatch) -> None:
    usage = shutil.disk_usage(folder.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(LabelerError, match=r"needs \d+\.\d MB in .*where 1\.0 kB are free: make room"):
        prepared(folder, two_colours)
    assert not folder.train_labels.exists()


def test_images_gone_since_the_labels_were_taken(folder, two_colours) -> None:
    adopt(folder, two_colours / "labels.json", two_colours / "images")
    shutil.rmtree(two_colours / "images")
    with pytest.raises(LabelerError, match="None of the images is there any more"):
        prepare(folder, folder.record, lambda: False)


def test_a_run_without_labels(folder) -> None:
    with pytest.raises(LabelerError, match="has no labels; start it from a labels file"):
        prepare(folder, folder.record, lambda: False)


def test_names_of_copies_are_unique_on_every_system() -> None:
    names = unique_names(["a/x.jpg", "b/x.jpg", "c/X.JPG", "d/x-2.jpg", "e/" + "y" * 300 + ".png"])
    assert list(names.values())[:4] == ["x.jpg", "x-2.jpg", "X-3.JPG", "x-2-2.jpg"]
    assert len(names["e/" + "y" * 300 + ".png"]) < 130


def test_photos_that_are_links_are_learnt_from(folder, two_colours) -> None:
    images, store = two_colours / "images", two_colours / "store"
    store.mkdir()
    for number, path in enumerate(sorted(images.iterdir())):
        path.rename(store / f"kept-{number}.png")
        path.symlink_to(store / f"kept-{number}.png")
    event = prepared(folder, two_colours)
    assert event.training + event.validation == 20
    copies = list(folder.images.iterdir())
    assert {path.name for path in copies} == {path.name for path in images.iterdir()}
    assert not any(path.is_symlink() for path in copies), "a run outlives what its images are linked to"


def part(images: int, objects: str, *, start: int = 0) -> Dataset:
    """Images with one object each as long as there are any: a letter is a category, a capital a crowd."""
    there = tuple(Image(start + n, f"{n}.png", 9, 9) for n in range(images))
    places = {letter: place for place, letter in enumerate("abc", 1)}
    made = tuple(
        Annotation(start + n, start + n % images, places[one.lower()], Box(1, 1, 5, 5), crowd=one.isupper())
        for n, one in enumerate(objects)
    )
    return Dataset(there, tuple(Category(place, letter, "") for letter, place in places.items()), made)


GOOD = "abc" * 10
EMPTY = (
    "31 of 61 images have no object and are taken to be empty: leave them out where they are only not "
    "labelled yet."
)


@pytest.mark.parametrize(
    ("train", "validation", "said"),
    [
        (part(10, GOOD), part(9, GOOD, start=50), []),
        (part(9, GOOD), part(9, GOOD, start=50), ["There are only 9 images to learn from."]),
        (part(1, GOOD), part(9, GOOD, start=50), ["There is only 1 image to learn from."]),
        # half of them may be empty
        (
            part(40, GOOD),
            part(20, "", start=50),
            ["No object to be judged on, since none is held out: a, b, c."],
        ),
        (
            part(40, GOOD),
            part(21, "", start=50),
            [
                EMPTY,
                "No object to be judged on, since none is held out: a, b, c.",
            ],
        ),
        (
            part(10, "ab" * 10),
            part(9, GOOD, start=50),
            ["No object to learn from, since all are held out: c."],
        ),
        # ten are enough, nine are not, and a crowd is no object
        (part(10, "abc" * 5), part(9, "abc" * 5, start=50), []),
        (part(10, "abc" * 5), part(9, "abc" * 4 + "ab" + "C", start=50), ["Fewer than 10 objects: c (9)."]),
        # twenty times as much is even
        (part(10, "a" * 190 + "bc" * 9), part(9, "a" * 10 + "bc", start=50), []),
        (
            part(10, "a" * 191 + "bc" * 9),
            part(9, "a" * 10 + "bc", start=50),
            ["Out of balance: 201 of a, but 10 of b; label more of these."],
        ),
    ],
)
def test_what_is_said_of_the_parts(train, validation, said) -> None:
    assert preparation._warnings(train, validation, is_judged=True) == said


@pytest.mark.parametrize(("is_judged", "number"), [(True, 1), (False, 0)])
def test_nothing_to_be_judged_on_is_said_where_it_was_wanted(is_judged: bool, number: int) -> None:
    said = preparation._warnings(part(10, GOOD), part(0, ""), is_judged=is_judged)
    assert [one.startswith("Nothing is left to judge") for one in said] == [True] * number


def test_four_names_are_three_and_one_more() -> None:
    assert preparation._listed(["a", "b", "c"]) == "a, b, c"
    assert preparation._listed(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert preparation._listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
