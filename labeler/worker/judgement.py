"""A new model, and the one that it would replace, on the images that the run was judged on."""

from collections.abc import Sequence

import msgspec

from labeler.core.filtering import CandidateFilter, Filter
from labeler.core.records import Candidate
from labeler.errors import ModelError
from labeler.evaluation.evaluator import evaluate_all
from labeler.evaluation.findings import Evaluation, Figures
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.spec import Dataset
from labeler.models.prediction import load_detector, predict
from labeler.models.protocols import ModelSpec
from labeler.training.events import Counted, Report, ShouldStop, unheard
from labeler.training.run import Judged, RunFolder
from labeler.training.specs import StoppedError
from labeler.worker.child import guarded

_FILTER = Filter(confidence=0.01, iou=0.5, kind="class-wise", top_k=300)
"""As `labeler predict` writes results, but for the confidence: a curve needs the doubtful ones too."""


def judge(
    folder: RunFolder,
    models: Sequence[ModelSpec],
    should_stop: ShouldStop,
    *,
    counted: Report = unheard,
) -> tuple[Evaluation, ...]:
    """The evaluation of each model on the run's validation images, all by masks or all by boxes.

    `counted` hears how far it is. Raises ModelError with one sentence where a model cannot be loaded,
    StoppedError soon after `should_stop()`.
    """
    truths, _ = read_coco(folder.validation_labels)
    count = Counted("judging", len(models) * len(truths.images), counted)
    return evaluate_all(
        truths, [(model.title, _found(folder, truths, model, should_stop, count)) for model in models]
    )


def judged(evaluation: Evaluation) -> Judged:
    """Its figures by the names that people know; those of masks say so, as trainers' metrics do."""
    prefix = "mask " if evaluation.summary.by == "mask" else ""
    named = _named(evaluation.summary.figures)
    return Judged(evaluation.summary.title, {f"{prefix}{name}": value for name, value in named.items()})


def _named(figures: Figures) -> dict[str, float]:
    named = {"AP": figures.ap, "AP50": figures.ap50, "AP75": figures.ap75, "AR": figures.ar100}
    return {name: value for name, value in named.items() if value is not None}


def _found(
    folder: RunFolder, truths: Dataset, spec: ModelSpec, should_stop: ShouldStop, count: Counted
) -> list[Candidate]:
    """What a model finds, in the ids of `truths`; classes that are no category there are left out."""
    model = guarded("be loaded", lambda: load_detector(spec))
    category = {_plain(one.name): one.id for one in truths.categories}
    images = ((image.id, folder.images / image.path) for image in truths.images)
    found: list[Candidate] = []
    for one in predict(model, spec, images, as_evaluated=True, stop=should_stop):
        if one.failure:
            raise ModelError(one.failure)
        named = [
            msgspec.structs.replace(candidate, id=number, category_id=category[_plain(candidate.label)])
            for number, candidate in enumerate(one.candidates, 1)
            if _plain(candidate.label) in category
        ]
        filtered = CandidateFilter(named, suppressed=not spec.needs_suppression).apply(_FILTER)
        by_id = {candidate.id: candidate for candidate in named}
        found += [
            msgspec.structs.replace(by_id[number], confidence=filtered.confidences[number])
            for number in filtered.kept
        ]
        count.advance()
    if should_stop():
        raise StoppedError("The run was stopped while its model was judged.")
    return [msgspec.structs.replace(one, id=number) for number, one in enumerate(found, 1)]


def _plain(name: str) -> str:
    return name.strip().casefold()
