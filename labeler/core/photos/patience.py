"""Looks at files that are given up when the disk does not answer, so that one file holds up no other.

A look runs on a thread that nobody waits for longer than `SECONDS` in which it neither worked nor got a
byte. After a few files in a row that were given up (fewer, where their mount point does not answer either)
their disk is left alone: it is named, and what lies on it is left out at once, until it is tried again after
`AGAIN`. The window's own readers, which show what comes late, wait as long as it takes (`unhurried`).
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePath
from typing import TypeVar

import psutil

from labeler.errors import ImageError

T = TypeVar("T")

SECONDS = 5.0
"""Without work and without a byte, after which a look is given up."""
LONGEST = 60.0
"""Seconds after which it is given up where the system does not tell how much a thread has worked."""
SHORT = 0.5
"""As `SECONDS`, once several files of the disk were given up in a row."""
FEW, MANY = 3, 6
"""Files given up in a row, after which a disk is waited for shortly, and not at all."""
AGAIN = 60.0
"""Seconds after which a file, or a disk, that was given up is tried again."""
_STEP = 0.05
_MOVED = 1e-4
_LINKS = 40

_here = threading.local()
_lock = threading.Lock()
_rows: dict[str, list[float]] = {}
"""Mount point to when files on it were given up, since one of them was read."""
_given_up: dict[str, float] = {}


@contextmanager
def unhurried() -> Iterator[None]:
    """Look for as long as it takes, on this thread: somebody else says when it is too long."""
    before = getattr(_here, "unhurried", False)
    _here.unhurried = True
    try:
        yield
    finally:
        _here.unhurried = before


def patiently(path: Path, look: Callable[[], T]) -> T:
    """What `look` gives or raises, or `ImageError` where the disk that `path` lies on does not answer."""
    if getattr(_here, "unhurried", False):
        return look()
    name, now = str(Path(path).absolute()), time.monotonic()
    disk = _noted_disk_of(name)
    row = _rows.get(disk, [])
    if len(row) >= MANY and now - row[-1] < AGAIN:
        raise ImageError(f"{path} was left out: {said_silent(disk)}")
    if now - _given_up.get(name, -AGAIN) < AGAIN:
        raise _stuck(path)
    answer: list[T] = []
    if not _run(lambda: answer.append(look()), SHORT if len(row) >= FEW else SECONDS):
        _note(name, disk)
        raise _stuck(path)
    if disk or name in _given_up:
        with _lock:
            _rows.pop(disk, None)
            _given_up.pop(name, None)
    return answer[0]


def is_there(path: Path) -> bool:
    """Whether there is a regular file; where its disk does not answer, who reads it says so."""
    try:
        return patiently(path, path.is_file)
    except ImageError:
        return True


def is_folder(path: Path) -> bool:
    """Whether there is a folder; raises `ImageError` where its disk does not answer."""
    return patiently(path, path.is_dir)


def resolved(path: Path) -> Path:
    """The real path, all links followed; only made absolute where a disk on the way does not answer."""
    try:
        return patiently(path, path.resolve)
    except ImageError:
        return path.absolute()


def silent_disks() -> list[str]:
    """Mount points of the disks that are left alone now."""
    now = time.monotonic()
    with _lock:
        return sorted(disk for disk, row in _rows.items() if len(row) >= MANY and now - row[-1] < AGAIN)


def silent_disk(path: Path) -> str:
    """Mount point of the disk that a path leads to, where that is left alone now; "" else."""
    disks = silent_disks()
    return disk if disks and (disk := _noted_disk_of(str(Path(path).absolute()))) in disks else ""


def said_silent(disk: str) -> str:
    """The rest of a sentence about what lies on a disk that is left alone."""
    return f"the disk at {disk} does not answer. Check it, and try again."


def said_together(failures: Iterable[tuple[Path, str]]) -> list[str]:
    """The sentences of files that could not be read, given with the file: one for all of a silent disk."""
    said: list[str] = []
    silent: dict[str, list[Path]] = {}
    for path, sentence in failures:
        if disk := silent_disk(path):
            silent.setdefault(disk, []).append(path)
        else:
            said.append(sentence)
    for disk, paths in silent.items():
        left_out = f"{paths[0]} was" if len(paths) == 1 else f"{len(paths):,} files, {paths[0]} first, were"
        said.append(f"{left_out} left out: {said_silent(disk)}")
    return said


def _stuck(path: Path) -> ImageError:
    return ImageError(f"{path} has not been read after {SECONDS:.0f} seconds: check the disk it lies on.")


# --- a thread that is not waited for --------------------------------------------------------------


class _Look:
    """One look, on whichever thread."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.done = threading.Event()
        self.error: BaseException | None = None
        self._work = work

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised where it is waited for
            self.error = error
        self.done.set()


