"""Whose ids a results file has: those that an export gives, or those of one of the files that were imported.

Results name images and categories by number alone, and two imported files may give one number to two of
them. An export gives each a number of its own. What can be meant in more than one way is never guessed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from labeler.core.records import Category, Image
from labeler.errors import UnclearIdsError
from labeler.formats.coco.coco_writing import exported_ids
from labeler.formats.coco.file_ids import Key, key_of, number_of, original_of
from labeler.formats.gates import BAD_JSON, RefusalError
from labeler.formats.image_paths import folded
from labeler.formats.spec import Dataset

R = TypeVar("R", Image, Category)


class Meant(Struct, frozen=True):
    """The records of a project by the ids that a results file has for them."""

    images: dict[Key, Image]
    categories: dict[Key, Category]


class _Named(Struct, frozen=True, gc=False):
    image_id: Raw = Raw(b"null")
    category_id: Raw = Raw(b"null")


_NAMED = msgspec.json.Decoder(_Named)


class _Claims(Struct, frozen=True):
    """What the numbers that a results file uses may mean in one list of a project."""

    only_exported: bool
    """Whether a number is used that no imported file gave."""
    clash: tuple[int, Image | Category, Image | Category] | None
    """A number that means one record in one file and another in another."""


def meant_by(items: Iterable[Raw], images: Sequence[Image], categories: Sequence[Category]) -> Meant:
    """What the ids of results mean in a project.

    A number that only an export gives shows that the ids are an export's. Raises UnclearIdsError where an
    id may mean two records and nothing shows which.
    """
    image_ids, category_ids = _used(items)
    of_images, of_categories = _claims(images, image_ids), _claims(categories, category_ids)
    if not (of_images.only_exported or of_categories.only_exported):
        for kind, clash in (("Image", of_images.clash), ("Category", of_categories.clash)):
            if clash is not None:
                raise UnclearIdsError(_unclear(kind, *clash))
    ids, kinds = exported_ids(images), exported_ids(categories)
    return Meant({ids[one.id]: one for one in images}, {kinds[one.id]: one for one in categories})


def meant_in(dataset: Dataset, known: Callable[[str], Image | None], categories: Sequence[Category]) -> Meant:
    """What the ids of a labels file mean in a project, `known` giving its image of a file name."""
    by_name = {folded(one.name.strip()): one for one in categories}
    images = ((_key(one), known(one.path)) for one in dataset.images)
    kinds = ((_key(one), by_name.get(folded(one.name.strip()))) for one in dataset.categories)
    return Meant(_present(images), _present(kinds))


def _present(pairs: Iterable[tuple[Key | None, R | None]]) -> dict[Key, R]:
    return {key: record for key, record in pairs if key is not None and record is not None}


def _key(record: Image | Category) -> Key | None:
    return record.file_id if record.file_id is not None else original_of(record.extra) or None


def _used(items: Iterable[Raw]) -> tuple[set[int], set[int]]:
    """The numbers of images and of categories that results have."""
    images: set[int] = set()
    categories: set[int] = set()
    for raw in items:
        try:
            named = _NAMED.decode(raw)
        except BAD_JSON:
            continue
        for field, numbers in ((named.image_id, images), (named.category_id, categories)):
            try:
                number = number_of(key_of(field, ""))
            except RefusalError:
                continue
            if number is not None:
                numbers.add(number)
    return images, categories


def _claims(records: Sequence[Image] | Sequence[Category], used: set[int]) -> _Claims:
    ids = exported_ids(records)
    owner = {ids[record.id]: record for record in records}
    claimed: defaultdict[int, list[Image | Category]] = defaultdict(list)
    for record in records:
        if record.file_id is not None:
            claimed[record.file_id].append(record)
    clash = None
    for number in sorted(used):
        others = [*([owner[number]] if number in owner else []), *claimed.get(number, ())]
        second = next((other for other in others if other.id != others[0].id), None)
        if second is not None:
            clash = number, others[0], second
            break
    only = any(number in owner and number not in claimed for number in used)
    return _Claims(only, clash)


def _unclear(kind: str, number: int, first: Image | Category, second: Image | Category) -> str:
    """The sentence about a number that two records claim; the first is the one that exports it."""
    where = "in one labels file of the project" if first.file_id == number else "as the project exports it"
    other = "another" if first.file_id == number else "a labels file that it took in"
    return (
        f"{kind} id {number} is “{_name(first)}” {where} and “{_name(second)}” in {other}, and the results "
        "do not say whose ids they have."
    )


def _name(record: Image | Category) -> str:
    return record.path if isinstance(record, Image) else record.name
