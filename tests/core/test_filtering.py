"""Filtering: what a filter keeps, against suppression done plainly; sets against their images; the walk."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from labeler.core.filtering import CandidateFilter, Columns, Filter, SetFilter, columns, steps
from labeler.core.measures.overlap import box_iou
from labeler.core.records import Box, Candidate, Mask
from labeler.core.suppression import suppress

KINDS = ("class-wise", "agnostic", "soft-linear", "soft-gaussian")


def candidate(key, box, confidence, category=1, label=""):
    return Candidate(key, 1, 1, category, Box(*map(float, box)), confidence, label)


def clustered(count, seed, first=100, per_object=20):
    """Candidates as a detector gives them: some around each of a few objects, confidences of two decimals."""
    rng = np.random.default_rng(seed)
    objects = max(count // per_object, 1)
    which = rng.integers(0, objects, count)
    sizes = rng.uniform(20, 300, (objects, 2))
    centres = rng.uniform(0, 1000, (objects, 2))[which] + rng.normal(0, 0.15, (count, 2)) * sizes[which]
    halves = sizes[which] * np.exp(rng.normal(0, 0.15, (count, 2))) / 2
    boxes = np.concatenate((centres - halves, centres + halves), axis=1)
    ids = rng.permutation(np.arange(first, first + count))
    return Columns(ids, boxes, rng.random(count).round(2), rng.integers(1, 4, count))


THREE = [
    candidate(1, (0, 0, 100, 100), 0.9),
    candidate(2, (0, 0, 100, 80), 0.8),
    candidate(3, (200, 0, 300, 100), 0.7),
    candidate(4, (0, 0, 100, 100), 0.2),
]


def test_each_candidate_is_kept_suppressed_or_below():
    found = CandidateFilter(THREE).apply(Filter(confidence=0.25, iou=0.5))
    assert found.kept == (1, 3)
    assert found.suppressed == {2: (1, pytest.approx(0.8))}
    assert found.below == (4,)
    assert found.cut == ()
    assert found.confidences == {1: 0.9, 2: 0.8, 3: 0.7}


def test_a_candidate_exactly_at_the_threshold_is_taken():
    assert CandidateFilter(THREE).apply(Filter(confidence=0.7)).kept == (1, 3)
    assert CandidateFilter(THREE).apply(Filter(confidence=0.70001)).kept == (1,)


def test_the_walk_ends_when_top_k_are_kept():
    found = CandidateFilter(THREE).apply(Filter(confidence=0.1, top_k=1))
    assert found.kept == (1,)
    assert set(found.suppressed) == {2, 4}
    assert found.cut == (3,)


def test_no_suppression_for_a_model_that_predicts_a_set_or_where_none_is_wanted():
    for found in (
        CandidateFilter(THREE, suppressed=True).apply(Filter(confidence=0.25)),
        CandidateFilter(THREE).apply(Filter(confidence=0.25, kind="none")),
    ):
        assert found.kept == (1, 2, 3)
        assert found.suppressed == {}


def test_a_class_is_the_category_else_the_models_own_name():
    box = (0, 0, 10, 10)
    pairs = [
        (candidate(1, box, 0.9, 1, "car"), candidate(2, box, 0.8, 1, "truck"), True),
        (candidate(1, box, 0.9, 1, "car"), candidate(2, box, 0.8, 2, "car"), False),
        (candidate(1, box, 0.9, 0, "car"), candidate(2, box, 0.8, 0, "truck"), False),
        (candidate(1, box, 0.9, 0, "car"), candidate(2, box, 0.8, 0, "car"), True),
    ]
    for one, other, suppresses in pairs:
        assert bool(CandidateFilter([one, other]).apply(Filter()).suppressed) == suppresses


def test_masks_overlap_by_their_boxes():
    whole = np.ones((10, 10), dtype=bool)
    ring = whole.copy()
    ring[1:9, 1:9] = False
    both = [replace(THREE[0], shape=Mask(5, 5, ring)), replace(THREE[1], shape=Mask(5, 5, whole))]
    assert CandidateFilter(both).apply(Filter()).suppressed == {2: (1, 1.0)}


def test_an_image_without_candidates():
    for kind in (*KINDS, "none"):
        found = CandidateFilter([]).apply(Filter(kind=kind))
        assert (found.kept, found.suppressed, found.below, found.cut) == ((), {}, (), ())
    assert SetFilter([]).counts(Filter()) == (0, 0, 0)
    assert steps([], Filter()) == ()


def test_confidences_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        CandidateFilter([candidate(1, (0, 0, 1, 1), float("nan"))])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("confidence", "iou"), list(product((0.01, 0.3, 0.7), (0.02, 0.3, 0.5, 0.9))))
def test_a_step_gives_what_suppression_of_those_over_the_threshold_gives(kind, confidence, iou):
    table = clustered(400, seed=1)
    found = CandidateFilter(table).apply(Filter(confidence, iou, kind, top_k=10_000))
    over = np.flatnonzero(table.confidences >= confidence)
    plain = suppress(
        table.boxes[over],
        table.confidences[over],
        table.classes[over],
        threshold=iou,
        kind=kind,
        least=confidence,
    )
    ids = table.ids[over]
    gone = np.flatnonzero(plain.suppressor >= 0)
    assert found.kept == tuple(ids[plain.kept].tolist())
    assert found.suppressed == {
        int(ids[at]): (int(ids[plain.suppressor[at]]), pytest.approx(plain.iou[at])) for at in gone
    }
    assert set(found.below) == set(table.ids.tolist()) - set(ids.tolist())
    assert found.cut == ()
    for at, key in enumerate(ids.tolist()):
        assert found.confidences[key] == pytest.approx(plain.confidences[at])


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_in_exactly_one_place_whatever_top_k(kind):
    table = clustered(200, seed=2)
    filter_ = CandidateFilter(table)
    everything = filter_.apply(Filter(0.1, 0.4, kind, 10_000))
    for top_k in (1, 5, 17):
        found = filter_.apply(Filter(0.1, 0.4, kind, top_k))
        parts = [*found.kept, *found.suppressed, *found.below, *found.cut]
        assert sorted(parts) == sorted(table.ids.tolist())
        assert found.kept == everything.kept[:top_k]
        assert {by for by, _ in found.suppressed.values()} <= set(found.kept)


def test_boxes_that_all_lie_on_each_other_are_filtered_too(monkeypatch):
    monkeypatch.setattr("labeler.core.suppression.MAX_CANDIDATES", 150)
    monkeypatch.setattr("labeler.core.filtering.MOST", 10)
    boxes = np.tile([0.0, 0.0, 50.0, 50.0], (40, 1))
    table = Columns(np.arange(40), boxes, np.linspace(0.9, 0.3, 40), np.ones(40, dtype=np.int64))
    assert CandidateFilter(table).apply(Filter(kind="class-wise")).kept == (0,)
    soft = CandidateFilter(table).apply(Filter(kind="soft-linear"))
    assert soft.kept == (0,)
    assert len(soft.suppressed) == 9
    assert len(soft.cut) == 30


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10**6)), max_size=12),
    st.sampled_from((*KINDS, "none")),
    st.sampled_from((0.0, 0.25, 0.5)),
    st.sampled_from((0.03, 0.3, 0.6)),
    st.sampled_from((1, 3, 300)),
)
def test_the_counts_of_a_set_are_those_of_its_images(sizes, kind, confidence, iou, top_k):
    images = [clustered(size, seed, per_object=6) for size, seed in sizes]
    wanted = Filter(confidence, iou, kind, top_k)
    each = [CandidateFilter(image).apply(wanted) for image in images]
    expected = (
        sum(len(one.kept) + len(one.suppressed) + len(one.cut) for one in each),
        sum(len(one.kept) for one in each),
        sum(len(one.suppressed) for one in each),
    )
    assert SetFilter(images).counts(wanted) == expected


@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_a_set_in_pieces_and_with_a_large_image(kind, monkeypatch):
    monkeypatch.setattr("labeler.core.filtering._PIECE", 2000)
    monkeypatch.setattr("labeler.core.filtering.MOST", 100)
    images = [clustered(size, seed) for seed, size in enumerate((80, 0, 30, 150, 60, 90, 100, 40))]
    for suppressed in (False, True):
        whole = SetFilter(images, suppressed=suppressed)
        for confidence, iou, top_k in product((0.05, 0.4), (0.3, 0.7), (4, 300)):
            wanted = Filter(confidence, iou, kind, top_k)
            each = [CandidateFilter(image, suppressed=suppressed).apply(wanted) for image in images]
            kept, gone = sum(len(one.kept) for one in each), sum(len(one.suppressed) for one in each)
            assert whole.counts(wanted)[1:] == (kept, gone)


def test_columns_of_candidates():
    table = columns([replace(THREE[0], category_id=0, label="a"), THREE[1]])
    assert table.ids.tolist() == [1, 2]
    assert table.boxes.tolist() == [[0, 0, 100, 100], [0, 0, 100, 80]]
    assert table.classes[0] < 0 < table.classes[1]


def test_the_walk_of_the_greedy_kind():
    walk = steps(THREE, Filter(confidence=0.1))
    assert [step.picked for step in walk] == [1, 3]
    assert walk[0].dropped == ((2, pytest.approx(0.8)), (4, pytest.approx(1.0)))
    assert [step.left for step in walk] == [1, 0]
    assert walk[0].lowered == ()


@pytest.mark.parametrize("kind", ["soft-linear", "soft-gaussian"])
def test_the_walk_of_the_soft_kinds_lowers_until_it_drops(kind):
    table = clustered(60, seed=5)
    everything = [
        Candidate(int(key), 1, 1, int(category), Box(*box.tolist()), float(confidence))
        for key, box, confidence, category in zip(
            table.ids, table.boxes, table.confidences, table.classes, strict=True
        )
    ]
    wanted = Filter(0.2, 0.3, kind)
    found, walk = CandidateFilter(everything).apply(wanted), steps(everything, wanted)
    assert tuple(step.picked for step in walk) == found.kept
    current = {one.id: one.confidence for one in everything}
    boxes = {one.id: box for one, box in zip(everything, table.boxes, strict=True)}
    for step in walk:
        assert step.confidence == pytest.approx(current[step.picked])
        for key, iou, lower in step.lowered:
            assert iou == pytest.approx(box_iou([boxes[step.picked]], [boxes[key]])[0, 0])
            factor = 1 - iou if kind == "soft-linear" else np.exp(-(iou**2) / 0.5)
            assert lower == pytest.approx(current[key] * factor)
            current[key] = lower
    assert any(step.lowered for step in walk)
    assert {key for step in walk for key, _ in step.dropped} == set(found.suppressed)
    assert walk[-1].left == 0
