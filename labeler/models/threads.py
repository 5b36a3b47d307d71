"""How many CPU threads models may use."""

import os

THREADS_VARIABLE = "LABELER_THREADS"
"""Set to a number, it is taken at its word; the window hands its setting to its children by it."""

_MAX = 8
"""Beyond this the models that people run interactively gain little."""


def all_threads() -> int:
    """Threads for the work that a person waits for: as set, else the physical cores this process may use."""
    wanted = os.environ.get(THREADS_VARIABLE, "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    import psutil  # noqa: PLC0415 - 11 ms that the window, which knows only the variable, need not pay

    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else psutil.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed, _MAX))
