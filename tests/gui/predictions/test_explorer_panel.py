"""The IoU explorer: two objects, their areas and measures, live."""

import pytest
from msgspec.structs import replace

from labeler.core.records import Box, Candidate
from labeler.gui.predictions.comparison import Comparison
from labeler.gui.predictions.explorer_panel import ExplorerPanel
from labeler.gui.predictions.predictions import Predictions


@pytest.fixture
def predictions(session):
    return Predictions(session)


@pytest.fixture
def comparison(session, predictions):
    """As the canvas makes it, which knows all that is dragged; here that is the session's draft."""
    return Comparison(
        session,
        predictions,
        predictions,
        drafts=lambda: (
            {session.focus.draft.id: session.focus.draft} if session.focus.draft is not None else {}
        ),
    )


@pytest.fixture
def panel(session, comparison, shown):
    return shown(ExplorerPanel(session, comparison))


@pytest.fixture
def two(panel, session):
    """Two boxes of 10,000 px² that share 2,500 of them, selected."""
    one = session.edits.add(Box(100, 100, 200, 200), by="test")
    other = session.edits.add(Box(150, 150, 250, 250), by="test")
    session.focus.select([one.id, other.id])
    return one, other


def numbers(panel):
    return [figure.text() for figure in (panel.iou, panel.dice, panel.giou)]


def areas(panel):
    return [area.value.text() for area in panel.areas]


def test_it_says_how_to_begin(panel):
    assert panel._empty.isVisible()
    assert "Shift-click" in panel._empty.text()


def test_the_measures_and_areas_of_two_boxes(panel, two):
    assert numbers(panel) == ["0.14", "0.25", "-0.08"]
    assert areas(panel) == ["7,500 px²", "7,500 px²", "2,500 px²", "17,500 px²"]
    assert "2,500 / 17,500" in panel.formulas.text()
    assert "2 · 2,500 / 20,000" in panel.formulas.text()
    assert "22,500" in panel.formulas.text()
    assert panel.note.text() == "PERSON · PERSON"


def test_it_is_live_while_one_is_dragged(panel, two, session):
    session.focus.set_draft(replace(two[0], shape=two[1].shape))
    assert numbers(panel) == ["1.00", "1.00", "1.00"]
    session.focus.set_draft(None)
    assert numbers(panel)[0] == "0.14"


def test_an_annotation_with_a_prediction(panel, session, predictions, predict, qtbot):
    predict({1: [Candidate(0, 1, 0, 1, Box(150.0, 150.0, 250.0, 250.0), 0.87, "person")]})
    qtbot.waitUntil(lambda: len(predictions.candidates) == 1)
    made = session.edits.add(Box(100, 100, 200, 200), by="test")
    predictions.select(predictions.kept, keep=True)
    assert numbers(panel)[0] == "0.14"
    assert panel.note.text() == "PERSON · PERSON 0.87"
    session.edits.delete([made.id], by="test")
    assert panel._empty.isVisible()


def test_the_areas_are_on_the_canvas_only_while_it_is_seen(panel, two, comparison):
    assert comparison.is_shown
    panel.set_folded(True)
    assert not comparison.is_shown
    panel.set_folded(False)
    assert comparison.is_shown
    panel.hide()
    assert not comparison.is_shown


def test_another_selection_ends_it(panel, two, session):
    third = session.edits.add(Box(1, 1, 20, 20), by="test")
    assert panel._empty.isVisible()
    session.focus.select([two[0].id, third.id])
    assert numbers(panel)[0] == "0.00"
    assert panel.giou.text().startswith("-")
