"""What becomes of time and memory at ten times the labels: as much for each, and nobody's edit waits.

Sizes are such that a run takes a minute; processor time is counted, which a busy machine does not stretch.
"""

import json
import os
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from labeler.core.records import Annotation, Box, Category, Change, Edit
from labeler.formats.exchange import Importing, ImportingResults, import_results
from labeler.formats.export import export_coco
from labeler.project.portions import Portions
from labeler.project.store import Store
from labeler.project.writer import Writer
from tests.benchmarks.harness import report

SMALL, TIMES = 3_000, 10
ON_AN_IMAGE = 10
MOST_GROWTH = 1.5
PATIENCE_MS = 50

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


def _outline(rng: random.Random) -> list[float]:
    x, y = rng.uniform(10, 280), rng.uniform(10, 200)
    return [round(n, 2) for _ in range(12) for n in (x + rng.uniform(0, 30), y + rng.uniform(0, 30))]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders with a labels file of so many outlines and results of twice as many boxes, without photos."""
    made = {}
    for number in (SMALL, SMALL * TIMES):
        folder, rng = tmp_path_factory.mktemp(f"files{number}"), random.Random(number)
        images = range(1, number // ON_AN_IMAGE + 1)
        labels = {
            "images": [{"id": n, "file_name": f"{n}.jpg", "width": 320, "height": 240} for n in images],
            "categories": [{"id": n, "name": f"kind {n}"} for n in range(1, 11)],
            "annotations": [
                {
                    "id": n + 1,
                    "image_id": n // ON_AN_IMAGE + 1,
                    "category_id": rng.randrange(10) + 1,
                    "segmentation": [_outline(rng)],
                    "iscrowd": 0,
                }
                for n in range(number)
            ],
        }
        results = [
            {
                "image_id": n // (2 * ON_AN_IMAGE) + 1,
                "category_id": rng.randrange(10) + 1,
                "bbox": [round(rng.uniform(0, 250), 2), 10.5, round(rng.uniform(5, 60), 2), 30.25],
                "score": round(rng.random(), 4),
            }
            for n in range(2 * number)
        ]
        (folder / "labels.json").write_text(json.dumps(labels))
        (folder / "results.json").write_text(json.dumps(results))
        made[number] = folder
    return made


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _take(folder: Path) -> Store:
    store = Store.open(folder / f"p{time.monotonic_ns()}.labeler")
    importing = Importing(folder / "labels.json", images=folder)
    importing.look(store)
    importing.read()
    importing.finish(store)
    return store


def _growth(row: str, of: Callable[[int], float]) -> float:
    """By how much more time one takes where there are ten times as many: the least of three tries of each."""
    small = min(of(SMALL) for _ in range(3)) / SMALL
    large = min(of(SMALL * TIMES) for _ in range(2)) / (SMALL * TIMES)
    report(
        f"growth of {row}, {SMALL:,} to {SMALL * TIMES:,}",
        f"<= {MOST_GROWTH} x an item",
        f"{large / small:.2f} x ({large * 1e6:.0f} us of processor time an item)",
    )
    return large / small


def test_labels_come_in_and_go_out_linearly(files: dict[int, Path]) -> None:
    stores: dict[int, Store] = {}

    def take(number: int) -> float:
        if number in stores:
            stores[number].close()
        seconds = _seconds(lambda: stores.update({number: _take(files[number])}))
        assert sum(1 for _ in stores[number].all_annotations()) == number
        return seconds

    assert _growth("a COCO import", take) <= MOST_GROWTH
    assert _growth("a COCO export", lambda n: _seconds(lambda: export_coco(stores[n]))) <= MOST_GROWTH
    for store in stores.values():
        store.close()


def test_results_come_in_linearly_the_first_time_and_again(files: dict[int, Path]) -> None:
    stores = {number: _take(folder) for number, folder in files.items()}
    again = 0

    def take(number: int) -> float:
        nonlocal again
        again += 1
        path = files[number] / "results.json"
        return _seconds(lambda: import_results(stores[number], path, model=f"m{again}"))

    def replace(number: int) -> float:
        path = files[number] / "results.json"
        return _seconds(lambda: import_results(stores[number], path, model="m1"))

    assert _growth("a results import", take) <= MOST_GROWTH
    assert _growth("a results import in the place of the one before", replace) <= MOST_GROWTH
    for store in stores.values():
        store.close()


class _Person:
    """Somebody who draws one object after the other while long work goes on."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._first = writer.call(lambda store: store.ids.take("annotation", 100_000))

    def draw_while(self, work: Callable[[Store], Portions[object]]) -> tuple[list[float], float]:
        """Milliseconds until each was saved, and the seconds that the work took."""
        return self._draw_beside(partial(self._writer.post, work))

    def draw_while_read(self, work: Callable[[Store], object]) -> tuple[list[float], float]:
        """As `draw_while`, beside what only reads."""
        return self._draw_beside(partial(self._writer.look, work))

    def _draw_beside(self, post: Callable[..., None]) -> tuple[list[float], float]:
        ended = threading.Event()
        answers: list[object] = []
        began = time.perf_counter()
        post(lambda one: (answers.append(one), ended.set()), self._fail(answers, ended))
        waited = [self._draw() for _ in _until(ended)]
        assert not isinstance(answers[0], Exception), answers
        return waited, time.perf_counter() - began

    def _fail(self, answers: list[object], ended: threading.Event) -> Callable[[Exception], None]:
        return lambda error: (answers.append(error), ended.set())[1]

    def _draw(self) -> float:
        made = Annotation(self._first, 1, 1, Box(1, 1, 5, 5))
        self._first += 1
        began = time.perf_counter()
        saved = threading.Event()
        self._writer.apply(Edit("Draw", (Change(None, made),)), lambda _: saved.set())
        assert saved.wait(60)
        return (time.perf_counter() - began) * 1000


