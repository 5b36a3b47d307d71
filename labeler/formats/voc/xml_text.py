"""XML in and out, within bounds: a file is a tree of elements or one sentence; any text can be written."""

import re
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree.ElementTree import Element, ParseError, XMLParser

from labeler.errors import FormatError
from labeler.formats.encodings import reading
from labeler.formats.json_text import read_bytes

Tree: TypeAlias = list[Any]
"""Elements as JSON: for each a pair of its name and its text, or such a list of its children."""

TAB = "\t"
_MOST_TAGS = 4_000_000
"""Tags of one file that are read: 100,000 objects of an image have less."""
_DEEPEST = 8
_MOST_KEPT = 256
"""Elements of one object that nobody here reads and that are kept."""
_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*encoding\s*=\s*[\"']([\w.\-]+)[\"']")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (https://www.w3.org/TR/xml/#charsets)."""


def root_of(path: Path, *, encoding: str = "") -> Element:
    """The root element of an XML file, whose `encoding` is found out where none is named.

    Raises FormatError, one sentence, where it is no XML, declares entities, or has too many tags.
    """
    data = read_bytes(path, encoding=encoding)
    check_entities(data, path)
    if data.count(b"<") > _MOST_TAGS:
        raise FormatError(f"“{path}” has more than {_MOST_TAGS:,} tags; split it by images.")
    if encoding:
        return _parsed(data.decode("utf-8"), path)
    try:
        return _fed(data)
    except (ParseError, ValueError, LookupError) as error:
        text = decoded(data)
        if text is None:
            raise FormatError(sentence_of(path, error)) from error
        return _parsed(text, path)


def check_entities(data: bytes, path: Path) -> None:
    """Raises FormatError for XML that declares entities: a few bytes of it may mean gigabytes, or a file."""
    if b"<!ENTITY" in data.replace(b"\0", b""):
        raise FormatError(f"“{path}” declares entities (DOCTYPE), which are not read; take them out.")


def _fed(text: str | bytes) -> Element:
    parser = XMLParser()
    parser.feed(text)
    root: Element = parser.close()
    return root


def _parsed(text: str, path: Path) -> Element:
    try:
        return _fed(text)
    except (ParseError, ValueError, LookupError) as error:
        raise FormatError(sentence_of(path, error)) from error


def decoded(data: bytes) -> str | None:
    """The text of a file that is not in the encoding that it says, or that expat does not know; None else."""
    declared = _DECLARED.match(data)
    for encoding in [declared[1].decode("ascii")] if declared else []:
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeError):
            pass
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        found = reading(data)
        return found[0] if found else None
    return data.decode("utf-8") if declared else None


def sentence_of(path: Path, error: Exception) -> str:
    """What is wrong with a file that expat does not read, with its line and column."""
    said = str(error)
    if isinstance(error, ParseError) and ("no element found" in said or "unclosed token" in said):
        return f"“{path}” is not whole: its XML ends in the middle, in line {error.position[0]}."
    if isinstance(error, ParseError):
        line, column = error.position
        return f"“{path}” is not XML: {said.partition(':')[0]} at line {line}, column {column + 1}."
    return f"“{path}” is not XML that can be read ({error})."


def text_of(element: Element, name: str) -> str:
    """The text of the first child of that name, "" where there is none or it is blank.

    Line breaks around it are of the layout and left out; blanks of its own stay.
    """
    return _tidy(element.findtext(name) or "")


def _tidy(text: str) -> str:
    if text[:1] in "\r\n\t" or text[-1:] in "\r\n\t":
        text = text.strip()
    return text if not text.isspace() else ""


def tree_of(elements: list[Element]) -> Tree:
    """Elements as lists, without their attributes; what lies deeper than any VOC file has it is left out."""
    left = [_MOST_KEPT]
    return _children(elements, _DEEPEST, left)


def _children(elements: list[Element], depth: int, left: list[int]) -> Tree:
    found: Tree = []
    for element in elements:
        if depth == 0 or left[0] == 0 or not isinstance(element.tag, str):
            continue
        left[0] -= 1
        inner = list(element)
        if _NAME.fullmatch(element.tag):
            text = _tidy(element.text or "")
            found.append((element.tag, _children(inner, depth - 1, left) if inner else text))
    return found


def escaped(text: str) -> str:
    """A text as it stands between tags; what XML has no way to write becomes a replacement character."""
    if _NO_XML.search(text):
        text = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text


def escaped_json(data: bytes) -> str:
    """JSON as it stands between tags, exactly."""
    text = _NO_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", data.decode("utf-8"))
    return escaped(text)


def survives(text: str) -> bool:
    """Whether a text that is written is read again as it is."""
    return text == _tidy(text) and not _NO_XML.search(text)


def checked_tree(found: object, *, depth: int = _DEEPEST) -> Tree:
    """What of a JSON value is such a list; it comes from a file, and may be anything."""
    tree: Tree = []
    for one in found if isinstance(found, list) and depth else ():
        if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) and _NAME.fullmatch(one[0]):
            inner = one[1] if isinstance(one[1], str) else checked_tree(one[1], depth=depth - 1)
            tree.append((one[0], inner))
    return tree


def written_tree(tree: Tree, indent: str) -> str:
    """The XML of such a list, a line for each element."""
    lines = []
    for name, inner in tree:
        if isinstance(inner, str):
            lines.append(f"{indent}<{name}>{escaped(inner)}</{name}>\n")
        else:
            lines.append(f"{indent}<{name}>\n{written_tree(inner, indent + TAB)}{indent}</{name}>\n")
    return "".join(lines)
