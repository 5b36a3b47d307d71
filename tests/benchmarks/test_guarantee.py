"""Accepting unseen with a guarantee, over real photos: is the promise kept, and how much is accepted?

Predictions from 0.25 up; in each of 200 draws some images are reviewed whole, and what is offered for the
others is compared with their labels. On `blood-cells`, which no COCO model knows, `instant` learns from 10
photos that are left out.
"""

from pathlib import Path

import numpy as np
import pytest

from labeler.cli.predict import run_model
from labeler.core.filtering import Filter
from labeler.core.measures.guarantee import Looked, Promise, judged, promises
from labeler.core.records import Annotation, Box, Candidate
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import exported_ids
from labeler.training.events import unheard
from tests.benchmarks.harness import report
from tests.benchmarks.labelled_photos import instant, read, run_of

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

DRAWS = 200


def predicted(data: Path, tmp_path: Path, *, learns: bool) -> dict[int, list[Looked]]:
    """By image of the file: its predictions, each right or wrong."""
    dataset, _ = read_coco(data / "annotations.json")
    model, taught = "yolo11n", set()
    if learns:
        labels = read(data)
        order = np.random.default_rng(0).permutation(len(labels.images))
        learnt = [labels.images[n] for n in order[:10].tolist()]
        model = str(instant().train(run_of(data, tmp_path / "run", learnt, []), unheard, lambda: False))
        taught = {image.name for image in learnt}
    _, results = run_model(model, [data / "images"], dataset, Filter(confidence=0.25))
    image_ids, category_ids = exported_ids(dataset.images), exported_ids(dataset.categories)
    ours = {file_id: key for key, file_id in category_ids.items()}
    seen = {}
    for image in dataset.images:
        if Path(image.path).name in taught:
            continue
        truths: list[Annotation] = [a for a in dataset.annotations if a.image_id == image.id and not a.crowd]
        found = []
        for number, one in enumerate(r for r in results if r["image_id"] == image_ids[image.id]):
            x, y, w, h = one["bbox"]
            box = Box(x, y, x + w, y + h)
            found.append(Candidate(number, image.id, 1, ours[one["category_id"]], box, one["score"]))
        size = image.height, image.width
        seen[image.id] = judged(image.id, truths, found, size=size)
    return {key: rows for key, rows in seen.items() if rows}


@pytest.mark.parametrize(
    ("name", "learns"), [("pedestrians", False), ("coco-mini", False), ("blood-cells", True)]
)
def test_the_promise_is_kept(name, learns, shared, tmp_path) -> None:
    seen = predicted(shared / "data" / name, tmp_path, learns=learns)
    rng = np.random.default_rng(0)
    for allowed, share in ((0.05, 0.3), (0.05, 0.5), (0.1, 0.3), (0.1, 0.5)):
        offered = broken = 0
        accepted = []
        for _ in range(DRAWS):
            chosen = set(rng.permutation(list(seen))[: round(share * len(seen))].tolist())
            looked = [one for key in chosen for one in seen[key]]
            rest = [one for key, rows in seen.items() if key not in chosen for one in rows]
            (found,) = promises(looked, rest, allowed=allowed)
            taken = [one for one in rest if isinstance(found, Promise) and one.confidence >= found.confidence]
            offered += bool(taken)
            broken += sum(not one.is_right for one in taken) > allowed * len(taken)
            accepted.append(len(taken) / len(rest))
        count = sum(len(rows) for rows in seen.values())
        report(
            f"{name}: at most {allowed:.0%} wrong, {share:.0%} of {len(seen)} images reviewed",
            "kept in 95 % of draws",
            f"kept in {1 - broken / DRAWS:.1%} of {DRAWS}, offered in {offered / DRAWS:.0%}; accepted unseen "
            f"{np.mean(accepted):.1%} of {count} predictions' rest",
        )
        assert broken <= 0.05 * DRAWS
