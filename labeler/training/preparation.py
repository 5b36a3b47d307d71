"""From labels to a run's folder: two parts as COCO, and copies of the images, whose originals are only read.

It may be cut off anywhere and done again: what is there and whole is not done twice.
"""

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.files import amount, atomic_write
from labeler.core.photos.images import read_pixels
from labeler.core.photos.patience import is_folder, is_there, patiently, silent_disk
from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import ImageError, LabelerError
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of, read_coco
from labeler.formats.coco.coco_writing import exported_ids, write_coco
from labeler.formats.coco.image_names import file_names
from labeler.formats.folder_layouts import layout_of
from labeler.formats.image_paths import Folder, folded, last_part
from labeler.formats.placement import Placing, header_of
from labeler.formats.report import Report as FormatReport
from labeler.formats.spec import Dataset
from labeler.training.disk import reason, remedy
from labeler.training.events import Counted, Prepared, Report, ShouldStop, unheard
from labeler.training.ordered_map import in_order
from labeler.training.run import RunFolder
from labeler.training.specs import StoppedError
from labeler.training.split import FEW, UNEVEN, Entry, Split, fingerprint, parted

_NAMED = 3
_SPARE = 200 << 20
"""Bytes that are left free on the disk, for checkpoints."""
_LONGEST_NAME = 120


def adopt(folder: RunFolder, labels: Path, images: Path | None, *, encoding: str = "") -> tuple[str, ...]:
    """Make the labels of a COCO file the run's own (`source.json`), its images named by absolute paths.

    They are looked for in the folder `images`, by default around the labels as `layouts` says; what is not
    found keeps its name, and `prepare` says so; `encoding` is found out where none is named.
    Gives a sentence about items that could not be used.
    Raises LabelerError with one sentence where the labels cannot be read, or no image is found.
    """
    if images is not None and not is_folder(images):
        raise LabelerError(f"There is no folder of images {images}.")
    document = open_document(labels, encoding=encoding)
    names = file_names(document)
    folder_of_images = Folder(images) if images is not None else layout_of(labels, names).folder
    root = folder_of_images.root
    placing = Placing((), root=root, folder=folder_of_images, names=names)
    dataset, told = dataset_of(document, image_sizes=placing.size, turns=placing.turn)
    at = {image.path: placing.path(image.path) for image in dataset.images}
    if not any(at.values()):
        raise LabelerError(
            f"None of the {len(dataset.images)} images of {labels.name} is in {root}; name their folder."
        )
    named = tuple(
        replace(image, path=(root / path).as_posix()) if (path := at[image.path]) else image
        for image in dataset.images
    )
    _write(folder.source, replace(dataset, images=named))
    return _refused(told)


def is_prepared(folder: RunFolder) -> bool:
    """Whether the run's data is all there."""
    return any(isinstance(event, Prepared) for event in folder.events())


def prepare(
    folder: RunFolder,
    report: Report,
    should_stop: ShouldStop,
    *,
    needs_masks: bool = False,
    least: int = 1,
    warnings: Sequence[str] = (),
    counted: Report = unheard,
) -> None:
    """Part the labels in `source.json`, copy the images that are used, and report `Prepared`.

    Images that are missing or damaged are left out, as is with `needs_masks` what is only a box; a warning
    says so, beside the `warnings` of `adopt`. Raises LabelerError with one sentence where the labels cannot
    be read or have nothing to learn from, fewer than `least` images are left, or the disk is too small;
    StoppedError soon after `should_stop()`. `counted` hears how far it is, by `Doing`.
    """
    every = _looked_at(_read(folder), counted, should_stop)
    labels = _with_masks(every) if needs_masks else every
    labels = _without_damaged(labels, every.damaged)
    counts = Counter(one.category_id for one in labels.annotations if not one.crowd)
    _check_enough(labels, counts, least)
    parts = _parts(every, labels, folder, needs_masks=needs_masks)
    names = unique_names([image.path for image in labels.images])
    _copy(folder, names, counted, should_stop)
    categories = tuple(one for one in labels.categories if counts[one.id])
    validation = _part(labels, categories, names, parts.validation)
    train = _part(labels, categories, names, names.keys() - parts.validation)
    _write(folder.validation_labels, validation)
    _write(folder.train_labels, train)
    report(
        Prepared(
            training=len(train.images),
            validation=len(validation.images),
            objects={one.name: counts[one.id] for one in categories},
            warnings=(
                *warnings,
                *labels.warnings,
                *_warnings(train, validation, is_judged=folder.spec.validation_share > 0),
            ),
        )
    )


class _Labels(Struct, frozen=True):
    """What is left of the source on its way through the steps."""

    images: tuple[Image, ...]
    """Their paths are those of the originals."""
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]
    warnings: tuple[str, ...] = ()
    fingerprints: Mapping[int, int | None] = {}
    """By image id; None where it cannot be read."""
    damaged: Mapping[int, str] = {}
    """Paths of images that are not whole, by image id."""

    def without(self, images: set[int], warning: str) -> "_Labels":
        """Without some images and what is on them; the warning only where there are any, and "" is none."""
        if not images:
            return self
        return replace(
            self,
            images=tuple(image for image in self.images if image.id not in images),
            annotations=tuple(one for one in self.annotations if one.image_id not in images),
            warnings=(*self.warnings, warning) if warning else self.warnings,
        )


