"""One table of faults over all three clients, with real children that die, hang, lie, eat memory and stay."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import shiboken6
from msgspec import Struct
from PySide6.QtCore import QTimer

from labeler.gui.children import client
from labeler.gui.children.client import ChildClient, Limits, close_together
from tests.child_processes import workers
from tests.gui.children.clients import KINDS, LONG, Subject
from tests.patient_bot import slack


class Fault(Struct, frozen=True):
    """What goes wrong, and what is said of it."""

    script: str
    words: str | dict[str, str] = ""
    """How the sentence goes on after the title; by kind of client: one that is left out has no such fault."""
    limits: dict[str, float] = {}
    at: str = ""
    """"start": before the child says its first word; "load": while its model is loaded."""

    def said_by(self, kind: str) -> str:
        return self.words if isinstance(self.words, str) else self.words[kind]


STOPS = "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(100)"
HOLDS_THE_GIL = "ctypes.PyDLL(None).sleep(100)"
SLEEPS = "time.sleep(100)"

AT_WORK = {
    "SIGKILL": Fault("os.kill(os.getpid(), signal.SIGKILL)", "crashed"),
    "SIGSEGV": Fault("ctypes.string_at(0)", "crashed"),
    "abort": Fault("os.abort()", "crashed"),
    "quiet end": Fault("os._exit(0)", "ended unexpectedly"),
    "failed end": Fault("os._exit(1)", "ended unexpectedly"),
    "memory": Fault(
        "eaten = []\nwhile True: eaten.append(np.empty(1 << 28, dtype=np.uint8))", "ran out of memory"
    ),
    "endless loop": Fault(
        "while True: time.sleep(0.01)",
        {"host": "hung (3 s without an answer)", "predict": "hung"},  # the beats of a task go on
    ),
    "hung with the GIL": Fault(
        HOLDS_THE_GIL, {"host": "hung (3 s without an answer)", "predict": "hung", "task": "froze"}
    ),
    "SIGSTOP": Fault(
        STOPS,
        {"host": "hung (4 s without a sign of life)", "predict": "froze", "task": "froze"},
        {"beat": 4.0, "click": 60.0, "image": 60.0},
    ),
    "garbage": Fault(r"say(b'\xff' * 1000)", "sent something unreadable"),
    "an unknown message": Fault(r"say(b'\0\0\0\x0b' + b'\x81\xa4type\xa4Nope')", "sent something unreadable"),
    "half a message": Fault(r"say(b'\0\0\1\0half'); os._exit(0)", "ended unexpectedly"),
}
"""What is lost, and comes back where that is the client's part."""

AT_THE_BEGINNING = {
    "dies": Fault("os._exit(1)", "ended unexpectedly", at="start"),
    "is killed": Fault("os.kill(os.getpid(), signal.SIGKILL)", "crashed", at="start"),
    "hangs": Fault(
        SLEEPS,
        {"host": "hung (2 s without it to start)", "predict": "did not start", "task": "did not start"},
        {"load": 2.0},
        at="start",
    ),
    "sends garbage": Fault(r"os.write(1, b'\xff' * 64)", "sent something unreadable", at="start"),
    "dies while loading": Fault("os.abort()", "crashed", at="load"),
    "hangs while loading": Fault(  # a task only has to say a word
        SLEEPS,
        {
            "host": "hung (4 s without it to start)",
            "predict": "did not start",
        },
        {"load": 4.0},
        at="load",
    ),
}
"""What is lost before it is of use, and was not to come back."""

REFUSALS = {
    "exception": Fault(
        "raise ValueError('no weights')",
        "The model could not be loaded (ValueError: no weights).",
        at="load",
    ),
    "sys.exit": Fault("sys.exit(1)", "The model could not be loaded (SystemExit: 1).", at="load"),
    "sentence": Fault("raise ModelError('Put the file there.')", "Put the file there.", at="load"),
    "no words": Fault("os._exit(4)", "{title} could not begin.", at="load"),
    "another version": Fault(
        "from labeler.wire import host_protocol\nhost_protocol.VERSION = 99",
        "{title} speaks version 99, not 2: Labeler was changed while it ran. Labels are safe; close "
        "Labeler and start it again.",
        at="start",
    ),
}
"""What another child could do as little: nothing is tried again by itself."""


