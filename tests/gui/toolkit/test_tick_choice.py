"""A list of things to tick, and a row of buttons of which one is pressed."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from labeler.gui.toolkit.layouts import Segments
from labeler.gui.toolkit.tick_choice import ALL, NONE, TickChoice

THINGS = [("cat", 7), ("dog", 9), ("cow", 4)]


@pytest.fixture
def field(shown) -> TickChoice:
    parent = QWidget()
    made = TickChoice("Categories", parent)
    made.setGeometry(0, 0, 200, 30)
    made.offer(THINGS)
    shown(parent)
    return made


def test_all_is_ticked_at_first_and_nothing_without_things(field, qtbot) -> None:
    assert field.chosen() == [7, 9, 4]
    assert field.isEnabled()
    empty = TickChoice("Nothing", field.parentWidget())
    empty.offer([])
    assert not empty.isEnabled()
    assert empty.chosen() == []
    field.say("3 of 3")
    assert field.currentText() == "3 of 3"


def test_a_row_ticks_and_two_rows_tick_them_all_or_none(field) -> None:
    heard: list[list[int]] = []
    field.ticked.connect(lambda: heard.append(field.chosen()))
    rows = {field.list.item(row).text(): field.list.item(row) for row in range(field.list.count())}
    for text in ("dog", "cat", "dog", NONE, "cow", ALL):
        field.list.act(rows[text])
    assert heard == [[7, 4], [4], [9, 4], [], [4], [7, 9, 4]]


@pytest.mark.qt_log_ignore("This plugin does not support")  # of the off-screen platform, of any popup
def test_it_is_ticked_by_keys_and_stays_open_until_it_is_closed(field, qtbot) -> None:
    field.showPopup()
    assert field.list.isVisible()
    assert field.list.width() == field.width()
    for _ in range(3):
        qtbot.keyClick(field.list, Qt.Key.Key_Down)
    qtbot.keyClick(field.list, Qt.Key.Key_Space)
    assert field.chosen() == [7, 4]
    assert field.list.isVisible()
    qtbot.keyClick(field.list, Qt.Key.Key_Return)
    assert not field.list.isVisible()
    field.showPopup()
    qtbot.keyClick(field.list, Qt.Key.Key_Escape)
    assert not field.list.isVisible()
    assert field.chosen() == [7, 4]


def test_a_long_list_shows_twelve_rows(field) -> None:
    short = field.list.wanted_height()
    field.list.offer([(f"thing {number}", number) for number in range(50)])
    row = field.list.sizeHintForRow(0)
    assert field.list.wanted_height() - short == pytest.approx((12 - 5) * row, abs=row)


@pytest.fixture
def segments(shown) -> Segments:
    made = Segments("Kinds")
    for number, text in enumerate(("Wrong", "Missed", "Hits")):
        made.add(text, number)
    shown(made, height=40)
    return made


def test_arrows_press_the_neighbour_around_the_end_and_tell(segments, qtbot) -> None:
    chosen: list[object] = []
    segments.chosen.connect(chosen.append)
    segments.choose(0)
    assert (segments.value(), chosen) == (0, [])
    segments.buttons[0].setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left):
        qtbot.keyClick(segments.focusWidget() or segments, key)
    assert chosen == [1, 2, 0, 2]
    assert segments.value() == 2
    # one that is not there is not gone to
    segments.buttons[1].hide()
    qtbot.keyClick(segments.buttons[2], Qt.Key.Key_Left)
    assert segments.value() == 0


def test_a_value_that_none_has_presses_none(segments) -> None:
    segments.choose(2)
    segments.choose("other")
    assert segments.value() is None
    segments.set_text(1, "Missed 12")
    assert segments.buttons[1].text() == "Missed 12"
