"""Long work in portions: one transaction, all of it or nothing, and what is short comes in between."""

import uuid
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, Generic, TypeAlias, TypeVar

from labeler.project.keeping import trouble
from labeler.project.keeping.rescue_file import RescueFile, Step
from labeler.project.store import Store

T = TypeVar("T")
Portions: TypeAlias = Generator[None, None, T]
"""Work that lets other work in whenever it yields, and returns what it gives."""


class WriterJob(Generic[T]):
    """A piece of work in the queue of a writer."""

    def __init__(
        self,
        work: Callable[[Store], Any],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
        step: Step | None,
        rescued: str = "",
        *,
        of_disk: bool = False,
    ) -> None:
        self.work = work
        self.done = done
        self.failed = failed
        self.step = step
        self.token = uuid.uuid4().hex if step is not None else ""
        """What the project notes with a step, so that a commit which only seemed to fail is known."""
        self.rescued = rescued
        """Its token in the rescue file; "" while it is only in memory."""
        self.of_disk = of_disk
        """Whether it is about what is on disk, and not about what is done so far."""
        self.result: list[T] = []
        """What the last try gave, whether it reached the disk or not."""


class LettingIn:
    """Long work, and what came in between its portions: part of its transaction, and safe without it.

    A step of the person is in the rescue file before it is told as saved. So where the long work is
    stopped, fails, or the process is killed, what it wrote is gone as a whole, and the steps are done
    again from there. Anything else that wrote is told when all of it is on disk.
    """

    def __init__(self, store: Store, rescue: RescueFile, *, tell: Callable[..., None]) -> None:
        self._store = store
        self._rescue = rescue
        self._tell = tell
        self.came: list[WriterJob[Any]] = []
        """What has written in between, in order."""
        self.put_off: list[WriterJob[Any]] = []
        """Other long work, and what reads from the disk: it comes after this."""

    def do(self, portions: Portions[T], take: Callable[[], WriterJob[Any] | None]) -> T:
        """All portions, as one transaction; `take` gives what waits, None for nothing.

        Raises what they raise; after that `came` has what is to be done again, as it was taken back too.
        """
        with closing(portions), self._store.transaction():
            while True:
                try:
                    next(portions)
                except StopIteration as end:
                    result: T = end.value
                    return result
                while (job := take()) is not None:
                    self._let_in(job)

    def tell_all(self) -> None:
        """All of it is on disk: tell what waited to be told."""
        for job in self.came:
            if job.step is None:
                self._tell(job.done, job.result[0])

    def _let_in(self, job: WriterJob[Any]) -> None:
        if job.of_disk:
            self.put_off.append(job)
            return
        db = self._store.file.db
        before = db.total_changes
        db.execute("SAVEPOINT let_in")
        try:
            result = job.work(self._store)
            if isinstance(result, Generator):
                result.close()  # it has not begun
                self.put_off.append(job)
                self._store.file.db.execute("RELEASE let_in")
                return
            if job.step is not None:
                self._store.set_meta("step", job.token)
                job.rescued = job.rescued or self._rescue.append(job.step, job.token)
                self._store.set_meta("rescued", job.rescued)
        except Exception as error:
            if not db.in_transaction or trouble.reason(error) or isinstance(error, OSError):
                # the disk: all is off, and this is done when it takes something again
                self.came.append(job)
                raise
            db.execute("ROLLBACK TO let_in")
            db.execute("RELEASE let_in")
            self._tell(job.failed, trouble.told(self._store.path, error))
            return
        wrote = db.total_changes != before
        if wrote:
            # whoever compares sees that the project has gone on
            db.execute("UPDATE meta SET value = value + 1 WHERE key = 'revision'")
            self.came.append(job)
        db.execute("RELEASE let_in")
        job.result = [result]
        if job.step is not None or not wrote:
            self._tell(job.done, result)

    def steps(self) -> list[Step]:
        """What the person did and was told as saved, in order."""
        return [job.step for job in self.came if job.step is not None and job.result]

    def again(self, taken_up: Callable[[Step, str], WriterJob[Any]]) -> list[WriterJob[Any]]:
        """What is to be done again, in order; `taken_up` makes that of a step that was told as saved."""
        return [
            taken_up(job.step, job.rescued) if job.step is not None and job.result else job
            for job in self.came
        ]
