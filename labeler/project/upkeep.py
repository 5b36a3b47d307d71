"""What the writer does for a project while nobody asks anything of it."""

import logging
import sqlite3
import time
from collections.abc import Callable

from labeler.errors import LabelerError
from labeler.project.store import Store

IDLE_SECONDS = 0.5
SNAPSHOT_SECONDS = 300.0

logger = logging.getLogger(__name__)


class Upkeep:
    """Checkpoints when work pauses; snapshots after opening, every five minutes of work, and at the end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._paused = False
        self._has_news = True
        """Whether there may be something that no snapshot has."""
        self._next_snapshot = time.monotonic()

    def seconds_left(self) -> float | None:
        """How long to wait for work before `idle` should be called; None for as long as it takes."""
        if self._store.read_only:
            return None
        if not self._paused:
            return IDLE_SECONDS
        return max(self._next_snapshot - time.monotonic(), 0.0) if self._has_news else None

    def worked(self) -> None:
        """Work was done just now."""
        self._paused = False
        self._has_news = True

    def idle(self) -> None:
        """Work has paused."""
        if not self._paused:
            self._try("checkpoint", self._store.checkpoint)
            self._paused = True
        if self._has_news and time.monotonic() >= self._next_snapshot:
            self._has_news = not self._try("snapshot", self._store.secure)
            self._next_snapshot = time.monotonic() + SNAPSHOT_SECONDS

    def last(self) -> None:
        """The project is about to be closed."""
        if not self._store.read_only:
            self._try("snapshot", self._store.secure)
            self._try("checkpoint", self._store.checkpoint)

    def _try(self, what: str, upkeep: Callable[[], object]) -> bool:
        """Whether it worked. The labels are safe without it, so a failure is only noted."""
        try:
            upkeep()
        except (LabelerError, OSError, sqlite3.Error) as error:
            logger.warning("No %s of %s could be made: %s", what, self._store.path, error)
            return False
        return True
