"""Against what annotations are measured, and when it is worked out anew."""

from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.measures.overlap import Overlap
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Image, Mask, Model
from labeler.gui.session import measure as module
from labeler.gui.session.document import Document
from labeler.gui.session.focus import Focus
from labeler.gui.session.measure import Measure, OpenAgreement
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


class Kept(QObject):
    """What the filter keeps."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.kept = (11, 12, 13)

    def use(self, ids) -> None:
        self.kept = tuple(ids)
        self.changed.emit()


@pytest.fixture
def kept_by(qapp) -> Kept:
    return Kept()


@pytest.fixture
def measure(document: Document) -> Measure:
    return Measure(document)


@pytest.fixture
def agreement(document: Document, focus: Focus, measure: Measure, kept_by: Kept) -> OpenAgreement:
    return OpenAgreement(SimpleNamespace(document=document, focus=focus, measure=measure), kept_by)


def seen(agreement: OpenAgreement) -> tuple[dict[int, int], tuple[int, ...], list[int]]:
    found = agreement.of_image()
    return (
        {key: candidate.id for key, (candidate, _) in found.pairs.items()},
        found.missed,
        [one.id for one in found.extra],
    )


def test_without_a_model_only_what_was_accepted_is_measured(agreement) -> None:
    assert seen(agreement) == ({2: 12}, (1,), [])
    assert agreement.reference(DRAWN) is None
    assert agreement.of(1) is None
    assert agreement.overlap(1) is None


def test_a_model_is_measured_against_and_what_was_accepted_stays_with_its_own(agreement, measure) -> None:
    measure.choose_model(SECOND)
    assert seen(agreement) == ({1: 11}, (2,), [13])
    assert agreement.reference(ACCEPTED) == FROM
    assert agreement.of(2).iou == pytest.approx(0.5)
    assert agreement.of(1).iou == agreement.overlap(1).iou == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("kept", "then"),
    [
        ([11, 13], ({1: 11}, (2,), [13])),
        ([13], ({}, (1, 2), [13])),
        ([11], ({1: 11}, (2,), [])),
        ([], ({}, (1, 2), [])),
    ],
)
def test_what_the_filter_drops_is_neither_hit_nor_extra(agreement, measure, kept_by, kept, then) -> None:
    measure.choose_model(SECOND)
    kept_by.use(kept)
    assert seen(agreement) == then


def test_what_was_accepted_counts_whatever_the_filter_says(agreement, measure, kept_by) -> None:
    measure.choose_model(FIRST)
    kept_by.use([])
    assert seen(agreement) == ({2: 12}, (1,), [])


def test_the_filter_is_told_of_when_it_keeps_others(agreement, kept_by) -> None:
    told = []
    agreement.kept_changed.connect(lambda: told.append(1))
    for ids in ([11], [11], [11, 13], [13, 11], []):
        kept_by.use(ids)
    assert len(told) == 3


@pytest.mark.parametrize(
    ("models", "chosen"), [([], None), ([FIRST], None), ([FIRST, SECOND], SECOND), ([SECOND], SECOND)]
)
def test_a_project_begins_with_its_newest_results(measure, document, models, chosen) -> None:
    document.models = models
    measure.choose_first(FIRST.id)
    assert measure.model == chosen


def test_a_model_that_is_new_is_listed_once(measure, document) -> None:
    measure.add_model(SECOND)
    measure.add_model(SECOND)
    assert document.models == [SECOND]
    assert measure.model == SECOND


def test_it_is_worked_out_once_and_again_when_something_is_another(
    agreement, measure, kept_by, document, monkeypatch
) -> None:
    calls = []
    compare = module.compare
    monkeypatch.setattr(module, "compare", lambda *a, **k: (calls.append(1), compare(*a, **k))[1])
    measure.choose_model(SECOND)
    for _ in range(3):
        agreement.of_image()
    assert len(calls) == 1
    kept_by.use([11])
    agreement.of_image()
    document.absorb([Change(DRAWN, replace(DRAWN, shape=Box(0, 0, 5, 10)))])
    assert agreement.of_image().pairs == {}
    document.note(Image(1, "a.jpg", 50, 50))
    agreement.of_image()
    measure.choose_model(None)
    agreement.of_image()
    assert len(calls) == 5


def test_the_draft_is_measured_in_place_of_the_object(agreement, measure, focus) -> None:
    measure.choose_model(SECOND)
    focus.set_draft(replace(DRAWN, shape=Box(0, 0, 10, 4)))
    assert agreement.of(1).iou == pytest.approx(0.5)
    assert agreement.overlap(1).iou == pytest.approx(0.8), "of what is committed"
    assert agreement.of(2).iou == pytest.approx(0.5)
    focus.set_draft(replace(DRAWN, shape=Box(0, 0, 10, 4)), Overlap(1, 2, 3))
    assert agreement.of(1).iou == 0.25, "as the brush keeps it"
    assert agreement.of(2).iou == pytest.approx(0.5), "which is none of the others"
    focus.set_draft(None)
    assert agreement.of(1).iou == pytest.approx(0.8)


@pytest.mark.parametrize(("side", "has"), [(999, True), (1000, False)])
def test_the_boundary_of_a_large_object_is_left_out_while_it_is_dragged(
    agreement, measure, document, focus, side, has
) -> None:
    document.note(Image(1, "a.jpg", 1100, 1100))
    whole = Mask(0, 0, np.ones((side, side), bool))
    document.read([replace(DRAWN, shape=whole)], [replace(OURS, shape=whole)], ())
    measure.choose_model(SECOND)
    assert agreement.of(1).boundary == 1.0
    focus.set_draft(replace(DRAWN, shape=Mask(0, 0, np.ones((side, side - 1), bool))))
    assert (agreement.of(1).boundary is not None) is has


def test_overlaps_of_another_image_are_not_those_of_the_first(agreement, measure, document) -> None:
    """The objects of another image may have candidates of the same shape object."""
    measure.choose_model(SECOND)
    assert agreement.overlap(1).iou == pytest.approx(0.8)
    document.open(2)
    assert seen(agreement) == ({}, (), [])
    document.read([replace(DRAWN, image_id=2)], [replace(OURS, image_id=2, shape=Box(0, 0, 10, 5))], ())
    assert agreement.overlap(1) is None or agreement.overlap(1).iou == pytest.approx(0.5)
    assert agreement.reference(replace(DRAWN, image_id=2)).shape == Box(0, 0, 10, 5)


def test_what_is_not_there_has_no_agreement(agreement) -> None:
    assert agreement.of(99) is None
    assert agreement.overlap(99) is None
