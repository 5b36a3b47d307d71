"""The main job, and the keys that are easily lost, by real key and mouse events of an X server."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication

from labeler.core.geometry import bounds, contains
from labeler.core.records import Box, Candidate, Model, Polygons
from labeler.gui.images.panel import ImagesPanel
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.window.dialogs.shortcuts_dialog import ShortcutsDialog
from labeler.project.store import Store
from tests.e2e.x11.conftest import RIGHT, Outsider, keysym, xdotool

SitDown = Callable[..., Outsider]
CORNERS = ((400, 300), (700, 300), (700, 600), (400, 600))
PERSON = (132, 560)
"""On the coat of the man at the left of bus.jpg."""


def _begin_polygon(person: Outsider, corners: int = 4) -> None:
    person.key("P")
    for corner in CORNERS[:corners]:
        person.click_at(*corner)
    person.wait(lambda: _points(person) == corners)


def _points(person: Outsider) -> int:
    return len(person.canvas.progress._tools["polygon"].points)  # type: ignore[attr-defined]


@pytest.fixture(params=["de", "fr", "us"])
def keyboard(real_server: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """A keyboard as it is sold in three countries: other signs need Shift on each."""
    subprocess.run(["setxkbmap", request.param], check=True)
    yield request.param
    subprocess.run(["setxkbmap", "us"], check=True)


def test_every_key_of_the_window_sets_off_one_thing(keyboard: str, person: Outsider) -> None:
    """Qt says nothing but a log line where two shortcuts match one press, and does neither."""
    fired: list[str] = []
    wanted: list[tuple[str, str]] = []
    for child in person.window.frame.findChildren(QObject):
        if isinstance(child, QAction) and child.shortcuts():
            name = child.objectName() or child.text()
            child.triggered.disconnect()
            child.triggered.connect(lambda *_, name=name: fired.append(name))
            child.setEnabled(True)
            wanted += [(key.toString(), name) for key in child.shortcuts()]
        elif isinstance(child, QShortcut):
            name = child.key().toString()
            child.activated.disconnect()
            child.activated.connect(lambda name=name: fired.append(name))
            wanted.append((name, name))
    assert len(wanted) > 60
    found = {}
    for keys, name in wanted:
        fired.clear()
        person.key(keys)
        if fired != [name]:
            person.wait_or_not(lambda: fired)
        found[keys] = [*fired]
    others = {keys: found[keys] for keys, name in wanted if found[keys] != [name]}
    # on a French keyboard Shift is held for the period itself: the two are one press, and Alt is for the IoU
    assert others == ({"Shift+.": ["confidence-up"]} if keyboard == "fr" else {}), keyboard


def test_draw_name_take_back_and_go_on(person: Outsider) -> None:
    person.key("R")
    person.drag((100, 300), (300, 500))
    person.wait(lambda: len(person.annotations()) == 1)
    box = person.selected()
    assert isinstance(box.shape, Box)
    _begin_polygon(person)
    person.key("Ctrl+Z")
    person.wait(lambda: _points(person) == 3)
    person.key("Ctrl+Shift+Z")
    person.wait(lambda: _points(person) == 4)
    person.key("2")
    person.key("Return")
    person.wait(lambda: len(person.annotations()) == 2)
    assert isinstance(person.selected().shape, Polygons)
    assert person.category_of(person.selected()) == "almond"
    assert person.annotations()[0] == box
    person.key("Ctrl+Z")
    person.wait(lambda: person.annotations() == [box])
    person.key("Ctrl+Return")
    person.wait(lambda: person.image == "grace_hopper.jpg")
    assert person.session.document.images[0].reviewed
    person.wait_saved()


def test_a_polygon_waits_on_its_image_and_esc_drops_it(person: Outsider) -> None:
    _begin_polygon(person, 3)
    for key, image in (("D", "grace_hopper.jpg"), ("Next", "zidane.jpg"), ("A", "grace_hopper.jpg")):
        person.key(key)
        person.wait(lambda image=image: person.image == image)
    assert not person.canvas.progress.is_on
    person.key("Prior")
    person.wait(lambda: _points(person) == 3)
    person.key("BackSpace")
    person.wait(lambda: _points(person) == 2)
    person.key("Esc")
    person.wait(lambda: _points(person) == 0)
    assert not person.annotations()


def test_in_the_middle_of_a_drag(person: Outsider) -> None:
    person.key("R")
    person.drag((100, 300), (300, 500))
    person.wait(lambda: len(person.annotations()) == 1)
    box = person.selected()
    person.key("V")
    person.press(200, 400)
    person.move_held(250, 450)
    person.move_held(300, 500)
    person.wait(lambda: person.session.focus.draft is not None)
    for key in ("D", "P", "Del"):
        person.key(key)
        person.wait(lambda: person.canvas.hand.name == "select")
    person.release(300, 500)
    assert person.image == "bus.jpg"
    person.read_all()
    assert person.annotations() == [box]  # Del took the drag back, and nothing else


def test_ctrl_and_a_drag_paint_on_the_object_under_it(person: Outsider) -> None:
    person.key("R")
    person.drag((100, 300), (300, 500))
    person.wait(lambda: len(person.annotations()) == 1)
    (box,) = person.annotations()
    person.key("W")
    xdotool("keydown", "ctrl")
    person.drag((200, 400), (400, 400))
    xdotool("keyup", "ctrl")
    person.wait(lambda: person.annotations()[0].shape != box.shape)
    (painted,) = person.annotations()
    assert painted.id == box.id
    assert bounds(painted.shape).x1 > 400
    person.key("Ctrl+Z")
    person.wait(lambda: person.annotations() == [box])


def test_keys_that_are_held_down(person: Outsider) -> None:
    """The server repeats them: Ctrl+Z stays at its one corner, and Backspace at the polygon."""
    person.key("R")
    person.drag((100, 300), (300, 500))
    person.wait(lambda: len(person.annotations()) == 1)
    box = person.selected()
    _begin_polygon(person)
    xdotool("keydown", "ctrl", "keydown", "z", "sleep", "1.2", "keyup", "z", "keyup", "ctrl")
    person.wait(lambda: _points(person) == 3)
    xdotool("keydown", "BackSpace", "sleep", "1.2", "keyup", "BackSpace")
    person.wait(lambda: _points(person) == 0)
    person.read_all()
    assert (person.annotations(), _points(person)) == ([box], 0)


def test_shift_comma_and_period_set_the_iou(person: Outsider) -> None:
    predictions = person.window.bench.predictions
    before = predictions.filter
    person.key("Shift+.")
    person.wait(lambda: predictions.filter.iou > before.iou)
    person.key("Shift+,")
    person.wait(lambda: predictions.filter.iou == pytest.approx(before.iou))
    person.key(".")
    person.wait(lambda: predictions.filter.confidence > before.confidence)
    person.key(",")
    person.wait(lambda: predictions.filter.confidence == pytest.approx(before.confidence))


def test_what_is_typed_is_text(person: Outsider) -> None:
    person.window.panels.open("Images")
    field = person.window.panels[ImagesPanel].search
    person.wait(field.isVisible)
    tool, image = person.canvas.hand.name, person.image
    category = person.session.focus.category
    person.click_on(field)
    person.wait(field.hasFocus)
    person.type_text("brevpqad 123,.[]")
    person.wait(lambda: field.text() == "brevpqad 123,.[]")
    person.key("BackSpace")
    person.key("Return")
    person.wait(lambda: field.text() == "brevpqad 123,.[")
    assert (person.canvas.hand.name, person.image, person.session.focus.category) == (tool, image, category)
    person.click_at(400, 900)
    person.wait(person.canvas.hasFocus)
    person.key("B")
    person.wait(lambda: person.canvas.hand.name == "brush")


def test_keys_work_again_when_a_dialog_is_gone(person: Outsider) -> None:
    _begin_polygon(person, 3)
    seen: list[bool] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is None or not dialog.isActiveWindow():
            QTimer.singleShot(50, person.window, look)
            return
        seen.append(isinstance(dialog, ShortcutsDialog))
        xdotool("type", "undo 2")
        xdotool("key", "Escape")

    QTimer.singleShot(50, person.window, look)
    person.key("F1")
    person.wait(lambda: seen == [True] and QApplication.activeModalWidget() is None)
    person.wait(person.window.frame.isActiveWindow)
    assert person.session.focus.category is not None
    assert person.session.focus.category.name == "broccoli"
    person.key("2")
    person.key("Return")
    person.wait(lambda: len(person.annotations()) == 1)
    assert person.category_of(person.selected()) == "almond"


def test_a_click_in_the_categories_and_enter(person: Outsider) -> None:
    _begin_polygon(person, 3)
    view = person.window.panels[CategoriesPanel].view
    spot = view.viewport().mapToGlobal(view.visualRect(view.model().index(1, 0)).center())
    xdotool("mousemove", spot.x(), spot.y(), "click", "1")
    person.wait(lambda: person.session.focus.category and person.session.focus.category.name == "almond")
    person.key("KP_Enter")
    person.wait(lambda: len(person.annotations()) == 1)
    assert person.category_of(person.selected()) == "almond"


def test_click_to_mask_with_a_click_taken_back(sit_down: SitDown, photos: Path) -> None:
    person = sit_down(photos, host=True)
    person.wait_encoded()
    person.key("Q")
    person.click_at(*PERSON)
    person.wait(lambda: len(person.canvas.prompt_desk.proposals) == 3)
    before = person.canvas.prompt_desk.proposals[person.canvas.prompt_desk.index].mask
    person.click_at(600, 300, button=RIGHT)
    person.wait(lambda: len(person.canvas.prompt_desk.points) == 2 and not person.canvas.prompt_desk.waiting)
    person.key("Ctrl+Z")
    person.wait(lambda: person.canvas.prompt_desk.proposals and not person.canvas.prompt_desk.waiting)
    assert person.canvas.prompt_desk.proposals[person.canvas.prompt_desk.index].mask == before
    person.key("D")
    person.wait(lambda: person.image == "grace_hopper.jpg")
    assert not person.canvas.prompt_desk.proposals
    person.key("A")
    person.wait(lambda: person.canvas.prompt_desk.proposals)
    person.key("Return")
    person.wait(lambda: len(person.annotations()) == 1)
    assert contains(person.selected().shape, *PERSON)
    person.wait_saved()


def test_one_act_for_one_prediction(person: Outsider) -> None:
    """A right click rejects, a digit accepts as that category, a drag of a corner corrects and accepts."""
    session, predictions = person.session, person.canvas.predictions
    assert session.place.image is not None
    image_id = session.place.image.id
    boxes = [Box(100, 300, 300, 500), Box(400, 300, 600, 500), Box(400, 600, 600, 800)]
    found = [Candidate(0, image_id, 0, 1, box, 0.9 - 0.1 * n, "broccoli") for n, box in enumerate(boxes)]
    stored: list[Model] = []

    def work(store: Store) -> Model:
        model = store.predictions.ensure_model("detector", "1")
        store.predictions.record_run(model.id, image_id, found)
        return model

    session.ask(work, stored.append)
    person.wait(lambda: stored)
    session.measure.add_model(stored[0])
    session.measure.choose_model(stored[0])
    session.refresh_candidates(image_id)
    person.wait(lambda: len(predictions.kept) == 3)
    person.key("V")
    person.click_at(200, 400, button=RIGHT)
    person.wait(lambda: len(predictions.kept) == 2)
    assert person.said() == "Rejected: broccoli 0.90. Undo brings it back."
    person.move_to(500, 400)
    person.wait(lambda: person.canvas.aimed is not None)
    person.key("2")
    person.wait(lambda: len(person.annotations()) == 1)
    assert person.category_of(person.annotations()[0]) == "almond"
    person.drag((600, 800), (640, 840))
    person.wait(lambda: len(person.annotations()) == 2)
    corrected = bounds(person.annotations()[1].shape)
    assert (corrected.x0, corrected.y0) == (400, 600)
    assert abs(corrected.x1 - 640) < 3
    for kept in (1, 2, 3):
        person.key("Ctrl+Z")
        person.wait(lambda kept=kept: len(predictions.kept) == kept)
    assert not person.annotations()
    person.wait_saved()


def test_the_words_of_the_table_are_keys_of_the_server() -> None:
    assert keysym("Ctrl+Shift+Z") == "ctrl+shift+z"
    assert keysym("Ctrl++") == "ctrl+plus"
    assert QKeySequence("Ctrl++").toString() == "Ctrl++"


def test_the_picker_takes_what_is_typed_and_gives_the_keys_back(person: Outsider) -> None:
    person.key("R")
    person.drag((100, 300), (300, 500))
    person.wait(lambda: len(person.annotations()) == 1)
    person.key("V")
    person.key("C")
    person.wait(person.window.naming.picker.isVisible)
    person.type_text("al")
    person.wait(lambda: person.window.naming.picker.field.text() == "al")
    person.key("Return")
    person.wait(lambda: person.category_of(person.annotations()[0]) == "almond")
    person.key("C")
    person.wait(person.window.naming.picker.isVisible)
    person.type_text("stone")
    person.key("ctrl+Return")
    person.wait(lambda: person.category_of(person.annotations()[0]) == "stone")
    assert not any(image.reviewed for image in person.session.document.images)
    person.key("C")
    person.wait(person.window.naming.picker.isVisible)
    person.key("Esc")
    person.wait(lambda: not person.window.naming.picker.isVisible())
    person.key("Ctrl+Z")
    person.wait(lambda: person.category_of(person.annotations()[0]) == "almond")


def test_a_right_click_offers_a_menu_that_the_keys_walk(person: Outsider) -> None:
    person.key("R")
    person.drag((100, 300), (300, 500))
    person.wait(lambda: len(person.annotations()) == 1)
    person.key("V")
    person.click_at(200, 400, button=RIGHT)
    person.wait(lambda: person.window.objects.menu is not None and person.window.objects.menu.isVisible())
    for _ in range(4):
        person.key("Down")
    person.key("Return")  # the fourth one locks, below category, shape and hide
    person.wait(lambda: len(person.session.veil.locked) == 1)
    person.click_at(200, 400)
    person.wait(lambda: not person.session.focus.selection)
