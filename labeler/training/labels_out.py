"""A project's labels written in a format: whole, or in parts to learn from and to be judged on."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.files import atomic_write
from labeler.core.photos.patience import resolved
from labeler.core.records import Image
from labeler.errors import FormatError, ImageError, LabelerError
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.data_set import Wanted, losses, part_path, write_data_set
from labeler.formats.door import COCO, format_named, format_to_write
from labeler.formats.export import Gathered, export_files, gathered, said_part
from labeler.formats.photo_checks import TURNED
from labeler.formats.report import FieldNote, Ledger, Report
from labeler.formats.spec import Dataset, FormatSpec, PhotosAre
from labeler.formats.write_options import FOR_OTHERS, Writing
from labeler.project.store import Store
from labeler.training.run import RunFolder
from labeler.training.split import Item, fingerprint, split, stem

Parts: TypeAlias = Literal["", "share", "folders", "run"]

TRAIN, VAL, REST = "train", "val", "rest"

_NAMED = 3
"""Files that a sentence names; more are counted."""
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
"""What some system has no place for in the names of files."""


class ThereAlreadyError(FormatError):
    """Files that nobody agreed to write over; nothing was written."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        super().__init__(f"{said_there(paths)}; nothing was written.")


def said_there(paths: Sequence[Path]) -> str:
    """The words that name files which are there already."""
    names = [path.name for path in paths[:_NAMED]]
    if len(paths) > _NAMED:
        names.append(f"{len(paths) - _NAMED} more")
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{listed} {'is' if len(paths) == 1 else 'are'} there already"


class Order(Struct, frozen=True):
    """What is to be written."""

    out: Path
    """The file; of parts, each has its name before the ending: `labels-train.json`. Of a format that is a
    folder, and where photos come along, the folder, which has all parts."""
    writing: Writing = FOR_OTHERS
    reviewed_only: bool = False
    parts: Parts = ""
    """Whole; by `share`, with copies and near copies on one side; by `folders`; or as a run was trained."""
    share: float = 0.2
    """Of the images, what goes to `val`."""
    seed: int = 0
    run: Path | None = None
    """The folder of the run."""
    over: frozenset[Path] | None = frozenset()
    """The files that may be written over; None for any."""
    format: str = ""
    """The id of the format; "" for what the ending of `out` says."""
    photos: PhotosAre = "left"
    straighten: bool = False
    """Whether photos that are turned by EXIF come along turned."""
    categories: frozenset[int] | None = None
    """The categories of what is written, by id; None for all."""


class Delivery(Struct, frozen=True):
    """What was written."""

    files: tuple[Path, ...]
    report: Report
    where: Callable[[FieldNote], str] = lambda note: note.place
    """What a note is about, as a person knows it: the photo, and which of its objects."""


def deliver(project: Path, order: Order, *, should_stop: Callable[[], bool] = lambda: False) -> Delivery:
    """Write the labels of a project file, which may be open elsewhere.

    Raises ThereAlreadyError before anything is written, where a file is there that the order has no leave to
    write over, and LabelerError, one sentence, where the project or the run cannot be read or a file not be
    written; those of earlier parts then stay.
    """
    if not project.exists():
        raise FormatError(f"“{project}” does not exist.")
    spec = None if is_project_name(order.out) else _spec_of(order)
    if not order.parts or _is_folder_wanted(order, spec):
        _ask_leave([order.out], order, folder=_is_folder_wanted(order, spec))
    with Store.open(project, read_only=True) as store:
        parting = _parting(order, store.root) if order.parts else None
        if trouble := among_photos(order, store.root):
            raise FormatError(trouble)
        if spec is not None:
            found = gathered(
                store, reviewed_only=order.reviewed_only, categories=order.categories, parting=parting
            )
        else:
            exported = export_files(
                store,
                writing=order.writing,
                reviewed_only=order.reviewed_only,
                categories=order.categories,
                parting=parting,
            )
    if spec is not None:
        return _in_format(spec, found, order, should_stop)
    files = {part_path(order.out, name): data for name, data in exported.files.items()}
    _ask_leave(files, order)
    for path, data in files.items():
        write_labels(path, data)
    return Delivery(tuple(files), replace(exported.report, source=order.out.name), exported.where)


