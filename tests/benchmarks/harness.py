"""Speed as ratios inside one run.

An absolute time says as much about the machine's neighbours as about the code, so every figure that a
benchmark is judged by is a ratio to a baseline that was timed in the same rounds, interleaved in random
order. Check that the variants give equal results before calling `compare`: a fast wrong answer is no result.

    timings = compare({"ours": ours, "theirs": theirs}, baseline="theirs", inner=10)
    report("5 live IoU", "<= 0.01 x numpy", timings.figure("ours"))
    assert timings.ratio("ours") <= 0.01

`LABELER_BENCHMARK_OUT`, where set, names a file to which every report is appended as one line of JSON.
"""

import gc
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

MIN_ROUNDS = 9


@dataclass(frozen=True)
class Timings:
    """Milliseconds a call of each variant, one number a round, in the order of the rounds."""

    milliseconds: Mapping[str, tuple[float, ...]]
    baseline: str
    load: float
    """The machine's load average over the last minute when timing ended; -1 where it is not known."""

    def min_ms(self, name: str) -> float:
        """The fastest round."""
        return min(self.milliseconds[name])

    def median_ms(self, name: str) -> float:
        """The middle round."""
        return statistics.median(self.milliseconds[name])

    def p90_ms(self, name: str) -> float:
        """The round that nine in ten are no slower than."""
        return statistics.quantiles(self.milliseconds[name], n=10, method="inclusive")[-1]

    def ratio(self, name: str) -> float:
        """The median over the rounds of the variant's time over the baseline's in the same round.

        A neighbour that slows a whole round down slows both, so this holds still where medians move.
        """
        pairs = zip(self.milliseconds[name], self.milliseconds[self.baseline], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def figure(self, name: str) -> str:
        """The variant as a cell of the table of results: ratio, median and p90."""
        return f"{self.ratio(name):.3g} x ({self.median_ms(name):.3g} ms, p90 {self.p90_ms(name):.3g} ms)"

    def table(self) -> str:
        """All variants as text, one a line."""
        lines = [f"{'':28}{'min':>10}{'median':>10}{'p90':>10}{'ratio':>10}   load {self.load:.1f}"]
        for name in self.milliseconds:
            cells = self.min_ms(name), self.median_ms(name), self.p90_ms(name), self.ratio(name)
            lines.append(f"{name:28}" + "".join(f"{cell:10.4g}" for cell in cells))
        return "\n".join(lines)


def compare(
    variants: Mapping[str, Callable[[], object]], *, baseline: str, rounds: int = MIN_ROUNDS, inner: int = 1
) -> Timings:
    """Time the variants interleaved, in a new random order each round, after one call of each to warm up.

    A round times `inner` calls of a variant with the garbage collector off, and counts one of them. The
    table is printed. Raises ValueError for an unknown baseline or for too few rounds.
    """
    if baseline not in variants:
        raise ValueError(f"The baseline {baseline!r} is not one of {sorted(variants)}.")
    if rounds < MIN_ROUNDS or inner < 1:
        raise ValueError(f"A comparison needs at least {MIN_ROUNDS} rounds of at least one call.")
    order = random.Random(0)
    names = list(variants)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for variant in variants.values():
        variant()
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            taken[name].append(_milliseconds(variants[name], inner))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else -1.0
    timings = Timings({name: tuple(taken[name]) for name in variants}, baseline, load)
    print("\n" + timings.table())
    return timings


def _milliseconds(variant: Callable[[], object], inner: int) -> float:
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(inner):
            variant()
        return (time.perf_counter() - start) * 1000.0 / inner
    finally:
        gc.enable()


def report(row: str, goal: str, figure: str) -> None:
    """Print one row of the table of results, and append it to the file `LABELER_BENCHMARK_OUT`."""
    print(f"{row}: goal {goal}, measured {figure}")
    out = os.environ.get("LABELER_BENCHMARK_OUT")
    if out:
        with Path(out).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"row": row, "goal": goal, "figure": figure}, ensure_ascii=False) + "\n")
