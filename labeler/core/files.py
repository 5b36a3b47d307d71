"""Writing files so that a crash leaves the old content or the new, never a mixture."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the place of `path` when the block ends without an error.

    It is a temporary file of a name of its own in the same folder; the order is write, fsync, replace,
    fsync of the folder, so that after a crash or power loss `path` is the old file or the new one, whole.
    When the block or a step up to the replacing raises, `path` is as it was and the temporary file is
    gone; where only the last step raises, `path` is the new file. The mode of an existing file is kept,
    a symbolic link is followed. Raises the OSError of the failing step.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:64]}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            _keep_mode(temporary, target)
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:  # nothing half-written stays, whatever ended it; it goes on upwards
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(target.parent)


def atomic_write(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, as `atomic_writer` does it."""
    with atomic_writer(path) as file:
        file.write(data)


def _keep_mode(temporary: Path, target: Path) -> None:
    """Give the new file the mode of the one it replaces; without one it has that of any new file."""
    with suppress(FileNotFoundError, PermissionError):  # or a file system that has no modes
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))


def sync_file(path: Path) -> None:
    """Have the content of a file on disk when this returns."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put new names in a folder on disk; where folders cannot be opened (Windows) the system does it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def amount(size: float) -> str:
    """Bytes in words: "3.2 GB", "640.0 MB", "12.5 kB", "0 bytes"; decimal units."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size:.0f} bytes"
