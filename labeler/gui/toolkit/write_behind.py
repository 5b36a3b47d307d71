"""Small files written beside the thread that says what is in them: of each, the newest content counts."""

import logging
import threading
from pathlib import Path

from labeler.core.files import atomic_write

_log = logging.getLogger(__name__)


class WriteBehind:
    """Writes whole files, one after the other, in a thread that lives while there is something to write.

    A slow or a dead disk holds up nobody who calls `put`; what is put meanwhile takes the place of what
    waits. A process that ends in the middle leaves the old file or the new one, never a mixture.
    """

    def __init__(self) -> None:
        self._waiting: dict[Path, bytes] = {}
        self._idle = threading.Condition()
        self._is_running = False

    def put(self, path: Path, data: bytes) -> None:
        """Have `data` become the content of `path`, soon; a failure is only in the log."""
        with self._idle:
            self._waiting[path] = data
            if self._is_running:
                return
            self._is_running = True
        try:
            threading.Thread(target=self._write_all, name="write-behind", daemon=True).start()
        except RuntimeError:  # no thread begins any more while Python ends
            self._write_all()

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until all is written, at most so long; says whether it is."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._is_running, seconds)

    def _write_all(self) -> None:
        while True:
            with self._idle:
                if not self._waiting:
                    self._is_running = False
                    self._idle.notify_all()
                    return
                path = next(iter(self._waiting))
                data = self._waiting.pop(path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, data)
            except OSError as error:
                _log.info("%s is not written: %s", path, error)
