"""The predictions card: sliders, histogram, counts, and the walk in words."""

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from labeler.core.records import Box, Candidate, Change
from labeler.gui.labelling.agreement_panel import AgreementPanel
from labeler.gui.predictions.histogram import BINS, Histogram
from labeler.gui.predictions.panel import PredictionsPanel
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.measure import OpenAgreement
from labeler.gui.toolkit.cards import UNBROKEN


def candidate(box, confidence, label="person"):
    return Candidate(0, 1, 0, 1, Box(*map(float, box)), confidence, label)


NEAR = [
    candidate((100, 100, 200, 300), 0.9),
    candidate((100, 100, 200, 290), 0.8),
    candidate((400, 100, 500, 300), 0.6),
    candidate((400, 500, 500, 700), 0.1),
]


@pytest.fixture
def predictions(session):
    return Predictions(session)


@pytest.fixture
def panel(session, predictions, shown):
    return shown(PredictionsPanel(session, predictions))


@pytest.fixture
def three(panel, predictions, predict, qtbot):
    predict({1: NEAR, 2: [candidate((10, 10, 60, 60), 0.7), candidate((300, 10, 360, 60), 0.3)]})
    qtbot.waitUntil(lambda: predictions.set_counts.counts == (5, 4, 1))
    return predictions


def told(panel):
    return panel.counts.text().replace(UNBROKEN, " ")


def test_without_a_model_it_says_what_to_do(panel, qtbot):
    qtbot.waitUntil(panel._empty.isVisible)
    assert "Run a model" in panel._empty.text()
    assert not panel._controls.isVisible()
    with qtbot.waitSignal(panel.run_asked):
        panel._empty.acted.emit()


def test_the_model_is_chosen_where_its_predictions_are_and_all_cards_show_the_same(
    panel, session, predict, shown, qtbot
):
    agreement = shown(AgreementPanel(session, OpenAgreement(session)))
    predict({1: NEAR}, model="first")
    predict({1: NEAR[:1]}, model="second")
    qtbot.waitUntil(lambda: panel.model.currentText() == "second")
    qtbot.waitUntil(lambda: ">second<" in agreement.model.text())
    panel.model.setCurrentIndex(panel.model.findText("first"))
    assert session.measure.model.name == "first"
    qtbot.waitUntil(lambda: ">first<" in agreement.model.text())
    panel.model.setCurrentIndex(0)
    assert session.measure.model is None
    qtbot.waitUntil(lambda: "that were accepted" in agreement.model.text())
    qtbot.waitUntil(lambda: panel._empty.isVisible() and "Choose a model" in panel._empty.text())
    assert panel.model.isVisible(), "the way back"


def test_it_tells_what_the_filter_comes_to_on_the_image_and_the_set(panel, three, qtbot):
    qtbot.waitUntil(lambda: told(panel) == "3 candidates → 2 kept, 1 suppressed · set: 5 → 4")
    assert panel.model.currentText() == "detector"
    assert panel.model.toolTip() == "detector, version 1"
    assert "1 more on this image" in panel.counts.toolTip()
    assert "On 2 images" in panel.counts.toolTip()


def test_a_slider_acts_at_once(panel, three, qtbot):
    panel.confidence.slider.setValue(70)
    assert three.filter.confidence == 0.7
    assert panel.confidence.value.text() == "0.70"
    assert told(panel).startswith("2 candidates → 1 kept, 1 suppressed")
    panel.iou.slider.setValue(97)
    assert told(panel).startswith("2 candidates → 2 kept, 0 suppressed")
    qtbot.waitUntil(lambda: told(panel).endswith("set: 3 → 3"))


def test_the_sliders_follow_keys_and_other_models(panel, three, session, predict, qtbot):
    three.step_confidence(1)
    three.step_iou(-1)
    assert (panel.confidence.slider.value(), panel.iou.slider.value()) == (30, 45)
    session.measure.choose_model(None)
    session.measure.choose_model(session.document.models[-1])
    assert panel.confidence.slider.value() == 30


def test_kinds_and_the_most_are_chosen(panel, three):
    panel.kind.setCurrentIndex(panel.kind.findData("none"))
    assert told(panel).startswith("3 candidates → 3 kept, 0 suppressed")
    assert not panel.iou.slider.isEnabled()
    panel.kind.setCurrentIndex(panel.kind.findData("soft-gaussian"))
    assert not panel.iou.slider.isEnabled()
    assert "exp(" in panel.iou.slider.toolTip()
    panel.kind.setCurrentIndex(panel.kind.findData("agnostic"))
    assert panel.iou.slider.isEnabled()
    panel.top_k.setValue(1)
    assert told(panel).startswith("3 candidates → 1 kept, 1 suppressed, 1 beyond the most")


