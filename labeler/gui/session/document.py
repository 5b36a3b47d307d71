"""What the window knows of the open project: plain values, brought up to date by the changes of edits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct, structs
from PySide6.QtCore import QObject, Signal

from labeler.core.rebase import rebased
from labeler.core.records import Annotation, Candidate, Category, Change, Image, Model, Record
from labeler.gui.session.strangers import Strangers
from labeler.project.photos.survey import CHANGED

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


class Document(QObject):
    """The images, categories, counts and models of the project, and what is on the open image."""

    images_changed = Signal(tuple)
    """Image ids whose record or annotation count changed; () for all of them."""
    changed = Signal(Changed)
    """Annotations, candidates or categories changed by an edit, an undo or a redo, or were read anew."""

    def __init__(self, strangers: Strangers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.revision = 0
        """Another one whenever annotations or candidates may be others than before."""
        self.open_id: int | None = None
        """The image that the annotations and candidates are of."""
        self.is_read = False
        """Whether the labels of the open image have come from the disk."""
        self._is_behind = False
        """Whether those are of before the rest, such as the counts, was read anew."""
        self.models: list[Model] = []
        self._images: dict[int, Image] = {}
        self._categories: dict[int, Category] = {}
        self._counts: dict[int, Counter[int]] = {}
        self._totals: Counter[int] | None = None
        """Of the whole project by category id; None until somebody asks."""
        self._annotations: dict[int, Annotation] = {}
        self._candidates: dict[int, Candidate] = {}
        self._strangers = strangers
        strangers.changed.connect(self._take_strangers)

    # --- what is known ----------------------------------------------------------------------------

    @property
    def images(self) -> list[Image]:
        """Every image of the project, in folder order."""
        return list(self._images.values())

    def find_image(self, image_id: int | None) -> Image | None:
        """An image of the project."""
        return self._images.get(image_id) if image_id is not None else None

    @property
    def categories(self) -> Mapping[int, Category]:
        """The categories by id."""
        return self._categories

    @property
    def annotations(self) -> Mapping[int, Annotation]:
        """The annotations of the open image by id, oldest first."""
        return self._annotations

    @property
    def candidates(self) -> Mapping[int, Candidate]:
        """The candidates on the open image by id, of every model; none on a photo other than theirs."""
        return {} if self.open_id in self._strangers else self._candidates

    def counts(self, image_id: int) -> Mapping[int, int]:
        """Annotations of an image by category id."""
        return self._counts.get(image_id, {})

    def total(self, category_id: int) -> int:
        """Annotations of a category in the whole project."""
        if self._totals is None:
            self._totals = totals = Counter[int]()
            for image_id in self._images:
                for one, number in self.counts(image_id).items():
                    totals[one] += number
        return self._totals[category_id]

    def names(self, annotations: Sequence[Annotation]) -> str:
        """What a line about annotations calls them: one's name, else how many ("3 person", "4 objects")."""
        found = [self._categories.get(annotation.category_id) for annotation in annotations]
        names = {category.name if category else "object" for category in found}
        if len(annotations) == 1:
            return names.pop()
        return f"{len(annotations)} {names.pop() if len(names) == 1 else 'objects'}"

    # --- another project, another image -----------------------------------------------------------

    def clear(self) -> None:
        """No project is open."""
        self.fill((), (), {}, ())
        self.open(None)

    def fill(
        self,
        images: Iterable[Image],
        categories: Iterable[Category],
        counts: Mapping[int, Counter[int]],
        models: Iterable[Model],
    ) -> None:
        """Take in what the disk has of a project; what is on the open image stays until it is read."""
        self._images = {image.id: image for image in images}
        self._categories = {category.id: category for category in categories}
        self._counts, self._totals = dict(counts), None
        self.models = list(models)
        self._is_behind = True
        self.revision += 1

    def open(self, image_id: int | None) -> None:
        """Another image is open, or none; nothing is known of its labels yet."""
        self.open_id, self.is_read = image_id, False
        self._annotations, self._candidates = {}, {}
        self.revision += 1

    def note(self, image: Image) -> None:
        """Know what the file told of an image; no edit, and nothing for undo. The caller tells of it."""
        self._images[image.id] = image

    def _take_strangers(self) -> None:
        """Mark them in the lists; candidates go from a photo that is not theirs, and come back if it is."""
        known = [self._images[one.image.id] for one in self._strangers.all if one.image.id in self._images]
        fresh = [image.id for image in known if image.note != CHANGED]
        for image_id in fresh:
            self._images[image_id] = structs.replace(self._images[image_id], note=CHANGED)
        if fresh:
            self.images_changed.emit(tuple(fresh))
        self.revision += 1
        theirs = frozenset(self._candidates)
        self.changed.emit(Changed((), "photos", "candidates read", candidates=theirs))

    # --- what was read, and what was done ---------------------------------------------------------

    def read(
        self, annotations: Iterable[Annotation], candidates: Iterable[Candidate], since: Iterable[Change]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Take in what the disk has of the open image, and on top of it what was done since it was read.

        Gives the ids of the annotations, and those of the candidates, that are others than before.
        """
        later = tuple(since)
        before, self._annotations = self._annotations, {one.id: one for one in annotations}
        self.is_read, self._is_behind = True, False
        found = self.read_candidates(candidates, later)
        return _others(before, self._annotations), found

    def read_candidates(self, candidates: Iterable[Candidate], since: Iterable[Change]) -> frozenset[int]:
        """`read` for the candidates alone."""
        before, self._candidates = self._candidates, {one.id: one for one in candidates}
        for change in since:
            if isinstance(change.record, Annotation | Candidate):
                self._put(change)
            elif isinstance(change.record, Category) and change.after is None:
                self._unmap(change.record.id)
        self._sort()
        self.revision += 1
        return _others(before, self._candidates)

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
                if change.before is None or change.after is None:
                    self._totals = None  # it comes with its annotations, or goes with them
            self._put(change)
        self._sort()
        self.revision += 1
        return tuple(touched)

    def recount(self, images: Iterable[int], counts: Mapping[int, Mapping[int, int]]) -> tuple[int, ...]:
        """Take over what was counted on these images; gives those on which it is another number."""
        others = [key for key in images if +self._counts.get(key, Counter()) != Counter(counts.get(key, {}))]
        self._counts.update((key, Counter(counts.get(key, {}))) for key in others)
        self._totals = None
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
        for key, one in self._candidates.items():
            if one.category_id == category_id:
                self._candidates[key] = structs.replace(one, category_id=0)

    def _sort(self) -> None:
        """An undone deletion comes back to its place, not to the end."""
        if list(self._annotations) != sorted(self._annotations):
            self._annotations = dict(sorted(self._annotations.items()))

    def _count(self, record: Record | None, by: int) -> None:
        if isinstance(record, Annotation):
            self._counts.setdefault(record.image_id, Counter())[record.category_id] += by
            if self._totals is not None:
                self._totals[record.category_id] += by

    def _table(self, record: Record) -> dict[int, Any]:
        """Where a record is kept; records of other images than the open one are not."""
        if isinstance(record, Image):
            return self._images
        if isinstance(record, Category):
            return self._categories
        if record.image_id != self.open_id:
            return {}
        return self._annotations if isinstance(record, Annotation) else self._candidates


def _others(before: Mapping[int, Record], after: Mapping[int, Record]) -> frozenset[int]:
    """The ids whose record is another one, or only on one side."""
    return frozenset(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
