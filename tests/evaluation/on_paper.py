"""One evaluation that fits on a sheet of paper."""

import numpy as np

from labeler.evaluation.findings import (
    FALSE_ALARM,
    LEFT_OUT,
    CategoryResult,
    Evaluation,
    Figures,
    Images,
    MatchedPairs,
    RankedPredictions,
    Summary,
    Truths,
)

NOTHING = Figures(*[None] * 12)
CAT, DOG, BACKGROUND = 0, 1, 2


def singles(*values) -> np.ndarray:
    return np.array(values, np.float32)


def places(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def on_paper() -> Evaluation:
    """Two images; cats 11, 13 and 14, the dog 12, and a crowd of dogs, 15.

    By falling confidence: a cat found, the dog taken for a cat, a cat found, a cat that is none, the dog
    found, and a dog in the crowd. At an IoU of 0.75 only the first is right.
    """
    kinds = (CategoryResult(7, "cat", 3, 4, NOTHING), CategoryResult(9, "dog", 1, 2, NOTHING))
    return Evaluation(
        Summary("m", "box", 0.0, 2, 4, 6, NOTHING, kinds),
        Images(np.array([101, 102]), ("a.jpg", "b.jpg")),
        Truths(
            ids=np.array([11, 12, 13, 14, 15]),
            images=places(0, 0, 1, 1, 1),
            categories=places(CAT, DOG, CAT, CAT, DOG),
            boxes=np.zeros((5, 4), np.float32),
            areas=np.array([100.0, 50, 300, 10, 70]),
            ignored=np.array([False, False, False, False, True]),
        ),
        RankedPredictions(
            ids=np.array([1, 2, 3, 4, 5, 6]),
            images=places(0, 0, 1, 1, 0, 1),
            categories=places(CAT, CAT, CAT, CAT, DOG, DOG),
            boxes=np.zeros((6, 4), np.float32),
            confidences=np.array([0.9, 0.8, 0.8, 0.6, 0.5, 0.3]),
            hits=np.array(
                [
                    [0, FALSE_ALARM, 2, FALSE_ALARM, 1, LEFT_OUT],
                    [0, FALSE_ALARM, FALSE_ALARM, FALSE_ALARM, FALSE_ALARM, LEFT_OUT],
                ],
                np.int32,
            ),
            overlaps=singles(0.875, 0, 0.625, 0, 0.75, 0),
        ),
        MatchedPairs(places(0, 1, 2, 4), places(0, 1, 2, 1), singles(0.875, 0.5625, 0.625, 0.75)),
        np.array([0.5, 0.75]),
        np.zeros((2, 101, 2), np.float32),
    )
