"""A disk that does not answer: a FUSE file system that nobody serves."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DETACH = 2


@contextmanager
def dead_disk(folder: Path) -> Iterator[Path]:
    """`folder` is a mount where every look hangs until the block ends; skips where that cannot be made."""
    folder.mkdir()
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no FUSE: {error}")
    system = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    if system.mount(b"dead", os.fsencode(folder), b"fuse", 0, options):
        os.close(device)
        pytest.skip(f"a file system may not be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        system.umount2(os.fsencode(folder), _DETACH)
        os.close(device)  # whoever waits gets an error
