import subprocess
import sys
import threading

import shiboken6
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


def test_what_comes_for_a_courier_that_is_gone_is_let_go_of_on_its_thread(qtbot: QtBot) -> None:
    owner, died = QObject(), list[bool]()
    courier, heard = Courier(owner), list[str]()

    def send(guest: Guest) -> threading.Thread:
        take = courier.bring(lambda value: heard.append(f"{guest}{value}"))
        thread = threading.Thread(target=lambda: take("late"))
        thread.start()
        return thread

    thread = send(Guest(died))
    thread.join()
    shiboken6.delete(owner)
    qtbot.waitUntil(lambda: bool(died))
    assert (heard, died) == ([], [True])


DYING = """
import faulthandler, threading
import shiboken6
from PySide6.QtCore import QCoreApplication, QObject
from labeler.gui.toolkit.courier import Courier

faulthandler.enable()
application, ended, now = QCoreApplication([]), threading.Event(), [Courier()]

def keep_handing():
    while not ended.is_set():
        now[0].held(now.clear)  # is let go of at once


threads = [threading.Thread(target=keep_handing) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(150):
    owner = QObject()
    now[0] = Courier(owner)
    QCoreApplication.processEvents()
    ended.wait(0.0003)  # the others are in the middle of it
    shiboken6.delete(owner)
ended.set()
"""


def test_couriers_die_while_other_threads_hand_to_them() -> None:
    """In a process of its own: what goes wrong here is a crash of Qt."""
    ended = subprocess.run([sys.executable, "-c", DYING], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
