"""The one mutable thing of the window: what is open, what is selected, and the one door for edits.

Views read from here and subscribe to its signals; nobody else keeps annotations. An edit is shown at
once and written by the project's writer thread; `saved_changed` says when it is on disk.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from msgspec import structs
from PySide6.QtCore import QObject, Signal

from labeler.core.colors import next_color, next_key
from labeler.core.geometry import bounds
from labeler.core.measures.agreement import ImageAgreement, Overlaps, compare
from labeler.core.measures.overlap import Agreement, Overlap, agreement
from labeler.core.records import (
    Annotation,
    Candidate,
    Category,
    Change,
    Mask,
    Model,
    Shape,
    Source,
)
from labeler.gui.session.acting import Acting
from labeler.gui.session.document import Changed
from labeler.gui.session.project_link import Ask
from labeler.project.category_merge import merged
from labeler.project.keeping.copying import secure_for_import
from labeler.project.photos.survey import CHANGED
from labeler.project.store import Store

__all__ = ["Changed", "Session"]

T = TypeVar("T")
R = TypeVar("R")

LARGE = 1_000_000
"""Square pixels from which the boundary IoU is left out while an object is dragged: it costs milliseconds."""


class _Measured:
    """The last agreement, since the panel, the list and the canvas ask for the same one in a frame."""

    def __init__(self) -> None:
        self._of: tuple[Shape, Shape, bool] | None = None
        self._agreement: Agreement | None = None

    def of(self, shape: Shape, reference: Shape, size: tuple[int, int], *, boundary: bool) -> Agreement:
        """The agreement of two shapes in an image of size (H, W)."""
        last = self._of
        if (
            self._agreement is None
            or last is None
            or last[0] is not shape
            or last[1] is not reference
            or last[2] != boundary
        ):
            self._of = shape, reference, boundary
            self._agreement = agreement(shape, reference, size=size, boundary=boundary)
        return self._agreement


class Session(Acting):
    """The open project as the window sees it. All methods are called on the GUI thread and return at once."""

    kept_changed = Signal()
    """The filter keeps other candidates of the model: agreement is measured against others."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._measured = _Measured()
        self._kept: frozenset[int] | None = None
        self.strangers.changed.connect(self._show_strangers)

    def _show_strangers(self) -> None:
        """Mark them in the lists; candidates go from a photo that is not theirs, and come back if it is."""
        images = self._document.images
        known = [images[one.image.id] for one in self.strangers.all if one.image.id in images]
        fresh = [image.id for image in known if image.note != CHANGED]
        for image_id in fresh:
            images[image_id] = structs.replace(images[image_id], note=CHANGED)
        if fresh:
            self.images_changed.emit(tuple(fresh))
        self._agreement = None
        theirs = frozenset(self._document.candidates)
        self.changed.emit(Changed((), "photos", "candidates read", candidates=theirs))

    @property
    def labels_are_read(self) -> bool:
        """Whether the labels of the open image have come from the disk."""
        return self._document.is_read

    # --- edits ------------------------------------------------------------------------------------

    def add(self, shape: Shape, *, by: str, label: str = "", source: Source = "human") -> Annotation | None:
        """A new annotation of the current category on the open image, selected; one edit ("Add person").

        None where nothing is open or no category is there to give it.
        """
        made = self._made(shape, source)
        if made is not None:
            self.commit(label or f"Add {self._name(made)}", [Change(None, made)], by=by)
            self.select([made.id])
        return made

    def accept(self, mask: Mask, confidence: float, *, by: str) -> Annotation | None:
        """A proposal of the promptable model becomes an annotation, measured against it from now on."""
        made = self._made(mask, "model")
        if made is None:
            return None
        prediction = Candidate(
            id=self._link.new_id("candidate"),
            image_id=made.image_id,
            model_id=self._link.segmenter_id,
            category_id=made.category_id,
            shape=mask,
            confidence=confidence,
        )
        made = structs.replace(made, prediction_id=prediction.id)
        self.commit(f"Accept {self._name(made)}", [Change(None, prediction), Change(None, made)], by=by)
        self.select([made.id])
        return made

    def replace(self, annotation: Annotation, shape: Shape, *, label: str, by: str) -> None:
        """The same annotation with another shape; one edit."""
        edited = structs.replace(annotation, shape=shape, edited=time.time())
        self.commit(label, [Change(annotation, edited)], by=by)

    def delete(self, ids: Iterable[int], *, by: str) -> None:
        """Delete annotations of the open image; one edit. Locked categories are left alone."""
        gone = [a for a in self._chosen(ids) if not self._locked(a)]
        if gone:
            self.commit(f"Delete {self._names(gone)}", [Change(a, None) for a in gone], by=by)

    def recategorise(self, ids: Iterable[int], category_id: int, *, by: str) -> None:
        """Give annotations of the open image another category; one edit."""
        now = time.time()
        moved = [a for a in self._chosen(ids) if a.category_id != category_id and not self._locked(a)]
        category = self.categories.get(category_id)
        if category is None:
            self.told.emit("Nothing was renamed: that category is not there any more.")
        elif moved:
            name = category.name
            changes = [Change(a, structs.replace(a, category_id=category_id, edited=now)) for a in moved]
            self.commit(f"{self._names(moved)} to {name}", changes, by=by)

    def add_category(self, name: str, *, by: str, color: str = "", key: str = "") -> Category | None:
        """A new category, made the current one; its colour and key are the first free ones by default.

        Gives the existing one where the name is taken, and None where nothing can be changed.
        """
        name = name.strip()
        for known in self.categories.values():
            if known.name == name:
                self.choose_category(known.id)
                return known
        if not name or self._opened is None or self.read_only:
            return None
        known_ones = self.categories.values()
        made = Category(
            id=self._link.new_id("category"),
            name=name,
            color=color or next_color(c.color for c in known_ones),
            key=key or next_key(c.key for c in known_ones),
        )
        self.commit(f"Add category {name}", [Change(None, made)], by=by)
        self.choose_category(made.id)
        return made

    def add_categories(self, names: Iterable[str], *, by: str) -> dict[str, int]:
        """New categories in one edit; gives the id of each name. The current category stays what it is."""
        made: list[Category] = []
        for name in dict.fromkeys(names):
            there = [*self.categories.values(), *made]
            color, key = next_color(c.color for c in there), next_key(c.key for c in there)
            made.append(Category(id=self._link.new_id("category"), name=name, color=color, key=key))
        label = f"Add category {made[0].name}" if len(made) == 1 else f"Add {len(made)} categories"
        if not made or not self.commit(label, [Change(None, one) for one in made], by=by):
            return {}
        return {category.name: category.id for category in made}

    def merge_categories(self, source_id: int, target_id: int) -> None:
        """Give all annotations of one category another one, and delete the first; one edit."""
        source, target = self.categories[source_id], self.categories[target_id]
        self._have_made(lambda store: merged(store, source, target))

    def mark_reviewed(self, reviewed: bool, *, by: str) -> None:
        """Say of the open image that its annotations are complete and right, or take that back."""
        image = self.image
        if image is not None and image.reviewed != reviewed:
            label = f"{'Reviewed' if reviewed else 'Not reviewed'}: {Path(image.path).name}"
            self.commit(label, [Change(image, structs.replace(image, reviewed=reviewed))], by=by)

    def new_annotation_id(self) -> int:
        """An id that was never used in this project."""
        return self._link.new_id("annotation")

    def import_file(
        self,
        work: Callable[[Store], R],
        done: Callable[[R], None],
        *,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Have a file taken in by the writer, show the project anew, and hand the report to `done`."""
        if self.read_only:
            self.told.emit(f"Nothing was changed. {self.read_only}")
            return

        def secured(store: Store) -> R:
            secure_for_import(store.path, store.secure)
            return work(store)

        self._write_unseen(secured, done, failed=failed or (lambda error: self.told.emit(str(error))))

    def beside(
        self, work: Callable[[Ask], R], done: Callable[[R], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """Have something worked out beside the writer, which `work` may ask short questions."""
        if self.read_only:
            self.told.emit(f"Nothing was changed. {self.read_only}")
            return
        self._link.beside(work, done, failed=failed)

    # --- drafts and agreement ---------------------------------------------------------------------

    def choose_model(self, model: Model | None) -> None:
        """Measure annotations against this model's candidates; None: what each was accepted from."""
        self.model, self._agreement = model, None
        self.model_changed.emit()

    def measure_against(self, model: Model) -> None:
        """`choose_model`, also for a model that the project did not have when it was read."""
        if model not in self.models:
            self.models.append(model)
        self.choose_model(model)

    def set_draft(self, annotation: Annotation | None, overlap: Overlap | None = None) -> None:
        """Show an uncommitted version of an annotation while it is dragged.

        `overlap` is that of its mask with its reference's, where the tool keeps it up to date by itself,
        as a brush does dab by dab; otherwise it is worked out when asked for.
        """
        self.draft, self._draft_overlap = annotation, overlap
        self.draft_changed.emit()

    def reference(self, annotation: Annotation) -> Candidate | None:
        """The candidate an annotation is measured against: the one accepted from, else the matched one."""
        if annotation.prediction_id is not None and annotation.prediction_id in self.candidates:
            return self.candidates[annotation.prediction_id]
        pair = self.image_agreement().pairs.get(annotation.id)
        return pair[0] if pair else None

    def agreement(self, annotation_id: int) -> Agreement | None:
        """IoU, Dice and boundary IoU of an annotation, of its draft first, with its reference.

        None where it has no reference; the boundary is None for boxes, and for a large object while it
        is dragged.
        """
        annotation = self.draft if self.draft and self.draft.id == annotation_id else None
        dragged = annotation is not None
        annotation = annotation or self.annotations.get(annotation_id)
        reference = self.reference(annotation) if annotation else None
        if annotation is None or reference is None:
            return None
        if dragged and self._draft_overlap is not None:
            overlap = self._draft_overlap
            return Agreement(overlap.iou, overlap.dice, None)
        boundary = not dragged or bounds(reference.shape).area < LARGE
        return self._measured.of(annotation.shape, reference.shape, self._size(), boundary=boundary)

    def overlap(self, annotation_id: int) -> Overlap | None:
        """The overlap of a committed annotation with its reference, None without one."""
        annotation = self.annotations.get(annotation_id)
        reference = self.reference(annotation) if annotation else None
        if annotation is None or reference is None:
            return None
        return self._overlaps().of(annotation, reference)

    def image_agreement(self) -> ImageAgreement:
        """Matched, missed and extra on the open image, against `model`."""
        if self._agreement is None:
            annotations = list(self.annotations.values())
            self._agreement = compare(annotations, self._measured_against(), overlaps=self._overlaps())
        return self._agreement

    def use_kept(self, ids: Iterable[int]) -> None:
        """Say which candidates of `model` the filter keeps; those it drops are neither hit nor extra."""
        kept = frozenset(ids)
        if kept != self._kept:
            self._kept, self._agreement = kept, None
            self.kept_changed.emit()

    def _overlaps(self) -> Overlaps:
        """What is known of the open image's overlaps; begun anew with another image or size."""
        key = self._document.open_id, self._size()
        if self._overlaps_known is None or self._overlaps_known[0] != key:
            self._overlaps_known = key, Overlaps(self._size())
        return self._overlaps_known[1]

    def _measured_against(self) -> list[Candidate]:
        """The chosen model's predictions; without a model, what annotations were accepted from."""
        accepted = {annotation.prediction_id for annotation in self.annotations.values()}
        if self.model is None:
            return [c for c in self.candidates.values() if c.id in accepted]
        ours = [c for c in self.candidates.values() if c.model_id == self.model.id]
        return ours if self._kept is None else [c for c in ours if c.id in self._kept or c.id in accepted]

    def _size(self) -> tuple[int, int]:
        image = self.image
        return (image.height, image.width) if image is not None else (0, 0)

    # --- small words ------------------------------------------------------------------------------

    def _made(self, shape: Shape, source: Source) -> Annotation | None:
        if self.image is None or self._opened is None or self.read_only:
            if self.read_only:
                self.told.emit(f"Nothing was changed. {self.read_only}")
            return None
        if self.category is None:
            self.add_category("object", by="session")
        if self.category is None:
            return None
        now = time.time()
        return Annotation(
            id=self.new_annotation_id(),
            image_id=self.image.id,
            category_id=self.category.id,
            shape=shape,
            source=source,
            created=now,
            edited=now,
        )

    def _chosen(self, ids: Iterable[int]) -> list[Annotation]:
        return [self.annotations[i] for i in ids if i in self.annotations]

    def _locked(self, annotation: Annotation) -> bool:
        category = self.categories.get(annotation.category_id)
        return category is not None and category.locked
