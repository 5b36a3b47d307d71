"""The card that guides through the demo: says what is next, does it, gets out of the way, stays away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.gui.toolkit.settings import load_settings
from labeler.gui.window.demo.guide_card import GuideCard
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