def table(faults: dict[str, Fault]) -> pytest.MarkDecorator:
    rows = [
        pytest.param(kind, fault, id=f"{kind}-{name}")
        for name, fault in faults.items()
        for kind in KINDS
        if isinstance(fault.words, str) or kind in fault.words
    ]
    return pytest.mark.parametrize(("kind", "fault"), rows)


over_kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def subject(qtbot, faults: Path, images) -> Iterator[Callable[..., Subject]]:
    """`subject(kind, **limits)`: a client, closed at the end."""
    made: list[Subject] = []

    def make(kind: str, **limits: float) -> Subject:
        made.append(KINDS[kind](qtbot, faults, images, **limits))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


@pytest.fixture
def place(faults: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], Path]:
    """`place(fault)`: it is met at the start or at loading, until the file that this gives is gone."""

    def put(fault: Fault) -> Path:
        if fault.at == "load":
            path = faults / "load"
            path.write_text(fault.script)
        else:
            path = tmp_path / "sitecustomize.py"  # what Python runs before anything else
            path.write_text(f"import os, signal, time\n{fault.script}")
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return path

    return put


@table(AT_WORK)
def test_a_child_lost_at_work_is_one_sentence_and_the_work_goes_on(subject, kind, fault) -> None:
    one = subject(kind, **({"beat": 4.0} if kind == "task" else {}) | fault.limits)
    one.work(fault.script)
    one.comes_back(fault.said_by(kind))


@over_kinds
def test_a_child_killed_from_outside_is_one_too(subject, qtbot, faults, kind) -> None:
    one = subject(kind)
    one.work(f"(HERE / 'at').touch()\n{SLEEPS}")
    qtbot.waitUntil((faults / "at").exists, timeout=LONG)
    (child,) = workers()
    child.kill()
    one.comes_back("crashed")


def stays_off(one: Subject, words: str) -> None:
    """It was lost before it was of use, and none may come in its place."""
    ends = {
        "host": " again and stays off; labels are safe, and proposals come back once it is started again.",
        "predict": ", for the first time, and stays off. What it predicted is kept; run it again to go on.",
        "task": ".",
    }
    (end,) = (end for kind, end in ends.items() if isinstance(one, KINDS[kind]))
    one.is_off(f"{one.title} {words}{end}")


@table(AT_THE_BEGINNING)
def test_a_child_lost_at_the_beginning_is_given_up_where_none_may_come_again(
    subject, place, qtbot, kind, fault
) -> None:
    place(fault)
    one = subject(kind, restarts=0, **fault.limits)
    one.begin()
    stays_off(one, fault.said_by(kind))
    qtbot.waitUntil(lambda: not workers(), timeout=5_000)


@over_kinds
def test_a_child_that_cannot_be_started_is_told(subject, tmp_path, monkeypatch, kind) -> None:
    one = subject(kind, restarts=0)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", str(tmp_path / "no python"))
        one.begin()
        assert one.sentences == [], "whoever starts it is not done yet"
        stays_off(one, "could not be started")
    one.works()


@table(REFUSALS)
def test_a_child_that_cannot_do_it_says_why_and_is_not_started_again(
    subject, place, qtbot, kind, fault, expect_log
) -> None:
    if "could not be loaded" in fault.words:
        expect_log("The model failed")
    if kind == "host" and fault.at == "load" and "{title}" not in fault.words:
        expect_log(re.escape(fault.words))
    cause = place(fault)
    one = subject(kind)
    one.begin()
    one.is_off(fault.said_by(kind).format(title=one.title))
    qtbot.waitUntil(lambda: not workers(), timeout=5_000)
    assert len(one.sentences) == 1
    cause.unlink()
    one.works()


# --- letting go ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [SLEEPS, HOLDS_THE_GIL, STOPS], ids=["sleeps", "holds the GIL", "is stopped"]
)
@over_kinds
def test_dropped_at_once_and_gone_within_two_seconds_whatever_it_does(
    subject, qtbot, faults, kind, fault
) -> None:
    one = subject(kind)
    one.work(f"(HERE / 'at').touch()\n{fault}")
    qtbot.waitUntil((faults / "at").exists, timeout=LONG)
    begun = time.monotonic()
    one.client.drop()
    assert time.monotonic() - begun < 0.1 * slack()
    qtbot.waitUntil(lambda: not workers(), timeout=round(3_000 * slack()))
    assert time.monotonic() - begun < 2.5 * slack()
    assert one.sentences == []


