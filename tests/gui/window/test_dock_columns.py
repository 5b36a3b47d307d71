"""The cards beside the photo and below it: each readable or folded, none over another, all closable."""

from itertools import combinations
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QTabBar, QWidget
from pytestqt.qtbot import QtBot

from labeler.gui.images.panel import ImagesPanel
from labeler.gui.toolkit.cards import Card
from labeler.gui.training.panel import TrainingPanel
from labeler.gui.window.main_window import MainWindow
from labeler.gui.window.panel_docks import BENCH_LEAST

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform
READABLE = 100
"""Pixels that a card that is not folded has at least: its name, and two rows or one control."""
STRIP, BENCH = "Film strip", ("Training", "Evaluation")
LEFT = ("Pre-annotate", "Predictions", "Review", "Set agreement", "Images", "History")


def place(window: MainWindow, part: QWidget) -> QRect:
    """Where a part is in the window."""
    return part.rect().translated(part.mapTo(window.frame, QPoint(0, 0)))


def card(window: MainWindow, name: str) -> Card:
    found = window.panels.docks[name].widget().findChild(Card)
    assert isinstance(found, Card)
    return found


def settle(qtbot: QtBot, window: MainWindow) -> None:
    """Wait until the columns have come to rest."""

    def rests() -> bool:
        QApplication.processEvents()
        return not any(column._later.isActive() for column in window.panels._columns)

    for _ in range(3):
        qtbot.waitUntil(rests)


def all_readable(window: MainWindow) -> None:
    """No card is a slit, none lies over another, none hangs out of the window."""
    docks = {name: dock for name, dock in window.panels.docks.items() if dock.isVisible()}
    docks = {name: dock for name, dock in docks.items() if not dock.visibleRegion().isEmpty()}
    for name, dock in docks.items():
        assert window.frame.rect().contains(place(window, dock)), name
        if name not in (STRIP, *BENCH) and not card(window, name).is_folded():
            whole = dock.widget().maximumHeight()  # of a card with next to nothing to say
            assert dock.height() >= min(READABLE, whole), name
    for a, b in combinations(docks, 2):
        assert not place(window, docks[a]).intersects(place(window, docks[b])), (a, b)
    assert window.canvas.height() >= 180


@pytest.mark.parametrize("size", [(1438, 870), (1364, 738), (1022, 670)])
@pytest.mark.parametrize("bench", [(), ("Training",), ("Training", "Evaluation")])
def test_however_many_cards_are_open_each_is_readable_or_folded(
    qtbot: QtBot, opened: MainWindow, size: tuple[int, int], bench: tuple[str, ...]
) -> None:
    opened.frame.resize(*size)
    for name in (*bench, *(LEFT[:4] if bench else LEFT)):
        opened.panels.open(name)
        settle(qtbot, opened)
        qtbot.waitUntil(lambda: all_readable(opened))  # a card that needs more takes it a moment later
        if name in LEFT:
            assert not card(opened, name).is_folded()  # what was asked for is seen
    assert (opened.frame.width(), opened.frame.height()) == size


def test_a_card_that_one_unfolds_takes_the_room_of_the_one_left_longest_ago(
    qtbot: QtBot, opened: MainWindow
) -> None:
    opened.frame.resize(1022, 670)
    for name in LEFT:
        opened.panels.open(name)
    settle(qtbot, opened)
    folded = [name for name in LEFT if card(opened, name).is_folded()]
    assert folded
    card(opened, folded[0]).set_folded(False)  # as a click on its name does
    settle(qtbot, opened)
    assert not card(opened, folded[0]).is_folded()
    all_readable(opened)
    for name in LEFT[1:]:
        opened.panels.docks[name].toggleViewAction().trigger()
    settle(qtbot, opened)
    for name in LEFT[1:]:
        opened.panels.docks[name].toggleViewAction().trigger()
        settle(qtbot, opened)
        assert not card(opened, name).is_folded()


def test_with_nothing_open_no_panel_can_be_shown(qtbot: QtBot, window: MainWindow, photos: Path) -> None:
    docks = window.panels.docks.values()
    for dock in docks:
        dock.toggleViewAction().trigger()
    assert not any(dock.isVisible() for dock in docks)
    window.open(photos)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    window.panels.docks["Predictions"].toggleViewAction().trigger()
    assert window.panels.docks["Predictions"].isVisible()


def test_a_card_in_use_is_a_slit_for_no_longer_than_that(qtbot: QtBot, opened: MainWindow) -> None:
    """Opened at once in a low window: the first has the keys, and the second was asked for last."""
    opened.frame.resize(1022, 670)
    opened.frame.activateWindow()
    qtbot.waitUntil(opened.frame.isActiveWindow)
    opened.panels.open("Training")
    opened.panels.open("Images")
    settle(qtbot, opened)
    search = opened.panels[ImagesPanel].search
    search.setFocus()
    opened.panels.open("Set agreement")
    settle(qtbot, opened)
    assert opened.frame.focusWidget() is search
    assert not card(opened, "Images").is_folded()  # it is being used
    opened.canvas.setFocus()
    qtbot.waitUntil(card(opened, "Images").is_folded)
    settle(qtbot, opened)
    assert not card(opened, "Set agreement").is_folded()


