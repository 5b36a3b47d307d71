"""How many CPU threads models may use."""

import psutil

_MAX = 8
"""Beyond this the models that people run interactively gain little."""


def all_threads() -> int:
    """Threads for the work that a person waits for: the physical cores that this process may use."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else psutil.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed, _MAX))
