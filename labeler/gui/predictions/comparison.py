"""Two objects side by side: which ones, and by how much they overlap, live while one is dragged."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import Overlap, shape_overlap
from labeler.core.records import Annotation, Candidate, Shape
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session

Key: TypeAlias = tuple[Literal["annotation", "candidate"], int]


class Side(Struct, frozen=True, eq=False):
    """One of the two."""

    name: str
    """What it is called: "person", "person 0.87"."""
    shape: Shape


class Compared(Struct, frozen=True):
    """By how much two shapes overlap, and how much of the box around both they cover."""

    overlap: Overlap
    hull: float
    """Area of the smallest box around both, square pixels."""

    @property
    def giou(self) -> float:
        """IoU less the share of the box around both that neither covers (Rezatofighi et al., CVPR 2019)."""
        if self.hull <= 0:
            return self.overlap.iou
        return self.overlap.iou - max(self.hull - self.overlap.union, 0.0) / self.hull


def compared(a: Shape, b: Shape, *, size: tuple[int, int]) -> Compared:
    """Compare two shapes in an image of size (H, W)."""
    one, other = bounds(a), bounds(b)
    width = max(one.x1, other.x1) - min(one.x0, other.x0)
    height = max(one.y1, other.y1) - min(one.y0, other.y0)
    return Compared(shape_overlap(a, b, size=size), width * height)


class Comparison(QObject):
    """The two objects that were selected together last.

    They stay the two while one of them is selected alone, so that one can be dragged against the other;
    selecting anything else, or nothing, ends it.
    """

    changed = Signal()
    """Other objects, or one of them has another shape: every frame of a drag."""

    def __init__(
        self,
        session: Session,
        predictions: Predictions,
        parent: QObject | None = None,
        *,
        drafts: Callable[[], Mapping[int, Annotation]],
    ) -> None:
        """`drafts` gives the uncommitted versions of all annotations that are dragged, by id."""
        super().__init__(parent)
        self._session, self._predictions = session, predictions
        self._pair: tuple[Key, Key] | None = None
        self._watched = False
        self._measured: tuple[Shape, Shape, Compared] | None = None
        self._drafts = drafts
        session.focus.selection_changed.connect(self._take_selection)
        predictions.selection_changed.connect(self._take_selection)
        session.focus.draft_changed.connect(self._tell)
        session.document.changed.connect(self._take_changes)

    def watch(self, on: bool) -> None:
        """Show the comparison from now on, or no longer."""
        if on != self._watched:
            self._watched = on
            self.changed.emit()

    @property
    def is_shown(self) -> bool:
        """Whether there are two, and somebody looks."""
        return self._watched and self._pair is not None

    def sides(self) -> tuple[Side, Side] | None:
        """The two objects as they are now; None unless two were selected together."""
        if self._pair is None:
            return None
        one, other = self._side(self._pair[0]), self._side(self._pair[1])
        return (one, other) if one is not None and other is not None else None

    def measure(self) -> Compared | None:
        """By how much they overlap; worked out once for all who ask in a frame."""
        sides, image = self.sides(), self._session.place.image
        if sides is None or image is None:
            return None
        a, b = sides[0].shape, sides[1].shape
        if self._measured is None or self._measured[0] is not a or self._measured[1] is not b:
            self._measured = a, b, compared(a, b, size=(image.height, image.width))
        return self._measured[2]

    def _side(self, key: Key) -> Side | None:
        kind, number = key
        if kind == "candidate":
            candidate = self._predictions.candidates.get(number)
            if candidate is None:
                return None
            return Side(f"{self._predictions.name_of(candidate)} {candidate.confidence:.2f}", candidate.shape)
        annotation = self._drafts().get(number) or self._session.document.annotations.get(number)
        if annotation is None:
            return None
        category = self._session.document.categories.get(annotation.category_id)
        return Side(category.name if category is not None else "object", annotation.shape)

    def _take_selection(self) -> None:
        annotations: list[Key] = [("annotation", key) for key in sorted(self._session.focus.selection)]
        chosen: list[Key] = [
            *annotations,
            *(("candidate", key) for key in sorted(self._predictions.selection)),
        ]
        before = self._pair
        if len(chosen) == 2:
            self._pair = chosen[0], chosen[1]
        elif before is None or not chosen or not set(chosen) <= set(before):
            self._pair = None
        if self._pair != before:
            self.changed.emit()

    def _take_changes(self, changed: Changed) -> None:
        if self._pair is not None and any(
            isinstance(change.record, Annotation | Candidate) for change in changed.changes
        ):
            self.changed.emit()

    def _tell(self) -> None:
        if self._pair is not None:
            self.changed.emit()
