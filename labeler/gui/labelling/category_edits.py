"""What one can do to categories, as labels and changes; nothing here knows a widget."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.records import Category, Change


class CategoryEdit(Struct, frozen=True):
    """A sentence for the history and the changes it stands for."""

    label: str
    changes: tuple[Change, ...]


Switch: TypeAlias = Callable[[Category, bool], CategoryEdit]
"""Sets or clears one property of a category."""


def clean_name(text: str) -> str:
    """A name as it is kept: no white space around it, single blanks within."""
    return " ".join(text.split())


def named(categories: Mapping[int, Category], name: str) -> Category | None:
    """The category of that name, upper or lower case."""
    wanted = clean_name(name).casefold()
    return next((one for one in categories.values() if one.name.casefold() == wanted), None)


def renamed(category: Category, name: str) -> CategoryEdit:
    """The same category under another name."""
    new = clean_name(name)
    return CategoryEdit(f"Rename {category.name} to {new}", (Change(category, replace(category, name=new)),))


def recolored(category: Category, color: str) -> CategoryEdit:
    """The same category in another colour "#rrggbb"."""
    return CategoryEdit(
        f"Change colour of {category.name}", (Change(category, replace(category, color=color)),)
    )


def rekeyed(categories: Mapping[int, Category], category: Category, key: str) -> CategoryEdit:
    """The category gets a key ("" for none); a category that had it goes without."""
    changes = [
        Change(other, replace(other, key=""))
        for other in categories.values()
        if key and other.key == key and other.id != category.id
    ]
    label = f"Key {key} for {category.name}" if key else f"No key for {category.name}"
    return CategoryEdit(label, (*changes, Change(category, replace(category, key=key))))


def hidden(category: Category, hide: bool) -> CategoryEdit:
    """Hide or show the objects of a category."""
    word = "Hide" if hide else "Show"
    return CategoryEdit(f"{word} {category.name}", (Change(category, replace(category, hidden=hide)),))


def locked(category: Category, lock: bool) -> CategoryEdit:
    """Protect the objects of a category against changes, or allow them again."""
    word = "Lock" if lock else "Unlock"
    return CategoryEdit(f"{word} {category.name}", (Change(category, replace(category, locked=lock)),))


def deleted(category: Category) -> CategoryEdit:
    """The category is gone; for one that no object uses."""
    return CategoryEdit(f"Delete category {category.name}", (Change(category, None),))
