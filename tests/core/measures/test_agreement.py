"""Matched, missed and extra on one image."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from labeler.core.measures.agreement import Overlaps, compare
from labeler.core.measures.matching import match
from labeler.core.measures.overlap import shape_overlap
from labeler.core.records import Annotation, Box, Candidate, Mask, Shape

SIZE = (200, 200)


def annotation(at: int, shape: Shape, *, category: int = 1, accepted: int | None = None) -> Annotation:
    return Annotation(at, 1, category, shape, prediction_id=accepted)


def candidate(at: int, shape: Shape, *, category: int = 1) -> Candidate:
    return Candidate(at, 1, 1, category, shape, 0.9)


def test_nothing_agrees_with_nothing() -> None:
    found = compare([], [], overlaps=Overlaps(SIZE))
    assert (dict(found.pairs), found.missed, found.extra) == ({}, (), ())
    assert (found.mean_iou, found.mean_dice) == (0.0, 0.0)


def test_matched_missed_and_extra() -> None:
    here = [annotation(1, Box(0, 0, 100, 100)), annotation(2, Box(150, 150, 160, 160))]
    there = [candidate(7, Box(0, 0, 100, 80)), candidate(8, Box(120, 0, 140, 20))]
    found = compare(here, there, overlaps=Overlaps(SIZE))
    assert list(found.pairs) == [1]
    assert found.pairs[1][0].id == 7
    assert found.missed == (2,)
    assert [one.id for one in found.extra] == [8]
    assert found.mean_iou == pytest.approx(0.8)
    assert found.mean_dice == pytest.approx(2 * 0.8 / 1.8)


def test_another_category_is_another_object() -> None:
    found = compare(
        [annotation(1, Box(0, 0, 9, 9))], [candidate(7, Box(0, 0, 9, 9), category=2)], overlaps=Overlaps(SIZE)
    )
    assert found.missed == (1,)
    assert len(found.extra) == 1


def test_too_little_overlap_is_no_match() -> None:
    here, there = [annotation(1, Box(0, 0, 100, 10))], [candidate(7, Box(0, 0, 49, 10))]
    assert compare(here, there, overlaps=Overlaps(SIZE)).missed == (1,)
    assert list(compare(here, there, overlaps=Overlaps(SIZE), threshold=0.49).pairs) == [1]


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize(
    "there",
    [
        Box(100, 0, 200, 100),  # along the right side
        Box(0, 100, 100, 200),  # along the lower side
        Box(100, 100, 200, 200),  # at a corner
    ],
)
def test_boxes_that_only_touch_are_two_objects(there: Box, threshold: float) -> None:
    ours, theirs = Box(0, 0, 100, 100), there
    for here, found in ((ours, theirs), (theirs, ours)):
        compared = compare(
            [annotation(1, here)], [candidate(7, found)], overlaps=Overlaps(SIZE), threshold=threshold
        )
        assert (dict(compared.pairs), compared.missed) == ({}, (1,))
        assert [one.id for one in compared.extra] == [7]


def test_one_candidate_is_of_one_object_even_where_two_were_accepted_from_it() -> None:
    """A copy of an accepted object knows the same candidate."""
    here = [annotation(1, Box(0, 0, 9, 9), accepted=7), annotation(2, Box(50, 50, 59, 59), accepted=7)]
    found = compare(here, [candidate(7, Box(0, 0, 9, 9))], overlaps=Overlaps(SIZE))
    assert list(found.pairs) == [1]
    assert found.missed == (2,)
    assert found.extra == ()


def test_what_was_accepted_from_a_candidate_that_is_gone_is_matched_like_any_other() -> None:
    here = [annotation(1, Box(0, 0, 9, 9), accepted=99)]
    found = compare(here, [candidate(7, Box(0, 0, 9, 9))], overlaps=Overlaps(SIZE))
    assert found.pairs[1][0].id == 7


def test_what_was_accepted_stays_with_its_candidate_however_far_it_was_moved() -> None:
    here = [annotation(1, Box(0, 0, 20, 20), accepted=7), annotation(2, Box(100, 100, 120, 120))]
    there = [candidate(7, Box(100, 100, 120, 120)), candidate(8, Box(0, 0, 20, 20))]
    found = compare(here, there, overlaps=Overlaps(SIZE))
    assert found.pairs[1][0].id == 7
    assert found.pairs[1][1].iou == 0.0
    assert found.missed == (2,)
    assert [one.id for one in found.extra] == [8]


def test_the_largest_total_wins_over_the_largest_single_overlap() -> None:
    here = [annotation(1, Box(0, 0, 100, 10)), annotation(2, Box(10, 0, 110, 10))]
    there = [candidate(7, Box(2, 0, 102, 10)), candidate(8, Box(30, 0, 130, 10))]
    pairs = compare(here, there, overlaps=Overlaps(SIZE), threshold=0.1).pairs
    assert {at: found.id for at, (found, _) in pairs.items()} == {1: 7, 2: 8}


def test_masks_and_boxes_are_compared_as_pixels() -> None:
    found = compare(
        [annotation(1, Mask(10, 10, np.ones((20, 20), dtype=bool)))],
        [candidate(7, Box(10, 10, 30, 30))],
        overlaps=Overlaps(SIZE),
    )
    assert found.pairs[1][1].iou == 1.0


def test_an_overlap_is_worked_out_anew_for_a_new_shape_only() -> None:
    overlaps, there = Overlaps(SIZE), candidate(7, Box(0, 0, 20, 20))
    here = annotation(1, Box(0, 0, 10, 20))
    first = overlaps.of(here, there)
    assert first.iou == 0.5
    assert overlaps.of(replace(here, category_id=2), there) is first
    assert overlaps.of(replace(here, shape=Box(0, 0, 5, 20)), there).iou == 0.25


boxes = st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 60)] * 2).map(
    lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
labelled = st.lists(st.tuples(boxes, st.integers(1, 2)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(labelled, labelled)
def test_grouping_changes_nothing(ours: list[tuple[Box, int]], theirs: list[tuple[Box, int]]) -> None:
    here = [annotation(at, box, category=category) for at, (box, category) in enumerate(ours)]
    there = [candidate(at, box, category=category) for at, (box, category) in enumerate(theirs)]
    found = compare(here, there, overlaps=Overlaps(SIZE))
    iou = np.zeros((len(here), len(there)))
    for (i, a), (j, c) in product(enumerate(here), enumerate(there)):
        if a.category_id == c.category_id:
            iou[i, j] = shape_overlap(a.shape, c.shape, size=SIZE).iou
    total = sum(iou[i, j] for i, j in match(iou, threshold=0.5))
    assert sum(overlap.iou for _, overlap in found.pairs.values()) == pytest.approx(total)
    assert len(found.pairs) + len(found.missed) == len(here)
    assert len(found.pairs) + len(found.extra) == len(there)
