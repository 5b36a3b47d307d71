"""What of a labels file a project does not have yet, as one edit: matched by image, name and id.

Nothing here reads a file or a database: what is known of the project is handed in, so that all of it can
be worked out beside the thread that saves.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from labeler.core.colors import Palette, next_key
from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Category, Change, Edit, Image
from labeler.formats.coco.shapes import AREA_KEY, same_shape
from labeler.formats.gates import packed, unpacked
from labeler.formats.image_paths import folded, placeholder
from labeler.formats.placement import Placing
from labeler.formats.report import Ledger
from labeler.formats.spec import Dataset

R = TypeVar("R", Image, Category)
Edited: TypeAlias = Literal["keep", "replace"]
"""What becomes of an object that the file corrects and a person has edited since: kept, or replaced."""

_SAME_PLACE = 0.3
"""IoU of two boxes from which on they are taken for the same object before and after a correction."""


class IdGiver(Protocol):
    """The project's giver of ids: see `labeler.project.ids.Ids`, which is one."""

    def take(self, kind: Literal["annotation", "category", "image", "candidate"], count: int = 1) -> int: ...


class KnownProject(Struct, frozen=True):
    """What is known of a project before a file is taken in."""

    images: Sequence[Image]
    categories: Sequence[Category]
    annotations: Callable[[int], Sequence[Annotation]]
    """Those of an image of the project."""
    ids: IdGiver


