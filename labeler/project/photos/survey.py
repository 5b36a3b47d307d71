"""Which photo of the project each file of its folder is, proven by content before anything is written.

A photo that lies where it lay, with the size and time it had, is itself. Any other is told by its content:
one that has moved, or changed names with another, takes its labels with it; one whose place was taken by
another picture is asked about. What is not certain is left as it is and said.
"""

import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.photos.label_pictures import label_pictures
from labeler.core.photos.patience import patiently
from labeler.core.photos.photo_files import PLACEHOLDER, Fingerprint, fingerprint
from labeler.core.records import Image
from labeler.errors import ImageError

MISSING = "missing"
"""The note of an image whose file is not there."""
CHANGED = "another photo than the one that was labelled"
"""The note of an image whose labels were made on another file than the one in its place."""


_Look: TypeAlias = Callable[[str, bool], Fingerprint | None]
"""The fingerprint of the file at a path, of the whole of it or not; None where it cannot be read."""


class Stranger(Struct, frozen=True):
    """An image in whose place there is another file than the one it is known by."""

    image: Image
    found: Fingerprint


class Survey(Struct, frozen=True):
    """What became of the photos of a project."""

    before: dict[int, Image]
    """The images it was made of, by id."""
    moved: tuple[tuple[Image, Fingerprint | None], ...]
    """With their new path and, where the content proved it, what is found there."""
    displaced: tuple[Image, ...]
    """Gone, and another photo of the project lies at their path now."""
    missing: tuple[Image, ...]
    present: tuple[Image, ...]
    """There, and themselves."""
    strangers: tuple[Stranger, ...]
    unsure: tuple[Image, ...]
    """Missing, while several files, or several images, have their content: nobody can tell which is which."""
    fresh: tuple[str, ...]
    """Files that are no image of the project yet."""
    seen: tuple[tuple[int, str, Fingerprint], ...]
    """Fingerprints of images that were told by their content."""


