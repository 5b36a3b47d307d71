"""Whether the path of an open project still means the files that are open.

SQLite goes on writing to a file that was deleted or replaced by name (a sync client, a checkout, a
restored backup), and what it writes there nobody will find again. So the files at the path are compared
with those that were opened, around each commit and now and then in between.
"""

import contextlib
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from labeler.errors import ProjectError
from labeler.project.keeping.lock import holder

Change: TypeAlias = Literal["", "side files", "written", "replaced", "deleted", "moved", "folder moved"]
"""What has become of a project: nothing; its side files are others; somebody else wrote into it; another
file is at its path; none is; it lies elsewhere now; it lies elsewhere together with its side files."""

_Key: TypeAlias = tuple[int, int]
_SIDES = ("-wal", "-shm")


class AwayError(ProjectError):
    """The path of an open project has come to mean something else than the file that is open."""

    def __init__(self, path: Path, change: Change, now_at: Path | None) -> None:
        self.path = path
        self.change: Change = change
        self.now_at = now_at
        """Where the file that is open lies now, where that is known."""
        super().__init__(f"{path.name} {what_happened(path, change, now_at)}.")


class _Facts(Struct, frozen=True):
    key: _Key
    size: int
    written: int


class Whereabouts:
    """Remembers which files a project was when it was opened."""

    def __init__(self, path: Path) -> None:
        """Before it is opened; `note_sides` follows."""
        self.path = path
        self._main = _facts(path)
        self._sides: dict[str, _Key | None] = dict.fromkeys(_SIDES)

    def note_sides(self) -> None:
        """After opening: its side files are there now. Raises `AwayError` for another file than before."""
        self._sides = {suffix: _key(_beside(self.path, suffix)) for suffix in _SIDES}
        if not self.is_same():
            raise AwayError(self.path, "replaced", None)

    def is_same(self) -> bool:
        """Whether the file at the path is the one that was there at first."""
        now = _facts(self.path)
        return now is not None and self._main is not None and now.key == self._main.key

    def note_written(self) -> None:
        """We have written to the main file; one that took its place meanwhile stays another one."""
        now = _facts(self.path)
        if now is not None and self._main is not None and now.key == self._main.key:
            self._main = now

    def look(self) -> Change:
        """What has become of the project since it was noted."""
        now = _facts(self.path)
        if now is None or self._main is None:
            return self._without_name()
        if now.key != self._main.key:
            return "replaced"
        if now != self._main:
            return "written"
        same = all(_key(_beside(self.path, suffix)) == known for suffix, known in self._sides.items())
        return "" if same else "side files"

    def now_at(self) -> Path | None:
        """Where the file that is open lies, where the system tells; None for nowhere or unknown."""
        return None if self._main is None else _name_of_open(self._main.key)

    def own_sides(self) -> list[Path]:
        """The side files at the path that are those of the file that is open."""
        sides = [(_beside(self.path, suffix), key) for suffix, key in self._sides.items()]
        return [side for side, key in sides if key is not None and _key(side) == key]

    def wal_size(self) -> int:
        """How long the write-ahead log at the path is, in bytes."""
        try:
            return _beside(self.path, "-wal").stat().st_size
        except OSError:
            return 0

    def _without_name(self) -> Change:
        place = self.now_at()
        if place is None:
            return "deleted"
        wal = self._sides["-wal"]
        return "folder moved" if wal is not None and _key(_beside(place, "-wal")) == wal else "moved"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _key(path: Path) -> _Key | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _facts(path: Path) -> _Facts | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _Facts((found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns)


def _name_of_open(key: _Key) -> Path | None:
    """The path by which the system knows an open file; opening it here would let go of SQLite's locks."""
    if sys.platform != "linux":
        return None
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - of names that may be gone by now
        with contextlib.suppress(OSError):
            found = os.stat(int(number))  # noqa: PTH116 - of what is open, which may have no name
            if (found.st_dev, found.st_ino) == key:
                name = Path(f"/proc/self/fd/{number}").readlink()
                return name if found.st_nlink and _key(name) == key else None
    return None


def what_happened(path: Path, change: Change, now_at: Path | None) -> str:
    """What became of a project file, as what "labels.labeler" did, with who did it where that is known."""
    match change:
        case "replaced" | "written":
            verb = "was replaced by another file" if change == "replaced" else "was written into"
            return f"{verb} by {_who(path)} while it was open"
        case "moved" | "folder moved":
            return f"was moved to {now_at} while it was open"
        case _:
            return "was deleted while it was open"


def _who(path: Path) -> str:
    other = holder(path)
    if other is not None and other.pid != os.getpid():
        return f"{other.user} on {other.host}"
    try:
        found = path.stat()
    except OSError:
        return "another program"
    when = datetime.fromtimestamp(found.st_mtime).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"another program (the file there is of {when}, {found.st_size:,} bytes)"
