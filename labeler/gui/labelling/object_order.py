"""Which objects of an image a list shows, and in which order."""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from labeler.core.geometry import area
from labeler.core.records import Annotation

Sorting: TypeAlias = Literal["made", "category", "largest", "smallest", "confidence", "agreement"]

SORTINGS: tuple[tuple[str, Sorting], ...] = (
    ("As they were made", "made"),
    ("By category", "category"),
    ("Largest first", "largest"),
    ("Smallest first", "smallest"),
    ("Least confident first", "confidence"),
    ("Least agreement first", "agreement"),
)
"""What a person reads, and what it is called here."""


def arranged(
    annotations: Iterable[Annotation],
    *,
    text: str,
    sorting: Sorting,
    words: Callable[[Annotation], str],
    category: Callable[[Annotation], str],
    confidence: Callable[[Annotation], float | None],
    agreement: Callable[[Annotation], float | None],
) -> list[int]:
    """The ids of the annotations whose `words` have every word of `text`, in that order.

    `category` gives the name of its category, `confidence` that of the prediction it was accepted from,
    `agreement` its IoU with what it is measured against; those that have none come last. Equals stay as they
    are given.
    """
    wanted = text.casefold().split()
    found = [one for one in annotations if not wanted or _has(words(one).casefold(), wanted)]
    match sorting:
        case "category":
            found.sort(key=lambda one: category(one).casefold())
        case "largest":
            found.sort(key=lambda one: -area(one.shape))
        case "smallest":
            found.sort(key=lambda one: area(one.shape))
        case "confidence":
            found.sort(key=lambda one: _none_last(confidence(one)))
        case "agreement":
            found.sort(key=lambda one: _none_last(agreement(one)))
        case "made":
            pass
    return [one.id for one in found]


def _has(words: str, wanted: list[str]) -> bool:
    return all(one in words for one in wanted)


def _none_last(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0
