"""The snapshots of an open project that its own work asks for."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from labeler.core.records import Edit
from labeler.errors import ProjectError
from labeler.project.keeping import copying
from labeler.project.open_file import OpenFile

BULK = 1000
"""From so many changes on, an edit is preceded by a snapshot."""

logger = logging.getLogger(__name__)


class Securing:
    """The snapshots of an open project; `Store.securing` gives it."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self.keep_pinned: Callable[[copying.Pinned], object] = self._keep_now
        """What makes a snapshot of a moment before a bulk edit; who has another thread for it sets this."""

    def snapshot(self, folder: Path | None = None) -> Path:
        """A checked copy of the project, in its folder for snapshots if no other is named; gives its path."""
        return copying.take(self._file.path, folder=folder, midway=self.midway)

    def secure(self) -> Path | None:
        """A snapshot if there was a write since the newest one, as before an import; gives its path."""
        return copying.secure(self._file.path, midway=self.midway)

    def secure_before(self, edit: Edit) -> None:
        """A bulk edit can be undone; the snapshot is for the case that it shows a fault of ours."""
        if len(edit.changes) < BULK or self._file.read_only or self._file.db.in_transaction:
            return
        path = self._file.path
        try:
            pinned = copying.Pinned(path)
            self.keep_pinned(pinned)
        except (ProjectError, OSError, sqlite3.Error) as error:
            logger.warning("No snapshot of %s could be made before “%s”: %s", path, edit.label, error)

    def midway(self) -> None:
        """A snapshot is written but not yet published; on whichever thread takes it."""
        self._file.probe("mid snapshot")

    def _keep_now(self, pinned: copying.Pinned) -> None:
        with closing(pinned):
            if not copying.is_kept(pinned):
                copying.keep(pinned, midway=self.midway)
