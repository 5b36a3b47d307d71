"""The card that guides through the demo: says what is next, does it, gets out of the way, stays away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box
from labeler.gui.toolkit.settings import load_settings
from labeler.gui.window.demo import guide_card
from labeler.gui.window.demo.guide_card import GuideCard
from labeler.gui.window.demo.person import Acts, DemoStep, Person, Until
from labeler.gui.window.demo.tour import DEMO_STEPS
from labeler.gui.window.main_window import MainWindow

pytestmark = [
    pytest.mark.qt_log_ignore("propagateSizeHints"),  # of the off-screen platform
]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def guide(qtbot: QtBot, window: MainWindow, photos: Path) -> GuideCard:
    """The card on the demo's photos."""
    window.frame.resize(1440, 900)
    window.open_demo(photos)
    qtbot.waitUntil(lambda: window.guide is not None and window.session.place.pixels is not None)
    assert window.guide is not None
    return window.guide


def titles(guide: GuideCard) -> str:
    return guide.title.text()


def test_it_says_what_is_next_and_leaves_the_keys_with_the_canvas(
    guide: GuideCard, window: MainWindow
) -> None:
    assert guide.isVisible()
    assert titles(guide) == f"Next: {DEMO_STEPS[0].title}"
    assert "Ctrl+B" in guide.todo.text()
    assert guide.geometry().bottom() < window.canvas.height()
    assert window.canvas.hasFocus() or not window.frame.isActiveWindow()
    # what the window tells stands above it
    window.notifier.info("Something happened.")
    assert window.toast.geometry().bottom() < guide.geometry().top()


def test_it_does_what_is_next_and_goes_on(qtbot: QtBot, guide: GuideCard, window: MainWindow) -> None:
    window.start_host()
    QTest.mouseClick(guide.do_button, LEFT)
    assert not guide.do_button.isEnabled()
    qtbot.waitUntil(lambda: titles(guide) == f"Next: {DEMO_STEPS[1].title}", timeout=200_000)
    assert "719 candidates for bus.jpg" in guide.said.text()
    QTest.mouseClick(guide.do_button, LEFT)
    qtbot.waitUntil(lambda: titles(guide) == f"Next: {DEMO_STEPS[2].title}", timeout=60_000)
    assert "is suppressed: its IoU with" in guide.said.text()


def test_what_a_person_does_by_themselves_counts(qtbot: QtBot, guide: GuideCard, window: MainWindow) -> None:
    for _ in range(2):
        QTest.mouseClick(guide.skip_button, LEFT)
    assert titles(guide) == f"Next: {DEMO_STEPS[2].title}"
    session = window.session
    session.edits.add_category("person", by="test")
    for name in ("bus.jpg", "zidane.jpg"):
        image = next(one for one in session.document.images if one.path == name)
        session.place.go_to(image.id)
        qtbot.waitUntil(lambda: session.place.pixels is not None)
        session.edits.add(Box(10, 10, 60, 60), by="test")
    qtbot.waitUntil(lambda: titles(guide) == f"Next: {DEMO_STEPS[3].title}")
    assert "2 predictions are accepted on 2 photos" in guide.said.text()


def test_what_cannot_be_done_is_said(qtbot: QtBot, guide: GuideCard) -> None:
    for _ in range(4):
        guide.skip()
    QTest.mouseClick(guide.do_button, LEFT)
    qtbot.waitUntil(lambda: "There is no mask on bus.jpg to correct" in guide.said.text())
    assert guide.do_button.isEnabled()
    assert titles(guide) == f"Next: {DEMO_STEPS[4].title}"


def test_closed_it_is_gone_and_stays_away_until_it_is_asked_for(
    qtbot: QtBot, guide: GuideCard, window: MainWindow, photos: Path
) -> None:
    QTest.mouseClick(guide.do_button, LEFT)  # and what it is doing is given up
    QTest.mouseClick(guide.close_button, LEFT)
    assert not guide.isVisible()
    assert load_settings().guide_closed
    window.session.close()
    window.open_demo(photos)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None)
    assert window.guide is guide
    assert not guide.isVisible()
    assert window.actions["guide"].isEnabled()
    window.actions["guide"].trigger()
    assert window.guide is not guide
    assert window.guide is not None
    assert window.guide.isVisible()


@pytest.mark.parametrize(
    "leave", [lambda w: w.session.close(), lambda w: w.frame.close()], ids=["project", "window"]
)
def test_what_it_does_ends_with_the_project(
    qtbot: QtBot, guide: GuideCard, window: MainWindow, leave: Callable[[MainWindow], object]
) -> None:
    guide.do()
    qtbot.waitUntil(lambda: guide._until is not None)  # its first act is done, and the next one waits
    leave(window)
    qtbot.waitUntil(lambda: not guide.isVisible() and guide._acts is None)


