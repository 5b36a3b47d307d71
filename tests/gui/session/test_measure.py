"""Against what annotations are measured, and when it is worked out anew."""

import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.measures.overlap import Overlap
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Image, Mask, Model
from labeler.gui.session import measure as module
from labeler.gui.session.document import Document
from labeler.gui.session.focus import Focus
from labeler.gui.session.measure import Measure
from labeler.gui.session.strangers import Strangers

FIRST, SECOND = Model(1, "SAM", "1"), Model(2, "detector", "1")
DRAWN = Annotation(1, 1, 1, Box(0, 0, 10, 10))
ACCEPTED = Annotation(2, 1, 1, Box(50, 50, 60, 60), prediction_id=12)
OURS = Candidate(11, 1, 2, 1, Box(0, 0, 10, 8), 0.9)
FROM = Candidate(12, 1, 1, 1, Box(50, 50, 60, 70), 0.9)
EXTRA = Candidate(13, 1, 2, 1, Box(30, 30, 40, 40), 0.9)


@pytest.fixture
def document() -> Document:
    made = Document(Strangers())
    made.fill([Image(1, "a.jpg", 100, 100), Image(2, "b.jpg", 100, 100)], [Category(1, "p", "#fff")], {}, ())
    made.open(1)
    made.read([DRAWN, ACCEPTED], [OURS, FROM, EXTRA], ())
    return made


@pytest.fixture
def focus(document: Document) -> Focus:
    return Focus(document)


@pytest.fixture
def measure(document: Document, focus: Focus) -> Measure:
    return Measure(document, focus)


def seen(measure: Measure) -> tuple[dict[int, int], tuple[int, ...], list[int]]:
    found = measure.image_agreement()
    return (
        {key: candidate.id for key, (candidate, _) in found.pairs.items()},
        found.missed,
        [one.id for one in found.extra],
    )


def test_without_a_model_only_what_was_accepted_is_measured(measure: Measure) -> None:
    assert seen(measure) == ({2: 12}, (1,), [])
    assert measure.reference(DRAWN) is None
    assert measure.agreement(1) is None
    assert measure.overlap(1) is None


def test_a_model_is_measured_against_and_what_was_accepted_stays_with_its_own(measure: Measure) -> None:
    measure.choose_model(SECOND)
    assert seen(measure) == ({1: 11}, (2,), [13])
    assert measure.reference(ACCEPTED) == FROM
    assert measure.agreement(2).iou == pytest.approx(0.5)
    assert measure.agreement(1).iou == measure.overlap(1).iou == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("kept", "then"),
    [
        ([11, 13], ({1: 11}, (2,), [13])),
        ([13], ({}, (1, 2), [13])),
        ([11], ({1: 11}, (2,), [])),
        ([], ({}, (1, 2), [])),
    ],
)
def test_what_the_filter_drops_is_neither_hit_nor_extra(measure: Measure, kept, then) -> None:
    measure.choose_model(SECOND)
    measure.use_kept(kept)
    assert seen(measure) == then


def test_what_was_accepted_counts_whatever_the_filter_says(measure: Measure) -> None:
    measure.choose_model(FIRST)
    measure.use_kept([])
    assert seen(measure) == ({2: 12}, (1,), [])


def test_the_filter_is_told_of_when_it_keeps_others(measure: Measure) -> None:
    told = []
    measure.kept_changed.connect(lambda: told.append(1))
    for ids in ([11], [11], [11, 13], [13, 11], []):
        measure.use_kept(ids)
    assert len(told) == 3


@pytest.mark.parametrize(
    ("models", "chosen"), [([], None), ([FIRST], None), ([FIRST, SECOND], SECOND), ([SECOND], SECOND)]
)
def test_a_project_begins_with_its_newest_results(document, measure, models, chosen) -> None:
    document.models = models
    measure.choose_first(FIRST.id)
    assert measure.model == chosen


def test_a_model_that_is_new_is_listed_once(document, measure) -> None:
    measure.add_model(SECOND)
    measure.add_model(SECOND)
    assert document.models == [SECOND]
    assert measure.model == SECOND


def test_it_is_worked_out_once_and_again_when_something_is_another(document, measure, monkeypatch) -> None:
    calls = []
    compare = module.compare
    monkeypatch.setattr(module, "compare", lambda *a, **k: (calls.append(1), compare(*a, **k))[1])
    measure.choose_model(SECOND)
    for _ in range(3):
        measure.image_agreement()
    assert len(calls) == 1
    measure.use_kept([11])
    measure.image_agreement()
    document.absorb([Change(DRAWN, replace(DRAWN, shape=Box(0, 0, 5, 10)))])
    assert measure.image_agreement().pairs == {}
    document.note(Image(1, "a.jpg", 50, 50))
    measure.image_agreement()
    measure.choose_model(None)
    measure.image_agreement()
    assert len(calls) == 5


def test_the_draft_is_measured_in_place_of_the_object(document, focus, measure) -> None:
    measure.choose_model(SECOND)
    focus.set_draft(replace(DRAWN, shape=Box(0, 0, 10, 4)))
    assert measure.agreement(1).iou == pytest.approx(0.5)
    assert measure.overlap(1).iou == pytest.approx(0.8), "of what is committed"
    assert measure.agreement(2).iou == pytest.approx(0.5)
    focus.set_draft(replace(DRAWN, shape=Box(0, 0, 10, 4)), Overlap(1, 2, 3))
    assert measure.agreement(1).iou == 0.25, "as the brush keeps it"
    assert measure.agreement(2).iou == pytest.approx(0.5), "which is none of the others"
    focus.set_draft(None)
    assert measure.agreement(1).iou == pytest.approx(0.8)


@pytest.mark.parametrize(("side", "has"), [(999, True), (1000, False)])
def test_the_boundary_of_a_large_object_is_left_out_while_it_is_dragged(
    document, focus, measure, side, has
) -> None:
    document.note(Image(1, "a.jpg", 1100, 1100))
    whole = Mask(0, 0, np.ones((side, side), bool))
    document.read([replace(DRAWN, shape=whole)], [replace(OURS, shape=whole)], ())
    measure.choose_model(SECOND)
    assert measure.agreement(1).boundary == 1.0
    focus.set_draft(replace(DRAWN, shape=Mask(0, 0, np.ones((side, side - 1), bool))))
    assert (measure.agreement(1).boundary is not None) is has


def test_overlaps_of_another_image_are_not_those_of_the_first(document, measure) -> None:
    """The objects of another image may have candidates of the same shape object."""
    measure.choose_model(SECOND)
    assert measure.overlap(1).iou == pytest.approx(0.8)
    document.open(2)
    assert seen(measure) == ({}, (), [])
    document.read([replace(DRAWN, image_id=2)], [replace(OURS, image_id=2, shape=Box(0, 0, 10, 5))], ())
    assert measure.overlap(1) is None or measure.overlap(1).iou == pytest.approx(0.5)
    assert measure.reference(replace(DRAWN, image_id=2)).shape == Box(0, 0, 10, 5)


def test_what_is_not_there_has_no_agreement(measure: Measure) -> None:
    assert measure.agreement(99) is None
    assert measure.overlap(99) is None
