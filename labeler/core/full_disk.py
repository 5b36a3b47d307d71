"""What to say of a disk that does not take what is written."""

import errno
import shutil
from pathlib import Path

import psutil

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def is_full(error: OSError) -> bool:
    """Whether the system refused a write for want of room, or of what a person's quota leaves."""
    return error.errno in _FULL


def disk_of(path: Path) -> str:
    """The place at which the disk that a path is on was mounted, such as "/home"; the path's own at worst."""
    try:
        there = next(one for one in (path, *path.parents) if one.exists()).resolve()
        mounts = {Path(disk.mountpoint) for disk in psutil.disk_partitions(all=True)}
        return str(next(one for one in (there, *there.parents) if one in mounts))
    except (OSError, StopIteration):
        return path.anchor or str(path)


def is_full_disk(path: Path) -> bool:
    """Whether the disk that a file is on has no room for the side files of a project, some 100 kB."""
    try:
        return shutil.disk_usage(path.parent).free < 1 << 17
    except OSError:
        return False


def why(error: OSError, path: Path) -> str:
    """What is wrong with a write to `path`, as "the disk /home is full"."""
    if is_full(error):
        return f"the disk {disk_of(path)} is full"
    return (error.strerror or str(error)).lower()
