"""Masks for what a detector found as boxes, by prompting a segmenter with them."""

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import structs

from labeler.core.geometry import bounds
from labeler.core.records import Candidate, Mask, Prompt
from labeler.core.suppression import suppress
from labeler.models.protocols import Embedding, Rgb, Segmenter
from labeler.models.sam.many_prompts import proposals_for

FLOOR = 0.05
"""Candidates of a lower confidence keep their shape: most are noise, and each prompt costs a decoding."""

REPEATS = 0.85
"""IoU of two boxes of one class from which on the less confident one is given the other's mask.

A detector says the same up to seven times before suppression: 468 candidates over the floor on 10 photos of
coco-mini are 107 boxes.
"""


def boxes_to_masks(
    segmenter: Segmenter,
    image: Rgb,
    candidates: Iterable[Candidate],
    *,
    threads: int = 0,
    floor: float = FLOOR,
) -> tuple[Candidate, ...]:
    """The candidates of an RGB image (H, W, 3), in their order, each with the mask of what is in its box.

    The box is that around the candidate's shape, whatever it is; the mask is the one that the segmenter
    puts first. Boxes that repeat a better one of their class share its mask. Label, confidence and ids stay.
    A candidate under `floor`, and one for whose box the segmenter finds nothing, is given back as it is. The
    image is embedded once, and not at all where no candidate needs it. `threads`: how many CPU threads may be
    used, 0 for all. Raises what the segmenter does.
    """
    given = tuple(candidates)
    if not any(_is_asked(candidate, floor) for candidate in given):
        return given
    return masks_in_boxes(
        segmenter, segmenter.embed(image, threads=threads), given, threads=threads, floor=floor
    )


def masks_in_boxes(
    segmenter: Segmenter,
    embedding: Embedding,
    candidates: Iterable[Candidate],
    *,
    threads: int = 0,
    floor: float = FLOOR,
) -> tuple[Candidate, ...]:
    """As `boxes_to_masks`, of an image that is embedded already."""
    found = list(candidates)
    asked = [place for place, one in enumerate(found) if _is_asked(one, floor)]
    leaders = _leaders([found[place] for place in asked])
    leading = sorted(set(leaders))
    prompts = [Prompt(box=bounds(found[asked[leader]].shape)) for leader in leading]
    answers = proposals_for(segmenter, embedding, prompts, threads=threads, limit=1)
    masks: dict[int, Mask] = {
        leader: proposals[0].mask
        for leader, proposals in zip(leading, answers, strict=True)
        if proposals and proposals[0].mask.bits.any()
    }
    for place, leader in zip(asked, leaders, strict=True):
        if leader in masks:
            found[place] = structs.replace(found[place], shape=masks[leader])
    return tuple(found)


def _is_asked(candidate: Candidate, floor: float) -> bool:
    return candidate.confidence >= floor and bounds(candidate.shape).area > 0


def _leaders(candidates: Sequence[Candidate]) -> list[int]:
    """For each the place of the one that it repeats, or its own."""
    if not candidates:
        return []
    boxes = [bounds(one.shape) for one in candidates]
    labels = np.unique([one.label for one in candidates], return_inverse=True)[1]
    suppressed = suppress(
        [(box.x0, box.y0, box.x1, box.y1) for box in boxes],
        [one.confidence for one in candidates],
        labels,
        threshold=REPEATS,
    )
    return [place if by < 0 else by for place, by in enumerate(suppressed.suppressor.tolist())]
