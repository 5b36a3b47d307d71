"""What every child process does: a clean channel, its parent's death, a memory limit, and guarded work."""

import contextlib
import ctypes
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import BinaryIO, TypeVar

import psutil
from msgspec import Struct

from labeler.errors import LabelerError, ModelError
from labeler.wire.host_protocol import EXIT_MEMORY, Beat, Log, frame

if sys.platform != "win32":
    import resource

T = TypeVar("T")

MEMORY_SHARE = 0.6
"""The part of the machine's memory that a child may take before it gets a MemoryError."""

_BEAT = 1.0
"""Seconds between two beats."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_OUT_OF_MEMORY_FIRST = "500"  # of -1000 to 1000: a child goes before the window does

_logger = logging.getLogger(__name__)


class Channel:
    """The pipe to the parent. Any thread may send."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self.source = source
        self._sink = sink
        self._lock = threading.Lock()

    def send(self, message: Struct) -> None:
        """Send a message; ends the process when the parent is gone."""
        data = frame(message)
        try:
            with self._lock:
                self._sink.write(data)
                self._sink.flush()
        except OSError:
            os._exit(0)


def take_channel() -> Channel:
    """Move the pipes on stdin and stdout out of the reach of libraries.

    From here on printing goes to stderr, the log, and reading stdin gives nothing.
    """
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    sink = os.fdopen(os.dup(1), "wb")
    sys.stdout.flush()
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return Channel(source, sink)


class _ToParent(logging.Handler):
    """Warnings and errors go into the app's log too."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(logging.WARNING)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record as the text it would have on stderr."""
        self._channel.send(Log(record.levelno, self.format(record)))


def settle(channel: Channel, parent: int) -> None:
    """Logging to stderr, a stack on a crash, no life without the parent, and the memory limit."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger().addHandler(_ToParent(channel))
    faulthandler.enable()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(0)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OUT_OF_MEMORY_FIRST)
    _limit_memory()


def memory_limit() -> int:
    """Bytes of data that a child may have: a share of what the machine, or its container, has."""
    total = psutil.virtual_memory().total
    with contextlib.suppress(OSError, ValueError):  # no cgroup v2, or "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return int(total * MEMORY_SHARE)


def _limit_memory() -> None:
    if sys.platform == "win32":  # it has no such limit
        return
    limit = memory_limit()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def lower_priority() -> None:
    """Let everything else go before the calling thread, where the system can do that for a thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def guarded(what: str, call: Callable[[], T]) -> T:
    """Call a model; whatever it raises is a LabelerError with one sentence, its traceback is logged.

    MemoryError goes through: the process has to be made anew.
    """
    try:
        return call()
    except (LabelerError, MemoryError):
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        _logger.exception("The model failed")
        text = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
        raise ModelError(f"The model could not {what} ({reason}).") from error


def started(name: str, run: Callable[[], None]) -> threading.Thread:
    """A thread that takes the process with it when it fails, since nothing would answer any more."""

    def guarded_run() -> None:
        try:
            run()
        except MemoryError:
            limit = memory_limit() >> 30
            os.write(2, f"Out of memory: the limit is {limit} GiB.\n".encode())
            os._exit(EXIT_MEMORY)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    thread = threading.Thread(target=guarded_run, name=name, daemon=True)
    thread.start()
    return thread


def beating(channel: Channel) -> Callable[[], None]:
    """Have a `Beat` sent each second from now on; what is given is called for each piece of work done."""
    progress = count(1)
    done = [0]

    def advance() -> None:
        done[0] = next(progress)  # one step in C, so that two threads never count the same

    def beat() -> None:
        while True:
            channel.send(Beat(done[0]))
            time.sleep(_BEAT)

    started("beat", beat)
    return advance
