"""What stands behind the figures, on one evaluation that fits on a sheet of paper."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from labeler.core.measures.set_agreement import AgreementTally
from labeler.evaluation.by_image import by_image
from labeler.evaluation.columns import ObjectColumns
from labeler.evaluation.confusion import confusion
from labeler.evaluation.findings import Evaluation
from labeler.evaluation.items import ObjectItem, false_alarms, hits, images_of, missed
from labeler.evaluation.operating_points import Rates, ThresholdSweep, at, level
from labeler.evaluation.pixel_counts import PixelCount, counted
from tests.evaluation.on_paper import BACKGROUND, CAT, DOG, on_paper, places


@pytest.fixture
def sheet() -> Evaluation:
    return on_paper()


@pytest.mark.parametrize(
    ("confidence", "cats", "dogs"),
    [
        (0.95, Rates(3, 0, 0), Rates(1, 0, 0)),
        (0.9, Rates(3, 1, 0), Rates(1, 0, 0)),
        (0.85, Rates(3, 1, 0), Rates(1, 0, 0)),
        (0.8, Rates(3, 2, 1), Rates(1, 0, 0)),
        (0.6, Rates(3, 2, 2), Rates(1, 0, 0)),
        (0.5, Rates(3, 2, 2), Rates(1, 1, 0)),
        (0.0, Rates(3, 2, 2), Rates(1, 1, 0)),  # what lies in a crowd counts neither way
    ],
)
def test_rates_at_a_confidence(sheet: Evaluation, confidence: float, cats: Rates, dogs: Rates) -> None:
    found = at(sheet, confidence)
    assert found.categories == (cats, dogs)
    both = Rates(4, cats.hits + dogs.hits, cats.false_alarms + dogs.false_alarms)
    assert (found.total, found.confidence) == (both, confidence)
    assert found.total.missed == 4 - both.hits


def test_rates_at_a_stricter_overlap(sheet: Evaluation) -> None:
    assert at(sheet, 0.0, threshold=0.75).total == Rates(4, 1, 4)
    assert level(sheet, 0.75) == 1
    with pytest.raises(ValueError, match=r"^IoU 0\.6 was not evaluated\.$"):
        ThresholdSweep(sheet, threshold=0.6)


def test_the_confidence_of_the_largest_f1(sheet: Evaluation) -> None:
    """F1 of all at 0.9, 0.8, 0.6 and 0.5: 2/5, 4/7, 4/8 and 6/9; of cats 2/4, 4/6 and 4/7."""
    sweep = ThresholdSweep(sheet)
    assert (sweep.best(), sweep.best(CAT), sweep.best(DOG)) == (0.5, 0.8, 0.5)
    strict = ThresholdSweep(sheet, threshold=0.75)
    assert (strict.best(), strict.best(CAT)) == (0.9, 0.9)


@pytest.mark.parametrize(
    ("rates", "precision", "recall", "f1"),
    [
        (Rates(0, 0, 0), None, None, None),
        (Rates(4, 0, 0), None, 0.0, 0.0),
        (Rates(0, 0, 3), 0.0, None, 0.0),
        (Rates(4, 2, 1), 2 / 3, 0.5, 4 / 7),
        (Rates(2, 2, 0), 1.0, 1.0, 1.0),
    ],
)
def test_rates_of_nothing_are_none(rates: Rates, precision, recall, f1) -> None:
    assert (rates.precision, rates.recall, rates.f1) == (precision, recall, f1)


def test_a_missed_object_goes_with_what_it_was_taken_for(sheet: Evaluation) -> None:
    table = confusion(sheet, confidence=0.6)
    assert table.counts.tolist() == [[2, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert table.cell(DOG, CAT) == (ObjectItem(101, 2, 12, 0.8, 0.5625),)
    assert table.cell(BACKGROUND, CAT) == (ObjectItem(102, 4, None, 0.6, None),)
    assert table.cell(CAT, BACKGROUND) == (ObjectItem(102, None, 14, None, None),)
    assert [one.prediction_id for one in table.cell(CAT, CAT)] == [1, 3]


def test_an_object_that_is_found_is_taken_for_nothing_else(sheet: Evaluation) -> None:
    table = confusion(sheet, confidence=0.5)
    assert table.counts.tolist() == [[2, 0, 1], [0, 1, 0], [2, 0, 0]]
    everything = confusion(sheet, confidence=0.0)
    assert everything.counts.tolist() == table.counts.tolist()
    nothing = confusion(sheet, confidence=0.95)
    assert nothing.counts.tolist() == [[0, 0, 3], [0, 0, 1], [0, 0, 0]]


def test_how_each_image_agrees(sheet: Evaluation) -> None:
    first, second = by_image(sheet, confidence=0.5)
    assert (first.image_id, first.worst_id, first.worst_iou) == (101, 12, 0.75)
    assert first.categories == {
        7: AgreementTally(1, 0, 1, 0.875, 2 * 0.875 / 1.875),
        9: AgreementTally(1, 0, 0, 0.75, 2 * 0.75 / 1.75),
    }
    assert (second.image_id, second.worst_id, second.worst_iou) == (102, 13, 0.625)
    assert second.categories == {7: AgreementTally(1, 1, 1, 0.625, 2 * 0.625 / 1.625)}
    first, second = by_image(sheet, confidence=0.95)
    assert (first.worst_id, first.worst_iou) == (None, None)
    assert first.categories == {7: AgreementTally(0, 1, 0), 9: AgreementTally(0, 1, 0)}
    assert second.categories == {7: AgreementTally(0, 2, 0)}


def ids(items: tuple[ObjectItem, ...]) -> list[tuple[int | None, int | None]]:
    return [(one.prediction_id, one.truth_id) for one in items]


def test_the_objects_behind_a_number(sheet: Evaluation) -> None:
    assert ids(hits(sheet, confidence=0.5)) == [(5, 12), (3, 13), (1, 11)]
    assert [one.iou for one in hits(sheet, confidence=0.5)] == [0.75, 0.625, 0.875]
    assert ids(hits(sheet, confidence=0.6, category=CAT)) == [(3, 13), (1, 11)]
    assert ids(hits(sheet, confidence=0.0, threshold=0.75)) == [(1, 11)]
    assert ids(false_alarms(sheet, confidence=0.6)) == [(2, None), (4, None)]
    assert ids(false_alarms(sheet, confidence=0.7)) == [(2, None)]
    assert ids(false_alarms(sheet, confidence=0.0, category=DOG)) == []
    # the largest first; a crowd is not to be found
    assert ids(missed(sheet, confidence=0.95)) == [(None, 13), (None, 11), (None, 12), (None, 14)]
    assert ids(missed(sheet, confidence=0.5)) == [(None, 14)]
    assert ids(missed(sheet, confidence=0.6, category=DOG)) == [(None, 12)]
    assert images_of(missed(sheet, confidence=0.95)) == (102, 101)


# --- pixels ---------------------------------------------------------------------------------------------


def columns(*objects: tuple[int, int, tuple[int, int, int, int], float]) -> ObjectColumns:
    """Rectangles of image, category, x0, y0, x1, y1 on images of 10 by 10, and their confidences."""
    masks = []
    for _, _, (x0, y0, x1, y1), _ in objects:
        bits = np.zeros((10, 10), np.uint8, order="F")
        bits[y0:y1, x0:x1] = 1
        masks.append(coco_mask.encode(bits))
    count = len(objects)
    return ObjectColumns(
        ids=np.arange(count),
        images=places(*(one[0] for one in objects)),
        categories=places(*(one[1] for one in objects)),
        boxes=np.zeros((count, 4)),
        areas=np.zeros(count),
        masks=masks,
        crowd=np.zeros(count, bool),
        confidences=np.array([one[3] for one in objects], float),
    )


def test_pixels_of_each_category_over_all_images() -> None:
    truths = columns(
        (0, CAT, (0, 0, 4, 4), 0),
        (0, CAT, (2, 0, 6, 4), 0),
        (1, CAT, (0, 0, 1, 1), 0),
        (1, DOG, (5, 5, 9, 9), 0),
    )
    found = columns(
        (0, CAT, (0, 0, 4, 2), 0.9),
        (0, CAT, (8, 8, 10, 10), 0.5),
        (0, CAT, (0, 0, 10, 10), 0.4),  # below
        (1, CAT, (5, 5, 9, 9), 0.9),  # on a dog
    )
    cats, dogs, cows = counted(found, truths, kinds=3, confidence=0.5)
    # 24 labelled by two that overlap, and 1; 8 + 4 + 16 predicted, of which 8 are on a cat
    assert cats == PixelCount(8, 25, 28)
    assert dogs == PixelCount(0, 16, 0)
    assert cows == PixelCount()
    assert (cats.iou, cats.dice) == (8 / 45, 16 / 53)
    assert (dogs.iou, dogs.dice) == (0.0, 0.0)
    assert (cows.iou, cows.dice) == (None, None)
