"""Looks at many images on the writer's thread, a few at a time, so that edits are not held up."""

import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from PySide6.QtCore import QObject

from labeler.gui.session.session import Session
from labeler.gui.toolkit.timing import timer
from labeler.project.store import Store

R = TypeVar("R")

_SLICE = 0.03
"""Seconds that one turn takes of the writer's time: what an edit may have to wait."""
_REST_MS = 10


class ImageScan(QObject, Generic[R]):
    """One walk over images; starting another one, or `stop`, gives the present one up."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._turn = 0
        self._left: list[int] = []
        self._total = 0
        self._next = timer(self, self._go_on, milliseconds=_REST_MS)
        self._visit: Callable[[Store, int], R] | None = None
        self._took: Callable[[list[R]], None] | None = None
        self._done: Callable[[], None] | None = None
        session.project_changed.connect(self.stop)

    @property
    def running(self) -> bool:
        """Whether there is something left to look at."""
        return bool(self._total)

    @property
    def progress(self) -> tuple[int, int]:
        """How many images are looked at, of how many."""
        return self._total - len(self._left), self._total

    def start(
        self,
        image_ids: Iterable[int],
        visit: Callable[[Store, int], R],
        *,
        took: Callable[[list[R]], None],
        done: Callable[[], None],
    ) -> None:
        """Have `visit` called for each image, and its results brought in portions; `done` at the end."""
        self.stop()
        self._left = list(image_ids)[::-1]
        self._total = len(self._left)
        self._visit, self._took, self._done = visit, took, done
        self._go_on()

    def stop(self) -> None:
        """Look at no further image, and forget what is on its way."""
        self._turn += 1
        self._next.stop()
        self._left, self._total = [], 0
        self._visit = self._took = self._done = None

    def _go_on(self) -> None:
        turn, waiting, visit, done = self._turn, self._left, self._visit, self._done
        if visit is None or done is None:
            return
        if not waiting:
            self.stop()
            done()
            return

        def work(store: Store) -> tuple[int, list[R]]:
            until = time.perf_counter() + _SLICE
            found: list[R] = []
            while len(found) < len(waiting) and (not found or time.perf_counter() < until):
                found.append(visit(store, waiting[-1 - len(found)]))
            return turn, found

        self._session.ask(work, self._take, aside=True)

    def _take(self, answer: tuple[int, list[R]]) -> None:
        turn, found = answer
        if turn != self._turn or self._took is None:
            return
        del self._left[len(self._left) - len(found) :]
        self._took(found)
        if turn == self._turn:
            self._next.start()
