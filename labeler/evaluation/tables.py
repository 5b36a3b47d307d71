"""An evaluation as aligned lines of text."""

from collections.abc import Sequence

import numpy as np

from labeler.evaluation.confusion import Confusion, confusion
from labeler.evaluation.findings import CategoryResult, Evaluation
from labeler.evaluation.operating_points import Operating

FIGURES = {
    "AP": "ap",
    "AP50": "ap50",
    "AP75": "ap75",
    "AP small": "ap_small",
    "AP medium": "ap_medium",
    "AP large": "ap_large",
    "AR 1": "ar1",
    "AR 10": "ar10",
    "AR 100": "ar100",
    "AR small": "ar_small",
    "AR medium": "ar_medium",
    "AR large": "ar_large",
}
"""The twelve by the names that people know, and the fields of `Figures`."""

_MOST_CONFUSED = 5


def shown_figure(value: float | None) -> str:
    """Three digits, or a dash for what could not be measured."""
    return "–" if value is None else f"{value:.3f}"


def table(evaluations: Sequence[Evaluation], points: Sequence[Operating]) -> str:
    """All of one model, or of several side by side, each judged at its point."""
    summary = evaluations[0].summary
    kind = "Masks" if summary.by == "mask" else "Boxes"
    head = f"{kind} compared on {summary.images} images with {summary.truths} objects."
    parts = [head, "", *_aligned(_overall(evaluations, points))]
    for evaluation, point in zip(evaluations, points, strict=True):
        name = f"{evaluation.summary.title}, b" if len(evaluations) > 1 else "B"
        parts += ["", f"{name}y category, at confidence {point.confidence:.2f}:"]
        parts += _aligned(_by_category(evaluation, point))
        taken = confused(confusion(evaluation, confidence=point.confidence))[:_MOST_CONFUSED]
        if taken:
            parts += ["", "Taken for another:"]
            parts += [f"  {true} for {predicted}: {count}" for true, predicted, count in taken]
    return "\n".join(parts)


def confused(of: Confusion) -> list[tuple[str, str, int]]:
    """(true name, predicted name, how often) of what is taken for another category, the most often first."""
    names = [category.name for category in of.evaluation.categories]
    counts = of.counts[:-1, :-1] * ~np.eye(len(names), dtype=np.bool_)
    cells = sorted(np.argwhere(counts).tolist(), key=lambda cell: (-counts[tuple(cell)], cell))
    return [(names[row], names[column], int(counts[row, column])) for row, column in cells]


def _overall(evaluations: Sequence[Evaluation], points: Sequence[Operating]) -> list[list[str]]:
    rows = [["", *(one.summary.title for one in evaluations)]]
    for name, field in FIGURES.items():
        rows.append([name, *(shown_figure(getattr(one.summary.figures, field)) for one in evaluations)])
    rows.append(["confidence", *(f"{point.confidence:.3f}" for point in points)])
    for name in ("precision", "recall", "f1"):
        label = "F1" if name == "f1" else name
        rows.append([label, *(shown_figure(getattr(point.total, name)) for point in points)])
    return rows


def _by_category(evaluation: Evaluation, point: Operating) -> list[list[str]]:
    head = ["category", "objects", "found", "missed", "false", "AP", "AP50", "AP75", "AR", "F1"]
    by_mask = evaluation.summary.by == "mask"
    rows = [[*head, "IoU", "Dice"] if by_mask else head]
    for one, rates in zip(evaluation.categories, point.categories, strict=True):
        if not (one.truths or rates.false_alarms):
            continue
        counts = [str(count) for count in (one.truths, rates.hits, rates.missed, rates.false_alarms)]
        values = [*_main(one), rates.f1, *((one.pixel_iou, one.pixel_dice) if by_mask else ())]
        rows.append([one.name, *counts, *map(shown_figure, values)])
    return rows


def _main(one: CategoryResult) -> tuple[float | None, ...]:
    return one.figures.ap, one.figures.ap50, one.figures.ap75, one.figures.ar100


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines whose first column is to the left and whose others are to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
