"""Geometry in keys that no record has a field for: keypoints, boxes of a face or a hand, and the like.

A labels file may hold more of an object than its outline. What is not shown must not stay behind when the
object goes elsewhere: it moves with it where its layout is known, and is dropped where it is not.
"""

import re
from typing import Any

import msgspec
import numpy as np

from labeler.core.affine import Affine, between
from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Change, Polygons, Shape

_TRIPLES = re.compile(r"(?:^|_)(?:keypoints|kpts|kps|landmarks)\d*$|^keypoints(?:_\w+)?$", re.IGNORECASE)
"""Flat lists x, y, v, x, y, v, ... (or x, y, ... where the number is no multiple of three)."""
_BOXES = re.compile(r"(?:^|_)(?:bbox|box)(?:es)?$|^bbox_\w+$", re.IGNORECASE)
"""Lists x, y, width, height."""
_UNKNOWN = re.compile(
    r"3d|rotat|angle|orient|obb|polygon|polyline|segment|contour|point|center|centre|centroid|pose|track_?box"
    r"|ellipse|circle|depth|skeleton|cuboid|axis|coord",
    re.IGNORECASE,
)
"""Names of geometry whose layout nobody has fixed."""
_COUNTS = re.compile(r"^num_|_valid$|_score$|^(?:has|is)_", re.IGNORECASE)
_OWN = re.compile(
    r"^(?:score|confidence|(?:track|instance|object|tracking|group|unique|annotation|source|ann|labeler)_?id"
    r"|uuid|guid|uid|task_?id|frame_?id|id)$",
    re.IGNORECASE,
)
"""What belongs to one object alone: a copy of it is another object."""

_ENCODE = msgspec.json.Encoder().encode


def moved(extra: bytes, change: Affine) -> tuple[bytes, list[str]]:
    """The other keys with their geometry where `change` takes it; and the names of what was dropped.

    `extra` is a JSON object or b"". What is no geometry keeps its text.
    """
    fields = _fields(extra)
    kept: dict[str, Any] = {}
    dropped: list[str] = []
    for key, raw in fields.items():
        if not _is_geometry(key, raw):
            kept[key] = raw
            continue
        value = _moved(key, msgspec.json.decode(raw), change)
        if value is None:
            dropped.append(key)
        else:
            kept[key] = msgspec.Raw(_ENCODE(value))
    if any(key.lower().endswith(("keypoints", "kpts")) for key in dropped):
        kept.pop("num_keypoints", None)
    return _text(kept), dropped


def dropped(extra: bytes) -> tuple[bytes, list[str]]:
    """The other keys without those of geometry, and the names of what was dropped."""
    fields = _fields(extra)
    gone = [key for key, raw in fields.items() if _is_geometry(key, raw)]
    if gone and "num_keypoints" in fields:
        gone.append("num_keypoints")
    return _text({key: raw for key, raw in fields.items() if key not in gone}), gone


def copied(extra: bytes) -> bytes:
    """What of an object's other keys is also true of a copy elsewhere: no geometry, no ids, no score."""
    rest, _ = dropped(extra)
    return _text({key: raw for key, raw in _fields(rest).items() if not _OWN.match(key)})


def carried(change: Change) -> tuple[Change, list[str]]:
    """An edit of an annotation with the geometry of its other keys taken along; what was dropped by name.

    It moves where the whole shape was moved or scaled. Where the outline was corrected it stays, as long as
    it still lies on the object, and is dropped otherwise.
    """
    before, after = change.before, change.after
    if not isinstance(before, Annotation) or not isinstance(after, Annotation):
        return change, []
    if not after.extra or before.shape is after.shape or after.extra != before.extra:
        return change, []
    if not any(_is_geometry(key, raw) for key, raw in _fields(after.extra).items()):
        return change, []
    step = _step(before.shape, after.shape)
    if step is None:
        extra, gone = _kept_inside(after.extra, bounds(after.shape))
    else:
        extra, gone = moved(after.extra, step)
    return Change(before, msgspec.structs.replace(after, extra=extra)), gone


