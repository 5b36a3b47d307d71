import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.measures.set_agreement import (
    AgreementTally,
    ImageMeasure,
    by_category,
    course,
    measure,
    summed,
    worst_first,
)
from labeler.core.records import Annotation, Box, Candidate

tallies = st.builds(
    AgreementTally,
    matched=st.integers(0, 50),
    missed=st.integers(0, 50),
    extra=st.integers(0, 50),
    # whole numbers: their sums are exact in any order
    iou=st.integers(0, 50).map(float),
    dice=st.integers(0, 50).map(float),
)


def annotation(key, box, *, category=1, prediction=None):
    return Annotation(key, 1, category, box, prediction_id=prediction)


def candidate(key, box, *, category=1, confidence=0.9):
    return Candidate(key, 1, 1, category, box, confidence)


def test_an_image_by_hand():
    found = measure(
        7,
        [
            annotation(1, Box(0, 0, 10, 10)),
            annotation(2, Box(100, 0, 110, 10)),
            annotation(3, Box(200, 0, 210, 10), category=2),
        ],
        [
            candidate(11, Box(0, 0, 10, 8)),  # IoU 0.8, Dice 160 / 180
            candidate(12, Box(100, 0, 110, 10)),  # IoU 1
            candidate(13, Box(300, 0, 310, 10)),  # extra
            candidate(14, Box(200, 0, 210, 4), category=2),  # IoU 0.4, not a pair
            candidate(15, Box(400, 0, 410, 10), category=0),  # of no category
        ],
        size=(500, 500),
    )
    assert found.categories[1] == AgreementTally(2, 0, 1, pytest.approx(1.8), pytest.approx(160 / 180 + 1))
    assert found.categories[2] == AgreementTally(0, 1, 1)
    assert (found.worst_id, found.worst_iou) == (1, pytest.approx(0.8))
    total = found.total
    assert (total.matched, total.missed, total.extra) == (2, 1, 2)
    assert total.mean_iou == pytest.approx(0.9)
    assert total.f1 == pytest.approx(4 / 7)
    assert total.quality == pytest.approx(0.9 * 4 / 7)


def test_an_accepted_prediction_is_a_pair_however_far_it_was_moved_and_of_whatever_category():
    moved = annotation(1, Box(0, 0, 10, 10), prediction=11)
    found = measure(1, [moved], [candidate(11, Box(8, 0, 18, 10), category=0)], size=(99, 99))
    assert found.categories[1].matched == 1
    assert found.worst_iou == pytest.approx(2 / 18)


def test_the_threshold_decides_what_a_pair_is():
    pair = [annotation(1, Box(0, 0, 10, 10))], [candidate(11, Box(0, 0, 10, 6))]
    assert measure(1, *pair, size=(9, 9), threshold=0.6).total.matched == 1
    assert measure(1, *pair, size=(9, 9), threshold=0.61).total == AgreementTally(0, 1, 1)


def test_nothing_has_no_numbers():
    empty = AgreementTally()
    assert (empty.mean_iou, empty.mean_dice, empty.f1, empty.quality) == (None, None, None, None)


def image(key, tally, category=1):
    return ImageMeasure(key, {category: tally})


def test_the_set_and_its_categories_are_sums():
    measures = [
        image(1, AgreementTally(1, 0, 0, 0.5, 0.6)),
        image(2, AgreementTally(3, 1, 0, 2.5, 2.7)),
        image(3, AgreementTally(0, 2), 2),
    ]
    sums = by_category(measures)
    assert sums[1] == AgreementTally(4, 1, 0, 3.0, pytest.approx(3.3))
    assert sums[2] == AgreementTally(0, 2)
    assert sums[1].mean_iou == 0.75


def test_worst_first_of_all_and_of_a_category():
    good, half, bad = (
        AgreementTally(4, 0, 0, 4.0, 4.0),
        AgreementTally(2, 2, 0, 1.5, 1.6),
        AgreementTally(0, 1),
    )
    measures = [
        image(1, good),
        image(2, half),
        image(3, bad),
        image(4, AgreementTally()),
        image(5, AgreementTally(0, 3)),
    ]
    assert worst_first(measures) == [5, 3, 2, 1]
    assert worst_first([image(1, bad), image(2, bad, 7)], category_id=7) == [2]


def test_a_course_replaces_what_an_image_was_before():
    first, second = AgreementTally(1, 0, 0, 0.5, 0.6), AgreementTally(1, 0, 0, 0.9, 0.95)
    moments = course([(0.0, 1, first), (10.0, 2, first), (20.0, 1, second)])
    assert [m.time for m in moments] == [0.0, 10.0, 20.0]
    assert [m.tally.matched for m in moments] == [1, 2, 2]
    assert [m.tally.mean_iou for m in moments] == pytest.approx([0.5, 0.5, 0.7])
    assert [m.tally.mean_dice for m in moments] == pytest.approx([0.6, 0.6, 0.775])
    assert [m.images for m in moments] == [(1,), (2,), (1,)]
    assert course([]) == []


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 9), tallies), max_size=60))
def test_the_last_moment_is_the_sum_of_the_last_of_each_image(rows):
    rows.sort(key=lambda row: row[0])
    moments = course([(float(when), *rest) for when, *rest in rows], points=7)
    assert len(moments) <= 7
    last = {image_id: tally for _, image_id, tally in rows}
    if rows:
        assert moments[-1].tally == summed(last.values())
        assert sum(last.values(), AgreementTally()) == summed(last.values())


@pytest.mark.parametrize("points", [1, 3, 100])
def test_a_course_is_the_same_whenever_it_began(points):
    days = (0, 1, 5, 6, 40, 41, 90)
    rows = [(float(day), day % 3, AgreementTally(day + 1, 0, 0, 1.0, 1.0)) for day in days]
    now = course(rows, points=points)
    later = course([(when + 4096, *rest) for when, *rest in rows], points=points)
    assert [(one.time + 4096, one.tally, one.images) for one in now] == [
        (one.time, one.tally, one.images) for one in later
    ]
    assert len(now) == {1: 1, 3: 3, 100: len(days)}[points]
