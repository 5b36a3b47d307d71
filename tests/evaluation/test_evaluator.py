"""The figures against pycocotools itself, and the matches against the figures."""

import contextlib
import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labeler.core.measures.set_agreement import summed
from labeler.core.records import Annotation, Box, Candidate, Category, Image, Mask
from labeler.errors import FormatError
from labeler.evaluation.by_image import by_image
from labeler.evaluation.confusion import confusion
from labeler.evaluation.curves import RECALLS, Curve, curve, mean_precision
from labeler.evaluation.evaluator import evaluate, evaluate_all, kind_of, read_predictions
from labeler.evaluation.findings import Evaluation, load, save
from labeler.evaluation.items import around, false_alarms, hits, images_of, missed
from labeler.evaluation.operating_points import ThresholdSweep, at
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.spec import Dataset
from labeler.wire.job_protocol import EvaluateSpec
from labeler.worker.evaluation_job import evaluate_files
from tests.evaluation.making import labels_and_results, run_lengths

KINDS = {"box": "bbox", "mask": "segm"}
ROOMY = settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def figures_of(evaluation: Evaluation) -> np.ndarray:
    """The twelve figures as pycocotools orders them, -1 for what could not be measured."""
    found = evaluation.summary.figures
    return np.array(
        [-1.0 if value is None else value for value in map(found.__getattribute__, found.__struct_fields__)]
    )


def pycocotools(labels: dict, results: list[dict], *, kind: str) -> COCOeval:
    """The evaluation by pycocotools, which cannot read an empty list of results."""
    labels = copy.deepcopy(labels)
    for number, annotation in enumerate(labels["annotations"], 1):
        annotation["id"] = number  # it takes the id 0 for no match
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = labels
        truth.createIndex()
        judged = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), kind)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return judged


def ours(folder: Path, labels: dict, results: list[dict], *, by: str = "box", **more) -> Evaluation:
    (folder / "labels.json").write_text(json.dumps(labels))
    (folder / "results.json").write_text(json.dumps(results))
    truths, told = read_coco(folder / "labels.json")
    predictions, report = read_predictions(truths, folder / "results.json")
    assert not told.refused
    assert not report.refused
    return evaluate(truths, predictions, by=by, **more)


def area_under(drawn: Curve) -> float | None:
    """COCO's AP of a curve: the mean over `RECALLS` of the best precision at that recall or beyond."""
    if not drawn.truths:
        return None
    best = [drawn.precision[drawn.recall >= recall].max(initial=0.0) for recall in RECALLS]
    return float(np.mean(best))


def check_consistent(evaluation: Evaluation) -> None:
    """Curves, rates, confusion, items and images tell the same story as the figures."""
    for place, category in enumerate(evaluation.categories):
        for threshold, name in ((0.5, "ap50"), (0.75, "ap75")):
            drawn = area_under(curve(evaluation, place, threshold=threshold))
            assert drawn == pytest.approx(getattr(category.figures, name), abs=1e-9)
    figures = evaluation.summary.figures
    if figures.ap is not None:
        assert mean_precision(evaluation).mean() == pytest.approx(figures.ap, abs=1e-6)
        assert mean_precision(evaluation, threshold=0.5).mean() == pytest.approx(figures.ap50, abs=1e-6)
    sweep = ThresholdSweep(evaluation)
    for confidence in (0.0, 0.5, sweep.best(), 1.0):
        rates = sweep.at(confidence)
        table = confusion(evaluation, confidence=confidence)
        assert np.diag(table.counts)[:-1].tolist() == [one.hits for one in rates.categories]
        assert table.counts[:-1].sum(axis=1).tolist() == [one.truths for one in rates.categories]
        given_here = [one.hits + one.false_alarms for one in rates.categories]
        assert table.counts[:, :-1].sum(axis=0).tolist() == given_here
        side = len(evaluation.categories) + 1
        assert all(
            len(table.cell(row, column)) == table.counts[row, column]
            for row in range(side)
            for column in range(side)
        )
        total = summed(one.total for one in by_image(evaluation, confidence=confidence))
        assert (total.matched, total.missed, total.extra) == (
            rates.total.hits,
            rates.total.missed,
            rates.total.false_alarms,
        )
        assert len(hits(evaluation, confidence=confidence)) == rates.total.hits
        assert len(false_alarms(evaluation, confidence=confidence)) == rates.total.false_alarms
        assert len(missed(evaluation, confidence=confidence)) == rates.total.missed
        for place, one in enumerate(rates.categories):
            assert len(missed(evaluation, confidence=confidence, category=place)) == one.missed


