"""What an export has to say of the photos that its labels are for: turned, gone, or not what they were."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.daemons import mapped_aside
from labeler.core.images import read_header
from labeler.core.patience import is_there
from labeler.core.photo_files import digest
from labeler.core.records import Image
from labeler.errors import ImageError

TURNED = (
    "Is turned by its EXIF data: size and shapes are those of the turned photo; what does not turn photos "
    "(PIL, so torchvision's CocoDetection) reads it as it is stored."
)
GONE = "There is no such file."
REPLACED = "Is another photo than the one that was labelled, of the same size."

_WORKERS = 4
"""Looks at once: they wait for the disk, not for the processor."""


class Photo(Struct, frozen=True):
    """An image of the project, with its size where it was not known yet, and what is to be said of it."""

    image: Image
    told: tuple[str, ...] = ()


def looked_at(images: Iterable[Image], root: Path) -> list[Photo]:
    """Each image after a look at its file, in the order given."""
    return mapped_aside(lambda image: _look(image, root / image.path), list(images), workers=_WORKERS)


def _look(image: Image, path: Path) -> Photo:
    try:
        header = read_header(path)
        same = not image.digest or digest(path) == image.digest
    except ImageError as error:
        return Photo(image, (GONE if not is_there(path) else str(error),))
    if not image.width:
        image = replace(image, width=header.width, height=header.height)
    told = []
    if (header.width, header.height) != (image.width, image.height):
        told.append(
            f"The photo has {header.width} by {header.height} pixels now, its labels were made on "
            f"{image.width} by {image.height}: it was scaled or replaced."
        )
    elif not same:
        told.append(REPLACED)
    if header.turn > 1:
        told.append(TURNED)
    return Photo(image, tuple(told))
