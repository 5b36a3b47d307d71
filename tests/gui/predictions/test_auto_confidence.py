"""The threshold goes where it would have saved most on the images that were reviewed last."""

import pytest

from labeler.core.records import Box, Candidate
from labeler.gui.predictions.auto_confidence import AutoConfidence
from labeler.gui.predictions.predictions import MOST, Predictions
from labeler.gui.session.session import Session


def box(place: int) -> Box:
    return Box(60 * place, 100, 60 * place + 50, 300)


def candidate(place: int, confidence: float) -> Candidate:
    return Candidate(0, 0, 0, 1, box(place), confidence, "person")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def auto(session: Session, predict, owner, qtbot, told) -> AutoConfidence:
    """On, over two images: three right predictions from 0.7 up, and four wrong ones from 0.4 to 0.5."""
    predictions = Predictions(session, owner)
    found = [candidate(n, 0.9 - 0.1 * n) for n in range(3)] + [candidate(5 + n, 0.5) for n in range(4)]
    predict({1: found, 2: found})
    qtbot.waitUntil(lambda: len(predictions.kept) == 7)
    made = AutoConfidence(session, predictions, owner)
    made.told.connect(told.append)
    made.set_on(True)
    return made


def review(session: Session, qtbot) -> None:
    """Label what is on the open image, and mark it as reviewed."""
    for place in range(3):
        session.edits.add(box(place), by="test")
    session.edits.mark_reviewed(True, by="test")
    qtbot.waitUntil(lambda: session.saved == "saved")


def threshold(auto: AutoConfidence) -> float:
    return auto._predictions.filter.confidence


def test_it_moves_on_the_next_image_and_says_so(auto, session, qtbot, told):
    review(session, qtbot)
    qtbot.waitUntil(lambda: auto._waiting is not None)
    assert threshold(auto) == 0.25, "the image at hand stays as it is"
    session.place.step(1)
    assert 0.5 < threshold(auto) <= 0.7
    assert told == [
        "Predictions are shown from 0.65 now, which would have saved most on the last reviewed image."
    ]
    assert auto.is_on


def test_where_it_moved_to_is_not_what_a_person_set(auto, session, owner, qtbot, told):
    """Else what one image of one project taught would hide all predictions of the next project."""
    review(session, qtbot)
    session.place.step(1)
    qtbot.waitUntil(lambda: bool(told))
    remembered = auto._predictions._remembered
    assert remembered == {}
    auto._predictions.set_filter(iou=0.3)
    again = Predictions(session, owner, remembered=remembered).filter
    assert (again.confidence, again.iou) == (0.25, 0.3)


def test_what_is_found_out_after_the_image_changed_moves_it_at_once(auto, session, qtbot, told):
    review(session, qtbot)
    session.place.step(1)
    qtbot.waitUntil(lambda: bool(told))
    assert 0.5 < threshold(auto) <= 0.7


def test_but_not_where_a_person_is_at_work_already(auto, session, qtbot, told, held):
    session.edits.mark_reviewed(True, by="test")
    with held(session):
        session.place.step(1)
        qtbot.waitUntil(lambda: session.place.pixels is not None)
        session.edits.add(box(8), by="test")
    qtbot.waitUntil(lambda: auto._waiting is not None)
    assert threshold(auto) == 0.25
    session.place.step(-1)
    assert threshold(auto) == MOST, "nothing was labelled where all was predicted"
    assert told == [
        "No predictions are shown: on the last reviewed image they would have cost more than they saved."
    ]


def test_a_person_who_moves_it_has_it_in_hand(auto, session, qtbot, told):
    review(session, qtbot)
    qtbot.waitUntil(lambda: auto._waiting is not None)
    auto._predictions.step_confidence(1)
    assert not auto.is_on
    session.place.step(1)
    assert (threshold(auto), told) == (0.3, [])
    auto.set_on(True)
    session.place.step(1)
    qtbot.waitUntil(lambda: bool(told))
    assert 0.5 < threshold(auto) <= 0.7


def test_another_model_or_project_takes_nothing_along(auto, session, qtbot, told, predict):
    review(session, qtbot)
    qtbot.waitUntil(lambda: auto._waiting is not None)
    session.measure.choose_model(None)
    session.place.step(1)
    assert told == []
    review(session, qtbot)
    session.close()
    qtbot.waitUntil(lambda: session.project is None)
    assert auto.is_on
    assert told == []
