"""From what the instant head's cells say to objects: suppressed, then drawn by the segmenter.

Only what survives suppression and is likely enough is drawn, for a mask costs some 20 ms; the others stay
boxes, for whoever lowers the threshold.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import structs

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_overlap
from labeler.core.records import Box, Candidate, Prompt, Proposal, Shape
from labeler.core.suppression import suppress
from labeler.models.detector_eyes import SIDE, STRIDES
from labeler.models.protocols import Embedding, Segmenter
from labeler.models.sam.many_prompts import proposals_for
from labeler.training.instant.head import CellFindings, Head

FLOOR = 0.02
"""The least confidence that is worth keeping."""
_LOOKED_AT = 2000
"""The most confident cells of an image: more say the same again."""
_MOST = 100
"""Objects of an image."""
_DRAWN_FROM = 0.15
"""The least confidence that is worth a mask."""
_MOST_DRAWN = 40
_WITHIN = 0.6
"""IoU above which a box of the same category is suppressed."""
_ALIKE = 0.3
"""The same of look-alikes."""
_BETWEEN = 0.85
"""The same of another category: two names for one object."""
_AGREED = 0.5
"""IoU of the mask's box with the head's, under which the segmenter has meant something else."""


def settings(*, masks: bool) -> dict[str, float]:
    """What a program of others must know to find what is found here, by the names of `run_instant.py`."""
    return {
        "side": SIDE,
        "stride": STRIDES[-1],
        "cells": _LOOKED_AT,
        "within": _WITHIN,
        "between": _BETWEEN,
        "most": _MOST,
        "masks": _MOST_DRAWN if masks else 0,
        "drawn": _DRAWN_FROM,
        "agreed": _AGREED,
    }


def boxes_found(
    head: Head, seen: Embedding, segmented: Embedding | None = None, *, floor: float = FLOOR
) -> tuple[Candidate, ...]:
    """The objects of an image as boxes, after suppression, the most confident first.

    `seen`: what `DetectorEyes` made of the image; `segmented`: the segmenter, where look-alikes are wanted.
    """
    found = head.look(seen, floor)
    is_alike = head.config.alike and segmented is not None
    if is_alike and segmented is not None:
        found = together(found, head.look_alike(seen, segmented, floor))
    leading = np.argsort(-found.confidences, kind="stable")[:_LOOKED_AT]
    boxes, confidences = found.boxes[leading], found.confidences[leading]
    categories = found.categories[leading]
    is_box = (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
    boxes, confidences, categories = boxes[is_box], confidences[is_box], categories[is_box]
    kept = suppress(boxes, confidences, categories, threshold=_ALIKE if is_alike else _WITHIN).kept
    again = suppress(
        boxes[kept], confidences[kept], categories[kept], threshold=_BETWEEN, kind="agnostic"
    ).kept
    return tuple(
        Candidate(
            0, 0, 0, 0, Box(*boxes[place].tolist()), float(confidences[place]), head.names[categories[place]]
        )
        for place in kept[again][:_MOST].tolist()
    )


def together(one: CellFindings, other: CellFindings) -> CellFindings:
    """The findings of both."""
    return CellFindings(
        np.concatenate([one.boxes, other.boxes]),
        np.concatenate([one.confidences, other.confidences]),
        np.concatenate([one.categories, other.categories]),
    )


def drawn(
    candidates: tuple[Candidate, ...], segmenter: Segmenter, embedding: Embedding
) -> tuple[Candidate, ...]:
    """The candidates, the likely of them as masks. Raises what the segmenter does."""
    likely = [one for one in candidates if one.confidence >= _DRAWN_FROM][:_MOST_DRAWN]
    shapes = drawn_in(segmenter, embedding, [bounds(one.shape) for one in likely])
    masks = [structs.replace(one, shape=shape) for one, shape in zip(likely, shapes, strict=True)]
    return (*masks, *candidates[len(masks) :])


def drawn_in(segmenter: Segmenter, embedding: Embedding, boxes: Sequence[Box]) -> list[Shape]:
    """The mask of what is in each box; the box where there is none, or where it is of something else."""
    answers = proposals_for(segmenter, embedding, [Prompt(box=box) for box in boxes], limit=1)
    return [_shape(proposals, box) for proposals, box in zip(answers, boxes, strict=True)]


def _shape(proposals: Sequence[Proposal], box: Box) -> Shape:
    if not proposals or not proposals[0].mask.bits.any():
        return box
    mask = proposals[0].mask
    return mask if box_overlap(bounds(mask), box).iou >= _AGREED else box
