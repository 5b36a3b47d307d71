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


@pytest.fixture
def collecting() -> Iterator[None]:
    """Python collects by itself, as it does in the app before there is a window."""
    gc.enable()
    yield
    gc.disable()


def test_cycles_die_on_this_thread_while_others_allocate(qtbot: QtBot, collecting: None) -> None:
    owner = QObject()
    Collector(owner)
    assert not gc.isenabled()
    Knot.died_on.clear()
    Knot()
    worker = threading.Thread(target=lambda: [[] for _ in range(100_000)])
    worker.start()
    worker.join()
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
