"""Garbage is collected on the GUI thread only."""

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 1000


class Collector(QObject):
    """Takes over from Python's own collection of cycles for as long as it lives.

    Python collects on whichever thread happens to allocate. A Qt object that is part of a cycle, a closed
    dialog with a lambda for example, would then be destroyed on the writer's or a pool's thread, beside its
    own timers and events: Qt crashes on that.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()
        if gc.isenabled():
            gc.disable()
            self.destroyed.connect(gc.enable)

    def collect(self) -> None:
        """Collect the generations that are due by Python's own thresholds."""
        gc.disable()  # what a plugin imports may have turned it on
        for generation in (2, 1, 0):
            threshold = gc.get_threshold()[generation]
            if threshold and gc.get_count()[generation] > threshold:
                gc.collect(generation)
                return