def test_what_a_person_folded_stays_folded(qtbot: QtBot, opened: MainWindow) -> None:
    opened.frame.resize(1438, 870)
    card(opened, "Categories").set_folded(True)
    opened.panels.open("Training")
    settle(qtbot, opened)
    opened.panels.toggle("Training")
    opened.frame.resize(1438, 1200)
    settle(qtbot, opened)
    assert card(opened, "Categories").is_folded()
    assert not card(opened, "Objects").is_folded()
    assert not card(opened, "Agreement").is_folded()


def test_what_was_folded_for_want_of_room_comes_back_with_it(qtbot: QtBot, opened: MainWindow) -> None:
    opened.frame.resize(1022, 670)
    opened.panels.open("Training")
    settle(qtbot, opened)
    right = ("Categories", "Objects", "Agreement")
    assert any(card(opened, name).is_folded() for name in right)
    assert not card(opened, "Objects").is_folded()
    opened.panels.toggle("Training")
    settle(qtbot, opened)
    assert not any(card(opened, name).is_folded() for name in right)


@pytest.mark.parametrize(("action", "name"), [("train", "Training"), ("evaluate", "Evaluation")])
def test_the_wide_cards_are_closed_as_they_are_opened(
    qtbot: QtBot, opened: MainWindow, action: str, name: str
) -> None:
    opened.frame.resize(1438, 870)
    dock = opened.panels.docks[name]
    opened.actions[action].trigger()
    qtbot.waitUntil(lambda: not dock.visibleRegion().isEmpty())
    assert opened.panels.docks[STRIP].isVisible()  # there is room for both
    assert dock.height() >= BENCH_LEAST
    opened.actions[action].trigger()
    assert dock.isHidden()
    opened.actions[action].trigger()
    qtbot.waitUntil(lambda: not dock.visibleRegion().isEmpty())
    (close,) = [one for one in dock.findChildren(QWidget) if one.accessibleName().startswith("Close (")]
    assert place(opened, close).intersected(opened.frame.rect()) == place(opened, close)
    qtbot.mouseClick(close, Qt.MouseButton.LeftButton)
    assert dock.isHidden()
    assert name in opened.settings.closed_docks


def test_a_key_brings_the_other_tab_before_it_closes_anything(qtbot: QtBot, opened: MainWindow) -> None:
    opened.frame.resize(1438, 870)
    docks = opened.panels.docks
    for action in ("train", "evaluate"):
        opened.actions[action].trigger()
    qtbot.waitUntil(lambda: not docks["Evaluation"].visibleRegion().isEmpty())
    qtbot.waitUntil(
        lambda: any(bar.count() == 2 and bar.isVisible() for bar in opened.frame.findChildren(QTabBar))
    )
    opened.actions["train"].trigger()
    qtbot.waitUntil(lambda: not docks["Training"].visibleRegion().isEmpty())
    assert not docks["Evaluation"].isHidden()
    button = opened.panels[TrainingPanel].setup.button
    qtbot.waitUntil(button.isVisible)
    assert opened.frame.rect().contains(place(opened, button))
    assert place(opened, docks["Training"]).contains(place(opened, button))


@pytest.mark.parametrize("size", [(1438, 870), (1438, 1000)])
def test_cards_opened_at_once_take_the_height_they_need(
    qtbot: QtBot, opened: MainWindow, size: tuple[int, int]
) -> None:
    opened.frame.resize(*size)
    settle(qtbot, opened)
    for name in ("Pre-annotate", "Predictions"):
        opened.panels.docks[name].toggleViewAction().trigger()

    def whole() -> bool:
        frames = [opened.panels.docks[name].widget() for name in ("Pre-annotate", "Predictions")]
        return all(frame.height() >= frame.maximumHeight() - 2 for frame in frames)

    qtbot.waitUntil(whole, timeout=20_000)


@pytest.mark.parametrize("name", ["Predictions", "Review"])
def test_a_card_alone_in_its_column_has_the_height_that_it_needs(
    qtbot: QtBot, opened: MainWindow, name: str
) -> None:
    for other in LEFT:
        assert opened.panels.docks[other].isHidden() or other == name
    if opened.panels.docks[name].isHidden():
        opened.panels.toggle(name)
    frame = opened.panels.docks[name].widget()
    qtbot.waitUntil(lambda: frame.height() == frame.maximumHeight(), timeout=10_000)
