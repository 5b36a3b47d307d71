"""How the annotations of one image agree with a model's predictions: matched, missed, extra."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.geometry import bounds
from labeler.core.measures.matching import match
from labeler.core.measures.overlap import Overlap, shape_overlap
from labeler.core.records import Annotation, Candidate, Shape

MATCHED_FROM = 0.5
"""The IoU from which an annotation and a prediction count as the same object."""


class ImageAgreement(Struct, frozen=True, eq=False):
    """How the annotations of one image and a model's predictions agree."""

    pairs: Mapping[int, tuple[Candidate, Overlap]]
    """Annotation id to the candidate matched with it, and their overlap."""
    missed: tuple[int, ...]
    """Ids of annotations that the model has no prediction for."""
    extra: tuple[Candidate, ...]
    """Predictions that no annotation stands for."""

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the matched pairs; 0 without any."""
        return _mean([overlap.iou for _, overlap in self.pairs.values()])

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the matched pairs; 0 without any."""
        return _mean([overlap.dice for _, overlap in self.pairs.values()])


class Overlaps:
    """The overlaps of annotations and candidates of one image, each worked out once for a shape.

    An edit changes one object, so that comparing a full image again costs one overlap and not thousands.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._known: dict[tuple[int, int], tuple[Shape, Overlap]] = {}

    def of(self, annotation: Annotation, candidate: Candidate) -> Overlap:
        """The overlap of these two in an image of size (H, W)."""
        key = annotation.id, candidate.id
        shape, overlap = self._known.get(key, (None, None))
        if overlap is None or shape is not annotation.shape:
            overlap = shape_overlap(annotation.shape, candidate.shape, size=self._size)
            self._known[key] = annotation.shape, overlap
        return overlap


def compare(
    annotations: Sequence[Annotation],
    candidates: Sequence[Candidate],
    *,
    overlaps: Overlaps,
    threshold: float = MATCHED_FROM,
) -> ImageAgreement:
    """Match annotations and candidates of one image one to one, within categories, by largest total IoU.

    An annotation that was accepted from one of the candidates is paired
    with it whatever their overlap, since that is the object the model meant; the others are matched by
    the Hungarian method from `threshold` up.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    pairs: dict[int, tuple[Candidate, Overlap]] = {}
    for annotation in annotations:
        accepted = by_id.get(annotation.prediction_id) if annotation.prediction_id is not None else None
        if accepted is not None:
            pairs[annotation.id] = accepted, overlaps.of(annotation, accepted)
            by_id.pop(accepted.id)
    free = [annotation for annotation in annotations if annotation.id not in pairs]
    rest = list(by_id.values())
    for group in _groups(free, rest):
        pairs.update(_matched(*group, overlaps=overlaps, threshold=threshold))
    taken = {candidate.id for candidate, _ in pairs.values()}
    return ImageAgreement(
        pairs=pairs,
        missed=tuple(a.id for a in annotations if a.id not in pairs),
        extra=tuple(c for c in candidates if c.id not in taken),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _matched(
    annotations: Sequence[Annotation],
    candidates: Sequence[Candidate],
    *,
    overlaps: Overlaps,
    threshold: float,
) -> dict[int, tuple[Candidate, Overlap]]:
    found = [[overlaps.of(a, c) for c in candidates] for a in annotations]
    iou = np.array([[overlap.iou for overlap in row] for row in found], dtype=np.float64)
    return {annotations[i].id: (candidates[j], found[i][j]) for i, j in match(iou, threshold=threshold)}


def _groups(
    annotations: Sequence[Annotation], candidates: Sequence[Candidate]
) -> Iterator[tuple[list[Annotation], list[Candidate]]]:
    """Sets of annotations and candidates that can only be matched among themselves.

    They are the connected components of "same category and boxes touch", so that ten thousand objects
    are many small assignments and not one of 10,000 by 10,000.
    """
    if not annotations or not candidates:
        return
    a = _boxes([x.shape for x in annotations])
    c = _boxes([x.shape for x in candidates])
    a_category = np.array([x.category_id for x in annotations])
    c_category = np.array([x.category_id for x in candidates])
    parent = list(range(len(a) + len(c)))
    for i, box in enumerate(a):
        touches = ((c[:, 0] < box[2]) & (box[0] < c[:, 2]) & (c[:, 1] < box[3]) & (box[1] < c[:, 3])) & (
            c_category == a_category[i]
        )
        for j in np.flatnonzero(touches).tolist():
            parent[_root(parent, i)] = _root(parent, len(a) + j)
    groups: dict[int, tuple[list[Annotation], list[Candidate]]] = {}
    for i, annotation in enumerate(annotations):
        groups.setdefault(_root(parent, i), ([], []))[0].append(annotation)
    for j, candidate in enumerate(candidates):
        groups.setdefault(_root(parent, len(a) + j), ([], []))[1].append(candidate)
    yield from (group for group in groups.values() if group[0] and group[1])


def _root(parent: list[int], item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


def _boxes(shapes: Sequence[Shape]) -> NDArray[np.float64]:
    boxes = [bounds(shape) for shape in shapes]
    return np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes], dtype=np.float64).reshape(-1, 4)
