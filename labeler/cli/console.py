"""What is written to the console, whatever it can show: no name in a file may end a command."""

import codecs
import io
import json
import math
import sys
from typing import Any

_HANDLER = "labeler-plain"
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("–—−", "-"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("‘’", "'"),
        "…": "...",
        "·": "-",
        "×": "x",
        "▸": ">",
    }
)
"""Our own signs in letters that every console has."""


def open_console() -> None:
    """Have stdout and stderr write what their encoding lacks in plain letters or by its number."""
    codecs.register_error(_HANDLER, _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Write a value to stdout as JSON, in ASCII: it is the same for whoever reads it, by any encoding."""
    import msgspec  # noqa: PLC0415 - the window's start goes through this module

    print(json.dumps(_finite(msgspec.to_builtins(value)), indent=indent, ensure_ascii=True))


def _finite(value: Any) -> Any:
    """The value with null for the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _in_plain_letters(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError), "it is for writing only"
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end
