"""One-to-one matching of predictions to annotations by their IoU."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Method: TypeAlias = Literal["hungarian", "greedy"]
Matches: TypeAlias = tuple[tuple[int, int], ...]


def match(
    iou: ArrayLike,
    *,
    threshold: float = 0.5,
    method: Method = "hungarian",
    confidences: ArrayLike | None = None,
) -> Matches:
    """Pairs (row, column) of an IoU matrix (N, M) of at least `threshold`, each row and column at most once.

    "hungarian" maximises the sum of IoU over all pairs (Kuhn, 1955). "greedy" lets the rows choose in
    turn their best free column, as COCO's evaluation does: by falling `confidences` (N,) where given, else
    from the first to the last; of equally good columns the first. Pairs come ordered by row; an IoU of 0
    is never matched. Raises ValueError for a matrix that is not (N, M) or not finite, and for an unknown
    method.
    """
    matrix = np.asarray(iou, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"The IoU matrix must have the shape (N, M), not {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError("The IoU matrix must hold finite numbers.")
    if method not in get_args(Method):
        raise ValueError(f"The method of matching must be one of {get_args(Method)}, not {method!r}.")
    gain = np.where((matrix >= threshold) & (matrix > 0), matrix, 0.0)
    if method == "greedy":
        scores = np.zeros(len(gain)) if confidences is None else np.asarray(confidences, dtype=np.float64)
        return _greedy(gain, scores)
    pairs = []
    for rows, columns in _components(gain):
        part = gain[np.ix_(rows, columns)]
        for row, column in _assigned(part):
            if part[row, column] > 0:
                pairs.append((int(rows[row]), int(columns[column])))
    return tuple(sorted(pairs))


def _greedy(gain: NDArray[np.float64], scores: NDArray[np.float64]) -> Matches:
    if gain.shape[1] == 0:
        return ()
    free = gain.copy()
    pairs = []
    for row in np.argsort(-scores, kind="stable").tolist():
        column = int(free[row].argmax())
        if free[row, column] > 0:
            pairs.append((row, column))
            free[:, column] = 0.0
    return tuple(sorted(pairs))


def _components(gain: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows and columns of each group that is joined by positive entries; groups don't affect each other."""
    linked = gain > 0
    todo = np.asarray(linked.any(axis=1))
    groups = []
    for start in np.flatnonzero(todo).tolist():
        if not todo[start]:
            continue
        rows: NDArray[np.bool_] = np.zeros(len(gain), dtype=np.bool_)
        rows[start] = True
        while True:
            columns = linked[rows].any(axis=0)
            grown = np.asarray(linked[:, columns].any(axis=1))
            if np.array_equal(grown, rows):
                break
            rows = grown
        todo &= ~rows
        groups.append((np.flatnonzero(rows), np.flatnonzero(columns)))
    return groups


def _assigned(gain: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The assignment of the shorter side to the longer one with the largest sum.

    Shortest augmenting paths on the reduced costs, one row at a time (Jonker and Volgenant, 1987).
    """
    if gain.shape[0] > gain.shape[1]:
        return [(row, column) for column, row in _assigned(gain.T)]
    if gain.shape[0] == 1:
        return [(0, int(gain[0].argmax()))]
    cost = gain.max() - gain
    count, width = cost.shape
    row_price, column_price = np.zeros(count), np.zeros(width)
    owner = np.full(width, -1)
    for start in range(count):
        distance = np.full(width, np.inf)
        previous = np.full(width, -1)
        done = np.zeros(width, dtype=np.bool_)
        row, column, reached = start, -1, 0.0
        while True:
            through = reached + cost[row] - row_price[row] - column_price
            shorter = ~done & (through < distance)
            distance[shorter], previous[shorter] = through[shorter], column
            column = int(np.where(done, np.inf, distance).argmin())
            reached = float(distance[column])
            done[column] = True
            if owner[column] < 0:
                break
            row = int(owner[column])
        slack = np.where(done, reached - distance, 0.0)
        column_price -= slack
        settled = done & (owner >= 0)
        row_price[owner[settled]] += slack[settled]
        row_price[start] += reached
        while column >= 0:
            before = int(previous[column])
            owner[column] = start if before < 0 else owner[before]
            column = before
    return [(int(owner[column]), int(column)) for column in np.flatnonzero(owner >= 0)]
