"""Bars: what a click or a key tells."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from labeler.gui.toolkit.bars import Bar, Bars


def bars(qtbot) -> Bars:
    made = Bars()
    qtbot.addWidget(made)
    made.show_bars([Bar(key, "bus", "#888888", ((1.0, "#00ff00"),), tooltip=f"{key}") for key in (7, 5)])
    made.resize(240, 48)
    made.show()
    made.setFocus()
    return made


def pressed(widget, *keys: Qt.Key) -> list[int]:
    told: list[int] = []
    widget.clicked.connect(told.append)
    for key in keys:
        QTest.keyClick(widget, key)
    return told


def test_keys_walk_the_bars_and_choose_one(qtbot) -> None:
    down, enter = Qt.Key.Key_Down, Qt.Key.Key_Return
    assert pressed(bars(qtbot), enter) == []
    assert pressed(bars(qtbot), down, enter) == [7]
    assert pressed(bars(qtbot), down, down, down, Qt.Key.Key_Space) == [5]
    assert pressed(bars(qtbot), down, down, Qt.Key.Key_Up, enter) == [7]
    assert pressed(bars(qtbot), Qt.Key.Key_Up, enter) == [5]


def test_without_bars_keys_do_nothing(qtbot) -> None:
    empty = Bars()
    qtbot.addWidget(empty)
    assert pressed(empty, Qt.Key.Key_Down, Qt.Key.Key_Return) == []
