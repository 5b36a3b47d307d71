"""Labels files into real projects and out of them: matched, undone, done twice, killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as PilImage

from labeler.core.geometry import translated
from labeler.core.records import Annotation, Box, Category, Change, Edit, Image, Mask
from labeler.errors import FormatError, ImportStoppedError, UnclearIdsError
from labeler.formats import exchange
from labeler.formats.exchange import import_results
from labeler.formats.export import export_coco
from labeler.formats.write_options import Writing
from labeler.project.store import Store
from tests.coco_values import completed, without_facts
from tests.in_one_go import import_coco

Coco = Callable[..., Path]
AS_IMPORTED = Writing(as_read=True)


def write_image(path: Path, width: int = 40, height: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_image(folder / "a.png")
    write_image(folder / "sub" / "b.png", 64, 48)
    return folder


@pytest.fixture
def store(tmp_path: Path, photos: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "p.labeler") as opened:
        opened.set_root(photos)
        yield opened


def labels(names: tuple[str, ...] = ("a.png", "sub/b.png")) -> str:
    return json.dumps(
        {
            "info": {"year": 2024},
            "licenses": [],
            "images": [
                {
                    "id": 10 * n,
                    "file_name": name,
                    "width": 40 if n == 1 else 64,
                    "height": 30 if n == 1 else 48,
                    "license": n,
                }
                for n, name in enumerate(names, 1)
            ],
            "categories": [
                {"id": 3, "name": "cat", "color": "red"},
                {"id": 18, "name": "dog", "supercategory": "animal"},
            ],
            "annotations": [
                {
                    "id": 500,
                    "image_id": 10,
                    "category_id": 18,
                    "iscrowd": 0,
                    "bbox": [1, 2, 10, 12],
                    "area": 120,
                    "segmentation": [],
                    "attributes": {"occluded": True},
                },
                {
                    "id": 400,
                    "image_id": 10,
                    "category_id": 3,
                    "iscrowd": 1,
                    "bbox": [2, 5, 2, 5],
                    "area": 10,
                    "segmentation": {"size": [30, 40], "counts": [65, 5, 25, 5, 1100]},
                },
                {
                    "id": 600,
                    "image_id": 10 * len(names),
                    "category_id": 3,
                    "iscrowd": 0,
                    "bbox": [10, 10, 10, 10],
                    "area": 100.0,
                    "segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]],
                    "tag": "x",
                },
            ],
        }
    )


def by_id(data: bytes | str) -> dict[str, object]:
    """A COCO file as plain values that do not depend on the order of items, nor on what only we write."""
    whole = completed(without_facts(data))
    lists = {
        name: {item["id"]: item for item in whole[name]} for name in ("images", "categories", "annotations")
    }
    return whole | lists


def all_annotations(store: Store) -> list[Annotation]:
    return list(store.all_annotations())


def test_a_file_goes_in_and_comes_out_the_same(store: Store, coco: Coco) -> None:
    report = import_coco(store, coco(labels()))
    assert not report.items, report.text()
    data, written = export_coco(store, writing=AS_IMPORTED)
    assert [note.sentence[:11] for note in written.items] == ["Is a crowd:"]
    assert by_id(data) == by_id(labels())
    assert {(image.path, image.width, image.height, image.note) for image in store.images()} == {
        ("a.png", 40, 30, ""),
        ("sub/b.png", 64, 48, ""),
    }
    assert {one.source for one in all_annotations(store)} == {"import"}
    assert len({category.color for category in store.categories()}) == 2
    assert len({category.key for category in store.categories()}) == 2


@pytest.mark.parametrize("name", ["coco-mini", "pedestrians"])
def test_real_data_goes_in_and_comes_out_the_same(store: Store, shared: Path, name: str) -> None:
    path = shared / "data" / name / "annotations.json"
    report = import_coco(store, path, images=path.parent / "images")
    assert not report.items, report.text()
    data, _ = export_coco(store, writing=AS_IMPORTED)
    assert by_id(data) == by_id(path.read_bytes())
    again = import_coco(store, path, images=path.parent / "images")
    assert again.skipped == again.tallies["annotations"].total == len(all_annotations(store))


def test_an_import_is_one_undo_step(store: Store, coco: Coco) -> None:
    import_coco(store, coco(labels()))
    (entry,) = store.history.entries()
    assert entry.label == "Import labels.json"
    data, _ = export_coco(store)
    store.history.undo()
    assert (store.images(), store.categories(), all_annotations(store)) == ([], [], [])
    store.history.redo()
    assert export_coco(store)[0] == data


def test_the_same_file_again_adds_nothing(store: Store, coco: Coco) -> None:
    first = import_coco(store, coco(labels()))
    before = export_coco(store)[0], store.revision
    again = import_coco(store, coco(labels()))
    assert first.skipped == 0
    assert again.tallies["annotations"].skipped == 3
    assert again.refused == 0
    assert (export_coco(store)[0], store.revision) == before
    assert len(store.history.entries()) == 1


def test_what_was_deleted_since_comes_again_and_what_was_edited_stays(store: Store, coco: Coco) -> None:
    import_coco(store, coco(labels()))
    box, mask, _ = all_annotations(store)
    moved = replace(box, shape=translated(box.shape, 1, 1), edited=box.edited + 1)
    store.apply(Edit("Move", (Change(box, moved), Change(mask, None))))
    report = import_coco(store, coco(labels()))
    assert report.tallies["annotations"].skipped == 2
    assert len(all_annotations(store)) == 3
    assert next(one for one in all_annotations(store) if one.file_id == 500) == moved
    ids = [row["id"] for row in json.loads(export_coco(store)[0])["annotations"]]
    assert sorted(ids) == [400, 500, 600]
    import_coco(store, coco(labels()), edited="replace")
    assert next(one for one in all_annotations(store) if one.file_id == 500).shape == box.shape


def test_a_corrected_file_corrects_and_never_doubles(store: Store, coco: Coco) -> None:
    import_coco(store, coco(labels()))
    before = {one.file_id: one for one in all_annotations(store)}
    text = labels().replace("[1, 2, 10, 12]", "[2, 2, 10, 12]")
    report = import_coco(store, coco(text))
    after = {one.file_id: one for one in all_annotations(store)}
    assert len(all_annotations(store)) == 3
    assert after[500].id == before[500].id
    assert (after[500].shape.x0, after[600]) == (2.0, before[600])
    assert report.tallies["annotations"].repaired == 1
    store.history.undo()
    assert {one.file_id: one for one in all_annotations(store)} == before


def test_another_file_that_numbers_its_objects_alike_takes_nothing_away(store: Store, coco: Coco) -> None:
    import_coco(store, coco(labels()))
    other = json.loads(labels())
    other["annotations"] = [
        {"id": 500, "image_id": 10, "category_id": 3, "bbox": [25, 20, 5, 5], "area": 25, "iscrowd": 0}
    ]
    import_coco(store, coco(json.dumps(other)))
    assert len(all_annotations(store)) == 4
    ids = {tuple(row["bbox"]): row["id"] for row in json.loads(export_coco(store)[0])["annotations"]}
    assert (ids[1, 2, 10, 12], len(set(ids.values()))) == (500, 4)


def test_ids_of_what_was_there_first_stay_as_they_are(store: Store, coco: Coco, photos: Path) -> None:
    store.set_root(photos.parent)
    first = import_coco(store, coco(labels(("sub/b.png", "a.png"))), images=photos)
    assert not first.refused
    before = {row["file_name"]: row["id"] for row in json.loads(export_coco(store)[0])["images"]}
    for name in ("1.png", "0.png"):
        write_image(photos.parent / "B" / name, *((40, 30) if name == "1.png" else (64, 48)))
    report = import_coco(store, coco(labels(("1.png", "0.png"))), images=photos.parent / "B")
    after = {row["file_name"]: row["id"] for row in json.loads(export_coco(store)[0])["images"]}
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == 4
    assert {n.index for n in report.items if "keeps it" in n.sentence and n.kind == "images"} == {0, 1}
    row = {"image_id": before["a.png"], "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}
    with pytest.raises(UnclearIdsError, match=r"photos/a\.png.*B/"):
        import_results(store, coco(results(row)), model="m")
    of = photos / "first.json"
    of.write_text(labels(("sub/b.png", "a.png")))
    assert import_results(store, coco(results(row)), model="m", of=of).taken == 1
    (labelled,) = [image for image in store.images() if store.predictions.candidates(image.id)]
    assert labelled.path == "photos/a.png"


def test_images_and_categories_of_the_project_are_used(store: Store, coco: Coco) -> None:
    dog = Category(7, "dog", "#123456", hidden=True)
    store.apply(Edit("Add category", (Change(None, dog),)))
    (image,) = store.photos.add(["sub/b.png"])
    import_coco(store, coco(labels()))
    kept = next(category for category in store.categories() if category.name == "dog")
    assert (kept.id, kept.color, kept.hidden, kept.file_id) == (7, "#123456", True, 18)
    known = store.image(image.id)
    assert (known.file_id, known.width, known.height) == (20, 64, 48)
    assert len(store.images()) == 2
    assert len(store.annotations(image.id)) == 1
    store.history.undo()
    assert store.image(image.id).file_id is None
    assert store.categories() == [dog]


def test_images_are_found_by_their_last_part_and_keep_their_name(store: Store, coco: Coco) -> None:
    text = labels(("train2017/a.png", "b.png"))
    report = import_coco(store, coco(text))
    assert [(n.verdict, n.kind, n.index) for n in report.items] == [
        ("repaired", "images", 0),
        ("repaired", "images", 1),
    ]
    assert [image.path for image in store.images()] == ["a.png", "sub/b.png"]
    assert by_id(export_coco(store, writing=AS_IMPORTED)[0]) == by_id(text)
    assert import_coco(store, coco(text)).tallies["annotations"].skipped == 3


def test_a_folder_that_has_all_photos_is_no_guess(tmp_path: Path, coco: Coco) -> None:
    """CVAT's files have the names alone, and the photos of an export are in `images/default`."""
    root = tmp_path / "set"
    write_image(root / "images" / "default" / "a.png")
    write_image(root / "images" / "default" / "sub" / "b.png", 64, 48)
    with Store.open(tmp_path / "set.labeler") as store:
        store.set_root(root)
        report = import_coco(store, coco(labels()), images=root)
        assert report.items == ()
        assert [one.path for one in store.images()] == ["images/default/a.png", "images/default/sub/b.png"]
        assert import_coco(store, coco(labels()), images=root).repaired == 0


