"""Reads of foreign files, on threads that nobody waits for: a file that never answers holds up nothing."""

import threading
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from labeler.gui.toolkit.courier import Courier, Job

T = TypeVar("T")

PATIENCE_MS = 5000
"""After so long a read is told as stuck, and its place is given to the next."""
_STUCK = 12
"""So many threads may hang at once; from then on no more are begun until one of them comes back."""


def run_aside(
    work: Callable[[], T],
    *,
    courier: Courier,
    done: Callable[[T], None],
    failed: Callable[[Exception], None],
    name: str = "aside",
) -> None:
    """Run `work` on a thread that ends with the program; `done` or `failed` comes on the courier's thread."""
    job = Job(courier.held(work), done=courier.bring(done), failed=courier.bring(failed))
    threading.Thread(target=job.run, name=name, daemon=True).start()


class _Read:
    """One read that runs, and whether it still has its place."""

    def __init__(self) -> None:
        self.has_place = True


class Readers(QObject):
    """A few reads at a time; one that takes too long keeps its thread, but loses its place to the next.

    Closing does not wait: what is still read then is read for nobody.
    """

    freed = Signal()
    """Another read can be started."""

    def __init__(self, places: int, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._places = places
        self._name = name
        self._courier = Courier(self)
        self._reads: list[_Read] = []

    @property
    def is_free(self) -> bool:
        """Whether another read can be started now."""
        return sum(read.has_place for read in self._reads) < self._places and len(self._reads) < _STUCK

    def start(
        self,
        work: Callable[[], T],
        *,
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
        late: Callable[[], None] = lambda: None,
    ) -> None:
        """Read; `late` is called when it takes long, and `done` or `failed` still follow if it ever ends."""
        read = _Read()
        self._reads.append(read)
        run_aside(
            work,
            courier=self._courier,
            done=lambda value: self._end(read, lambda: done(value)),
            failed=lambda error: self._end(read, lambda: failed(error)),
            name=self._name,
        )
        QTimer.singleShot(PATIENCE_MS, self, lambda: self._give_up(read, late))

    def _end(self, read: _Read, tell: Callable[[], None]) -> None:
        self._reads.remove(read)
        tell()
        self.freed.emit()

    def _give_up(self, read: _Read, late: Callable[[], None]) -> None:
        if read in self._reads:
            read.has_place = False
            late()
            self.freed.emit()