def survey(
    images: Sequence[Image],
    known: Mapping[int, Fingerprint],
    found: Iterable[str],
    root: Path,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> Survey:
    """Look at the files of a project; on any thread, and nothing is written.

    `images` and `known` are what the project has, `found` the paths of all photos below `root`.
    """
    there = dict.fromkeys(found)

    def look(path: str, whole: bool) -> Fingerprint | None:
        try:
            return fingerprint(root / path, whole=whole, should_stop=should_stop)
        except ImageError:
            return None

    own, gone, strangers, seen = _sorted_out(images, known, there, root, look)
    paths = {image.path for image in images}
    masks = {path for inside in label_pictures(there, paths).values() for path in inside}
    fresh = [path for path in there if path not in paths and path not in masks]
    homeless = [image for image in gone if image.digest] + [one.image for one in strangers]
    looks = {one.image.path: one.found for one in strangers}
    if homeless:
        whole = {image.digest for image in homeless if image.id in known and known[image.id].content}
        looks = _looks(looks, fresh, {image.digest: image.digest in whole for image in homeless}, look)
    moved, unsure = _recognised(homeless, looks, known, _shared(images))
    taken = {path for _, path in moved}
    # labels that came from a file and were never opened have no content to be told by
    unseen = [image for image in gone if not image.digest]
    moved += _paired(unseen, [path for path in fresh if path not in taken])
    taken = {path for _, path in moved}
    gone_off = {image.id for image, _ in moved}
    left = [one for one in strangers if one.image.id not in gone_off]
    vacated = [one.image.path for one in strangers if one.image.id in gone_off]
    displaced = [_away(one.image) for one in left if one.image.path in taken]
    away = {image.id for image in displaced}
    return Survey(
        before={image.id: image for image in images},
        moved=tuple((_at(image, path), looks.get(path)) for image, path in moved),
        displaced=tuple(displaced),
        missing=tuple(image for image in gone if image.id not in gone_off),
        present=tuple(own),
        strangers=tuple(one for one in left if one.image.id not in away),
        unsure=tuple(image for image in unsure if image.id not in gone_off),
        fresh=tuple(path for path in (*fresh, *vacated) if path not in taken),
        seen=tuple(seen),
    )


def same_photo(digest: str, known: Fingerprint | None, found: Fingerprint) -> bool:
    """Whether a file is the photo that is known by a digest and, where it was read, by all its bytes."""
    if digest != found.digest:
        return False
    content = known.content if known is not None else ""
    return not content or not found.content or content == found.content


def _sorted_out(
    images: Sequence[Image],
    known: Mapping[int, Fingerprint],
    there: Mapping[str, None],
    root: Path,
    look: _Look,
) -> tuple[list[Image], list[Image], list[Stranger], list[tuple[int, str, Fingerprint]]]:
    """Images that are themselves, those without a file, those with another's, and what was read for that."""
    own: list[Image] = []
    gone: list[Image] = []
    strangers: list[Stranger] = []
    seen: list[tuple[int, str, Fingerprint]] = []
    for image in images:
        stamp = _stamp(root / image.path)
        before = known.get(image.id)
        if stamp is None and image.path not in there:
            gone.append(image)
        elif stamp is None or not image.digest or (before and stamp == (before.size, before.modified)):
            own.append(image)
        else:
            found = look(image.path, bool(before and before.content))
            if found is None or same_photo(image.digest, before, found):
                own.append(image)
            else:
                strangers.append(Stranger(image, found))
            if found is not None and same_photo(image.digest, before, found):
                seen.append((image.id, image.path, found))
    return own, gone, strangers, seen


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a regular file; None where there is none."""
    try:
        status = patiently(path, path.stat)
    except (OSError, ValueError, ImageError):
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _looks(
    strange: Mapping[str, Fingerprint], fresh: Sequence[str], wanted: Mapping[str, bool], look: _Look
) -> dict[str, Fingerprint]:
    """What the files are that a homeless image may be, by path.

    `wanted` has the digests of those images, and whether all their bytes are known: only where the ends of
    a file fit is the whole of it read.
    """
    looks = dict(strange)
    for path in fresh:
        found = look(path, False)
        if found is not None:
            looks[path] = found
    fitting = {path: found for path, found in looks.items() if found.digest in wanted}
    for path, found in fitting.items():
        if wanted[found.digest] and not found.content:
            fitting[path] = look(path, True) or found
    return fitting


def _shared(images: Sequence[Image]) -> frozenset[str]:
    """Digests that several images of the project have: alone they prove nothing."""
    counts = Counter(image.digest for image in images if image.digest)
    return frozenset(digest for digest, count in counts.items() if count > 1)


def _recognised(
    homeless: Sequence[Image],
    looks: Mapping[str, Fingerprint],
    known: Mapping[int, Fingerprint],
    shared: frozenset[str],
) -> tuple[list[tuple[Image, str]], list[Image]]:
    """Images with the file that has their content, and those for which that cannot be decided."""
    images: defaultdict[tuple[str, str], list[Image]] = defaultdict(list)
    files: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for image in homeless:
        before = known.get(image.id)
        images[image.digest, before.content if before else ""].append(image)
    for path, found in looks.items():
        files[found.digest, found.content].append(path)
        if found.content:
            files[found.digest, ""].append(path)
    moved: list[tuple[Image, str]] = []
    unsure: list[Image] = []
    for (digest, content), alike in images.items():
        fitting = files[digest, content]
        certain = bool(content) or digest not in shared
        pairs = alike_pairs(alike, fitting) if certain else _paired(alike, fitting)
        moved += pairs
        settled = {image.id for image, _ in pairs}
        unsure += [image for image in alike if image.id not in settled] if fitting else []
    return _without_doubles(moved), unsure


def alike_pairs(images: Sequence[Image], paths: Sequence[str]) -> list[tuple[Image, str]]:
    """Images and files of equal content, paired by their paths; one of each left over is a pair too."""
    pairs = _paired(images, paths)
    settled, taken = {image.id for image, _ in pairs}, {path for _, path in pairs}
    images_left = [image for image in images if image.id not in settled]
    paths_left = [path for path in paths if path not in taken]
    if len(images_left) == len(paths_left) == 1:
        pairs.append((images_left[0], paths_left[0]))
    return pairs


def _paired(images: Sequence[Image], paths: Sequence[str]) -> list[tuple[Image, str]]:
    """Images with the one file that has the same last parts of the path, the most parts first."""
    pairs: list[tuple[Image, str]] = []
    images_left, paths_left = list(images), list(paths)
    deepest = max((image.path.count("/") + 1 for image in images_left), default=0)
    for parts in range(deepest, 0, -1):
        if not images_left or not paths_left:
            break
        by_tail = _by_tail([image.path for image in images_left], parts)
        files = _by_tail(paths_left, parts)
        for image in list(images_left):
            tail = _tail(image.path, parts)
            if len(by_tail.get(tail, ())) == 1 and len(files.get(tail, ())) == 1:
                pairs.append((image, files[tail][0]))
        settled, taken = {image.id for image, _ in pairs}, {path for _, path in pairs}
        images_left = [image for image in images_left if image.id not in settled]
        paths_left = [path for path in paths_left if path not in taken]
    return pairs


def _tail(path: str, parts: int) -> tuple[str, ...]:
    """The last parts of a path; () where it has not so many."""
    split = PurePosixPath(path).parts
    return split[-parts:] if len(split) >= parts else ()


def _by_tail(paths: Sequence[str], parts: int) -> dict[tuple[str, ...], list[str]]:
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in paths:
        if tail := _tail(path, parts):
            groups[tail].append(path)
    return dict(groups)


def _without_doubles(pairs: Sequence[tuple[Image, str]]) -> list[tuple[Image, str]]:
    """Pairs whose file is claimed once: an image known by its ends only may claim one known by all."""
    claims = Counter(path for _, path in pairs)
    return [(image, path) for image, path in pairs if claims[path] == 1]


def _at(image: Image, path: str) -> Image:
    """The image at another path; that it was missing or another is over."""
    return replace(image, path=path, note="" if image.note in (MISSING, CHANGED) else image.note)


def _away(image: Image) -> Image:
    """The image without a file, under a path that no photo has."""
    name = PurePosixPath(image.path).name
    return replace(image, path=f"{PLACEHOLDER}/{image.id}/{name}", note=MISSING)
