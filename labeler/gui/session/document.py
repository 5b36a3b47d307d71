"""What the window knows of the open project: plain values, brought up to date by the changes of edits."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, structs

from labeler.core.rebase import rebased
from labeler.core.records import Annotation, Candidate, Category, Change, Image, Record

What: TypeAlias = Literal["edit", "history", "labels read", "candidates read", "refused"]


class Changed(Struct, frozen=True):
    """What changed, of what kind that was, and who did it ("canvas", "history", ...)."""

    changes: tuple[Change, ...]
    """Those of an edit, an undo or a redo; none where something was read anew."""
    by: str
    what: What = "edit"
    annotations: frozenset[int] = frozenset()
    """Ids of the annotations that are others than before, or gone."""
    candidates: frozenset[int] = frozenset()
    """Ids of the candidates that are others than before, or gone."""

    @classmethod
    def of(cls, changes: tuple[Change, ...], by: str, what: What = "edit") -> "Changed":
        """What these changes touch."""
        records = [change.record for change in changes]
        return cls(
            changes,
            by,
            what,
            frozenset(one.id for one in records if isinstance(one, Annotation)),
            frozenset(one.id for one in records if isinstance(one, Candidate)),
        )


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
        self.is_read = False
        """Whether the labels of the open image have come from the disk."""
        self._is_behind = False
        """Whether those are of before the rest, such as the counts, was read anew."""

    def take_open(self, other: "Document") -> None:
        """Go on with what another one knows of its open image."""
        self.open_id, self.is_read = other.open_id, other.is_read
        self.annotations, self.candidates = other.annotations, other.candidates
        self._is_behind = True

    def forget_open(self) -> None:
        """No image is open."""
        self.open_id, self.is_read = None, False
        self.annotations, self.candidates = {}, {}

    def read(
        self, annotations: Iterable[Annotation], candidates: Iterable[Candidate], since: Iterable[Change]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Take in what the disk has of the open image, and on top of it what was done since it was read.

        Gives the ids of the annotations, and those of the candidates, that are others than before.
        """
        later = tuple(since)
        before, self.annotations = self.annotations, {one.id: one for one in annotations}
        self.is_read, self._is_behind = True, False
        found = self.read_candidates(candidates, later)
        return _others(before, self.annotations), found

    def read_candidates(self, candidates: Iterable[Candidate], since: Iterable[Change]) -> frozenset[int]:
        """`read` for the candidates alone."""
        before, self.candidates = self.candidates, {one.id: one for one in candidates}
        for change in since:
            if isinstance(change.record, Annotation | Candidate):
                self._put(change)
            elif isinstance(change.record, Category) and change.after is None:
                self._unmap(change.record.id)
        self._sort()
        return _others(before, self.candidates)

    def now(self, change: Change) -> Change | None:
        """A change made to what is shown now; None where nothing is left to do.

        What is not known here, as on another image, is left to the writer, which looks at the disk.
        """
        record = change.record
        is_known = self.is_read and not self._is_behind
        if isinstance(record, Annotation | Candidate) and not (is_known and record.image_id == self.open_id):
            return change
        return rebased(change, self._table(record).get(record.id))

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
            self._put(change)
        self._sort()
        return tuple(touched)

    def recount(self, images: Iterable[int], counts: Mapping[int, Mapping[int, int]]) -> tuple[int, ...]:
        """Take over what was counted on these images; gives those on which it is another number."""
        others = [key for key in images if +self.counts.get(key, Counter()) != Counter(counts.get(key, {}))]
        self.counts.update((key, Counter(counts.get(key, {}))) for key in others)
        return tuple(others)

    def _put(self, change: Change) -> None:
        table = self._table(change.record)
        if change.after is None:
            table.pop(change.record.id, None)
            if isinstance(change.record, Category):
                self._unmap(change.record.id)
        else:
            table[change.record.id] = change.after

    def _unmap(self, category_id: int) -> None:
        """What models found of a category that goes is of none from then on, as on the disk."""
        for key, one in self.candidates.items():
            if one.category_id == category_id:
                self.candidates[key] = structs.replace(one, category_id=0)

    def _sort(self) -> None:
        """An undone deletion comes back to its place, not to the end."""
        if list(self.annotations) != sorted(self.annotations):
            self.annotations = dict(sorted(self.annotations.items()))

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


def _others(before: Mapping[int, Record], after: Mapping[int, Record]) -> frozenset[int]:
    """The ids whose record is another one, or only on one side."""
    return frozenset(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
