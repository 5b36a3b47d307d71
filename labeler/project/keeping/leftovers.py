"""Edits that were put aside because they did not fit: what can be made of them when a person asks for it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from labeler.core.records import Annotation, Category, Change, Edit, Image, Record
from labeler.project.keeping.rescue_file import put_aside_edits, put_aside_files
from labeler.project.store import Store


def leftovers(project: Path) -> dict[Path, list[Edit]]:
    """The edits that wait for a person, by the file that has them; a file that cannot be read has none."""
    found: dict[Path, list[Edit]] = {}
    for file in put_aside_files(project):
        try:
            found[file] = put_aside_edits(file)
        except (msgspec.MsgspecError, ValueError, OSError):
            found[file] = []
    return found


def take_up(store: Store, file: Path) -> int:
    """Do the edits of a file as far as they can be done, each as one undo step, and delete the file.

    An object whose id is another's by now gets a new one; one that was changed or deleted meanwhile is made
    what the edit made it. Gives how many changes were taken; raises what `put_aside_edits` raises, after
    which nothing is done and the file is kept.
    """
    taken = 0
    edits = put_aside_edits(file)
    # what gets a new id must not get that of an object further on
    store.ids.note(change for edit in edits for change in edit.changes if change.before is None)
    with store.transaction():
        for edit in edits:
            changes = tuple(_fitting(store, edit))
            if changes:
                store.apply(Edit(f"{edit.label} (kept aside)", changes))
                taken += len(changes)
    file.unlink()
    return taken


def _fitting(store: Store, edit: Edit) -> Iterator[Change]:
    for change in edit.changes:
        stored = store.stored(change.record)
        if change.after is None:
            if stored is not None:
                yield Change(stored, None)
        elif stored == change.after or (isinstance(change.after, Image) and stored is None):
            continue
        elif change.before is None or stored is None:
            created = _created(store, change.after, is_free=stored is None)
            if created is not None:
                yield Change(None, created)
        elif isinstance(change.after, Image) and isinstance(stored, Image):
            if stored.reviewed != change.after.reviewed:
                yield Change(stored, replace(stored, reviewed=change.after.reviewed))
        elif not isinstance(change.after, Annotation) or _has_place(store, change.after):
            yield Change(stored, change.after)


def _created(store: Store, record: Record, *, is_free: bool) -> Record | None:
    match record:
        case Annotation() if _has_place(store, record):
            return record if is_free else replace(record, id=store.ids.take("annotation"))
        case Category():
            return record if is_free else None
    return None


def _has_place(store: Store, annotation: Annotation) -> bool:
    """Whether its image and its category are in the project."""
    # asked for by id, one at a time: a file may hold as many objects as the project has
    needed = (Image(annotation.image_id, "", 0, 0), Category(annotation.category_id, "", ""))
    return all(store.stored(one) is not None for one in needed)
