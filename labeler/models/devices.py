"""The device that torch runs and trains on, why it is that one, and what it has left: decided here only.

Torch is imported inside functions, in a child. `has_gpu` needs none, so that a start can do without.
"""

from __future__ import annotations

import ctypes.util
import gc
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labeler.models.threads import all_threads

if TYPE_CHECKING:
    import torch

# torch reads it when it is imported: what Apple's GPU cannot do yet, the CPU does instead of failing
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")


CPU_ONLY = "This model runs on the CPU, whatever else there is."


def chosen() -> torch.device:
    """The GPU that torch can use, NVIDIA's ("cuda") or Apple's ("mps"); else the CPU."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() and _apple_works() else "cpu")


def reason(where: torch.device) -> str:
    """One sentence on why a model runs there."""
    if where.type != "cpu":
        return "Torch can use this GPU."
    return CPU_ONLY if chosen().type != "cpu" else _why_no_gpu()


def _why_no_gpu() -> str:
    import torch  # noqa: PLC0415  # heavy: in a child only

    if torch.backends.mps.is_available():
        return "Apple's GPU failed a trial, so the CPU is used; update macOS or torch."
    if not has_gpu():
        return "There is no GPU that torch could use."
    if sys.platform == "darwin":
        return "There is a GPU by Apple, but torch cannot use it; update macOS."
    if torch.version.cuda is None:
        return "There is a GPU by NVIDIA, but the torch that is installed was built without CUDA."
    return "There is a GPU by NVIDIA, but torch cannot use it; update its driver."


def name_of(where: torch.device, *, threads: int = 0) -> str:
    """As a person knows it: "NVIDIA H100", "Apple GPU" or "CPU · 2 threads"; `threads` 0 for torch's own."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    if where.type == "cuda":
        return str(torch.cuda.get_device_name(where))
    return "Apple GPU" if where.type == "mps" else cpu_name(threads or torch.get_num_threads())


def cpu_name(threads: int = 0) -> str:
    """The CPU with its threads, "CPU · 2 threads"; 0 for as many as a model may use. Needs no torch."""
    threads = threads or all_threads()
    return f"CPU · {threads} thread{'s' if threads != 1 else ''}"


def has_gpu() -> bool:
    """Whether there is a GPU that torch might use, as the system says; found without importing torch.

    A driver of NVIDIA's alone is none: it is installed on many machines that have no such card, or hide it.
    """
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    name = ctypes.util.find_library("nvcuda" if sys.platform == "win32" else "cuda")
    if name is None:
        return False
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL(name)
        works = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        return False
    return works and count.value > 0


def image_layout(where: torch.device) -> torch.memory_format:
    """How the axes of images lie in memory: channels last, which is faster in convolutions.

    Not on Apple's GPU, where some layers give wrong values for it (pytorch/pytorch#174345).
    """
    import torch  # noqa: PLC0415  # heavy: in a child only

    return torch.preserve_format if where.type == "mps" else torch.channels_last


def short_float(where: torch.device) -> torch.dtype | None:
    """What mixed precision computes in; None where that is not faster than float32.

    On a GPU by NVIDIA bfloat16 where it has it, else float16, which needs its gradients scaled. On a CPU
    bfloat16 where its units for it are faster: AMX, or AVX512-BF16 of AMD. Emulated it is slower, and so it
    is on Intel's AVX512-BF16 alone, which multiplies no faster than in float32: on a Xeon without AMX a
    step of a U-Net, 4 tiles of 256 x 256 on one thread, took 1.27 s against 0.99 s, both channels last.
    """
    import torch  # noqa: PLC0415  # heavy: in a child only

    if where.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if where.type == "mps":
        return None
    able = torch.cpu.get_capabilities()
    is_fast = able.get("amx_bf16") or (
        able.get("avx512_bf16") and "intel" not in str(able.get("cpu_name", "")).lower()
    )
    return torch.bfloat16 if is_fast else None


def memory_left(where: torch.device) -> int:
    """Bytes of its memory that can be had."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    if where.type == "cuda":
        return int(torch.cuda.mem_get_info(where)[0])
    if where.type == "mps":
        return max(0, int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory()))
    import psutil  # noqa: PLC0415 - the window, which imports this module, need not pay for it

    return int(psutil.virtual_memory().available)


def memory_used(where: torch.device) -> int:
    """Bytes: the peak on NVIDIA's GPU, what Apple's holds now, else what this process has resident."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    if where.type == "cuda":
        return int(torch.cuda.max_memory_allocated(where))
    if where.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    import psutil  # noqa: PLC0415 - as above

    return int(psutil.Process().memory_info().rss)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that the memory of the GPU or the machine ran out."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    told = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(words in said for words in told)


@contextmanager
def inference() -> Iterator[None]:
    """Run torch inside without gradients. Raises MemoryError where the device's memory is too small."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    with torch.inference_mode():
        try:
            yield
        except RuntimeError as error:  # what torch raises for the memory of a GPU is one of these
            if is_out_of_memory(error):
                raise MemoryError from error
            raise


def give_memory_back() -> None:
    """Let go of what nobody holds any more."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _apple_works() -> bool:
    """Whether Apple's GPU computes a small convolution, and right: old systems offer one that cannot."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    try:
        image, kernel = torch.ones(1, 3, 8, 8).to("mps"), torch.ones(2, 3, 3, 3).to("mps")
        found = torch.nn.functional.conv2d(image, kernel).cpu()
    except (RuntimeError, AssertionError):
        return False
    return bool((found == 27).all())
