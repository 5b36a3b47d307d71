"""A progress bar on stderr, for a person at a terminal; quiet elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_WIDTH = 30
_PERIOD = 0.1


class ProgressLine:
    """`with Progress("Images", total=100) as progress:` and `progress.advance()` after each.

    `shown` writes a number of what is counted, "3 MB" say; `begun_at` were done before it began.
    """

    def __init__(
        self, title: str, *, total: int, shown: Callable[[int], str] = str, begun_at: int = 0
    ) -> None:
        self._title = title
        self._total = max(total, 1)
        self._done = self._begun_at = begun_at
        self._words = shown
        self._shown = 0.0
        self._begun = time.monotonic()
        self._is_wanted = sys.stderr.isatty()

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_wanted:
            self._show()
            print(file=sys.stderr)

    def advance(self, by: int = 1) -> None:
        """One more is done, or several."""
        self._done += by
        if time.monotonic() - self._shown > _PERIOD:
            self._show()

    def reach(self, done: int, total: int) -> None:
        """So many are done, of a number that was not known when it began."""
        self._total = max(total, 1)
        self.advance(done - self._done)

    def _show(self) -> None:
        if not self._is_wanted:
            return
        self._shown = time.monotonic()
        part = self._done / self._total
        bar = "#" * round(part * _WIDTH)
        line = f"{self._title} [{bar:<{_WIDTH}}] {self._words(self._done)}/{self._words(self._total)}"
        if done := self._done - self._begun_at:
            left = (self._shown - self._begun) * (self._total - self._done) / done
            line += f", {left:.0f} s left"
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)