BOXES = st.tuples(
    st.sampled_from([0.0, 2.0, 10.0, 30.5]),
    st.sampled_from([0.0, 5.0, 20.25]),
    st.sampled_from([4.0, 8.0, 31.9, 32.0, 60.0, 120.0]),
    st.sampled_from([4.0, 8.0, 32.0, 96.0, 110.0]),
)
"""Few corners and sizes, so that equal overlaps and areas on a limit come up all the time."""
OBJECTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), BOXES, st.booleans()), max_size=14)
PREDICTIONS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 2), BOXES, st.sampled_from([0.0, 0.3, 0.5, 0.5001, 0.9, 1.0])
    ),
    min_size=1,
    max_size=24,
)


@ROOMY
@given(OBJECTS, PREDICTIONS)
@example([(0, 0, (0.0, 0.0, 8.0, 8.0), False)], [(0, 0, (0.0, 0.0, 8.0, 4.0), 0.5)])
@example([(0, 0, (0.0, 0.0, 60.0, 96.0), True)], [(0, 0, (2.0, 5.0, 8.0, 8.0), 0.9)] * 3)
def test_anything_small_is_judged_as_pycocotools_does(
    tmp_path: Path, objects: list, predictions: list
) -> None:
    labels = {
        "images": [{"id": 9 - n, "file_name": f"{n}.jpg", "width": 160, "height": 120} for n in range(4)],
        "categories": [{"id": kind * 7, "name": f"kind {kind}"} for kind in (2, 0, 1)],
        "annotations": [
            {
                "id": number,
                "image_id": 9 - image,
                "category_id": kind * 7,
                "bbox": list(box),
                "area": box[2] * box[3] * (0.5 if number % 2 else 1.0),
                "iscrowd": int(crowd),
            }
            for number, (image, kind, box, crowd) in enumerate(objects)
        ],
    }
    results = [
        {"image_id": 9 - image, "category_id": kind * 7, "bbox": list(box), "score": score}
        for image, kind, box, score in predictions
    ]
    evaluation = ours(tmp_path, labels, results)
    np.testing.assert_allclose(
        figures_of(evaluation), pycocotools(labels, results, kind="bbox").stats, rtol=0, atol=1e-9
    )
    check_consistent(evaluation)


@pytest.mark.parametrize("by", ["box", "mask"])
def test_a_real_looking_set_is_judged_as_pycocotools_does(tmp_path: Path, by: str) -> None:
    labels, results = labels_and_results(
        images=40, objects=7, predictions=30, categories=5, seed=3, masks=by == "mask"
    )
    evaluation = ours(tmp_path, labels, results, by=by)
    judged = pycocotools(labels, results, kind=KINDS[by])
    np.testing.assert_allclose(figures_of(evaluation), judged.stats, rtol=0, atol=1e-9)
    theirs = judged.eval["precision"][:, :, :, 0, -1]
    np.testing.assert_allclose(np.nan_to_num(evaluation.precision, nan=-1), theirs, rtol=0, atol=1e-6)
    for place, category in enumerate(evaluation.categories):
        assert category.figures.ap == pytest.approx(theirs[:, :, place].mean(), abs=1e-9)
    check_consistent(evaluation)
    assert figures_of(evaluation)[0] > 0.2


def test_only_a_hundred_predictions_an_image_and_category_count(tmp_path: Path) -> None:
    labels, results = labels_and_results(images=2, objects=150, predictions=400, categories=1, seed=5)
    evaluation = ours(tmp_path, labels, results)
    np.testing.assert_allclose(
        figures_of(evaluation), pycocotools(labels, results, kind="bbox").stats, rtol=0, atol=1e-9
    )
    assert len(results) > 700
    assert evaluation.summary.predictions == 200
    check_consistent(evaluation)