def test_a_model_that_predicts_a_set_greys_the_suppression_and_says_why(panel, predict, qtbot):
    predict({1: NEAR}, model="RT-DETR", suppressed=True)
    qtbot.waitUntil(lambda: told(panel).startswith("3 candidates → 3 kept · set"))
    assert not panel.iou.slider.isEnabled()
    assert not panel.kind.isEnabled()
    why = "RT-DETR predicts a set without duplicates"
    assert why in told(panel)
    assert why in panel.iou.slider.toolTip()


def test_more_or_less_is_shown_faintly(panel, three):
    panel.faint.setCurrentIndex(panel.faint.findData("all"))
    assert len(three.faint_ids) == 2
    panel.faint.setCurrentIndex(panel.faint.findData("none"))
    assert three.faint_ids == ()


def test_the_walk_is_told_step_by_step(panel, three, qtbot):
    qtbot.mouseClick(panel.steps_button, Qt.MouseButton.LeftButton)
    assert panel.step_note.text() == "step 0 of 2"
    assert panel.sentence.text().startswith("3 candidates at or over 0.25")
    assert not panel.back.isEnabled()
    qtbot.mouseClick(panel.forth, Qt.MouseButton.LeftButton)
    assert panel.sentence.text() == (
        "person 0.90 is the most confident one left: it is kept. It drops 1, by IoU: person (0.95). 1 left."
    )
    qtbot.mouseClick(panel.forth, Qt.MouseButton.LeftButton)
    assert panel.sentence.text().endswith("None is left: done.")
    assert not panel.forth.isEnabled()
    panel.top_k.setValue(1)
    assert panel.sentence.text().endswith("The limit of 1 ends it here.")
    qtbot.mouseClick(panel.back, Qt.MouseButton.LeftButton)
    assert panel.step_note.text() == "step 0 of 1"
    qtbot.mouseClick(panel.steps_button, Qt.MouseButton.LeftButton)
    assert three.walk is None
    assert not panel._steps.isVisible()


def test_the_soft_walk_tells_what_it_lowers(panel, three):
    three.set_filter(kind="soft-linear", iou=0.5, confidence=0.02)
    three.step_walk(1)
    assert "It lowers the confidence of 1 that overlap it." in panel.sentence.text()


def test_the_set_is_only_counted_while_the_card_is_seen(panel, three, qtbot):
    panel.hide()
    three.set_filter(confidence=0.65)
    assert three.set_counts.counts == (5, 4, 1)
    panel.show()
    qtbot.waitUntil(lambda: told(panel).endswith("set: 3 → 2"))


# --- the histogram --------------------------------------------------------------------------------------


def test_the_histogram_counts_the_set_and_what_a_person_said(panel, three, session, qtbot):
    assert panel.histogram.accessibleName() == "Confidences of 6 candidates, threshold 0.25"
    best = next(one for one in three.candidates.values() if one.confidence == 0.9)
    session.edits.commit("Accept", [Change(best, replace(best, verdict="accepted"))], by="test")
    assert panel.histogram.told_of(27).endswith("1 candidate (1 accepted)")
    assert panel.histogram.told_of(0).endswith("0 candidates")


def test_the_line_can_be_dragged(panel, three, qtbot):
    histogram = panel.histogram
    width = histogram.width()
    QTest.mousePress(histogram, Qt.MouseButton.LeftButton, pos=QPoint(width // 4, 20))
    QTest.mouseMove(histogram, QPoint(width // 2, 20))
    QTest.mouseRelease(histogram, Qt.MouseButton.LeftButton, pos=QPoint(width // 2, 20))
    assert three.filter.confidence == pytest.approx(0.5, abs=0.02)
    QTest.mouseMove(histogram, QPoint(width - 1, 20))
    assert three.filter.confidence == pytest.approx(0.5, abs=0.02)


def test_bars_are_as_high_as_their_logarithm_and_split_by_colour(qtbot):
    histogram = Histogram()
    qtbot.addWidget(histogram)
    histogram.resize(300, 52)
    counts = np.zeros((BINS, 3), dtype=np.int64)
    counts[10] = (1000, 0, 0)
    counts[20] = (10, 10, 11)
    histogram.show_counts(counts)
    histogram.show_threshold(0.01)
    picture = histogram.grab().toImage()
    blank = picture.pixelColor(155, 10)

    def height(x):
        return sum(picture.pixelColor(x, y) != blank for y in range(10, 50))

    assert height(104) > height(204) > 10
    assert len({picture.pixelColor(204, y).name() for y in range(40 - height(204) + 12, 46)}) >= 3
