"""What is done for a project while nobody asks anything of it, none of it in the way of what is asked."""

import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from labeler.errors import LabelerError
from labeler.project.keeping import copying, snapshots
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.keeping.whereabouts import AwayError
from labeler.project.store import Store

IDLE_SECONDS = 0.5
LOOK_SECONDS = 2.0
"""How often the writer looks whether the project is still where it was."""
SNAPSHOT_SECONDS = 300.0
CLOSING_SECONDS = 5.0
"""How long closing waits for a last snapshot; one that takes longer is made at the next opening."""

logger = logging.getLogger(__name__)


class Upkeep:
    """Checkpoints when work pauses; snapshots after opening, every five minutes of work, and at the end.

    Its methods belong to the writer's thread. Snapshots are taken on one of their own, which the writer
    waits for only in `last`, and there not for long.
    """

    def __init__(
        self,
        store: Store,
        on_damage: Callable[[DamagedProjectError], None],
        on_told: Callable[[str], None] = logger.info,
    ) -> None:
        self._store = store
        self._on_told: Callable[[str], None] | None = on_told
        """Whom to tell that the disk holds few snapshots; None once it was said."""
        self._on_damage = on_damage
        self._paused = False
        self._news = 1
        """Counts up with work; what a snapshot has is `_secured`."""
        self._secured = 0
        self.kept_revision = -1
        """The revision of the newest snapshot that was made here."""
        self._next_snapshot = time.monotonic()
        self._until: float | None = None
        """When whoever closes stops waiting."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"snapshots of {store.path.name}")
        self._copy: Future[bool] | None = None
        store.securing.keep_pinned = self._keep_pinned

    def seconds_left(self) -> float | None:
        """How long to wait for work before `idle` should be called; None for as long as it takes."""
        if self._store.read_only:
            return None
        if not self._paused:
            return IDLE_SECONDS
        if self._news == self._secured:
            return LOOK_SECONDS
        return min(max(self._next_snapshot - time.monotonic(), 0.0), LOOK_SECONDS)

    def worked(self) -> None:
        """Work was done just now."""
        self._paused = False
        self._news += 1

    def idle(self) -> None:
        """Work has paused."""
        if not self._paused:
            self._try("checkpoint", self._store.file.checkpoint)
            self._paused = True
        if self._news != self._secured and time.monotonic() >= self._next_snapshot:
            if self._copy is None or self._copy.done():
                self._copy = self._thread.submit(self._secure, self._news)
            self._next_snapshot = time.monotonic() + SNAPSHOT_SECONDS

    def last(self) -> None:
        """The project is about to be closed."""
        self._until = time.monotonic() + CLOSING_SECONDS
        if not self._store.read_only:
            self._thread.submit(self._secure, self._news)
        self._thread.shutdown(wait=True)
        if not self._store.read_only:
            self._try("checkpoint", self._store.file.checkpoint)

    # --- on the thread of snapshots -----------------------------------------------------------

    def _secure(self, news: int) -> bool:
        made = self._try("snapshot", self._take)
        if made:
            self._secured = news
        return made

    def _take(self) -> None:
        path = self._store.path
        copying.secure(path, midway=self._store.securing.midway, stop=self._must_stop, tell=self._tell)
        self.kept_revision = max(map(snapshots.revision, snapshots.listed(path)[:1]), default=-1)

    def _tell(self, sentence: str) -> None:
        if self._on_told is not None:
            self._on_told(sentence)
            self._on_told = None

    def _keep_pinned(self, pinned: copying.Pinned) -> None:
        """From the writer's thread: keep what was before a bulk edit, while that goes on."""
        self._thread.submit(self._try, "snapshot", lambda: self._keep(pinned))

    def _keep(self, pinned: copying.Pinned) -> None:
        with closing(pinned):
            if not copying.is_kept(pinned):
                copying.keep(pinned, midway=self._store.securing.midway, stop=self._must_stop)

    def _must_stop(self) -> bool:
        return self._until is not None and time.monotonic() > self._until

    def _try(self, what: str, upkeep: Callable[[], object]) -> bool:
        """Whether it worked. The labels are safe without it, so a failure is only noted."""
        try:
            upkeep()
        except (copying.CopyStoppedError, AwayError) as error:
            # the one is made at the next opening, the other the writer sees to
            logger.info("%s", error)
            return False
        except DamagedProjectError as error:
            logger.warning("%s", error)
            self._on_damage(error)
            return False
        except (LabelerError, OSError, sqlite3.Error) as error:
            level = logging.WARNING if self._store.file.is_at_its_path else logging.INFO
            logger.log(level, "No %s of %s could be made: %s", what, self._store.path, error)
            return False
        return True
