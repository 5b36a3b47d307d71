"""Which images a run learns from and which it is judged on, so that nothing seen in one is in the other.

Images that are copies of each other, or nearly, stay together: those whose names share a stem (a photo and
its PNG, "x (copy).jpg", the augmentations of a Roboflow export), and those that look alike. So do the frames
of a film as long as each looks like the one before; where the scene changes it may be parted.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.photos.images import read_thumbnail
from labeler.models.protocols import Rgb

FEW = 10
"""Objects of a category, or images, below which a person is warned."""
UNEVEN = 20
"""How many times as many objects as another a category may have before a person is warned."""

SIDE = 8
"""Differences a row and a column of the fingerprint: 2 x 8 x 8 bits."""

NEAR = 16
"""Bits of 128 in which two fingerprints of one picture may differ.

Measured on 174 photos: JPEG of quality 30, half the size, noise and brightness change at most 14 bits, 3 %
cut off at two sides 13 to 28, and no two different photos of 15,051 pairs are nearer than 32.
"""

_THUMBNAIL = 128
_STEP = 2
"""Grey levels below which a difference is noise, and its bit 0."""
_TELLING = 16
"""Bits that are set, at least, in a fingerprint that says anything: a nearly flat picture has fewer."""
_COPY = re.compile(r"([\s_-]+(\(copy( \d+)?\)|copy( \d+)?)|\.rf\.[0-9a-f]{8,})$")
_AT_ONCE = 1 << 20
"""Pairs that are compared in one go."""


class Item(Struct, frozen=True):
    """An image that is to go to one of the parts."""

    key: str
    """Names it; only given back."""
    stem: str
    """As `stem` gives it."""
    fingerprint: int
    """As `fingerprint` gives it."""


class Entry(Struct, frozen=True):
    """An image that a run may use."""

    key: str
    """Names it; only given back."""
    path: str
    fingerprint: int | None
    """None where it cannot be read."""
    only_boxes: bool = False
    """Whether there are objects on it, and all of them are boxes."""


class Split(Struct, frozen=True):
    """The parts."""

    groups: tuple[tuple[str, ...], ...]
    """The keys that stay together, each in the order of the items."""
    validation: frozenset[str]
    """The keys of the images to be judged on."""


def stem(name: str) -> str:
    """What a file name shares with those of its copies: without folder, suffix, case and marks of copying."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = unicodedata.normalize("NFC", Path(last).stem).casefold().strip()
    return _COPY.sub("", plain) or plain


def fingerprint(path: Path) -> int:
    """128 bits that hardly change when a picture is scaled, compressed, or made a little brighter.

    Raises ImageError where the file cannot be read.
    """
    return fingerprint_of(read_thumbnail(path, _THUMBNAIL))


