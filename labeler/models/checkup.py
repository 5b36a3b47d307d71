"""What this machine has for the app, what is slow or missing, and the one thing that mends each."""

import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
import psutil
from msgspec import Struct

from labeler import __version__, paths
from labeler.models.device_trials import Trial
from labeler.models.devices import has_gpu
from labeler.programs import child_command, is_frozen

State: TypeAlias = Literal["good", "slow", "lacking", "bad"]

PATIENCE = 120.0
"""Seconds that the devices have altogether."""
_LIBRARIES = {
    "PySide6": ("pyside6-essentials", "pyside6"),
    "torch": ("torch",),
    "torchvision": ("torchvision",),
    "ultralytics": ("ultralytics-opencv-headless", "ultralytics"),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
    "numpy": ("numpy",),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
}
"""Modules that the app needs, each with the names of the packages that bring it."""
_EXTRAS = {
    "open-vocabulary": ("open_clip", "detectors that are asked in words"),
    "heic": ("pi_heif", "photos of iPhones (HEIC)"),
    "pretrained-encoders": ("segmentation_models_pytorch", "encoders that know something before training"),
}
_QT_NEEDS = {
    "xcb-cursor": "libxcb-cursor0",
    "EGL": "libegl1",
    "GL": "libgl1",
    "xkbcommon": "libxkbcommon0",
    "fontconfig": "libfontconfig1",
}
"""What Qt loads on an X server beside its own files, with the packages of Debian and Ubuntu."""
_LITTLE_MEMORY, _LITTLE_DISK = 2 << 30, 2 << 30
_SLOW_CONVOLUTION = 1.0
"""Seconds: a processor of two cores takes 0.05."""


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    topic: str
    state: State
    said: str
    mend: str = ""
    """What to do, a command where there is one; "" where there is nothing to mend."""


def findings() -> Iterator[Finding]:
    """Everything, in the order in which it is told; devices last, which take some seconds."""
    yield from _versions()
    yield from _machine()
    yield from _folders()
    yield from _screen()
    yield from _extras()
    yield from _devices()


def _versions() -> Iterator[Finding]:
    yield Finding(
        "Labeler", "good", f"{__version__} on Python {platform.python_version()}, {platform.platform()}"
    )
    for module, packages in _LIBRARIES.items():
        if find_spec(module) is None:
            yield Finding(module, "bad", "is not installed", f"pip install {packages[0]}")
        else:
            yield Finding(module, "good", next(filter(None, map(_version, packages)), "installed"))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _machine() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    said = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB are free, {os.cpu_count()} cores"
    if memory.available < _LITTLE_MEMORY:
        yield Finding("Memory", "slow", said, "Close other programs: models need 1 to 2 GB.")
    else:
        yield Finding("Memory", "good", said)


def _folders() -> Iterator[Finding]:
    folders = {
        "Models and projects": paths.data_dir(),
        "Settings": paths.config_dir(),
        "Caches": paths.cache_dir(),
        "Logs": paths.log_dir(),
        "Temporary files": Path(tempfile.gettempdir()),
    }
    for title, folder in folders.items():
        yield _folder(title, folder)
    for name in ("icons", "fonts", "models"):
        if not (paths.resources() / name).is_dir():
            yield Finding("Shipped files", "bad", f"the folder “{name}” is missing", "Install Labeler again.")


def _folder(title: str, folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".labeler-") as file:
            file.write(b"labeler")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        said = f"{folder} takes no files ({error.strerror or error})"
        return Finding(title, "bad", said, f"Make room there, or let it be written to: {folder}")
    said = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _LITTLE_DISK:
        return Finding(title, "slow", said, "Make room: models and caches need some gigabytes.")
    return Finding(title, "good", said)


def _screen() -> Iterator[Finding]:
    if sys.platform != "linux":
        yield Finding("Screen", "good", "the system's own")
        return
    wayland, x11 = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if wayland or x11:
        yield Finding("Screen", "good", f"Wayland ({wayland})" if wayland else f"X11 ({x11})")
    else:
        yield Finding("Screen", "lacking", "there is none; the command line works without")
    if missing := [package for name, package in _QT_NEEDS.items() if not _has_library(name)]:
        said = f"the window needs {', '.join(missing)}"
        yield Finding("Libraries of the window", "bad", said, f"sudo apt-get install {' '.join(missing)}")


def _has_library(name: str) -> bool:
    """Whether the system has a library, or a frozen app brings it along."""
    if ctypes.util.find_library(name) is not None:
        return True
    inside = getattr(sys, "_MEIPASS", None)
    return inside is not None and any(Path(inside).glob(f"lib{name}.so*"))


def _extras() -> Iterator[Finding]:
    for name, (module, gives) in _EXTRAS.items():
        if find_spec(module) is None:
            mend = (
                f"pip install 'labeler[{name}]'"
                if not is_frozen()
                else "It has to be there when the app is built."
            )
            yield Finding(f"Extra {name}", "lacking", f"not installed: {gives}", mend)
        else:
            yield Finding(f"Extra {name}", "good", f"installed: {gives}")


def _devices(run: Callable[[], tuple[list[Trial], str]] | None = None) -> Iterator[Finding]:
    """The devices by real work, in a process that may crash or hang without harm."""
    trials, trouble = (run or _tried)()
    for trial in trials:
        if trial.trouble:
            yield Finding(trial.name, "bad", trial.trouble, _mending(trial.name))
        elif trial.name == "torch cpu" and trial.seconds > _SLOW_CONVOLUTION:
            said = f"works, but slowly: {trial.seconds:.2f} s for what takes 0.05 s on two free cores"
            yield Finding(trial.name, "slow", said, "Look what else keeps the processor busy.")
        else:
            yield Finding(trial.name, "good", f"works, {trial.seconds * 1000:.0f} ms")
    if trouble:
        yield Finding("Devices", "bad", trouble, "Update the driver, or install torch again.")
    if has_gpu() and not any(one.name.startswith(("torch cuda", "torch mps")) for one in trials):
        said = "there is one, but the torch that is installed cannot use it"
        yield Finding(
            "GPU",
            "slow",
            said,
            "Install the torch that is built for it: PyTorch's page “Get started” has the command.",
        )


def _mending(name: str) -> str:
    if name.startswith("onnxruntime"):
        return "The CPU is used instead; update the driver, or install the onnxruntime that is built for it."
    if name.startswith("torchvision"):
        return "Install the torchvision that is built for the torch that is there: pip install -U torchvision"
    return "The CPU is used instead; update the driver."


def _tried() -> tuple[list[Trial], str]:
    """What the trials said, and why not all of them did."""
    command = child_command("labeler.models.device_trials")
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        return _read(error.stdout or b""), f"the next device did not answer within {PATIENCE:.0f} s"
    except OSError as error:
        return [], f"the trial could not be started ({error.strerror or error})"
    return _read(done.stdout), "" if done.returncode == 0 else f"the trial ended with {done.returncode}"


def _read(lines: bytes) -> list[Trial]:
    found = []
    for line in lines.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=Trial))
        except msgspec.DecodeError:
            continue  # a library's own words
    return found
