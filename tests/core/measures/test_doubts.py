"""Which labels predictions speak against."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.measures.doubts import LEAST, doubts
from labeler.core.records import Annotation, Box, Candidate


def label(key, x, *, category=1, width=100.0, crowd=False):
    return Annotation(key, 7, category, Box(x, 0, x + width, 100), crowd=crowd)


def predicted(key, x, *, category=1, confidence=0.9, width=100.0):
    return Candidate(key, 7, 1, category, Box(x, 0, x + width, 100), confidence, "a")


def told(labels, predictions, **more):
    return [
        (one.kind, one.annotation_id, one.candidate_id, one.category_id)
        for one in doubts(7, labels, predictions, **more)
    ]


def test_labels_that_are_predicted_as_they_are_raise_no_doubt():
    assert (
        told([label(1, 0), label(2, 300, category=2)], [predicted(5, 4), predicted(6, 300, category=2)]) == []
    )
    assert told([label(1, 0)], []) == []
    assert told([], []) == []


def test_each_kind():
    labels = [
        label(1, 0),
        label(2, 3),  # twice
        label(3, 300),  # lies 50 too far right
        label(4, 500, category=2),  # is a 1
        label(5, 0, crowd=True),  # no label
    ]
    predictions = [
        predicted(11, 0),
        predicted(12, 250),
        predicted(13, 500),
        predicted(14, 700, confidence=0.8),  # missed
    ]
    assert set(told(labels, predictions)) == {
        ("doubled", 2, 0, 1),
        ("loose", 3, 12, 1),
        ("misnamed", 4, 13, 1),
        ("missed", 0, 14, 1),
    }


def test_what_a_label_and_a_surer_prediction_confirm_is_not_doubtful():
    # one box of two categories: the label's own is the surer one
    both = [predicted(1, 0, confidence=0.9), predicted(2, 0, category=2, confidence=0.6)]
    assert told([label(1, 0)], both) == []
    assert told([label(1, 0)], [*both[:1], predicted(2, 0, category=2, confidence=0.95)], least=0.01) == [
        ("misnamed", 1, 2, 2)
    ]
    # a loose prediction beside a tight one is of another object, and says nothing of the label
    assert told([label(1, 0)], [predicted(1, 0), predicted(2, 45, confidence=0.8)]) == [("missed", 0, 2, 1)]


def test_two_predictions_of_one_place_are_one_doubt():
    assert told([], [predicted(1, 0), predicted(2, 5, category=2, confidence=0.7)]) == [("missed", 0, 1, 1)]


def test_what_is_of_no_category_and_what_is_unsure_says_nothing():
    assert told([], [predicted(1, 0, category=0)]) == []
    assert told([], [predicted(1, 0, confidence=LEAST - 0.01)]) == []
    assert told([label(1, 0, category=3)], [predicted(1, 0, category=0)]) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 6))
def test_each_label_stands_once_and_scores_fall(seed, labels, predictions):
    rng = np.random.default_rng(seed)

    def one(kind, key):
        return kind(key, float(rng.uniform(0, 200)), category=int(rng.integers(1, 3)))

    found = doubts(
        7,
        [one(label, n + 1) for n in range(labels)],
        [one(predicted, n + 1) for n in range(predictions)],
        least=0.0,
    )
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)
    keys = [(each.annotation_id, each.annotation_id or each.candidate_id) for each in found]
    assert len(keys) == len(set(keys))


def test_a_score_is_the_confidence_where_nothing_is_labelled():
    (one,) = doubts(7, [], [predicted(1, 0, confidence=0.7)])
    assert one.score == pytest.approx(0.7)
