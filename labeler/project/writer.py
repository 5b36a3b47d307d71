"""The one thread that owns an open project."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from labeler.core.records import Edit
from labeler.errors import ProjectError
from labeler.project import trouble
from labeler.project.rescue import RescueFile, Step
from labeler.project.store import Probe, Store, no_probe
from labeler.project.upkeep import Upkeep

T = TypeVar("T")
logger = logging.getLogger(__name__)


class _Job(Generic[T]):
    """A piece of work in the queue."""

    def __init__(
        self,
        work: Callable[[Store], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
        step: Step | None,
    ) -> None:
        self.work = work
        self.done = done
        self.failed = failed
        self.step = step
        self.token = ""
        """Its token in the rescue file; "" while it is only in memory."""


_Message: TypeAlias = "_Job[Any] | Literal['close', 'retry']"


class Writer:
    """Does work on a `Store` in its own thread, in the order it was given.

    What is posted later sees what was posted earlier. `done` and `failed` are called on the writer's
    thread; a `done` for an edit means that it is on disk. While the disk is full or away, work waits in
    the queue and is tried again, edits are written to a rescue file beside, and `on_trouble` says so.
    """

    retry_seconds = 5.0
    """How long to wait before waiting work is tried again."""

    def __init__(self, path: Path, *, read_only: bool, on_trouble: Callable[[str], None]) -> None:
        self.path = path
        self.read_only = read_only
        self.trouble = ""
        """Why edits are not on disk, or ""."""
        self._on_trouble = on_trouble
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._waiting: deque[_Job[Any]] = deque()
        """Work taken from the inbox while earlier work waited for the disk."""
        self._pending = 0
        self._count = threading.Lock()
        self._opened = threading.Event()
        self._error: Exception | None = None
        self._closing = False
        self._let_go: Callable[[str], None] = lambda _: None
        self._last_try = False
        self._given_up = False
        """Closing, and the disk still does not take it: what can be rescued is not tried any more."""
        self._rescue = RescueFile(path)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        take_over: bool = False,
        on_trouble: Callable[[str], None] = lambda _: None,
        probe: Probe = no_probe,
    ) -> "Writer":
        """Open a project (see `Store.open`, whose errors it raises) and replay what was rescued of it."""
        writer = cls(path, read_only=read_only, on_trouble=on_trouble)
        writer._start(lambda: Store.open(path, read_only=read_only, take_over=take_over, probe=probe))
        writer._opened.wait()
        if writer._error is not None:
            writer._thread.join()
            raise writer._error
        return writer

    def _start(self, open_store: Callable[[], Store]) -> None:
        name = f"writer of {self.path.name}"
        self._thread = threading.Thread(target=self._run, args=(open_store,), name=name, daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """How much work is not finished yet."""
        return self._pending

    def post(
        self,
        work: Callable[[Store], T],
        done: Callable[[T], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
        *,
        step: Step | None = None,
    ) -> None:
        """Have work done; returns at once.

        `step` says what the work is in a form that can be rescued; see `apply`, `undo`, `redo`.
        """
        if self._closing:
            raise ProjectError(f"{self.path.name} is closed.")
        self._count_pending(1)
        self._inbox.put(_Job(work, done, failed, step))

    def call(self, work: Callable[[Store], T]) -> T:
        """Have work done and wait for what it gives; raises what it raises. Not for callbacks."""
        answers: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()
        self.post(work, lambda value: answers.put((value, None)), lambda error: answers.put((None, error)))
        value, error = answers.get()
        if error is not None:
            raise error
        return value  # type: ignore[return-value]

    def apply(
        self,
        edit: Edit,
        done: Callable[[int], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Post an edit that survives also where the project cannot be written to for now."""
        self.post(lambda store: store.apply(edit), done, failed, step=edit)

    def undo(
        self,
        done: Callable[[Edit | None], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Post an undo, safe as `apply` is."""
        self.post(lambda store: store.undo(), done, failed, step="undo")

    def redo(
        self,
        done: Callable[[Edit | None], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Post a redo, safe as `apply` is."""
        self.post(lambda store: store.redo(), done, failed, step="redo")

    def retry(self) -> None:
        """Try again now what waits for the disk."""
        self._inbox.put("retry")

    def let_go(self, done: Callable[[str], None]) -> None:
        """Begin to `close` and return at once; `done` gets what that gives, on the writer's thread."""
        self._let_go = done
        self.close(seconds=0.0)

    def close(self, *, seconds: float | None = None) -> str:
        """Finish all work, leave a snapshot, and let go of the project; also when it has begun already.

        Waits no longer than `seconds`, where they are given. Gives "" or, where the disk did not take the
        last edits, the sentence that says where they are.
        """
        if not self._closing:
            self._closing = True
            self._inbox.put("close")
        self._thread.join(seconds)
        return self.trouble

    # --- on the writer's thread ---------------------------------------------------------------

    def _run(self, open_store: Callable[[], Store]) -> None:
        try:
            store = open_store()
        except Exception as error:  # whatever it is, `open` raises it on the thread that asked
            self._error = error
            return
        finally:
            self._opened.set()
        with store:
            if not self.read_only:
                self._take_up_rescued(store)
            upkeep = Upkeep(store)
            while (job := self._next(upkeep)) is not None:
                self._finish(store, job)
                upkeep.worked()
            upkeep.last()
        self._let_go(self.trouble)

    def _next(self, upkeep: Upkeep) -> _Job[Any] | None:
        """The next job; None when it is time to close. Does the upkeep while there is nothing else."""
        while not self._waiting:
            try:
                message = self._inbox.get(timeout=upkeep.seconds_left())
            except queue.Empty:
                upkeep.idle()
                continue
            if message == "close":
                return None
            if isinstance(message, _Job):
                return message
        return self._waiting.popleft()

    def _finish(self, store: Store, job: _Job[Any]) -> None:
        """Do a job, however often it takes, and tell its owner."""
        while not (self._given_up and job.step is not None):
            try:
                result = _attempt(store, job)
            except Exception as error:  # told to whoever gave the job; this thread lives on
                reason = trouble.reason(error)
                if not reason or job.step is None:
                    self._tell(job.failed, trouble.told(self.path, error))
                    self._settle(job)
                    return
                self._sit_out(store, job, error)
            else:
                self._settle(job)
                self._tell(job.done, result)
                return
        self._rescue_steps(job)
        self._tell(job.failed, ProjectError(self.trouble))

    def _tell(self, callback: Callable[[Any], None], value: object) -> None:
        self._count_pending(-1)
        try:
            callback(value)
        except Exception:  # of somebody else: this thread lives on
            logger.exception("A callback of the writer of %s failed", self.path)

    def _count_pending(self, by: int) -> None:
        with self._count:
            self._pending += by

    def _say(self, sentence: str) -> None:
        if sentence != self.trouble:
            self.trouble = sentence
            self._on_trouble(sentence)

    # --- while the disk does not take it ------------------------------------------------------

    def _sit_out(self, store: Store, job: _Job[Any], error: Exception) -> None:
        """Wait until it is worth trying again, and rescue meanwhile what is posted."""
        until = time.monotonic() + self.retry_seconds
        while True:
            rescued = self._rescue_steps(job)
            self._say(trouble.sentence(self.path, error, self._rescue.path if rescued else None))
            if self._last_try:
                self._given_up = True
                return
            left = None if trouble.is_damage(error) else max(until - time.monotonic(), 0.0)
            try:
                message = self._inbox.get(timeout=left)
            except queue.Empty:
                trouble.reconnect(store, error)
                return
            if isinstance(message, _Job):
                self._waiting.append(message)
            elif message == "retry":
                until = 0.0
            else:
                self._inbox.put("close")
                self._last_try = True
                self._given_up = trouble.is_damage(error)
                return

    def _rescue_steps(self, first: _Job[Any]) -> bool:
        """Write down, in order, all edits that wait and are not written down; False if that fails too."""
        try:
            for job in (first, *self._waiting):
                if job.step is not None and not job.token:
                    job.token = self._rescue.append(job.step)
        except OSError as error:
            logger.warning("Edits of %s could not be rescued: %s", self.path, error)
            return False
        return True

    def _settle(self, job: _Job[Any]) -> None:
        """The disk took a job, or there was a better reason than the disk to refuse it."""
        if self._given_up:
            return
        self._say("")
        if job.token and not any(waiting.token for waiting in self._waiting):
            self._rescue.discard()

    def _take_up_rescued(self, store: Store) -> None:
        """Queue what an earlier session could not write, before anything else."""
        try:
            steps = self._rescue.load(store.meta("rescued"))
        except (msgspec.MsgspecError, ValueError):
            self._put_rescue_aside()
            return
        except OSError as error:
            logger.warning("The rescue file %s cannot be read: %s", self._rescue.path, error)
            return
        if not steps:
            self._rescue.discard()
        for step, token in steps:
            job = _Job(_work_of(step), lambda _: None, self._misfit, step)
            job.token = token
            self._waiting.append(job)
            self._count_pending(1)

    def _misfit(self, error: Exception) -> None:
        """A rescued edit was refused: what follows it may build on it, so all of them wait for a person."""
        if self._given_up:
            return
        rescued = [job for job in self._waiting if job.token]
        self._waiting = deque(job for job in self._waiting if not job.token)
        self._count_pending(-len(rescued))
        logger.warning("A rescued edit of %s was refused: %s", self.path, error)
        self._put_rescue_aside()

    def _put_rescue_aside(self) -> None:
        self._on_trouble(
            f"Edits of an earlier session do not fit {self.path.name} any more. "
            f"They are kept in {self._rescue.put_aside()}."
        )


def _attempt(store: Store, job: _Job[T]) -> T:
    if not job.token:
        return job.work(store)
    with store.transaction():
        result = job.work(store)
        store.set_meta("rescued", job.token)
    return result


def _work_of(step: Step) -> Callable[[Store], object]:
    if step == "undo":
        return Store.undo
    if step == "redo":
        return Store.redo
    edit = step
    return lambda store: store.apply(edit)
