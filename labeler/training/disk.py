"""What a file of a run that could not be written or read says to a person: what it is, and what helps."""

import errno
from pathlib import Path

from labeler.errors import LabelerError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def remedy(error: OSError) -> str:
    """What a person can do about it, as the end of a sentence: room is only asked for where it is missing."""
    if error.errno in _FULL:
        return "make room on that disk"
    if error.errno in _FORBIDDEN:
        return "let Labeler write there"
    return "see that this disk and folder are there and sound"


def reason(error: OSError) -> str:
    """What the system says, and of which file where it names one."""
    said = error.strerror or str(error) or type(error).__name__
    return f"{said}: {error.filename}" if error.filename and error.strerror else said


def unwritable(path: Path, error: OSError) -> LabelerError:
    """The sentence for a file of a run that could not be written."""
    said = error.strerror or error
    return LabelerError(f"{path} cannot be written ({said}): {remedy(error)}, then resume the run.")
