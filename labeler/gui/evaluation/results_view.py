"""What of an evaluation is looked at: which model, which category, from which confidence, which objects."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.measures.set_agreement import ImageMeasure
from labeler.evaluation import curves, items
from labeler.evaluation.by_image import by_image
from labeler.evaluation.confusion import Confusion, confusion
from labeler.evaluation.findings import CategoryResult, Evaluation
from labeler.evaluation.items import ObjectItem
from labeler.evaluation.operating_points import Operating, Rates, ThresholdSweep
from labeler.gui.evaluation.desk import EvaluationDesk, EvaluationOutcome
from labeler.gui.evaluation.scopes import EvaluationRequest
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

Kind: TypeAlias = Literal["false alarms", "missed", "hits"]
KINDS: tuple[Kind, ...] = ("false alarms", "missed", "hits")
THRESHOLD = 0.5
"""The IoU from which a prediction has found an object."""
FIRST_CONFIDENCE = 0.25
_SETTLE_MS = 120
"""Pause in dragging the line after which the objects behind it are listed anew."""


class Listing(Struct, frozen=True):
    """Objects that a person may step through."""

    title: str
    items: tuple[ObjectItem, ...] = ()
    kind: Kind | None = None
    """Where they are all of a kind at the confidence that is looked at."""
    start: int = -1
    """The one to open at once; -1 for none."""


class EvaluationView(QObject):
    """Shared by the parts of the evaluation panel; keeps what is worked out from the outcome."""

    changed = Signal()
    """Another outcome, model or category."""
    moved = Signal()
    """Another confidence."""
    settled = Signal()
    """The confidence has stood still for a moment, or `changed`."""
    listed = Signal()
    """Other objects are listed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.outcome: EvaluationOutcome | None = None
        self.place = 0
        """The model that is looked at: 0, or 1 for the second one."""
        self.category: int | None = None
        """The place of a category; None for all."""
        self.confidence = FIRST_CONFIDENCE
        self.listing = Listing("")
        self._sweeps: list[ThresholdSweep] = []
        self._confusions: dict[tuple[int, float], Confusion] = {}
        self._settle = timer(self, self._settled, milliseconds=_SETTLE_MS)

    # --- what is known ----------------------------------------------------------------------------

    @property
    def evaluation(self) -> Evaluation | None:
        """Of the model that is looked at."""
        return self.outcome.evaluations[self.place] if self.outcome else None

    @property
    def titles(self) -> tuple[str, ...]:
        """Of the models."""
        return self.outcome.titles if self.outcome else ()

    @property
    def categories(self) -> Sequence[CategoryResult]:
        """The categories, by place."""
        return self.evaluation.categories if self.evaluation else ()

    def category_name(self) -> str:
        """The category that is looked at."""
        return "All categories" if self.category is None else self.categories[self.category].name

    def operating(self, place: int) -> Operating:
        """What each model does at the confidence that is looked at."""
        return self._sweeps[place].at(self.confidence)

    def rates(self) -> Rates:
        """Of the model and category that are looked at."""
        found = self.operating(self.place)
        return found.total if self.category is None else found.categories[self.category]

    def best(self) -> float:
        """The confidence of the largest F1 of the category that is looked at."""
        return self._sweeps[self.place].best(self.category)

    def curve(self, place: int, threshold: float = THRESHOLD) -> curves.Curve:
        """Precision and recall of a model over its confidences, of the category that is looked at."""
        assert self.outcome is not None
        return curves.curve(self.outcome.evaluations[place], self.category, threshold=threshold)

    def confusion(self, place: int) -> Confusion:
        """Of a model; kept as long as the confidence stays."""
        assert self.outcome is not None
        key = place, self.confidence
        if key not in self._confusions:
            found = confusion(self.outcome.evaluations[place], confidence=self.confidence)
            kept = {k: one for k, one in self._confusions.items() if k[1] == self.confidence}
            self._confusions = {**kept, key: found}
        return self._confusions[key]

    def by_image(self) -> list[ImageMeasure]:
        """How each image agrees with the model that is looked at."""
        assert self.evaluation is not None
        return by_image(self.evaluation, confidence=self.confidence)

    def categories_of(self, item: ObjectItem) -> tuple[int | None, int | None]:
        """The ids of the true and of the predicted category of an item; None for background."""
        evaluation = self.evaluation
        if evaluation is None:
            return None, None

        def category(ids: np.ndarray, places: np.ndarray, wanted: int | None) -> int | None:
            at = np.flatnonzero(ids == wanted)
            return evaluation.categories[int(places[at[0]])].id if at.size else None

        truths, predictions = evaluation.truths, evaluation.predictions
        return (
            category(truths.ids, truths.categories, item.truth_id),
            category(predictions.ids, predictions.categories, item.prediction_id),
        )

    # --- choosing ---------------------------------------------------------------------------------

    def show(self, outcome: EvaluationOutcome | None) -> None:
        """Look at another outcome; the category stays where there still is one of that id."""
        if outcome is self.outcome:
            return
        kept = self.categories[self.category].id if self.category is not None else None
        self.outcome, self.place = outcome, 0
        self._confusions.clear()
        self._sweeps = (
            [ThresholdSweep(e, threshold=THRESHOLD) for e in outcome.evaluations] if outcome else []
        )
        ids = [category.id for category in self.categories]
        self.category = ids.index(kept) if kept in ids else None
        self.changed.emit()
        self.list_kind(self.listing.kind or "false alarms")

    def choose_model(self, place: int) -> None:
        """Look at the first or the second model."""
        if place != self.place:
            self.place = place
            self.changed.emit()
            self._settled()

    def choose_category(self, category: int | None) -> None:
        """Look at one category, or at all."""
        if category != self.category:
            self.category = category
            self.changed.emit()
            self.list_kind(self.listing.kind or "false alarms")

    def set_confidence(self, confidence: float) -> None:
        """Count predictions from another confidence."""
        confidence = min(max(confidence, 0.0), 1.0)
        if confidence != self.confidence:
            self.confidence = confidence
            self.moved.emit()
            self._settle.start()

    def _settled(self) -> None:
        self._settle.stop()
        self.settled.emit()
        if self.outcome is not None and self.listing.kind is not None:
            self.list_kind(self.listing.kind)

    # --- the objects behind it --------------------------------------------------------------------

    def list_kind(self, kind: Kind) -> None:
        """List the false alarms, misses or hits of the category at the confidence that is looked at."""
        evaluation = self.evaluation
        if evaluation is None:
            self._list(Listing("", kind=kind))
            return
        find = {"false alarms": items.false_alarms, "missed": items.missed, "hits": items.hits}[kind]
        found = find(evaluation, confidence=self.confidence, category=self.category, threshold=THRESHOLD)
        title = f"{self.category_name()}, from {self.confidence:.2f}"
        self._list(Listing(title, _ranked(found, kind), kind))

    def list_cell(self, place: int, row: int, column: int) -> None:
        """List what is behind a cell of a model's confusion matrix; that model becomes the one looked at."""
        self.choose_model(place)
        names = (*(category.name for category in self.categories), "background")
        if row == column:
            title = f"{names[row]}, found"
        elif row == len(names) - 1:
            title = f"{names[column]} where nothing is"
        elif column == len(names) - 1:
            title = f"{names[row]}, missed"
        else:
            title = f"{names[row]} taken for {names[column]}"
        self._list(Listing(title, tuple(self.confusion(place).cell(row, column)), start=0))

    def list_around(self, place: int, index: int, *, threshold: float = THRESHOLD) -> None:
        """List the predictions around a point of the curve of a model, which becomes the one looked at."""
        self.choose_model(place)
        evaluation = self.evaluation
        if evaluation is None:
            return
        curve = self.curve(place, threshold)
        found = tuple(items.around(evaluation, curve, index))
        at = int(evaluation.predictions.ids[curve.predictions[index]])
        start = next((n for n, item in enumerate(found) if item.prediction_id == at), 0)
        title = f"{self.category_name()}, around {float(curve.confidences[index]):.2f}"
        self.set_confidence(float(curve.confidences[index]))
        self._list(Listing(title, found, start=start))

    def list_image(self, image_id: int, name: str) -> None:
        """List what is wrong on an image, then what is right."""
        evaluation = self.evaluation
        if evaluation is None:
            return
        found: list[ObjectItem] = []
        for find in (items.false_alarms, items.missed, items.hits):
            every = find(evaluation, confidence=self.confidence, category=self.category, threshold=THRESHOLD)
            found.extend(item for item in every if item.image_id == image_id)
        self._list(Listing(name, tuple(found), start=0))

    def _list(self, listing: Listing) -> None:
        self.listing = listing
        self.listed.emit()


