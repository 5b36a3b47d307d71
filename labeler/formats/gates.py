"""The gate for JSON that nobody vouches for: a value comes out with the type asked for, or a RefusalError.

NaN and infinities are no JSON; the file layer turns them into 1e999, which is refused here as a number out
of range. A bool is never taken for a number.
"""

import json
from collections import Counter
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

T = TypeVar("T")
Fields: TypeAlias = dict[str, Raw]
Repairs: TypeAlias = list[tuple[str, str]]
"""(field, sentence) of what was put right in one item."""

BAD_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises on bad input."""

MAX_ID = (1 << 63) - 1
"""The largest id that a project file can hold."""

_EXCERPT = 40
_DEEPEST = 32


class RefusalError(Exception):
    """An item that cannot be taken: the field and one sentence why."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


class LimitError(RefusalError):
    """An item that is refused because it would take more time or memory than one item may."""


class Kind(Generic[T]):
    """A type of JSON value with its name for people and a decoder made once."""

    def __init__(self, type_: Any, name: str) -> None:
        self._decoder = msgspec.json.Decoder(type_)
        self.name = name

    def read(self, raw: Raw, field: str) -> T:
        """The value of `raw`; RefusalError when it has another type or is out of range."""
        try:
            value: T = self._decoder.decode(raw)
        except BAD_JSON as error:
            raise RefusalError(field, f"Must be {self.name}, but is {excerpt(raw)}.") from error
        return value

    def matches(self, raw: Raw) -> bool:
        """Whether `raw` has this type."""
        try:
            self._decoder.decode(raw)
        except BAD_JSON:
            return False
        return True


OBJECT: Kind[Fields] = Kind(dict[str, Raw], "an object")
NUMBER: Kind[float] = Kind(float, "a finite number")
TEXT: Kind[str] = Kind(str, "a text")
BOOL: Kind[bool] = Kind(bool, "true or false")
_WHOLE: Kind[int] = Kind(int, "a whole number")
_ANY: Kind[Any] = Kind(Any, "a value")
_ENCODE = msgspec.json.Encoder().encode


def excerpt(raw: Raw) -> str:
    """The beginning of a JSON text for a message."""
    text = bytes(memoryview(raw)[:_EXCERPT]).decode("utf-8", "replace")
    if "1e999" in text:
        return "not a finite number"
    return text if len(memoryview(raw)) <= _EXCERPT else f"{text}..."


def fields_of(raw: Raw, repairs: Repairs) -> Fields:
    """The keys of a JSON object with their raw values; a key given twice is a repair (the last one counts).

    Raises RefusalError when it is no object.
    """
    fields = OBJECT.read(raw, "")
    if bytes(raw).count(b":") > len(fields):
        repairs += [(key, "The key occurs twice; the last one was taken.") for key in _twice(raw)]
    return fields


def _twice(raw: Raw) -> list[str]:
    """Keys that occur more than once in one object of a JSON text."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(key for key, _ in pairs)
        if len(counts) < len(pairs):
            found.extend(sorted(key for key, count in counts.items() if count > 1))

    try:
        json.loads(bytes(raw), object_pairs_hook=look, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise RefusalError("", "Its lists are nested too deeply to be read.") from error
    return found


def whole(fields: Fields, name: str, repairs: Repairs, *, least: int = 0, most: int = MAX_ID) -> int:
    """A whole number of a field; 3.0 is repaired to 3.

    Raises RefusalError when it is missing, of another type, or outside `least` to `most`.
    """
    if name not in fields:
        raise RefusalError(name, "Is missing.")
    raw = fields[name]
    try:
        value = _WHOLE.read(raw, name)
    except RefusalError:
        value = _made_whole(raw, name)
        repairs.append((name, f"Was written {excerpt(raw)}, read as {value}."))
    if not least <= value <= most:
        raise RefusalError(name, f"Must be from {least} to {most}, but is {excerpt(raw)}.")
    return value


def _made_whole(raw: Raw, name: str) -> int:
    number = NUMBER.read(raw, name)
    if number != int(number):
        raise RefusalError(name, f"Must be a whole number, but is {excerpt(raw)}.")
    return int(number)


def text(fields: Fields, name: str) -> str:
    """A text of a field that is not empty; RefusalError otherwise."""
    if name not in fields:
        raise RefusalError(name, "Is missing.")
    value = TEXT.read(fields[name], name)
    if not value.strip():
        raise RefusalError(name, "Is empty.")
    return value


def plain_object(raw: Raw) -> dict[str, Any] | None:
    """A JSON object as Python values, or None where the project could not hold it without loss."""
    try:
        value = _ANY.read(raw, "")
    except RefusalError:
        return None
    return value if isinstance(value, dict) and _holds(value, _DEEPEST) else None


def _holds(value: Any, depth: int) -> bool:
    """Whether a value is no deeper than `depth` and has only integers of 64 bits."""
    if isinstance(value, dict):
        return depth > 0 and all(_holds(item, depth - 1) for item in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_holds(item, depth - 1) for item in value)
    return not isinstance(value, int) or -MAX_ID <= value <= MAX_ID


def packed(fields: dict[str, Any]) -> bytes:
    """A JSON object of raw values (Raw or bytes); b"" for none."""
    if not fields:
        return b""
    return b"{%b}" % b",".join([b"%b:%b" % (_ENCODE(key), raw) for key, raw in fields.items()])


def unpacked(extra: bytes) -> Fields:
    """The raw values of an `extra`; none of b""."""
    return OBJECT.read(Raw(extra), "extra") if extra else {}


class Rle(Struct, frozen=True):
    """A COCO run-length mask: size (height, width) and counts, compressed (text) or not."""

    size: tuple[int, int]
    counts: str | list[int]
