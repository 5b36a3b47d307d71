"""What annotations are measured against, and what comes of it on the open image, also during a drag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal, SignalInstance

from labeler.core.geometry import bounds
from labeler.core.measures.agreement import ImageAgreement, Overlaps, compare
from labeler.core.measures.overlap import Agreement, Overlap, agreement
from labeler.core.records import Annotation, Candidate, Model, Shape
from labeler.gui.session.document import Document

if TYPE_CHECKING:
    from labeler.gui.session.session import Session

LARGE = 1_000_000
"""Square pixels from which the boundary IoU is left out while an object is dragged: it costs milliseconds."""


class Measure(QObject):
    """The model whose candidates annotations are measured against; what comes of it is `OpenAgreement`'s."""

    model_changed = Signal()
    """Another model's candidates are what annotations are measured against."""

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self.model: Model | None = None
        """Whose candidates annotations are measured against; None: what each was accepted from."""

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


class KeptCandidates(Protocol):
    """Where it is decided which candidates of the session's model are its predictions on the open image."""

    @property
    def kept(self) -> tuple[int, ...]:
        """Their ids; another tuple where they are others."""

    @property
    def changed(self) -> SignalInstance:
        """Emitted when they may be others."""


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


class OpenAgreement(QObject):
    """What comes of measuring the open image's annotations; worked out when it is asked for."""

    kept_changed = Signal()
    """The filter keeps other candidates of the model: agreement is measured against others."""

    def __init__(
        self, session: Session, predictions: KeptCandidates | None = None, parent: QObject | None = None
    ) -> None:
        """Candidates that `predictions` does not keep are neither hit nor extra; without it all are kept."""
        super().__init__(parent)
        self._document, self._focus, self._measure = session.document, session.focus, session.measure
        self._predictions = predictions
        self._kept_known: tuple[tuple[int, ...], frozenset[int]] | None = None
        self._measured = _Measured()
        self._agreement: tuple[object, ImageAgreement] | None = None
        self._overlaps_known: tuple[object, Overlaps] | None = None
        self._kept_told = self._kept()
        if predictions is not None:
            predictions.changed.connect(self._look_at_kept)

    def reference(self, annotation: Annotation) -> Candidate | None:
        """The candidate an annotation is measured against: the one accepted from, else the matched one."""
        candidates = self._document.candidates
        if annotation.prediction_id is not None and annotation.prediction_id in candidates:
            return candidates[annotation.prediction_id]
        pair = self.of_image().pairs.get(annotation.id)
        return pair[0] if pair else None

    def of(self, annotation_id: int) -> Agreement | None:
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

    def of_image(self) -> ImageAgreement:
        """Matched, missed and extra on the open image, against the session's model."""
        key = self._document.revision, self._size(), self._measure.model, self._kept()
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
        model, kept = self._measure.model, self._kept()
        if model is None:
            return [c for c in candidates if c.id in accepted]
        ours = [c for c in candidates if c.model_id == model.id]
        return ours if kept is None else [c for c in ours if c.id in kept or c.id in accepted]

    def _kept(self) -> frozenset[int] | None:
        """Ids of the candidates that are predictions; None for all."""
        if self._predictions is None:
            return None
        ids = self._predictions.kept
        if self._kept_known is None or self._kept_known[0] is not ids:
            self._kept_known = ids, frozenset(ids)
        return self._kept_known[1]

    def _look_at_kept(self) -> None:
        kept = self._kept()
        if kept != self._kept_told:
            self._kept_told = kept
            self.kept_changed.emit()

    def _size(self) -> tuple[int, int]:
        image = self._document.find_image(self._document.open_id)
        return (image.height, image.width) if image is not None else (0, 0)
