"""Merging categories."""

import time

from msgspec.structs import replace

from labeler.core.records import Category, Change, Edit
from labeler.project.store import Store


def merged(store: Store, source: Category, target: Category) -> Edit:
    """The edit, not yet applied, that gives all objects of one category another and deletes the first."""
    now = time.time()
    annotations = store.annotations_of_category(source.id)
    candidates = store.predictions.of_category(source.id)
    return Edit(
        f"Merge {source.name} into {target.name}",
        (
            *(Change(a, replace(a, category_id=target.id, edited=now)) for a in annotations),
            *(Change(c, replace(c, category_id=target.id)) for c in candidates),
            Change(source, None),
        ),
    )
