"""The window's frame: what it shows of a project, its keys, docks, messages and settings."""

import time
from itertools import combinations
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QInputDialog, QLabel, QWidget
from pytestqt.qtbot import QtBot

from labeler.core.filtering import Filter
from labeler.core.records import Box, Candidate, Model
from labeler.errors import ProjectError
from labeler.gui import app
from labeler.gui.predictions.panel import PredictionsPanel
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.settings import load_settings
from labeler.gui.window.actions import ACTIONS, TOOL_ACTIONS
from labeler.gui.window.main_window import MainWindow
from labeler.gui.window.panel_docks import STRIP_FROM
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.store import Store
from labeler.wire.job_protocol import PredictSpec
from tests.child_processes import workers
from tests.patient_bot import slack

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


@pytest.fixture
def detections(qtbot: QtBot, opened: MainWindow) -> Model:
    """A model with a prediction on the first photo, which means a category."""
    session = opened.session
    session.edits.add_category("bus", by="test")

    def run(store: Store) -> Model:
        made = store.predictions.ensure_model("Detector", "1")
        found = Candidate(0, 0, 0, 0, Box(10, 10, 90, 90), 0.9, "bus")
        store.predictions.record_run(made.id, 1, [found])
        return made

    made: list[Model] = []
    session.ask(run, made.append)
    qtbot.waitUntil(lambda: bool(made))
    session.measure.add_model(made[0])
    session.refresh_candidates(1)
    qtbot.waitUntil(lambda: bool(session.document.candidates))
    return made[0]


def test_without_a_project_only_what_works_can_be_done(window: MainWindow) -> None:
    able = {name for name, action in window.actions.by_id.items() if action.isEnabled()}
    assert able == {"open-folder", "open-project", "quit", "settings", "keys", "checkup", "about"}
    assert window.frame.welcome.isVisible()
    assert not window.frame.statusBar().isVisible()
    assert not any(dock.isVisible() for dock in window.panels.docks.values())
    assert window.frame.windowTitle() == "Labeler"


def test_a_project_is_named_where_one_looks_for_it(opened: MainWindow) -> None:
    assert opened.frame.top.where.text() == "photos · bus.jpg · 1 of 3"
    assert opened.frame.windowTitle() == "photos – Labeler"
    assert opened.saved.text().endswith("Saved")
    opened.session.place.step(1)
    assert opened.frame.top.where.text() == "photos · grace_hopper.jpg · 2 of 3"
    image = opened.session.place.image
    assert image is not None
    opened.session.place.set_order([one.id for one in opened.session.document.images if one.id != image.id])
    assert opened.frame.top.where.text() == "photos · grace_hopper.jpg · not among the 2 shown"
    opened.session.close()
    assert opened.frame.top.where.text() == ""
    assert opened.frame.welcome.isVisible()


def test_no_key_means_two_things(window: MainWindow) -> None:
    keys = [
        (spec.id, QKeySequence(key).toString()) for spec in (*TOOL_ACTIONS, *ACTIONS) for key in spec.keys
    ]
    docks = window.panels.docks
    keys += [(name, dock.toggleViewAction().shortcut().toString()) for name, dock in docks.items()]
    keys += [("digits", digit) for digit in "1234567890"]
    clashes = [(a, b) for a, b in combinations(keys, 2) if a[1] and a[1] == b[1]]
    assert not clashes


def test_every_action_is_in_a_menu(window: MainWindow) -> None:
    bar = window.frame.menuWidget()
    menus = [child for child in bar.children() if child.metaObject().className() == "QMenuBar"]
    listed = {action.objectName() for top in menus[0].actions() for action in top.menu().actions()}  # type: ignore[attr-defined]
    assert len(window.frame.top.menus["View"].actions()) <= 12  # it is seen as a whole in a low window
    assert {spec.id for spec in ACTIONS} <= listed


def test_a_tool_s_button_follows_its_key_and_the_canvas(opened: MainWindow) -> None:
    assert opened.actions["select"].isChecked()
    for spec in TOOL_ACTIONS:
        opened.actions[spec.id].trigger()
        assert opened.canvas.hand.name == spec.id
        assert [one.id for one in TOOL_ACTIONS if opened.actions[one.id].isChecked()] == [spec.id]
    opened.canvas.hand.take("select")
    assert opened.actions["select"].isChecked()