class _Looker:
    """A thread that looks for another one, look after look: to start one each time costs more than a look."""

    def __init__(self) -> None:
        self._due: queue.SimpleQueue[_Look | None] = queue.SimpleQueue()
        self._clock: list[int] = []
        # nothing but what it needs: it ends when nobody can give it anything to do any more
        work = partial(_look_on, self._due, self._clock)
        threading.Thread(target=work, name="looking", daemon=True).start()

    def __del__(self) -> None:
        self._due.put(None)

    def give(self, look: _Look) -> None:
        self._due.put(look)

    def worked(self) -> float | None:
        """Seconds of work so far; None where that is not known."""
        try:
            return time.clock_gettime(self._clock[0]) if self._clock else None
        except OSError:
            return None


def _look_on(due: "queue.SimpleQueue[_Look | None]", clock: list[int]) -> None:
    _here.unhurried = True  # a look within a look is part of it
    if hasattr(time, "pthread_getcpuclockid"):
        clock.append(time.pthread_getcpuclockid(threading.get_ident()))
    while (look := due.get()) is not None:
        look.run()
        del look  # what it holds goes when it is done, not when the next one comes


def _run(work: Callable[[], object], patience: float) -> bool:
    """Do it on a thread, raising what that raises; False where it was given up."""
    looker: _Looker | None = getattr(_here, "looker", None)
    if looker is None:
        looker = _here.looker = _Looker()
    look = _Look(work)
    looker.give(look)
    idle, last = 0, -1.0
    while not look.done.wait(_STEP):
        worked = looker.worked()
        if worked is not None and worked > last + _MOVED:
            idle, last = 0, worked
            continue
        idle += 1  # steps, not time: a machine that slept has not waited
        if idle * _STEP > (LONGEST if worked is None else patience):
            _here.looker = None  # this one is stuck, and ends when its disk answers after all
            return False
    if look.error is not None:
        raise look.error
    return True


def _forget_looker() -> None:
    """A forked process has no thread but its own."""
    _here.looker = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_looker)


# --- disks ----------------------------------------------------------------------------------------


def _note(name: str, disk: str) -> None:
    """Take down that a file was given up; `disk` is "" where none of its disk was before."""
    times = 1
    if not disk:
        disk = _disk_of(name)
        times = 1 if _answers(disk) else FEW
    with _lock:
        _given_up[name] = time.monotonic()
        _rows.setdefault(disk, []).extend([time.monotonic()] * times)


def _answers(disk: str) -> bool:
    """Whether a disk says anything of its own folder: one that only wakes up does, out of memory."""
    try:
        return _run(Path(disk).stat, SHORT)
    except OSError:
        return True


def _noted_disk_of(name: str) -> str:
    """The disk with files given up that a path leads to; "" for one that answers, or is not known yet.

    A noted disk is not touched; on the way to it there may be another one that does not answer either.
    """
    if not _rows:
        return ""
    found: list[str] = []

    def noted(part: str) -> str:
        return next((disk for disk in list(_rows) if _is_below(part, disk)), "")

    _run(lambda: found.append(_led_to(name, noted)), SHORT)
    return found[0] if found else ""


def _disk_of(name: str) -> str:
    """The mount point that a path leads to, or that does not answer on the way."""
    asked = [name]

    def note(part: str) -> str:
        asked[0] = part
        return ""

    _run(lambda: _led_to(name, note), SHORT)
    points = [disk.mountpoint for disk in psutil.disk_partitions(all=True)]
    return max((point for point in points if _is_below(asked[0], point)), key=len, default=os.sep)


def _led_to(name: str, seen: Callable[[str], str]) -> str:
    """Follow a path's links part by part; the first answer of `seen`, asked before a part is touched."""
    for _ in range(_LINKS):
        whole = PurePath(name)
        for part in (*reversed(whole.parents), whole):
            if found := seen(str(part)):
                return found
            try:
                link = Path(part).readlink()
            except (OSError, ValueError):
                continue
            name = os.path.normpath(part.parent / link / whole.relative_to(part))
            break
        else:
            return ""
    return ""


def _is_below(path: str, folder: str) -> bool:
    return PurePath(path).is_relative_to(folder)