def fingerprint_of(rgb: Rgb) -> int:
    """As `fingerprint`, of pixels.

    The difference hash (N. Krawetz, "Kind of Like That", 2013) both ways: a bit for each cell of 8 x 8 that
    is brighter than the next one in its row, and one for each brighter than the next in its column.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    across = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    down = cv2.resize(grey, (SIDE, SIDE + 1), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = np.concatenate(
        [
            (across[:, :-1] - across[:, 1:] >= _STEP).ravel(),
            (down[:-1] - down[1:] >= _STEP).ravel(),
        ]
    )
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def parted(entries: Sequence[Entry], *, needs_masks: bool, share: float, seed: int) -> Split:
    """Part the images of a run as `split` does: for the eye that plans it, and for the run itself.

    What cannot be read is in neither part, and where masks are needed what is only boxes is not either.
    """
    used = (one for one in entries if not (needs_masks and one.only_boxes))
    items = [Item(one.key, stem(one.path), one.fingerprint) for one in used if one.fingerprint is not None]
    return split(items, share=share, seed=seed)


def split(items: Sequence[Item], *, share: float, seed: int) -> Split:
    """Part the items, about the `share` (0 to 1) of them to be judged on.

    A group goes where a hash of its name and the seed says, so that it stays there when images are added.
    Only where that takes much too few or too many, as it may of a handful, is the next group moved. Neither
    part is empty from two groups on; of a single group nothing is held out.
    """
    groups = _groups(items)
    keys = tuple(tuple(items[place].key for place in group) for group in groups)
    chosen = _chosen(groups, items, share, seed) if len(groups) > 1 and share > 0 else []
    return Split(keys, frozenset(key for place in chosen for key in keys[place]))


def _chosen(groups: Sequence[Sequence[int]], items: Sequence[Item], share: float, seed: int) -> list[int]:
    """The places of the groups that are held out."""
    wanted = share * len(items)
    least, most = max(1, round(wanted * 0.75)), min(max(1, round(wanted * 1.25)), len(items) - 1)
    scores = [_score(min(items[place].stem for place in group), seed) for group in groups]
    chosen: list[int] = []
    taken = 0
    for place in sorted(range(len(groups)), key=scores.__getitem__):
        size = len(groups[place])
        if taken + size <= most and (scores[place] < share or taken < least):
            chosen.append(place)
            taken += size
    return chosen or [min(range(len(groups)), key=lambda place: (len(groups[place]), scores[place]))]


def _score(name: str, seed: int) -> float:
    """A number from 0 to 1 that looks like chance."""
    digest = hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _groups(items: Sequence[Item]) -> list[list[int]]:
    """The places of the items that stay together, in the order of their first ones."""
    parent = list(range(len(items)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    def join(first: int, second: int) -> None:
        low, high = sorted((root(first), root(second)))
        parent[high] = low

    first_of: dict[str, int] = {}
    for place, item in enumerate(items):
        join(first_of.setdefault(item.stem, place), place)
    for first, second in _near([item.fingerprint for item in items]):
        join(int(first), int(second))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place in range(len(items)):
        groups[root(place)].append(place)
    return list(groups.values())


def _near(fingerprints: Sequence[int]) -> NDArray[np.int64]:
    """(N, 2) places of pairs that look alike: enough to join all that do, and fewer than there are places.

    Equal ones are joined by a dict, and then each to the next: a film of a camera that stands still is one
    group by then. What is left is compared with everything that is in no group yet.
    """
    first_of: dict[int, int] = {}
    pairs: list[tuple[int, int]] = []
    for place, bits in enumerate(fingerprints):
        if bits.bit_count() >= _TELLING and (first := first_of.setdefault(bits, place)) != place:
            pairs.append((first, place))
    places = np.fromiter(first_of.values(), np.int64, len(first_of))
    data = b"".join(bits.to_bytes(16, "big") for bits in first_of)
    words = np.frombuffer(data, np.uint64).reshape(-1, 2)
    is_next = np.bitwise_count(words[:-1] ^ words[1:]).sum(axis=1) <= NEAR
    following = np.flatnonzero(is_next)
    runs = np.concatenate([[0], np.cumsum(~is_next)])[: len(words)]
    found = [np.array(pairs, np.int64).reshape(-1, 2)]
    found += [places[np.stack(pair, axis=1)] for pair in ((following, following + 1), *_joining(words, runs))]
    return np.concatenate(found)


def _joining(
    words: NDArray[np.uint64], runs: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs that look alike, of the fingerprints (N, 2) whose `runs` (N,), ascending, are joined already.

    Each run takes along what looks like one of its own, and what looks like that, until nothing more does;
    what was taken is not looked at again. Who differs from the run's first by more than another does, and
    `NEAR`, does not look like that other, and is not compared with it.
    """
    first, second = np.ascontiguousarray(words.T)

    def differing(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.asarray(
            np.bitwise_count(first[one] ^ first[other]) + np.bitwise_count(second[one] ^ second[other])
        )

    waiting = np.arange(len(words))
    while len(waiting):
        away = differing(waiting[:1], waiting)
        count = int(np.searchsorted(runs[waiting], runs[waiting[0]], side="right"))
        looking = [(waiting[:count], away[:count])]
        waiting, away = waiting[count:], away[count:]
        while looking and len(waiting):
            members, off = looking.pop()
            within = np.flatnonzero(away <= NEAR + int(off.max()))
            rows = max(_AT_ONCE // max(len(within), 1), 1)
            if rows < len(members):
                looking.append((members[rows:], off[rows:]))
            row, column = np.nonzero(differing(members[:rows, None], waiting[within]) <= NEAR)
            if len(row):
                others, where = np.unique(waiting[within[column]], return_index=True)
                yield members[row[where]], others
                taken = np.isin(runs[waiting], runs[others])
                looking.append((waiting[taken], away[taken]))
                waiting, away = waiting[~taken], away[~taken]