def _header(path: Path) -> tuple[int, int] | None:
    """Displayed width and height; None where the image cannot be read."""
    header = header_of(path)
    return (header.width, header.height) if header is not None else None


def _read(folder: RunFolder) -> _Labels:
    """The source's records; their ids in a file are those of the source."""
    if not folder.source.is_file():
        raise LabelerError(f"The run in {folder.path} has no labels; start it from a labels file.")
    dataset, told = read_coco(folder.source, image_sizes=lambda name: _header(Path(name)))
    image_ids, category_ids = exported_ids(dataset.images), exported_ids(dataset.categories)
    labels = _Labels(
        tuple(replace(image, file_id=image_ids[image.id]) for image in dataset.images),
        tuple(replace(one, file_id=category_ids[one.id]) for one in dataset.categories),
        dataset.annotations,
        warnings=_refused(told),
    )
    missing = {image.id for image in labels.images if not is_there(Path(image.path))}
    names = [image.path for image in labels.images if image.id in missing]
    if missing and len(missing) == len(labels.images):
        raise LabelerError(f"None of the images is there any more, as {names[0]}; put them back.")
    return labels.without(missing, _left_out(names, "not found"))


def _refused(told: FormatReport) -> tuple[str, ...]:
    """A sentence about the items that could not be used; none where there are none."""
    refused = [note for note in told.items if note.verdict == "refused"]
    if not refused:
        return ()
    return (f"Left out, since unusable: {_count(len(refused), 'item')} of the labels; {refused[0]}",)


def _without_damaged(labels: _Labels, damaged: Mapping[int, str]) -> _Labels:
    """Without the images that are not whole, and those on a disk that does not answer."""
    why: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for image, path in damaged.items():
        disk = silent_disk(Path(path))
        why[f"the disk at {disk} does not answer" if disk else "damaged"][image] = path
    for sentence, paths in why.items():
        labels = labels.without(set(paths), _left_out(list(paths.values()), sentence))
    return labels


def _with_masks(labels: _Labels) -> _Labels:
    """Without the objects that are only boxes, and the images on which nothing else is."""
    boxes = [one for one in labels.annotations if isinstance(one.shape, Box)]
    if not boxes:
        return labels
    kept = tuple(one for one in labels.annotations if not isinstance(one.shape, Box))
    bare = {one.image_id for one in boxes} - {one.image_id for one in kept}
    sentence = f"Left out, since they are only boxes and this model learns outlines: {len(boxes)} objects."
    return replace(labels, annotations=kept, warnings=(*labels.warnings, sentence)).without(bare, "")


def _looked_at(labels: _Labels, counted: Report, should_stop: ShouldStop) -> _Labels:
    """With the fingerprints of the images, and which of them are damaged."""
    fingerprints: dict[int, int | None] = {}
    damaged: dict[int, str] = {}
    workers = min(4, os.cpu_count() or 1)
    looks = in_order(_look, (image.path for image in labels.images), workers=workers, ahead=workers)
    count = Counted("looking", len(labels.images), counted)
    for image, (bits, problem) in zip(labels.images, looks, strict=True):
        if should_stop():
            looks.close()
            raise StoppedError("The run was stopped while its images were looked at.")
        fingerprints[image.id] = bits
        if problem:
            damaged[image.id] = image.path
        count.advance()
    return replace(labels, fingerprints=fingerprints, damaged=damaged)


def _look(path: str) -> tuple[int | None, str]:
    """The fingerprint, and what is wrong with the image or ""."""
    try:
        note = read_pixels(Path(path)).note
        return fingerprint(Path(path)), note if note.startswith("damaged") else ""
    except ImageError as error:
        return None, str(error)


def _parts(every: _Labels, labels: _Labels, folder: RunFolder, *, needs_masks: bool) -> Split:
    """Which of the images that are left are held out, parted as the window has shown it.

    It parts what can be read; a damaged image among that is left out of its part. Only where that would
    leave one of the parts without any image is the rest parted anew.
    """
    boxes = {one.image_id for one in every.annotations if isinstance(one.shape, Box)}
    outlined = {one.image_id for one in every.annotations if not isinstance(one.shape, Box)}
    left = {image.path for image in labels.images}

    def of(images: Sequence[Image]) -> Split:
        entries = [
            Entry(one.path, one.path, every.fingerprints[one.id], one.id in boxes - outlined)
            for one in images
        ]
        spec = folder.spec
        return parted(entries, needs_masks=needs_masks, share=spec.validation_share, seed=spec.seed)

    parts = of(every.images)
    is_lost = parts.validation and not parts.validation & left
    return of(labels.images) if is_lost or not left - parts.validation else parts


