"""COCO results, a JSON list of scored objects, as the candidates of a model.

Format: https://cocodataset.org/#format-results: image_id, category_id, score, and a bbox or a segmentation
(run-length mask or polygons). Other keys are left aside.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Raw

from labeler.core.records import Candidate, Category, Image
from labeler.errors import ImportStoppedError
from labeler.formats.coco.coco_file import open_list
from labeler.formats.coco.file_ids import FileIds, Key
from labeler.formats.coco.frames import CoordinateFrame
from labeler.formats.coco.placed_shapes import read_placed
from labeler.formats.coco.shapes import MaskBudget
from labeler.formats.gates import NUMBER, Fields, RefusalError, Repairs, fields_of
from labeler.formats.report import FieldNote, Ledger, Report

KIND = "results"
_SCORE_SLACK = 1e-6


def read_results(
    path: Path,
    *,
    images: Mapping[int, Image],
    categories: Mapping[int, Category],
    model_id: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[tuple[Candidate, ...], Report]:
    """The candidates of a results file, their ids being places in it from 1, and what became of each item.

    `images` and `categories` are keyed by the ids that the file uses for them (see `coco.exported_ids`).
    Raises FormatError when the file is no JSON list.
    """
    items, notes = open_list(path)
    return results_of(
        path.name,
        items,
        notes,
        images=images,
        categories=categories,
        model_id=model_id,
        should_stop=should_stop,
    )


def results_of(
    name: str,
    items: Sequence[Raw],
    notes: tuple[FieldNote, ...],
    *,
    images: Mapping[int, Image] | Mapping[Key, Image],
    categories: Mapping[int, Category] | Mapping[Key, Category],
    model_id: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[tuple[Candidate, ...], Report]:
    """The candidates of the opened results file of that name; see `read_results`."""
    ledger = Ledger()
    ledger.extend(notes)
    candidates: list[Candidate] = []
    budget = MaskBudget()
    image_ids, category_ids = FileIds.of("image", images), FileIds.of("category", categories)
    for index, raw in enumerate(items):
        if index % 256 == 0 and should_stop():
            raise ImportStoppedError("Nothing was imported: it was stopped.")
        repairs: Repairs = []
        try:
            fields = fields_of(raw, repairs)
            image = image_ids.find(fields, "image_id", repairs)
            category = category_ids.find(fields, "category_id", repairs)
            confidence = _confidence(fields, repairs)
            size = (image.width, image.height) if image.width else None
            shape, _ = read_placed(budget, fields, CoordinateFrame(size), repairs)
        except RefusalError as refusal:
            ledger.note("refused", KIND, index, refusal.field, refusal.sentence)
            continue
        for field, sentence in repairs:
            ledger.note("repaired", KIND, index, field, sentence)
        candidates.append(Candidate(index + 1, image.id, model_id, category.id, shape, confidence))
    return tuple(candidates), ledger.report(name, {KIND: len(items)})


def _confidence(fields: Fields, repairs: Repairs) -> float:
    if "score" not in fields:
        raise RefusalError("score", "Is missing.")
    score = NUMBER.read(fields["score"], "score")
    if not -_SCORE_SLACK <= score <= 1 + _SCORE_SLACK:
        raise RefusalError("score", f"Must be from 0 to 1, but is {score:g}.")
    confidence = min(max(score, 0.0), 1.0)
    if confidence != score:
        repairs.append(("score", f"Was {score!r}, taken as {confidence:g}."))
    return confidence
