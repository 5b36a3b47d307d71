import threading

from PySide6.QtCore import QThread
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
