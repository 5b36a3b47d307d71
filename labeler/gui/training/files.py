"""What training does with files, on threads of the pool: a run's folder is made, read and deleted here."""

import re
import shutil
import time
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.files import atomic_write
from labeler.core.records import Annotation, Category, Image
from labeler.errors import LabelerError
from labeler.gui.training.course import Course
from labeler.project.runs import Run, RunState, is_ours, own_folder, runs_folder
from labeler.training.disk import remedy
from labeler.training.run import Outcome, RunFolder, RunSpec


class RunLabels(Struct, frozen=True, eq=False):
    """What goes into a run."""

    images: tuple[Image, ...]
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]


class ReadRun(Struct, frozen=True, eq=False):
    """A run as its folder has it."""

    run: Run
    folder: RunFolder
    course: Course
    outcome: Outcome | None
    """What came of it; None while nothing has."""


def folder_name(project: Path, spec: RunSpec) -> str:
    """A name for a run's folder that says to a person what it is, and is like no other."""
    words = re.sub(r"[^\w-]+", "-", f"{project.stem}-{spec.name}").strip("-")
    return f"{words[:60]}-{spec.id}"


def make_run(path: Path, spec: RunSpec, labels: RunLabels, *, root: Path) -> RunFolder:
    """A new run's folder with its labels; the images' paths are relative to `root`, and absolute in there."""
    from labeler.formats.coco.coco_writing import write_coco  # noqa: PLC0415 - 50 ms that a start need not pay
    from labeler.formats.spec import Dataset  # noqa: PLC0415 - 50 ms that a start need not pay

    placed = tuple(_placed(image, root) for image in labels.images)
    data, _ = write_coco(Dataset(placed, labels.categories, labels.annotations), source=spec.name)
    folder = RunFolder.create(path, spec)
    try:
        atomic_write(folder.source, data)
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        raise LabelerError(
            f"The labels cannot be written to {path} ({error.strerror}): {remedy(error)}, and try again."
        ) from error
    return folder


def labels_of(exported: Path | None, known: RunLabels, *, root: Path) -> RunLabels:
    """The labels of an exported COCO file, with the ids of the project that it was exported of.

    Of its images and categories those of `known` count, by path and by name; without a file `known` itself.
    Raises LabelerError, one sentence, where it cannot be read, or has no object on these images.
    """
    if exported is None:
        return known
    from labeler.formats.placement import read_placed_coco  # noqa: PLC0415 - as above

    dataset, _, _ = read_placed_coco(exported, images=root)
    images = {one.path: one.id for one in known.images}
    categories = {one.name: one.id for one in known.categories}
    image_of = {one.id: images[one.path] for one in dataset.images if one.path in images}
    category_of = {one.id: categories[one.name] for one in dataset.categories if one.name in categories}
    annotations = tuple(
        replace(one, image_id=image_of[one.image_id], category_id=category_of[one.category_id])
        for one in dataset.annotations
        if one.image_id in image_of and one.category_id in category_of
    )
    if not annotations:
        raise LabelerError(f"{exported.name} has no object on the images to learn from: export them anew.")
    return replace(known, annotations=annotations)


def _placed(image: Image, root: Path) -> Image:
    """The image as COCO has it: an absolute path, its size, and the project's id."""
    from labeler.formats.placement import header_of  # noqa: PLC0415 - as above

    path = root / image.path
    if not image.width:
        header = header_of(path)
        if header is not None:
            image = replace(image, width=header.width, height=header.height)
    return replace(image, path=str(path.absolute()), file_id=None, extra=b"")


def read_run(run: Run) -> ReadRun:
    """All that a run's folder says; LabelerError where it is gone, is none, or is not below our own."""
    folder = RunFolder(own_folder(run))
    course = Course(folder.events())
    outcome = folder.outcome()
    state = _state(folder)
    figures = outcome.metrics if outcome is not None else course.figures
    before = outcome.replaced.metrics if outcome is not None and outcome.replaced is not None else {}
    return ReadRun(replace(run, state=state, metrics=figures, before=before), folder, course, outcome)


def looked_after(run: Run) -> Run:
    """A run that was going on when the program ended, with what became of it."""
    if run.state != "running":
        return run
    try:
        found = read_run(run)
    except LabelerError:
        return replace(run, state="failed", finished=run.finished or time.time())
    return replace(found.run, finished=run.finished or time.time())


def _state(folder: RunFolder) -> RunState:
    state = folder.state
    if state in ("stopped", "failed", "finished"):
        return state
    return "running" if state == "running" else "interrupted"


def delete_run(run: Run) -> str:
    """Delete a run's folder; gives "" or, where it is none of ours and stays, a sentence that says so.

    LabelerError where the system does not let us delete it.
    """
    path = Path(run.folder)
    if not path.exists():
        return ""
    if not is_ours(path) or not (path / "run.json").is_file():
        return (
            f"“{run.name}” is no longer in the list. {path}, which the project names as its folder, was left "
            f"as it is: it is no run below {runs_folder()}."
        )
    try:
        shutil.rmtree(path.resolve())
    except OSError as error:
        raise LabelerError(f"{path} cannot be deleted ({error.strerror}). Delete it by hand.") from error
    return ""
