"""The instant head: how good it is, and how fast, with few images.

It learns from photos of the first half of `pedestrians` and is tested on every second one of the other
half, which were taken at other places. Their embeddings are in the cache, as those of images that a person
has opened.
"""

import time

import numpy as np
import pytest

from labeler.training.instant import head as instant_head
from labeler.training.instant import trainer as instant_trainer
from labeler.training.precision import JudgedImage, precision
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant as embedded
from tests.benchmarks.labelled_photos import read, run_of

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

STEPS = 240
HALF = 37


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    ("count", "least"),
    [(1, 0.15), (3, 0.3), (5, 0.4), pytest.param(10, 0.7, marks=pytest.mark.slow), (20, 0.7), (30, 0.7)],
)
def test_people_are_found_after_a_few_images(count, least, shared, cache, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LABELER_CACHE_DIR", str(cache))
    data = shared / "data" / "pedestrians"
    labels = read(data)
    learnt = [labels.images[place] for place in np.random.default_rng(0).permutation(HALF)[:count]]
    model = embedded()
    for image in learnt:
        model.embedding(image.path)
    run = run_of(data, tmp_path / "run", learnt, [])
    begun, worked = time.perf_counter(), time.process_time()
    path = instant_trainer.train(run, model, steps=STEPS, report=lambda _: None, should_stop=lambda: False)
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    head = instant_head.load(path)
    judged = [
        JudgedImage(image.size, image.annotations, model.objects(head, image.path))
        for image in labels.images[HALF::2]
    ]
    ids = {category.name: category.id for category in labels.categories}
    figures = precision(judged, ids) | precision(judged, ids, by="mask", prefix="mask ")
    told = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
    report(
        f"instant, {count} images",
        f"AP50 >= {least} within 60 s",
        f"{told}, {seconds:.1f} s, {worked:.1f} s of work",
    )
    assert figures["AP50"] >= least
    assert worked < 60, "of the processor: neighbours on a busy machine do not count"
