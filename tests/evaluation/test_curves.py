"""Curves by worked numbers."""

import numpy as np

from labeler.evaluation.curves import Curve


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
