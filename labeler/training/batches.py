"""Batches on their way to the device: made ahead on other threads, in memory that GPUs copy from."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

from labeler.training.ordered_map import in_order

__all__ = ["in_order", "moved", "prefetched"]

T = TypeVar("T")

_AHEAD = 3
"""Batches that are made while the device is at work."""

_END = object()


def prefetched(
    batches: Iterable[T], *, ahead: int = _AHEAD, pinned: bool = False
) -> Generator[T, None, None]:
    """The same batches, made on a thread while the caller is busy; `pinned` in memory that GPUs copy from.

    Whatever making one raises is raised here. Close it to end the thread.
    """
    source = iter(batches)

    def one() -> Any:
        batch = next(source, _END)
        return _pinned(batch) if pinned and batch is not _END else batch

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting = deque(pool.submit(one) for _ in range(ahead))
        try:
            while (batch := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(one))
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def _pinned(batch: Any) -> Any:
    return _each_tensor(batch, lambda tensor: tensor.pin_memory())


def moved(batch: Any, where: torch.device, *, layout: torch.memory_format = torch.preserve_format) -> Any:
    """A batch's tensors on a device, in the same nesting; what is no tensor stays as it is.

    `layout` is that of tensors of four axes, the images.
    """

    def one(tensor: Tensor) -> Tensor:
        laid = layout if tensor.ndim == 4 else torch.preserve_format
        # only pinned memory may be left to itself while it is copied
        return tensor.to(where, non_blocking=where.type == "cuda", memory_format=laid)

    return _each_tensor(batch, one)


def _each_tensor(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {name: _each_tensor(value, change) for name, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(_each_tensor(value, change) for value in batch)
    return batch