@pytest.mark.parametrize("name", ["coco-mini", "pedestrians"])
@pytest.mark.parametrize("by", ["box", "mask"])
def test_real_labels_are_judged_as_pycocotools_does(shared: Path, tmp_path: Path, name: str, by: str) -> None:
    source = shared / "data" / name / "annotations.json"
    labels = json.loads(source.read_bytes())
    sizes = {image["id"]: (image["width"], image["height"]) for image in labels["images"]}
    rng = np.random.default_rng(1)
    results = []
    for annotation in labels["annotations"]:
        if annotation["iscrowd"] or rng.random() < 0.2:
            continue
        one = {"image_id": annotation["image_id"], "category_id": annotation["category_id"]}
        one["score"] = round(float(rng.random()), 3)
        if by == "box":
            one["bbox"] = [float(side) for side in np.array(annotation["bbox"]) * rng.normal(1, 0.05, 4)]
        elif isinstance(annotation["segmentation"], list):
            shift = rng.normal(0, 3)
            moved = [[value + shift for value in ring] for ring in annotation["segmentation"]]
            one["segmentation"] = run_lengths(moved, sizes[annotation["image_id"]])
        else:
            one["segmentation"] = annotation["segmentation"]
        results.append(one)
    truths, _ = read_coco(source)
    (tmp_path / "results.json").write_text(json.dumps(results))
    predictions, report = read_predictions(truths, tmp_path / "results.json")
    places = {candidate.id - 1 for candidate in predictions}
    judged = pycocotools(labels, [one for at, one in enumerate(results) if at in places], kind=KINDS[by])
    evaluation = evaluate(truths, predictions, by=by)
    assert len(predictions) > 0.9 * len(results), report.problems()
    np.testing.assert_allclose(figures_of(evaluation), judged.stats, rtol=0, atol=1e-6)
    check_consistent(evaluation)


# --- what pycocotools cannot do -----------------------------------------------------------------------
SQUARE = Box(10, 10, 30, 30)


def dataset(*annotations: Annotation, images: int = 2) -> Dataset:
    return Dataset(
        tuple(
            Image(number, f"{number}.jpg", 100, 80, file_id=number * 10) for number in range(1, images + 1)
        ),
        (Category(1, "cat", "#000000", file_id=0), Category(2, "dog", "#000000", file_id=5)),
        annotations,
    )


def test_without_predictions_everything_is_missed() -> None:
    evaluation = evaluate(dataset(Annotation(1, 1, 1, SQUARE)), [])
    assert evaluation.summary.figures.ap == 0
    assert evaluation.summary.figures.ap_large is None
    assert [one.image_id for one in missed(evaluation, confidence=0.5)] == [10]
    assert ThresholdSweep(evaluation).best() == 0.5
    check_consistent(evaluation)


def test_without_truths_there_is_nothing_to_measure() -> None:
    evaluation = evaluate(dataset(), [Candidate(4, 2, 0, 2, SQUARE, 0.9)])
    assert set(figures_of(evaluation)) == {-1.0}
    assert [one.prediction_id for one in false_alarms(evaluation, confidence=0.5)] == [4]
    assert np.isnan(mean_precision(evaluation)).all()
    check_consistent(evaluation)


def test_nothing_to_evaluate_is_said() -> None:
    with pytest.raises(FormatError, match="no images"):
        evaluate(dataset(images=0), [])


def test_what_has_no_category_is_left_out() -> None:
    evaluation = evaluate(dataset(Annotation(1, 1, 1, SQUARE)), [Candidate(1, 1, 0, 0, SQUARE, 0.9)])
    assert evaluation.summary.predictions == 0


def test_every_figure_opens_its_objects() -> None:
    truths = dataset(
        Annotation(1, 1, 1, SQUARE, file_id=0),
        Annotation(2, 1, 2, Box(50, 10, 70, 30), file_id=77),
        Annotation(3, 2, 1, SQUARE, file_id=78),
        Annotation(4, 2, 2, Box(40, 0, 100, 80), crowd=True, file_id=79),
    )
    predictions = [
        Candidate(1, 1, 0, 1, Box(10, 10, 30, 28), 0.9),
        Candidate(2, 1, 0, 1, Box(50, 10, 70, 30), 0.8),
        Candidate(3, 2, 0, 2, Box(60, 20, 90, 60), 0.7),
        Candidate(4, 2, 0, 2, Box(0, 60, 20, 80), 0.6),
    ]
    evaluation = evaluate(truths, predictions, title="mine")
    (right,) = hits(evaluation, confidence=0.5)
    assert (right.image_id, right.prediction_id, right.truth_id, right.confidence) == (10, 1, 0, 0.9)
    assert right.iou == pytest.approx(0.9)
    assert [one.prediction_id for one in false_alarms(evaluation, confidence=0.5)] == [2, 4]
    assert [one.truth_id for one in missed(evaluation, confidence=0.5)] == [77, 78]
    table = confusion(evaluation, confidence=0.5)
    assert table.counts.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0]]
    (taken,) = table.cell(1, 0)
    assert (taken.prediction_id, taken.truth_id, taken.iou) == (2, 77, 1.0)
    of = curve(evaluation)
    assert of.confidences.tolist() == [0.9, 0.8, 0.6]
    assert images_of(around(evaluation, of, 2, count=2)) == (10, 20)
    rates = at(evaluation, 0.85).total
    assert (rates.precision, rates.recall, rates.f1) == (1.0, 1 / 3, 0.5)
    first, second = by_image(evaluation, confidence=0.5)
    assert (first.image_id, first.worst_id) == (10, 0)
    assert first.categories[0].iou == pytest.approx(0.9)
    assert (second.categories[5].extra, second.worst_id) == (1, None)


