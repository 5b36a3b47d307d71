"""A disk that fails when it is told to, for processes that are started with it: see `failing_disk.c`."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

WRITES, SYNCS, TRUNCATES = 1, 2, 4


def environment(folder: Path) -> dict[str, str]:
    """The environment of a process whose disk can fail; skips the test where that cannot be had."""
    library = folder / "failing_disk.so"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if os.uname().sysname != "Linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler, for a disk that fails when it is told to")
    source = Path(__file__).with_name("failing_disk.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return {**os.environ, "LD_PRELOAD": str(library), "FAILING_DISK": str(library)}


class Disk:
    """The disk of this process, which was started in such an `environment`."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(os.environ["FAILING_DISK"])

    def fail(
        self, files: Iterable[Path], calls: int, *, after: int, error: int, for_good: bool, halved: bool
    ) -> None:
        """From now on the calls fail on those files, after so many that go well."""
        paths = "\n".join(os.path.realpath(file) for file in files)
        self._library.fault_arm(os.fsencode(paths), calls, after, error, for_good, halved)

    def mend(self) -> None:
        """All goes well again."""
        self._library.fault_disarm()

    @property
    def failures(self) -> int:
        """How many calls have failed."""
        return int(self._library.fault_fired())
