"""The evaluation panel on a real project of three photos; every number opens the objects behind it."""

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from labeler.core.records import Annotation, Box, Candidate, Change
from labeler.gui.children.task_client import TaskClient
from labeler.gui.evaluation.desk import EvaluationDesk
from labeler.gui.evaluation.panel import EvaluationPanel
from labeler.gui.evaluation.scopes import EvaluationRequest
from labeler.gui.predictions.predictions import Predictions
from labeler.worker.evaluation_job import evaluate_files

LEFT = Qt.MouseButton.LeftButton


def candidate(x, confidence, label="person"):
    return Candidate(0, 0, 0, 0, Box(x, 0, x + 100, 100), confidence, label)


@pytest.fixture
def in_process(monkeypatch):
    """The evaluation itself, without the child that `test_evaluating` has it in."""

    def start(self, spec, *, title):
        del title
        evaluate_files(spec)
        self.done.emit()

    monkeypatch.setattr(TaskClient, "start", start)


@pytest.fixture
def predictions(session, owner):
    return Predictions(session, owner)


@pytest.fixture
def desk(session, owner, predictions, in_process):
    made = EvaluationDesk(session, predictions, owner)
    yield made
    made.close()


@pytest.fixture
def panel(session, desk, shown):
    return shown(EvaluationPanel(session, desk), width=900, height=340)


def draw(session, image_id, x, category=1):
    made = Annotation(session.edits.new_annotation_id(), image_id, category, Box(x, 0, x + 100, 100))
    session.edits.commit("Draw", [Change(None, made)], by="test")
    return made.id


def review(session):
    changes = [Change(image, replace(image, reviewed=True)) for image in session.document.images]
    session.edits.commit("Reviewed", changes, by="test")


@pytest.fixture
def labelled(qtbot, session, predict, panel):
    """Four people and a dog; one person is missed, one found with little confidence, the dog is taken
    for a person, and there is a person who is not there."""
    dog = session.edits.add_category("dog", by="test").id
    images = [image.id for image in session.document.images]
    people = [draw(session, images[n], x) for n, x in ((0, 0), (0, 200), (1, 0), (2, 0))]
    dogs = [draw(session, images[1], 300, dog)]
    found = {
        images[0]: [candidate(0, 0.9), candidate(500, 0.6)],
        images[1]: [candidate(0, 0.8), candidate(300, 0.7)],
        images[2]: [candidate(0, 0.2)],
    }
    predict(found, suppressed=True)
    review(session)
    qtbot.waitUntil(panel.start_button.isEnabled)
    return images, people, dogs


@pytest.fixture
def evaluated(qtbot, labelled, panel):
    """Boxes on the three reviewed images, from a confidence of 0.25."""
    qtbot.mouseClick(panel.start_button, LEFT)
    qtbot.waitUntil(lambda: panel.view.outcome is not None)
    return labelled


def page(qtbot, panel, name):
    qtbot.mouseClick(panel.tabs.buttons[name], LEFT)
    QApplication.processEvents()
    assert panel.pages[name].isVisible()
    return panel.pages[name]


def listed(panel):
    return [panel.examples.model.row(key).text for key in panel.examples.model.ids]


def numbers(panel):
    return [button.text() for button in panel.examples.kinds.buttons.values()]


# --- before there is anything -----------------------------------------------------------------------


def test_each_empty_state_says_what_to_do(qtbot, session, predict, panel):
    assert panel._empty.text().startswith("No model has predicted anything here yet")
    with qtbot.waitSignal(panel.run_asked):
        qtbot.mouseClick(panel._empty._button, LEFT)
    predict({session.place.image.id: [candidate(0, 0.9)]})
    qtbot.waitUntil(lambda: panel._empty.text().startswith("No image is reviewed yet"))
    assert not panel.start_button.isEnabled()
    qtbot.mouseClick(panel._empty._button, LEFT)
    assert panel.scope.currentText() == "Images shown (3)"
    assert panel._empty.text() == "See how good detector is on 1 image."
    assert panel.message.text() == "2 of 3 images left out: this model has not seen them."
    qtbot.mouseClick(panel.count_empty, LEFT)
    assert panel._empty.text() == "See how good detector is on 3 images."


