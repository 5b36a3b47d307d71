"""The one thread that owns an open project."""

import logging
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from labeler.core.records import Edit
from labeler.errors import LabelerError, ProjectError
from labeler.project.keeping import snapshots, trouble
from labeler.project.keeping.kept import place_for, sentence
from labeler.project.keeping.replay import Since, TakingUp
from labeler.project.keeping.rescue_file import RescueFile, Step
from labeler.project.keeping.upkeep import Upkeep
from labeler.project.keeping.whereabouts import AwayError
from labeler.project.open_file import Probe, no_probe
from labeler.project.portions import LettingIn, Portions, WriterJob
from labeler.project.reading import Reading
from labeler.project.store import Store

T = TypeVar("T")
logger = logging.getLogger(__name__)


_Message: TypeAlias = WriterJob[Any] | Literal["close"]


class Writer:
    """Does work on a `Store` in its own thread, in the order it was given.

    What is posted later sees what was posted earlier. `done` and `failed` are called on the writer's
    thread; a `done` for an edit means that it is on disk. While the disk is full or away, work waits in
    the queue and is tried again, edits are written to a rescue file beside, and `on_trouble` says so.
    """

    retry_seconds = 5.0
    """How long to wait before waiting work is tried again."""

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool,
        on_trouble: Callable[[str], None],
        on_told: Callable[[str], None],
        on_away: Callable[[str, Path], None],
        on_damage: Callable[[snapshots.DamagedProjectError], None],
    ) -> None:
        self.path = path
        """Where the project is written to; another place than it was opened at once that was replaced."""
        self.read_only = read_only
        self.trouble = ""
        """Why edits are not on disk, or ""."""
        self._on_trouble = on_trouble
        self._on_told = on_told
        self._on_away = on_away
        self._on_damage = on_damage
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._waiting: deque[WriterJob[Any]] = deque()
        """Taken from the inbox while earlier work waited for the disk."""
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
        self._since = Since()
        self._reading = Reading(path.name)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        take_over: bool = False,
        on_trouble: Callable[[str], None] = lambda _: None,
        on_told: Callable[[str], None] = lambda _: None,
        on_away: Callable[[str, Path], None] = lambda _, __: None,
        on_damage: Callable[[snapshots.DamagedProjectError], None] = lambda _: None,
        probe: Probe = no_probe,
    ) -> "Writer":
        """Open a project (see `Store.open`, whose errors it raises) and replay what was rescued of it.

        `on_trouble` is told, as a sentence, why edits are not saved, and "" once they are; `on_told` what
        a person should know beside; `on_away` that the project was replaced or deleted while it was open,
        and the file in which it goes on; `on_damage` what the check in the background has found.
        """
        path = Path(os.path.realpath(path))
        writer = cls(
            path,
            read_only=read_only,
            on_trouble=on_trouble,
            on_told=on_told,
            on_away=on_away,
            on_damage=on_damage,
        )
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
        work: Callable[[Store], T | Portions[T]],
        done: Callable[[T], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
        *,
        step: Step | None = None,
        of_disk: bool = False,
    ) -> None:
        """Have work done; returns at once. Work that is a generator is one transaction, see `LettingIn`.

        `step` says what the work is in a form that can be rescued; see `apply`, `undo`, `redo`.
        """
        if self._closing:
            raise ProjectError(f"{self.path.name} is closed.")
        self._count_pending(1)
        self._inbox.put(WriterJob(work, done, failed, step, of_disk=of_disk))

    def look(
        self,
        work: Callable[[Store], T],
        done: Callable[[T], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Have something read after all work so far, by a connection of its own: nothing waits for it."""
        read = partial(self._reading.post, work=work, done=done, failed=failed)
        self.post(lambda store: store.path, read, failed, of_disk=True)

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
        self.post(lambda store: store.history.undo(), done, failed, step="undo")

    def redo(
        self,
        done: Callable[[Edit | None], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Post a redo, safe as `apply` is."""
        self.post(lambda store: store.history.redo(), done, failed, step="redo")

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
            self._assert_room(store)
        except Exception as error:  # whatever it is, `open` raises it on the thread that asked
            self._error = error
            return
        finally:
            self._opened.set()
        with store:
            if not self.read_only:
                store.file.tells_of_away = True
                self._take_up_rescued(store)
            upkeep = Upkeep(store, self._on_damage, self._on_told)
            while (job := self._next(store, upkeep)) is not None:
                self._finish(store, job)
                self._since.forget(upkeep.kept_revision)
                upkeep.worked()
            self._reading.close()
            self._look(store)
            upkeep.last()
        self._let_go(self.trouble)

    def _next(self, store: Store, upkeep: Upkeep) -> WriterJob[Any] | None:
        """The next job; None when it is time to close. Does the upkeep while there is nothing else."""
        while not self._waiting:
            try:
                message = self._inbox.get(timeout=upkeep.seconds_left())
            except queue.Empty:
                if self._look(store):
                    upkeep.idle()
                continue
            if message == "close":
                return None
            if isinstance(message, WriterJob):
                return message
        return self._waiting.popleft()

    def _finish(self, store: Store, job: WriterJob[Any]) -> None:
        """Do a job, however often it takes, and tell its owner."""
        while not (self._given_up and job.step is not None):
            try:
                result = self._attempt(store, job)
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

    def _attempt(self, store: Store, job: WriterJob[T]) -> T:
        """Do a job once. Where it is saved, it is so in the file that is at the project's path."""
        if not self.read_only and (away := self._whether_away(store)):
            self._move(store, away)
        if job.step is None:
            made = job.work(store)
            result: T = self._in_portions(store, made) if isinstance(made, Generator) else made
        elif job.result and store.meta("step") == job.token:
            # the commit that seemed to fail did not
            result = job.result[0]
        else:
            result = self._commit(store, job)
        if store.file.away is not None:
            self._move(store, store.file.away)
        return result

    def _in_portions(self, store: Store, portions: Portions[T]) -> T:
        between = LettingIn(store, self._rescue, tell=self._tell)
        try:
            result = between.do(portions, self._take_short)
        except BaseException:
            # what came in between was taken back too, and is done again before anything else
            taking = TakingUp(self.path, self._rescue, self._on_told, number=len(between.steps()))
            self._waiting.extendleft(reversed(between.again(partial(self._taken_up, taking))))
            raise
        finally:
            self._waiting.extend(between.put_off)
        for step in between.steps():
            self._since.note(store.revision, step)
        between.tell_all()
        if between.steps() and not any(waiting.rescued for waiting in self._waiting):
            self._rescue.discard()
        return result

    def _take_short(self) -> WriterJob[Any] | None:
        """What waits and may come in between; None for nothing."""
        if self._waiting:
            return self._waiting.popleft()
        try:
            message = self._inbox.get_nowait()
        except queue.Empty:
            return None
        if isinstance(message, WriterJob):
            return message
        self._inbox.put(message)
        return None

    def _taken_up(self, taking: TakingUp, step: Step, token: str) -> WriterJob[Any]:
        self._count_pending(1)
        took, refused = partial(taking.took, step), partial(self._refused, taking, step)
        return WriterJob(taking.replay.work(step, token), took, refused, step, token)

    def _commit(self, store: Store, job: WriterJob[T]) -> T:
        if isinstance(job.step, Edit):
            store.securing.secure_before(job.step)
        with store.transaction():
            result: T = job.work(store)
            job.result = [result]
            store.set_meta("step", job.token)
            if job.rescued:
                store.set_meta("rescued", job.rescued)
            revision = store.revision + 1
        assert job.step is not None, "it is a step"
        self._since.note(revision, job.step)
        return result

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

    def _sit_out(self, store: Store, job: WriterJob[Any], error: Exception) -> None:
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
            if isinstance(message, WriterJob):
                self._waiting.append(message)
            else:
                self._inbox.put("close")
                self._last_try = True
                self._given_up = trouble.is_damage(error)
                return

    def _rescue_steps(self, first: WriterJob[Any]) -> bool:
        """Write down, in order, all edits that wait and are not written down; False if that fails too."""
        try:
            for job in (first, *self._waiting):
                if job.step is not None and not job.rescued:
                    job.rescued = self._rescue.append(job.step, job.token)
        except OSError as error:
            logger.warning("Edits of %s could not be rescued: %s", self.path, error)
            return False
        return True

    def _settle(self, job: WriterJob[Any]) -> None:
        """The disk took a job, or there was a better reason than the disk to refuse it."""
        if self._given_up:
            return
        self._say("")
        if job.rescued and not any(waiting.rescued for waiting in self._waiting):
            self._rescue.discard()

    # --- when the path means another file -----------------------------------------------------

    def _look(self, store: Store) -> bool:
        """Whether the project is where it was; else it goes on elsewhere, or it is said why it cannot."""
        if self.read_only or (away := self._whether_away(store)) is None:
            return True
        try:
            self._move(store, away)
        except AwayError as error:
            self._say(trouble.sentence(self.path, error, None))
            return False
        return True

    def _whether_away(self, store: Store) -> AwayError | None:
        try:
            store.file.look()
        except AwayError as away:
            return away
        return store.file.away

    def _move(self, store: Store, away: AwayError) -> None:
        """Go on where nobody replaces it, and say so; raises `away` where that cannot be."""
        target = place_for(away)
        try:
            spoilt = away.change == "written" and not store.file.is_whole()
            source = snapshots.newest_good(self.path) if spoilt else None
            store.file.go_on_at(target, source=source)
        except (LabelerError, OSError, sqlite3.Error) as error:
            logger.warning("%s cannot go on in %s: %s", self.path, target, error)
            raise away from error
        if source is not None and (dropped := self._since.do_again(store)):
            self._rescue.keep_aside(dropped)
        self.path = target
        self._rescue = RescueFile(target)
        self._say("")
        self._on_away(sentence(away, target), target)

    def _take_up_rescued(self, store: Store) -> None:
        """Queue what an earlier session could not write, before anything else."""
        taking = TakingUp(self.path, self._rescue, self._on_told)
        self._waiting.extend(self._taken_up(taking, step, token) for step, token in taking.steps(store))

    def _assert_room(self, store: Store) -> None:
        """Raises `CannotWriteError` where rescued edits cannot be taken up: all reads would wait for them."""
        if self.read_only or not self._rescue.path.exists():
            return
        try:
            store.set_meta("rescued", store.meta("rescued"))
        except Exception as error:
            store.close()
            raise trouble.cannot_take_up(self.path, error, self._rescue.path) from error

    def _refused(self, taking: TakingUp, step: Step, error: Exception) -> None:
        # what the disk does not take at the last try stays in the rescue file
        if not self._given_up:
            taking.refused(step, error)
