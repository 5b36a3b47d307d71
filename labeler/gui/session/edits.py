"""The acts of a person on the open image and the categories: one door by which labels change."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import structs

from labeler.core import companions
from labeler.core.colors import next_color, next_key
from labeler.core.records import (
    Annotation,
    Asked,
    Candidate,
    Category,
    Change,
    Mask,
    Shape,
    Source,
)
from labeler.gui.session.document import Changed, Document
from labeler.gui.session.focus import Focus
from labeler.gui.session.history import History
from labeler.gui.session.project_link import ProjectLink
from labeler.gui.session.veil import Veil
from labeler.project.category_merge import emptied, merged, moved


class Edits:
    """Makes edits of what a person does. All methods are called on the GUI thread and return at once."""

    def __init__(
        self, document: Document, focus: Focus, link: ProjectLink, history: History, veil: Veil
    ) -> None:
        self._document = document
        self._focus = focus
        self._link = link
        self._history = history
        self._veil = veil

    def commit(self, label: str, changes: Iterable[Change], *, by: str) -> bool:
        """Show an edit, and have it written: the only way to change anything. Says whether it was taken.

        What it changes is changed as it is now, not as the caller remembers it; see `core.rebasing`.
        """
        meant = tuple(changes)
        if self._link.read_only:
            self._link.told.emit(f"Nothing was changed. {self._link.read_only}")
            self._document.changed.emit(Changed((), "refused", "refused"))
            return False
        made = self._carried(change for one in meant if (change := self._document.now(one)) is not None)
        if self._link.opened is None or not made:
            return False
        self._history.do(label, meant, made, by=by)
        return True

    # --- annotations ------------------------------------------------------------------------------

    def add(self, shape: Shape, *, by: str, label: str = "", source: Source = "human") -> Annotation | None:
        """A new annotation of the current category on the open image, selected; one edit ("Add person").

        None where nothing is open or no category is there to give it.
        """
        made = self._made(shape, source)
        if made is not None:
            self.commit(label or f"Add {self._document.names([made])}", [Change(None, made)], by=by)
            self._focus.select([made.id])
        return made

    def accept(
        self,
        mask: Mask,
        confidence: float,
        *,
        by: str,
        painted: Mask | None = None,
        asked: Asked | None = None,
    ) -> Annotation | None:
        """A proposal of the promptable model becomes an annotation, measured against it from now on.

        With `painted` the annotation has that shape, in the same edit. `asked` goes into the journal.
        """
        made = self._made(mask if painted is None else painted, "model")
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
        self.commit(
            f"{'Accept' if painted is None else 'Accept and paint'} {self._document.names([made])}",
            [Change(None, prediction, asked), Change(None, made)],
            by=by,
        )
        self._focus.select([made.id])
        return made

    def replace(self, annotation: Annotation, shape: Shape, *, label: str, by: str) -> None:
        """The same annotation with another shape; one edit."""
        edited = structs.replace(annotation, shape=shape, edited=time.time())
        self.commit(label, [Change(annotation, edited)], by=by)

    def delete(self, ids: Iterable[int], *, by: str) -> None:
        """Delete annotations of the open image; one edit. What is locked is left alone, which is told."""
        chosen = self._chosen(ids)
        gone = [a for a in chosen if not self._locked(a)]
        if len(gone) < len(chosen) and not self._link.read_only:
            kept = [a for a in chosen if self._locked(a)]
            are = "is" if len(kept) == 1 else "are"
            before = "Not all was deleted" if gone else "Nothing was deleted"
            self._link.told.emit(f"{before}: {self._document.names(kept)} {are} locked.")
        if gone:
            self.commit(f"Delete {self._document.names(gone)}", [Change(a, None) for a in gone], by=by)

    def unite(
        self, kept: Annotation, shape: Shape, gone: Iterable[Annotation], *, label: str, by: str
    ) -> bool:
        """One annotation takes this shape, others go; one edit. What is kept is selected. False: refused."""
        edited = structs.replace(kept, shape=shape, edited=time.time())
        done = self.commit(label, [Change(kept, edited), *(Change(one, None) for one in gone)], by=by)
        if done:
            self._focus.select([kept.id])
        return done

    def divide(self, pieces: Iterable[tuple[Annotation, Sequence[Shape]]], *, label: str, by: str) -> bool:
        """Each annotation keeps the first of its shapes, and the others become annotations like it; one edit.

        They are selected. What of an annotation is true of it alone, such as where it came from, stays with
        the first piece. False where it was refused.
        """
        now, changes = time.time(), list[Change]()
        for annotation, (first, *others) in pieces:
            edited = structs.replace(annotation, shape=first, edited=now)
            changes.append(Change(annotation, edited))
            for shape in others:
                made = structs.replace(
                    edited,
                    id=self.new_annotation_id(),
                    shape=shape,
                    prediction_id=None,
                    file_id=None,
                    extra=companions.copied(annotation.extra),
                    created=now,
                )
                changes.append(Change(None, made))
        done = self.commit(label, changes, by=by)
        if done:
            self._focus.select(change.record.id for change in changes)
        return done

    def reshape(self, pairs: Iterable[tuple[Annotation, Shape]], *, label: str, by: str) -> bool:
        """Annotations with other shapes; one edit. False where it was refused."""
        now = time.time()
        changes = [Change(one, structs.replace(one, shape=shape, edited=now)) for one, shape in pairs]
        return self.commit(label, changes, by=by)

    def recategorise(self, ids: Iterable[int], category_id: int, *, by: str) -> None:
        """Give annotations of the open image another category; one edit."""
        now = time.time()
        moved = [a for a in self._chosen(ids) if a.category_id != category_id and not self._locked(a)]
        category = self._document.categories.get(category_id)
        if category is None:
            self._link.told.emit("Nothing was renamed: that category is not there any more.")
        elif moved:
            name = category.name
            changes = [Change(a, structs.replace(a, category_id=category_id, edited=now)) for a in moved]
            self.commit(f"{self._document.names(moved)} to {name}", changes, by=by)

    def recategorise_anew(self, ids: Iterable[int], name: str, *, by: str) -> Category | None:
        """Give annotations of the open image a new category of that name, in one edit; it is current then.

        None where nothing can be changed.
        """
        moved = [one for one in self._chosen(ids) if not self._locked(one)]
        made = self.new_category(name)
        if made is None or not moved:
            return None
        now = time.time()
        changes = [Change(a, structs.replace(a, category_id=made.id, edited=now)) for a in moved]
        label = f"{self._document.names(moved)} to {made.name}, a new category"
        if not self.commit(label, [Change(None, made), *changes], by=by):
            return None
        self._focus.choose_category(made.id)
        return made

    # --- categories and images --------------------------------------------------------------------

    def add_category(self, name: str, *, by: str, color: str = "", key: str = "") -> Category | None:
        """A new category, made the current one; its colour and key are the first free ones by default.

        Gives the existing one where the name is taken, and None where nothing can be changed.
        """
        name = name.strip()
        for known in self._document.categories.values():
            if known.name == name:
                self._focus.choose_category(known.id)
                return known
        made = self.new_category(name, color=color, key=key)
        if made is None:
            return None
        self.commit(f"Add category {name}", [Change(None, made)], by=by)
        self._focus.choose_category(made.id)
        return made

    def add_categories(self, names: Iterable[str], *, by: str) -> dict[str, int]:
        """New categories in one edit; gives the id of each name. The current category stays what it is."""
        made: list[Category] = []
        for name in dict.fromkeys(names):
            there = [*self._document.categories.values(), *made]
            color, key = next_color(c.color for c in there), next_key(c.key for c in there)
            made.append(Category(id=self._link.new_id("category"), name=name, color=color, key=key))
        label = f"Add category {made[0].name}" if len(made) == 1 else f"Add {len(made)} categories"
        if not made or not self.commit(label, [Change(None, one) for one in made], by=by):
            return {}
        return {category.name: category.id for category in made}

    def merge_categories(self, source_id: int, target_id: int) -> None:
        """Give all annotations of one category another one, and delete the first; one edit.

        Where one of them went while a person was asked, that is told.
        """
        source, target = map(self._document.categories.get, (source_id, target_id))
        if source is None or target is None:
            self._link.told.emit("Nothing was merged: one of the two categories is not there any more.")
            return
        self._history.have_made(lambda store: merged(store, source, target))

    def recategorise_all(self, source_id: int, target_id: int) -> None:
        """Give all annotations of a category another one, on whichever image; one edit. Locked ones stay."""
        source, target = map(self._document.categories.get, (source_id, target_id))
        if source is None or target is None:
            self._link.told.emit("Nothing was renamed: one of the two categories is not there any more.")
        elif source.id != target.id and not self._is_locked(source):
            spared = self._veil.locked
            self._history.have_made(lambda store: moved(store, source, target, spared=spared))

    def delete_all(self, category_id: int) -> None:
        """Delete all annotations of a category, on whichever image; one edit. Locked ones stay."""
        category = self._document.categories.get(category_id)
        if category is not None and not self._is_locked(category):
            spared = self._veil.locked
            self._history.have_made(lambda store: emptied(store, category, spared=spared))

    def mark_reviewed(self, reviewed: bool, *, by: str) -> None:
        """Say of the open image that its annotations are complete and right, or take that back."""
        image = self._document.find_image(self._document.open_id)
        if image is not None and image.reviewed != reviewed:
            label = f"{'Reviewed' if reviewed else 'Not reviewed'}: {Path(image.path).name}"
            self.commit(label, [Change(image, structs.replace(image, reviewed=reviewed))], by=by)

    def new_annotation_id(self) -> int:
        """An id that was never used in this project."""
        return self._link.new_id("annotation")

    # --- small words ------------------------------------------------------------------------------

    def _made(self, shape: Shape, source: Source) -> Annotation | None:
        image_id = self._document.open_id
        if image_id is None or self._link.opened is None or self._link.read_only:
            if self._link.read_only:
                self._link.told.emit(f"Nothing was changed. {self._link.read_only}")
            return None
        if self._focus.category is None:
            self.add_category("object", by="session")
        if self._focus.category is None:
            return None
        now = time.time()
        return Annotation(
            id=self.new_annotation_id(),
            image_id=image_id,
            category_id=self._focus.category.id,
            shape=shape,
            source=source,
            created=now,
            edited=now,
        )

    def _is_locked(self, category: Category) -> bool:
        if category.locked:
            self._link.told.emit(f"Nothing was changed: {category.name} is locked.")
        return category.locked

    def new_category(self, name: str, *, color: str = "", key: str = "") -> Category | None:
        """A category of that name that no edit has made yet; None where nothing can be changed."""
        if not name or self._link.opened is None or self._link.read_only:
            return None
        known_ones = self._document.categories.values()
        return Category(
            id=self._link.new_id("category"),
            name=name,
            color=color or next_color(c.color for c in known_ones),
            key=key or next_key(c.key for c in known_ones),
        )

    def _chosen(self, ids: Iterable[int]) -> list[Annotation]:
        return [self._document.annotations[i] for i in ids if i in self._document.annotations]

    def _locked(self, annotation: Annotation) -> bool:
        category = self._document.categories.get(annotation.category_id)
        return annotation.id in self._veil.locked or (category is not None and category.locked)

    def _carried(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """The changes with what is not shown of an object (keypoints and the like) taken along."""
        found = [companions.carried(change) for change in changes]
        gone = ", ".join(dict.fromkeys(name for _, names in found for name in names))
        if gone:
            self._link.told.emit(f"{gone} did not fit the new shape and went; undo brings it back.")
        return tuple(change for change, _ in found)
