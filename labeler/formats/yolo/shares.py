"""Shares of an image's sides made pixels, where the photos are at hand, or left as shares where none is.

Formats that write shares do not write the sizes of the photos. Where not one photo is found, an import may
still know them: coordinates that are all from 0 to 1 are scaled by the size of the project's photo, as those
of a COCO file are (`coco.frames`).
"""

from collections.abc import Callable, Iterable, Mapping

from labeler.errors import FormatError

UNIT = (1, 1)
NO_PHOTO = (
    "Its photo is not there or cannot be read, and without its size shares are no pixels; give the folder of "
    "the photos (--images)."
)


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
