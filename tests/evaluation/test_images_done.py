"""From which confidence predictions would have saved most on images that are labelled."""

import numpy as np
import pytest

from labeler.core.records import Annotation, Box, Candidate, Mask
from labeler.evaluation.effort.images_done import DoneImage, best_confidence
from labeler.evaluation.effort.threshold_habit import NONE

SIZE = (100, 400)


def box(place: int, *, by: float = 0.0) -> Box:
    return Box(40.0 * place + by, 10, 40.0 * place + 30 + by, 60)


def image(right, wrong, *, label: str = "cat", category: int = 1, as_masks: bool = False) -> DoneImage:
    """Objects side by side; predictions of these confidences that are right, and that are on nothing."""

    def shape(place: int) -> Box | Mask:
        return Mask(40 * place, 10, np.ones((50, 30), bool)) if as_masks else box(place)

    objects = tuple(Annotation(n, 1, 1, shape(n)) for n in range(len(right)))
    found = [Candidate(n, 1, 1, category, shape(n), c, label) for n, c in enumerate(right)]
    found += [Candidate(50 + n, 1, 1, category, box(9, by=n % 2 * 5), c, label) for n, c in enumerate(wrong)]
    return DoneImage(SIZE, objects, tuple(found))


@pytest.mark.parametrize("as_masks", [False, True])
@pytest.mark.parametrize(("label", "category"), [("cat", 1), ("", 0)])
def test_the_threshold_goes_between_what_is_right_and_what_is_wrong(as_masks, label, category):
    done = [image([0.9, 0.8, 0.62], [0.5, 0.4, 0.3, 0.3], label=label, category=category, as_masks=as_masks)]
    assert 0.5 < best_confidence(done, 0.25) <= 0.6


def test_it_stays_where_nothing_is_better_or_known():
    assert best_confidence([], 0.37) == 0.37
    assert best_confidence([image([], [])], 0.37) == 0.37
    assert best_confidence([image([0.9, 0.8], [])], 0.37) == 0.37


def test_where_all_cost_more_than_they_save_none_is_shown():
    assert best_confidence([image([], [0.9, 0.95, 0.97])], 0.25) == NONE


def test_the_last_images_decide_and_other_categories_cost_a_digit():
    old = [image([0.9], [0.8] * 4)] * 10
    new = [image([0.9, 0.4, 0.35], [])] * 10
    assert best_confidence([*old, *new], 0.7) <= 0.35
    assert best_confidence([*new, *old], 0.3) > 0.8
    named = [image([0.9, 0.8, 0.7], [], category=2)]
    assert best_confidence(named, 0.25) == 0.25
