"""A labelled set labelled once more by a simulated person, image by image, with all that the app has.

What is measured on an image was known before it: models that were trained on others, the choice of a model
and of a confidence that would have saved most before. Objects that are too small for a mask to be a matter
of fact are left out of all ways of labelling, as crowds are, and so are predictions of them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.filtering import CandidateFilter, Filter
from labeler.core.geometry import area, bounds, rasterise
from labeler.core.measures.overlap import mask_area, mask_intersection
from labeler.core.records import Annotation, Box, Candidate, Category, Mask, Shape
from labeler.errors import LabelerError
from labeler.evaluation.effort.act_counts import NOTHING, Acts, Pace
from labeler.evaluation.effort.effort_curve import ImageEffort
from labeler.evaluation.effort.prediction_review import Scene, reviewed
from labeler.evaluation.effort.simulated_person import (
    BOX_TARGET,
    PACE,
    TARGET,
    Goal,
    Person,
    by_hand,
    category_acts,
    overlaps,
)
from labeler.evaluation.effort.threshold_habit import (
    LEAST,
    NONE,
    Choice,
    Savings,
    change_acts,
    chosen,
    saved,
)
from labeler.models.boxes_to_masks import masks_in_boxes
from labeler.models.prediction import load_detector, predict
from labeler.models.protocols import Detector, Embedding, ModelSpec, Segmenter
from labeler.training.clicks.held_out import LEAST as LEAST_MASKS
from labeler.training.effort.relearner import LabelledPhoto, Relearner
from labeler.training.instant.by_likeness import FEW_IMAGES

SMALLEST = 1024
"""Pixels; of smaller masks, a pixel of the outline is a matter of taste."""
EVERY = 5
"""Images after which a model is trained anew; with more than 20 done, after a quarter more."""
_INSIDE = 0.5
"""Share of a prediction that lies on objects that are left out, from which it is left out as well."""


class Loaded(Struct, frozen=True, eq=False):
    """A detector, ready."""

    spec: ModelSpec
    model: Detector


class Tools(Struct, frozen=True, eq=False):
    """What the person has at hand."""

    segmenter: Segmenter
    embed: Callable[[Path], Embedding]
    detectors: tuple[Loaded, ...] = ()
    learner: Relearner | None = None
    clicks: Relearner | None = None
    """What teaches the segmenter by the masks that are done."""


class EffortCourse:
    """The person at work. Images are given one after the other, each once."""

    def __init__(
        self,
        tools: Tools,
        categories: Sequence[Category],
        *,
        as_masks: bool,
        target: float = TARGET,
        every: int = EVERY,
        pace: Pace = PACE,
    ) -> None:
        """`as_masks`: whether any object of the set has more than a box, so that boxes are made masks."""
        self._tools = tools
        self._names = {one.id: one.name for one in categories}
        self._known = {one.name.casefold() for one in categories}
        self._as_masks = as_masks
        self._target = target
        self._every = every
        self._pace = pace
        self._models: list[Loaded | None] = [*tools.detectors, None]
        """The last is what was learnt; None as long as nothing was."""
        self._segmenter = tools.segmenter
        self._choice = Choice(0)
        self._before: list[Savings] = []
        self._done: list[LabelledPhoto] = []
        self._learnt_from = 0
        """Images of which the last model was learnt."""
        self.asked: frozenset[int] = frozenset()
        """The annotations of the last image that were to be labelled: not those that are left out."""
        self.complaints: list[str] = []
        """What models failed on, a sentence each."""

    def label(self, photo: LabelledPhoto, known: Mapping[int, Acts] | None = None) -> ImageEffort:
        """What an image costs, with what was learnt from those before.

        `known` says of annotations, by id, what they cost without predictions, where that is known.

        Raises ImageError where the photo cannot be read, and what the segmenter raises.
        """
        self._learn()
        asked, left_out = self._goals(photo)
        goals = [goal for _, goal in asked]
        self.asked = frozenset(key for key, _ in asked)
        size = (photo.image.height, photo.image.width)
        needs_sam = any(isinstance(goal.shape, Mask) for goal in goals)
        embedding = self._tools.embed(photo.path) if self._as_masks else Embedding({}, size)
        if needs_sam and embedding.size != size:
            raise LabelerError(f"{photo.image.path} is of another size than its labels; it was left out.")
        person = Person(self._segmenter, embedding, self._target, self._pace)
        recorded = known or {}
        costs = tuple(recorded[key] if key in recorded else person.by_sam(goal) for key, goal in asked)
        scenes = {
            place: self._scene(person, goals, costs, self._found(model, photo, embedding, left_out))
            for place, model in enumerate(self._models)
            if model is not None
        }
        effort = self._labelled(photo, goals, costs, scenes)
        self._done.append(photo)
        return effort

    def _labelled(
        self,
        photo: LabelledPhoto,
        goals: Sequence[Goal],
        costs: Sequence[Acts],
        scenes: Mapping[int, Scene],
    ) -> ImageEffort:
        size = (photo.image.height, photo.image.width)
        names = [goal.name for goal in goals]
        drawn = [by_hand(goal, size, self._target) for goal in goals]
        prompted = _together(costs) + category_acts(names)
        before, self._choice = self._choice, chosen(self._before, self._choice, list(scenes))
        model = self._models[self._choice.model]
        if scenes:
            review = reviewed(scenes[self._choice.model], self._choice.confidence, self._pace)
            acts = review.acts + change_acts(before, self._choice)
            self._before.append(saved(scenes, self._pace))
        is_shown = model is not None and self._choice.confidence < NONE
        return ImageEffort(
            photo.image.path,
            len(goals),
            polygons=_together(drawn) + category_acts(names),
            sam=prompted,
            with_predictions=acts if scenes else prompted,
            model=model.spec.title if model is not None and is_shown else "",
            confidence=self._choice.confidence if is_shown else None,
            shown=review.shown if scenes else 0,
            unchanged=review.unchanged if scenes else 0,
            corrected=review.corrected if scenes else 0,
        )

    def _goals(self, photo: LabelledPhoto) -> tuple[list[tuple[int, Goal]], list[Mask]]:
        """What is to be labelled on an image, with its id, and the pixels of what is left out."""
        size = (photo.image.height, photo.image.width)
        goals, left_out = [], []
        for one in photo.annotations:
            truth = one.shape if isinstance(one.shape, Box) else rasterise(one.shape, size=size)
            if is_asked(one, truth):
                goals.append((one.id, Goal(self._names[one.category_id], truth)))
            else:
                left_out.append(rasterise(truth, size=size))
        return goals, left_out

    def _found(
        self, loaded: Loaded, photo: LabelledPhoto, embedding: Embedding, left_out: Sequence[Mask]
    ) -> tuple[Candidate, ...]:
        """A model's predictions of the set's categories on an image, the most confident first."""
        masks = partial(self._with_masks, embedding) if self._as_masks else None
        result = next(
            predict(
                loaded.model,
                loaded.spec,
                [(photo.image.id, photo.path)],
                masks=None if masks is None else lambda _, found: masks(found),
            )
        )
        if result.failure:
            self.complaints.append(result.failure)
            return ()
        # a class without a category is mapped to none, and not shown
        named = [one for one in result.candidates if self._name(one).casefold() in self._known]
        numbered = {number: _numbered(one, number) for number, one in enumerate(named)}
        every = CandidateFilter(numbered.values(), suppressed=not loaded.spec.needs_suppression)
        kept = [numbered[number] for number in every.apply(Filter(confidence=LEAST)).kept]
        on_left_out = _shares([one.shape for one in kept], left_out, embedding.size)
        return tuple(one for one, share in zip(kept, on_left_out, strict=True) if share < _INSIDE)

    def _with_masks(self, embedding: Embedding, found: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Boxes with the masks of what is in them; what is a mask already stays."""
        if not any(isinstance(one.shape, Box) for one in found):
            return found
        return masks_in_boxes(self._segmenter, embedding, found, floor=LEAST)

    def _name(self, candidate: Candidate) -> str:
        """The category that a prediction means; of a model without classes the only one, if there is one."""
        only = next(iter(self._names.values())) if len(self._names) == 1 else ""
        return candidate.label or only

    def _scene(
        self, person: Person, goals: Sequence[Goal], costs: tuple[Acts, ...], found: Sequence[Candidate]
    ) -> Scene:
        shapes = [one.shape for one in found]
        return Scene(
            names=tuple(goal.name for goal in goals),
            targets=tuple(BOX_TARGET if isinstance(goal.shape, Box) else self._target for goal in goals),
            by_sam=costs,
            are_boxes=tuple(isinstance(goal.shape, Box) for goal in goals),
            overlaps=overlaps(shapes, goals, person.size),
            confidences=tuple(one.confidence for one in found),
            labels=tuple(self._name(one) for one in found),
            correction=cache(lambda place, truth: person.correction(shapes[place], goals[truth])),
        )

    def _learn(self) -> None:
        """Learn from the images that are done, where enough have come since the last time."""
        if not any(one.annotations for one in self._done):
            return
        new = len(self._done) - self._learnt_from
        if new < max(self._every, self._learnt_from // 4):
            learner = self._tools.learner
            if learner is not None and learner.least <= 1 and len(self._done) < FEW_IMAGES:
                self._learn_by(learner, self._take)  # by look-alikes, which takes no time
            return
        self._learnt_from = len(self._done)
        masks = sum(not isinstance(one.shape, Box) for done in self._done for one in done.annotations)
        clicks = self._tools.clicks if masks >= LEAST_MASKS else None
        self._learn_by(self._tools.learner, self._take)
        self._learn_by(clicks, self._take_clicks)

    def _learn_by(self, learner: Relearner | None, take: Callable[[ModelSpec], None]) -> None:
        try:
            if learner is not None:
                take(learner.learnt(self._done))
        except LabelerError as error:
            self.complaints.append(f"After {len(self._done)} images nothing was learnt. {error}")

    def _take(self, spec: ModelSpec) -> None:
        self._models[-1] = Loaded(spec, load_detector(spec))

    def _take_clicks(self, spec: ModelSpec) -> None:
        """What was learnt answers from now on, for the prompts for which it is better."""
        model = spec.load()
        assert isinstance(model, Segmenter), "the trainer of clicks makes promptable models"
        self._segmenter = model


def is_asked(annotation: Annotation, truth: Box | Mask) -> bool:
    """Whether an object is one to label: no crowd, and no mask under `SMALLEST` pixels or empty box."""
    least = SMALLEST if isinstance(truth, Mask) else 0.0
    return not annotation.crowd and bounds(truth).area > 0 and area(truth) >= least


def _numbered(candidate: Candidate, number: int) -> Candidate:
    return Candidate(number, 0, 0, 0, candidate.shape, candidate.confidence, candidate.label)


def _shares(shapes: Sequence[Shape], regions: Sequence[Mask], size: tuple[int, int]) -> NDArray[np.float64]:
    """(P,) The share of each shape that lies on these regions."""
    if not regions or not shapes:
        return np.zeros(len(shapes))
    masks = [rasterise(one, size=size) for one in shapes]
    shared: NDArray[np.float64] = mask_intersection(masks, regions).sum(axis=1)
    return shared / np.maximum(mask_area(masks), 1.0)


def _together(acts: Sequence[Acts]) -> Acts:
    total = NOTHING
    for one in acts:
        total += one
    return total
