"""`labeler export` as a person types it."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as PilImage

from labeler.core.photos.photo_files import digest
from labeler.core.records import Annotation, Box, Category, Change, Edit, Image, Mask
from labeler.project.store import Store
from tests.cli.typed import labeler


def write_photo(path: Path, width: int, height: int, *, value: int = 120) -> None:
    """A photo like no other of another value."""
    pixels = np.random.default_rng(value).integers(0, 255, (height // 5, width // 5, 3), np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of a reviewed and an unreviewed image with a mask each."""
    path = tmp_path / "p.labeler"
    write_photo(tmp_path / "a.png", 40, 30)
    write_photo(tmp_path / "b.png", 40, 30, value=60)
    records = [
        Image(1, "a.png", 40, 30, reviewed=True),
        Image(2, "b.png", 40, 30),
        Category(1, "cat", "#ffffff"),
        *(Annotation(n, n, 1, Mask(2, 5, np.ones((5, 2), bool))) for n in (1, 2)),
    ]
    with Store.open(path) as store:
        store.apply(Edit("Start", tuple(Change(None, record) for record in records)))
    return path


def test_everything(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = labeler("export", project, out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "annotations: 2 of 2 written" in done.stdout
    assert str(out) in done.stdout
    whole = json.loads(out.read_bytes())
    assert [image["file_name"] for image in whole["images"]] == ["a.png", "b.png"]
    assert whole["annotations"][0]["segmentation"] == [[2, 5, 4, 5, 4, 10, 2, 10]]
    assert (whole["annotations"][0]["area"], whole["annotations"][0]["bbox"]) == (10, [2, 5, 2, 5])


def test_only_what_is_reviewed(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert labeler("export", project, out, "--polygons", "--reviewed").returncode == 0
    whole = json.loads(out.read_bytes())
    assert [image["file_name"] for image in whole["images"]] == ["a.png"]
    assert whole["annotations"][0]["segmentation"] == [[2, 5, 4, 5, 4, 10, 2, 10]]


def test_each_option_is_followed(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with Store.open(project) as store:
        ring = np.ones((9, 9), bool)
        ring[3:6, 3:6] = False
        shapes = (Mask(20, 10, ring), Box(-3, 2, 8, 9))
        store.apply(
            Edit("More", tuple(Change(None, Annotation(n, 1, 1, s)) for n, s in enumerate(shapes, 3)))
        )

    def exported(*options: str) -> dict[int, dict[str, Any]]:
        done = labeler("export", project, out, "--force", *options)
        assert done.returncode == 0, done.stderr
        told.append(done.stderr)
        return {row["id"]: row for row in json.loads(out.read_bytes())["annotations"]}

    told: list[str] = []
    assert len(exported()[3]["segmentation"][0]) == 22
    assert "border" in told[-1]
    assert exported()[4]["bbox"] == [0, 2, 8, 7]
    assert exported("--no-clip")[4]["bbox"] == [-3, 2, 11, 7]
    assert "border" not in told[-1]
    assert exported("--no-box-polygons")[4]["segmentation"] == []
    assert "DETR" in told[-1]
    assert exported("--masks", "rle")[1]["segmentation"] == {
        "size": [30, 40],
        "counts": [65, 5, 25, 5, 1100],
    }
    assert isinstance(exported("--holes", "rle")[3]["segmentation"], dict)
    assert exported("--holes", "fill")[3]["segmentation"] == [[20, 10, 29, 10, 29, 19, 20, 19]]
    exported("--tolerance", "1.5")
    assert "IoU" in told[-1]
    assert labeler("export", project, out, "--tolerance", "-1").returncode == 2


def test_photos_that_are_not_what_they_were_are_told(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with Store.open(project) as store:
        store.photos.update(
            [replace(one, digest=digest(tmp_path / one.path)) for one in store.images()],
        )
    write_photo(tmp_path / "a.png", 20, 15)
    write_photo(tmp_path / "b.png", 40, 30, value=200)
    done = labeler("export", project, out)
    assert done.returncode == 0
    assert "The photo has 20 by 15 pixels now, its labels were made on 40 by 30" in done.stderr
    assert "another photo than the one that was labelled" in done.stderr
    assert {(one["width"], one["height"]) for one in json.loads(out.read_bytes())["images"]} == {(40, 30)}
    (tmp_path / "a.png").unlink()
    assert "told images[0]: There is no such file." in labeler("export", project, out, "--force").stderr


def test_turned_photos_are_told(project: Path, tmp_path: Path) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6
    PilImage.new("RGB", (30, 40)).save(tmp_path / "a.png", exif=exif)
    done = labeler("export", project, tmp_path / "out.json")
    assert done.returncode == 0
    assert "told images[0]: Is turned by its EXIF data" in done.stderr


def test_an_image_of_no_known_size_is_never_written_as_0_by_0(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with Store.open(project) as store:
        store.photos.update([replace(one, width=0, height=0) for one in store.images()])
    (tmp_path / "b.png").write_bytes(b"no image at all")
    done = labeler("export", project, out)
    assert done.returncode == 1
    assert "refused images[1].width" in done.stderr
    assert "refused annotations[1].image_id" in done.stderr
    whole = json.loads(out.read_bytes())
    assert [(one["file_name"], one["width"]) for one in whole["images"]] == [("a.png", 40)]
    assert len(whole["annotations"]) == 1
    with Store.open(project) as store:
        (lost,) = store.annotations(2)
        store.apply(Edit("Delete", (Change(lost, None),)))
    # nothing of a person's is lost with it then
    assert labeler("export", project, out, "--force").returncode == 0


def test_parts_by_share_and_by_folder(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = labeler("export", project, out, "--split", "0.5")
    assert done.returncode == 0, done.stderr
    parts = [json.loads((tmp_path / f"out-{name}.json").read_bytes()) for name in ("train", "val")]
    assert sorted(part["images"][0]["file_name"] for part in parts) == ["a.png", "b.png"]
    assert sorted(row["id"] for part in parts for row in part["annotations"]) == [1, 2]
    assert not out.exists()
    assert "out-train.json" in done.stdout
    assert labeler("export", project, out, "--split", "folders").returncode == 0
    assert len(json.loads((tmp_path / "out-rest.json").read_bytes())["images"]) == 2
    wrong = labeler("export", project, out, "--split", "1.5")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 1)
    gone = labeler("export", project, out, "--split", str(tmp_path / "no-run"))
    assert (gone.returncode, len(gone.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize(("split", "there"), [((), "out.json"), (("--split", "folders"), "out-rest.json")])
def test_what_is_there_is_only_written_over_by_force(
    project: Path, tmp_path: Path, split: tuple[str, ...], there: str
) -> None:
    (tmp_path / there).write_text("old")
    done = labeler("export", project, tmp_path / "out.json", *split)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert there in done.stderr
    assert "--force" in done.stderr
    assert (tmp_path / there).read_text() == "old"
    assert labeler("export", project, tmp_path / "out.json", "--force", *split).returncode == 0
    assert (tmp_path / there).read_text() != "old"


def test_while_the_project_is_open_elsewhere(project: Path, tmp_path: Path) -> None:
    with Store.open(project):
        assert labeler("export", project, tmp_path / "out.json").returncode == 0


def test_what_cannot_be_done_is_one_line(project: Path, tmp_path: Path) -> None:
    for arguments in (
        (tmp_path / "none.labeler", tmp_path / "o.json"),
        (project, tmp_path / "none" / "o.json"),
    ):
        done = labeler("export", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
    assert labeler("export", project).returncode == 2
