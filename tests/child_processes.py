"""The worker processes that a test has started, directly or through a window."""

import os

import psutil


def workers(kind: str = "", *, of: int | None = None) -> list[psutil.Process]:
    """The workers (of a kind: "host", "job") below a process, this one unless `of` gives its id, that live.

    One that has ended counts as gone even before it is waited for, and so does one that ends while it is
    looked at: a zombie has no command line any more, and asking for it raises.
    """
    found = []
    for child in psutil.Process(of or os.getpid()).children(recursive=True):
        try:
            is_zombie, line = child.status() == psutil.STATUS_ZOMBIE, child.cmdline()
        except psutil.NoSuchProcess:  # ZombieProcess is one
            continue
        if not is_zombie and "labeler.worker" in line and (not kind or kind in line):
            found.append(child)
    return found
