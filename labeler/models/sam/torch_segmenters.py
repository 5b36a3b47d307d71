"""What models that run on torch have in common: threads, interruption, and the order of masks."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labeler.core.records import Mask, Prompt, Proposal
from labeler.models import devices
from labeler.models.protocols import Interrupt, InterruptedWorkError
from labeler.models.threads import all_threads

PromptKind: TypeAlias = Literal["point", "box"]
SINGLE = 0
"""Which of the decoder's four masks is the single one; 1 to 3 are the candidates."""


def to_numpy(tensor: Any) -> NDArray[np.float32]:
    """A tensor as a float32 array of its shape, from whichever device and of whichever precision."""
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array


@contextmanager
def running(
    threads: int = 0, *, layers: Iterable[Any] = (), interrupt: Interrupt | None = None
) -> Iterator[None]:
    """Run torch inside without gradients on `threads` CPU threads (0: all).

    Once `interrupt` is set, the next of the modules `layers` that this thread enters ends the work.
    Raises InterruptedWorkError then, and MemoryError where the GPU's memory is too small.
    """
    import torch  # noqa: PLC0415  # heavy: in a child only

    thread = threading.get_ident()

    def stop_when_called_off(*_: object) -> None:
        if interrupt is not None and interrupt.is_set() and threading.get_ident() == thread:
            raise InterruptedWorkError("The image's encoding was called off.")

    torch.set_num_threads(threads or all_threads())
    with ExitStack() as stack:
        if interrupt is not None:
            for layer in layers:
                stack.callback(layer.register_forward_pre_hook(stop_when_called_off).remove)
        stack.enter_context(devices.inference())
        yield


def kind_of(prompt: Prompt) -> PromptKind:
    """What a prompt begins with."""
    return "point" if prompt.box is None else "box"


def is_lone(prompt: Prompt) -> bool:
    """Whether it is one point and nothing else, which may mean part, object or whole."""
    return len(prompt.points) == 1 and prompt.box is None and prompt.previous is None


def order_of(predicted: NDArray[np.float32], *, lone: bool) -> list[int]:
    """Which of four masks come first, by their predicted IoUs (4,), the single one being the first of them.

    For a lone point the three candidates, best first; else the single mask, which SAM was trained to give
    where the prompt says what is meant, and the two best candidates.
    """
    candidates = [int(index) + 1 for index in np.argsort(-predicted[1:], kind="stable")]
    return candidates if lone else [SINGLE, *candidates[:2]]


def proposals_of(
    logits: NDArray[np.float32],
    predicted: NDArray[np.float32],
    order: Iterable[int],
    mask: Callable[[int], Mask],
) -> tuple[Proposal, ...]:
    """The masks `order` names, as proposals, of logits (N, h, w) with their predicted IoUs (N,)."""
    return tuple(
        Proposal(mask(index), float(np.clip(predicted[index], 0.0, 1.0)), logits[index].copy())
        for index in order
    )
