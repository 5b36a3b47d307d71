"""Accepting and rejecting predictions: each an edit as any other, so that undo takes it back."""

import time
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct, structs
from PySide6.QtCore import QObject, Signal

from labeler.core.filtering import Filter
from labeler.core.records import Annotation, Candidate, Category, Change, Model
from labeler.core.review_order import without_repeats
from labeler.errors import ProjectError
from labeler.gui.review.agreements import Filtering
from labeler.gui.session.document import Changed
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.words import counted
from labeler.project.store import Store

BY = "review"
"""Who made these edits, as `Changed.by` says it."""


class TakenOver(Struct, frozen=True):
    """A prediction that becomes an annotation in another shape."""

    annotation: Annotation
    """As it is accepted, not stored yet."""
    verdict: Change
    """That the prediction is accepted."""


class Categories:
    """Which category an annotation made of a candidate gets, as things are now; for any thread."""

    def __init__(self, categories: Iterable[Category], current: Category | None) -> None:
        self._ids = {category.name.casefold(): category.id for category in categories}
        self._known = set(self._ids.values())
        self._current = current.id if current else 0

    def of(self, candidate: Candidate) -> int:
        """The category; 0 where the model's class is mapped to none.

        What a model without classes found is what the person is labelling.
        """
        if candidate.category_id in self._known:
            return candidate.category_id
        return 0 if candidate.label else self._current

    def meant(self, candidate: Candidate) -> int:
        """The same where a person points at it: a class mapped to none is then the category of its name."""
        return self.of(candidate) or self._ids.get(candidate.label.casefold(), 0)


