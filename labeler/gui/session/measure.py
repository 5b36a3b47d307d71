"""How well annotations and a model's predictions agree, on the open image and while one is dragged."""

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from labeler.core.geometry import bounds
from labeler.core.measures.agreement import ImageAgreement, Overlaps, compare
from labeler.core.measures.overlap import Agreement, Overlap, agreement
from labeler.core.records import Annotation, Candidate, Model, Shape
from labeler.gui.session.document import Document
from labeler.gui.session.focus import Focus

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


class Measure(QObject):
    """What annotations are measured against, and what comes of it; worked out when it is asked for."""

    model_changed = Signal()
    """Another model's candidates are what annotations are measured against."""
    kept_changed = Signal()
    """The filter keeps other candidates of the model: agreement is measured against others."""

    def __init__(self, document: Document, focus: Focus, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._focus = focus
        self.model: Model | None = None
        """Whose candidates annotations are measured against; None: what each was accepted from."""
        self._kept: frozenset[int] | None = None
        self._measured = _Measured()
        self._agreement: tuple[object, ImageAgreement] | None = None
        self._overlaps_known: tuple[object, Overlaps] | None = None

    # --- against what -----------------------------------------------------------------------------

    def choose_model(self, model: Model | None) -> None:
        """Measure annotations against this model's candidates; None: what each was accepted from."""
        self.model = model
        self.model_changed.emit()

    def add_model(self, model: Model) -> None:
        """`choose_model`, also for a model that the project did not have when it was read."""
        if model not in self._document.models:
            self._document.models.append(model)
        self.choose_model(model)

    def choose_first(self, segmenter_id: int) -> None:
        """Measure against imported results where there are any, else against what was accepted.

        `segmenter_id` is the model that accepted proposals are kept under.
        """
        imported = [model for model in self._document.models if model.id != segmenter_id]
        self.choose_model(imported[-1] if imported else None)

    def use_kept(self, ids: Iterable[int]) -> None:
        """Say which candidates of `model` the filter keeps; those it drops are neither hit nor extra."""
        kept = frozenset(ids)
        if kept != self._kept:
            self._kept = kept
            self.kept_changed.emit()

    # --- what comes of it -------------------------------------------------------------------------

    def reference(self, annotation: Annotation) -> Candidate | None:
        """The candidate an annotation is measured against: the one accepted from, else the matched one."""
        candidates = self._document.candidates
        if annotation.prediction_id is not None and annotation.prediction_id in candidates:
            return candidates[annotation.prediction_id]
        pair = self.image_agreement().pairs.get(annotation.id)
        return pair[0] if pair else None

    def agreement(self, annotation_id: int) -> Agreement | None:
        """IoU, Dice and boundary IoU of an annotation, of its draft first, with its reference.

        None where it has no reference; the boundary is None for boxes, and for a large object while it
        is dragged.
        """
        draft = self._focus.draft
        annotation = draft if draft and draft.id == annotation_id else None
        dragged = annotation is not None
        annotation = annotation or self._document.annotations.get(annotation_id)
        reference = self.reference(annotation) if annotation else None
        if annotation is None or reference is None:
            return None
        if dragged and self._focus.draft_overlap is not None:
            overlap = self._focus.draft_overlap
            return Agreement(overlap.iou, overlap.dice, None)
        boundary = not dragged or bounds(reference.shape).area < LARGE
        return self._measured.of(annotation.shape, reference.shape, self._size(), boundary=boundary)

    def overlap(self, annotation_id: int) -> Overlap | None:
        """The overlap of a committed annotation with its reference, None without one."""
        annotation = self._document.annotations.get(annotation_id)
        reference = self.reference(annotation) if annotation else None
        if annotation is None or reference is None:
            return None
        return self._overlaps().of(annotation, reference)

    def image_agreement(self) -> ImageAgreement:
        """Matched, missed and extra on the open image, against `model`."""
        key = self._document.revision, self._size(), self.model, self._kept
        if self._agreement is None or self._agreement[0] != key:
            annotations = list(self._document.annotations.values())
            found = compare(annotations, self._measured_against(), overlaps=self._overlaps())
            self._agreement = key, found
        return self._agreement[1]

    def _overlaps(self) -> Overlaps:
        """What is known of the open image's overlaps; begun anew with another image or size."""
        key = self._document.open_id, self._size()
        if self._overlaps_known is None or self._overlaps_known[0] != key:
            self._overlaps_known = key, Overlaps(self._size())
        return self._overlaps_known[1]

    def _measured_against(self) -> list[Candidate]:
        """The chosen model's predictions; without a model, what annotations were accepted from."""
        accepted = {annotation.prediction_id for annotation in self._document.annotations.values()}
        candidates = self._document.candidates.values()
        if self.model is None:
            return [c for c in candidates if c.id in accepted]
        ours = [c for c in candidates if c.model_id == self.model.id]
        return ours if self._kept is None else [c for c in ours if c.id in self._kept or c.id in accepted]

    def _size(self) -> tuple[int, int]:
        image = self._document.find_image(self._document.open_id)
        return (image.height, image.width) if image is not None else (0, 0)
