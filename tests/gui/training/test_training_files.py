"""The folders of runs: only our own are read and deleted, whatever a project file names."""

import os
from pathlib import Path

import pytest

from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import LabelerError
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.spec import Dataset
from labeler.gui.training.files import RunLabels, delete_run, labels_of, looked_after, read_run
from labeler.project.runs import Run, runs_folder
from labeler.training.run import RunFolder, RunSpec


def made(folder: Path) -> Run:
    RunFolder.create(folder, RunSpec(trainer="tiny", name="Tiny", options={}))
    return Run(1, str(folder), "Tiny", "tiny", 3, 1.0)


def test_a_run_of_ours_is_read_and_deleted() -> None:
    run = made(runs_folder() / "one")
    assert read_run(run).folder.path == Path(run.folder)
    assert delete_run(run) == ""
    assert not Path(run.folder).exists()
    assert delete_run(run) == ""


@pytest.mark.parametrize("way", ["elsewhere", "dots", "link", "the folder of runs itself", "deeper"])
def test_a_folder_that_a_stranger_names_is_neither_read_nor_deleted(tmp_path: Path, way: str) -> None:
    victim = tmp_path / "photos"
    run = made(victim)
    runs_folder().mkdir(parents=True)
    named = victim
    match way:
        case "dots":
            named = runs_folder() / os.path.relpath(victim, runs_folder())
        case "link":
            named = runs_folder() / "link"
            named.symlink_to(victim)
        case "the folder of runs itself":
            named = victim = runs_folder()
            (named / "run.json").write_bytes((tmp_path / "photos" / "run.json").read_bytes())
        case "deeper":
            named = victim = runs_folder() / "mine" / "weights"
            made(named)
    run = Run(1, str(named), "Tiny", "tiny", 3, 1.0)
    before = sorted(victim.rglob("*"))
    with pytest.raises(LabelerError, match="is not read") as caught:
        read_run(run)
    assert str(named) in str(caught.value)
    assert looked_after(run).state == "failed"
    assert str(named) in delete_run(run)
    assert sorted(victim.rglob("*")) == before
    assert (victim / "run.json").is_file()


def known_labels() -> RunLabels:
    """Two photos and two categories of a project, with an object that its export has not."""
    images = (Image(11, "a.png", 40, 30), Image(12, "b.png", 40, 30))
    categories = (Category(21, "cat", "#ff0000"), Category(22, "dog", "#00ff00"))
    return RunLabels(images, categories, (Annotation(31, 12, 22, Box(0, 0, 9, 9)),))


def exported(path: Path, *objects: tuple[str, str, Box]) -> Path:
    """A COCO file of objects (photo, category, box) with ids of its own."""
    names, kinds = (list(dict.fromkeys(one[place] for one in objects)) for place in (0, 1))
    dataset = Dataset(
        tuple(Image(number, name, 40, 30) for number, name in enumerate(names, 1)),
        tuple(Category(number, name, "") for number, name in enumerate(kinds, 1)),
        tuple(
            Annotation(number, names.index(name) + 1, kinds.index(kind) + 1, box)
            for number, (name, kind, box) in enumerate(objects, 1)
        ),
    )
    path.write_bytes(write_coco(dataset)[0])
    return path


def test_labels_of_an_export_have_the_ids_of_the_project(tmp_path: Path) -> None:
    known = known_labels()
    assert labels_of(None, known, root=tmp_path) is known
    box = Box(1, 2, 8, 9)
    file = exported(
        tmp_path / "labels.json",
        ("b.png", "dog", Box(0, 0, 5, 5)),
        ("a.png", "cat", box),
        ("gone.png", "cat", box),  # of a photo that is not learnt from
        ("a.png", "bird", box),  # of a category that the project has no more
    )
    found = labels_of(file, known, root=tmp_path)
    assert (found.images, found.categories) == (known.images, known.categories)
    assert {(one.image_id, one.category_id, bounds(one.shape)) for one in found.annotations} == {
        (12, 22, Box(0, 0, 5, 5)),
        (11, 21, box),
    }


def test_an_export_without_an_object_on_the_images_is_one_sentence(tmp_path: Path) -> None:
    file = exported(tmp_path / "labels.json", ("gone.png", "cat", Box(1, 2, 8, 9)))
    with pytest.raises(LabelerError, match=r"labels\.json has no object on the images to learn from: export"):
        labels_of(file, known_labels(), root=tmp_path)
    with pytest.raises(LabelerError, match=r"none\.json"):
        labels_of(tmp_path / "none.json", known_labels(), root=tmp_path)
