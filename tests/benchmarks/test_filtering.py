"""Live suppression: a step of a slider on one image, the counts of a set, and a frame of the canvas."""

from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision
from pytestqt.qtbot import QtBot

from labeler.core.filtering import CandidateFilter, Columns, Filter, SetFilter
from labeler.core.records import Box, Candidate
from labeler.gui.canvas.view import Canvas
from labeler.gui.session.session import Session
from tests.benchmarks.harness import compare, report

pytestmark = pytest.mark.benchmark

KINDS = ("class-wise", "agnostic", "soft-linear", "soft-gaussian")


@pytest.fixture(autouse=True)
def one_thread():
    """Our way runs on one thread, so theirs does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def detections(count: int, *, around: int = 100, seed: int = 0) -> Columns:
    """Raw boxes as of a detector: 80 classes, some `around` each object, most of low confidence."""
    rng = np.random.default_rng(seed)
    objects = max(3, count // around)
    which = rng.integers(0, objects, count)
    sizes = np.exp(rng.uniform(np.log(20), np.log(300), (objects, 2)))
    centres = rng.uniform(0, 2000, (objects, 2))[which] + rng.normal(0, 0.15, (count, 2)) * sizes[which]
    halves = sizes[which] * np.exp(rng.normal(0, 0.15, (count, 2))) / 2
    boxes = np.concatenate((centres - halves, centres + halves), axis=1)
    return Columns(np.arange(count), boxes, rng.random(count) ** 2, which % 80)


@pytest.mark.parametrize(("count", "limit"), [(1000, 5.0), (8400, 30.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_a_slider(count: int, limit: float, kind: str) -> None:
    table = detections(count)
    filter_ = CandidateFilter(table)
    # every threshold of the confidence slider's lower half: the more candidates, the dearer
    steps = cycle([Filter(0.01 * at, 0.3 + 0.01 * at, kind) for at in range(1, 50)])
    boxes, confidences = torch.tensor(table.boxes), torch.tensor(table.confidences)

    def ours() -> None:
        filter_.apply(next(steps))

    def theirs() -> None:
        torchvision.ops.nms(boxes, confidences, 0.5)

    timings = compare({"step": ours, "nms": theirs}, baseline="nms", rounds=15)
    report(f"8 a step with {count} candidates, {kind}", f"< {limit} ms", timings.figure("step"))
    assert timings.median_ms("step") < limit


@pytest.mark.parametrize("kind", ["class-wise", "soft-linear"])
def test_the_counts_of_ten_thousand_images(kind: str) -> None:
    """300,000 candidates; the overlaps are worked out by the first count, which is timed beside them."""
    images = [detections(30, around=6, seed=seed) for seed in range(10_000)]
    whole = SetFilter(images)
    wanted = cycle([Filter(0.05 + 0.05 * at, 0.5, kind) for at in range(9)])
    few = SetFilter(images[:500])
    each = [CandidateFilter(image) for image in images[:500]]
    once = Filter(kind=kind)
    assert few.counts(once)[1] == sum(len(one.apply(once).kept) for one in each)

    def ours() -> None:
        whole.counts(next(wanted))

    def afresh() -> None:
        SetFilter(images).counts(once)

    timings = compare({"counts": ours, "with the overlaps": afresh}, baseline="with the overlaps")
    report(f"8 counts of 10,000 images, {kind}", "< 1,000 ms", timings.figure("counts"))
    assert timings.median_ms("counts") < 1000


def test_frames_while_a_slider_moves(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 candidates on a 4k photo, everything shown: from the slider's step until it is painted."""
    for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
        monkeypatch.setenv(f"LABELER_{kind}_DIR", str(tmp_path / kind))
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "four.png"), np.full((2160, 3840, 3), 90, np.uint8))
    session = Session()
    session.open(folder)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=60_000)
    session.edits.add_category("thing", by="test")
    table = detections(1000, around=20)
    found = [
        Candidate(0, 1, 0, 1, Box(*box), confidence)
        for box, confidence in zip(table.boxes.tolist(), table.confidences.tolist(), strict=True)
    ]
    models = []

    def store_them(store):
        made = store.predictions.ensure_model("detector", "1")
        store.predictions.record_run(made.id, 1, found)
        return made

    session.ask(store_them, models.append)
    qtbot.waitUntil(lambda: bool(models))
    session.reload()
    qtbot.waitUntil(lambda: len(session.document.candidates) == 1000)
    session.measure.choose_model(models[0])
    canvas = Canvas(session, None)
    qtbot.addWidget(canvas)
    canvas.resize(1280, 800)
    with qtbot.waitExposed(canvas):
        canvas.show()
    canvas.sight.fit()
    predictions = canvas.predictions
    predictions.set_faint("all")
    places = cycle([0.05 + 0.01 * at for at in range(40)])

    def ours() -> None:
        predictions.set_filter(confidence=next(places))
        canvas.repaint()

    timings = compare({"slider": ours, "repaint": canvas.repaint}, baseline="repaint", rounds=40)
    report("8 slider frame, 1,000 candidates all shown", "p90 < 16.7 ms", timings.figure("slider"))
    canvas.hide()
    session.shut_down()
    assert timings.p90_ms("slider") < 16.7
