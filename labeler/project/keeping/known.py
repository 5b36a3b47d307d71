"""How far a project was when something was last said to be saved in it, kept apart from it.

SQLite drops a write-ahead log from the first frame on that is not as it was written, and says nothing: a
log that was cut, damaged or deleted takes saved edits along. So the last revision is noted elsewhere, and
compared when the project is opened.
"""

import shutil
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from labeler.project.keeping import snapshots
from labeler.project.keeping.lock import acquire
from labeler.project.keeping.noted import known_revision, note
from labeler.project.keeping.open_here import unless_open

_WAL_HEADER, _FRAME = 32, 24


class LostSavesError(snapshots.DamagedProjectError):
    """A project that lacks what was saved in it. It was not touched; `snapshot` has more of it, if any."""

    def __init__(self, path: Path, reached: int, known: int | None) -> None:
        self.reached = reached
        newest = snapshots.newest_good(path)
        better = newest is not None and snapshots.revision(newest) > reached
        lost = "saves" if known is None else "its last save" if known - reached == 1 else ""
        lost = lost or f"its last {(known or 0) - reached} saves"
        super().__init__(
            path,
            f"it lacks {lost}: its write-ahead log {path.name}-wal is damaged, cut or missing, or an older "
            "file was put in its place",
            newest if better else None,
        )


def assert_nothing_lost(project: Path, *, torn: bool) -> None:
    """Raises `LostSavesError` for a project that has less than was saved in it; nothing is written.

    `torn` is what `has_torn_log` gave before SQLite has seen the log: it decides where nothing is noted.
    """
    # in this order: what a window that has it open saves in between makes it further, not lost
    known = known_revision(project)
    reached = snapshots.revision(project)
    if reached >= 0 and (reached < known if known is not None else torn):
        raise LostSavesError(project, reached, known)


def go_on_without(project: Path) -> Path | None:
    """Take a project as it is, without what it has lost; gives where its write-ahead log is kept, if any.

    Raises `ProjectLockedError` while another process has the project.
    """
    lock = acquire(project)
    try:
        wal = project.with_name(f"{project.name}-wal")
        aside = None
        if wal.exists() and wal.stat().st_size:
            stamp = datetime.now(UTC).strftime(snapshots.STAMP)
            aside = project.with_name(f"{project.name}-wal.rejected-{stamp}")
            shutil.copy(wal, aside)
        ahead = snapshots.next_revision(project)
        snapshots.put_ahead(project, ahead)
        note(project, ahead)
    finally:
        lock.release()
    return aside


# --- where nothing was noted: what the log says of itself ---------------------------------------


def has_torn_log(project: Path) -> bool:
    """Whether SQLite will not take all of a log: it is not whole, or shorter than its index knows.

    A log that this process has open was judged when it was opened, and is not looked at again.
    """
    return unless_open(project, lambda: _is_torn(project), otherwise=False)


def _is_torn(project: Path) -> bool:
    indexed = _indexed(project)
    try:
        log = project.with_name(f"{project.name}-wal").read_bytes()
    except OSError:
        log = b""
    whole, there = _frames(log)
    return there > whole or indexed > whole or (len(log) > 0 and there < 0)


def _frames(log: bytes) -> tuple[int, int]:
    """How many frames are whole up to the last commit, and up to which one they bear the log's salt."""
    if len(log) < _WAL_HEADER:
        return 0, -1 if any(log) else 0
    magic, _, page = struct.unpack(">3I", log[:12])
    order = ">" if magic & 1 else "<"
    sums = _checksum(log[:24], (0, 0), order)
    if magic & ~1 != 0x377F0682 or sums != struct.unpack(">2I", log[24:32]):
        return 0, -1
    whole = last = 0
    is_whole = True
    starts = range(_WAL_HEADER, len(log) - _FRAME - page + 1, _FRAME + page)
    for number, start in enumerate(starts, start=1):
        head, body = log[start : start + _FRAME], log[start + _FRAME : start + _FRAME + page]
        of_this_round = head[8:16] == log[16:24]
        if is_whole and of_this_round:
            sums = _checksum(body, _checksum(head[:8], sums, order), order)
            is_whole = sums == struct.unpack(">2I", head[16:24])
            if is_whole and struct.unpack(">I", head[4:8])[0]:
                whole = number
        else:
            is_whole = False
        # a frame that a killed process was writing has no commit mark
        if of_this_round and struct.unpack(">I", head[4:8])[0]:
            last = number
    return whole, last


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words: Iterator[int] = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for one in words:
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + next(words) + first) & 0xFFFFFFFF
    return first, second


def _indexed(project: Path) -> int:
    """The frames that the log's index knows and that are not all in the main file yet; 0 for none."""
    try:
        index = project.with_name(f"{project.name}-shm").read_bytes()[:136]
    except OSError:
        return 0
    if len(index) < 136 or index[:48] != index[48:96]:
        return 0
    (frames,) = struct.unpack("=I", index[16:20])
    (in_main,) = struct.unpack("=I", index[96:100])
    return int(frames) if in_main < frames else 0