def _ranked(found: Sequence[ObjectItem], kind: Kind) -> tuple[ObjectItem, ...]:
    """What tells most comes first: sure false alarms, and hits that overlap least."""
    if kind == "hits":
        return tuple(sorted(found, key=lambda item: item.iou or 0.0))
    if kind == "false alarms":
        return tuple(sorted(found, key=lambda item: -(item.confidence or 0.0)))
    return tuple(found)


def told_of(desk: EvaluationDesk, *, request: EvaluationRequest | None, titles: Sequence[str]) -> list[str]:
    """Whether the numbers still hold and what they leave out; `titles` are those of the judged models."""
    outcome = desk.outcome
    if desk.is_running:
        return ["Reading the labels…" if desk.progress[1] else "Comparing…"]
    if outcome is None:
        return []
    told = []
    if desk.is_stale:
        told.append("Labels or predictions changed since; evaluate again.")
    elif outcome.request != request:
        told.append(f"Shown: {' against '.join(titles)}, {outcome.scope.lower()}.")
    if outcome.unreviewed:
        many = counted(outcome.unreviewed, "image")
        told.append(f"{many} not reviewed: what is not labelled there counts as a false alarm.")
    if strange := sum(outcome.uncategorised):
        many = counted(strange, "prediction")
        told.append(f"{many} left out, whose class is no category here.")
    return told
