"""What models are called on the screen: by name, and where names are equal by what tells them apart."""

import re
from collections import Counter
from collections.abc import Sequence

from labeler.core.records import Model

_HASH = re.compile(r"(?=[0-9a-f]*[0-9])[0-9a-f]{8,64}")
"""The beginning of a file's checksum, of which a person learns nothing; one without a digit is a word."""
_SEAM = " + "


def titles(models: Sequence[Model]) -> dict[int, str]:
    """Model id to its title, no two alike, for models in order of first use.

    A name that is there once stands alone. Of several of one name each has its version, where that is
    words; what is alike still, as files are that differ by their checksum, is numbered from the second on.
    """
    names = Counter(model.name for model in models)
    found: dict[int, str] = {}
    taken: set[str] = set()
    for model in models:
        told = _words(model.version) if names[model.name] > 1 else ""
        plain = title = f"{model.name} {told}".strip()
        turn = 1
        while title in taken:
            turn += 1
            title = f"{plain} ({turn})"
        taken.add(title)
        found[model.id] = title
    return found


def full_title(model: Model) -> str:
    """A model's name and version in full, for a tooltip."""
    return f"{model.name}, version {model.version}" if model.version else model.name


def _words(version: str) -> str:
    """What of a version says something: of a run it is a checksum and words."""
    return _SEAM.join(part for part in version.split(_SEAM) if not _HASH.fullmatch(part))