@over_kinds
def test_another_begins_while_the_one_before_is_still_going(subject, qtbot, faults, kind) -> None:
    one = subject(kind)
    one.work(f"(HERE / 'at').touch()\n{STOPS}")
    qtbot.waitUntil((faults / "at").exists, timeout=LONG)
    (faults / one.script).unlink(missing_ok=True)
    (before,) = workers()
    one.client.drop()
    one.begin()
    assert before.is_running()
    assert before.status() != psutil.STATUS_ZOMBIE
    one.client.drop()
    qtbot.waitUntil(lambda: not workers(), timeout=5_000)


@over_kinds
def test_closed_it_leaves_no_child(subject, qtbot, faults, kind) -> None:
    one = subject(kind, end=0.5)
    one.work(f"(HERE / 'at').touch()\n{STOPS}")
    qtbot.waitUntil((faults / "at").exists, timeout=LONG)
    one.client.close()
    assert not workers()
    assert one.sentences == []


def test_several_are_closed_within_the_time_of_one(subject, qtbot, faults) -> None:
    """Each of them is stopped, hears nothing, and has to be killed when its time is over."""
    ones = [subject(kind, end=3.0, click=60.0, image=60.0, beat=60.0) for kind in KINDS]
    for one in ones:
        one.work(f"(HERE / 'at').touch()\n{STOPS}")
        qtbot.waitUntil((faults / "at").exists, timeout=LONG)
        (faults / "at").unlink()
    assert len(workers()) == len(ones) == 3
    begun = time.monotonic()
    close_together(one.client for one in ones)
    assert 2.9 < time.monotonic() - begun < 5.0 * slack()
    assert not workers()
    assert [one.sentences for one in ones] == [[], [], []]


def test_at_the_programs_end_all_are_told_before_one_is_waited_for(qapp, monkeypatch) -> None:
    heard: list[object] = []

    class Quiet(ChildClient):
        LIMITS = Limits(end=2.0)

        def drop(self) -> None:
            heard.append(self)

    ones = [Quiet(None, None), Quiet(None, Limits(end=4.0))]
    gone = Quiet(None, None)
    shiboken6.delete(gone)
    monkeypatch.setattr(client, "wait_for_all", lambda children, seconds: heard.append(seconds))
    ones[1]._close_all()  # whichever hears it first
    assert {*heard[:-1]} >= {*ones}
    assert gone not in heard
    assert heard[-1] >= 4.0
    heard.clear()
    qapp.aboutToQuit.emit()
    assert {*ones} < {*heard}


# --- the window ---------------------------------------------------------------------------------


@over_kinds
def test_the_window_never_waits_for_a_hung_child(subject, qtbot, kind) -> None:
    fault = AT_WORK["SIGSTOP"]
    ticks = [time.perf_counter()]
    timer = QTimer(interval=10)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start()
    one = subject(kind, **fault.limits)
    one.work(fault.script)
    one.comes_back(fault.said_by(kind))
    timer.stop()
    gaps = np.diff(ticks)
    assert np.quantile(gaps, 0.99) < 0.1 * slack()
    assert gaps.max() < 1.0 * slack()


WINDOW = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from labeler.gui.children.host_client import HostClient
from labeler.gui.children.predict_client import PredictClient
from labeler.gui.children.task_client import TaskClient
from labeler.wire.job_protocol import PredictSpec
app = QCoreApplication([])
kind, path = sys.argv[1:]
client = {"host": lambda: HostClient(model="faulty"), "predict": PredictClient, "task": TaskClient}[kind]()
if kind == "host":
    client.ready.connect(lambda: (HERE / 'at').touch())
    client.start()
else:
    client.start(PredictSpec("bright", ((1, path),)), title="Bright")
app.exec()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@over_kinds
def test_no_child_outlives_a_killed_window(qtbot, faults, images, kind) -> None:
    (faults / "image-201").write_text(f"(HERE / 'at').touch()\n{SLEEPS}")
    script = WINDOW.replace("HERE", f"Path({str(faults)!r})")
    with subprocess.Popen([sys.executable, "-c", script, kind, images[0][1]], env=dict(os.environ)) as window:
        qtbot.waitUntil((faults / "at").exists, timeout=LONG)
        (child,) = workers(of=window.pid)
        window.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs([child], timeout=5)
    assert not alive