def test_a_model_that_never_ran_on_them(qtbot, session, predict, panel):
    first, second, _ = [image.id for image in session.document.images]
    predict({first: [candidate(0, 0.9)]})
    session.place.set_order([second])
    qtbot.waitUntil(lambda: bool(panel.model.count()))
    panel.scope.choose("shown")
    assert panel._empty.text() == "detector never ran on images shown. Predict them first."


# --- what came out ----------------------------------------------------------------------------------


def test_the_figures_and_the_table(evaluated, panel):
    assert panel.note.text() == "3 IMAGES · 5 OBJECTS · BOXES"
    assert not panel.message.isVisible()
    table = panel.numbers.model
    assert [table.name(key) for key in table.order] == ["All categories", "person", "dog"]
    titles = [column.title for column in table.columns]

    def cell(row, title):
        return table.index(row, titles.index(title) + 2).data()

    assert [cell(row, "objects") for row in range(3)] == ["5", "4", "1"]
    assert [cell(row, "precision") for row in range(3)] == ["0.500", "0.500", "–"]
    assert [cell(row, "recall") for row in range(3)] == ["0.400", "0.500", "0.000"]
    assert cell(0, "F1") == "0.444"
    assert table.index(0, 1).data() == "2 hits, 3 missed, 2 false alarms"
    assert panel.numbers.figures["F1"].text() == "0.44"
    # of people 1 up to a recall of 0.5 and 0.6 up to 0.75, (51 + 25 * 0.6) / 101; of dogs 0
    assert cell(0, "AP50") == "0.327"
    assert panel.numbers.figures["AP50"].text() == "0.33"
    panel.numbers.table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert [table.name(key) for key in table.order] == ["All categories", "dog", "person"]
    assert table.headerData(2, Qt.Orientation.Horizontal) == "objects ↑"
    panel.numbers.table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert [table.name(key) for key in table.order] == ["All categories", "person", "dog"]


def test_a_row_of_the_table_chooses_its_category(qtbot, evaluated, panel):
    panel.numbers.table.selectRow(2)
    assert panel.view.category_name() == "dog"
    assert panel.category.currentText() == "dog"
    assert numbers(panel) == ["Wrong 0", "Missed 1", "Hits 0"]
    panel.category.choose(-1)
    assert numbers(panel) == ["Wrong 2", "Missed 3", "Hits 2"]


def test_false_alarms_are_stepped_through(qtbot, session, predictions, evaluated, panel):
    images, *_ = evaluated
    assert listed(panel) == ["person", "person"]
    with qtbot.waitSignal(panel.opened) as told:
        qtbot.mouseClick(panel.examples.next, LEFT)
    assert told.args == [(images[1], images[0]), "2 false alarms on 2 images"]
    qtbot.waitUntil(lambda: session.place.image.id == images[1] and bool(predictions.selection))
    (chosen,) = predictions.selection
    assert session.document.candidates[chosen].confidence == 0.7
    assert panel.examples.where.text() == "1 of 2"
    qtbot.mouseClick(panel.examples.next, LEFT)
    qtbot.waitUntil(lambda: session.place.image.id == images[0] and bool(predictions.selection))
    assert not panel.examples.next.isEnabled()
    assert list(session.place.order) == [images[1], images[0]]


def test_misses_and_hits_are_listed(qtbot, session, evaluated, panel):
    _, people, dogs = evaluated
    qtbot.mouseClick(panel.examples.kinds.buttons["missed"], LEFT)
    assert sorted(listed(panel)) == ["dog", "person", "person"]
    panel.examples.rows.setFocus()
    # to come there by Tab opens nothing
    assert not session.focus.selection
    qtbot.keyClick(panel.examples.rows, Qt.Key.Key_Down)
    first = panel.view.listing.items[0]
    qtbot.waitUntil(lambda: session.focus.selection == {first.truth_id})
    assert first.truth_id in {people[1], people[3], dogs[0]}
    qtbot.mouseClick(panel.examples.kinds.buttons["hits"], LEFT)
    assert listed(panel) == ["person", "person"]


# --- the curves -------------------------------------------------------------------------------------


