"""Matching: against every possible assignment, and by hand."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeler.core.measures.matching import match

sides = st.tuples(st.integers(1, 5), st.integers(1, 5))
matrices = sides.flatmap(
    lambda shape: st.one_of(
        arrays(np.float64, shape, elements=st.floats(0, 1)),
        arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
    )
)


def best_sum(gain):
    """The largest sum of any one-to-one assignment, by trying them all."""
    if gain.shape[0] > gain.shape[1]:
        gain = gain.T
    rows = range(gain.shape[0])
    return max(
        sum(gain[row, order[row]] for row in rows) for order in permutations(range(gain.shape[1]), len(rows))
    )


@settings(max_examples=200)
@given(matrices, st.sampled_from([0.0, 0.3, 0.5]))
def test_hungarian_reaches_the_best_sum_there_is(iou, threshold):
    pairs = match(iou, threshold=threshold)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(iou[pair] >= threshold and iou[pair] > 0 for pair in pairs)
    assert pairs == tuple(sorted(pairs))
    expected = best_sum(np.where(iou >= threshold, iou, 0.0))
    assert sum(iou[pair] for pair in pairs) == pytest.approx(expected, abs=1e-9)


def test_hungarian_gives_up_the_best_pair_for_a_better_whole():
    iou = [[0.9, 0.8], [0.8, 0.0]]
    assert match(iou) == ((0, 1), (1, 0))
    assert match(iou, method="greedy") == ((0, 0),)


def test_hungarian_finds_a_hidden_assignment_among_many():
    rng = np.random.default_rng(0)
    hidden = rng.permutation(150)
    iou = rng.uniform(0.0, 0.6, (120, 150))
    iou[np.arange(120), hidden[:120]] = rng.uniform(0.9, 1.0, 120)
    assert match(iou, threshold=0.1) == tuple(enumerate(hidden[:120].tolist()))


def test_greedy_lets_the_more_confident_choose_first():
    iou = [[0.9, 0.6], [0.95, 0.0]]
    assert match(iou, method="greedy") == ((0, 0),)
    assert match(iou, method="greedy", confidences=[0.3, 0.8]) == ((0, 1), (1, 0))


@given(matrices)
def test_greedy_leaves_no_good_pair_unmatched(iou):
    pairs = match(iou, method="greedy")
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    for row, column in np.argwhere(iou >= 0.5).tolist():
        assert row in rows or column in columns


def test_an_iou_at_the_threshold_matches():
    for method in ("hungarian", "greedy"):
        assert match([[0.5]], threshold=0.5, method=method) == ((0, 0),)
        assert match([[0.0]], threshold=0.0, method=method) == ()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
@pytest.mark.parametrize("method", ["hungarian", "greedy"])
def test_nothing_matches_nothing(shape, method):
    assert match(np.zeros(shape), method=method) == ()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"shape \(N, M\)"):
        match([0.5])
    with pytest.raises(ValueError, match="finite"):
        match([[np.nan]])
    with pytest.raises(ValueError, match="must be one of"):
        match([[0.5]], method="auction")