def _until(ended: threading.Event) -> Iterator[None]:
    while not ended.wait(0.01):
        yield


def test_no_edit_waits_for_an_import(files: dict[int, Path], tmp_path: Path) -> None:
    folder = files[SMALL * TIMES]
    writer = Writer.open(tmp_path / "p.labeler")
    writer.call(lambda store: store.photos.add(["1.jpg"]))
    category = Category(1, "kind 1", "#ff0000")
    writer.call(lambda store: store.apply(Edit("Add", (Change(None, category),))))
    person = _Person(writer)
    labels = Importing(folder / "labels.json", images=folder)
    writer.call(labels.look)
    labels.read()
    plan = labels.plan(lambda _: ())
    waits = {"labels": person.draw_while(lambda store: labels.carry_out(store, plan))}
    results = ImportingResults(folder / "results.json", model="m")
    writer.call(results.look)
    results.read()
    waits["results"] = person.draw_while(results.portions)
    model = writer.call(lambda store: store.predictions.models()[-1].id)
    waits["sums"] = person.draw_while_read(lambda store: [store.agreements.seen(model) for _ in range(20)])
    writer.close()
    for what, (waited, seconds) in waits.items():
        p99 = statistics.quantiles(waited, n=100)[-1]
        report(
            f"an edit saved beside {'what counts candidates' if what == 'sums' else f'an import of {what}'}, "
            f"{SMALL * TIMES:,} objects",
            f"p99 <= {PATIENCE_MS} ms",
            f"p99 {p99:.0f} ms, median {statistics.median(waited):.0f} ms of {len(waited)} "
            f"({seconds:.1f} s, load {os.getloadavg()[0]:.1f})",
        )
        # on a busy machine a thread waits for its turn as long as for anything of ours
        assert statistics.median(waited) <= PATIENCE_MS
        assert max(waited) < seconds * 500, "it came in between, not after"