def _check_enough(labels: _Labels, counts: Mapping[int, int], least: int) -> None:
    if not counts:
        causes = "".join(f" {warning}" for warning in labels.warnings)
        raise LabelerError(
            f"There is nothing to learn from: no image has an object that can be used.{causes}"
        )
    if len(labels.images) < least:
        raise LabelerError(f"{_count(len(labels.images), 'image')} to learn from: label at least {least}.")


def unique_names(paths: Sequence[str]) -> dict[str, str]:
    """By path a file name that no other has, on any system: its own, with a number where that is taken."""
    taken: set[str] = set()
    names: dict[str, str] = {}
    for path in paths:
        last = Path("".join(one if one.isprintable() else "_" for one in last_part(path)))
        start, number = last.stem[:_LONGEST_NAME], 1
        name = start + last.suffix
        while folded(name).casefold() in taken:
            number += 1
            name = f"{start}-{number}{last.suffix}"
        taken.add(folded(name).casefold())
        names[path] = name
    return names


def _copy(folder: RunFolder, names: Mapping[str, str], counted: Report, should_stop: ShouldStop) -> None:
    """Copy what is not there yet, by path and name; the disk is asked before."""
    try:
        folder.images.mkdir(exist_ok=True)
        sizes = {path: patiently(Path(path), Path(path).stat).st_size for path in names}
        wanted = [path for path in names if not _is_there(folder.images / names[path], sizes[path])]
        needed = sum(sizes[path] for path in wanted) + _SPARE
        free = shutil.disk_usage(folder.path).free
        if free < needed:
            raise LabelerError(
                f"The run needs {amount(needed)} in {folder.path}, where {amount(free)} are free: "
                "make room, or choose another folder."
            )
        count = Counted("copying", len(wanted), counted)
        for path in wanted:
            if should_stop():
                raise StoppedError("The run was stopped while its images were copied.")
            # only reading is given up: a slow disk may take its time to write
            atomic_write(folder.images / names[path], patiently(Path(path), Path(path).read_bytes))
            count.advance()
    except OSError as error:
        raise LabelerError(
            f"The images cannot be copied to {folder.images} ({reason(error)}): {remedy(error)}, or choose "
            "another folder."
        ) from error


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _part(
    labels: _Labels, categories: tuple[Category, ...], names: Mapping[str, str], paths: Collection[str]
) -> Dataset:
    """One part, its images by the names of their copies."""
    images = {image.id: image for image in labels.images if image.path in paths}
    known = {one.id for one in categories}
    return Dataset(
        tuple(replace(image, path=names[image.path]) for image in images.values()),
        categories,
        tuple(one for one in labels.annotations if one.image_id in images and one.category_id in known),
    )


def _write(path: Path, dataset: Dataset) -> None:
    data, _ = write_coco(dataset)
    try:
        atomic_write(path, data)
    except OSError as error:
        said = f"{path} cannot be written ({error.strerror or error})"
        raise LabelerError(f"{said}: {remedy(error)}, or choose another folder.") from error


def _warnings(train: Dataset, validation: Dataset, *, is_judged: bool) -> list[str]:
    """A sentence for each thing that makes a good model unlikely, or its figures doubtful."""
    said = []
    images = len(train.images)
    if images < FEW:
        said.append(f"There {'is' if images == 1 else 'are'} only {_count(images, 'image')} to learn from.")
    if is_judged and not validation.images:
        said.append("Nothing is left to judge the model on: the images are too few, or all look alike.")
    labelled = {one.image_id for part in (train, validation) for one in part.annotations}
    everything = [image for part in (train, validation) for image in part.images]
    empty = sum(image.id not in labelled for image in everything)
    if empty * 2 > len(everything):
        said.append(
            f"{empty} of {len(everything)} images have no object and are taken to be empty: leave them out "
            "where they are only not labelled yet."
        )
    return said + _of_categories(train, validation)


def _of_categories(train: Dataset, validation: Dataset) -> list[str]:
    seen, judged = _objects(train), _objects(validation)
    total = {one.name: seen[one.id] + judged[one.id] for one in train.categories}
    unseen = [one.name for one in train.categories if not seen[one.id]]
    unjudged = [one.name for one in train.categories if not judged[one.id]] if validation.images else []
    few = [f"{name} ({number})" for name, number in total.items() if number < FEW]
    said = []
    if unseen:
        said.append(f"No object to learn from, since all are held out: {_listed(unseen)}.")
    if unjudged:
        said.append(f"No object to be judged on, since none is held out: {_listed(unjudged)}.")
    if few:
        said.append(f"Fewer than {FEW} objects: {_listed(few)}.")
    most, fewest = max(total, key=total.__getitem__), min(total, key=total.__getitem__)
    if total[most] > UNEVEN * total[fewest]:
        said.append(
            f"Out of balance: {total[most]} of {most}, but {total[fewest]} of {fewest}; label more of these."
        )
    return said


def _objects(part: Dataset) -> Counter[int]:
    return Counter(one.category_id for one in part.annotations if not one.crowd)


def _left_out(paths: Sequence[str], why: str) -> str:
    return (
        f"Left out, since {why}: {_count(len(paths), 'image')}, {_listed([last_part(one) for one in paths])}."
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
