"""Look-alikes of a few objects: how many of the others are found.

Images are walked through by chance, as are the objects of each: the first 1, 2 and 5 of a category are the
examples. All other objects of the set are looked for, those on the same images too, under names that COCO
has not. Of `blood-cells` the first 30 images were used to choose settings, as was `coco-mini`.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_iou
from labeler.training.data import LabelledImage
from labeler.training.instant.by_likeness import Labelled, by_likeness
from labeler.training.instant.head import Head
from labeler.training.instant.head_check import corners_of
from labeler.training.instant.instant_models import Instant
from labeler.training.instant.objects import boxes_found
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant, read

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

COUNTS = (1, 2, 5)
PRECISION = 0.9
SHOWN = 0.5
"""The confidence from which on the window shows them (`WORTH` of the learner)."""
DRAWS = 3
SMALLEST = 8
"""Pixels of a side, from which on an object may be an example."""
CHOSEN_ON = 30
"""Images of `blood-cells` that settings were chosen on."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(("name", "least"), [("blood-cells", 0.15), ("pedestrians", 0.1), ("coco-mini", 0.0)])
def test_look_alikes_of_a_few_objects_are_found(name, least, shared, cache, monkeypatch) -> None:
    monkeypatch.setenv("LABELER_CACHE_DIR", str(cache))
    images, names = of_set(shared / "data" / name)
    if name == "blood-cells":
        images = images[CHOSEN_ON:]
    told = trial(instant(), images, names)
    for count in COUNTS:
        by = told[count]
        each = ", ".join(f"{names[key]} {one[0]:.2f}" for key, one in list(by.items())[:4])
        mean, sums = np.mean(list(by.values()), axis=0), np.sum(list(by.values()), axis=0)
        report(
            f"look-alikes of {count} on {name}, {len(images)} images",
            "",
            f"found at 90 % precision {mean[0]:.2f} ({each}), AP50 {mean[1]:.2f}, "
            f"shown of all categories {sums[2]:.0f}, right {sums[3]:.0f}, of {sums[4]:.0f}",
        )
    assert np.mean([one[0] for one in told[5].values()]) >= least


def of_set(folder: Path) -> tuple[list[LabelledImage], dict[int, str]]:
    """The images, and the categories with 12 objects on 6 images, under names of no COCO category."""
    labels = read(folder)
    objects: dict[int, list[int]] = defaultdict(list)
    for place, image in enumerate(labels.images):
        for one in image.annotations:
            if not one.crowd:
                objects[one.category_id].append(place)
    names = {one.id: one.name for one in labels.categories}
    kept = {key: names[key] for key, found in objects.items() if len(found) >= 12 and len(set(found)) >= 6}
    return list(labels.images), kept


def trial(
    model: Instant, images: list[LabelledImage], names: dict[int, str], draws: int = DRAWS
) -> dict[int, dict[int, list[float]]]:
    """By number of examples and category what `judged` gives, as the mean of the draws."""
    figures: dict[int, dict[int, list[list[float]]]] = {count: defaultdict(list) for count in COUNTS}
    for draw in range(draws):
        walks = {key: walk(images, key, draw) for key in names}
        for count in COUNTS:
            chosen = {key: one[:count] for key, one in walks.items()}
            head = head_of(model, images, names, chosen)
            hits = {
                key: found_by(model, head, images, key, f"some {names[key]}", chosen[key]) for key in names
            }
            for key, (confidences, right, total) in hits.items():
                figures[count][key].append(judged(confidences, right, total))
    return {
        count: {key: np.mean(found, axis=0).tolist() for key, found in by.items()}
        for count, by in figures.items()
    }


def walk(images: list[LabelledImage], category: int, draw: int) -> list[tuple[int, int]]:
    """Places of images and of their objects, in the order in which a person might come upon them."""
    chance = np.random.default_rng([0, category, draw])
    met: list[tuple[int, int]] = []
    for place in chance.permutation(len(images)).tolist():
        found = [
            number
            for number, one in enumerate(images[place].annotations)
            if one.category_id == category
            and not one.crowd
            and min(bounds(one.shape).width, bounds(one.shape).height) >= SMALLEST
        ]
        met += [(place, number) for number in chance.permutation(found).tolist()]
        if len(met) >= max(COUNTS):
            break
    return met


def head_of(
    model: Instant,
    images: list[LabelledImage],
    names: dict[int, str],
    chosen: dict[int, list[tuple[int, int]]],
) -> Head:
    """What finds the look-alikes of the chosen objects."""
    keys = list(names)
    labelled = []
    for key, found in chosen.items():
        for place, number in found:
            image = images[place]
            box = corners_of([image.annotations[number]])
            category = np.array([keys.index(key)])
            labelled.append(Labelled(model.seen(image.path), model.embedding(image.path), box, category))
    called = tuple(f"some {names[key]}" for key in keys)
    return by_likeness(called, labelled, model.eyes.layers, model.eyes.fingerprint).head


_found: dict[tuple[int, int], tuple] = {}


def found_by(
    model: Instant,
    head: Head,
    images: list[LabelledImage],
    category: int,
    name: str,
    chosen: list[tuple[int, int]],
) -> tuple[np.ndarray, np.ndarray, int]:
    """Confidences of what is found of a category, whether it is right, and how much there is to find."""
    confidences, right = [], []
    total = sum(one.category_id == category and not one.crowd for i in images for one in i.annotations)
    for place, image in enumerate(images):
        key = id(head), place
        if key not in _found:
            _found[key] = (
                head,
                boxes_found(head, model.seen(image.path), model.embedding(image.path), floor=1e-4),
            )
        found = [one for one in _found[key][1] if one.label == name]
        truths = [one for one in image.annotations if one.category_id == category]
        taken = {number for at, number in chosen if at == place}
        overlaps = box_iou(corners_of(found), corners_of(truths)) if found and truths else None
        used: set[int] = set()
        for row, one in enumerate(found):
            match = None
            if overlaps is not None:
                if any(
                    overlaps[row, n] >= 0.5
                    for n, t in enumerate(truths)
                    if any(t is image.annotations[k] for k in taken) or t.crowd
                ):
                    continue
                free = [n for n in range(len(truths)) if n not in used and overlaps[row, n] >= 0.5]
                match = max(free, key=lambda n: overlaps[row, n], default=None)
            if match is not None:
                used.add(match)
            confidences.append(one.confidence)
            right.append(match is not None)
    return np.array(confidences), np.array(right, dtype=bool), total - len(chosen)


def judged(confidences: np.ndarray, right: np.ndarray, total: int) -> list[float]:
    """Found at 90 % precision, AP50; how many are shown, how many of them are right, how many there are."""
    if not len(confidences):
        return [0.0, 0.0, 0.0, 0.0, float(total)]
    order = np.argsort(-confidences, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    enough = np.flatnonzero(precision >= PRECISION)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    shown = confidences >= SHOWN
    return [
        hits[enough[-1]] / total if len(enough) else 0.0,
        float((best * right[order]).sum() / total),
        float(shown.sum()),
        float(right[shown].sum()),
        float(total),
    ]
