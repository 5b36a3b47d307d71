"""Carries results from other threads to the GUI thread."""

import atexit
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, Slot

P = ParamSpec("P")
T = TypeVar("T")


class _Address:
    """Whom a call is for: whether that courier is still there is known on its own thread."""

    is_there = True

    def leave(self) -> None:
        """From now on nothing is delivered here."""
        self.is_there = False


class _Post(QObject):
    """Delivers calls from all threads on its own; lives until the program ends.

    Another thread may signal to no object that can die meanwhile: Qt crashes, in either thread, on a
    receiver that is destroyed while a signal is on its way. So all couriers of a thread share this one
    object, and whether theirs is gone is asked when the call has arrived.
    """

    _came = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._calls: deque[tuple[_Address, Callable[[], None]]] = deque()
        self._lock = threading.RLock()
        self._is_open = True
        self._came.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        atexit.register(self._close)  # before PySide's own, which destroys this object

    def put(self, address: _Address, call: Callable[[], None]) -> None:
        """Have `call` run, or at least let go of, on this thread; from any thread."""
        with self._lock:
            if self._is_open:
                self._calls.append((address, call))
                self._came.emit()

    @Slot()
    def _deliver(self) -> None:
        address, call = self._calls.popleft()
        if address.is_there:
            call()

    def _close(self) -> None:
        with self._lock:
            self._is_open = False


class _Here(threading.local):
    """The post of each thread that has couriers."""

    post: _Post | None = None


_here = _Here()
_ALWAYS = _Address()


class Courier(QObject):
    """Runs callables on the thread it was made on, in the order they were handed over, from any thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        if _here.post is None:
            _here.post = _Post()
        self._post = _here.post
        self._address = _Address()
        self.destroyed.connect(self._address.leave)

    def hand(self, call: Callable[[], None]) -> None:
        """Have `call` run on this courier's thread, soon; dropped there when the courier is gone by then."""
        self._post.put(self._address, call)

    def bring(self, take: Callable[[T], None]) -> Callable[[T], None]:
        """`take` as a callback for other threads: it runs on this courier's thread, and is freed there."""
        held, post, address = self.held(take), self._post, self._address
        return lambda value: post.put(address, lambda: held(value))

    def held(self, call: Callable[P, T]) -> Callable[P, T]:
        """A function for other threads that is let go of on this courier's.

        What it alone keeps alive, as a dialog that was closed meanwhile, dies with it: a QObject that dies
        on another thread than its own crashes Qt.
        """
        return _Held(call, self._post)


class _Held(Generic[P, T]):
    """See `Courier.held`."""

    def __init__(self, call: Callable[P, T], post: _Post) -> None:
        self._only = [call]
        """Nobody else has it: whoever empties this list, lets go of it."""
        self._post = post

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._only[0](*args, **kwargs)

    def __del__(self) -> None:
        self._post.put(_ALWAYS, self._only.clear)


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
