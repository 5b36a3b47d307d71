"""The decoder that learns from clicks, on photos that it did not learn from: IoU by click and by box, NoC.

`pedestrians`: the first half of the photos teaches, the other, taken at other places, tests. `coco-mini`, of
mixed kinds, where there is little to gain: the first half teaches, the second shows what it harms.
"""

import time

import numpy as np
import pytest

from labeler.cli.segment import NOC, PromptStep, clicks_to, measure
from labeler.models.files import made
from labeler.models.protocols import Segmenter
from labeler.models.sam.clicks_file import Taught
from labeler.models.simulated import MOST_CLICKS
from labeler.registry import discover
from labeler.training.clicks import trainer as clicks_trainer
from labeler.training.data import LabelledImage
from labeler.training.instant.trainer import Instant
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant, read, run_of

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

STEPS = 160


@pytest.fixture(autouse=True)
def _cached(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("LABELER_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "embedded"))


def taught(shared, name: str, path, seed: int) -> tuple[Segmenter, Taught, list[LabelledImage], float]:
    """The model that the first half teaches, what it says of itself, the other half, and seconds of work."""
    data = shared / "data" / name
    images = read(data).images
    half = len(images) // 2
    embedded = instant()
    for image in images[:half]:
        embedded.embedding(image.path)
    run = run_of(data, path, list(images[:half]), [], seed)
    begun = time.process_time()
    made_of = clicks_trainer.train(
        run, embedded.embedding, steps=STEPS, report=lambda _: None, should_stop=lambda: False
    )
    seconds = time.process_time() - begun
    model = discover(safe_mode=True).open_file(made_of).load()
    assert isinstance(model, Segmenter)
    return model, made.read(made_of).config_as(Taught), list(images[half:]), seconds


def prompted(
    model: Segmenter, embedded: Instant, images: list[LabelledImage], *, clicks: int, until: float = 1.0
) -> list[list[PromptStep]]:
    """Of each object by clicks; by its box where `clicks` is 0."""
    found = []
    for image in images:
        embedding = embedded.embedding(image.path)
        for one in image.annotations:
            if not one.crowd:
                with_box = clicks == 0
                found.append(measure(model, embedding, one, with_box=with_box, clicks=clicks, until=until))
    return [steps for steps in found if steps]


def iou_after(steps: list[list[PromptStep]], click: int) -> float:
    """The mean; where nothing was left to click at, an object's last mask counts on."""
    return float(np.mean([one[min(click, len(one)) - 1].iou for one in steps]))


def figures(model: Segmenter, images: list[LabelledImage], *, noc: bool) -> dict[str, float]:
    """IoU after 1 to 3 clicks and by the box, and the clicks to 0.85 and 0.90."""
    embedded = instant()
    clicks, box = prompted(model, embedded, images, clicks=3), prompted(model, embedded, images, clicks=0)
    found = {f"IoU {click}": iou_after(clicks, click) for click in (1, 2, 3)}
    found |= {"box": iou_after(box, 1), "objects": float(len(clicks))}
    if noc:
        to = prompted(model, embedded, images, clicks=MOST_CLICKS, until=max(NOC))
        for iou in NOC:
            needed = [clicks_to(one, iou) or MOST_CLICKS for one in to]
            found[f"NoC@{iou * 100:.0f}"] = float(np.mean(needed))
    return found


def told(before: dict[str, float], after: dict[str, float]) -> str:
    return ", ".join(f"{name} {before[name]:.3f} to {after[name]:.3f}" for name in before)


def test_clicks_on_people_get_better(shared, tmp_path) -> None:
    model, says, images, seconds = taught(shared, "pedestrians", tmp_path / "run", 0)
    before, after = (figures(one, images, noc=True) for one in (instant().segmenter, model))
    report(
        "clicks learnt on pedestrians, by halves",
        "30 % fewer clicks to 0.85, 40 s of work",
        f"{told(before, after)}; used for {says.kinds}; {seconds:.0f} s of work",
    )
    assert after["IoU 1"] > before["IoU 1"] + 0.05
    assert after["box"] > before["box"] - 0.01
    assert after["NoC@85"] < before["NoC@85"]


def test_mixed_kinds_are_not_harmed(shared, tmp_path) -> None:
    model, says, images, seconds = taught(shared, "coco-mini", tmp_path / "run", 0)
    before = figures(instant().segmenter, images, noc=False)
    after = figures(model, images, noc=False) if says.kinds else before
    gates = "; ".join(f"{gate.told}{'' if gate.is_open else ' (not used)'}" for gate in says.gates)
    report(
        "clicks learnt on mixed kinds, by halves",
        "never 1 % worse",
        f"{told(before, after)}; held out: {gates}; {seconds:.0f} s of work",
    )
    assert all(after[name] > before[name] * 0.99 for name in before)
