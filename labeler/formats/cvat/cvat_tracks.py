"""Tracks of CVAT's XML for videos as single objects on frames, and which photos the frames are.

A track has a shape at some frames; in between it moves evenly from one to the next, as CVAT shows it, and
where it is `outside` it is not there. After its last shape a track is not carried on.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from labeler.formats.cvat.cvat_shapes import AREAS, OTHERS, points_of
from labeler.formats.gates import RefusalError

MOST_BETWEEN = 1_000_000
"""Shapes between those of its file that one file may have."""
TOO_LONG = f"Is a track with more frames between its shapes than the {MOST_BETWEEN} that one file may."
BY_NAME = "Its frames are taken to be the photos of their names, as “frame_000000”."
BY_NUMBER = "Its frames are taken to be the photos whose names end in their numbers; check some."
BY_ORDER = "Its frames are taken to be the photos in the order of their names; check some."
NO_PHOTOS = "Its frames have no photos here: make them of the video, named as “frame_000000.png”."
_NUMBERS = (
    "xtl ytl xbr ybr rotation cx cy rx ry "
    + " ".join(
        f"{axis}{corner}{face}" for axis in "xy" for corner in ("tl", "bl", "tr", "br") for face in "12"
    )
).split()
_LAST_NUMBER = re.compile(r"(\d{1,9})\D*$")


class TrackReader:
    """Gives the shapes of the tracks of one file, frame by frame."""

    def __init__(self) -> None:
        self._left = MOST_BETWEEN
        self.count = 0
        """Tracks so far."""

    def positions(self, track: Element, step: int) -> Iterator[tuple[int, Element]]:
        """(frame, element) where a track is there; RefusalError where its frames are none, or too many."""
        self.count += 1
        found = [(_frame(child), child) for child in track if child.tag in AREAS | OTHERS]
        nested = track.findall("track")
        if nested:
            found = _with_points(found, nested)
        found.sort(key=lambda pair: pair[0])
        for place, (frame, element) in enumerate(found):
            if element.get("outside") == "1":
                continue
            yield frame, element
            if place + 1 == len(found):
                return
            end, after = found[place + 1]
            between = range(frame + step, end, step)
            self._left -= len(between)
            if self._left < 0:
                raise RefusalError("frame", TOO_LONG)
            for other in between:
                yield other, _between(element, after, (other - frame) / (end - frame))


def _frame(element: Element) -> int:
    try:
        frame = int(element.get("frame", ""))
    except ValueError as error:
        raise RefusalError("frame", "Has a frame that is no whole number.") from error
    if not 0 <= frame < 1 << 40:
        raise RefusalError("frame", "Has a frame that is no number of a frame.")
    return frame


def _with_points(
    frames: Sequence[tuple[int, Element]], nested: Iterable[Element]
) -> list[tuple[int, Element]]:
    """The skeletons of a track with the points that stand in tracks of their own inside it."""
    points: dict[int, list[Element]] = {}
    for track in nested:
        for child in track.iter("points"):
            child.set("label", track.get("label", ""))
            points.setdefault(_frame(child), []).append(child)
    found = []
    for frame, element in frames:
        whole = Element(element.tag, element.attrib)
        whole.extend(element)
        whole.extend(points.get(frame, []))
        found.append((frame, whole))
    return found


def _between(before: Element, after: Element, share: float) -> Element:
    """A shape on the way from one to the next; the one before where they have not the same numbers."""
    element = Element(before.tag, {**before.attrib, "keyframe": "0"})
    element.extend(before)
    if before.tag != after.tag:
        return element
    for name in _NUMBERS:
        if name in before.attrib and name in after.attrib:
            element.set(name, repr(_on_the_way(name, before.attrib[name], after.attrib[name], share)))
    if before.tag == "polygon":
        ring = _rings_between(before.get("points", ""), after.get("points", ""), share)
        element.set("points", ring)
    return element


def _on_the_way(name: str, before: str, after: str, share: float) -> float:
    try:
        first, second = float(before), float(after)
    except ValueError as error:
        raise RefusalError(name, "Must be a number.") from error
    way = second - first
    if name == "rotation":
        way = (way + 180) % 360 - 180
    return first + way * share


def _rings_between(before: str, after: str, share: float) -> str:
    first, second = points_of(before), points_of(after)
    if first.shape != second.shape:
        return before
    ring = first + (second - first) * share
    return ";".join(f"{x!r},{y!r}" for x, y in ring.tolist())


def photos_of(
    frames: Sequence[int], *, start: int, step: int, find: Callable[[str], str | None], photos: Sequence[str]
) -> tuple[Mapping[int, str], str]:
    """The photo's name of each frame, and a sentence that says how they were found.

    By the names that CVAT gives frames, else by the last number in their names, else by their order, where
    there are photos enough.
    """
    named = {frame: f"frame_{frame:06d}" for frame in frames}
    found = {frame: path for frame, name in named.items() if (path := find(name) or find(f"images/{name}"))}
    if len(found) * 2 >= len(frames):
        return {frame: found.get(frame, f"{name}.png") for frame, name in named.items()}, BY_NAME
    by_number: dict[int, list[str]] = {}
    for path in photos:
        if number := _LAST_NUMBER.search(PurePosixPath(path).stem):
            by_number.setdefault(int(number[1]), []).append(path)
    if frames and all(len(by_number.get(frame, ())) == 1 for frame in frames):
        return {frame: by_number[frame][0] for frame in frames}, BY_NUMBER
    places = {frame: (frame - start) // step for frame in frames}
    if photos and all(0 <= place < len(photos) for place in places.values()):
        return {frame: photos[place] for frame, place in places.items()}, BY_ORDER
    return {frame: f"{name}.png" for frame, name in named.items()}, NO_PHOTOS
