"""Natural order of names: `img2` before `img10`."""

import re

# no name is so long that int() would balk
_DIGITS = re.compile(r"([0-9]{1,18})")


def natural_key(path: str) -> list[tuple[str, int, str]]:
    """A sort key for POSIX paths: folder by folder, numbers by value, letters whatever their case."""
    key = []
    for part in path.split("/"):
        pieces = _DIGITS.split(part.casefold())
        words, numbers = pieces[::2], [*map(int, pieces[1::2]), -1]
        key += [(word, number, "") for word, number in zip(words, numbers, strict=True)]
        key.append(("", -2, part))
    return key
