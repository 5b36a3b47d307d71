"""Labels files into an open project and out of it.

`Project` is what is needed of `project.store.Store`: formats and project know nothing of each other.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from labeler.core.colors import Palette, next_key
from labeler.core.records import Annotation, Candidate, Category, Change, Edit, Image, Model
from labeler.formats.coco import Dataset, dataset_of, file_names
from labeler.formats.coco_file import Document, open_document
from labeler.formats.coco_writing import exported_ids
from labeler.formats.frames import Choice
from labeler.formats.gates import packed, unpacked
from labeler.formats.image_paths import Folder, folded, placeholder
from labeler.formats.json_text import no_collection
from labeler.formats.placing import Placing
from labeler.formats.report import Ledger, Report
from labeler.formats.results import read_results
from labeler.formats.shapes import same_shape

R = TypeVar("R", Image, Category)

TOP_LEVEL = "coco"
"""The project's setting that keeps the other top-level keys (info, licenses) of imported files."""


class Ids(Protocol):
    """The project's giver of ids: see `labeler.project.ids.Ids`, which is one."""

    def take(self, kind: Literal["annotation", "category", "image", "candidate"], count: int = 1) -> int: ...


class Project(Protocol):
    """An open project: see `labeler.project.store.Store`, which is one."""

    @property
    def root(self) -> Path: ...
    @property
    def ids(self) -> Ids: ...
    def images(self) -> list[Image]: ...
    def categories(self) -> list[Category]: ...
    def annotations(self, image_id: int) -> tuple[Annotation, ...]: ...
    def all_annotations(self) -> Iterator[Annotation]: ...
    def meta(self, key: str) -> str: ...
    def set_meta(self, key: str, value: str) -> None: ...
    def transaction(self) -> AbstractContextManager[None]: ...
    def apply(self, edit: Edit) -> int: ...
    def ensure_model(self, name: str, version: str) -> Model: ...
    def add_candidates(
        self, model_id: int, candidates: Iterable[Candidate], *, replacing: Iterable[int] = ()
    ) -> tuple[Candidate, ...]: ...


def import_coco(
    project: Project, path: Path, *, images: Path | None = None, frame: Choice = "auto"
) -> Report:
    """Take a COCO file into a project: one transaction, one undo step.

    Images are looked for in the folder `images` (by default the project's image folder) and nowhere else;
    those not found are kept without a file. What an earlier import brought and is unchanged is skipped.
    Raises FormatError when the file is not COCO; the project is then as it was.
    """
    return import_document(project, open_document(path), images=images, frame=frame)


@no_collection()
def import_document(
    project: Project, document: Document, *, images: Path | None = None, frame: Choice = "auto"
) -> Report:
    """Take an opened COCO file into a project: see `import_coco`."""
    placing = Placing(
        project.images(),
        root=project.root,
        folder=Folder(images or project.root),
        names=file_names(document),
    )
    dataset, report = dataset_of(document, image_sizes=placing.size, turns=placing.turn, frame=frame)
    ledger = Ledger()
    ledger.extend(report.items)
    edit = _Import(project, placing, ledger).edit(dataset, f"Import {document.name}")
    extra = packed(unpacked(dataset.extra) | unpacked(project.meta(TOP_LEVEL).encode()))
    if edit.changes or extra != project.meta(TOP_LEVEL).encode():
        with project.transaction():
            if edit.changes:
                project.apply(edit)
            project.set_meta(TOP_LEVEL, extra.decode())
    return ledger.report(report.source, {kind: tally.total for kind, tally in report.tallies.items()})


@no_collection()
def import_results(project: Project, path: Path, *, model: str, version: str = "") -> Report:
    """Take a COCO results file into a project as the candidates of a model, in one transaction.

    The file's ids are those that `export_coco` writes, which are those of an imported COCO file. Earlier
    candidates of that model on the same images are replaced. Raises FormatError when it is no JSON list.
    """
    images, categories = project.images(), project.categories()
    image_ids, category_ids = exported_ids(images), exported_ids(categories)
    candidates, report = read_results(
        path,
        images={image_ids[image.id]: image for image in images},
        categories={category_ids[category.id]: category for category in categories},
    )
    if candidates:
        with project.transaction():
            maker = project.ensure_model(model, version)
            touched = sorted({candidate.image_id for candidate in candidates})
            project.add_candidates(maker.id, candidates, replacing=touched)
    return report


