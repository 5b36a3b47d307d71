"""Everything there is on an image: a promptable model asked at the points of a grid.

After the automatic mask generator of Kirillov et al. 2023 (facebookresearch/segment-anything), less its
NMS: what it would have dropped stays a candidate, for the live filter to decide.
"""

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.geometry import bounds, translated
from labeler.core.records import Box, Candidate, Mask, Points, Prompt, Proposal
from labeler.models.protocols import Embedding, Rgb, Segmenter
from labeler.models.sam.many_prompts import proposals_for

LABEL = "object"
"""The class of every candidate: a grid of points says where things are, not what."""


class Grid(Struct, frozen=True):
    """How an image is asked, and what is left out at once."""

    side: int = 16
    """Points along each axis."""
    predicted_iou: float = 0.7
    """Masks whose own estimate of their quality is lower are dropped."""
    stability: float = 0.8
    """So are those whose outline depends more on the threshold; 0 to 1, see `stability_of`."""
    offset: float = 1.0
    """By how much the threshold is moved for it, in logits."""
    most: int = 1000
    """Beyond this many candidates, those whose boxes nearly repeat a better one's are dropped."""
    repeats: float = 0.95
    """IoU of boxes from which on one repeats the other."""


def grid_points(side: int, size: tuple[int, int]) -> Points:
    """(side * side, 2) x, y: the centres of as many equal cells of an image of size (H, W), row by row."""
    places = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(places * size[1], places * size[0])
    return np.stack([x.ravel(), y.ravel()], axis=1)


def stability_of(logits: NDArray[np.float32], size: tuple[int, int], *, offset: float = 1.0) -> float:
    """How little the mask depends on its threshold: its IoU at thresholds +offset and -offset.

    `logits` are of a square frame, scaled so that the longer side of an image of size (H, W) fills it; the
    padding does not count. SAM's generator measures it after upscaling, which costs more and differs in
    the third digit. 0 for an empty mask.
    """
    rows, columns = (
        max(1, round(side * length / max(size))) for side, length in zip(logits.shape, size, strict=True)
    )
    inside = logits[:rows, :columns]
    union = int(np.count_nonzero(inside > -offset))
    return int(np.count_nonzero(inside > offset)) / union if union else 0.0


def everything(
    segmenter: Segmenter, image: Rgb, grid: Grid, *, region: Box | None = None, together: int = 1
) -> tuple[Candidate, ...]:
    """Candidates for all that the model finds at the points of a grid over an RGB image (H, W, 3).

    Shapes are masks in image pixels, the label is "object", and the confidence is the predicted IoU times
    the stability; best first, ids 0. With a `region` only that part is looked at, as if it were the image,
    and what its edge cuts through is left out. `together`: how many points are asked at the same time, on a
    thread each; more than 1 only for a model whose `segment` may be called so.
    """
    x0, y0, x1, y1 = _pixels_of(region, (image.shape[0], image.shape[1]))
    embedding = segmenter.embed(np.ascontiguousarray(image[y0:y1, x0:x1]))
    points = grid_points(grid.side, embedding.size)

    prompts = [Prompt(points=point[None], positive=np.ones(1, dtype=np.bool_)) for point in points]
    answers = proposals_for(
        segmenter,
        embedding,
        prompts,
        threads=together,
        least=grid.predicted_iou,
        keep=lambda logits: stability_of(logits, embedding.size, offset=grid.offset) >= grid.stability,
        together=together,
    )
    found = [_candidate(one, embedding, grid) for each in answers for one in each if one.mask.bits.size]
    if region is not None:
        whole = (x0, y0, x1, y1), (image.shape[0], image.shape[1])
        found = [_moved(one, x0, y0) for one in found if not _is_cut(one, *whole)]
    return _at_most(sorted(found, key=lambda one: -one.confidence), grid)


def _pixels_of(region: Box | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the region in whole pixels of the image, at least one each way."""
    height, width = size
    if region is None:
        return 0, 0, width, height
    x0, y0 = min(max(int(region.x0), 0), width - 1), min(max(int(region.y0), 0), height - 1)
    x1, y1 = int(np.ceil(region.x1)), int(np.ceil(region.y1))
    return x0, y0, min(max(x1, x0 + 1), width), min(max(y1, y0 + 1), height)


def _candidate(proposal: Proposal, embedding: Embedding, grid: Grid) -> Candidate:
    stability = stability_of(proposal.logits, embedding.size, offset=grid.offset)
    return Candidate(0, 0, 0, 0, proposal.mask, proposal.confidence * stability, LABEL)


def _is_cut(candidate: Candidate, region: tuple[int, int, int, int], size: tuple[int, int]) -> bool:
    """Whether a shape, in pixels of the region, touches an edge of it that is none of the image's."""
    box = bounds(candidate.shape)
    x0, y0, x1, y1 = region
    return (
        (x0 > 0 and box.x0 <= 0)
        or (y0 > 0 and box.y0 <= 0)
        or (x1 < size[1] and box.x1 >= x1 - x0)
        or (y1 < size[0] and box.y1 >= y1 - y0)
    )


def _moved(candidate: Candidate, x: int, y: int) -> Candidate:
    shape = translated(candidate.shape, x, y)
    assert isinstance(shape, Mask), "a mask moved by whole pixels is a mask"
    return Candidate(0, 0, 0, 0, shape, candidate.confidence, candidate.label)


def _at_most(candidates: list[Candidate], grid: Grid) -> tuple[Candidate, ...]:
    """All, or where they are too many those that repeat none; both best first."""
    if len(candidates) <= grid.most:
        return tuple(candidates)
    boxes = [bounds(candidate.shape) for candidate in candidates]
    corners = np.array([(box.x0, box.y0, box.width, box.height) for box in boxes])
    scores = np.array([candidate.confidence for candidate in candidates], dtype=np.float32)
    kept = cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), 0.0, grid.repeats)
    return tuple(candidates[index] for index in sorted(int(index) for index in kept)[: grid.most])
