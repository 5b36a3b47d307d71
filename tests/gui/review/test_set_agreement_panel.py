"""The set's agreement in the panel, on a real project of three photos."""

import math

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt

from labeler.core.measures.set_agreement import AgreementTally
from labeler.core.records import Annotation, Box, Candidate, Change
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.agreements import SetAgreements
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.set_agreement_panel import SetAgreementPanel
from labeler.gui.toolkit.bars import Bar, Bars


def candidate(x, *, category=1, label="person"):
    return Candidate(0, 0, 0, category, Box(x, 0, x + 100, 100), 0.9, label)


@pytest.fixture
def predictions(session, owner):
    return Predictions(session, owner)


@pytest.fixture
def panel(session, owner, predictions, shown):
    return shown(SetAgreementPanel(session, SetAgreements(session, predictions, owner)), height=700)


def draw(session, image_id, box, category=1):
    made = Annotation(session.edits.new_annotation_id(), image_id, category, box)
    session.edits.commit("Draw", [Change(None, made)], by="test")


@pytest.fixture
def measured(qtbot, session, predict, panel):
    """Three images of falling agreement, and a dog that the model missed on the last one."""
    dog = session.edits.add_category("dog", by="test")
    images = [image.id for image in session.document.images]
    predict({image_id: [candidate(0)] for image_id in images})
    for image_id, shift in zip(images, (0, 10, 20), strict=True):
        draw(session, image_id, Box(shift, 0, 100 + shift, 100))
    draw(session, images[2], Box(300, 300, 400, 400), dog.id)
    qtbot.waitUntil(lambda: "1 missed" in panel.line.text() and "3 matched" in panel.line.text())
    return images


def texts(panel):
    return [figure.text() for figure in (panel.iou, panel.dice, panel.f1)]


def test_with_nothing_to_compare_it_says_what_to_do(qtbot, session, predict, panel):
    qtbot.waitUntil(panel._empty.isVisible)
    assert panel._empty.text().startswith("Run a model or import its results")
    predict({session.place.image.id: [candidate(0)]})
    qtbot.waitUntil(lambda: panel._empty.text().startswith("Label or review an image"))


def test_numbers_categories_and_the_worst_images(session, measured, panel):
    # IoU 1, 90 / 110 and 80 / 120; Dice 1, 0.9 and 0.8; F1 = 6 / 7
    assert texts(panel) == ["0.83", "0.90", "0.86"]
    assert panel.note.text() == "3 OF 3 IMAGES"
    assert [(bar.name, bar.right) for bar in panel.bars.bars] == [("dog", "–"), ("person", "0.83")]
    assert panel._worst.ids == measured[::-1]
    # 2 / 3 by F1 2 / 3
    assert panel._worst.row(measured[2]).right == "0.44"
    assert panel._worst.row(measured[2]).quiet == "1 missed"


def test_a_click_on_a_bar_opens_the_images_behind_it(qtbot, session, measured, panel):
    with qtbot.waitSignal(panel.opened) as told:
        qtbot.mouseClick(panel.bars, Qt.MouseButton.LeftButton, pos=QPoint(150, 12))
    assert told.args == [(measured[2],), "dog, worst first"]
    assert list(session.place.order) == [measured[2]]
    assert session.place.image.id == measured[2]


def test_worst_first_orders_the_images(qtbot, session, measured, panel):
    qtbot.mouseClick(panel.worst_button, Qt.MouseButton.LeftButton)
    assert list(session.place.order) == measured[::-1]
    assert session.place.image.id == measured[2]


def test_a_row_of_the_worst_opens_that_image(qtbot, session, measured, panel, click_row):
    click_row(panel.worst_view, 1)
    assert session.place.image.id == measured[1]
    assert len(session.place.order) == 3


