"""How good predictions are: COCO's figures, and every match behind them."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from labeler.core.records import Box, Candidate
from labeler.errors import FormatError
from labeler.evaluation import library, pixel_counts
from labeler.evaluation.columns import ObjectColumns, Sheet, prediction_columns, sheet, truth_columns
from labeler.evaluation.findings import (
    By,
    CategoryResult,
    Evaluation,
    Images,
    MatchedPairs,
    RankedPredictions,
    Singles,
    Summary,
    Truths,
)
from labeler.evaluation.meetings import Meetings, matched, meetings
from labeler.evaluation.operating_points import ThresholdSweep
from labeler.formats.coco.coco_writing import exported_ids
from labeler.formats.coco.results import read_results
from labeler.formats.json_text import no_collection
from labeler.formats.report import Report
from labeler.formats.spec import Dataset


def evaluate(
    truths: Dataset,
    predictions: Sequence[Candidate],
    *,
    by: By = "box",
    title: str = "",
    pixel_confidence: float | None = None,
) -> Evaluation:
    """Evaluate predictions, whose image and category ids are those of the data set's records.

    By masks every shape is filled as COCO's own tools do it, a box too. The pixel figures are of predictions
    of at least `pixel_confidence`, where that is None of the confidence with the best F1. Predictions
    without a category are left out. Raises FormatError where there are no images.
    """
    if not truths.images:
        raise FormatError("There are no images in the labels, so there is nothing to evaluate.")
    with no_collection():
        return _evaluated(truths, predictions, by, title, pixel_confidence)


def _evaluated(
    truths: Dataset, predictions: Sequence[Candidate], by: By, title: str, pixel_confidence: float | None
) -> Evaluation:
    on = sheet(truths, predictions)
    ours, theirs = prediction_columns(predictions, on, by), truth_columns(truths.annotations, on, by)
    figures = library.measured(theirs, ours, on, by)
    found = meetings(ours, theirs, least=float(figures.thresholds[0]))
    hits, overlaps = matched(ours, theirs, found, thresholds=figures.thresholds)
    counted = np.bincount(ours.categories, minlength=len(on.category_ids)).tolist()
    sought = np.bincount(theirs.categories[~theirs.crowd], minlength=len(on.category_ids)).tolist()
    rows = zip(on.category_ids, on.category_names, sought, counted, figures.categories, strict=True)
    summary = Summary(
        title=title,
        by=by,
        created=time.time(),
        images=len(on.names),
        truths=sum(sought),
        predictions=len(ours.ids),
        figures=figures.total,
        categories=tuple(CategoryResult(*row) for row in rows),
    )
    evaluation = Evaluation(
        summary,
        Images(on.image_ids, on.names),
        Truths(theirs.ids, theirs.images, theirs.categories, _corners(theirs), theirs.areas, theirs.crowd),
        RankedPredictions(
            ours.ids, ours.images, ours.categories, _corners(ours), ours.confidences, hits, overlaps
        ),
        _pairs(found, theirs),
        figures.thresholds,
        figures.precision,
    )
    return _with_pixels(evaluation, ours, theirs, on, pixel_confidence) if by == "mask" else evaluation


def evaluate_all(
    truths: Dataset,
    models: Sequence[tuple[str, Sequence[Candidate]]],
    *,
    by: By | None = None,
    pixel_confidence: float | None = None,
) -> tuple[Evaluation, ...]:
    """Evaluate each (title, predictions) in the same way, so that they can be compared.

    `by` None compares masks where the labels and every model have some, and boxes elsewhere. See `evaluate`.
    """
    kinds = {kind_of(truths, predictions) for _, predictions in models}
    chosen: By = by or ("mask" if kinds == {"mask"} else "box")
    return tuple(
        evaluate(truths, predictions, by=chosen, title=title, pixel_confidence=pixel_confidence)
        for title, predictions in models
    )


def read_predictions(truths: Dataset, results: Path) -> tuple[tuple[Candidate, ...], Report]:
    """The candidates of a results file that names images and categories as the file of `truths` does."""
    image_ids, category_ids = exported_ids(truths.images), exported_ids(truths.categories)
    return read_results(
        results,
        images={image_ids[image.id]: image for image in truths.images},
        categories={category_ids[category.id]: category for category in truths.categories},
    )


def kind_of(truths: Dataset, predictions: Sequence[Candidate]) -> By:
    """What to compare: masks where both sides have an outline or a mask, else boxes."""
    shaped = (
        any(not isinstance(item.shape, Box) for item in items) for items in (truths.annotations, predictions)
    )
    return "mask" if all(shaped) else "box"


def _corners(columns: ObjectColumns) -> Singles:
    x, y, width, height = columns.boxes.T
    return np.stack([x, y, x + width, y + height], axis=1).astype(np.float32)


def _pairs(found: Meetings, truths: ObjectColumns) -> MatchedPairs:
    real = ~truths.crowd[found.truths]
    return MatchedPairs(found.predictions[real], found.truths[real], found.overlaps[real].astype(np.float32))


def _with_pixels(
    evaluation: Evaluation, ours: ObjectColumns, theirs: ObjectColumns, on: Sheet, confidence: float | None
) -> Evaluation:
    """The evaluation with IoU and Dice of the pixels of each category."""
    chosen = ThresholdSweep(evaluation).best() if confidence is None else confidence
    counts = pixel_counts.counted(ours, theirs, kinds=len(on.category_ids), confidence=chosen)
    categories = tuple(
        replace(one, pixel_iou=count.iou, pixel_dice=count.dice)
        for one, count in zip(evaluation.categories, counts, strict=True)
    )
    return replace(
        evaluation, summary=replace(evaluation.summary, categories=categories, pixel_confidence=chosen)
    )
