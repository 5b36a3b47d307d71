"""Whether devices do real work: a convolution forward and backward by torch, a session by onnxruntime.

Run as a process of its own (`python -m labeler.models.device_trials`), since a broken driver may crash or
hang: whoever starts it waits so long and no longer. It writes its `Trial` records as JSON lines.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import Struct

from labeler import paths


class Trial(Struct, frozen=True):
    """What became of one device."""

    name: str
    seconds: float = 0.0
    """What the work took, the second time."""
    trouble: str = ""
    """Why it cannot be used, in the library's own words; "" where it works."""


def torch_trials() -> list[tuple[str, Callable[[], float]]]:
    """Each device that torch names, with the work to try it by: the CPU first."""
    import torch  # noqa: PLC0415 - in a child only

    names = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        names.append("xpu")
    return [
        *((f"torch {_title(name)}", partial(_convolve, name)) for name in names),
        *((f"torchvision {_title(name)}", partial(_suppress, name)) for name in names if name != "mps"),
    ]


def _title(name: str) -> str:
    import torch  # noqa: PLC0415 - in a child only

    return f"{name} ({torch.cuda.get_device_name(name)})" if name.startswith("cuda") else name


def _convolve(device: str) -> float:
    """Seconds of a convolution of 16 by 32 by 64 by 64 forward and backward, the second time."""
    import torch  # noqa: PLC0415 - in a child only

    seconds = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        image = torch.ones(16, 32, 64, 64, device=device, requires_grad=True)
        layer = torch.nn.Conv2d(32, 32, 3, padding=1).to(device)
        loss = layer(image).square().mean()
        loss.backward()
        if not bool(torch.isfinite(image.grad.sum()).item()):
            raise RuntimeError("a convolution gave no finite gradient")
        seconds = time.perf_counter() - begun
    return seconds


def _suppress(device: str) -> float:
    """Seconds of NMS over three boxes: torchvision's operators must be built for the torch there is."""
    import torch  # noqa: PLC0415 - in a child only
    import torchvision  # noqa: PLC0415 - in a child only

    begun = time.perf_counter()
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 10, 10], [20, 20, 30, 30]], device=device)
    kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.7], device=device), 0.5).tolist()
    if kept != [1, 2]:
        raise RuntimeError(f"NMS of three boxes kept {kept} in place of [1, 2]")
    return time.perf_counter() - begun


def onnx_trials() -> list[tuple[str, Callable[[], float]]]:
    """Each provider of onnxruntime that is built in, with a session of the shipped decoder to try it by."""
    import onnxruntime  # noqa: PLC0415 - in a child only

    return [
        (f"onnxruntime {name.removesuffix('ExecutionProvider')}", partial(_session, name))
        for name in onnxruntime.get_available_providers()
        if name != "AzureExecutionProvider"  # it asks a server, and none is asked
    ]


def _session(provider: str) -> float:
    """Seconds to open the shipped decoder of masks with a provider; raises where another one took over."""
    import onnxruntime  # noqa: PLC0415 - in a child only

    begun = time.perf_counter()
    model = paths.resources() / "models" / "mobilesam" / "decoder.onnx"
    session = onnxruntime.InferenceSession(str(model), providers=[provider])
    if provider not in session.get_providers():
        raise RuntimeError("it is built in, but cannot be used here")
    return time.perf_counter() - begun


def main() -> None:
    """Try them one after another; each is written as soon as it is known."""
    for found in (torch_trials, onnx_trials):
        try:
            trials = found()
        except Exception as error:
            _tell(Trial(found.__name__.partition("_")[0], trouble=_words(error)))
            continue
        for name, work in trials:
            try:
                _tell(Trial(name, seconds=work()))
            except Exception as error:
                _tell(Trial(name, trouble=_words(error)))


def _words(error: Exception) -> str:
    return " ".join(f"{error}".split())[:200] or type(error).__name__


def _tell(trial: Trial) -> None:
    sys.stdout.write(msgspec.json.encode(trial).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
