"""Python's cycles are looked for on the GUI thread only, as long as there is a window."""

import gc
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from labeler.gui.toolkit.garbage import Collector


class Knot:
    """Refers to itself, and says on which thread it is destroyed."""

    died_on: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.knot = self

    def __del__(self) -> None:
        self.died_on.append(threading.get_ident())


def tie_and_allocate() -> None:
    """Leave a knot behind, and have another thread make so much that Python looks for garbage, if it does."""
    Knot.died_on.clear()
    Knot()
    worker = threading.Thread(target=lambda: [[] for _ in range(100_000)])
    worker.start()
    worker.join()


@pytest.fixture
def collecting() -> Iterator[None]:
    """Python collects by itself, as it does in the app before there is a window."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    gc.enable()
    yield
    gc.disable()
    gc.set_threshold(*before)


def test_cycles_die_on_this_thread_while_others_allocate(qtbot: QtBot, collecting: None) -> None:
    owner = QObject()
    Collector(owner)
    assert not gc.isenabled()
    tie_and_allocate()
    assert Knot.died_on == []
    kept = [[] for _ in range(20 * gc.get_threshold()[0])]
    qtbot.waitUntil(lambda: bool(Knot.died_on))
    assert Knot.died_on == [threading.get_ident()]
    assert kept


def test_python_takes_over_again_when_the_window_is_gone(qtbot: QtBot, collecting: None) -> None:
    owner = QObject()
    collector = Collector(owner)
    with qtbot.waitSignal(collector.destroyed):
        owner.deleteLater()
    assert gc.isenabled()


def test_a_library_that_turns_it_on_is_overruled(qtbot: QtBot, collecting: None) -> None:
    """What a plugin imports may do so, as Ultralytics where it reads a data set."""
    owner = QObject()
    collector = Collector(owner)
    gc.enable()
    collector.collect()
    assert not gc.isenabled()


def test_it_disturbs_no_other_test_either() -> None:
    """A trainer that is tested in this process turned it on, and a later test of the window crashed."""
    gc.enable()
    try:
        tie_and_allocate()
    finally:
        gc.disable()
    assert Knot.died_on == []
