"""Work that is put off: a timer that fires once, however often it is started."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


def timer(parent: QObject, work: Callable[[], None], *, milliseconds: int = 0) -> QTimer:
    """A single-shot timer: however often it is started before it fires, `work` is done once."""
    made = QTimer(parent, singleShot=True, interval=milliseconds)
    made.timeout.connect(work)
    return made
