"""What an export has to say of the photos that its labels are for: turned, gone, or not what they were."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.photos.images import read_header
from labeler.core.photos.patience import is_there, patiently, said_silent, silent_disk, silent_disks
from labeler.core.photos.photo_files import Fingerprint, fingerprint
from labeler.core.records import Image
from labeler.errors import ImageError

T = TypeVar("T")
R = TypeVar("R")

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


def looked_at(
    images: Iterable[Image], root: Path, known: Mapping[int, Fingerprint] | None = None
) -> list[Photo]:
    """Each image after a look at its file, in the order given; `known` has what their files were, by id."""
    before = known or {}
    photos = _mapped_aside(
        lambda image: _look(image, root / image.path, before.get(image.id)), list(images), workers=_WORKERS
    )
    # which disks are silent is known once all were looked at
    return [_with_disk_named(photo, root) for photo in photos] if silent_disks() else photos


def _with_disk_named(photo: Photo, root: Path) -> Photo:
    disk = silent_disk(root / photo.image.path)
    return replace(photo, told=(f"Nobody has looked at this photo: {said_silent(disk)}",)) if disk else photo


def _is_itself(image: Image, path: Path, known: Fingerprint | None) -> bool:
    """Whether the file is the one that was labelled.

    One of the size and time that it had is taken for that, so that as a rule nothing is read; of another
    the ends are, and all of it only where all of it is known.
    """
    if not image.digest:
        return True
    status = patiently(path, path.stat)
    if known is not None and (status.st_size, status.st_mtime_ns) == (known.size, known.modified):
        return True
    content = known.content if known is not None else ""
    found = fingerprint(path, whole=bool(content))
    return found.digest == image.digest and found.content == content


def _look(image: Image, path: Path, known: Fingerprint | None) -> Photo:
    try:
        header = read_header(path)
        same = _is_itself(image, path, known)
    except ImageError as error:
        return Photo(image, (GONE if not is_there(path) else str(error),))
    except OSError:  # it went between two looks
        return Photo(image, (GONE,))
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


def _mapped_aside(work: Callable[[T], R], items: Sequence[T], *, workers: int) -> list[R]:
    """`work` of each item, in their order, done by some threads; raises the first error that one of them had.

    The end of the program does not wait for these threads, whatever they are reading: a pool of
    `concurrent.futures` would keep it from ending while one of its reads is stuck.
    """
    results: dict[int, R] = {}
    errors: list[BaseException] = []
    waiting = iter(range(len(items)))
    turn = threading.Lock()

    def run() -> None:
        while not errors:
            with turn:
                place = next(waiting, -1)
            if place < 0:
                return
            try:
                results[place] = work(items[place])
            except BaseException as error:  # it is raised where the results are waited for
                errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(workers, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[place] for place in range(len(items))]
