"""What models would save, asked for in the window and worked out in a real child."""

import pytest
from PySide6.QtWidgets import QApplication

from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import FormatError
from labeler.gui.evaluation.effort_desk import EffortDesk, _write_labels
from labeler.gui.evaluation.effort_dialog import EffortDialog
from labeler.gui.evaluation.files import Material
from tests.child_processes import workers

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


@pytest.fixture
def desk(session):
    made = EffortDesk(session)
    yield made
    made.close()
    made.task.close()


@pytest.fixture
def reviewed(session, qtbot):
    """Boxes on the open image, which is done."""
    for place in range(3):
        session.edits.add(Box(100.0 + 200 * place, 300.0, 220.0 + 200 * place, 800.0), by="test")
    session.edits.mark_reviewed(True, by="test")
    qtbot.waitUntil(lambda: session.saved == "saved")
    return session


@pytest.fixture
def told(desk):
    sentences = []
    desk.failed.connect(sentences.append)
    return sentences


def test_without_reviewed_objects_there_is_nothing_to_find_out(desk, session, told):
    session.edits.add(Box(1.0, 2.0, 30.0, 40.0), by="test")
    assert desk.images() == []
    desk.start(5)
    assert told == ["No reviewed image has objects yet; label some, and mark them as reviewed."]
    assert not desk.is_running


def test_a_child_works_it_out_and_leaves_nothing_behind(desk, reviewed, told, qtbot):
    steps = []
    desk.changed.connect(lambda: steps.append(desk.progress))
    desk.start(5)
    folder = desk._folder.name
    qtbot.waitUntil(lambda: desk.answer is not None or bool(told), timeout=60_000)
    assert told == []
    assert (0, 1) in steps
    assert (1, 1) in steps
    assert desk.answer["objects"] == 3
    assert desk.answer["actions_per_object"]["polygons"] == 2.0  # two clicks a box
    assert not desk.is_running
    qtbot.waitUntil(lambda: not workers())
    with pytest.raises(FileNotFoundError):
        open(folder)  # noqa: SIM115, PTH123


def test_stopped_it_is_gone_at_once_and_can_be_asked_again(desk, reviewed, told, qtbot):
    desk.start(5)
    qtbot.waitUntil(lambda: desk.task.is_running)
    desk.stop()
    assert not desk.is_running
    assert desk.answer is None
    desk.start(5)
    assert desk.is_running
    desk.stop()
    qtbot.waitUntil(lambda: not workers())
    assert told == []


def test_another_project_ends_it(desk, reviewed, told, qtbot, tmp_path, photos):
    desk.start(5)
    qtbot.waitUntil(lambda: desk.task.is_running)
    other = tmp_path / "other"
    other.mkdir()
    (other / "one.jpg").write_bytes((photos / "bus.jpg").read_bytes())
    reviewed.open(other)
    qtbot.waitUntil(lambda: reviewed.root == other)
    assert not desk.is_running
    assert (desk.answer, told) == (None, [])
    qtbot.waitUntil(lambda: not workers())


def test_objects_that_are_gone_are_not_asked_about(desk, reviewed, told, qtbot):
    desk.start(5)
    reviewed.edits.delete(list(reviewed.document.annotations), by="test")
    desk.start(5)  # by now they are gone, which the counts may not know yet
    qtbot.waitUntil(lambda: not desk.is_running or desk.task.is_running)
    desk.stop()
    assert all(sentence.startswith("No ") for sentence in told)


# --- the dialog -----------------------------------------------------------------------------------

ANSWER = {
    "images": 2,
    "objects": 3,
    "actions_per_object": {"polygons": 12.0, "sam": 4.0, "with_predictions": 2.04},
    "seconds_per_object": {"polygons": 20.0, "sam": 8.0, "with_predictions": 5.0},
    "by_image": [
        {"objects": 3, "seconds_per_object": {"polygons": 20.0, "sam": 8.0, "with_predictions": 5.0}},
        {"objects": 0, "seconds_per_object": dict.fromkeys(("polygons", "sam", "with_predictions"))},
    ],
    "left_out": ["photo.jpg is not in the folder of the images and was left out."],
}


@pytest.fixture
def dialog(desk, qtbot):
    made = EffortDialog(desk)
    qtbot.addWidget(made)
    made.show()
    return made


def test_before_anything_is_reviewed_it_says_what_to_do(dialog):
    assert not dialog.start_button.isEnabled()
    assert "mark them as reviewed" in dialog.note.text()
    assert {label.text() for label in dialog.costs.values()} == {"–"}
    assert not dialog.bar.isVisible()


def test_it_offers_what_is_reviewed_shows_how_far_it_is_and_stops(desk, reviewed, qtbot):
    dialog = EffortDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    assert (dialog.count.value(), dialog.count.suffix()) == (1, " of 1")
    dialog.start_button.click()
    assert dialog.start_button.text() == "Stop"
    assert dialog.bar.isVisible()
    assert dialog.note.text() == "Loading the models…"
    desk._take_progress(3, 25)
    assert dialog.note.text() == "Image 4 of 25"
    dialog.start_button.click()
    assert dialog.start_button.text() == "Find out"
    assert not desk.is_running


def test_the_answer_is_a_table_a_sentence_and_a_curve(desk, dialog):
    desk.answer = ANSWER
    desk.changed.emit()
    assert [label.text() for label in dialog.costs.values()] == ["12.0", "4.0", "2.0", "20.0", "8.0", "5.0"]
    assert dialog.note.text() == (
        "3 objects on 2 images: 75 % less time than by hand. "
        "photo.jpg is not in the folder of the images and was left out."
    )
    assert [curve.name for curve in dialog.plot.curves] == ["By hand", "By SAM", "With predictions"]
    assert dialog.plot.curves[2].y.tolist() == [5.0]


def test_with_the_dialog_closed_the_window_tells_what_became_of_it(opened, qtbot):
    told = []
    opened.bench.notifier.told.connect(told.append)
    opened.bench.effort.answer = ANSWER
    opened.bench.effort.found.emit()
    opened.bench.effort.failed.emit("The study crashed. Ask again.")
    assert [one.text for one in told] == [
        "It is found out what models would save you here.",
        "The study crashed. Ask again.",
    ]
    told[0].run()
    dialog = opened.frame.findChild(EffortDialog)
    assert dialog.costs["sam", "actions_per_object"].text() == "4.0"
    opened.bench.effort.failed.emit("It crashed once more.")
    assert dialog.note.text() == "It crashed once more."
    assert len(told) == 2, "the dialog says it"
    dialog.close()


def test_a_full_disk_is_a_sentence(tmp_path):
    image = Image(1, "one.jpg", 60, 40)
    box = Annotation(1, 1, 1, Box(1.0, 2.0, 30.0, 40.0))
    categories = (Category(1, "a", "#ff0000"),)
    with pytest.raises(FormatError, match=r"cannot be written to \(.*and ask again"):
        _write_labels(tmp_path / "gone" / "labels.json", [Material(image, (box,), {})], categories)


def test_closed_in_the_middle_the_study_goes_on(desk, reviewed, qtbot):
    dialog = EffortDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.start_button.click()
    dialog.close()
    QApplication.processEvents()
    assert desk.is_running
    desk.changed.emit()  # nobody is there to hear it
    desk.stop()
