"""Records as labelme files, such as labelme 5 writes them: one beside each photo."""

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import atan2, pi
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from labeler.core.geometry import bounds, tight
from labeler.core.records import Annotation, Box, Image, Mask, Points, Polygons
from labeler.formats.cvat.turned_shapes import as_ellipse, as_turned_box
from labeler.formats.gates import OBJECT, Fields, RefusalError, packed, unpacked
from labeler.formats.json_files.picture_text import png_text
from labeler.formats.labelme.labelme_shapes import FOUR, KEY, OURS, ROTATION, circle_of
from labeler.formats.report import FieldNote
from labeler.formats.spec import Holds, Part, Target

VERSION = "5.5.0"
"""The version whose files these are."""
HOLDS = Holds(("box", "polygons", "mask"), parts=True, attributes=True, extra=True, spelled=str.strip)
ROTATED = "Is a rotated rectangle, as X-AnyLabeling has it; labelme's own window shows none."
FOUR_CORNERS = "Is a quadrilateral, as X-AnyLabeling has it; labelme's own window shows none."
_ENCODE = msgspec.json.Encoder().encode
_NEAR = 1e-3
"""Pixels by which corners may be off and still be those of a circle."""
_SHAPES = msgspec.json.Decoder(list[Raw])


def write(parts: Sequence[Part], target: Target) -> list[FieldNote]:
    """One JSON file a photo, in the place of the photo; gives what of X-AnyLabeling's stays in them."""
    notes: list[FieldNote] = []
    for part in parts:
        names = {category.id: category.name for category in part.dataset.categories}
        objects: dict[int, list[Annotation]] = {}
        for one in part.dataset.annotations:
            objects.setdefault(one.image_id, []).append(one)
        for image in part.dataset.images:
            stem = posixpath.splitext(image.path)[0]
            name = f"{part.name}/{stem}.json" if part.name else f"{stem}.json"
            path = target.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text, more = image_text(
                image, objects.get(image.id, ()), names, seen_from(name, target.where[image.id])
            )
            path.write_bytes(text)
            notes += more
    return notes


def seen_from(name: str, photo: str) -> str:
    """The path of a photo from the folder of a JSON file; both from one folder, or the photo's in full."""
    if photo.startswith("/") or photo[1:2] == ":":
        return photo
    return posixpath.relpath(photo, posixpath.dirname(name) or ".")


def image_text(
    image: Image, annotations: Iterable[Annotation], names: Mapping[int, str], photo: str
) -> tuple[bytes, list[FieldNote]]:
    """A labelme file of an image's objects, which are fitted to `HOLDS`.

    `photo` is where it says that the photo is.
    """
    notes: list[FieldNote] = []
    kept = kept_of(image)
    shapes = [text for _, text in shape_texts(annotations, names, notes)]
    shapes += _SHAPES.decode(kept.pop("shapes", Raw(b"[]")))
    members: dict[str, Any] = {
        "version": _ENCODE(VERSION),
        "flags": kept.pop("flags", b"{}"),
        "shapes": b"[%b]" % b",".join(map(bytes, shapes)),
        "imagePath": _ENCODE(photo),
        "imageData": b"null",
        "imageHeight": _ENCODE(image.height or None),
        "imageWidth": _ENCODE(image.width or None),
    }
    return formatted(members | {name: raw for name, raw in kept.items() if name not in members}), notes


def formatted(members: Mapping[str, Any]) -> bytes:
    """A JSON object with the indents of labelme's own."""
    return msgspec.json.format(packed(dict(members)), indent=2) + b"\n"


def kept_of(image: Image) -> Fields:
    """What an image keeps of the labelme file that it came from."""
    try:
        return OBJECT.read(unpacked(image.extra)[KEY], KEY)
    except (KeyError, RefusalError):
        return {}