def test_the_line_moves_what_is_told(qtbot, predictions, evaluated, panel):
    curves = page(qtbot, panel, "Curves")
    assert "recall</span> 0.40" in curves.reading.text()
    curves.rates.setFocus()
    qtbot.keyClick(curves.rates, Qt.Key.Key_Home)
    assert panel.view.confidence == 0.0
    assert "recall</span> 0.60" in curves.reading.text()
    assert "precision</span> 0.60" in curves.reading.text()
    # the numbers at once, the objects when it has come to rest
    assert numbers(panel) == ["Wrong 2", "Missed 2", "Hits 3"]
    qtbot.mouseClick(panel.examples.kinds.buttons["hits"], LEFT)
    qtbot.waitUntil(lambda: len(listed(panel)) == 3)
    qtbot.keyClick(curves.rates, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: listed(panel) == [])
    assert "precision</span> –" in curves.reading.text()
    qtbot.mouseClick(curves.best, LEFT)
    # with all of them 2 · 3 / (5 + 5)
    assert panel.view.confidence == pytest.approx(0.2)
    assert panel.view.rates().f1 == pytest.approx(0.6)
    qtbot.mouseClick(curves.use, LEFT)
    assert predictions.filter.confidence == 0.2


def test_a_point_of_a_curve_opens_its_object(qtbot, session, predictions, evaluated, panel):
    images, *_ = evaluated
    curves = page(qtbot, panel, "Curves")
    plot = curves.ranking
    curve = plot.curves[0]
    assert curve.name == "IoU 0.50"
    assert len(curve.x) == 5
    qtbot.waitUntil(lambda: plot.is_drawn, timeout=20_000)
    at = plot.pixel_of(curve.x[3], curve.y[3]).toPoint()
    qtbot.mouseClick(plot.surface, LEFT, pos=at)
    # the fourth by confidence is the person who is not there
    qtbot.waitUntil(lambda: session.place.image.id == images[0] and bool(predictions.selection))
    (chosen,) = predictions.selection
    assert session.document.candidates[chosen].confidence == 0.6
    assert panel.view.confidence == pytest.approx(0.6)
    assert panel.examples.title.text() == "All categories, around 0.60"
    assert len(listed(panel)) == 5
    panel.category.choose(panel.category.findText("dog") - 1)
    assert curves.ranking._note.text() == "dog: the model predicted nothing on these images."


# --- the other pages --------------------------------------------------------------------------------


def test_a_cell_of_the_matrix_opens_what_it_counts(qtbot, session, predictions, evaluated, panel):
    images, _, dogs = evaluated
    confusion = page(qtbot, panel, "Confusion")
    matrix = confusion.matrices[0]
    names = matrix._names
    dog, person = names.index("dog"), names.index("person")
    assert matrix.told((dog, person)) == "dog taken for person: 1 of 1 (100%)"
    qtbot.mouseClick(matrix, LEFT, pos=matrix.rect_of((dog, person)).center().toPoint())
    assert panel.examples.title.text() == "dog taken for person"
    assert listed(panel) == ["dog → person"]
    assert matrix.chosen == (dog, person)
    qtbot.waitUntil(lambda: session.focus.selection == {dogs[0]} and bool(predictions.selection))
    assert session.place.image.id == images[1]


def test_images_worst_first_open_what_is_wrong_on_them(qtbot, session, evaluated, panel, click_row):
    images, *_ = evaluated
    shown = page(qtbot, panel, "Images")
    # nothing found; one of two people and one who is not there; one of two and a dog taken for a person
    assert shown.model.ids[0] == images[2]
    assert set(shown.model.ids) == set(images)
    click_row(shown.rows, 0)
    assert listed(panel) == ["person"]
    qtbot.waitUntil(lambda: session.place.image.id == images[2] and bool(session.focus.selection))


def test_the_history_has_a_point_for_each_evaluation(qtbot, evaluated, panel):
    history = page(qtbot, panel, "History")
    qtbot.waitUntil(lambda: len(history.moments) == 1)
    first = panel.view.outcome
    qtbot.mouseClick(panel.start_button, LEFT)
    qtbot.waitUntil(lambda: panel.view.outcome not in (None, first))
    qtbot.waitUntil(lambda: len(history.moments) == 2)
    (curve,) = history.plot.curves
    assert curve.name == "detector"
    assert curve.x.tolist() == [1, 2]
    assert "detector, 3 images with 5 objects, boxes: AP" in history.line.text()


# --- two models -------------------------------------------------------------------------------------


