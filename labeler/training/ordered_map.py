"""Work on many items by several threads, its results in the items' order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    load: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int
) -> Generator[R, None, None]:
    """`load(item)` for each item in order, made by so many threads, `ahead` of them before they are wanted.

    For decoding and augmenting, where most of the time is spent outside of Python. With one worker or none
    it is done where it is asked for. Whatever `load` raises is raised here; close it to end the threads.
    """
    if workers <= 1:
        yield from map(load, items)
        return
    remaining = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="images") as pool:
        waiting = deque(pool.submit(load, item) for item in islice(remaining, max(ahead, workers)))
        try:
            while waiting:
                loaded = waiting.popleft().result()
                waiting.extend(pool.submit(load, item) for item in islice(remaining, 1))
                yield loaded
        finally:
            for future in waiting:
                future.cancel()
