"""What is done to all objects of a category, on whichever image: merged, moved, deleted."""

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


def moved(store: Store, source: Category, target: Category, *, spared: frozenset[int]) -> Edit:
    """The edit, not yet applied, that gives all objects of a category another, but for these annotations."""
    now = time.time()
    found = [one for one in store.annotations_of_category(source.id) if one.id not in spared]
    return Edit(
        f"All {len(found):,} {source.name} to {target.name}",
        tuple(Change(one, replace(one, category_id=target.id, edited=now)) for one in found),
    )


def emptied(store: Store, category: Category, *, spared: frozenset[int]) -> Edit:
    """The edit, not yet applied, that deletes all objects of a category, but for these annotations."""
    found = [one for one in store.annotations_of_category(category.id) if one.id not in spared]
    return Edit(f"Delete all {len(found):,} {category.name}", tuple(Change(one, None) for one in found))
