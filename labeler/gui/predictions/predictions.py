"""What the chosen model predicts, as a person sees it: the filter, what it keeps, what is looked at."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import structs
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import CandidateFilter, Columns, Filter, Filtered, SuppressionStep, columns, steps
from labeler.core.records import Annotation, Candidate, Model
from labeler.gui.predictions.set_counts import SetCounts
from labeler.gui.session.document import Changed
from labeler.gui.session.measure import OpenAgreement
from labeler.gui.session.session import Session

Faint: TypeAlias = Literal["none", "suppressed", "all"]

STEP = 0.05
"""What one press of a key moves a slider by."""
LEAST, MOST = 0.01, 0.99
"""The ends of both sliders."""


class Predictions(QObject):
    """The candidates of the session's model on the open image, filtered. Lives on the GUI thread.

    Accepted and rejected candidates still suppress what overlaps them, so that no near copy takes their
    place, but are no predictions themselves.
    """

    changed = Signal()
    """Candidates, the filter, or what it keeps."""
    counts_changed = Signal()
    """What the set comes to."""
    selection_changed = Signal()
    hovered_changed = Signal()
    walked = Signal()
    """The step mode is at another step, on or off."""

    def __init__(
        self,
        session: Session,
        parent: QObject | None = None,
        *,
        remembered: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """`remembered` has the filters of models by their names; changed ones are kept there."""
        super().__init__(parent)
        self._session = session
        self._remembered = remembered if remembered is not None else {}
        self._filter = self._own = Filter()
        """What holds now, and what of it a person set."""
        self._ignored: frozenset[str] = frozenset()
        self._faint: Faint = "suppressed"
        self._candidates: dict[int, Candidate] = {}
        self._columns = columns(())
        self._image_filter = CandidateFilter(self._columns)
        self._filtered = self._image_filter.apply(self._filter)
        self._done: frozenset[int] = frozenset()
        self._kept: tuple[int, ...] = ()
        self._selection: frozenset[int] = frozenset()
        self._hovered: int | None = None
        self._walk: tuple[SuppressionStep, ...] | None = None
        self._at = 0
        self.agreement = OpenAgreement(session, self, self)
        """How well what is labelled on the open image agrees with what is kept."""
        self.set_counts = SetCounts(session, self)
        self.set_counts.changed.connect(self.counts_changed)
        session.project_changed.connect(self._forget_project)
        session.place.image_changed.connect(self._take_image)
        session.measure.model_changed.connect(self._take_model)
        session.document.changed.connect(self._take_changes)
        session.document.images_changed.connect(self._take_images)
        session.focus.selection_changed.connect(self._yield_selection)
        self._take_model()

    # --- the filter -------------------------------------------------------------------------------

    @property
    def filter(self) -> Filter:
        """What a person set for this model."""
        return self._filter

    def set_filter(self, **values: Any) -> None:
        """Change some of confidence, iou, kind and top_k, for this model and its other versions."""
        wanted = structs.replace(self._filter, **values)
        if wanted != self._filter and self._session.measure.model is not None:
            self._own = structs.replace(self._own, **values)
            self._remembered[self._session.measure.model.name] = structs.asdict(self._own)
        self._use(wanted)

    def show_from(self, confidence: float) -> None:
        """Move the confidence threshold for now: in another project, or later, it is what a person set."""
        self._use(structs.replace(self._filter, confidence=confidence))

    def _use(self, wanted: Filter) -> None:
        if wanted != self._filter:
            self._filter = wanted
            self.set_counts.set_filter(wanted)
            self._apply()

    def _remembered_filter(self, model: Model) -> Filter:
        try:
            found = msgspec.convert(self._remembered.get(model.name, {}), Filter)
        except msgspec.ValidationError:
            return Filter()  # of a settings file that somebody edited
        sound = LEAST <= found.confidence <= MOST and LEAST <= found.iou <= MOST and found.top_k > 0
        return found if sound else Filter()

    def step_confidence(self, by: int) -> None:
        """Move the confidence threshold by so many steps of `STEP`."""
        self.set_filter(confidence=_stepped(self._filter.confidence, by))

    def step_iou(self, by: int) -> None:
        """Move the threshold of the suppression by so many steps, where the model needs any."""
        if self.suppresses:
            self.set_filter(iou=_stepped(self._filter.iou, by))

    @property
    def needs_suppression(self) -> bool:
        """Whether the model's candidates are raw, so that NMS has something to do."""
        return self._session.measure.model is None or not self._session.measure.model.suppressed

    @property
    def suppresses(self) -> bool:
        """Whether the IoU threshold decides anything now."""
        return self.needs_suppression and self._filter.kind not in ("none", "soft-gaussian")

    # --- the open image ---------------------------------------------------------------------------

    @property
    def candidates(self) -> Mapping[int, Candidate]:
        """All candidates of the model on the open image, judged or not, by id."""
        return self._candidates

    @property
    def columns(self) -> Columns:
        """The same as arrays, in the same order."""
        return self._columns

    @property
    def filtered(self) -> Filtered:
        """What the filter makes of them."""
        return self._filtered

    @property
    def kept(self) -> tuple[int, ...]:
        """Ids of the predictions: kept, and waiting for a person's word; the most confident first."""
        return self._kept

    @property
    def faint(self) -> Faint:
        """What else is shown: nothing, what was suppressed, or what is under the threshold too."""
        return self._faint

    def set_faint(self, faint: Faint) -> None:
        """Show more or less of what is not kept."""
        if faint != self._faint:
            self._faint = faint
            self.changed.emit()

    @property
    def faint_ids(self) -> tuple[int, ...]:
        """Ids of what is shown although it is not kept."""
        if self._faint == "none":
            return ()
        found = self._filtered
        rest = (*found.cut, *found.below) if self._faint == "all" else ()
        return tuple(key for key in (*found.suppressed, *rest) if key not in self._done)

    def suppressor(self, candidate_id: int) -> tuple[Candidate, float] | None:
        """Who suppressed a candidate, and their IoU; None where nobody did."""
        found = self._filtered.suppressed.get(candidate_id)
        return (self._candidates[found[0]], found[1]) if found is not None else None

    def name_of(self, candidate: Candidate) -> str:
        """Its category's name, else the model's own one."""
        category = self._session.document.categories.get(candidate.category_id)
        return category.name if category is not None else candidate.label or "object"

    def refresh(self, image_ids: Iterable[int] | None = None) -> None:
        """A run has stored new candidates for these images, or for any.

        Those of the open image come with the session's own reading of it.
        """
        self.set_counts.refresh(image_ids)

    # --- what is looked at ------------------------------------------------------------------------

    @property
    def selection(self) -> frozenset[int]:
        """Ids of the selected predictions."""
        return self._selection

    def select(self, ids: Iterable[int], *, keep: bool = False) -> None:
        """Replace the selection; the annotations' selection goes, unless it is to be kept."""
        chosen = frozenset(ids) & self._candidates.keys() - self._done
        if chosen and not keep:
            self._session.focus.select(())
        if chosen != self._selection:
            self._selection = chosen
            self.selection_changed.emit()

    @property
    def hovered(self) -> int | None:
        """The suppressed candidate under the pointer, or the one that a list points at."""
        return self._hovered

    def hover(self, candidate_id: int | None) -> None:
        """Point at a candidate, None for nothing."""
        if candidate_id != self._hovered:
            self._hovered = candidate_id
            self.hovered_changed.emit()

    # --- the step mode ----------------------------------------------------------------------------

    @property
    def walk(self) -> tuple[SuppressionStep, ...] | None:
        """The steps of the algorithm on this image; None while the step mode is off."""
        return self._walk

    @property
    def walk_at(self) -> int:
        """How many steps are done, from 0 to all."""
        return self._at

    @property
    def step(self) -> SuppressionStep | None:
        """The step that was done last; None at the start, and while the step mode is off."""
        return self._walk[self._at - 1] if self._walk and self._at else None

    def start_walk(self) -> None:
        """Begin to walk, before the first step."""
        self._at = 0
        self._walk = self._walked()
        self.walked.emit()

    def step_walk(self, by: int) -> None:
        """Do or take back steps; begins to walk where it is off."""
        if self._walk is None:
            self._walk, self._at = self._walked(), 0
        self._at = min(max(self._at + by, 0), len(self._walk))
        self.walked.emit()

    def stop_walk(self) -> None:
        """Show the result again."""
        if self._walk is not None:
            self._walk, self._at = None, 0
            self.walked.emit()

    def _walked(self) -> tuple[SuppressionStep, ...]:
        return steps(self._image_filter, self._filter)

    # --- following the session --------------------------------------------------------------------

    def _forget_project(self) -> None:
        self.set_counts.refresh()
        self._take_model()

    def _take_model(self) -> None:
        model = self._session.measure.model
        self._filter = self._own = self._remembered_filter(model) if model is not None else Filter()
        self._ignored = frozenset()
        self.set_counts.set_filter(self._filter)
        self.set_counts.use(model, self._ignored)
        self._read_ignored()
        self._take_image()

    def _take_images(self, image_ids: tuple[int, ...]) -> None:
        """After everything was read anew, classes may mean something else, and models have come."""
        if not image_ids:
            self._read_ignored()
            self.set_counts.refresh()

    def _read_ignored(self) -> None:
        """Find out which of the model's classes a person wants nothing of."""
        model = self._session.measure.model
        if model is None or self._session.project is None:
            return

        def take(mappings: dict[str, int | None]) -> None:
            ignored = frozenset(label for label, category in mappings.items() if category is None)
            if model == self._session.measure.model and ignored != self._ignored:
                self._ignored = ignored
                self.set_counts.use(model, ignored)
                self._take_candidates()

        self._session.ask(lambda store: store.predictions.mappings(model.id), take)

    def _take_image(self) -> None:
        self.stop_walk()
        self.select(())
        self.hover(None)
        self._take_candidates()

    def _take_changes(self, changed: Changed) -> None:
        records = [change.record for change in changed.changes]
        if not records or any(
            isinstance(one, Candidate) or (isinstance(one, Annotation) and one.prediction_id is not None)
            for one in records
        ):
            self._take_candidates()

    def _take_candidates(self) -> None:
        """Filter what is there now; overlaps are only worked out anew where candidates are others."""
        model, session = self._session.measure.model, self._session
        ours = {
            key: one
            for key, one in session.document.candidates.items()
            if model is not None and one.model_id == model.id and one.label not in self._ignored
        }
        if not _same(ours, self._candidates):
            self._columns = columns(ours.values())
            self._image_filter = CandidateFilter(self._columns, suppressed=not self.needs_suppression)
        self._candidates = ours
        accepted = {annotation.prediction_id for annotation in session.document.annotations.values()}
        judged = (key for key, one in ours.items() if one.verdict or key in accepted)
        self._done = frozenset(judged)
        self._apply()

    def _apply(self) -> None:
        self._filtered = self._image_filter.apply(self._filter)
        self._kept = tuple(key for key in self._filtered.kept if key not in self._done)
        if self._hovered is not None and self._hovered not in self._candidates:
            self.hover(None)
        if self._walk is not None:
            self._walk = self._walked()
            self._at = min(self._at, len(self._walk))
            self.walked.emit()
        self.select(self._selection, keep=True)
        self.changed.emit()

    def _yield_selection(self) -> None:
        """Selected annotations take the place of selected predictions."""
        if self._session.focus.selection:
            self.select((), keep=True)


def _stepped(value: float, by: int) -> float:
    return round(min(max(value + by * STEP, LEAST), MOST), 2)


def _same(a: Mapping[int, Candidate], b: Mapping[int, Candidate]) -> bool:
    """Whether the filter sees no difference between these."""
    return len(a) == len(b) and all(
        one.id == other.id
        and one.shape is other.shape
        and one.confidence == other.confidence
        and (one.category_id, one.label, one.model_id) == (other.category_id, other.label, other.model_id)
        for one, other in zip(a.values(), b.values(), strict=True)
    )
