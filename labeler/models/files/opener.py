"""A model in a file of weights that a person chose: known by its content, checked again when it is loaded."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labeler.errors import ModelError
from labeler.models.files import catalog
from labeler.models.protocols import AnyModel, ModelSpec, Portable, Task, Weights


def opened(
    path: Path,
    load: Callable[[Weights], AnyModel],
    *,
    task: Task,
    title: str = "",
    model_id: str = "",
    categories: Sequence[str] = (),
    licence: str = "",
    needs_suppression: bool = True,
    reads_text: bool = False,
    portable: Callable[[Weights], Portable] | None = None,
) -> ModelSpec:
    """The model in a file, for a `FileSpec.open`; nothing of it is loaded before its `load` is called.

    `load` makes it of the file, which is known to be the same still, and so does `portable`. `title` and
    `model_id` are the file's name unless they are given; a file of the catalogue has its title from there.
    For the others see `ModelSpec`. Raises OSError where
    the file cannot be read.
    """
    weights = hashed(path)

    def checked() -> AnyModel:
        check_unchanged(weights)
        return load(weights)

    def checked_portable() -> Portable:
        assert portable is not None, "asked for only where it is given"
        check_unchanged(weights)
        return portable(weights)

    return ModelSpec(
        id=model_id or path.stem,
        title=title or _title(path, weights.sha256),
        task=task,
        load=checked,
        weights=(weights,),
        categories=tuple(categories),
        licence=licence,
        needs_suppression=needs_suppression,
        reads_text=reads_text,
        version=weights.sha256[:8],
        portable=checked_portable if portable is not None else None,
    )


def _title(path: Path, sha256: str) -> str:
    """What a file's model is called: as the catalogue calls it, where it is that file, else by its name."""
    known = (one for one in catalog.entries() if one.sha256 == sha256 and one.id == path.stem.lower())
    return next((one.title for one in known), path.stem)


def hashed(path: Path) -> Weights:
    """The file as weights known by their content. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return Weights(path.resolve(), hashlib.file_digest(file, "sha256").hexdigest())


def check_unchanged(weights: Weights) -> None:
    """Raises ModelError where a chosen file is gone, or is another one than when it was chosen."""
    try:
        unchanged = hashed(weights.path).sha256 == weights.sha256
    except OSError as error:
        raise ModelError(
            f"The model file “{weights.path}” cannot be read ({error.strerror or error}); choose it again."
        ) from error
    if not unchanged:
        raise ModelError(f"The model file “{weights.path}” has changed since it was chosen; choose it again.")


def guarded(title: str, load: Callable[[], Any]) -> Any:
    """What `load` gives; whatever a library raises for a bad file becomes a ModelError that names it."""
    try:
        return load()
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # libraries raise what they like for a bad file
        raise ModelError(f"“{title}” could not be loaded ({first_line(error)}).") from error


def first_line(error: Exception) -> str:
    """The kind of an error, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
