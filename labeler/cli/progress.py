"""A progress bar on stderr, for a person at a terminal; quiet elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

_WIDTH = 30
_PERIOD = 0.1


class Progress:
    """`with Progress("Images", total=100) as progress:` and `progress.advance()` after each."""

    def __init__(self, title: str, *, total: int) -> None:
        self._title = title
        self._total = max(total, 1)
        self._done = 0
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

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if time.monotonic() - self._shown > _PERIOD:
            self._show()

    def _show(self) -> None:
        if not self._is_wanted:
            return
        self._shown = time.monotonic()
        part = self._done / self._total
        bar = "#" * round(part * _WIDTH)
        left = f", {(self._shown - self._begun) * (1 / part - 1):.0f} s left" if self._done else ""
        line = f"{self._title} [{bar:<{_WIDTH}}] {self._done}/{self._total}{left}"
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)
