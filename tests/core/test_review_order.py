import numpy as np
import pytest

from labeler.core.filtering import Filter
from labeler.core.records import Annotation, Box, Candidate, Mask
from labeler.core.review_order import QueueItem, ordered, pace, predictions_of, without_repeats

PLACES = {5: 0, 3: 1, 4: 2}


def item(key, image, confidence, iou=0.0):
    return QueueItem(image, key, 1, confidence, best_iou=iou)


ITEMS = [item(1, 4, 0.9), item(2, 5, 0.55), item(3, 3, 0.52), item(4, 5, 0.8, 0.7), item(5, 3, 0.44, 0.4)]


def keys(items):
    return [one.candidate_id for one in items]


def test_most_uncertain_first_keeps_the_objects_of_an_image_together():
    assert keys(ordered(ITEMS, "uncertain", places=PLACES)) == [3, 5, 2, 4, 1]


def test_most_uncertain_objects_first_wherever_they_are():
    assert keys(ordered(ITEMS, "scattered", places=PLACES)) == [3, 2, 5, 4, 1]


def test_in_order_goes_by_the_list_of_images_and_then_by_confidence():
    assert keys(ordered(ITEMS, "in order", places=PLACES)) == [4, 2, 3, 5, 1]


def test_most_disagreeing_goes_image_by_image_and_unlabelled_ones_come_last():
    assert keys(ordered(ITEMS, "disagreeing", places=PLACES, quality={3: 0.1, 5: 0.6})) == [3, 5, 2, 4, 1]


def test_pace_leaves_pauses_out():
    assert pace([0.0, 1.0], remaining=5) is None
    found = pace([0.0, 2.0, 4.0, 1000.0, 1002.0], remaining=30)
    assert found is not None
    assert (found.per_minute, found.seconds_left) == (30.0, 60.0)


def test_the_pace_is_that_of_the_last_decisions():
    slow = [30.0 * n for n in range(40)]
    quick = [slow[-1] + n for n in range(1, 22)]
    assert pace([*slow, *quick], remaining=1).per_minute == pytest.approx(60.0)


def candidate(key, shape, confidence=0.9, category=1):
    return Candidate(key, 1, 1, category, shape, confidence)


def test_what_repeats_an_annotation_or_one_before_it_is_left_out():
    drawn = Annotation(1, 1, 1, Box(0, 0, 100, 100))
    found = without_repeats(
        [
            candidate(1, Box(0, 0, 100, 90)),  # IoU 0.9
            candidate(2, Box(0, 0, 100, 89)),
            candidate(3, Box(0, 0, 100, 100), category=2),
            candidate(4, Box(0, 0, 100, 89)),
        ],
        [drawn],
        size=(200, 200),
    )
    assert keys_of(found) == [2, 3]


def keys_of(candidates):
    return [one.id for one in candidates]


def test_masks_are_compared_as_masks_and_not_by_their_boxes():
    full = np.ones((20, 20), bool)
    triangle = np.tri(20, dtype=bool)
    drawn = Annotation(1, 1, 1, Mask(5, 5, full))
    found = without_repeats(
        [candidate(1, Mask(5, 5, triangle)), candidate(2, Mask(5, 5, full))], [drawn], size=(50, 50)
    )
    assert keys_of(found) == [1]


def test_predictions_are_what_the_filter_keeps():
    all_ = [
        candidate(1, Box(0, 0, 10, 10), 0.6),
        candidate(2, Box(0, 0, 10, 9), 0.9),
        candidate(3, Box(50, 0, 60, 10), 0.1),
    ]
    assert keys_of(predictions_of(all_, Filter(), suppressed=False)) == [2]
    assert keys_of(predictions_of(all_, Filter(), suppressed=True)) == [2, 1]