def test_pixels_are_counted_whatever_the_instances() -> None:
    half, whole = (Mask(0, 0, np.ones((10, width), dtype=bool)) for width in (10, 20))
    truths = dataset(Annotation(1, 1, 1, whole), Annotation(2, 2, 1, half))
    parts = [
        Candidate(1, 1, 0, 1, half, 0.9),
        Candidate(2, 1, 0, 1, Mask(10, 0, half.bits), 0.8),
        Candidate(3, 2, 0, 1, whole, 0.4),
    ]
    assert kind_of(truths, parts) == "mask"
    (evaluation,) = evaluate_all(truths, [("parts", parts)], pixel_confidence=0.5)
    cat, dog = evaluation.categories
    assert (cat.pixel_iou, cat.pixel_dice) == (200 / 300, 400 / 500)
    assert dog.pixel_iou is None
    (lower,) = evaluate_all(truths, [("parts", parts)], pixel_confidence=0.3)
    assert lower.categories[0].pixel_iou == 300 / 400
    by_itself = evaluate(truths, parts, by="mask").summary.pixel_confidence
    assert by_itself == ThresholdSweep(lower).best()


def test_two_models_are_compared_alike() -> None:
    truths = dataset(Annotation(1, 1, 1, Mask(0, 0, np.ones((9, 9), dtype=bool))))
    masks = [Candidate(1, 1, 0, 1, Mask(0, 0, np.ones((9, 9), dtype=bool)), 0.9)]
    boxes = [Candidate(1, 1, 0, 1, Box(0, 0, 9, 9), 0.9)]
    found = evaluate_all(truths, [("a", masks), ("b", boxes)])
    assert [(one.summary.title, one.summary.by, one.summary.figures.ap) for one in found] == [
        ("a", "box", pytest.approx(1.0)),
        ("b", "box", pytest.approx(1.0)),
    ]


# --- files --------------------------------------------------------------------------------------------
def test_a_saved_evaluation_is_the_same(tmp_path: Path) -> None:
    labels, results = labels_and_results(images=5, objects=4, predictions=9, categories=3, seed=2)
    evaluation = ours(tmp_path, labels, results, title="mine")
    save(tmp_path / "one.evaluation", [evaluation, evaluation])
    again, _ = load(tmp_path / "one.evaluation")
    assert again.summary == evaluation.summary
    assert again.images.names == evaluation.images.names
    for part in ("truths", "predictions", "pairs"):
        before, after = getattr(evaluation, part), getattr(again, part)
        for name in before.__struct_fields__:
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    np.testing.assert_array_equal(again.precision, evaluation.precision)
    check_consistent(again)


def test_what_the_window_asks_for_is_written(tmp_path: Path) -> None:
    labels, results = labels_and_results(images=4, objects=4, predictions=9, categories=3, seed=4, masks=True)
    evaluation = ours(tmp_path, labels, results, by="mask")
    files = str(tmp_path / "labels.json"), str(tmp_path / "results.json"), str(tmp_path / "out")
    evaluate_files(EvaluateSpec(files[0], (("new", files[1]), ("old", files[1])), files[2]))
    new, old = load(tmp_path / "out")
    assert (new.summary.title, old.summary.title, new.summary.by) == ("new", "old", "mask")
    assert new.summary.figures == old.summary.figures == evaluation.summary.figures
    evaluate_files(EvaluateSpec(files[0], (("new", files[1]),), files[2], by="box"))
    (boxes,) = load(tmp_path / "out")
    assert boxes.summary.by == "box"


def test_a_file_that_is_no_evaluation_is_told(tmp_path: Path) -> None:
    labels, results = labels_and_results(images=2, objects=4, predictions=9, categories=3, seed=2)
    path = tmp_path / "one.evaluation"
    save(path, [ours(tmp_path, labels, results)])
    data = path.read_bytes()
    for damaged in (data[: len(data) // 2], b"{}", b""):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="no evaluation, or a damaged one"):
            load(path)
    with pytest.raises(FormatError, match="cannot be read"):
        load(tmp_path / "none")
    with pytest.raises(FormatError, match="cannot be written"):
        save(tmp_path / "none" / "one", [])
