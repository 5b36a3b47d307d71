"""Suppression: the worked example, torchvision as oracle, soft-NMS by hand."""

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.core.measures.overlap import box_iou
from labeler.core.suppression import OverlapPairs, overlapping, suppress

A, B, C, D, E = range(5)


def clustered(count, per_cluster, seed):
    """Boxes as a detector gives them: some around each of many objects."""
    rng = np.random.default_rng(seed)
    objects = max(1, count // per_cluster)
    which = rng.integers(0, objects, count)
    sizes = np.exp(rng.uniform(np.log(20), np.log(300), (objects, 2)))
    centres = rng.uniform(0, 2000, (objects, 2))[which] + rng.normal(0, 0.15, (count, 2)) * sizes[which]
    halves = sizes[which] * np.exp(rng.normal(0, 0.15, (count, 2))) / 2
    return np.concatenate((centres - halves, centres + halves), axis=1), rng.random(count), which % 7


def pairs_of(iou):
    """The overlapping pairs of a square IoU matrix, as of masks."""
    a, b = np.nonzero(np.triu(iou, 1) > 0)
    return OverlapPairs(a, b, iou[a, b])


def by_torchvision(boxes, confidences, threshold):
    return torchvision.ops.nms(torch.tensor(boxes), torch.tensor(confidences), threshold).tolist()


@pytest.fixture
def worked():
    iou = np.eye(5)
    for (one, other), value in {(A, B): 0.8, (A, C): 0.2, (A, D): 0.7, (A, E): 0.1, (C, E): 0.15}.items():
        iou[one, other] = iou[other, one] = value
    return suppress(
        np.zeros((5, 4)), [0.95, 0.90, 0.80, 0.70, 0.60], [1] * 5, threshold=0.5, overlaps=pairs_of(iou)
    )


def test_the_worked_example_keeps_a_c_e(worked):
    assert worked.kept.tolist() == [A, C, E]


def test_the_worked_example_says_that_a_suppressed_b_and_d(worked):
    assert worked.suppressor.tolist() == [-1, A, -1, A, -1]
    assert worked.iou.tolist() == [0, 0.8, 0, 0.7, 0]


def test_a_chain_keeps_every_other_box():
    """The second box is gone before it could suppress the third; also over many more boxes than a round."""
    count = 3000
    left = np.arange(count) * 4.0
    boxes = np.stack((left, np.zeros(count), left + 10, np.full(count, 10.0)), axis=1)
    result = suppress(boxes, -left, np.zeros(count), threshold=0.4)
    assert result.kept.tolist() == list(range(0, count, 2))
    assert result.suppressor[1::2].tolist() == list(range(0, count, 2))


coarse = st.tuples(*(st.integers(0, 8) for _ in range(4)), st.sampled_from([0.2, 0.5, 0.5, 0.9]))


@settings(max_examples=200)
@given(st.lists(coarse, min_size=1, max_size=40), st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.75]))
def test_greedy_equals_torchvision_with_ties(rows, threshold):
    table = np.array(rows, dtype=np.float64)
    boxes, confidences = table[:, :4].copy(), table[:, 4]
    boxes[:, 2:] += boxes[:, :2]
    result = suppress(boxes, confidences, np.zeros(len(rows)), threshold=threshold, kind="agnostic")
    assert result.kept.tolist() == by_torchvision(boxes, confidences, threshold)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize(("count", "per_cluster"), [(300, 5), (2000, 20), (2000, 400)])
def test_greedy_equals_torchvision_on_clusters(count, per_cluster, threshold):
    boxes, confidences, categories = clustered(count, per_cluster, seed=count + per_cluster)
    result = suppress(boxes, confidences, categories, threshold=threshold, kind="agnostic")
    assert result.kept.tolist() == by_torchvision(boxes, confidences, threshold)


@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_class_wise_equals_torchvision_in_every_category(threshold):
    boxes, confidences, categories = clustered(1500, 30, seed=3)
    categories = np.random.default_rng(4).integers(0, 5, 1500)
    result = suppress(boxes, confidences, categories, threshold=threshold)
    expected = []
    for category in range(5):
        own = np.flatnonzero(categories == category)
        expected += own[by_torchvision(boxes[own], confidences[own], threshold)].tolist()
    assert sorted(result.kept.tolist()) == sorted(expected)
    assert (np.diff(confidences[result.kept]) <= 0).all()
    gone = np.flatnonzero(result.suppressor >= 0)
    assert (categories[gone] == categories[result.suppressor[gone]]).all()


@pytest.mark.parametrize("kind", ["agnostic", "class-wise"])
def test_the_suppressor_is_the_most_confident_kept_box_that_overlaps(kind):
    boxes, confidences, categories = clustered(700, 25, seed=5)
    result = suppress(boxes, confidences, categories, threshold=0.4, kind=kind)
    iou = box_iou(boxes, boxes)
    if kind == "class-wise":
        iou[categories[:, None] != categories] = 0
    kept = set(result.kept.tolist())
    for index in range(700):
        rivals = [k for k in result.kept.tolist() if k != index and iou[k, index] > 0.4]
        if index in kept:
            assert (result.suppressor[index], result.iou[index]) == (-1, 0)
        else:
            assert result.suppressor[index] == rivals[0]
            assert result.iou[index] == pytest.approx(iou[rivals[0], index], abs=1e-12)