def foreseen(project: Path, order: Order) -> Report:
    """What an export would lose of a project's labels, before anything is written; photos are not looked at.

    Raises LabelerError, one sentence, where the project cannot be read.
    """
    spec = _spec_of(order)
    with Store.open(project, read_only=True) as store:
        images = tuple(one for one in store.images() if one.reviewed or not order.reviewed_only)
        shown = {one.id for one in images}
        wanted = order.categories
        annotations = tuple(
            one
            for one in store.all_annotations()
            if one.image_id in shown and (wanted is None or one.category_id in wanted)
        )
        dataset = Dataset(images, tuple(store.categories()), annotations)
    return losses(spec or format_named(COCO), dataset, order.writing, order.photos)


def _spec_of(order: Order) -> FormatSpec | None:
    """The format of an order; None for COCO without photos, which keeps texts as they were read."""
    spec = format_to_write(order.out, order.format)
    return format_named(COCO) if spec is None and order.photos != "left" else spec


def among_photos(order: Order, root: Path) -> str:
    """Why photos cannot come along to where they would be taken for new ones of the project, or ""."""
    if order.photos == "left" or not _real(order.out).is_relative_to(_real(root)):
        return ""
    return (
        f"“{order.out.name}” lies in the folder of the project's photos, where the copies would be taken for "
        "new photos: choose a place outside."
    )


def _is_folder_wanted(order: Order, spec: FormatSpec | None) -> bool:
    return spec is not None and (spec.folder or order.photos != "left")


def _in_format(spec: FormatSpec, found: Gathered, order: Order, should_stop: Callable[[], bool]) -> Delivery:
    """What was gathered, written in a format other than COCO's own file."""
    if not _is_folder_wanted(order, spec):
        names = sorted({found.parts.get(image.id, "") for image in found.dataset.images} or {""})
        _ask_leave([part_path(order.out, name) for name in names], order)
    wanted = Wanted(
        found.dataset,
        order.out,
        found.files(),
        found.parts,
        writing=order.writing,
        photos=order.photos,
        straighten=order.straighten,
        over=True,
        should_stop=should_stop,
    )
    written = write_data_set(spec, wanted)
    place_of = {path: place for place, path in enumerate(found.paths)}
    ledger = Ledger()
    straightened = order.straighten and order.photos != "left"
    ledger.extend(tuple(note for note in found.notes if not (straightened and note.sentence == TURNED)))
    for note in written.report.items:
        if note.kind == "images" and note.index is not None:
            note = replace(note, index=place_of[found.dataset.images[note.index].path])  # noqa: PLW2901
        ledger.extend((note,))
    return Delivery(written.files, ledger.report(order.out.name, found.totals, done="written"), found.where)


def write_labels(path: Path, data: bytes) -> None:
    """Write a COCO file's bytes to `path`; FormatError, one sentence, where the disk does not take it."""
    try:
        atomic_write(path, data)
    except OSError as error:
        raise FormatError(f"“{path}” cannot be written: {error.strerror or error}.") from error


def _ask_leave(paths: Iterable[Path], order: Order, *, folder: bool = False) -> None:
    """Raises where something is at one of the paths that is not to be written over."""
    for path in paths:
        if is_project_name(path):
            raise FormatError(f"“{path}” is the name of a project; give the labels one that ends in .json.")
        is_folder = os.path.isdir(path)  # noqa: PTH112 - False for a name that is too long, which `Path` raises at
        if is_folder and not folder:
            raise FormatError(f"“{path}” is a folder; give the labels another name.")
        if folder and not is_folder and os.path.exists(path):  # noqa: PTH110 - as above
            raise FormatError(f"“{path}” is a file, but the data set is a folder; give it another name.")
    if order.over is None:
        return
    there = [
        path
        for path in paths
        if os.path.exists(path) and path not in order.over and not (folder and not os.listdir(path))  # noqa: PTH110, PTH208 - as above
    ]
    if there:
        raise ThereAlreadyError(there)


