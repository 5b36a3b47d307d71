"""Threads that the end of the program does not wait for, whatever they are reading."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def mapped_aside(work: Callable[[T], R], items: Sequence[T], *, workers: int) -> list[R]:
    """`work` of each item, in their order, done by some threads; raises the first error that one of them had.

    A pool of `concurrent.futures` would keep the program from ending while one of its reads is stuck.
    """
    results: dict[int, R] = {}
    errors: list[BaseException] = []
    waiting = iter(range(len(items)))
    turn = threading.Lock()

    def run() -> None:
        while not errors:
            with turn:
                place = next(waiting, -1)
            if place < 0:
                return
            try:
                results[place] = work(items[place])
            except BaseException as error:  # it is raised where the results are waited for
                errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(workers, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[place] for place in range(len(items))]
