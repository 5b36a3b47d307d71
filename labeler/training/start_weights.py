"""The file of weights that a training starts from: the chosen one, or one that is at hand."""

from collections.abc import Callable
from pathlib import Path

from labeler.errors import LabelerError
from labeler.models.files import weights
from labeler.training.run import RunFolder


def starting_file(choice: str, *, fits: Callable[[Path], bool], kind: str, first: str = "") -> Path | None:
    """The file that `choice` means: a path, a run's folder, or a name in the folder of weights.

    For "" the installed file of the name `first`, else the first installed one that `fits`, else None.
    `kind` says what is wanted, as "a YOLO checkpoint". Raises LabelerError with one sentence where the
    choice is not there or does not fit, or is not the file that belongs there. Reads files.
    """
    if choice:
        path = Path(choice).expanduser()
        if path.is_dir():
            path = RunFolder(path).model
        if not path.is_file():
            found = weights.locate(choice)
            if found is None:
                raise LabelerError(f"There are no weights “{choice}” to start from; choose {kind}.")
            path = weights.verified(found).path
        if not _fits(path, fits):
            raise LabelerError(f"“{path.name}” is not {kind}, so training cannot start from it.")
        return path.resolve()
    at_hand = sorted(weights.installed(), key=lambda one: one.id != first)
    return next((weights.verified(one.path).path for one in at_hand if _fits(one.path, fits)), None)


def _fits(path: Path, fits: Callable[[Path], bool]) -> bool:
    try:
        return fits(path)
    except OSError:
        return False