def test_a_closed_panel_stays_closed(qtbot: QtBot, opened: MainWindow, photos: Path) -> None:
    assert opened.panels.docks["Agreement"].isVisible()
    opened.panels.docks["Agreement"].toggleViewAction().trigger()
    assert not opened.panels.docks["Agreement"].isVisible()
    opened.frame.close()
    again = app.make_window()
    again.frame.show()
    again.open(photos)
    qtbot.waitUntil(lambda: again.session.place.pixels is not None, timeout=20_000)
    assert not again.panels.docks["Agreement"].isVisible()
    assert again.panels.docks["Objects"].isVisible()
    again.frame.close()
    again.frame.deleteLater()


def test_a_low_window_gives_up_the_film_strip_first(opened: MainWindow) -> None:
    opened.frame.resize(1024, STRIP_FROM)
    assert opened.panels.docks["Film strip"].isVisible()
    opened.frame.resize(800, 560)
    assert (opened.frame.width(), opened.frame.height()) == (800, 560)
    assert not opened.panels.docks["Film strip"].isVisible()
    opened.frame.resize(1024, 700)
    assert opened.panels.docks["Film strip"].isVisible()


def all_inside(opened: MainWindow, size: tuple[int, int]) -> None:
    """The window has this size, holds all its parts, and none lies over another."""
    assert (opened.frame.width(), opened.frame.height()) == size
    frame = opened.frame.rect()
    docks = [dock for dock in opened.panels.docks.values() if dock.isVisible()]
    parts: list[QWidget] = [*docks, opened.canvas, opened.tools]
    for part in parts:
        place = part.rect().translated(part.mapTo(opened.frame, QPoint(0, 0)))
        assert frame.contains(place), part.objectName()
    for a, b in combinations(parts, 2):
        places = [one.rect().translated(one.mapTo(opened.frame, QPoint(0, 0))) for one in (a, b)]
        assert not places[0].intersects(places[1]), (a.objectName(), b.objectName())
    assert opened.canvas.width() >= 240


@pytest.mark.parametrize("size", [(800, 560), (1024, 700), (1920, 1080)])
def test_nothing_hangs_out_of_the_window(qtbot: QtBot, opened: MainWindow, size: tuple[int, int]) -> None:
    for name in ("Images", "History"):
        opened.panels.docks[name].setVisible(True)
    opened.frame.resize(*size)
    qtbot.waitUntil(lambda: opened.panels.docks["Objects"].width() > 0)
    qtbot.waitUntil(lambda: all_inside(opened, size))  # a card that needs more room takes it a moment later


def test_the_theme_is_remembered(window: MainWindow) -> None:
    window.set_theme("light")
    assert not theme.colors().dark
    assert load_settings().theme == "light"
    window.set_theme("dark")
    assert theme.colors().dark


def test_a_damaged_project_offers_its_snapshot(window: MainWindow, tmp_path: Path) -> None:
    project, snapshot = tmp_path / "labels.labeler", tmp_path / "labels-20261123-101500-000000.labeler"
    project.write_bytes(b"torn")
    error = DamagedProjectError(project, "a page is torn", snapshot)
    window.session.refused.emit(error)
    assert window.frame.welcome_toast.text == str(error)
    assert window.frame.welcome_toast.action_button.text() == "Restore the snapshot"
    window.session.refused.emit(ProjectError("It is gone."))
    assert window.frame.welcome_toast.text == "It is gone."
    assert not window.frame.welcome_toast.action_button.isVisible()


def test_a_snapshot_that_cannot_be_restored_is_told_and_offered_again(window, tmp_path: Path) -> None:
    project, snapshot = tmp_path / "labels.labeler", tmp_path / "labels-20261123-101500-000000.labeler"
    project.write_bytes(b"torn")
    window.session.refused.emit(DamagedProjectError(project, "a page is torn", snapshot))
    window.frame.welcome_toast.action_button.click()
    assert "is not whole; choose another one." in window.frame.welcome_toast.text
    assert window.frame.welcome_toast.action_button.text() == "Restore the snapshot"
    assert project.read_bytes() == b"torn"


