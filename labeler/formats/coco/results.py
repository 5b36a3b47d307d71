"""COCO results, a JSON list of scored objects, as the candidates of a model.

Format: https://cocodataset.org/#format-results: image_id, category_id, score, and a bbox or a segmentation
(run-length mask or polygons). Other keys are left aside.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
PORTION = 512
"""Items that are made into candidates at once."""
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
    reading = ResultsReading(
        name, items, notes, images=images, categories=categories, model_id=model_id, should_stop=should_stop
    )
    return tuple(one for portion in reading.portions() for one in portion), reading.report()


class ResultsReading:
    """An opened results file, whose candidates are made as they are taken: all at once are gigabytes."""

    def __init__(
        self,
        name: str,
        items: Sequence[Raw],
        notes: tuple[FieldNote, ...],
        *,
        images: Mapping[int, Image] | Mapping[Key, Image],
        categories: Mapping[int, Category] | Mapping[Key, Category],
        model_id: int = 0,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._name = name
        self._items = items
        self._model = model_id
        self._should_stop = should_stop
        self._budget = MaskBudget()
        self._images, self._categories = FileIds.of("image", images), FileIds.of("category", categories)
        self._ledger = Ledger()
        self._ledger.extend(notes)

    def portions(self) -> Iterator[list[Candidate]]:
        """The candidates, their ids being places in the file from 1; ImportStoppedError when stopped."""
        for start in range(0, len(self._items), PORTION):
            if self._should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            found = (
                self._candidate(index, raw)
                for index, raw in enumerate(self._items[start : start + PORTION], start)
            )
            yield [one for one in found if one is not None]

    def report(self) -> Report:
        """What became of each item that was taken so far."""
        return self._ledger.report(self._name, {KIND: len(self._items)})

    def _candidate(self, index: int, raw: Raw) -> Candidate | None:
        repairs: Repairs = []
        try:
            fields = fields_of(raw, repairs)
            image = self._images.find(fields, "image_id", repairs)
            category = self._categories.find(fields, "category_id", repairs)
            confidence = _confidence(fields, repairs)
            size = (image.width, image.height) if image.width else None
            shape, _ = read_placed(self._budget, fields, CoordinateFrame(size), repairs)
        except RefusalError as refusal:
            self._ledger.note("refused", KIND, index, refusal.field, refusal.sentence)
            return None
        for field, sentence in repairs:
            self._ledger.note("repaired", KIND, index, field, sentence)
        return Candidate(index + 1, image.id, self._model, category.id, shape, confidence)


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
