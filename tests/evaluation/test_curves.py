"""Curves by worked numbers."""

import numpy as np
import pytest

from labeler.evaluation.curves import Curve, average_precision


def worked(hits: list[bool], truths: int) -> Curve:
    return Curve(
        np.linspace(0.98, 0.6, len(hits)),
        np.array(hits, dtype=bool),
        np.arange(len(hits), dtype=np.int32),
        truths,
    )


def test_precision_and_recall_of_the_worked_points() -> None:
    curve = worked([True, True, False, True, False], truths=3)
    assert np.round(curve.precision, 2).tolist() == [1, 1, 0.67, 0.75, 0.60]
    assert np.round(curve.recall, 2).tolist() == [0.33, 0.67, 0.67, 1, 1]


def test_ap_of_the_worked_points() -> None:
    # recalls 0 to 0.66 lie at or before 2/3: 67 of 101 points at precision 1, the others at 0.75
    curve = worked([True, True, False, True, False], truths=3)
    assert average_precision(curve) == pytest.approx((67 + 34 * 0.75) / 101)


def test_ap_without_predictions_is_0_and_without_truths_unknown() -> None:
    assert average_precision(worked([], truths=2)) == 0
    assert average_precision(worked([False], truths=0)) is None
