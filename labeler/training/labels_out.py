"""A project's labels written to COCO files: whole, or in parts to learn from and to be judged on."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from labeler.core.files import atomic_write
from labeler.core.records import Image
from labeler.errors import FormatError, ImageError, LabelerError
from labeler.formats.coco import read_coco
from labeler.formats.exporting import export_files
from labeler.formats.report import Report
from labeler.formats.writing import FOR_OTHERS, Writing
from labeler.project.store import Store
from labeler.training.run import RunFolder
from labeler.training.split import Item, fingerprint, split, stem

Parts: TypeAlias = Literal["", "share", "folders", "run"]

TRAIN, VAL, REST = "train", "val", "rest"


class Order(Struct, frozen=True):
    """What is to be written."""

    out: Path
    """The file; of parts, each has its name before the ending: `labels-train.json`."""
    writing: Writing = FOR_OTHERS
    reviewed_only: bool = False
    parts: Parts = ""
    """Whole; by `share`, with copies and near copies on one side; by `folders`; or as a run was trained."""
    share: float = 0.2
    """Of the images, what goes to `val`."""
    seed: int = 0
    run: Path | None = None
    """The folder of the run."""


class Delivery(Struct, frozen=True):
    """What was written."""

    files: tuple[Path, ...]
    report: Report


def deliver(project: Path, order: Order) -> Delivery:
    """Write the labels of a project file, which may be open elsewhere.

    Raises LabelerError, one sentence, where the project or the run cannot be read or a file not be written;
    those of earlier parts then stay.
    """
    if not project.exists():
        raise FormatError(f"“{project}” does not exist.")
    with Store.open(project, read_only=True) as store:
        parting = _parting(order, store.root) if order.parts else None
        exported = export_files(
            store, writing=order.writing, reviewed_only=order.reviewed_only, parting=parting
        )
    paths = []
    for name, data in exported.files.items():
        paths.append(part_path(order.out, name))
        try:
            atomic_write(paths[-1], data)
        except OSError as error:
            raise FormatError(f"“{paths[-1]}” cannot be written: {error.strerror or error}.") from error
    return Delivery(tuple(paths), exported.report)


def part_path(out: Path, name: str) -> Path:
    """The file of a part."""
    return out.with_name(f"{out.stem}-{name}{out.suffix}") if name else out


def expected_files(order: Order) -> tuple[Path, ...]:
    """The files that are sure to be written; parts by folders have names that only the images say."""
    if order.parts == "folders":
        return ()
    names = {"": ("",), "share": (TRAIN, VAL), "run": (TRAIN, VAL)}[order.parts]
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
    held_out = split(items, held_out=share, seed=seed).held_out
    return {image.id: VAL if str(image.id) in held_out else TRAIN for image in images}


def _looks(path: Path) -> int:
    try:
        return fingerprint(path)
    except ImageError:
        return 0


def by_folders(images: Sequence[Image]) -> dict[int, str]:
    """The folder of each image, the first one in which not all are; `rest` where it is in none."""
    folders = {image.id: _name(image).split("/")[:-1] for image in images}
    shared = 0
    rows = list(folders.values())
    while rows and all(len(row) > shared and row[shared] == rows[0][shared] for row in rows):
        shared += 1
    return {key: row[shared] if len(row) > shared else REST for key, row in folders.items()}


def _name(image: Image) -> str:
    """The image's name as the export has it: that of the labels file it came from, if any."""
    name = json.loads(image.extra).get("file_name") if image.extra else None
    return (name if isinstance(name, str) else image.path).replace("\\", "/")


def as_trained(images: Sequence[Image], root: Path, folder: RunFolder) -> dict[int, str]:
    """The part that each image had in a run; `rest` for what was not in it.

    Raises LabelerError where the run's labels are not there.
    """
    paths: dict[int | None, str] = {one.file_id: one.path for one in read_coco(folder.source)[0].images}
    part_of = {
        _real(paths[one.file_id]): part
        for part, labels in ((TRAIN, folder.train_labels), (VAL, folder.held_out_labels))
        for one in read_coco(labels)[0].images
        if one.file_id in paths
    }
    return {image.id: part_of.get(_real(root / image.path), REST) for image in images}


def _real(path: str | Path) -> Path:
    return Path(path).resolve()
