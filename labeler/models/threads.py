"""How many CPU threads models may use."""

import os

THREADS_VARIABLE = "LABELER_THREADS"
"""Set to a number, it is taken at its word; the window hands its setting to its children by it."""

_RESTING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""Of OpenMP, and of GNU's and Intel's, which asks for it in milliseconds."""
_LOOK = 0.1
"""Seconds."""
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


def spare_threads() -> int:
    """Threads for work that nobody waits for: as set, else what other work leaves of them now, at least one.

    On a busy machine a second thread makes it slower, since each waits for the other at every layer. Looks at
    the machine for a tenth of a second.
    """
    everything = all_threads()
    if os.environ.get(THREADS_VARIABLE, "").isdecimal():
        return everything
    import psutil  # noqa: PLC0415 - as above

    idle = 1.0 - float(psutil.cpu_percent(interval=_LOOK)) / 100.0
    return max(1, min(everything, round(idle * int(psutil.cpu_count() or 1))))


def rest_while_waiting() -> None:
    """Have OpenMP's threads, which torch's are, sleep while they wait for each other, and not spin.

    Beside other work they would take from it, and from each other, what they wait for: an epoch of 9 s took
    80 s. Before torch is imported: it reads these once. What is set already stays.
    """
    for name, value in _RESTING.items():
        os.environ.setdefault(name, value)