def test_trouble_with_the_disk_is_told_until_it_is_over(opened: MainWindow) -> None:
    opened.session.saved_changed.emit("The disk is full: 3 edits wait.")
    assert opened.saved.text().endswith("Not saved")
    assert opened.toast.text == "The disk is full: 3 edits wait."
    opened.session.saved_changed.emit("saving")
    assert opened.toast.text, "not before they are saved"
    opened.session.saved_changed.emit("saved")
    assert opened.toast.text == "", "it is no longer so"


def test_only_files_may_be_dropped(window: MainWindow) -> None:
    words, web, file = QMimeData(), QMimeData(), QMimeData()
    words.setText("hello")
    web.setUrls([QUrl("https://example.org/a.jpg")])
    file.setUrls([QUrl.fromLocalFile("/tmp/a.jpg")])
    accepted = []
    for mime in (words, web, file):
        event = QDragEnterEvent(
            QPoint(5, 5),
            Qt.DropAction.CopyAction,
            mime,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        event.ignore()
        QApplication.sendEvent(window.frame, event)
        accepted.append(event.isAccepted())
    assert accepted == [False, False, True]


def test_the_pixel_under_the_pointer_is_read_out(opened: MainWindow) -> None:
    opened.canvas.pointer_moved.emit(12.7, 30.2, (1, 2, 3))
    shown = [label.text() for label in opened.frame.statusBar().findChildren(QLabel)]
    assert "x 12  y 30" in shown
    assert "rgb 1 2 3" in shown
    opened.canvas.pointer_moved.emit(-5.0, 30.2, None)
    assert not any(label.text().startswith("rgb") for label in opened.frame.statusBar().findChildren(QLabel))


def test_that_it_learns_is_said_at_the_foot_of_the_window(opened: MainWindow) -> None:
    line = opened.status_line.learning
    action = opened.actions["learn"]
    assert line.text() == ""
    action.trigger()
    assert line.text() == "Learns while you label"
    learner = opened.bench.learner
    learner.words, learner.why = "Learnt; predicted 3 images", "AP50 0.70"
    learner.changed.emit()
    assert line.text() == "Learns while you label · Learnt; predicted 3 images"
    assert line.toolTip() == "AP50 0.70"
    action.trigger()
    assert (line.text(), line.toolTip()) == ("", "")


def test_reviewed_is_ticked_for_the_image_that_is(qtbot: QtBot, opened: MainWindow) -> None:
    opened.actions["reviewed"].trigger()
    assert opened.session.place.image is not None
    assert opened.session.place.image.reviewed
    opened.session.place.step(1)
    assert not opened.actions["reviewed"].isChecked()
    opened.session.place.step(-1)
    assert opened.actions["reviewed"].isChecked()


def test_brightness_is_of_the_display_only(opened: MainWindow) -> None:
    pixels = opened.session.place.pixels
    assert pixels is not None
    before = pixels.rgb.copy()
    opened.actions["display"].trigger()
    assert opened.display.isVisible()
    opened.display._sliders["brightness"].setValue(40)
    assert opened.canvas.options.brightness == 0.4
    assert (pixels.rgb == before).all()
    opened.display.reset()
    assert opened.canvas.options.brightness == 0.0


def test_a_review_takes_the_room_of_what_it_does_not_need(
    qtbot: QtBot, opened: MainWindow, detections: Model
) -> None:
    opened.frame.resize(1024, 700)
    panels = opened.panels
    for name in ("Pre-annotate", "Predictions", "Review"):
        panels.open(name)
    panels[PredictionsPanel].set_folded(True)
    opened.actions["review"].trigger()
    qtbot.waitUntil(panels[RunPanel].is_folded)
    frame = panels.docks["Review"].widget()
    qtbot.waitUntil(lambda: frame.height() == frame.maximumHeight() > 300)  # nothing of it is scrolled away
    opened.actions["review"].trigger()
    qtbot.waitUntil(lambda: not panels[RunPanel].is_folded())
    assert panels[PredictionsPanel].is_folded()  # as the person had it


def test_filters_are_remembered_by_the_name_of_the_model(
    qtbot: QtBot, opened: MainWindow, detections: Model, photos: Path
) -> None:
    opened.bench.predictions.set_filter(confidence=0.4, kind="agnostic")
    opened.frame.close()
    saved = {"confidence": 0.4, "iou": 0.5, "kind": "agnostic", "top_k": 300}
    assert load_settings().filters == {"Detector": saved}
    again = app.make_window()
    again.open(photos)
    qtbot.waitUntil(lambda: again.session.measure.model is not None, timeout=20_000)
    assert again.bench.predictions.filter == Filter(confidence=0.4, kind="agnostic")
    again.settings.filters["Detector"] = {"confidence": 7, "kind": "?"}
    again.session.measure.model_changed.emit()
    assert again.bench.predictions.filter == Filter()
    again.frame.close()
    again.frame.deleteLater()


@pytest.mark.parametrize("key", [Qt.Key.Key_Backspace, Qt.Key.Key_Return])
def test_a_held_key_goes_no_further_than_what_was_in_progress(
    qtbot: QtBot, opened: MainWindow, detections: Model, key: Qt.Key
) -> None:
    """The selected prediction is not accepted or rejected by the repeats of the key that ended a polygon."""
    canvas, predictions = opened.canvas, opened.bench.predictions
    qtbot.waitUntil(lambda: bool(predictions.kept))
    predictions.select(predictions.kept)
    canvas.hand.take("polygon")
    for x, y in ((200, 200), (400, 200), (400, 400)):
        spot = QPoint(*map(round, canvas.sight.view.point_on_screen(x, y)))
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot)
    predictions.select(predictions.kept)
    for held in (False, *[True] * 6):
        event = QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier, "", held)
        QApplication.sendEvent(canvas, event)
    verdicts = [one.verdict for one in opened.session.document.candidates.values()]
    assert verdicts == [""]
    assert not canvas.progress.is_on
    assert len(opened.session.document.annotations) == (key == Qt.Key.Key_Return)
    event = QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier)
    predictions.select(predictions.kept)
    QApplication.sendEvent(canvas, event)
    assert opened.session.document.candidates[next(iter(opened.session.document.candidates))].verdict != ""