def test_two_names_with_one_last_part_are_not_taken_for_one_file(store: Store, coco: Coco) -> None:
    import_coco(store, coco(labels(("train/a.png", "val/a.png"))))
    assert [(image.path, image.note) for image in store.images()] == [
        ("train/a.png", "missing"),
        ("val/a.png", "missing"),
    ]


def test_two_names_of_one_file_become_one_image(store: Store, coco: Coco) -> None:
    report = import_coco(store, coco(labels(("a.png", "./a.png")).replace("64", "40").replace("48", "30")))
    assert [image.path for image in store.images()] == ["a.png"]
    assert len(all_annotations(store)) == 3
    assert any("same image as images[0]" in note.sentence for note in report.items)


@pytest.mark.parametrize(
    "name", ["../secret.png", "sub/../../secret.png", "..\\secret.png", "gone.png", "ABSOLUTE"]
)
def test_what_is_not_in_the_folder_is_kept_without_being_opened(
    store: Store, coco: Coco, photos: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = write_image(photos.parent / "secret.png", 11, 12)
    name = str(secret) if name == "ABSOLUTE" else name
    opened: list[Path] = []
    original = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self) or original(self, *a, **k))
    report = import_coco(store, coco(labels(("a.png", name))))
    assert secret.resolve() not in {path.resolve() for path in opened}
    assert [(n.verdict, n.kind, n.index, n.field) for n in report.items] == [
        ("missing", "images", 1, "file_name")
    ]
    lost = next(image for image in store.images() if image.path != "a.png")
    assert (lost.note, lost.width, lost.height) == ("missing", 64, 48)
    assert (photos / lost.path).resolve().is_relative_to(photos.resolve())
    assert len(store.annotations(lost.id)) == 1
    assert by_id(export_coco(store)[0])["images"][20]["file_name"] == name  # type: ignore[index]
    assert import_coco(store, coco(labels(("a.png", name)))).tallies["annotations"].skipped == 3


