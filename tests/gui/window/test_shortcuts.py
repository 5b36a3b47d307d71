"""Every key of the whole window: no two of them are one press, whatever way they are written."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from pytestqt.qtbot import QtBot

from labeler.gui import app
from labeler.gui.window.actions import ACTIONS, TOOL_ACTIONS
from labeler.gui.window.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))
"""On a US keyboard: the sign that Shift gives, and the key it is on."""


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    made = app.make_window()
    qtbot.addWidget(made.frame)
    yield made
    made.frame.close()


def pressed(sequence: QKeySequence) -> frozenset[str]:
    """The presses of a US keyboard that Qt takes for this sequence: "Shift+," for itself and for "<"."""
    assert sequence.count() == 1, f"{sequence.toString()!r} is a chord of several keys"
    *held, key = sequence.toString().replace("++", "+\0").split("+")
    key = key.replace("\0", "+")
    ways = {"+".join([*sorted(held), key])}
    if key in SHIFTED:
        ways.add("+".join([*sorted({*held, "Shift"}), SHIFTED[key]]))
    return frozenset(ways)


def keyed(window: MainWindow) -> list[tuple[str, QKeySequence]]:
    """Every key of every action and shortcut in the window, with whose it is; one entry for each."""
    found: list[tuple[str, QKeySequence]] = []
    for child in window.frame.findChildren(QObject):
        if isinstance(child, QAction):
            found += [(child.objectName() or child.text(), key) for key in child.shortcuts()]
        elif isinstance(child, QShortcut):
            found += [(f"shortcut {key.toString()}", key) for key in child.keys()]  # noqa: SIM118 - no dict
    return found


def test_no_press_means_two_things_nor_one_thing_twice(window: MainWindow) -> None:
    presses: dict[str, list[str]] = defaultdict(list)
    for name, key in keyed(window):
        for press in pressed(key):
            presses[press].append(name)
    assert {press: names for press, names in presses.items() if len(names) > 1} == {}


def test_every_key_of_the_table_is_looked_at(window: MainWindow) -> None:
    looked_at = {key for _, key in keyed(window)}
    for spec in (*TOOL_ACTIONS, *ACTIONS):
        assert looked_at.issuperset(QKeySequence(key) for key in spec.keys), spec.id
    assert looked_at.issuperset(QKeySequence(digit) for digit in "1234567890")
    assert looked_at.issuperset(QKeySequence(f"Alt+{place}") for place in range(1, 8))


def test_two_ways_to_write_one_press_are_seen_as_one() -> None:
    for a, b in (("Shift+,", "<"), ("Ctrl+Shift+=", "Ctrl++"), ("Shift+1", "!")):
        assert pressed(QKeySequence(a)) & pressed(QKeySequence(b))
    for a, b in combinations(("Ctrl++", "Ctrl+=", ",", "Shift+,", "Ctrl+Return", "Ctrl+Enter"), 2):
        assert not pressed(QKeySequence(a)) & pressed(QKeySequence(b))


def test_shortcuts_go_by_the_window_that_has_the_focus(window: MainWindow) -> None:
    """With the application as context, a dialog's text field would set off what belongs to the canvas."""
    contexts = {child.shortcutContext() for child in window.frame.findChildren(QAction) if child.shortcuts()}
    contexts |= {child.context() for child in window.frame.findChildren(QShortcut)}
    assert contexts == {Qt.ShortcutContext.WindowShortcut}
