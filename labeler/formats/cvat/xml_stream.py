"""The elements of an XML file one after another, so that whoever is done with one can let it go."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from labeler.errors import FormatError
from labeler.formats.json_text import read_bytes
from labeler.formats.voc.xml_text import check_entities, decoded, sentence_of

_CHUNK = 1 << 20
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_KNOWN = re.compile(rb"^\s*<\?xml[^>]*encoding\s*=\s*[\"'](?:utf-?8|us-ascii|iso-8859-1)[\"']", re.IGNORECASE)
"""Declarations that expat follows by itself."""


def elements(path: Path, *, encoding: str = "") -> Iterator[tuple[str, Element]]:
    """("start" or "end", element) in the order of the file, whose `encoding` is found out if not named.

    Raises FormatError, one sentence, where it is no XML, ends in the middle, or declares entities.
    """
    data = read_bytes(path, encoding=encoding)
    check_entities(data, path)
    text: str | bytes = data.decode("utf-8") if encoding else data
    if not encoding and not _is_plain(data):
        text = decoded(data) or data
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    try:
        for start in range(0, len(text), _CHUNK):
            parser.feed(text[start : start + _CHUNK])
            yield from _events(parser)
        parser.close()
        yield from _events(parser)
    except (ParseError, ValueError, LookupError) as error:
        raise FormatError(sentence_of(path, error)) from error


def _is_plain(data: bytes) -> bool:
    """Whether expat reads the bytes as they are meant."""
    if data[:2] in _WIDE or _KNOWN.match(data):
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"encoding" not in data[:200].partition(b">")[0]


def _events(parser: "XMLPullParser[Element]") -> Iterator[tuple[str, Element]]:
    return cast("Iterator[tuple[str, Element]]", parser.read_events())
