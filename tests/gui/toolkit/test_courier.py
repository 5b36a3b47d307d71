import threading

from PySide6.QtCore import QCoreApplication, QObject, QThread
from pytestqt.qtbot import QtBot

from labeler.gui.toolkit.courier import Courier, run_in_pool


def test_results_come_on_the_couriers_thread_in_order(qtbot: QtBot) -> None:
    courier = Courier()
    seen: list[tuple[int, bool]] = []
    here = QThread.currentThread()

    def send() -> None:
        for number in range(100):
            courier.hand(lambda number=number: seen.append((number, QThread.currentThread() is here)))

    thread = threading.Thread(target=send)
    thread.start()
    qtbot.waitUntil(lambda: len(seen) == 100)
    thread.join()
    assert seen == [(number, True) for number in range(100)]


def test_a_failure_is_handed_over_and_not_lost(qtbot: QtBot) -> None:
    courier = Courier()
    failures: list[Exception] = []
    run_in_pool(lambda: 1 / 0, courier=courier, done=lambda _: None, failed=failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert isinstance(failures[0], ZeroDivisionError)


class Guest(QObject):
    """Says on which thread it dies."""

    def __init__(self, died: list[bool]) -> None:
        super().__init__()
        self._died, self._here = died, QThread.currentThread()

    def take(self, _: object) -> None:
        """What an answer is for."""

    def __del__(self) -> None:
        self._died.append(QThread.currentThread() is self._here)


def test_what_only_a_closure_keeps_alive_dies_on_its_own_thread(qtbot: QtBot) -> None:
    """As a dialog that is closed meanwhile; the answer is heard before the thread lets go."""
    courier, died = Courier(), list[bool]()
    heard, go_on = threading.Event(), threading.Event()

    def begin() -> threading.Thread:
        guest = Guest(died)
        work, take = courier.held(guest.objectName), courier.bring(guest.take)
        jobs = [(work, take)]

        def run() -> None:
            while jobs:
                work, take = jobs.pop()
                take(work())
                heard.set()
                go_on.wait(20)
                del work, take  # the last to have them

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    thread = begin()
    qtbot.waitUntil(heard.is_set)
    QCoreApplication.processEvents()
    assert not died
    go_on.set()
    qtbot.waitUntil(lambda: bool(died))
    thread.join()
    assert died == [True]