def test_two_models_side_by_side(qtbot, session, evaluated, predict, panel):
    images, *_ = evaluated
    predict({image_id: [candidate(0, 0.9)] for image_id in images}, model="better", suppressed=True)
    qtbot.waitUntil(lambda: panel.against.findText("against better") > 0)
    panel.against.setCurrentText("against better")
    qtbot.mouseClick(panel.start_button, LEFT)
    qtbot.waitUntil(lambda: len(panel.view.titles) == 2)
    table = panel.numbers.model
    recall = [column.title for column in table.columns].index("recall") + 2
    assert table.index(0, recall).data() == "0.400 against 0.600"
    assert panel.shown_model.isVisible()
    curves = page(qtbot, panel, "Curves")
    assert [curve.name for curve in curves.ranking.curves] == ["detector", "better"]
    panel.shown_model.setCurrentIndex(1)
    assert numbers(panel) == ["Wrong 0", "Missed 2", "Hits 3"]
    assert "recall</span> 0.60" in curves.reading.text()
    confusion = page(qtbot, panel, "Confusion")
    assert [matrix.isVisible() for matrix in confusion.matrices] == [True, True]
    first, second = confusion.matrices
    person = first._names.index("person")
    assert (first._counts[person, person], second._counts[person, person]) == (2, 3)
    qtbot.mouseClick(first, LEFT, pos=first.rect_of((person, person)).center().toPoint())
    assert panel.shown_model.currentText() == "detector"
    assert panel.examples.title.text() == "person, found"
    assert first.chosen == (person, person)


def test_what_was_asked_for_elsewhere_is_what_the_choices_say(qtbot, session, labelled, predict, panel, desk):
    images, *_ = labelled
    predict({image_id: [candidate(0, 0.9)] for image_id in images}, model="better", suppressed=True)
    ids = {model.name: model.id for model in session.document.models}
    qtbot.waitUntil(lambda: len(desk.plan.models) == 2)
    request = EvaluationRequest("shown", ids["better"], against=ids["detector"])
    panel.judge(request)
    assert panel.request() == request
    qtbot.waitUntil(lambda: panel.view.titles == ("better", "detector"))
    assert not panel.message.isVisible()


# --- keeping up, sizes, themes ----------------------------------------------------------------------


def test_an_edit_asks_for_another_evaluation(qtbot, session, evaluated, panel):
    images, *_ = evaluated
    draw(session, images[0], 500)
    qtbot.waitUntil(lambda: panel.message.text() == "Labels or predictions changed since; evaluate again.")
    assert panel.start_button.isDefault()
    qtbot.mouseClick(panel.start_button, LEFT)
    qtbot.waitUntil(lambda: numbers(panel) == ["Wrong 1", "Missed 3", "Hits 3"])
    qtbot.waitUntil(lambda: not panel.message.isVisible())


def test_what_is_not_reviewed_is_said(qtbot, session, predict, panel):
    predict({session.place.image.id: [candidate(0, 0.9)]}, suppressed=True)
    qtbot.waitUntil(lambda: bool(panel.model.count()))
    panel.scope.choose("shown")
    qtbot.mouseClick(panel.start_button, LEFT)
    qtbot.waitUntil(lambda: panel.view.outcome is not None)
    qtbot.waitUntil(lambda: "1 image not reviewed" in panel.message.text())


def test_it_fits(qtbot, evaluated, panel):
    for width, height in ((900, 340), (360, 700), (1400, 860)):
        panel.window().resize(width, height)
        panel.resize(width, height)
        QApplication.processEvents()
        assert panel.minimumSizeHint().width() <= 360
        together = width > 1000
        for name in panel.pages:
            if not together:
                page(qtbot, panel, name)
            shown = panel.pages[name]
            assert shown.isVisible()
            assert shown.mapTo(panel, shown.rect().topRight()).x() <= width
        assert panel.tabs.isVisible() != together
        # nothing scrolls: there is room enough
        assert not panel._scroll.verticalScrollBar().maximum()
        assert panel.examples.rows.height() >= 28


def test_the_report_is_written(qtbot, evaluated, panel, desk, tmp_path):
    told = []
    desk.write_report(tmp_path / "report.html", confidence=0.25, done=told.append)
    qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    assert told[0] == f"The report is written: {tmp_path / 'report.html'}"
    text = (tmp_path / "report.html").read_text()
    assert "detector" in text
    assert "<svg" in text
