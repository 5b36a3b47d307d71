"""Shares of an image's sides made pixels, where the photos are at hand, or left as shares where none is.

Formats that write shares do not write the sizes of the photos. Where not one photo is found, an import may
still know them: coordinates that are all from 0 to 1 are scaled by the size of the project's photo, as those
of a COCO file are (`coco.frames`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from labeler.errors import FormatError

UNIT = (1, 1)
FAR = 2.0
"""Numbers beyond this are no shares."""
ROUNDING = 1e-4
"""Shares that a number may lie outside 0 to 1 by rounding, so that nothing is said."""
CUT_OFF = "Reaches over the border of its photo; taken up to there."
NOT_SHARES = "Has numbers that are no shares of the photo's sides (0 to 1); are they pixels?"
NO_PHOTO = (
    "Its photo is not there or cannot be read, and without its size shares are no pixels; give the folder of "
    "the photos (--images)."
)


class BadLineError(ValueError):
    """A line that cannot be taken; the sentence says why."""


def inside(numbers: Sequence[float]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The shares, none outside 0 to 1, and what is to be said of that. BadLineError where they are none."""
    least, most = min(numbers), max(numbers)
    if least >= 0 and most <= 1:
        return tuple(numbers), ()
    if least < -FAR or most > FAR:
        raise BadLineError(NOT_SHARES)
    values = tuple(min(max(number, 0.0), 1.0) for number in numbers)
    return values, (CUT_OFF,) if least < -ROUNDING or most > 1 + ROUNDING else ()


def sizes_of(
    names: Iterable[str], size: Callable[[str], tuple[int, int] | None]
) -> Mapping[str, tuple[int, int]]:
    """The (width, height) of each photo that is found; `UNIT` for all of them where none is."""
    wanted = list(dict.fromkeys(names))
    found = {name: known for name in wanted if (known := size(name))}
    return found or dict.fromkeys(wanted, UNIT)


def real_size(size: tuple[int, int] | None) -> tuple[int, int]:
    """The size as an image's record has it: 0 by 0 where it is not known."""
    return (0, 0) if size is None or size == UNIT else size


def check_scalable(sizes: Mapping[str, tuple[int, int]], numbers: Iterable[float]) -> None:
    """Raises FormatError where shares without any photo could be taken for pixels: all are 0 or 1."""
    if set(sizes.values()) == {UNIT} and all(number in (0, 1) for number in numbers):
        raise FormatError(
            "Not one of the photos is found, so nobody knows their sizes; give their folder (--images)."
        )
