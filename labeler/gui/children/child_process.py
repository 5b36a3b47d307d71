"""Child processes on Qt's event loop, and the deadlines they have to keep."""

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from PySide6.QtCore import QObject, QProcess, QTimer, Signal

from labeler.programs import child_command
from labeler.wire.host_protocol import Frames, ProtocolError, Stop, frame

_GLANCE = 0.05
"""Seconds in which each of several children is looked at once while all are waited for."""

_log = logging.getLogger(__name__)


class ChildProcess(QObject):
    """One worker process. After `end` or `kill` it is never heard of again, and deletes itself when gone.

    Its log is its stderr; lines go into the window's log for debugging.
    """

    message = Signal(object)
    ended = Signal(int)
    """It ended by itself: its exit status, -1 for a crash."""
    lost = Signal(str)
    """It is of no use: how a sentence about it goes on after the name of what runs in it."""

    def __init__(self, parent: QObject, arguments: Sequence[str], decode: Callable[[bytes], object]) -> None:
        """`arguments` begin with the kind of worker; `decode` reads its messages or raises ProtocolError."""
        super().__init__(parent)
        self._kind = arguments[0]
        self._decode = decode
        self._frames = Frames()
        self._is_heard = True
        self._process = QProcess(self)
        program, *words = child_command("labeler.worker", *arguments, "--parent", str(os.getpid()))
        self._process.setProgram(program)
        self._process.setArguments(words)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.readyReadStandardError.connect(self._read_log)
        self._process.finished.connect(self._on_finished)
        self._process.errorOccurred.connect(self._on_error)

    def start(self) -> None:
        """Start the process; a failure is told by `lost`, never before this has returned."""
        self._process.start()

    def send(self, message: Struct) -> None:
        """Queue a message; never waits."""
        self._process.write(frame(message))

    def end(self, seconds: float) -> None:
        """Ask it to end; terminate it after so many seconds, kill it after as many again."""
        self._is_heard = False
        if self._process.state() == QProcess.ProcessState.NotRunning:
            self.deleteLater()
            return
        self.send(Stop())
        self._process.closeWriteChannel()
        milliseconds = math.ceil(seconds * 1000)
        QTimer.singleShot(milliseconds, self._process, self._process.terminate)
        QTimer.singleShot(2 * milliseconds, self._process, self._process.kill)

    def kill(self) -> None:
        """End it at once, without asking."""
        self._is_heard = False
        if self._process.state() == QProcess.ProcessState.NotRunning:
            self.deleteLater()
        else:
            self._process.kill()

    def is_gone(self, *, within: float) -> bool:
        """Block for so many seconds at most, hearing it out; whether it has ended by then."""
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._process.waitForFinished(math.ceil(within * 1000))
        return self._process.state() == QProcess.ProcessState.NotRunning

    def _read(self) -> None:
        data = bytes(self._process.readAllStandardOutput().data())
        try:
            bodies = self._frames.feed(data)
            for body in bodies:
                if not self._is_heard:
                    return
                self.message.emit(self._decode(body))
        except ProtocolError as error:
            _log.info("%s", error)
            if self._is_heard:
                self.lost.emit("sent something unreadable")

    def _read_log(self) -> None:
        text = bytes(self._process.readAllStandardError().data()).decode(errors="replace")
        for line in text.splitlines():
            _log.debug("%s: %s", self._kind, line)

    def _on_finished(self, status: int, how: QProcess.ExitStatus) -> None:
        if self._is_heard:
            self._read()
        if self._is_heard:
            self._is_heard = False
            self.ended.emit(-1 if how == QProcess.ExitStatus.CrashExit else status)
        self.deleteLater()

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            _log.info("The %s could not be started: %s", self._kind, self._process.errorString())
            # later: whoever starts a child is not done with it yet
            QTimer.singleShot(0, self, self._on_not_started)

    def _on_not_started(self) -> None:
        if self._is_heard:
            self._is_heard = False
            self.lost.emit("could not be started")
        self.deleteLater()


def wait_for_all(children: Iterable[ChildProcess], seconds: float) -> None:
    """Block until all are gone; those that are not after so many seconds are killed, and waited for as long.

    They are looked at in turn: one that has much to say ends only once it is heard.
    """
    left = list(children)
    for is_last in (False, True):
        until = time.monotonic() + seconds
        while left and time.monotonic() < until:
            left = [child for child in left if not child.is_gone(within=_GLANCE / len(left))]
        if not is_last:
            for child in left:
                child.kill()


class Restarts:
    """How often a child that was lost may be started again: so many times within so many seconds."""

    def __init__(self, most: int, window: float) -> None:
        self._most = most
        self._window = window
        self._times: deque[float] = deque()

    @property
    def spent(self) -> int:
        """How many there were within the time that counts."""
        return len(self._times)

    def spend(self) -> bool:
        """Take one; False where none is left."""
        now = time.monotonic()
        while self._times and now - self._times[0] > self._window:
            self._times.popleft()
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True

    def clear(self) -> None:
        """Count from none again: a person asked for it."""
        self._times.clear()


class Clocks(QObject):
    """Named deadlines. Time in which the window itself stood still (a suspended machine) is not counted."""

    expired = Signal(str)
    """The name of a deadline that has passed."""

    _TICK = 0.1

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._deadlines: dict[str, float] = {}
        self._last_tick = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(math.ceil(self._TICK * 1000))
        self._timer.timeout.connect(self._tick)

    def start(self, name: str, seconds: float) -> None:
        """Let a deadline begin, or begin anew."""
        if not self._timer.isActive():
            self._last_tick = time.monotonic()
            self._timer.start()
        self._deadlines[name] = time.monotonic() + seconds

    def clear(self, name: str) -> None:
        """Take a deadline away."""
        self._deadlines.pop(name, None)

    def clear_all(self) -> None:
        """Take all deadlines away."""
        self._deadlines.clear()
        self._timer.stop()

    def _tick(self) -> None:
        now = time.monotonic()
        stood_still = now - self._last_tick - self._TICK
        self._last_tick = now
        if stood_still > 10 * self._TICK:
            self._deadlines = {name: at + stood_still for name, at in self._deadlines.items()}
        for name, at in self._deadlines.items():
            if now > at:
                self.expired.emit(name)
                return
