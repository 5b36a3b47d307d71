"""The ids of a labels file: whole numbers, texts, numbers too large for a project, and ids given twice.

An id of the file that is a whole number of 63 bits is given back on export. Any other is only used to
find out what belongs together: the record gets a new one, and the file's stays in its `extra`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Raw

from labeler.formats.gates import MAX_ID, TEXT, Fields, Kind, RefusalError, Repairs, excerpt, unpacked

R = TypeVar("R")
Key: TypeAlias = int | str

ORIGINAL = "labeler_id"
"""The key in `extra` for an id that a project cannot give back as it was."""

_LARGEST = 1 << 128
"""Beyond all ids that makers give, UUIDs included."""

LONGEST = 256
"""Characters that an id may have."""

_KEY: Kind[Key] = Kind(int | str, "a whole number")
_FLOAT: Kind[float] = Kind(float, "a whole number")
_NULL = b"null"


def key_of(raw: Raw, field: str) -> Key:
    """An id as the file has it: a whole number or a text. Raises RefusalError for anything else."""
    try:
        key = _KEY.read(raw, field)
    except RefusalError:
        number = _FLOAT.read(raw, field)
        if number != int(number):
            raise RefusalError(field, f"Must be a whole number, but is {excerpt(raw)}.") from None
        key = int(number)
    if isinstance(key, str):
        key = key.strip()
        if not key or len(key) > LONGEST:
            raise RefusalError(field, f"Must be a whole number, but is {excerpt(raw)}.")
    elif abs(key) > _LARGEST:
        raise RefusalError(field, f"Must be a whole number, but is {excerpt(raw)}.")
    return key


def number_of(key: Key) -> int | None:
    """The number that a project can give back for an id; None where it cannot."""
    if isinstance(key, str):
        if not (key.isascii() and key.isdecimal()):
            return None
        key = int(key)
    return key if 0 <= key <= MAX_ID else None


def is_missing(fields: Fields, name: str) -> bool:
    """Whether a key is not there, or null."""
    return name not in fields or bytes(fields[name]).strip() == _NULL


class FileIds(Generic[R]):
    """The records of one list, found by the ids that the file has for them."""

    def __init__(self, kind: str) -> None:
        self.records: list[R] = []
        self._kind = kind
        self._places: dict[Key, int] = {}
        self._alike: dict[int, int] = {}
        """Texts such as "007" also answer to their number, as long as only one does."""
        self._numbers: set[int] = set()
        self._contested: dict[Key, str] = {}
        self._names: Callable[[], dict[str, int]] = dict
        self._by_name: dict[str, int] | None = None

    @classmethod
    def of(cls, kind: str, records: Mapping[Key, Any] | Mapping[int, Any]) -> "FileIds[Any]":
        """Records by the ids that a file of ours has for them, and by the texts that they came with.

        A text that two of them came with means neither.
        """
        made: FileIds[Any] = cls(kind)
        for key, record in records.items():
            made.add(key, record)
        given = set(made._places)
        for place, record in enumerate(made.records):
            text = original_of(record.extra)
            if not text or text in given:
                continue
            if made._places.setdefault(text, place) != place:
                made.contest(
                    text, f"Two {kind} records came with the id {text}: which is meant is not known."
                )
        return made

    def __len__(self) -> int:
        return len(self.records)

    def by_names(self, names: Callable[[], dict[str, int]]) -> None:
        """Let records be found by these names too, where no id fits: name to place."""
        self._names = names

    def known(self, key: Key | None) -> R | None:
        """The record that has that id already."""
        return self.records[self._places[key]] if key is not None and key in self._places else None

    def take_number(self, key: Key | None) -> int | None:
        """The id to give back for a key: its number, unless there is none or another record has it."""
        number = None if key is None else number_of(key)
        if number is None or number in self._numbers:
            return None
        self._numbers.add(number)
        return number

    def add(self, key: Key | None, record: R) -> None:
        """A new record under an id; None where it has none."""
        place = len(self.records)
        self.records.append(record)
        if key is None:
            return
        self._places[key] = place
        if isinstance(key, str) and (number := number_of(key)) is not None:
            self._alike[number] = -1 if number in self._alike else place

    def contest(self, key: Key, sentence: str) -> int:
        """Say that two records claim one id, so nothing can be meant by it; gives the first one's place."""
        self._contested[key] = sentence
        return self._places[key]

    def find(self, fields: Fields, field: str, repairs: Repairs) -> R:
        """The record that a field names. Raises RefusalError where there is none, or more than one."""
        if field not in fields:
            raise RefusalError(field, "Is missing.")
        raw = fields[field]
        key = key_of(raw, field)
        place = self._place(key)
        if key in self._contested:
            raise RefusalError(field, self._contested[key])
        if place is None:
            if isinstance(key, int) and key < 0:
                raise RefusalError(field, f"Must be from 0 to {MAX_ID}, but is {excerpt(raw)}.")
            raise RefusalError(field, f"There is no {self._kind} with the id {key}.")
        if not (isinstance(key, int) and bytes(raw).strip().isdigit()) and number_of(key) is not None:
            repairs.append((field, f"Was written {excerpt(raw)}, read as {number_of(key)}."))
        return self.records[place]

    def _place(self, key: Key) -> int | None:
        place = self._places.get(key)
        if place is not None:
            return place
        if isinstance(key, int):
            place = self._alike.get(key, -1)
            return None if place < 0 else place
        number = number_of(key)
        if number is not None and number in self._places:
            return self._places[number]
        if self._by_name is None:
            self._by_name = self._names()
        return self._by_name.get(key)


def original_of(extra: bytes) -> str:
    """The text that a record had for an id in its file; "" where a project can give its id back."""
    original = unpacked(extra).get(ORIGINAL)
    return TEXT.read(original, ORIGINAL) if original is not None and TEXT.matches(original) else ""


def with_original(extra: dict[str, Any], key: Key | None, number: int | None) -> dict[str, Any]:
    """The other keys of a record, with the id of the file where the project cannot give it back."""
    if key is None or number is not None:
        return extra
    return {**extra, ORIGINAL: msgspec.json.encode(key if isinstance(key, str) else str(key))}
