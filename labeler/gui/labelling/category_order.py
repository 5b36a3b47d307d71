"""The order in which categories are offered: the latest and most used first, or what a text finds."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from labeler.core.records import Category

LATEST = 5
"""So many of the categories chosen last stand before all others."""
FEW = 10
"""Up to so many categories are one plain list."""


class Section(Struct, frozen=True):
    """Categories under a heading, which is "" where there is only one section."""

    title: str
    ids: tuple[int, ...]


def sections(
    categories: Mapping[int, Category], *, uses: Callable[[int], int], recent: Sequence[int]
) -> list[Section]:
    """All categories: the latest ones, then by supercategory, of each the most used first.

    `uses` gives the objects of a category, `recent` has the ids chosen of late, the last one first. The
    supercategory that is used most comes first, and categories without one come last.
    """
    latest = [one for one in recent if one in categories][:LATEST]
    left = [one for one in categories.values() if one.id not in latest]
    if len(categories) <= FEW:
        return [Section("", (*latest, *_by_use(left, uses)))]
    groups: dict[str, list[Category]] = {}
    for one in left:
        groups.setdefault(one.supercategory.strip(), []).append(one)
    names = sorted(
        groups, key=lambda name: (not name, -sum(uses(one.id) for one in groups[name]), name.casefold())
    )
    found = [Section("Latest", tuple(latest))] if latest else []
    alone = len(names) == 1 and not names[0]
    return found + [
        Section(name or ("All" if alone else "Others"), _by_use(groups[name], uses)) for name in names
    ]


def matching(
    categories: Mapping[int, Category], text: str, *, uses: Callable[[int], int], recent: Sequence[int]
) -> list[int]:
    """The ids of the categories that a text finds, the likeliest first; all of them for a blank text.

    That is the one that is called so or has that key, then by what the text is of a name: its beginning, the
    beginning of a word in it, a part of it; and last what only the supercategory has. Among equals the
    latest and the most used come first.
    """
    wanted = " ".join(text.split()).casefold()
    places = {one: place for place, one in enumerate(recent)}
    found = []
    for one in categories.values():
        rank = _rank(one, wanted)
        if rank is not None:
            order = (rank, places.get(one.id, len(places)), -uses(one.id), one.name.casefold(), one.id)
            found.append(order)
    return [order[-1] for order in sorted(found)]


def _rank(category: Category, wanted: str) -> int | None:
    name = category.name.casefold()
    if wanted in (name, category.key):
        return 0
    if name.startswith(wanted):
        return 1
    if any(word.startswith(wanted) for word in name.replace("-", " ").replace("_", " ").split()):
        return 2
    if wanted in name:
        return 3
    return 4 if wanted in category.supercategory.casefold() else None


def _by_use(categories: Iterable[Category], uses: Callable[[int], int]) -> tuple[int, ...]:
    ordered = sorted(categories, key=lambda one: (-uses(one.id), one.name.casefold(), one.id))
    return tuple(one.id for one in ordered)