def is_project_name(path: Path) -> bool:
    """Whether a name, or what a link of that name leads to, is that of a project."""
    return ".labeler" in (path.suffix.lower(), path.resolve().suffix.lower())


def expected_files(order: Order, images: Sequence[Image]) -> tuple[Path, ...]:
    """The files that may come of it, given the images that are to be written.

    What a run has no part for is in `rest`, which is only written where there is such an image.
    """
    if not is_project_name(order.out) and _is_folder_wanted(order, _spec_of(order)):
        return (order.out,)
    names: Sequence[str] = {"": ("",), "share": (TRAIN, VAL), "run": (TRAIN, VAL, REST), "folders": ()}[
        order.parts
    ]
    if order.parts == "folders":
        names = sorted(set(by_folders(images).values()))
    return tuple(part_path(order.out, name) for name in names)


def _parting(order: Order, root: Path) -> Callable[[Sequence[Image]], Mapping[int, str]]:
    if order.parts == "share":
        return lambda images: by_share(images, root, share=order.share, seed=order.seed)
    if order.parts == "folders":
        return by_folders
    if order.run is None:
        raise LabelerError("Choose the run whose parts are to be written.")
    folder = RunFolder(order.run)
    return lambda images: as_trained(images, root, folder)


def by_share(images: Sequence[Image], root: Path, *, share: float, seed: int) -> dict[int, str]:
    """`train` or `val` for each image: what is a copy of another, or looks like it, goes where that goes.

    A photo that cannot be read is only told from others by its name.
    """
    items = [Item(str(image.id), stem(image.path), _looks(root / image.path)) for image in images]
    validation = split(items, share=share, seed=seed).validation
    return {image.id: VAL if str(image.id) in validation else TRAIN for image in images}


def _looks(path: Path) -> int:
    try:
        return fingerprint(path)
    except ImageError:
        return 0


def by_folders(images: Sequence[Image]) -> dict[int, str]:
    """The part of each image as it came: what its labels file said, else its folder.

    Of the folders it is the first one in which not all are; `rest` where an image is in none.
    """
    said = {image.id: part for image in images if (part := said_part(image))}
    folders = {image.id: _name(image).split("/")[:-1] for image in images if image.id not in said}
    shared = 0
    rows = list(folders.values())
    while rows and all(len(row) > shared and row[shared] == rows[0][shared] for row in rows):
        shared += 1
    by_folder = {key: row[shared] if len(row) > shared else REST for key, row in folders.items()}
    parts = said | by_folder
    return {image.id: _NOT_IN_NAMES.sub("_", parts[image.id]) for image in images}


def _name(image: Image) -> str:
    """The image's name in the labels file that it came from, if that says its folder; else its path."""
    name = json.loads(image.extra).get("file_name") if image.extra else None
    said = name.replace("\\", "/") if isinstance(name, str) else ""
    return said if "/" in said else image.path


def as_trained(images: Sequence[Image], root: Path, folder: RunFolder) -> dict[int, str]:
    """The part that each image had in a run; `rest` for what was not in it.

    Raises LabelerError where the run's labels are not there.
    """
    paths: dict[int | None, str] = {one.file_id: one.path for one in read_coco(folder.source)[0].images}
    part_of = {
        _real(paths[one.file_id]): part
        for part, labels in ((TRAIN, folder.train_labels), (VAL, folder.validation_labels))
        for one in read_coco(labels)[0].images
        if one.file_id in paths
    }
    return {image.id: part_of.get(_real(root / image.path), REST) for image in images}


def _real(path: str | Path) -> Path:
    return resolved(Path(path))
