"""Errors put into real labels, and how many of the doubts are right: precision where half of them are found.

A tenth of the labels is dropped, a tenth shifted by 20 to 40 % of its size both ways, and, where there are
several categories, a tenth given another one. Predictions of YOLO11n from a confidence of 0.1; boxes. All
doubts are ranked, however small; the window shows those from `LEAST` up. Thresholds come from `coco-mini`.
"""

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from labeler.cli.predict import run_model
from labeler.core.filtering import Filter
from labeler.core.geometry import bounds
from labeler.core.measures.doubts import doubts
from labeler.core.measures.overlap import box_overlap
from labeler.core.records import Annotation, Box, Candidate
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import exported_ids
from tests.benchmarks.harness import report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


def spoilt(
    labels: list[Annotation], rng: np.random.Generator
) -> tuple[list[Annotation], dict[int, str], list[Annotation]]:
    """The labels with errors, which of them have one, and those that were dropped."""
    kinds = sorted({one.category_id for one in labels})
    left, wrong, dropped = [], {}, []
    for one in labels:
        box, lot = bounds(one.shape), rng.random()
        if one.crowd or lot >= 0.3 or (lot >= 0.2 and len(kinds) == 1):
            left.append(replace(one, shape=box))
        elif lot < 0.1:
            dropped.append(replace(one, shape=box))
        elif lot < 0.2:
            dx, dy = rng.choice([-1, 1], 2) * rng.uniform(0.2, 0.4, 2) * (box.width, box.height)
            moved = Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy)
            left.append(replace(one, shape=moved))
            wrong[one.id] = "shifted"
        else:
            other = int(rng.choice([key for key in kinds if key != one.category_id]))
            left.append(replace(one, shape=box, category_id=other))
            wrong[one.id] = "swapped"
    return left, wrong, dropped


@pytest.mark.parametrize(("name", "least"), [("pedestrians", 0.7), ("coco-mini", 0.4)])
def test_half_of_the_errors_are_found(name, least, shared: Path) -> None:
    data = shared / "data" / name
    dataset, _ = read_coco(data / "annotations.json")
    _, results = run_model("yolo11n", [data / "images"], dataset, Filter(confidence=0.1))
    images = {file_id: key for key, file_id in exported_ids(dataset.images).items()}
    categories = {file_id: key for key, file_id in exported_ids(dataset.categories).items()}
    found: dict[int, list[Candidate]] = {}
    for number, one in enumerate(results, 1):
        x, y, w, h = one["bbox"]
        made = Candidate(
            number,
            images[one["image_id"]],
            1,
            categories[one["category_id"]],
            Box(x, y, x + w, y + h),
            one["score"],
        )
        found.setdefault(made.image_id, []).append(made)
    precisions, recalls, firsts = [], [], []
    for seed in range(10):
        left, wrong, dropped = spoilt(list(dataset.annotations), np.random.default_rng(seed))
        every = [
            (one, found)
            for image in dataset.images
            for one in doubts(
                image.id,
                [a for a in left if a.image_id == image.id],
                found.get(image.id, []),
                least=0.02,
            )
        ]
        every.sort(key=lambda each: -each[0].score)
        boxes = {one.id: one.shape for listed in found.values() for one in listed}
        open_ones, right = {one.id: one for one in dropped}, []
        for one, _ in every:
            hit = next(
                (
                    key
                    for key, gone in open_ones.items()
                    if one.candidate_id
                    and gone.image_id == one.image_id
                    and box_overlap(boxes[one.candidate_id], gone.shape).iou >= 0.5
                ),
                None,
            )
            right.append(one.annotation_id in wrong or hit is not None)
            if one.annotation_id not in wrong and hit is not None:
                del open_ones[hit]
        counted, total = np.cumsum(right), len(wrong) + len(dropped)
        at = int(np.searchsorted(counted, math.ceil(total / 2)))
        precisions.append(float(counted[at] / (at + 1)) if at < len(counted) else 0.0)
        recalls.append(float(counted[-1] / total))
        firsts.append(float(counted[min(40, len(counted)) - 1] / min(40, len(counted))))
    report(
        f"doubtful labels, {name}, 10 draws of errors",
        "precision 0.7 at 50 % recall",
        f"{np.mean(precisions):.2f} ({min(precisions):.2f} to {max(precisions):.2f}); of the first 40 doubts "
        f"{np.mean(firsts):.0%} right, found in all {np.mean(recalls):.0%} of the errors",
    )
    assert np.mean(precisions) >= least
