"""COCO's figures by faster-coco-eval, which gives those of pycocotools several times as fast."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.evaluation.columns import ObjectColumns, Sheet
from labeler.evaluation.findings import By, Figures, Floats, Singles

_SIZES = 4
_LIMITS = 3


class Measured(Struct, frozen=True, eq=False):
    """The figures over all categories and of each, and the precision that they are means of."""

    total: Figures
    categories: tuple[Figures, ...]
    thresholds: Floats
    precision: Singles
    """As `Evaluation.precision`."""


def thresholds() -> Floats:
    """(10,) IoU 0.5, 0.55, ... 0.95: the very numbers that COCO's evaluation has."""
    return np.linspace(0.5, 0.95, 10)


def measured(truths: ObjectColumns, predictions: ObjectColumns, on: Sheet, by: By) -> Measured:
    """COCO's evaluation of columns."""
    levels, kinds = thresholds(), len(on.category_ids)
    if not kinds or not len(truths.ids):
        return _nothing(levels, kinds)
    from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415 - only who evaluates pays for it

    frame = {
        "images": [
            {"id": number, "height": height, "width": width}
            for number, (height, width) in enumerate(on.sizes, 1)
        ],
        "categories": [{"id": number, "name": str(number)} for number in range(1, kinds + 1)],
    }
    sides = []
    for columns in (truths, predictions):
        side = COCO()
        side.dataset = {**frame, "annotations": columns.rows()}
        side.createIndex()
        sides.append(side)
    evaluator = COCOeval_faster(*sides, iouType="bbox" if by == "box" else "segm", print_function=_quiet)
    evaluator.params.iouThrs = levels
    evaluator.evaluate()
    evaluator.accumulate()
    precision = np.asarray(evaluator.eval["precision"]).reshape(len(levels), -1, kinds, _SIZES, _LIMITS)
    recall = np.asarray(evaluator.eval["recall"]).reshape(len(levels), kinds, _SIZES, _LIMITS)
    shown = precision[:, :, :, 0, -1]
    return Measured(
        _figures(precision, recall),
        tuple(_figures(precision[:, :, [at]], recall[:, [at]]) for at in range(kinds)),
        levels,
        np.where(shown < 0, np.nan, shown).astype(np.float32),
    )


def _quiet(*_: Any) -> None:
    """The library tells its progress to nobody."""


def _nothing(levels: Floats, kinds: int) -> Measured:
    empty = Figures(*[None] * 12)
    precision = np.full((len(levels), 101, kinds), np.nan, dtype=np.float32)
    return Measured(empty, (empty,) * kinds, levels, precision)


def _figures(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> Figures:
    """The twelve figures of `precision` (T, R, C, sizes, limits) and `recall` (T, C, sizes, limits)."""
    return Figures(
        ap=_mean(precision[..., 0, -1]),
        ap50=_mean(precision[0, ..., 0, -1]),
        ap75=_mean(precision[5, ..., 0, -1]),
        ap_small=_mean(precision[..., 1, -1]),
        ap_medium=_mean(precision[..., 2, -1]),
        ap_large=_mean(precision[..., 3, -1]),
        ar1=_mean(recall[..., 0, 0]),
        ar10=_mean(recall[..., 0, 1]),
        ar100=_mean(recall[..., 0, 2]),
        ar_small=_mean(recall[..., 1, -1]),
        ar_medium=_mean(recall[..., 2, -1]),
        ar_large=_mean(recall[..., 3, -1]),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    """The mean of what could be measured, which is -1 elsewhere."""
    known = values[values > -1]
    return float(known.mean()) if known.size else None
