"""Which file a labels file means by an image's name: looked for inside one folder only.

A name is text of a stranger. It may be absolute, climb out by "..", name a drive or a server; such a name
is never opened. What is found is found inside the chosen folder: under the name itself, under another
unicode form of it, or under its last part where only one file in the folder has that. A link in the folder
was put there by its owner: it is the photo that it leads to, wherever that lies.
"""

import hashlib
import unicodedata
from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from msgspec import Struct

from labeler.core.photo_files import PLACEHOLDER, SUFFIXES, photos_below

_LONGEST_PART = 200


class Found(Struct, frozen=True):
    """A file inside the folder."""

    path: str
    """POSIX style, relative to the folder, as the file system spells it."""
    by: Literal["path", "name"]
    """Whether the whole relative path fits, or only its last part."""


class Folder:
    """The images below one folder, by the names that labels files have for them."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def find(self, name: str) -> Found | None:
        """The file that a labels file calls `name`; None where there is none, or more than one."""
        relative = self._relative(name)
        if relative and self._is_inside(relative):
            return Found(relative, "path")
        if relative and (path := self._by_path.get(folded(relative))):
            return Found(path, "path")
        alike = self._by_name.get(folded(last_part(name)), ())
        return Found(alike[0], "name") if len(alike) == 1 else None

    def _relative(self, name: str) -> str:
        """The name as a clean path below the folder; "" where it leads elsewhere."""
        if not name.isprintable():
            return ""
        below = name.removeprefix(self.root.as_posix() + "/")
        return below if is_clean(below) else clean(below)

    def _is_inside(self, relative: str) -> bool:
        """Whether a clean path is a file of the folder, or a link in it to a photo."""
        path = self.root / relative
        try:
            real = path.resolve()
            inside = real.is_relative_to(self.root) or path.suffix.lower() in SUFFIXES
            return inside and real.is_file()
        except (OSError, ValueError, RuntimeError):  # a link in a circle is a RuntimeError before Python 3.13
            return False

    @cached_property
    def _files(self) -> list[str]:
        try:
            return list(photos_below(self.root))
        except OSError:  # what is not found is told name by name
            return []

    @cached_property
    def _by_path(self) -> dict[str, str]:
        return {folded(path): path for path in self._files}

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        alike = defaultdict(list)
        for path in self._files:
            alike[folded(last_part(path))].append(path)
        return dict(alike)


def folded(path: str) -> str:
    """A path in the form (NFC) that two spellings of it share."""
    return unicodedata.normalize("NFC", path)


def is_clean(name: str) -> bool:
    """Whether a name is a plain relative POSIX path that stays below where it starts, on every system."""
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and not PureWindowsPath(name).drive
        and all(part not in ("", ".", "..") for part in parts)
    )


def clean(name: str) -> str:
    """The plain relative path that a name with ".", doubled slashes or backslashes amounts to.

    "" where it leads elsewhere: an absolute path, a drive or server, or one with "..".
    """
    path = PureWindowsPath(name)
    if path.drive or path.root or PurePosixPath(name).is_absolute() or ".." in path.parts:
        return ""
    tidy = "/".join(path.parts)
    return tidy if is_clean(tidy) else ""


def placeholder(name: str) -> str:
    """A path below the folder for an image that was not found: its own where that is harmless.

    Else its last part below "unmatched/" and a number that only this name has, so that nothing outside the
    folder is ever looked at.
    """
    tidy = clean(name)
    if tidy and all(len(part) <= _LONGEST_PART for part in tidy.split("/")):
        return tidy
    last = "".join(character if character.isprintable() else "_" for character in last_part(name))
    last = last[-_LONGEST_PART:].replace(":", "_").strip(". ")
    number = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{PLACEHOLDER}/{number}/{last or 'image'}"


def last_part(name: str) -> str:
    """What stands after the last slash or backslash of a name."""
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