def _step(before: Shape, after: Shape) -> Affine | None:
    """What took one shape to the other as a whole; None where it was reshaped."""
    if type(before) is not type(after):
        return None
    old, new = bounds(before), bounds(after)
    step = between(old, new)
    if isinstance(before, Box):
        return step
    if not isinstance(before, Polygons):
        same_size = (old.width, old.height) == (new.width, new.height)
        return step if same_size and _same_mask(before, after) else None
    rings = [ring for part in before.parts for ring in (part.outer, *part.holes)]
    other = (
        [ring for part in after.parts for ring in (part.outer, *part.holes)]
        if isinstance(after, Polygons)
        else []
    )
    if [ring.shape for ring in rings] != [ring.shape for ring in other]:
        return None
    close = all(np.allclose(step.points(a), b, atol=0.01) for a, b in zip(rings, other, strict=True))
    return step if close else None


def _same_mask(before: Any, after: Any) -> bool:
    return before.bits.shape == after.bits.shape and bool(np.array_equal(before.bits, after.bits))


def _kept_inside(extra: bytes, box: Box) -> tuple[bytes, list[str]]:
    """Geometry that still lies on the object; without it where it does not."""
    for key, raw in _fields(extra).items():
        if _is_geometry(key, raw):
            points = _points(key, msgspec.json.decode(raw))
            if points is None or not all(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for x, y in points):
                return dropped(extra)
    return extra, []


def _is_geometry(key: str, raw: bytes) -> bool:
    if _COUNTS.search(key) and not _TRIPLES.search(key):
        return False
    known = _TRIPLES.search(key) or _BOXES.search(key) or _UNKNOWN.search(key)
    return (
        bool(known)
        and bytes(raw).lstrip()[:1] in (b"[", b"{")
        and any(48 <= byte <= 57 for byte in bytes(raw))
    )


def _moved(key: str, value: Any, change: Affine) -> Any:
    """The value where `change` takes it, or None where its layout is not known."""
    flat = _flat(value)
    if flat is None:
        return None
    if _TRIPLES.search(key):
        step = 3 if len(flat) % 3 == 0 else 2
        if len(flat) % step:
            return None
        points = np.array(flat, dtype=np.float64).reshape(-1, step)
        seen = points[:, :2].any(axis=1) if step == 2 else (points[:, 2] != 0) | points[:, :2].any(axis=1)
        points[seen, :2] = change.points(points[seen, :2])
        return [_plain(number) for number in points.ravel().tolist()]
    if _BOXES.search(key) and len(flat) == 4:
        x, y, width, height = flat
        if not any(flat):
            return value
        box = change.shape(Box(x, y, x + width, y + height))
        assert isinstance(box, Box), "a box stays a box"
        return [_plain(n) for n in (box.x0, box.y0, box.width, box.height)]
    return None


def _points(key: str, value: Any) -> list[tuple[float, float]] | None:
    """Where the geometry of a key lies; None where its layout is not known."""
    flat = _flat(value)
    if flat is None:
        return None
    if _TRIPLES.search(key) and flat:
        step = 3 if len(flat) % 3 == 0 else 2
        if len(flat) % step:
            return None
        points = [(flat[i], flat[i + 1]) for i in range(0, len(flat), step)]
        return [point for point in points if point != (0, 0)]
    if _BOXES.search(key) and len(flat) == 4:
        x, y, width, height = flat
        return [(x, y), (x + width, y + height)] if any(flat) else []
    return None


def _flat(value: Any) -> list[float] | None:
    if not isinstance(value, list) or not all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in value
    ):
        return None
    return value


def _plain(number: float) -> float:
    return int(number) if number == int(number) else round(number, 4)


def _fields(extra: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(extra, type=dict[str, msgspec.Raw]) if extra else {}


def _text(fields: dict[str, Any]) -> bytes:
    if not fields:
        return b""
    return b"{" + b",".join(_ENCODE(key) + b":" + bytes(raw) for key, raw in fields.items()) + b"}"
