"""The one mutable thing of the window: what is open, what is selected, and the one door for edits.

Views read from here and subscribe to its signals; nobody else keeps annotations. An edit is shown at
once and written by the project's writer thread; `saved_changed` says when it is on disk.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from labeler.core.colors import next_color, next_key
from labeler.core.records import (
    Annotation,
    Candidate,
    Category,
    Change,
    Mask,
    Shape,
    Source,
)
from labeler.gui.session.acting import Acting
from labeler.gui.session.project_link import Ask
from labeler.project.category_merge import merged
from labeler.project.keeping.copying import secure_for_import
from labeler.project.store import Store

T = TypeVar("T")
R = TypeVar("R")


class Session(Acting):
    """The open project as the window sees it. All methods are called on the GUI thread and return at once."""

    # --- edits ------------------------------------------------------------------------------------

    def add(self, shape: Shape, *, by: str, label: str = "", source: Source = "human") -> Annotation | None:
        """A new annotation of the current category on the open image, selected; one edit ("Add person").

        None where nothing is open or no category is there to give it.
        """
        made = self._made(shape, source)
        if made is not None:
            self.commit(label or f"Add {self._name(made)}", [Change(None, made)], by=by)
            self.focus.select([made.id])
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
        self.focus.select([made.id])
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
        category = self.document.categories.get(category_id)
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
        for known in self.document.categories.values():
            if known.name == name:
                self.focus.choose_category(known.id)
                return known
        if not name or self._opened is None or self.read_only:
            return None
        known_ones = self.document.categories.values()
        made = Category(
            id=self._link.new_id("category"),
            name=name,
            color=color or next_color(c.color for c in known_ones),
            key=key or next_key(c.key for c in known_ones),
        )
        self.commit(f"Add category {name}", [Change(None, made)], by=by)
        self.focus.choose_category(made.id)
        return made

    def add_categories(self, names: Iterable[str], *, by: str) -> dict[str, int]:
        """New categories in one edit; gives the id of each name. The current category stays what it is."""
        made: list[Category] = []
        for name in dict.fromkeys(names):
            there = [*self.document.categories.values(), *made]
            color, key = next_color(c.color for c in there), next_key(c.key for c in there)
            made.append(Category(id=self._link.new_id("category"), name=name, color=color, key=key))
        label = f"Add category {made[0].name}" if len(made) == 1 else f"Add {len(made)} categories"
        if not made or not self.commit(label, [Change(None, one) for one in made], by=by):
            return {}
        return {category.name: category.id for category in made}

    def merge_categories(self, source_id: int, target_id: int) -> None:
        """Give all annotations of one category another one, and delete the first; one edit."""
        source, target = self.document.categories[source_id], self.document.categories[target_id]
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

    # --- small words ------------------------------------------------------------------------------

    def _made(self, shape: Shape, source: Source) -> Annotation | None:
        if self.image is None or self._opened is None or self.read_only:
            if self.read_only:
                self.told.emit(f"Nothing was changed. {self.read_only}")
            return None
        if self.focus.category is None:
            self.add_category("object", by="session")
        if self.focus.category is None:
            return None
        now = time.time()
        return Annotation(
            id=self.new_annotation_id(),
            image_id=self.image.id,
            category_id=self.focus.category.id,
            shape=shape,
            source=source,
            created=now,
            edited=now,
        )

    def _chosen(self, ids: Iterable[int]) -> list[Annotation]:
        return [self.document.annotations[i] for i in ids if i in self.document.annotations]

    def _locked(self, annotation: Annotation) -> bool:
        category = self.document.categories.get(annotation.category_id)
        return category is not None and category.locked
