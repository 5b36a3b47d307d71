"""Photos that are there twice: files of two names that links lead to one."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from labeler.core.photos.patience import patiently, resolved
from labeler.errors import ImageError


def doubled(paths: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Each file that is another one by a link, or below one, with that which came first.

    What lies on a disk that does not answer is none.
    """
    folders: dict[Path, Path | None] = {}
    first: dict[Path, Path] = {}
    found: list[tuple[Path, Path]] = []
    for path in dict.fromkeys(paths):
        if path.parent not in folders:
            folders[path.parent] = _real(path.parent)
        folder = folders[path.parent]
        if folder is None:
            continue
        real = resolved(path) if path.is_symlink() else folder / path.name
        if real in first:
            found.append((path, first[real]))
        else:
            first[real] = path
    return found


def said_doubled(found: Sequence[tuple[PurePath, PurePath]]) -> str:
    """One sentence about them, or ""."""
    if not found:
        return ""
    path, other = found[0]
    if len(found) == 1:
        return f"1 photo is there twice by links, “{path}” and “{other}”: each name is an image of its own."
    such = f"such as “{path}” and “{other}”"
    return f"{len(found):,} photos are there twice by links, {such}: each name is an image of its own."


def _real(folder: Path) -> Path | None:
    try:
        return patiently(folder, folder.resolve)
    except (ImageError, OSError, RuntimeError):  # a link in a circle is a RuntimeError before Python 3.13
        return None
