"""One writer per project: the lock file beside it says who has it open.

On one machine the kernel's lock on that file decides, and it ends with the process, however that ends;
what is written in the file is for people, and for other machines: a project that another machine has
open is never taken from it unasked.
"""

import contextlib
import errno
import getpass
import os
import socket
import sys
import time
from datetime import datetime
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from labeler.core.full_disk import why
from labeler.errors import CannotWriteError, ProjectLockedError
from labeler.paths import data_dir

_REGION = 1 << 20
"""Where Windows locks a byte: far behind the text, so that others can still read it."""


class Holder(Struct, frozen=True):
    """Who has a project open."""

    pid: int
    host: str
    user: str
    since: float
    """Seconds since 1970, UTC."""
    started: float = 0.0
    """When that process started, to tell it from a later one with the same pid."""


class Lock:
    """A held lock; `release` gives it back. The end of the process does so too."""

    def __init__(self, path: Path, descriptor: int, holder: Holder, other: int | None = None) -> None:
        self.path = path
        self.holder = holder
        self._other = other
        """The lock for a project's other names, which are hard links."""
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let others have the project; a second call does nothing."""
        if self._descriptor is None:
            return
        # the file goes first, so that nobody can lock one that is about to vanish without noticing
        with contextlib.suppress(OSError):
            self.path.unlink()
        for one in (self._descriptor, self._other):
            if one is not None:
                os.close(one)
        self._descriptor = self._other = None


def lock_path(project: Path) -> Path:
    """The lock file of a project, which is one for all links to it."""
    real = Path(os.path.realpath(project))
    return real.with_name(real.name + ".lock")


def holder(project: Path) -> Holder | None:
    """Who is written in a project's lock file, alive or not; None for nobody or an unreadable file."""
    try:
        return msgspec.json.decode(lock_path(project).read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def acquire(project: Path, *, take_over: bool = False) -> Lock:
    """Lock a project for writing.

    Raises `ProjectLockedError` while another process has it, and where another machine's name is in
    the lock file, unless a person has decided to take it over; `CannotWriteError` where the folder
    cannot be written to.
    """
    path = lock_path(project)
    for _ in range(100):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise CannotWriteError(
                f"{project} cannot be opened for writing ({why(error, path)}). Open it read-only, or let "
                "Labeler write to its folder."
            ) from error
        try:
            if _locked(project, descriptor, take_over=take_over) and _is_at(descriptor, path):
                return Lock(path, descriptor, _sign(descriptor), _lock_other_names(project))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise _refusal(project, None)


def _locked(project: Path, descriptor: int, *, take_over: bool) -> bool:
    """Whether the kernel gave us the file; raises where it is another's."""
    known = _try_lock(descriptor)
    who = _read(descriptor)
    if known is False:
        # the holder may be between its lock and its signature, or between its unlink and its end
        if not _is_at(descriptor, lock_path(project)):
            return False
        raise _refusal(project, who)
    foreign = who is not None and who.host != socket.gethostname()
    alive_here = known is None and who is not None and not foreign and _alive(who)
    if (foreign or alive_here) and not take_over:
        raise _refusal(project, who)
    return True


def _try_lock(descriptor: int) -> bool | None:
    """True: ours; False: another's; None: this file system has no locks."""
    try:
        _lock_descriptor(descriptor)
    except OSError as error:
        busy = error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN, errno.EDEADLK)
        return False if busy else None
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock_descriptor(descriptor: int) -> None:
        os.lseek(descriptor, _REGION, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_descriptor(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at the path; its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Holder | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        return msgspec.json.decode(os.read(descriptor, 1 << 16), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def _sign(descriptor: int) -> Holder:
    us = Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        user=_user(),
        since=time.time(),
        started=psutil.Process().create_time(),
    )
    # the kernel has given us the project; a full disk keeps only our name from being read by others
    with contextlib.suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, msgspec.json.encode(us))
    return us


def _lock_other_names(project: Path) -> int | None:
    """Lock the file itself by its number, where it has more names; None where it has one only.

    SQLite goes by names, so two windows on two names of one file would each have a log of their own.
    """
    try:
        found = project.stat()
        if found.st_nlink < 2:
            return None
        path = data_dir() / "locks" / f"{found.st_dev:x}-{found.st_ino:x}"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    except OSError:
        return None
    if _try_lock(descriptor) is False:
        os.close(descriptor)
        raise ProjectLockedError(
            f"{project.name} is open in another window under another name of the same file (a hard link). "
            "Close it there, or open it read-only."
        )
    return descriptor


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "an unknown user"


def _alive(who: Holder) -> bool:
    try:
        return bool(abs(psutil.Process(who.pid).create_time() - who.started) < 2.0)
    except psutil.Error:
        return False


def _refusal(project: Path, who: Holder | None) -> ProjectLockedError:
    if who is None:
        return ProjectLockedError(
            f"{project.name} is being opened by another window. Open it read-only, or wait."
        )
    since = datetime.fromtimestamp(who.since).astimezone().strftime("%Y-%m-%d %H:%M")
    place = "on this computer" if who.host == socket.gethostname() else f"on {who.host}"
    return ProjectLockedError(
        f"{project.name} is open {place} by {who.user} since {since} (process {who.pid}). "
        "Close it there, or open it read-only."
    )
