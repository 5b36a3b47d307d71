"""Downloads of weights: on threads of their own, going on while the person works on."""

import time
from pathlib import Path
from threading import Event

from msgspec import Struct
from PySide6.QtCore import QObject, QThreadPool, QTimer, Signal

from labeler.errors import LabelerError
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.models.files import weights
from labeler.models.files.catalog import CatalogEntry, with_needs

_PERIOD_MS = 100
"""Between two looks at how far the downloads are."""
_AT_ONCE = 2


class Pace(Struct, frozen=True):
    """How far a download is."""

    done: int
    """In bytes, of the entry and of what it needs together."""
    total: int
    rate: float = 0.0
    """Bytes a second since it began; 0 while that is not known."""

    @property
    def seconds_left(self) -> float | None:
        """How long it takes on, None while that is not known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


class Downloads(QObject):
    """Fetches entries of the catalogue, with what they need; at most two at once, the others wait."""

    progressed = Signal(str)
    """The id of an entry whose `pace` is another."""
    finished = Signal(str, object)
    """The id of an entry, and the path of its file."""
    failed = Signal(str, str)
    """The id of an entry, and one sentence; "" when it was called off."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._courier = Courier(self)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(_AT_ONCE)
        self._running: dict[str, _Fetching] = {}
        self._told: dict[str, Pace | None] = {}
        self._timer = QTimer(self, interval=_PERIOD_MS)
        self._timer.timeout.connect(self._tell)

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the entries that are being fetched, or wait for it."""
        return tuple(self._running)

    def pace(self, entry_id: str) -> Pace | None:
        """How far a running download is; None before its first byte."""
        return self._running[entry_id].pace if entry_id in self._running else None

    def start(self, entry: CatalogEntry) -> None:
        """Fetch an entry; nothing happens where it is being fetched."""
        if entry.id in self._running:
            return
        fetching = self._running[entry.id] = _Fetching(entry)
        self._timer.start()
        run_in_pool(
            fetching.run,
            courier=self._courier,
            done=lambda path: self._finish(entry.id, path),
            failed=lambda error: self._fail(entry, error),
            pool=self._pool,
        )

    def cancel(self, entry_id: str) -> None:
        """Call a download off; `failed` follows. What came is kept for the next time."""
        if entry_id in self._running:
            self._running[entry_id].stop.set()

    def stop(self) -> None:
        """Call all off and wait for that, a fraction of a second."""
        for fetching in self._running.values():
            fetching.stop.set()
        self._pool.waitForDone()

    def _tell(self) -> None:
        for entry_id, fetching in tuple(self._running.items()):
            pace = fetching.pace
            if pace is not self._told.get(entry_id):
                self._told[entry_id] = pace
                self.progressed.emit(entry_id)

    def _forget(self, entry_id: str) -> None:
        del self._running[entry_id]
        self._told.pop(entry_id, None)
        if not self._running:
            self._timer.stop()

    def _finish(self, entry_id: str, path: Path) -> None:
        self._forget(entry_id)
        self.finished.emit(entry_id, path)

    def _fail(self, entry: CatalogEntry, error: Exception) -> None:
        self._forget(entry.id)
        if isinstance(error, weights.FetchStoppedError):
            self.failed.emit(entry.id, "")
            return
        known = isinstance(error, LabelerError)
        said = str(error) if known else f"{entry.title} could not be downloaded ({error}): try again."
        self.failed.emit(entry.id, said)


class _Fetching:
    """One entry and what it needs, one after the other, on a thread of the pool."""

    def __init__(self, entry: CatalogEntry) -> None:
        self.stop = Event()
        self.pace: Pace | None = None
        """How far it is; read by the window's thread."""
        self._entry = entry
        self._before = 0
        self._total = 0
        self._begun: tuple[float, int] | None = None

    def run(self) -> Path:
        """Fetch what is not there; gives the entry's file."""
        target = weights.path_of(self._entry)
        # the entry last: it is not there before all that it needs is
        wanted = [one for one in reversed(with_needs(self._entry)) if not weights.path_of(one).is_file()]
        self._total = sum(one.size for one in wanted)
        for one in wanted:
            path = weights.download(one, progress=self._progress, is_stopped=self.stop.is_set)
            self._before += path.stat().st_size
        return target

    def _progress(self, done: int, _total: int) -> None:
        now = time.monotonic()
        done += self._before
        if self._begun is None or done < self._begun[1]:
            self._begun = (now, done)
        since, at = self._begun
        rate = (done - at) / (now - since) if now - since > 0.5 else 0.0
        self.pace = Pace(done, max(self._total, done), rate)
