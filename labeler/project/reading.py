"""What only reads an open project: on a thread and connections of its own, so that no edit waits for it."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from labeler.project.keeping import trouble
from labeler.project.open_file import OpenFile
from labeler.project.store import Store

T = TypeVar("T")
logger = logging.getLogger(__name__)

_STEPS = 50_000
"""So many steps of SQLite's machine, about a millisecond, between two looks at whether it is closed."""


class Reading:
    """Reads beside the writer of a project, one thing after the other, each from one moment of the file.

    A connection is open only while something is read: one that stays would keep side files in use that the
    writer has to let go of when somebody takes them away.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"reader of {name}")
        self._closed = False

    def post(
        self,
        path: Path,
        work: Callable[[Store], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Have something read that is on disk by now; `done` or `failed` is called on the reader's thread."""
        if not self._closed:
            self._thread.submit(self._read, path, work, done, failed)

    def close(self) -> None:
        """Stop what is being read, which fails, and forget what waits."""
        self._closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _read(
        self,
        path: Path,
        work: Callable[[Store], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> None:
        try:
            with closing(Store(OpenFile.beside(path))) as store:
                # SQLite's interrupt would miss what begins a moment after it
                store.file.db.set_progress_handler(lambda: self._closed, _STEPS)
                store.file.db.execute("BEGIN")
                _ = store.revision  # the moment is that of the first look
                result = work(store)
        except Exception as error:  # told to whoever asked; this thread lives on
            self._tell(failed, trouble.told(path, error))
        else:
            self._tell(done, result)

    def _tell(self, callback: Callable[[T], None], value: T) -> None:
        if self._closed:
            return
        try:
            callback(value)
        except Exception:  # of somebody else
            logger.exception("A callback of a reader failed")
