"""Ultralytics, kept at home: offline, in its safe mode, with all its files in our data folder.

Left to itself it looks names up on the network when it is imported, sends statistics, installs packages
that a checkpoint or an unreadable image asks for, unpickles whatever a checkpoint holds, writes into the
user's configuration and working folder, and replaces functions of Pillow, OpenCV, torch and numpy.
"""

import json
import logging
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

from labeler import paths
from labeler.core.files import atomic_write
from labeler.errors import ModelError
from labeler.models.threads import all_threads

_log = logging.getLogger(__name__)

_SETTINGS_VERSION = "0.0.8"
_OFF = (
    "sync",
    "clearml",
    "comet",
    "dvc",
    "mlflow",
    "raytune",
    "tensorboard",
    "wandb",
    "vscode_msg",
    "openvino_msg",
)
_FONTS = ("Arial.ttf", "Arial.Unicode.ttf")
_LOCK = Lock()
_SIDE = 640
_LARGEST_SIDE = 4096


def home() -> Path:
    """The folder that it takes for its own."""
    return _own_folder(paths.data_dir())


@cache
def _own_folder(data: Path) -> Path:
    folder = data / "ultralytics"
    try:
        (folder / "Ultralytics").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(8192))
    except OSError as error:
        # where the user's folder takes nothing a model can be used all the same
        _log.info("%s takes no files (%s)", folder, error)
        return Path(tempfile.mkdtemp(prefix="labeler-ultralytics-"))
    return folder


def import_ultralytics() -> ModuleType:
    """The package `ultralytics`, made harmless; imports torch too, so in a child process only.

    Raises ModelError where it cannot be imported, or was imported before without its safe mode.
    """
    with _LOCK:
        if "ultralytics" not in sys.modules:
            prepare()
            _import_undoing_patches()
        _assert_safe()
        return sys.modules["ultralytics"]


def prepare() -> None:
    """Set the environment, settings and fonts that it finds when it is imported."""
    folder = home() / "Ultralytics"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        YOLO_OFFLINE="1",
        YOLO_AUTOINSTALL="0",
        YOLO_VERBOSE="0",
        YOLO_CONFIG_DIR=str(home()),
        ULTRALYTICS_SAFE_LOAD="1",
        NO_ALBUMENTATIONS_UPDATE="1",
    )
    os.environ.setdefault("MPLCONFIGDIR", str(home() / "matplotlib"))  # where it lists the fonts it found
    os.environ.setdefault("OMP_NUM_THREADS", str(all_threads()))  # else it says 1
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    _write_settings(folder / "settings.json")
    _copy_fonts(folder)


def load_checkpoint(path: Path) -> Any:
    """The torch module in an ultralytics checkpoint, in float32 and evaluation mode, on the CPU.

    Loaded in its safe mode: weights only, known classes only. Raises what it raises; see `guarded`.
    """
    import_ultralytics()
    from ultralytics.nn.tasks import load_checkpoint as load  # noqa: PLC0415

    if not path.is_file():  # else it would go and look for it on the network
        raise ModelError(f"There is no model file “{path}”; choose it again.")
    model, _ = load(str(path.resolve()))
    return model


def class_names(names: Any) -> list[str]:
    """Class names in the order of their index, from the dict or list of a checkpoint; [] for neither."""
    if isinstance(names, dict):
        return [str(name) for _, name in sorted(names.items())]
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def image_side(size: Any) -> int:
    """The size of images that a model was trained with, as it is used with too; 640 where not known."""
    side = max(size) if isinstance(size, list | tuple) and size else size
    return side if isinstance(side, int) and 32 <= side <= _LARGEST_SIDE else _SIDE


def _write_settings(path: Path) -> None:
    """All its settings, so that it has none to fill in with its own defaults."""
    folders = {
        name: str(home() / name.removesuffix("_dir")) for name in ("datasets_dir", "weights_dir", "runs_dir")
    }
    settings = {
        "settings_version": _SETTINGS_VERSION,
        **folders,
        "uuid": "",
        "api_key": "",
        "openai_api_key": "",
        **dict.fromkeys(_OFF, False),
    }
    data = json.dumps(settings, indent=2).encode()
    if not path.is_file() or path.read_bytes() != data:
        atomic_write(path, data)


def _copy_fonts(folder: Path) -> None:
    """A font under the names that its plots would otherwise fetch from the network."""
    fonts = sorted((paths.resources() / "fonts").glob("*-Regular.otf"))
    for name in _FONTS:
        if fonts and not (folder / name).is_file():
            atomic_write(folder / name, fonts[0].read_bytes())


def _import_undoing_patches() -> None:
    import cv2  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415  # heavy: in a child only
    from PIL import Image  # noqa: PLC0415

    kept = [
        (Image, "open"),
        (torch, "save"),
        (torch, "load"),
        (cv2, "imread"),
        (cv2, "imwrite"),
        (cv2, "imshow"),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name in kept if hasattr(owner, name)]
    threads, printing = cv2.getNumThreads(), np.get_printoptions()
    try:
        import ultralytics.nn.tasks  # noqa: PLC0415, F401
    except Exception as error:  # a half-installed one may raise anything
        raise ModelError(f"Ultralytics could not be imported ({type(error).__name__}: {error}).") from error
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
        cv2.setNumThreads(threads)
        np.set_printoptions(**printing)
    torch.set_num_threads(all_threads())
    _log_through_ours()


def _log_through_ours() -> None:
    """Its log goes where ours goes, and not to stdout."""
    log = logging.getLogger("ultralytics")
    for handler in list(log.handlers):
        log.removeHandler(handler)
    log.propagate = True
    log.setLevel(logging.ERROR)


def _assert_safe() -> None:
    from ultralytics.nn.tasks import _SafeLoad  # noqa: PLC0415
    from ultralytics.utils import AUTOINSTALL, ONLINE, SAFE_LOAD, SETTINGS  # noqa: PLC0415

    if not (SAFE_LOAD and _SafeLoad.SUPPORTED):
        raise ModelError("Ultralytics has no safe way to load models here; install torch 2.13 or later.")
    if ONLINE or AUTOINSTALL or SETTINGS["sync"]:
        raise ModelError("Ultralytics was imported before it could be taken off the network; start again.")