# --- a person's own hand meanwhile --------------------------------------------------------------------
def stroke(person: Person) -> Acts:
    """A box is drawn, slowly enough to be met half way."""
    yield from person.at("bus.jpg")
    if not person.session.document.categories:
        person.session.edits.add_category("thing", by="test")
    person.canvas.hand.take("box")
    yield from person.drag((100, 100), (400, 400))
    yield from person.answered()


def boxes(window: MainWindow) -> list[Annotation]:
    return list(window.session.document.annotations.values())


@pytest.fixture
def drawing(qtbot: QtBot, guide: GuideCard, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> GuideCard:
    """The card on its way through a step that draws a box, which is half drawn."""
    step = DemoStep("Draw", "Draw a box.", stroke, lambda _: bool(boxes(window)), lambda _: "A box is there.")
    monkeypatch.setattr(guide_card, "DEMO_STEPS", (step, *DEMO_STEPS))
    QTest.mouseClick(guide.do_button, LEFT)
    qtbot.waitUntil(lambda: window.canvas.progress.is_dragging)
    return guide


def test_a_press_of_ones_own_takes_over_and_nothing_half_done_is_left(
    qtbot: QtBot, drawing: GuideCard, window: MainWindow
) -> None:
    window.canvas.hand.take("select")
    QTest.mouseClick(window.canvas, LEFT)
    assert "You took over" in drawing.said.text()
    assert drawing.do_button.isEnabled()
    assert not window.canvas.progress.is_dragging
    assert not boxes(window)
    assert drawing.step is not None
    assert drawing.step.title == "Draw"
    drawing.do()  # and once more, to its end
    qtbot.waitUntil(lambda: "A box is there." in drawing.said.text(), timeout=20_000)
    assert len(boxes(window)) == 1


@pytest.mark.parametrize("key", [Qt.Key.Key_Z, Qt.Key.Key_Escape, Qt.Key.Key_D])
def test_a_key_of_ones_own_takes_over_in_the_middle_of_a_stroke(
    drawing: GuideCard, window: MainWindow, key: Qt.Key
) -> None:
    held = Qt.KeyboardModifier.ControlModifier if key == Qt.Key.Key_Z else Qt.KeyboardModifier.NoModifier
    QTest.keyClick(window.canvas, key, held)
    assert "You took over" in drawing.said.text()
    assert not window.canvas.progress.is_dragging
    assert not boxes(window)


def test_the_mouse_that_only_moves_and_keys_on_the_way_elsewhere_end_nothing(
    qtbot: QtBot, drawing: GuideCard, window: MainWindow
) -> None:
    QTest.mouseMove(window.canvas, QPoint(20, 20))  # no button is down, which ends a drag as a rule
    QTest.keyPress(window.canvas, Qt.Key.Key_Alt)
    qtbot.waitUntil(lambda: "A box is there." in drawing.said.text(), timeout=20_000)
    (box,) = boxes(window)
    assert bounds(box.shape).x1 == pytest.approx(400, abs=1)


def test_on_another_photo_nothing_is_done(
    qtbot: QtBot, guide: GuideCard, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, ready = window.session.place, list[bool]()

    def late(person: Person) -> Acts:
        yield from person.at("bus.jpg")
        yield Until(lambda: bool(ready), "the test")
        person.click(100, 100)

    step = DemoStep("Click", "Click.", late, lambda _: False, lambda _: "")
    monkeypatch.setattr(guide_card, "DEMO_STEPS", (step,))
    guide.do()
    qtbot.waitUntil(lambda: place.image is not None and place.image.path == "bus.jpg")
    qtbot.waitUntil(lambda: guide._until is not None and guide._until.what == "the test")
    place.go_to(next(one.id for one in window.session.document.images if one.path == "zidane.jpg"))
    ready.append(True)
    qtbot.waitUntil(lambda: guide._acts is None)
    assert guide.said.text() == "bus.jpg is not open any more, so nothing was done on it."


def test_what_a_person_has_begun_is_theirs_to_end(guide: GuideCard, window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.session.document.is_read)
    window.session.edits.add_category("thing", by="test")
    window.canvas.hand.take("polygon")
    for x in (60, 90):
        QTest.mouseClick(window.canvas, LEFT, pos=QPoint(x + 300, x + 100))
    QTest.mouseClick(guide.do_button, LEFT)
    assert guide._acts is None
    assert "A polygon is not finished here" in guide.said.text()
