"""A head from a handful of objects, fitted to none: what COCO knows, and prototypes of the rest."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from labeler.core.boxes import Boxes
from labeler.core.measures.overlap import box_iou
from labeler.models.detector_eyes import STRIDES, CocoLayers, place_of
from labeler.models.protocols import Embedding
from labeler.training.instant.cells import Floats, Indices
from labeler.training.instant.head import Config, Head, coco_weights, known_names, shapes_of
from labeler.training.instant.head_check import corners_of
from labeler.training.instant.look_alikes import described, prototypes_of, sight_of
from labeler.training.instant.objects import boxes_found

FEW_IMAGES = 3
"""Labelled images from which on a head is fitted, and can be tried on some that it was not fitted to."""
_NEVER = -20.0
"""The logit of a category that is not the detector's to find."""
_SEEN_FROM = 0.25
"""The least confidence with which the detector must know an example..."""
_SEEN_SHARE = 0.5
"""...and how many of them, for its word to count."""
_MEANT = 0.5
"""IoU from which on a box means an object."""
_NAMED = 3


class Labelled(Struct, frozen=True, eq=False):
    """An image with some objects on it, labelled; there may be others."""

    seen: Embedding
    """By the detector."""
    segmented: Embedding
    """By the segmenter that comes along."""
    boxes: Boxes
    """(N, 4) xyxy in image pixels."""
    categories: Indices
    """(N,) places among the names."""


class ByLikeness(Struct, frozen=True, eq=False):
    """What came of it."""

    head: Head
    words: str
    """Which way each category is found, and why; one sentence."""


def by_likeness(
    names: tuple[str, ...], images: Sequence[Labelled], layers: CocoLayers, eyes: str
) -> ByLikeness:
    """A head that finds what looks like the objects on these images.

    A category of COCO's is found by its class, where the detector knows most of the examples. `eyes`: the
    fingerprint of the detector.
    """
    config = Config(eyes=eyes, width=1)
    plain = Head(_blank(names, config) | coco_weights(names, layers), names, config)
    known = _seen_anyway(plain, images, frozenset(known_names(names, layers)))
    examples: dict[int, list[Floats]] = {}
    for one in images:
        place = place_of(one.seen.size)
        rows = described(sight_of(one.seen, one.segmented), place.to_input(one.boxes))
        for category, row in zip(one.categories.tolist(), rows, strict=True):
            if category not in known:
                examples.setdefault(category, []).append(row)
    prototypes, counts = prototypes_of(examples, len(names))
    weights = dict(plain.weights) | {"alike.prototypes": prototypes, "alike.counts": counts}
    for level in range(len(STRIDES)):
        for category in set(range(len(names))) - known:
            for name in (f"coco_category{level}.weight", f"coco_category{level}.bias"):
                weights[name] = weights[name].copy()
                weights[name][category] = 0
            weights[f"category{level}.bias"][category] = _NEVER
    head = Head(weights, names, Config(eyes=eyes, width=1, alike=True))
    return ByLikeness(head, _words(names, known, {place: len(rows) for place, rows in examples.items()}))


def _blank(names: tuple[str, ...], config: Config) -> dict[str, Floats]:
    """Weights by which nothing is corrected."""
    return {name: np.zeros(shape, dtype=np.float32) for name, shape in shapes_of(config, len(names)).items()}


def _seen_anyway(plain: Head, images: Sequence[Labelled], coco: frozenset[int]) -> frozenset[int]:
    """The categories of COCO's of whose objects the detector knows enough, as it is."""
    right, total = dict.fromkeys(coco, 0), dict.fromkeys(coco, 0)
    if not coco:
        return frozenset()
    for one in images:
        found = boxes_found(plain, one.seen, floor=_SEEN_FROM)
        overlaps = box_iou(one.boxes, corners_of(found)) if found else np.zeros((len(one.boxes), 0))
        for category, row in zip(one.categories.tolist(), overlaps, strict=True):
            if category in coco:
                total[category] += 1
                right[category] += any(
                    iou >= _MEANT and other.label == plain.names[category]
                    for iou, other in zip(row.tolist(), found, strict=True)
                )
    return frozenset(one for one in coco if right[one] >= _SEEN_SHARE * max(total[one], 1))


def _words(names: tuple[str, ...], known: frozenset[int], examples: dict[int, int]) -> str:
    said = []
    alike = [f"{names[place]} ({count})" for place, count in examples.items()]
    if alike:
        said.append(f"By look-alikes, for there are few examples: {_listed(alike)}")
    if known:
        by = "by" if said else "By"
        said.append(f"{by} YOLO11n, which knows it: {_listed([names[place] for place in sorted(known)])}")
    return f"{'; '.join(said)}."


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:_NAMED])}{' ...' if len(words) > _NAMED else ''}"