def test_images_outside_the_projects_folder_are_kept_absolute(
    store: Store, coco: Coco, tmp_path: Path
) -> None:
    write_image(tmp_path / "other" / "z.png")
    import_coco(store, coco(labels(("z.png",))), images=tmp_path / "other")
    (image,) = store.images()
    assert Path(image.path) == (tmp_path / "other" / "z.png").resolve()
    assert json.loads(export_coco(store)[0])["images"][0]["file_name"] == "z.png"


def test_categories_of_one_name_become_one(store: Store, coco: Coco) -> None:
    report = import_coco(store, coco(labels().replace('"dog"', '" cat"')))
    assert [category.name for category in store.categories()] == ["cat"]
    assert [(n.verdict, n.kind, n.index) for n in report.items] == [("repaired", "categories", 1)]
    assert len(all_annotations(store)) == 3


def test_sizes_are_as_displayed(store: Store, coco: Coco, photos: Path) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6
    PilImage.new("RGB", (64, 48)).save(photos / "turned.jpg", exif=exif)
    report = import_coco(store, coco(labels(("a.png", "turned.jpg"))))
    assert [(n.verdict, n.kind, n.index, n.field) for n in report.items] == [
        ("repaired", "images", 1, "width"),
        ("repaired", "annotations", 2, ""),
    ]
    store.photos.add(["sub/b.png"])
    sizes = {
        row["file_name"]: (row["width"], row["height"]) for row in json.loads(export_coco(store)[0])["images"]
    }
    assert sizes == {"a.png": (40, 30), "turned.jpg": (48, 64), "sub/b.png": (64, 48)}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": 5}', '{"images": [], "annotations": [}'])
