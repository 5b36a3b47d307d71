"""Natural order of names: `img2` before `img10`."""

import re

_DIGITS = re.compile(r"(\d+)")


def natural_key(path: str) -> list[tuple[str, int, str]]:
    """A sort key for POSIX paths: folder by folder, numbers by value, letters whatever their case."""
    key = []
    for part in path.split("/"):
        pieces = _DIGITS.split(part.casefold())
        key += [(pieces[n], int(pieces[n + 1]) if n + 1 < len(pieces) else -1, "") for n in range(0, len(pieces), 2)]
        key.append(("", -2, part))
    return key