class Taking:
    """Turns a data set into one edit of a project."""

    def __init__(
        self, known: KnownProject, placing: Placing, ledger: Ledger, *, edited: Edited = "keep"
    ) -> None:
        self._known = known
        self._placing = placing
        self._ledger = ledger
        self._edited = edited
        self._changes: list[Change] = []
        self._fresh: set[int] = set()
        self._there: dict[int, dict[int | None, list[Annotation]]] = {}

    def edit(self, dataset: Dataset, label: str) -> Edit:
        """The edit that brings what is not there yet; each skip and placing is noted."""
        places = dataset.places
        images = self._images(dataset.images, places.images)
        categories = self._categories(dataset.categories, places.categories)
        placed = [
            replace(one, image_id=images[one.image_id], category_id=categories[one.category_id])
            for one in dataset.annotations
        ]
        self._annotations(placed, places.annotations)
        return Edit(label, tuple(self._changes))

    def touched(self, dataset: Dataset) -> list[int]:
        """The project's images that the file has objects on, whose annotations must be known."""
        labelled = {annotation.image_id for annotation in dataset.annotations}
        found = (
            self._placing.known(image.path)
            for image in dataset.images
            if image.id in labelled or image.reviewed
        )
        return sorted({image.id for image in found if image is not None})

    def _images(self, images: Sequence[Image], places: Sequence[int | None]) -> dict[int, int]:
        """The project's id of each image; new ones are added, known ones get what only the file knows."""
        ids: dict[int, int] = {}
        first: dict[str, tuple[int, int | None]] = {}
        given = {image.file_id for image in self._known.images}
        doubles = self._placing.doubles()
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
                self._ledger.note("missing", "images", place, "file_name", sentence)
            elif before is None and (trouble := self._placing.trouble(image.path)):
                self._ledger.note("missing", "images", place, "file_name", trouble)
            elif self._placing.is_guess(image.path):
                sentence = f"Not found there; taken for “{path}”, {self._placing.reason(image.path)}."
                self._ledger.note("repaired", "images", place, "file_name", sentence)
            if other_name := doubles.get(image.path):
                sentence = f"Is the photo “{other_name}” by a link; each name is an image of its own."
                self._ledger.note("told", "images", place, "file_name", sentence)
            if before is None:
                self._note_contested("images", place, image.file_id, given)
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
            if image.reviewed and not self._known.annotations(before.id):
                after = replace(after, reviewed=True)
            return after if after.width else replace(after, width=image.width, height=image.height)
        number = self._known.ids.take("image")
        self._fresh.add(number)
        header = self._placing.header(image.path)
        note = header.note if header else "missing"
        return replace(image, id=number, path=path, extra=extra, note=note)

    def _categories(self, categories: Sequence[Category], places: Sequence[int | None]) -> dict[int, int]:
        """The project's id of each category, found by name; new ones are added."""
        there = {folded(category.name.strip()): category for category in self._known.categories}
        ids: dict[int, int] = {}
        first: dict[str, int | None] = {}
        palette = Palette(category.color for category in there.values())
        keys = {category.key for category in there.values()}
        given = {category.file_id for category in there.values()}
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
                self._note_contested("categories", place, category.file_id, given)
                fresh = replace(category, id=self._known.ids.take("category"))
                there[name] = _distinct(fresh, palette, keys)
                self._changes.append(Change(None, there[name]))
            first.setdefault(name, place)
            ids[category.id] = there[name].id
        return ids

    def _note_contested(
        self, kind: str, place: int | None, file_id: int | None, given: Collection[int | None]
    ) -> None:
        """Say of an id in the file that what was there before keeps it."""
        if file_id is not None and file_id in given:
            sentence = f"The id {file_id} is another's of the project, which keeps it; a new one is exported."
            self._ledger.note("repaired", kind, place, "id", sentence)

    def _annotations(self, annotations: Sequence[Annotation], places: Sequence[int | None]) -> None:
        """Add each annotation that its image does not have already, and correct those it has otherwise."""
        now = time.time()
        corrections = self._corrections(annotations)
        for annotation, place in zip(annotations, places, strict=True):
            alike = self._on(annotation.image_id).get(annotation.file_id, [])
            same = next((a for a in alike if _is_same(a, annotation)), None)
            if same is not None and _has_area(annotation) and not _has_area(same):
                self._changes.append(Change(same, replace(same, shape=annotation.shape)))
                self._ledger.note(
                    "repaired", "annotations", place, "area", "Was there; has the file's area now."
                )
            elif same is not None:
                sentence = "The image has this annotation already."
                self._ledger.note("skipped", "annotations", place, "", sentence)
            elif corrections and annotation.file_id is not None and len(alike) == 1:
                self._correct(alike[0], annotation, place, now)
            else:
                number = self._known.ids.take("annotation")
                self._changes.append(Change(None, replace(annotation, id=number, created=now, edited=now)))

    def _corrections(self, annotations: Sequence[Annotation]) -> bool:
        """Whether the file's ids mean the objects that the project has under them, and not others.

        Two files may number their objects alike by chance; then most of them lie elsewhere.
        """
        pairs = []
        for annotation in annotations:
            alike = self._on(annotation.image_id).get(annotation.file_id, [])
            if annotation.file_id is not None and len(alike) == 1:
                pairs.append((alike[0], annotation))
        near = sum(_overlap(bounds(a.shape), bounds(b.shape)) >= _SAME_PLACE for a, b in pairs)
        return bool(pairs) and near * 2 >= len(pairs)

    def _correct(self, before: Annotation, annotation: Annotation, place: int | None, now: float) -> None:
        """Take over what the file says of an object now, unless a person has edited it here since."""
        is_touched = before.source != "import" or before.edited != before.created
        if is_touched and self._edited == "keep":
            sentence = "The file has this object otherwise, but it was edited here since; left as it is."
            self._ledger.note("skipped", "annotations", place, "", sentence)
            return
        after = replace(annotation, id=before.id, created=now, edited=now)
        self._changes.append(Change(before, after))
        self._ledger.note("repaired", "annotations", place, "", "Was there otherwise; corrected.")

    def _on(self, image_id: int) -> dict[int | None, list[Annotation]]:
        """The annotations that an image of the project had before, by their id in a file."""
        if image_id not in self._there:
            by_id: dict[int | None, list[Annotation]] = {}
            if image_id not in self._fresh:
                for annotation in self._known.annotations(image_id):
                    by_id.setdefault(annotation.file_id, []).append(annotation)
            self._there[image_id] = by_id
        return self._there[image_id]


def _is_same(a: Annotation, b: Annotation) -> bool:
    return a.category_id == b.category_id and same_shape(a.shape, b.shape)


def _has_area(annotation: Annotation) -> bool:
    """Whether it keeps the area that a file has for it."""
    return AREA_KEY.encode() in annotation.shape.origin


def _overlap(a: Box, b: Box) -> float:
    """The IoU of two boxes."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(width, 0.0) * max(height, 0.0)
    union = a.area + b.area - shared
    return shared / union if union > 0 else float(a == b)


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
