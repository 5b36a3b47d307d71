"""A change that was meant for a record as it was, made to the record as it is."""

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from labeler.core.records import Change, Record


def rebased(change: Change, now: Record | None) -> Change | None:
    """The same change of what the record is now; None where nothing is left to do.

    Of an update only the fields that it changes are changed; a record that is gone comes back as the
    update leaves it, for what a person has just drawn is not thrown away. A creation stays as it is.
    """
    before, after = change.before, change.after
    if before is None or before is now:
        return change
    if after is None:
        return None if now is None else Change(now, None)
    if now is None:
        return Change(None, after)
    return Change(now, structs.replace(now, **_different(before, after)))


def net(changes: Iterable[Change]) -> tuple[Change, ...]:
    """What several changes come to in the end: one change a record at most, none where it is as before."""
    ends: dict[tuple[type, int], Change] = {}
    for change in changes:
        key = type(change.record), change.record.id
        first = ends.get(key, change)
        ends[key] = Change(first.before, change.after)
    return tuple(end for end in ends.values() if end.before != end.after)


def _different(before: Record, after: Record) -> dict[str, Any]:
    """The fields that an update changes, as it leaves them."""
    sides = ((name, getattr(before, name), getattr(after, name)) for name in after.__struct_fields__)
    return {name: new for name, old, new in sides if old is not new and old != new}
