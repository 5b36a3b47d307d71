"""Where things are: shipped files beside the package, and the user's own folders."""

import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import PlatformDirs

_PACKAGE = Path(__file__).resolve().parent
_DIRS = PlatformDirs("labeler", appauthor=False)

_TRIED = 8192
"""A full disk still takes an empty file."""
CACHE_LIMIT_VARIABLE = "LABELER_CACHE_GB"
"""The bound of the embedding cache in gigabytes, where another than the default is wanted."""


def _shipped(name: str) -> Path:
    """A top-level folder of the project: inside the package in a wheel, beside it in a checkout."""
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


def resources() -> Path:
    """Icons, fonts, help pages and the embedded model."""
    return _shipped("resources")


def shipped_plugins() -> Path:
    """The plugins that come with the app."""
    return _shipped("plugins")


@cache
def _made(path: Path) -> Path:
    # whoever writes there is told what is wrong by the write itself, and `unwritable` says it once for all
    with suppress(OSError):
        path.mkdir(parents=True, exist_ok=True)
    return path


def unwritable() -> str:
    """One sentence that names those of the user's own folders that take no files; "" where all do."""
    lacking: list[tuple[Path, str]] = []
    for folder in dict.fromkeys((data_dir(), config_dir(), cache_dir(), log_dir())):
        try:
            with tempfile.TemporaryFile(dir=folder, prefix=".labeler-") as file:
                file.write(bytes(_TRIED))
                file.flush()
        except OSError as error:
            lacking.append((folder, error.strerror or str(error)))
    if not lacking:
        return ""
    named = ", ".join(str(folder) for folder, _ in lacking)
    reasons = ", ".join(dict.fromkeys(reason.lower() for _, reason in lacking))
    return (
        f"Labeler cannot write to {named} ({reasons}), so what it keeps there (settings, models, copies, "
        "logs) is not kept: make room there, or let it write there."
    )


def data_dir() -> Path:
    """Projects of read-only folders, the user's plugins and models; `LABELER_DATA_DIR` overrides."""
    return _made(Path(os.environ.get("LABELER_DATA_DIR") or _DIRS.user_data_path))


def cache_dir() -> Path:
    """What can be made again: embeddings, thumbnails; `LABELER_CACHE_DIR` overrides."""
    return _made(Path(os.environ.get("LABELER_CACHE_DIR") or _DIRS.user_cache_path))


def config_dir(*, make: bool = True) -> Path:
    """Settings; `LABELER_CONFIG_DIR` overrides. Without `make` the disk is not asked for anything."""
    path = Path(os.environ.get("LABELER_CONFIG_DIR") or _DIRS.user_config_path)
    return _made(path) if make else path


def log_dir() -> Path:
    """Log files; `LABELER_LOG_DIR` overrides."""
    return _made(Path(os.environ.get("LABELER_LOG_DIR") or _DIRS.user_log_path))
