"""The instant head: how good it is, and how fast, with few images.

`pedestrians`: it learns from photos of the first half and is tested on the other, which was taken at other
places; once as "person", which COCO has, and once under a name that it has not. `blood-cells`: 10 images by
chance, 80 others of the same microscope. What the detector sees of them is in the cache.
"""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from labeler.training.data import LabelledImage
from labeler.training.instant import head as instant_head
from labeler.training.instant import trainer as instant_trainer
from labeler.training.precision import JudgedImage, precision
from labeler.training.run import RunFolder
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant as embedded
from tests.benchmarks.labelled_photos import read, run_of

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

STEPS = 240
HALF = 37


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", ["person", "walker"])
@pytest.mark.parametrize(
    ("count", "least"), [(1, 0.5), (3, 0.6), (10, 0.8), pytest.param(30, 0.8, marks=pytest.mark.slow)]
)
def test_people_are_found_after_a_few_images(
    name, count, least, shared, cache, tmp_path, monkeypatch
) -> None:
    labels = read(shared / "data" / "pedestrians")
    learnt = [labels.images[place] for place in np.random.default_rng(0).permutation(HALF)[:count]]
    run = run_of(shared / "data" / "pedestrians", tmp_path / "run", learnt, [])
    called(run, name)
    monkeypatch.setenv("LABELER_CACHE_DIR", str(cache))
    figures, told = judged(run, learnt, labels.images[HALF:], {name: labels.categories[0].id})
    report(f"instant, {count} images of people as “{name}”", f"AP50 >= {least}", told)
    assert figures["AP50"] >= least


@pytest.mark.parametrize("seed", range(3))
def test_blood_cells_are_found_after_ten_images(seed, shared, cache, tmp_path, monkeypatch) -> None:
    data = shared / "data" / "blood-cells"
    labels = read(data)
    order = np.random.default_rng(seed).permutation(len(labels.images))
    learnt, tested = ([labels.images[place] for place in part] for part in (order[:10], order[10:90]))
    run = run_of(data, tmp_path / "run", learnt, [], seed=seed)
    monkeypatch.setenv("LABELER_CACHE_DIR", str(cache))
    ids = {category.name: category.id for category in labels.categories}
    figures, told = judged(run, learnt, tested, ids)
    report(f"instant, 10 images of blood cells, draw {seed}", "AP50 >= 0.6; aim 0.75 / 0.45", told)
    assert figures["AP50"] >= 0.6


def called(run: RunFolder, name: str) -> None:
    """Give a run's only category another name."""
    labels = json.loads(run.train_labels.read_bytes())
    labels["categories"][0]["name"] = name
    Path(run.train_labels).write_text(json.dumps(labels))


def judged(
    run: RunFolder,
    learnt: list[LabelledImage],
    tested: tuple[LabelledImage, ...] | list[LabelledImage],
    ids: dict[str, int],
) -> tuple[dict[str, float], str]:
    """AP and AP50 on images of a head that learns from others, and all there is to tell."""
    model = embedded()
    for image in learnt:
        model.seen(image.path)
        model.seen_mirrored(image.path)
    begun, worked = time.perf_counter(), time.process_time()
    path = instant_trainer.train(run, model, steps=STEPS, report=lambda _: None, should_stop=lambda: False)
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    head = instant_head.load(path)
    for image in tested:
        model.seen(image.path)
        if head.config.masks:
            model.embedding(image.path)
    begun = time.perf_counter()
    found = [JudgedImage(one.size, one.annotations, model.objects(head, one.path)) for one in tested]
    each = (time.perf_counter() - begun) / len(tested)
    figures = precision(found, ids)
    shown = figures | (precision(found, ids, by="mask", prefix="mask ") if head.config.masks else {})
    told = ", ".join(f"{name} {value:.3f}" for name, value in shown.items())
    assert worked < 60, "of the processor: neighbours on a busy machine do not count"
    return figures, f"{told}; trained in {seconds:.1f} s ({worked:.1f} s of work), {each:.2f} s an image"
