"""The window fits its screen, whatever it was before and wherever it stood."""

import pytest
from PySide6.QtCore import QRect, QSize
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from labeler.gui.window.screen_fit import FRAME, WANTED, keep_on_screen, place_first, within

SCREENS = [
    QRect(0, 0, 1440, 900),
    QRect(0, 0, 1366, 768),
    QRect(0, 0, 1024, 700),
    QRect(-1920, 40, 1920, 1040),
    QRect(0, 0, 3840, 2160),
]


@pytest.fixture(params=SCREENS, ids=lambda one: f"{one.width()}x{one.height()}")
def available(request: pytest.FixtureRequest) -> QRect:
    """What a window may cover of a screen."""
    return request.param


@pytest.fixture
def window(qtbot: QtBot) -> QMainWindow:
    made = QMainWindow()
    made.setMinimumSize(800, 560)
    qtbot.addWidget(made)
    return made


def framed(window: QMainWindow) -> QRect:
    """The window with the frame that a window manager will add."""
    return QRect(window.pos(), window.size() + FRAME)


def test_at_first_it_is_as_large_as_wanted_or_as_its_screen_allows(
    window: QMainWindow, available: QRect
) -> None:
    place_first(window, "", available)
    assert available.contains(framed(window))
    assert window.size() == WANTED.boundedTo(available.size() - FRAME)


@pytest.mark.parametrize("was", [QRect(1800, 900, 1440, 900), QRect(-3000, -200, 2500, 1400)])
def test_a_place_on_another_screen_is_brought_onto_this_one(
    window: QMainWindow, available: QRect, was: QRect
) -> None:
    window.setGeometry(was)
    keep_on_screen(window, available)
    assert available.contains(framed(window))


def test_what_is_remembered_is_kept_where_it_fits(window: QMainWindow, available: QRect) -> None:
    window.setGeometry(QRect(10, 40, 800, 580))
    remembered = bytes(window.saveGeometry().toBase64().data()).decode()
    window.setGeometry(QRect(0, 0, 900, 700))
    place_first(window, remembered, available)
    assert window.size() == QSize(800, 580)
    assert available.contains(framed(window))


def test_a_rectangle_is_moved_before_it_is_made_smaller() -> None:
    screen = QRect(100, 50, 1000, 700)
    assert within(QRect(900, 600, 400, 300), screen) == QRect(700, 450, 400, 300)
    assert within(QRect(0, 0, 400, 300), screen) == QRect(100, 50, 400, 300)
    assert within(QRect(150, 60, 1400, 300), screen) == QRect(100, 60, 1000, 300)
    assert within(QRect(150, 60, 400, 300), screen) == QRect(150, 60, 400, 300)


def test_what_was_remembered_of_no_use_is_left_aside(window: QMainWindow, available: QRect) -> None:
    place_first(window, "bm90aGluZw==", available)
    assert window.size() == WANTED.boundedTo(available.size() - FRAME)