def test_a_file_that_is_not_coco_leaves_the_project_alone(store: Store, coco: Coco, text: str) -> None:
    before = store.revision
    with pytest.raises(FormatError):
        import_coco(store, coco(text))
    assert store.revision == before


def test_only_what_is_reviewed(store: Store, coco: Coco) -> None:
    import_coco(store, coco(labels()))
    one, _ = store.images()
    store.apply(Edit("Review", (Change(one, replace(one, reviewed=True)),)))
    whole = json.loads(export_coco(store, reviewed_only=True)[0])
    assert [image["file_name"] for image in whole["images"]] == ["a.png"]
    assert sorted(row["id"] for row in whole["annotations"]) == [400, 500]


def results(*rows: object) -> str:
    return json.dumps(rows)


def test_results_become_candidates_and_replace_earlier_ones(store: Store, coco: Coco) -> None:
    import_coco(store, coco(labels()))
    rows = [
        {
            "image_id": 10,
            "category_id": 18,
            "bbox": [1, 2, 10, 12],
            "score": 0.75,
            "annotation_id": 500,
            "click": 1,
        },
        {
            "image_id": 10,
            "category_id": 3,
            "segmentation": {"size": [30, 40], "counts": [65, 5, 25, 5, 1100]},
            "score": 1,
        },
        {
            "image_id": 20,
            "category_id": 3,
            "segmentation": [[10, 10, 20, 10, 20, 20]],
            "score": 0.5,
            "bbox": [10, 10, 10, 10],
        },
    ]
    path = coco(results(*rows, {"image_id": 99, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}))
    for _ in range(2):
        report = import_results(store, path, model="yolo", version="8n")
        assert (report.taken, report.refused) == (3, 1)
        assert report.items[0].place == "results[3].image_id"
        (model,) = store.predictions.models()
        assert (model.name, model.version) == ("yolo", "8n")
        first, second = store.images()
        box, mask = store.predictions.candidates(first.id, model.id)
        assert (box.shape, box.confidence) == (Box(1, 2, 11, 14, origin=box.shape.origin), 0.75)
        assert isinstance(mask.shape, Mask)
        assert len(store.predictions.candidates(second.id)) == 1
    assert len(store.history.entries()) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"score": None}, "score"),
        ({"score": "0.5"}, "score"),
        ({"score": True}, "score"),
        ({"score": 1.5}, "score"),
        ({"score": -0.1}, "score"),
        ({"score": float("nan")}, "score"),
        ({"score": float("inf")}, "score"),
        ({"image_id": 99}, "image_id"),
        ({"image_id": None}, "image_id"),
        ({"category_id": 99}, "category_id"),
        ({"bbox": [1, 2, 0, 4]}, "bbox"),
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": "1 2 3 4"}, "bbox"),
        ({"segmentation": {"size": [30, 41], "counts": [1230]}, "bbox": None}, "segmentation"),
        ({"segmentation": [[1, 2, 3]], "bbox": None}, "segmentation"),
        ({"segmentation": 5, "bbox": None}, "segmentation"),
    ],
)
def test_bad_results_are_refused_one_by_one(
    store: Store, coco: Coco, change: dict[str, object], field: str
) -> None:
    import_coco(store, coco(labels()))
    good = {"image_id": 10, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}
    report = import_results(store, coco(results(good, good | change)), model="m")
    (note,) = [note for note in report.items if note.kind != "file"]
    assert (note.verdict, note.kind, note.index, note.field) == ("refused", "results", 1, field)
    assert report.taken == 1


