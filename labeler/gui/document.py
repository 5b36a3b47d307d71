"""What the window knows of the open project: plain values, brought up to date by the changes of edits."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from labeler.core.records import Annotation, Candidate, Category, Change, Image, Record


class Document:
    """The images, categories and counts of the project, and the annotations of the open image."""

    def __init__(self) -> None:
        self.images: dict[int, Image] = {}
        self.categories: dict[int, Category] = {}
        self.counts: dict[int, Counter[int]] = {}
        """Image id to the number of its annotations by category id."""
        self.open_id: int | None = None
        self.annotations: dict[int, Annotation] = {}
        """Of the open image, in order of creation."""
        self.candidates: dict[int, Candidate] = {}
        """Of the open image, of every model."""

    def absorb(self, changes: Iterable[Change]) -> tuple[int, ...]:
        """Take in what an edit changed; gives the ids of the images whose record or count changed."""
        touched: dict[int, None] = {}
        for change in changes:
            record = change.record
            if isinstance(record, Annotation):
                self._count(change.before, -1)
                self._count(change.after, +1)
                touched[record.image_id] = None
            elif isinstance(record, Image):
                touched[record.id] = None
            table = self._table(record)
            if change.after is None:
                table.pop(record.id, None)
            else:
                table[record.id] = change.after
        if list(self.annotations) != sorted(self.annotations):
            # an undone deletion comes back to its place, not to the end
            self.annotations = dict(sorted(self.annotations.items()))
        return tuple(touched)

    def _count(self, record: Record | None, by: int) -> None:
        if isinstance(record, Annotation):
            self.counts.setdefault(record.image_id, Counter())[record.category_id] += by

    def _table(self, record: Record) -> dict[int, Any]:
        """Where a record is kept; records of other images than the open one are not."""
        if isinstance(record, Image):
            return self.images
        if isinstance(record, Category):
            return self.categories
        if record.image_id != self.open_id:
            return {}
        return self.annotations if isinstance(record, Annotation) else self.candidates
