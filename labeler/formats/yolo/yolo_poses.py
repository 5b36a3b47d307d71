"""Poses out: an object's box with its keypoints behind it, as ultralytics trains poses from.

    class cx cy w h  x y v  x y v ...    every line has as many keypoints, whatever its class

Keypoints are COCO's (x, y and whether they are seen: 0 not there, 1 hidden, 2 seen), which a project keeps in
an object's `extra`. Described at docs.ultralytics.com/datasets/pose.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from labeler.core.records import Annotation, Box, Category
from labeler.formats.gates import Kind, unpacked
from labeler.formats.spec import Part
from labeler.formats.yolo.yolo_lines import label_line, written

KEYS = ("keypoints", "num_keypoints")
"""What of an object's `extra` is written."""
NONE = "Has no keypoints; all of them are written as not there."
OUTSIDE = "Has keypoints outside its photo, which are written as not there: ultralytics refuses such photos."
FEWER = "Has {} keypoints where others have {}; the rest are written as not there."
NO_POSES = "No object has keypoints, so these are boxes; “yolo” is the format of those."

_POINTS: Kind[list[float]] = Kind(list[float], "a list of finite numbers")
_NAMES: Kind[list[str]] = Kind(list[str], "a list of texts")
_SIDE = re.compile(r"(?i)(?<![a-z])(left|right|l|r)(?![a-z])")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


class Poses(Struct, frozen=True):
    """What holds for all lines of a data set."""

    count: int
    """Keypoints of each object."""
    names: Mapping[int, tuple[str, ...]] = {}
    """Those of a category, by its id."""


def points_of(one: Annotation) -> list[float]:
    """An object's keypoints x, y, v, x, y, v, ... in pixels; none where it has none, or what is none."""
    if b'"keypoints"' not in one.extra:
        return []
    raw = unpacked(one.extra).get("keypoints")
    points = _POINTS.read(raw, "") if raw is not None and _POINTS.matches(raw) else []
    return points if len(points) % 3 == 0 and all(seen in (0, 1, 2) for seen in points[2::3]) else []


def poses_of(parts: Sequence[Part]) -> Poses:
    """How many keypoints the objects have at most, and what they are called."""
    counts = (len(points_of(one)) // 3 for part in parts for one in part.dataset.annotations)
    names = {one.id: found for one in parts[0].dataset.categories if (found := _names_of(one))}
    return Poses(max(counts, default=0), names)


def _names_of(category: Category) -> tuple[str, ...]:
    raw = unpacked(category.extra).get("keypoints")
    return tuple(_NAMES.read(raw, "")) if raw is not None and _NAMES.matches(raw) else ()


def pose_line(
    number: int, one: Annotation, size: tuple[int, int], poses: Poses
) -> tuple[str, tuple[str, ...]]:
    """The line of an object, which must be a box, on an image of (width, height); and what it loses."""
    assert isinstance(one.shape, Box), "shapes are made such as `holds` says"
    width, height = size
    points = points_of(one)
    told = [] if points else [NONE]
    if points and len(points) < 3 * poses.count:
        told.append(FEWER.format(len(points) // 3, poses.count))
    words, is_outside = [label_line(number, one.shape, size)], False
    for place in range(0, 3 * poses.count, 3):
        x, y, seen = points[place : place + 3] or (0.0, 0.0, 0.0)
        if seen and not (0 <= x <= width and 0 <= y <= height):
            is_outside, seen = True, 0.0
        words += [written(x / width), written(y / height), str(int(seen))] if seen else ["0", "0", "0"]
    return " ".join(words), (*told, *((OUTSIDE,) if is_outside else ()))


def pose_settings(poses: Poses, number_of: Mapping[int, int]) -> dict[str, object]:
    """What data.yaml says of the keypoints; `number_of` gives a category's number by its id.

    Without `flip_idx` ultralytics does not mirror photos, which would make a left hand of a right one.
    """
    found: dict[str, object] = {"kpt_shape": [poses.count, 3]}
    flips = {mirrored(names) if len(names) == poses.count else () for names in poses.names.values()}
    if len(flips) == 1 and len(poses.names) == len(number_of) and (flip := flips.pop()):
        found["flip_idx"] = list(flip)
    if poses.names:
        found["kpt_names"] = {
            number: _padded(poses.names.get(category, ()), poses.count)
            for category, number in number_of.items()
        }
    return found


def _padded(names: Sequence[str], count: int) -> list[str]:
    return [*names[:count], *(f"point {place + 1}" for place in range(len(names), count))]


def mirrored(names: Sequence[str]) -> tuple[int, ...]:
    """For each keypoint the place of the one that it is in a mirror, by left and right in their names.

    () where no name has a side, or one has no partner.
    """
    places = {name: place for place, name in enumerate(names)}
    partners = [_partner(name) for name in names]
    if partners == list(names) or any(partner not in places for partner in partners):
        return ()
    return tuple(places[partner] for partner in partners)


def _partner(name: str) -> str:
    def other(found: re.Match[str]) -> str:
        side = _OTHER[found[0].lower()]
        return side.upper() if found[0].isupper() else side.title() if found[0].istitle() else side

    return _SIDE.sub(other, name)
