"""The twenty category colours.

Chosen greedily so that each is as far as possible from those before it, in CIE Lab and in Lab as seen
with protan-, deuter- and tritanopia (Machado, Oliveira and Fernandes 2009, severity 1), with lightness
50 to 86 so that all stand out on dark and on bright photos. The smallest distance of two is 10 Delta E.
"""

from collections import Counter
from collections.abc import Iterable

CATEGORY_COLORS = (
    "#4bc3ff", "#ff5a1e", "#b4e169", "#d23cb4", "#e1d22d",
    "#3c874b", "#ffa596", "#964bff", "#1ef0b4", "#f01e3c",
    "#8787ff", "#96a55a", "#ff78f0", "#69c33c", "#c36987",
    "#b44bd2", "#f06978", "#d296d2", "#69873c", "#9687d2",
)  # fmt: skip


def next_color(used: Iterable[str]) -> str:
    """The first category colour that is used least, as "#rrggbb"."""
    taken = [color.lower() for color in used]
    return min(CATEGORY_COLORS, key=taken.count)


class Palette:
    """Gives one colour after another as `next_color` would, without counting all of them again each time."""

    def __init__(self, used: Iterable[str] = ()) -> None:
        counts = Counter(color.lower() for color in used)
        self._counts = {color: counts[color] for color in CATEGORY_COLORS}
        self._others = set(counts) - set(CATEGORY_COLORS)

    def take(self, color: str) -> bool:
        """Use a colour if nothing has it; says whether it was free."""
        color = color.lower()
        if color in self._others or self._counts.get(color):
            return False
        if color in self._counts:
            self._counts[color] = 1
        else:
            self._others.add(color)
        return True

    def next(self) -> str:
        """The first category colour that is used least, which is then used once more."""
        color = min(CATEGORY_COLORS, key=self._counts.__getitem__)
        self._counts[color] += 1
        return color


def next_key(used: Iterable[str]) -> str:
    """The first free category key of "1" to "9" and "0"; "" when all are taken."""
    taken = set(used)
    return next((key for key in "1234567890" if key not in taken), "")


def rgb(color: str) -> tuple[int, int, int]:
    """A colour "#rrggbb" as red, green, blue in 0..255."""
    value = int(color.removeprefix("#"), 16)
    return value >> 16, value >> 8 & 255, value & 255
