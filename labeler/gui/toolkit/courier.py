"""Carries results from other threads to the GUI thread."""

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, Slot

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)


class Courier(QObject):
    """Runs callables on the thread it was made on, in the order they were handed over, from any thread."""

    _handed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._handed.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def hand(self, call: Callable[[], None]) -> None:
        """Have `call` run on this courier's thread, soon; dropped when the courier is gone by then."""
        try:
            self._handed.emit(call)
        except RuntimeError:
            # the window closed while another thread was still working for it
            _log.debug("a result came after its receiver was gone")

    def bring(self, take: Callable[[T], None]) -> Callable[[T], None]:
        """`take` as a callback for other threads: it runs on this courier's thread, and is freed there."""
        held = self.held(take)
        return lambda value: self.hand(lambda: held(value))

    def held(self, call: Callable[P, T]) -> Callable[P, T]:
        """A function for other threads that is let go of on this courier's.

        What it alone keeps alive, as a dialog that was closed meanwhile, dies with it: a QObject that dies
        on another thread than its own crashes Qt.
        """
        return _Held(call, self)

    @Slot(object)
    def _run(self, call: Callable[[], None]) -> None:
        call()


class _Held(Generic[P, T]):
    """See `Courier.held`."""

    def __init__(self, call: Callable[P, T], courier: Courier) -> None:
        self._only = [call]
        """Nobody else has it: whoever empties this list, lets go of it."""
        self._courier = courier

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._only[0](*args, **kwargs)

    def __del__(self) -> None:
        self._courier.hand(self._only.clear)


class Job(QRunnable):
    """One function in a thread pool; exactly one of `done` and `failed` is called, on the pool's thread."""

    def __init__(
        self, work: Callable[[], T], *, done: Callable[[T], None], failed: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self._work: Callable[[], T] = work
        self._done = done
        self._failed = failed

    def run(self) -> None:
        try:
            value = self._work()
        except Exception as error:
            # a thread of a pool has nowhere to raise to: the caller decides what it means
            self._failed(error)
        else:
            self._done(value)


def run_in_pool(
    work: Callable[[], T],
    *,
    courier: Courier,
    done: Callable[[T], None],
    failed: Callable[[Exception], None],
    pool: QThreadPool | None = None,
) -> None:
    """Run `work` on a pool thread; `done` or `failed` is called on the courier's thread."""
    job = Job(courier.held(work), done=courier.bring(done), failed=courier.bring(failed))
    (pool or QThreadPool.globalInstance()).start(job)
