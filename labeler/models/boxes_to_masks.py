"""Masks for what a detector found as boxes, by prompting a segmenter with them."""

from collections.abc import Iterable

from msgspec import structs

from labeler.core.geometry import bounds
from labeler.core.records import Candidate, Prompt
from labeler.models.protocols import Embedding, Rgb, Segmenter

FLOOR = 0.05
"""Candidates of a lower confidence keep their shape: most are noise, and each prompt costs a decoding."""


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
    puts first. Label, confidence and ids stay. A candidate under `floor`, and one for whose box the
    segmenter finds nothing, is given back as it is. The image is embedded once, and not at all where no
    candidate needs it. `threads`: how many CPU threads may be used, 0 for all.
    Raises what the segmenter does.
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
    return tuple(
        _with_mask(segmenter, embedding, candidate, threads) if _is_asked(candidate, floor) else candidate
        for candidate in candidates
    )


def _is_asked(candidate: Candidate, floor: float) -> bool:
    return candidate.confidence >= floor and bounds(candidate.shape).area > 0


def _with_mask(segmenter: Segmenter, embedding: Embedding, candidate: Candidate, threads: int) -> Candidate:
    prompt = Prompt(box=bounds(candidate.shape))
    proposals = segmenter.segment(embedding, prompt, threads=threads, limit=1)
    if not proposals or not proposals[0].mask.bits.any():
        return candidate
    return structs.replace(candidate, shape=proposals[0].mask)
