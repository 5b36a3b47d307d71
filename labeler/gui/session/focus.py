"""What the next act of the person is about: the draft, the selection, and the current category."""

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QObject, Signal

from labeler.core.measures.overlap import Overlap
from labeler.core.records import Annotation, Category, Change
from labeler.gui.session.document import Document


class Focus(QObject):
    """What is chosen on the open image, and the category for what is new."""

    selection_changed = Signal()
    category_changed = Signal()
    """Another category is the current one."""
    draft_changed = Signal()
    """The uncommitted version of the annotation being dragged or painted changed: every frame of a drag."""

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self.selection: frozenset[int] = frozenset()
        """Annotation ids of the open image."""
        self._first: int | None = None
        self.category: Category | None = None
        """The current one, for new annotations."""
        self.recent: tuple[int, ...] = ()
        """Ids of the categories that were chosen in this project since it was opened, the last one first."""
        self.draft: Annotation | None = None
        self.draft_overlap: Overlap | None = None
        """That of the draft's mask with its reference's, where the tool keeps it up to date by itself."""

    def select(self, ids: Iterable[int]) -> None:
        """Replace the selection (annotation ids of the open image)."""
        chosen = frozenset(ids) & self._document.annotations.keys()
        if chosen != self.selection:
            self.selection = chosen
            self._first = self.first
            self.selection_changed.emit()

    @property
    def first(self) -> int | None:
        """What of the selection was selected first; of what was selected at once, what was made first."""
        return self._first if self._first in self.selection else min(self.selection, default=None)

    def choose_category(self, category_id: int) -> None:
        """Make a category the current one."""
        self.category = self._document.categories.get(category_id)
        if self.category is not None:
            self.recent = (category_id, *(one for one in self.recent if one != category_id))
        self.category_changed.emit()

    def set_draft(self, annotation: Annotation | None, overlap: Overlap | None = None) -> None:
        """Show an uncommitted version of an annotation while it is dragged.

        `overlap` is that of its mask with its reference's, where the tool keeps it up to date by itself,
        as a brush does dab by dab; otherwise it is worked out when asked for.
        """
        self.draft, self.draft_overlap = annotation, overlap
        self.draft_changed.emit()

    def clear(self) -> None:
        """Another image is opened: nothing on it is chosen. The caller tells of it."""
        self.selection = frozenset()
        self.draft, self.draft_overlap = None, None

    def leave(self) -> None:
        """`clear`, and no category is the current one: another project is opened."""
        self.clear()
        self.category, self.recent = None, ()

    def follow(self, changes: Sequence[Change]) -> None:
        """Let go of what these changes took away or made another. The caller tells of the selection."""
        # ids are given out by kind: a category may have that of the draft
        touched = {change.record.id for change in changes if isinstance(change.record, Annotation)}
        if self.draft is not None and self.draft.id in touched:
            self.draft, self.draft_overlap = None, None
        self.sync_category()
        self.selection &= self._document.annotations.keys()

    def sync_category(self) -> None:
        """Keep the current category one that exists, in its newest version."""
        wanted = self.category.id if self.category else None
        categories = self._document.categories
        now = categories.get(wanted) if wanted is not None else None
        now = now or next(iter(categories.values()), None)
        if now != self.category:
            self.category = now
            self.category_changed.emit()
