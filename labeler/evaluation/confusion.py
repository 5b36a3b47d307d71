"""Which categories are taken for which, and the objects behind each cell."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.evaluation.findings import FALSE_ALARM, Evaluation, Floats, Places
from labeler.evaluation.items import ObjectItem, item

_NONE = -1


class Confusion(Struct, frozen=True, eq=False):
    """How often each true category was predicted as each, at one confidence."""

    counts: NDArray[np.int64]
    """(C + 1, C + 1): row the true category, column the predicted one, the last of each is background.

    So the last column counts missed truths, and the last row predictions of nothing. A row sums up to the
    truths of its category, a column to the predictions of its category, without those in crowds.
    """
    evaluation: Evaluation
    rows: Places
    """(K,) the row of each object or pair."""
    columns: Places
    predictions: Places
    """(K,) place of the prediction, -1 for a missed truth."""
    truths: Places
    """(K,) place of the truth, -1 for a prediction of nothing."""
    overlaps: Floats
    """(K,) IoU; 0 for what is no pair."""

    def cell(self, row: int, column: int) -> tuple[ObjectItem, ...]:
        """What a cell counts: by falling confidence, and missed truths in the order of their images."""
        found = np.flatnonzero((self.rows == row) & (self.columns == column))
        return tuple(self._item(place) for place in found.tolist())

    def _item(self, place: int) -> ObjectItem:
        prediction, truth = int(self.predictions[place]), int(self.truths[place])
        return item(
            self.evaluation,
            prediction=None if prediction == _NONE else prediction,
            truth=None if truth == _NONE else truth,
            iou=None if _NONE in (prediction, truth) else float(self.overlaps[place]),
        )


def confusion(evaluation: Evaluation, *, confidence: float = 0.25) -> Confusion:
    """The confusion of predictions of at least `confidence`, from an IoU of 0.5.

    The diagonal is what the curves call hits, so its sum over the truths is their recall. A truth that is
    missed then goes with a prediction of another category that is a false alarm, one to one, the largest
    IoU first.
    """
    predictions, truths = evaluation.predictions, evaluation.truths
    first = predictions.hits[0]
    count = int(np.searchsorted(-predictions.confidences, -confidence, side="right"))
    partner = np.full(len(predictions.ids), _NONE, dtype=np.int32)
    overlaps = np.zeros(len(predictions.ids), dtype=np.float64)
    right = np.flatnonzero(first[:count] >= 0)
    partner[right], overlaps[right] = first[right], predictions.overlaps[right]
    taken = truths.ignored.copy()
    taken[partner[right]] = True
    pairs = evaluation.pairs
    is_open = (pairs.predictions < count) & ~taken[pairs.truths] & (first[pairs.predictions] == FALSE_ALARM)
    place = _largest_first(pairs.predictions, pairs.truths, pairs.overlaps, np.flatnonzero(is_open))
    partner[pairs.predictions[place]] = pairs.truths[place]
    overlaps[pairs.predictions[place]] = pairs.overlaps[place]
    taken[pairs.truths[place]] = True
    background = len(evaluation.categories)
    given = np.flatnonzero(first[:count] >= FALSE_ALARM).astype(np.int32)
    lost = np.flatnonzero(~taken).astype(np.int32)
    true = np.append(truths.categories, background)  # so that the place -1, no partner, is background
    rows = np.r_[true[partner[given]], true[lost]].astype(np.int32)
    columns = np.r_[predictions.categories[given], np.full(len(lost), background)].astype(np.int32)
    side = background + 1
    return Confusion(
        np.bincount(rows.astype(np.int64) * side + columns, minlength=side * side).reshape(side, side),
        evaluation,
        rows,
        columns,
        np.r_[given, np.full(len(lost), _NONE, np.int32)],
        np.r_[partner[given], lost],
        np.r_[overlaps[given], np.zeros(len(lost))],
    )


def _largest_first(
    rows: Places, columns: Places, values: NDArray[np.float32], places: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pairs, of those at `places`, one to one: the largest value first, of equal ones the lower row.

    In each round a pair is taken that is the largest left of its row and of its column.
    """
    left = places[np.lexsort((columns[places], rows[places], -values[places]))]
    taken = [np.zeros(0, dtype=np.int64)]
    while len(left):
        of_row = np.unique(rows[left], return_index=True)[1]
        of_column = np.unique(columns[left], return_index=True)[1]
        best = left[np.intersect1d(of_row, of_column)]
        taken.append(best)
        left = left[~np.isin(rows[left], rows[best]) & ~np.isin(columns[left], columns[best])]
    return np.concatenate(taken)
