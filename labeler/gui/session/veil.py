"""Which single objects are hidden or locked: a way of looking at them, and none of what they are."""

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from labeler.core.records import Annotation
from labeler.gui.session.document import Changed, Document


class Veil(QObject):
    """Kept while the project is open, and nowhere else: no edit, not in the journal, in no file.

    Ids are never given twice in a project, so it holds for other images while they are not open. That some
    stand alone is of the open image, and goes with it.
    """

    changed = Signal()
    """Other objects are hidden or locked now."""

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self.hidden: frozenset[int] = frozenset()
        """Ids of annotations that are neither painted nor hit."""
        self.locked: frozenset[int] = frozenset()
        """Ids of annotations that are painted, and neither hit nor changed."""
        self.alone: frozenset[int] | None = None
        """Where it is some, the other annotations of the open image are as if they were hidden."""
        document.changed.connect(self._take_changes)

    def hide(self, ids: Iterable[int], hide: bool = True) -> None:
        """Hide annotations, or show them again."""
        self._set(hidden=self.hidden | frozenset(ids) if hide else self.hidden - frozenset(ids))

    def lock(self, ids: Iterable[int], lock: bool = True) -> None:
        """Lock annotations, or unlock them again."""
        self._set(locked=self.locked | frozenset(ids) if lock else self.locked - frozenset(ids))

    def leave_alone(self, ids: Iterable[int] | None) -> None:
        """Show these annotations of the open image and no others; None ends that."""
        self._set(alone=None if ids is None else frozenset(ids))

    def lift(self) -> None:
        """Show what is hidden on the open image."""
        self._set(hidden=self.hidden - self._document.annotations.keys(), alone=None)

    def clear(self) -> None:
        """Another project is open, or none."""
        self._set(hidden=frozenset(), locked=frozenset(), alone=None)

    def hides(self, annotation_id: int) -> bool:
        """Whether this annotation of the open image is hidden by itself or beside those that stand alone."""
        return annotation_id in self.hidden or (self.alone is not None and annotation_id not in self.alone)

    def holds_back(self, annotation: Annotation) -> bool:
        """Whether an annotation is not to be hit or changed: it or its category is hidden or locked."""
        category = self._document.categories.get(annotation.category_id)
        by_category = category is not None and (category.locked or category.hidden)
        return by_category or annotation.id in self.locked or self.hides(annotation.id)

    def hidden_here(self) -> frozenset[int]:
        """The annotations of the open image that are hidden by themselves."""
        here = self._document.annotations.keys()
        hidden = self.hidden if self.alone is None else here - self.alone | self.hidden
        return frozenset(hidden & here)

    def locked_here(self) -> frozenset[int]:
        """The annotations of the open image that are locked by themselves."""
        return self.locked & self._document.annotations.keys()

    def _set(self, **values: frozenset[int] | None) -> None:
        before = self.hidden, self.locked, self.alone
        for name, value in values.items():
            setattr(self, name, value)
        if (self.hidden, self.locked, self.alone) != before:
            self.changed.emit()

    def _take_changes(self, changed: Changed) -> None:
        """What a person makes, or brings back, is seen: else it would be made again and again."""
        made = frozenset(
            one.after.id
            for one in changed.changes
            if one.before is None and isinstance(one.after, Annotation)
        )
        if made:
            self._set(hidden=self.hidden - made, alone=None if self.alone is None else self.alone | made)