def test_hidden_annotations_are_said_and_drawing_shows_them_again(qtbot: QtBot, opened: MainWindow) -> None:
    action, sign = opened.actions["hide-annotations"], opened.hidden_sign
    action.trigger()
    assert sign.isVisible()
    assert opened.canvas.rect().contains(sign.geometry())
    opened.session.edits.add(Box(10, 10, 90, 90), by="canvas")
    assert opened.canvas.options.annotations
    assert not sign.isVisible()
    assert not action.isChecked()
    action.trigger()
    qtbot.mouseClick(sign, Qt.MouseButton.LeftButton)
    assert opened.canvas.options.annotations
    assert not action.isChecked()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("99", "There is no image 99: those shown are 1 to 3."),
        ("no such", "None of the 3 images shown has “no such” in its name."),
        ("zidane", ""),
        ("2", ""),
    ],
)
def test_an_image_that_is_not_there_is_said(
    opened: MainWindow, monkeypatch: pytest.MonkeyPatch, typed: str, told: str
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (typed, True))
    opened.actions["go-to"].trigger()
    assert opened.toast.text == told


def test_a_window_whose_children_are_hung_closes_within_the_time_of_one(qtbot, opened) -> None:
    """Each of the six would have had its own second or two, one after the other, and as long again."""
    bench = opened.bench
    bench.host.start()
    bench.jobs.start(PredictSpec("nothing", ((1, "photo.png"),)))
    for client in (bench.training.client, bench.evaluation.task, bench.learner._tasks):
        client.start(PredictSpec("nothing", ()), title="The task")
    bench.learner._jobs.start(PredictSpec("nothing", ((1, "photo.png"),)))
    qtbot.waitUntil(lambda: len(workers()) == 6, timeout=20_000)
    for child in workers():
        child.suspend()
    begun = time.monotonic()
    opened.frame.close()
    took = time.monotonic() - begun
    assert not workers()
    # once the longest limit, and a little to save and to kill
    assert took < 2 * bench.host.LIMITS.end * slack()
