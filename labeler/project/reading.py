"""What only reads an open project: on a thread and connections of its own, so that no edit waits for it."""

import logging
import sqlite3
import threading
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


class Reading:
    """Reads beside the writer of a project, one thing after the other, each from one moment of the file.

    A connection is open only while something is read: one that stays would keep side files in use that the
    writer has to let go of when somebody takes them away.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"reader of {name}")
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
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
        with self._lock:
            self._closed = True
            if self._db is not None:
                self._db.interrupt()
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
                self._note(store.file.db)
                try:
                    store.file.db.execute("BEGIN")
                    _ = store.revision  # the moment is that of the first look
                    result = work(store)
                finally:
                    self._note(None)
        except Exception as error:  # told to whoever asked; this thread lives on
            self._tell(failed, trouble.told(path, error))
        else:
            self._tell(done, result)

    def _note(self, db: sqlite3.Connection | None) -> None:
        with self._lock:
            self._db = db
            if db is not None and self._closed:
                raise sqlite3.OperationalError("interrupted")

    def _tell(self, callback: Callable[[T], None], value: T) -> None:
        if self._closed:
            return
        try:
            callback(value)
        except Exception:  # of somebody else
            logger.exception("A callback of a reader failed")