class Reviewing(QObject):
    """A person's word on predictions. All methods are called on the GUI thread and return at once."""

    told = Signal(str)
    """How many were accepted at once, where that is more than a person could count."""

    def __init__(self, session: Session, filtering: Filtering, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._filtering = filtering
        self._scan: ImageScan[list[Candidate]] = ImageScan(session, self)
        self._changed_meanwhile: set[int] = set()
        session.document.changed.connect(self._note_changes)

    def accept(self, candidate_ids: Iterable[int], category: int | Category | None = None) -> None:
        """Make annotations of candidates, which remember them; one edit. Also on other images.

        They get the category of that id, or a new one, which the same edit makes, or by default the one that
        each candidate means.
        """
        self._with(candidate_ids, lambda found: self._accept_found(found, category))

    def reject(self, candidate_ids: Iterable[int]) -> None:
        """Say that candidates are wrong, which later runs of their model remember; one edit."""
        self._with(candidate_ids, self._reject)

    def take_over(self, candidate_id: int) -> TakenOver | None:
        """What accepting a candidate of the open image makes, whose shape is being changed; nothing is done.

        None, and a sentence, where nothing can be changed or no category is known for it.
        """
        candidate = self._session.document.candidates.get(candidate_id)
        if candidate is None or self._is_read_only():
            return None
        placed = self._made([candidate])
        if not placed:
            return None
        ((_, annotation),) = placed
        return TakenOver(annotation, Change(candidate, structs.replace(candidate, verdict="accepted")))

    def accept_all_above(self, confidence: float, *, whole_set: bool) -> None:
        """Accept every prediction of at least this confidence on the open image or all; one undo step.

        What has a person's word already stays as it is, and what repeats an annotation is left out.
        """
        session, model = self._session, self._session.measure.model
        if session.project is None or self._is_read_only():
            return
        if model is None:
            session.told.emit("There are no predictions to accept. Run a model or import results first.")
            return
        if not session.document.categories and self._is_without_classes(model):
            session.edits.add_category("object", by=BY)
        pending = Pending(model, confidence, self._filtering.filter, self._categories())
        least = f" from a confidence of {confidence:.2f}" if confidence > 0 else ""
        briefly = f" from {confidence:.2f}" if confidence > 0 else ""
        self._changed_meanwhile = set()

        def take(found: list[Candidate]) -> None:
            label = f"Accept {counted(len(found), 'prediction')}{briefly}"
            self._accept_many(found, label=label, said=least, selects=not whole_set)

        if whole_set:
            session.ask(
                lambda store: store.agreements.images_with_candidates(model.id),
                lambda image_ids: self._find(pending, image_ids, take),
            )
        elif session.place.image is not None:
            self._find(pending, [session.place.image.id], take)

    def accept_pending(self, candidates: Sequence[Candidate], *, label: str, said: str) -> None:
        """Accept these on whichever images, as far as they still wait; one undo step with this label.

        `said` follows the number of predictions in what is told.
        """
        model = self._session.measure.model
        if not candidates or model is None or self._is_read_only():
            return
        wanted = {one.id for one in candidates}
        pending = Pending(model, 0.0, self._filtering.filter, self._categories())
        self._changed_meanwhile = set()

        def take(found: list[Candidate]) -> None:
            left = [one for one in found if one.id in wanted and not self._is_reviewed(one.image_id)]
            self._accept_many(left, label=label, said=said, selects=False)

        self._find(pending, sorted({one.image_id for one in candidates}), take)

    # --- the edits --------------------------------------------------------------------------------

    def _with(self, ids: Iterable[int], work: Callable[[list[Candidate]], None]) -> None:
        """Do work on candidates of whichever image; at once where they are on the open one."""
        wanted, known = list(ids), self._session.document.candidates
        if all(key in known for key in wanted):
            work([known[key] for key in wanted])
        else:
            self._session.ask(lambda store: list(store.predictions.by_id(wanted)), work)

    def _accept_found(self, candidates: Sequence[Candidate], category: int | Category | None) -> None:
        if isinstance(category, Category):
            label = f"Accept {counted(len(candidates), 'prediction')} as {category.name}, a new category"
            self._accept(candidates, category.id, label=label, first=(Change(None, category),))
        else:
            self._accept(candidates, category)

    def _accept(
        self,
        candidates: Sequence[Candidate],
        category_id: int | None = None,
        *,
        label: str = "",
        selects: bool = True,
        first: tuple[Change, ...] = (),
    ) -> list[Annotation]:
        session = self._session
        if self._is_read_only():
            return []
        placed = self._made(candidates, category_id)
        if not placed:
            return []
        made = [annotation for _, annotation in placed]
        changes = list(first)
        for candidate, annotation in placed:
            changes.append(Change(candidate, structs.replace(candidate, verdict="accepted")))
            changes.append(Change(None, annotation))
        if not session.edits.commit(label or f"Accept {self._named(made)}", changes, by=BY):
            return []
        if selects:  # what is accepted on the whole set takes nothing from under the hand
            here = session.place.image.id if session.place.image is not None else 0
            shown = [a.id for a in made if a.image_id == here]
            if shown:  # else the person has gone on to another image meanwhile, and may have selected there
                session.focus.select(shown)
        return made

    def _made(
        self, candidates: Sequence[Candidate], category_id: int | None = None
    ) -> list[tuple[Candidate, Annotation]]:
        """The annotations that candidates become, of those that are none yet; says where none has a category.

        They get the category that is given, else the one that each means.
        What a model without classes found in a project without categories is an "object", as what is drawn.
        """
        session = self._session
        accepted = {a.prediction_id for a in session.document.annotations.values()}
        open_ones = [
            c
            for c in candidates
            if c.id not in accepted and (c.verdict != "accepted" or c.id in session.document.candidates)
        ]
        if category_id is None and not session.document.categories and any(not c.label for c in open_ones):
            session.edits.add_category("object", by=BY)
        categories = self._categories()
        placed = [(c, category) for c in open_ones if (category := category_id or categories.meant(c))]
        if not placed:
            self._tell_unmapped(open_ones)
        now = time.time()
        return [
            (
                candidate,
                Annotation(
                    id=session.edits.new_annotation_id(),
                    image_id=candidate.image_id,
                    category_id=becomes,
                    shape=candidate.shape,
                    source="model",
                    prediction_id=candidate.id,
                    created=now,
                    edited=now,
                ),
            )
            for candidate, becomes in placed
        ]

    def _find(
        self, pending: "Pending", image_ids: Sequence[int], take: Callable[[list[Candidate]], None]
    ) -> None:
        """Look for what is pending on these images."""
        found: list[Candidate] = []
        self._scan.start(
            [one for one in image_ids if one not in self._session.strangers],  # found on another photo
            pending.on,
            took=lambda lists: found.extend(c for one in lists for c in one),
            done=lambda: take(found),
        )

    def _accept_many(self, candidates: Sequence[Candidate], *, label: str, said: str, selects: bool) -> None:
        """Accept what a person has not spoken of while it was looked for."""
        left = [c for c in candidates if c.id not in self._changed_meanwhile]
        if not left:
            self._tell_nothing(said)
            return
        made = self._accept(left, label=label, selects=selects)
        if made:
            on = counted(len({annotation.image_id for annotation in made}), "image")
            self.told.emit(
                f"Accepted {counted(len(made), 'prediction')}{said} on {on}; one Undo takes it back."
            )

    def _reject(self, candidates: Sequence[Candidate]) -> None:
        left = [c for c in candidates if c.verdict == ""]
        if not left or self._is_read_only():
            return
        names = {self._name(c.category_id, c.label) for c in left}
        what = names.pop() if len(left) == 1 else f"{len(left):,} predictions"
        changes = [Change(c, structs.replace(c, verdict="rejected")) for c in left]
        self._session.edits.commit(f"Reject {what}", changes, by=BY)

    # --- small words ------------------------------------------------------------------------------

    def _categories(self) -> Categories:
        return Categories(self._session.document.categories.values(), self._session.focus.category)

    def _tell_unmapped(self, candidates: Sequence[Candidate]) -> None:
        if not candidates:
            return
        labels = sorted({c.label for c in candidates if c.label})
        if labels:
            named = f"“{labels[0]}” is" if len(labels) == 1 else f"{len(labels)} classes are"
            text = f"Not accepted: {named} mapped to no category. Map it in the classes of the model first."
        else:
            text = "Not accepted: there is no category for it. Add one first."
        self._session.told.emit(text)

    def _is_without_classes(self, model: Model) -> bool:
        """Whether what the model found on the open image bears no class's name."""
        ours = [one for one in self._session.document.candidates.values() if one.model_id == model.id]
        return bool(ours) and not any(one.label for one in ours)

    def _tell_nothing(self, said: str) -> None:
        """Nothing was accepted: predictions that are shown on the open image may be of no category."""
        session, categories, kept = self._session, self._categories(), self._filtering.filter.confidence
        unplaced = [
            one
            for one in session.document.candidates.values()
            if session.measure.model is not None
            and one.model_id == session.measure.model.id
            and one.verdict == ""
            and one.confidence >= kept
            and not categories.of(one)
        ]
        if unplaced:
            self._tell_unmapped(unplaced)
        else:
            session.told.emit(f"There is nothing left to accept{said}.")

    def _is_reviewed(self, image_id: int) -> bool:
        image = self._session.document.find_image(image_id)
        return image is not None and image.reviewed

    def _is_read_only(self) -> bool:
        if self._session.read_only:
            self._session.told.emit(f"Nothing was changed. {self._session.read_only}")
        return bool(self._session.read_only)

    def _named(self, made: Sequence[Annotation]) -> str:
        names = {self._name(a.category_id) for a in made}
        if len(made) == 1:
            return names.pop()
        return f"{len(made):,} {names.pop() if len(names) == 1 else 'objects'}"

    def _name(self, category_id: int, label: str = "") -> str:
        category = self._session.document.categories.get(category_id)
        return category.name if category else label or "object"

    def _note_changes(self, changed: Changed) -> None:
        self._changed_meanwhile |= {c.record.id for c in changed.changes if isinstance(c.record, Candidate)}


class Pending:
    """Which candidates of an image "accept all" means; called on the writer's thread too."""

    def __init__(self, model: Model, confidence: float, wanted: Filter, categories: Categories) -> None:
        self._model = model
        self._confidence = confidence
        self._filter = wanted
        self._categories = categories

    def on(self, store: Store, image_id: int) -> list[Candidate]:
        """Those of an image of the project."""
        try:
            image = store.image(image_id)
        except ProjectError:
            # an undone import took it away meanwhile
            return []
        kept = store.agreements.predictions(
            store.predictions.candidates(image_id, self._model.id, least=self._filter.confidence),
            self._model,
            self._filter,
        )
        annotations = store.annotations(image_id)
        accepted = {annotation.prediction_id for annotation in annotations}
        pending = (c for c in kept if c.verdict == "" and c.id not in accepted)
        chosen = {c.id: c for c in pending if c.confidence >= self._confidence}
        placed = [(c, category) for c in chosen.values() if (category := self._categories.of(c))]
        fresh = without_repeats(
            [structs.replace(c, category_id=category) for c, category in placed],
            annotations,
            size=(image.height, image.width),
        )
        return [chosen[c.id] for c in fresh]
