"""Photos that look alike: how the search for them grows."""

import time

import numpy as np
import pytest

from labeler.training.split import Item, split
from tests.benchmarks.harness import report

pytestmark = pytest.mark.benchmark


def frames(number: int, cameras: int) -> list[Item]:
    """Fingerprints of `cameras` that stand still and take turns, each with up to six bits of noise."""
    chance = np.random.default_rng(0)
    scenes = [int.from_bytes(chance.bytes(16), "big") for _ in range(cameras)]
    noise = chance.integers(0, 128, (number, 6)).tolist()
    return [
        Item(str(n), str(n), scenes[n % cameras] ^ sum(1 << bit for bit in set(bits)))
        for n, bits in enumerate(noise)
    ]


def seconds(items: list[Item], groups: int) -> float:
    begun = time.process_time()
    assert len(split(items, share=0.2, seed=0).groups) == groups
    return time.process_time() - begun


def test_frames_of_a_still_camera_grow_linearly() -> None:
    for cameras in (1, 4):
        taken = [seconds(frames(number, cameras), cameras) for number in (1_000, 10_000, 100_000)]
        told = " / ".join(f"{one:.2f}" for one in taken)
        report(f"near-duplicates, 1k / 10k / 100k frames of {cameras} cameras", "10 s", f"{told} s")
        assert taken[-1] <= 10
    different = frames(20_000, 20_000)
    report("near-duplicates, 20,000 that differ", "-", f"{seconds(different, 20_000):.2f} s")
