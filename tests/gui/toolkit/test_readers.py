"""Reads of files that may never answer: how many at a time, and what becomes of one that hangs."""

import threading
from collections.abc import Callable, Iterator

import pytest

from labeler.gui.toolkit import aside
from labeler.gui.toolkit.aside import Readers


@pytest.fixture
def gates() -> Iterator[Callable[[], threading.Event]]:
    """Makes events that reads wait for; all are set at the end."""
    made: list[threading.Event] = []

    def make() -> threading.Event:
        made.append(threading.Event())
        return made[-1]

    yield make
    for gate in made:
        gate.set()


def reading(gate: threading.Event, value: object) -> Callable[[], object]:
    def work() -> object:
        gate.wait(60)
        if isinstance(value, Exception):
            raise value
        return value

    return work


def test_so_many_at_a_time_and_each_answer_comes(qtbot, gates) -> None:
    readers = Readers(2, "test")
    first, second = gates(), gates()
    heard: list[object] = []
    freed: list[bool] = []
    readers.freed.connect(lambda: freed.append(readers.is_free))
    readers.start(reading(first, "one"), done=heard.append, failed=heard.append)
    assert readers.is_free
    error = OSError("gone")
    readers.start(reading(second, error), done=heard.append, failed=heard.append)
    assert not readers.is_free
    second.set()
    qtbot.waitUntil(lambda: heard == [error])
    assert readers.is_free
    first.set()
    qtbot.waitUntil(lambda: heard == [error, "one"])
    assert freed == [True, True]


def test_one_that_hangs_is_told_loses_its_place_and_may_answer_all_the_same(
    qtbot, gates, monkeypatch
) -> None:
    monkeypatch.setattr(aside, "PATIENCE_MS", 1)
    readers = Readers(1, "test")
    gate, quick = gates(), gates()
    quick.set()
    heard: list[object] = []
    readers.start(
        reading(gate, "late"), done=heard.append, failed=heard.append, late=lambda: heard.append("stuck")
    )
    assert not readers.is_free
    qtbot.waitUntil(lambda: heard == ["stuck"])
    assert readers.is_free
    readers.start(reading(quick, "next"), done=heard.append, failed=heard.append)
    qtbot.waitUntil(lambda: "next" in heard)
    gate.set()
    qtbot.waitUntil(lambda: heard[-1] == "late" or "late" in heard)
    assert heard.count("stuck") == 1


def test_no_more_threads_are_begun_where_a_dozen_hang(qtbot, gates, monkeypatch) -> None:
    monkeypatch.setattr(aside, "PATIENCE_MS", 1)
    readers = Readers(1, "test")
    gate = gates()
    heard: list[object] = []
    for number in range(12):
        qtbot.waitUntil(lambda: readers.is_free)
        readers.start(
            reading(gate, number), done=heard.append, failed=heard.append, late=lambda: heard.append("stuck")
        )
    qtbot.waitUntil(lambda: heard.count("stuck") == 12)
    assert not readers.is_free
    gate.set()
    qtbot.waitUntil(lambda: len(heard) == 24)
    assert readers.is_free