def test_the_plot_over_models_compares_them_and_a_click_chooses_one(qtbot, session, predict, measured, panel):
    predict({image_id: [candidate(10)] for image_id in measured}, model="better")
    panel.course.setCurrentIndex(1)
    qtbot.waitUntil(lambda: panel.plot._places == ["detector", "better"])
    qtbot.waitUntil(lambda: panel.plot.is_drawn, timeout=20_000)
    at = panel.plot.pixel_of(0.1, 0.95).toPoint()
    qtbot.mouseClick(panel.plot.surface, Qt.MouseButton.LeftButton, pos=at)
    assert session.measure.model.name == "detector"


def test_a_point_of_the_course_opens_what_was_labelled_then(qtbot, session, measured, panel):
    qtbot.waitUntil(lambda: bool(panel._moments))
    with qtbot.waitSignal(panel.opened) as told:
        panel.plot.clicked.emit("IoU", len(panel._moments) - 1)
    assert set(told.args[0]) <= set(measured)
    assert told.args[1].startswith("labelled ")


def test_effort_says_what_became_of_predictions(qtbot, session, predict, owner, predictions, panel):
    predict({session.place.image.id: [candidate(0), candidate(200), candidate(400), candidate(600)]})
    reviewing = Reviewing(session, predictions, owner)
    first, second, third, _ = sorted(session.document.candidates)
    reviewing.accept([first, second])
    reviewing.reject([third])
    edited = next(a for a in session.document.annotations.values() if a.prediction_id == second)
    session.edits.replace(edited, Box(200, 0, 300, 90), label="Resize person", by="test")
    qtbot.waitUntil(lambda: "33% edited" in panel.fate_line.text())
    assert "3 predictions" in panel.fate_line.text()
    assert "33% as they were" in panel.fate_line.text()
    assert "33% rejected" in panel.fate_line.text()
    assert panel.effort_line.text().endswith("1.5 actions an object")


def test_another_threshold(qtbot, measured, panel):
    panel.threshold.setCurrentIndex(2)
    # the pair of IoU 0.67 is none any more
    qtbot.waitUntil(lambda: "2 matched" in panel.line.text() and "1 extra" in panel.line.text())


def test_the_plot_is_told_in_words_and_keeps_small_changes_small(measured, panel):
    tallies = [AgreementTally(10, iou=9.0), AgreementTally(0, 5), AgreementTally(10, iou=9.1)]
    panel._plot(tallies, ["a model of a long name", "b", "c"])
    iou, f1 = panel.plot.curves
    assert (iou.y[0], iou.y[2], f1.y[0]) == pytest.approx((0.9, 0.91, 1.0))
    assert math.isnan(iou.y[1])
    assert panel.plot.accessibleName() == "From a model of a long name to c: IoU 0.91, F1 1.00 at the end"
    across, up = panel.plot._axes
    assert across.ticks == ((0.0, "a model of a …"), (2.0, "c"))
    assert (up.low, up.high) == (0.0, 1.0)
    panel._plot(tallies[::2], ["a", "c"])
    across, up = panel.plot._axes
    assert (up.low, up.high) == (0.8, 1.0)
    assert [words for _, words in up.ticks] == ["0.80", "0.90", "1.00"]


def test_the_plot_s_library_waits_until_there_is_something_to_draw(qtbot, session, panel):
    qtbot.waitUntil(panel._empty.isVisible)
    assert not panel.plot.is_drawn


def test_bars_share_their_width(qtbot, shown):
    bars = shown(Bars(), height=24)
    bars.show_bars([Bar(7, "cat", "#ffffff", ((1, "#ff0000"), (3, "#0000ff")), tooltip="cat")])
    picture = bars.grab().toImage()
    ratio = picture.devicePixelRatio()

    def color(x):
        return picture.pixelColor((QPointF(x, 12) * ratio).toPoint()).name()

    # the bar goes from 92 to 264: a quarter red, the rest blue
    assert color(110) == "#ff0000"
    assert color(150) == "#0000ff"
    with qtbot.waitSignal(bars.clicked) as told:
        qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(20, 10))
    assert told.args == [7]
