"""Numbers and outlines out of JSON that nobody vouches for."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from labeler.core.records import Part, Points, Polygons
from labeler.formats.coco.own_shape import FARTHEST
from labeler.formats.gates import BAD_JSON, RefusalError

_ANY = msgspec.json.Decoder()
_FEWEST = 3


def value_of(raw: Raw, name: str = "") -> Any:
    """The value of a JSON text; RefusalError where it has what no value can be, such as NaN."""
    try:
        return _ANY.decode(raw)
    except BAD_JSON as error:
        raise RefusalError(
            name, "Has a number that is not finite, or lists that are nested too deeply."
        ) from error


def object_in(raw: Raw) -> dict[str, Any]:
    """The values of a JSON object; RefusalError where it is none."""
    value = value_of(raw)
    if not isinstance(value, dict):
        raise RefusalError("", "Must be an object.")
    return value


def number_in(fields: Mapping[str, Any], name: str, *others: str) -> float:
    """A number under one of these names, which may be written as a text; RefusalError where it is none."""
    for key in (name, *others):
        if key in fields:
            return number_from(fields[key], key)
    raise RefusalError(name, "Is missing.")


def number_from(value: Any, name: str) -> float:
    """A finite number that no image is too small for, from a number or its text; RefusalError otherwise."""
    try:
        number = (
            float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        )
    except (ValueError, OverflowError):
        number = None
    if number is None or not isfinite(number):
        raise RefusalError(name, "Is no number.")
    if abs(number) > FARTHEST:
        raise RefusalError(name, "Is farther away than any image is large.")
    return number


def ring_of(points: Any, name: str) -> Points:
    """A ring (N, 2) from [[x, y], ...] or [x, y, x, y, ...]; a first point that is there again goes.

    Raises RefusalError where it is none, or has fewer than three points.
    """
    try:
        ring: Points = np.array(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RefusalError(name, "Is no list of points.") from error
    if ring.ndim == 1 and len(ring) % 2 == 0:
        ring = ring.reshape(-1, 2)
    if ring.ndim != 2 or ring.shape[1] < 2:
        raise RefusalError(name, "Is no list of points.")
    ring = ring[:, :2]
    if not (np.abs(ring) <= FARTHEST).all():
        raise RefusalError(name, "Has points that are farther away than any image is large.")
    if len(ring) > _FEWEST and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    if len(ring) < _FEWEST:
        raise RefusalError(name, f"Has {len(ring)} points, where an outline has three or more.")
    return np.ascontiguousarray(ring)


def with_holes(outer: Any, holes: Sequence[Any], name: str) -> Polygons:
    """An outline with its holes; those of fewer than three points enclose nothing and are left out."""
    inner = []
    for hole in holes:
        try:
            inner.append(ring_of(hole, name))
        except RefusalError:
            if not isinstance(hole, Sequence) or len(hole) >= 2 * _FEWEST:
                raise
    return Polygons((Part(ring_of(outer, name), tuple(inner)),))


def no_area(kind: str) -> RefusalError:
    """The refusal of a point, a line and the like."""
    return RefusalError("", f"Is a “{kind}”, which has no area; it is left out.")