@pytest.mark.parametrize("kind", ["agnostic", "class-wise", "soft-linear"])
@pytest.mark.parametrize("threshold", [0.1, 0.45, 0.8])
def test_a_slider_over_known_overlaps_gives_what_a_fresh_run_gives(kind, threshold):
    boxes, confidences, categories = clustered(900, 30, seed=6)
    known = overlapping(boxes, floor=0.05)
    fresh = suppress(boxes, confidences, categories, threshold=threshold, kind=kind)
    again = suppress(boxes, confidences, categories, threshold=threshold, kind=kind, overlaps=known)
    assert np.array_equal(fresh.kept, again.kept)
    assert np.array_equal(fresh.suppressor, again.suppressor)
    assert np.allclose(fresh.confidences, again.confidences, atol=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.2, 0.6])
@pytest.mark.parametrize("wise", [False, True])
def test_overlapping_finds_every_pair_once(floor, wise):
    boxes, _, categories = clustered(600, 12, seed=8)
    boxes = np.concatenate((boxes, [(-5000, -5000, 9000, 9000), (10, 10, 10, 10), (0, 0, 1900, 3)]))
    categories = np.append(categories, [0, 0, 1])
    iou = np.triu(box_iou(boxes, boxes), 1)
    if wise:
        iou[categories[:, None] != categories] = 0
    expected = {(a, b) for a, b in np.argwhere(iou > floor).tolist()}
    found = overlapping(boxes, categories if wise else None, floor=floor)
    pairs = list(
        zip(np.minimum(found.a, found.b).tolist(), np.maximum(found.a, found.b).tolist(), strict=True)
    )
    assert set(pairs) == expected
    assert len(pairs) == len(expected)
    assert [iou[pair] for pair in pairs] == pytest.approx(found.iou.tolist())


def test_soft_linear_by_hand():
    iou = np.array([[1, 0.6, 0.2], [0.6, 1, 0.7], [0.2, 0.7, 1]])
    result = suppress(
        np.zeros((3, 4)),
        [0.9, 0.8, 0.7],
        [1, 1, 1],
        threshold=0.5,
        kind="soft-linear",
        overlaps=pairs_of(iou),
    )
    # the second falls to 0.32 by the first, so the third goes next and lowers it to 0.096
    assert result.kept.tolist() == [0, 2, 1]
    assert result.confidences.tolist() == pytest.approx([0.9, 0.8 * 0.4 * 0.3, 0.7])
    assert result.suppressor.tolist() == [-1, -1, -1]


def test_soft_gaussian_by_hand():
    iou = np.array([[1, 0.6], [0.6, 1]])
    result = suppress(
        np.zeros((2, 4)), [0.9, 0.8], [1, 1], threshold=0.99, kind="soft-gaussian", overlaps=pairs_of(iou)
    )
    assert result.confidences.tolist() == pytest.approx([0.9, 0.8 * np.exp(-0.36 / 0.5)])


def test_soft_says_who_took_a_box_under_the_least_confidence():
    iou = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]])
    result = suppress(
        np.zeros((3, 4)),
        [0.9, 0.8, 0.01],
        [1, 1, 1],
        threshold=0.5,
        kind="soft-linear",
        overlaps=pairs_of(iou),
        least=0.1,
    )
    assert result.kept.tolist() == [0]
    assert result.suppressor.tolist() == [-1, 0, -1]
    assert result.iou.tolist() == [0, 0.9, 0]


def test_soft_leaves_other_categories_alone():
    boxes = np.array([(0, 0, 10, 10), (0, 0, 10, 10)], dtype=float)
    result = suppress(boxes, [0.9, 0.8], [1, 2], threshold=0.5, kind="soft-linear")
    assert result.confidences.tolist() == [0.9, 0.8]


def test_no_boxes_at_all():
    for kind in ("class-wise", "agnostic", "soft-linear", "soft-gaussian"):
        result = suppress([], [], [], threshold=0.5, kind=kind)
        assert result.kept.tolist() == result.suppressor.tolist() == []


def test_boxes_all_in_one_place_need_no_pairs():
    count = 20_000
    boxes = np.tile((5.0, 5.0, 50.0, 60.0), (count, 1))
    assert overlapping(boxes) is None
    result = suppress(boxes, np.linspace(0, 1, count), np.zeros(count), threshold=0.5)
    assert result.kept.tolist() == [count - 1]
    assert (result.suppressor[:-1] == count - 1).all()
    with pytest.raises(ValueError, match="too many for soft suppression"):
        suppress(boxes, np.linspace(0, 1, count), np.zeros(count), threshold=0.5, kind="soft-linear")


@pytest.mark.parametrize(
    ("boxes", "confidences", "kind", "what"),
    [
        (np.zeros((2, 4)), [0.5], "agnostic", "do not match"),
        (np.zeros((1, 4)), [np.nan], "agnostic", "finite"),
        (np.full((1, 4), np.inf), [0.5], "agnostic", "finite"),
        (np.zeros((1, 4)), [0.5], "hard", "must be one of"),
        (np.zeros((1, 5)), [0.5], "agnostic", r"shape \(N, 4\)"),
    ],
)
def test_what_makes_no_sense_is_refused(boxes, confidences, kind, what):
    with pytest.raises(ValueError, match=what):
        suppress(boxes, confidences, [0] * len(boxes), threshold=0.5, kind=kind)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, np.nan])
@pytest.mark.parametrize("kind", ["class-wise", "agnostic", "soft-linear"])
def test_a_threshold_that_is_no_iou_is_refused_in_a_sentence(threshold, kind):
    with pytest.raises(ValueError, match="The threshold is an IoU, a number from 0 to 1, not"):
        suppress(np.array([[0, 0, 1, 1], [0, 0, 1, 1]]), [0.5, 0.4], [0, 0], threshold=threshold, kind=kind)