class _Import:
    """Turns a data set into one edit of a project."""

    def __init__(self, project: Project, placing: Placing, ledger: Ledger) -> None:
        self._project = project
        self._placing = placing
        self._ledger = ledger
        self._ids = project.ids
        self._changes: list[Change] = []
        self._fresh: set[int] = set()

    def edit(self, dataset: Dataset, label: str) -> Edit:
        """The edit that brings what is not there yet; each skip and placing is noted."""
        places = dataset.places
        images = self._images(dataset.images, places.images)
        categories = self._categories(dataset.categories, places.categories)
        self._annotations(dataset.annotations, places.annotations, images, categories)
        return Edit(label, tuple(self._changes))

    def _images(self, images: Sequence[Image], places: Sequence[int | None]) -> dict[int, int]:
        """The project's id of each image; new ones are added, known ones get what only the file knows."""
        ids: dict[int, int] = {}
        first: dict[str, tuple[int, int | None]] = {}
        for image, place in zip(images, places, strict=True):
            before = self._placing.known(image.path)
            path = before.path if before else self._placing.path(image.path) or placeholder(image.path)
            if path in first:
                ids[image.id], other = first[path]
                sentence = f"Is the same image as images[{other}]; its annotations go there."
                self._ledger.note("repaired", "images", place, "file_name", sentence)
                continue
            after = self._image(image, before, path)
            if before is None and self._placing.path(image.path) is None:
                sentence = "There is no such file in the folder; the image is kept without one."
                self._ledger.note("repaired", "images", place, "file_name", sentence)
            elif self._placing.is_guess(image.path):
                sentence = f"Not found there; taken for “{path}”, {self._placing.reason(image.path)}."
                self._ledger.note("repaired", "images", place, "file_name", sentence)
            if after != before:
                self._changes.append(Change(before, after))
            first[path] = after.id, place
            ids[image.id] = after.id
        return ids

    def _image(self, image: Image, before: Image | None, path: str) -> Image:
        """The project's record of an image of the file."""
        extra = image.extra
        if path != image.path:
            extra = packed({"file_name": msgspec.json.encode(image.path), **unpacked(extra)})
        if before is not None:
            after = _completed(before, file_id=image.file_id, extra=extra)
            # the mark speaks of the file's labels: where others lie beside them, a person has to look again
            if image.reviewed and not self._project.annotations(before.id):
                after = replace(after, reviewed=True)
            return after if after.width else replace(after, width=image.width, height=image.height)
        number = self._ids.take("image")
        self._fresh.add(number)
        header = self._placing.header(image.path)
        note = header.note if header else "missing"
        return replace(image, id=number, path=path, extra=extra, note=note)

    def _categories(self, categories: Sequence[Category], places: Sequence[int | None]) -> dict[int, int]:
        """The project's id of each category, found by name; new ones are added."""
        there = {folded(category.name.strip()): category for category in self._project.categories()}
        ids: dict[int, int] = {}
        first: dict[str, int | None] = {}
        palette = Palette(category.color for category in there.values())
        keys = {category.key for category in there.values()}
        for category, place in zip(categories, places, strict=True):
            name = folded(category.name.strip())
            if name in first:
                sentence = f"Has the name of categories[{first[name]}]; the two became one."
                self._ledger.note("repaired", "categories", place, "name", sentence)
            elif before := there.get(name):
                after = _completed(before, file_id=category.file_id, extra=category.extra)
                if after != before:
                    self._changes.append(Change(before, after))
            else:
                fresh = replace(category, id=self._ids.take("category"))
                there[name] = _distinct(fresh, palette, keys)
                self._changes.append(Change(None, there[name]))
            first.setdefault(name, place)
            ids[category.id] = there[name].id
        return ids

    def _annotations(
        self,
        annotations: Sequence[Annotation],
        places: Sequence[int | None],
        images: Mapping[int, int],
        categories: Mapping[int, int],
    ) -> None:
        """Add each annotation that its image does not have already."""
        now = time.time()
        there: dict[int, dict[int | None, list[Annotation]]] = {}
        for annotation, place in zip(annotations, places, strict=True):
            image_id, category_id = images[annotation.image_id], categories[annotation.category_id]
            if image_id not in there:
                there[image_id] = self._there(image_id)
            alike = there[image_id].get(annotation.file_id, ())
            if any(a.category_id == category_id and same_shape(a.shape, annotation.shape) for a in alike):
                sentence = "The image has this annotation already."
                self._ledger.note("skipped", "annotations", place, "", sentence)
                continue
            number = self._ids.take("annotation")
            after = replace(
                annotation, id=number, image_id=image_id, category_id=category_id, created=now, edited=now
            )
            self._changes.append(Change(None, after))

    def _there(self, image_id: int) -> dict[int | None, list[Annotation]]:
        """The annotations that an image of the project had before, by their id in a file."""
        by_id: dict[int | None, list[Annotation]] = {}
        if image_id not in self._fresh:
            for annotation in self._project.annotations(image_id):
                by_id.setdefault(annotation.file_id, []).append(annotation)
        return by_id


def _distinct(category: Category, palette: Palette, keys: set[str]) -> Category:
    """A new category in its own colour and with its own key, where no other has them, else in free ones."""
    color, key = category.color, category.key
    if not palette.take(color):
        color = palette.next()
    if key and key in keys:
        key = next_key(keys)
    keys.add(key)
    return replace(category, color=color, key=key)


def _completed(record: R, *, file_id: int | None, extra: bytes) -> R:
    """The project's record with the file's id and other keys, where it has none of its own."""
    changed = replace(record, file_id=file_id) if record.file_id is None else record
    return replace(changed, extra=extra) if not record.extra else changed
