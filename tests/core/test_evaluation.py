"""Evaluation: the worked points, pycocotools as oracle, and counts by hand."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labeler.core import evaluation, geometry, rle
from labeler.core.evaluation import Scene, average_precision, precision_recall
from labeler.core.records import Annotation, Box, Candidate, Mask

SIZE = (200, 220)


@pytest.fixture
def worked():
    return precision_recall([0.98, 0.95, 0.88, 0.75, 0.60], [True, True, False, True, False], truths=3)


def test_precision_of_the_worked_points(worked):
    assert np.round(worked.precision, 2).tolist() == [1, 1, 0.67, 0.75, 0.60]


def test_recall_of_the_worked_points(worked):
    assert np.round(worked.recall, 2).tolist() == [0.33, 0.67, 0.67, 1, 1]


def test_ap_of_the_worked_points_by_both_rules(worked):
    assert average_precision(worked, rule="voc") == pytest.approx(2 / 3 + 0.75 / 3)
    # recalls 0 to 0.66 lie at or before 2/3: 67 of 101 points at precision 1, the others at 0.75
    assert average_precision(worked, rule="coco") == pytest.approx((67 + 34 * 0.75) / 101)


def test_points_in_any_order_give_one_curve(worked):
    curve = precision_recall([0.60, 0.98, 0.75, 0.88, 0.95], [False, True, True, False, True], truths=3)
    assert np.array_equal(curve.precision, worked.precision)


def test_ap_without_predictions_is_0_and_without_truths_unknown():
    assert average_precision(precision_recall([], [], truths=2)) == 0
    assert average_precision(precision_recall([], [], truths=2), rule="voc") == 0
    assert np.isnan(average_precision(precision_recall([0.5], [False], truths=0)))


def test_unlike_lengths_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        precision_recall([0.5], [True, False], truths=1)


def some_shape(rng, kind):
    x, y = rng.uniform(0, 100, 2)
    width, height = rng.uniform(20, 100, 2)
    if kind == "box":
        return Box(x, y, x + width, y + height)
    bits = rng.random((int(height), int(width))) < 0.9
    return geometry.from_bits(bits, int(x), int(y))


def shifted(shape, rng):
    jitter = rng.normal(0, 6, 4)
    if isinstance(shape, Mask):
        return geometry.translated(shape, jitter[0], jitter[1])
    return Box(shape.x0 + jitter[0], shape.y0 + jitter[1], shape.x1 + jitter[2], shape.y1 + jitter[3])


def some_images(seed, kind):
    """Per image its candidates and annotations, of categories 1 to 3, with crowds and equal confidences."""
    rng = np.random.default_rng(seed)
    images = []
    for image in range(10):
        truths, predictions = [], []
        for _ in range(rng.integers(0, 7)):
            category, crowd = int(rng.integers(1, 4)), bool(rng.random() < 0.15)
            truth = Annotation(0, image, category, some_shape(rng, kind), crowd=crowd)
            truths.append(truth)
            for _ in range(rng.integers(0, 4)):
                guess = category if rng.random() < 0.7 else int(rng.integers(1, 4))
                confidence = round(float(rng.random()), 1)
                predictions.append(Candidate(0, image, 1, guess, shifted(truth.shape, rng), confidence))
        images.append((predictions, truths))
    return images


def coco_item(shape, kind):
    box = geometry.bounds(shape)
    item = {"bbox": [box.x0, box.y0, box.width, box.height], "area": geometry.area(shape)}
    if kind == "segm":
        counts = rle.compress(rle.mask_to_rle(geometry.rasterise(shape, size=SIZE), SIZE))
        item["segmentation"] = {"size": list(SIZE), "counts": counts}
    return item


def coco_ap(images, kind):
    """(T, C) AP as pycocotools evaluates it."""
    truths = COCO()
    truths.dataset = {
        "images": [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in range(len(images))],
        "categories": [{"id": i} for i in (1, 2, 3)],
        "annotations": [
            {"id": 100 * i + j + 1, "image_id": i, "category_id": t.category_id, "iscrowd": int(t.crowd)}
            | coco_item(t.shape, kind)
            for i, (_, annotations) in enumerate(images)
            for j, t in enumerate(annotations)
        ],
    }
    results = [
        {"image_id": i, "category_id": c.category_id, "score": c.confidence} | coco_item(c.shape, kind)
        for i, (candidates, _) in enumerate(images)
        for c in candidates
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truths.createIndex()
        judge = COCOeval(truths, truths.loadRes(results), kind)
        judge.evaluate()
        judge.accumulate()
    ap = judge.eval["precision"][:, :, :, 0, 2].mean(axis=1)
    return np.where(ap < 0, np.nan, ap)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "by"), [("bbox", "box"), ("segm", "mask")])
def test_ap_equals_pycocotools(kind, by, seed):
    images = some_images(seed, by)
    scenes = [evaluation.scene(candidates, truths, size=SIZE, by=by) for candidates, truths in images]
    result = evaluation.evaluate(scenes)
    expected = coco_ap(images, kind)
    assert result.categories == (1, 2, 3)
    assert result.ap == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert 0 < result.mean_ap == pytest.approx(np.nanmean(expected))
    assert result.at(0.5) == pytest.approx(np.nanmean(expected[0]))
    assert result.per_category == pytest.approx(dict(enumerate(expected.mean(axis=0).tolist(), start=1)))


def one_scene(iou, *, confidences, predicted, true, crowd=None):
    return Scene(
        np.array(iou, dtype=np.float64).reshape(len(predicted), len(true)),
        np.array(confidences, dtype=np.float64),
        np.array(predicted, dtype=np.int64),
        np.array(true, dtype=np.int64),
        np.zeros(len(true), dtype=bool) if crowd is None else np.array(crowd),
    )


def test_curves_say_which_image_each_point_is_of():
    scenes = [
        one_scene([[0.9]], confidences=[0.4], predicted=[1], true=[1]),
        one_scene([[0.2], [0.8]], confidences=[0.9, 0.6], predicted=[1, 1], true=[1]),
    ]
    curve = evaluation.evaluate(scenes, thresholds=[0.5]).curves[0][0]
    assert curve.scenes.tolist() == [1, 1, 0]
    assert curve.hits.tolist() == [False, True, True]
    assert curve.truths == 2


def test_only_so_many_predictions_a_scene_and_category_count():
    scene = one_scene([[0.0], [0.9]], confidences=[0.9, 0.8], predicted=[1, 1], true=[1])
    assert evaluation.evaluate([scene], limit=1).mean_ap == 0
    assert evaluation.evaluate([scene], thresholds=[0.5], limit=2).mean_ap == pytest.approx(0.5)


def test_no_scenes_at_all():
    result = evaluation.evaluate([])
    assert result.categories == ()
    assert np.isnan(result.mean_ap)


def test_confusion_by_hand():
    scene = one_scene(
        [[0.9, 0.0, 0.0], [0.0, 0.7, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.9]],
        confidences=[0.9, 0.8, 0.7, 0.1],
        predicted=[1, 1, 2, 2],
        true=[1, 2, 2],
    )
    result = evaluation.confusion([scene])
    assert result.categories == (1, 2)
    # truth 1 found; truth 2 taken for 1, another missed (its prediction is not confident); one 2 of nothing
    assert result.counts.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_confusion_leaves_crowds_out():
    scene = one_scene([[0.9]], confidences=[0.9], predicted=[1], true=[1], crowd=[True])
    assert evaluation.confusion([scene]).counts.sum() == 0


def test_iou_per_class_by_hand():
    truth = np.array([[0, 0, 1], [1, 2, 2]])
    prediction = np.array([[0, 1, 1], [1, 2, 0]])
    iou = evaluation.class_iou(prediction, truth, classes=4)
    assert iou.tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 2, np.nan], nan_ok=True)
    counts = evaluation.label_confusion(prediction, truth, classes=3)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


def test_ignored_pixels_do_not_count():
    truth = np.array([[0, 255], [1, 1]], dtype=np.uint8)
    prediction = np.array([[0, 1], [1, 1]], dtype=np.uint8)
    assert evaluation.class_iou(prediction, truth, classes=2, ignore=255).tolist() == [1, 1]


def test_label_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        evaluation.class_iou(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=2)
    with pytest.raises(ValueError, match="truth has values outside the classes 0 to 1"):
        evaluation.class_iou(np.zeros(3, int), np.array([0, 1, 2]), classes=2)
