"""Suppression without torch against torchvision: row 8 of the goals."""

import numpy as np
import pytest
import torch
import torchvision

from labeler.core.suppression import overlapping, suppress
from tests.benchmarks.harness import compare, report

pytestmark = pytest.mark.benchmark

THRESHOLD = 0.7


@pytest.fixture(autouse=True)
def one_thread():
    """Our way runs on one thread, so theirs does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def detections(count):
    """Raw boxes as of a detector: 80 categories, some 100 boxes around each object of a 4k photo."""
    rng = np.random.default_rng(count)
    objects = max(3, count // 100)
    which = rng.integers(0, objects, count)
    sizes = np.exp(rng.uniform(np.log(20), np.log(300), (objects, 2)))
    centres = rng.uniform(0, 4000, (objects, 2))[which] + rng.normal(0, 0.15, (count, 2)) * sizes[which]
    halves = sizes[which] * np.exp(rng.normal(0, 0.15, (count, 2))) / 2
    return np.concatenate((centres - halves, centres + halves), axis=1), rng.random(count), which % 80


@pytest.mark.parametrize(
    ("count", "agnostic", "batched"), [(300, None, None), (3000, 1.3, None), (30000, 0.3, 1.6)]
)
def test_greedy_suppression(count, agnostic, batched):
    boxes, confidences, categories = detections(count)
    as_torch = torch.tensor(boxes), torch.tensor(confidences), torch.tensor(categories)
    known = overlapping(boxes, floor=0.3)

    def ours(kind, overlaps=None):
        return suppress(
            boxes, confidences, categories, threshold=THRESHOLD, kind=kind, overlaps=overlaps
        ).kept

    def nms():
        return torchvision.ops.nms(as_torch[0], as_torch[1], THRESHOLD)

    def batched_nms():
        return torchvision.ops.batched_nms(*as_torch, THRESHOLD)

    assert ours("agnostic").tolist() == ours("agnostic", known).tolist() == nms().tolist()
    assert sorted(ours("class-wise").tolist()) == sorted(batched_nms().tolist())
    variants = {
        "nms": nms,
        "ours": lambda: ours("agnostic"),
        "ours, a slider's step": lambda: ours("agnostic", known),
    }
    timings = compare(variants, baseline="nms", inner=max(1, 3000 // count))
    by_class = compare(
        {"batched_nms": batched_nms, "ours": lambda: ours("class-wise")},
        baseline="batched_nms",
        inner=max(1, 3000 // count),
    )
    step = timings.figure("ours, a slider's step")
    goal = f"<= {agnostic} x nms" if agnostic else "<= 1 ms"
    report(f"8 NMS of {count} boxes", goal, f"{timings.figure('ours')}; again on a slider {step}")
    goal = f"<= {batched} x batched_nms" if batched else "reported"
    report(f"8 class-wise NMS of {count} boxes", goal, by_class.figure("ours"))
    assert agnostic is None or timings.ratio("ours") <= agnostic
    assert batched is None or by_class.ratio("ours") <= batched