def shape_texts(
    annotations: Iterable[Annotation],
    names: Mapping[int, str],
    notes: list[FieldNote],
    taken: Iterable[tuple[str, bytes]] = (),
) -> Iterator[tuple[Annotation, bytes]]:
    """Each shape of each object as JSON, with whose it is.

    Parts of an object share a group that no other object of its label has; `taken` are such groups
    (label and JSON text) of shapes that are there already.
    """
    known = [(one, names[one.category_id], unpacked(one.extra)) for one in annotations]
    wanted = {
        (label, bytes(own["group_id"])) for _, label, extra in known if "group_id" in (own := _own_of(extra))
    }
    groups = _Groups(taken, wanted)
    for one, label, extra in known:
        own = _own_of(extra)
        rest = {name: raw for name, raw in extra.items() if name not in (KEY, ROTATION)}
        shapes = list(_geometry(one, extra, own, notes))
        group = groups.of(label, own.pop("group_id", None), is_needed=len(shapes) > 1)
        for points, kind, more in shapes:
            members: dict[str, Any] = {
                "label": _ENCODE(label),
                "points": points,
                "group_id": group,
                "description": own.get("description", b'""'),
                "shape_type": _ENCODE(kind),
                "flags": own.get("flags", b"{}"),
                "mask": b"null",
                **more,
            }
            if one.attributes:
                members["attributes"] = _ENCODE(one.attributes)
            members |= {name: raw for name, raw in own.items() if name not in members}
            if rest:
                members[OURS] = packed(rest)
            yield one, packed(members)


def _own_of(extra: Fields) -> Fields:
    try:
        return OBJECT.read(extra[KEY], KEY)
    except (KeyError, RefusalError):
        return {}


class _Groups:
    """Gives the groups of an image's objects out, each once for a label."""

    def __init__(self, taken: Iterable[tuple[str, bytes]], wanted: Collection[tuple[str, bytes]]) -> None:
        self._taken = set(taken)
        self._wanted = wanted
        self._next: dict[str, int] = {}

    def of(self, label: str, own: Raw | None, *, is_needed: bool) -> bytes:
        """The object's own group where it is free, else null, or a free number where it has parts."""
        text = b"null" if own is None else bytes(own)
        if text == b"null" or (label, text) in self._taken:
            if not is_needed:
                return b"null"
            number = self._next.get(label, 1)
            while any((label, b"%d" % number) in those for those in (self._taken, self._wanted)):
                number += 1
            self._next[label] = number + 1
            text = b"%d" % number
        self._taken.add((label, text))
        return text


def _geometry(
    one: Annotation, extra: Fields, own: Fields, notes: list[FieldNote]
) -> Iterator[tuple[bytes, str, dict[str, bytes]]]:
    """The points, the type and other keys of each shape of an object."""
    shape = one.shape
    kind = own.pop("shape_type", Raw(b'"polygon"'))
    if isinstance(shape, Box):
        box = bounds(shape)
        yield _ENCODE([[box.x0, box.y0], [box.x1, box.y1]]), "rectangle", {}
        return
    if isinstance(shape, Mask):
        mask = tight(shape)
        corners = [[mask.x, mask.y], [mask.x + mask.width - 1, mask.y + mask.height - 1]]
        yield _ENCODE(corners), "mask", {"mask": _ENCODE(png_text(mask.bits))}
        return
    rings = [part.outer for part in shape.parts]
    if (circle := _circle(shape)) is not None:
        yield _ENCODE(circle), "circle", {}
        return
    name, more = "polygon", {}
    has_four = len(rings) == 1 and len(rings[0]) == FOUR
    if has_four and bytes(kind) == b'"rotation"' and (ROTATION in extra or as_turned_box(shape)):
        notes.append(FieldNote("told", "annotations", None, "", ROTATED))
        name, more = "rotation", {"direction": _direction(extra, rings[0])}
    elif has_four and bytes(kind) == b'"quadrilateral"':
        notes.append(FieldNote("told", "annotations", None, "", FOUR_CORNERS))
        name = "quadrilateral"
    for ring in rings:
        yield _ENCODE(ring.tolist()), name, more


def _direction(extra: Fields, ring: Points) -> bytes:
    """The direction in radians that a rotation came with, else that of its first side."""
    try:
        return bytes(OBJECT.read(extra[ROTATION], ROTATION)["direction"])
    except (KeyError, RefusalError):
        right, down = (ring[1] - ring[0]).tolist()
        return _ENCODE(atan2(down, right) % (2 * pi))


def _circle(shape: Polygons) -> list[list[float]] | None:
    """The centre and the first corner of an outline that is one of a circle, as it is read; else None."""
    found = as_ellipse(shape)
    if found is None or abs(found[2] - found[3]) > _NEAR:
        return None
    ring = shape.parts[0].outer
    centre = found[0], found[1]
    rim = (float(ring[0, 0]), float(ring[0, 1]))
    again = circle_of(centre, rim).parts[0].outer
    if again.shape != ring.shape or not np.allclose(again, ring, rtol=0, atol=_NEAR):
        return None
    return [list(map(_rounded, centre)), list(map(_rounded, rim))]


def _rounded(number: float) -> float:
    """Without what is only of binary arithmetic: a centre that was drawn at 40 is 40 again."""
    return round(number, 9)