@pytest.mark.parametrize("text", ["{}", "5", "[", '{"images": []}', "[5, null, [], {}]"])
def test_what_is_no_results_file(store: Store, coco: Coco, text: str) -> None:
    if text.startswith("[5"):
        assert import_results(store, coco(text), model="m").refused == 4
    else:
        with pytest.raises(FormatError):
            import_results(store, coco(text), model="m")
    assert store.predictions.models() == []


def test_an_import_that_is_stopped_while_it_is_written_leaves_nothing(
    store: Store, coco: Coco, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "PORTION", 1)
    importing = exchange.Importing(coco(labels()), images=photos)
    importing.look(store)
    stop = False
    importing.read(lambda: stop)
    revision = store.revision

    def take() -> None:
        nonlocal stop
        with store.transaction():
            for count, _ in enumerate(importing.portions(store)):
                stop = count == 2

    with pytest.raises(ImportStoppedError):
        take()
    assert stop
    assert (store.revision, list(store.all_annotations())) == (revision, [])
    assert [entry.label for entry in store.history.entries()] == []


def test_results_of_a_project_that_was_never_imported_use_its_own_ids(store: Store, coco: Coco) -> None:
    store.apply(
        Edit("Add", (Change(None, Image(4, "a.png", 40, 30)), Change(None, Category(2, "cat", "#ffffff"))))
    )
    data = json.loads(export_coco(store)[0])
    row = {
        "image_id": data["images"][0]["id"],
        "category_id": data["categories"][0]["id"],
        "bbox": [1, 2, 3, 4],
    }
    assert import_results(store, coco(results(row | {"score": 0.5})), model="m").taken == 1
    assert len(store.predictions.candidates(4)) == 1


CHILD = """
import os, signal, sys
from pathlib import Path
from labeler.formats.coco.coco_file import open_document
from labeler.formats.exchange import import_document
from labeler.project.store import Store
point, project, labels = sys.argv[1:]
def probe(at):
    if at == point:
        os.kill(os.getpid(), signal.SIGKILL)
with Store.open(Path(project), probe=probe) as store:
    import_document(store, open_document(Path(labels)), Path(labels))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize(
    ("point", "annotations"),
    [("before begin", 0), ("mid action", 0), ("before commit", 0), ("after commit", 3)],
)
def test_killed_in_the_middle_is_all_or_nothing(
    tmp_path: Path, photos: Path, coco: Coco, point: str, annotations: int
) -> None:
    project, path = tmp_path / "k.labeler", coco(labels())
    with Store.open(project) as store:
        store.set_root(photos)
    command = [sys.executable, "-c", CHILD, point, str(project), str(path)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with Store.open(project) as store:
        assert len(all_annotations(store)) == annotations
        assert len(store.images()) == (2 if annotations else 0)
        assert len(store.categories()) == (2 if annotations else 0)
        assert bool(store.meta("coco")) == bool(annotations)
        import_coco(store, path)
        assert by_id(export_coco(store, writing=AS_IMPORTED)[0]) == by_id(labels())


def test_a_photo_that_is_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    labels = tmp_path / "l.json"
    image = {"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}
    labels.write_text(json.dumps({"images": [image], "annotations": [], "categories": []}))
    with Store.open(tmp_path / "p.labeler") as store:
        report = import_coco(store, labels, images=tmp_path)
    (note,) = [one for one in report.items if one.kind == "images"]
    assert (note.verdict, note.sentence) == (
        "missing",
        "The photo is a Git LFS pointer, not the photo itself: run git lfs pull in its folder.",
    )
