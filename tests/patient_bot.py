"""The `qtbot` of all tests: it waits longer on a machine that has more to do."""

import os
from collections.abc import Callable
from typing import Any

from pytestqt.qtbot import QtBot

PATIENCE = 30_000
"""Milliseconds, where a test does not say how long. What holds soon takes no longer by it."""
_LONG = 2_500
"""Milliseconds from which a limit is there for what is stuck; a shorter one is meant as it stands."""
_MOST = 10.0


def slack() -> float:
    """How many times longer than on a quiet machine things may take now; 1 on a quiet one.

    Half of a suite is children that run at a low priority: beside four busy processes a child that
    imports torch takes five times as long, and that is no fault of what is tested.
    """
    if not hasattr(os, "getloadavg"):
        return 1.0
    return min(max(2 * os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), _MOST)


def patient(limit: int) -> int:
    """`limit` in milliseconds, longer on a busy machine; a short one stays as it is."""
    return limit if limit < _LONG else round(limit * slack())


class PatientBot(QtBot):
    """Pytest-qt's own, with another limit."""

    def waitUntil(self, callback: Callable[[], object], *, timeout: int = PATIENCE) -> None:  # noqa: N802
        super().waitUntil(callback, timeout=patient(timeout))

    def waitSignal(self, signal: Any, *, timeout: int = PATIENCE, **how: Any) -> Any:  # noqa: N802
        return super().waitSignal(signal, timeout=patient(timeout), **how)

    def waitSignals(self, signals: Any, *, timeout: int = PATIENCE, **how: Any) -> Any:  # noqa: N802
        return super().waitSignals(signals, timeout=patient(timeout), **how)
