"""Which file a labels file means by an image's name: looked for inside one folder only.

A name is text of a stranger. It may be absolute, climb out by "..", name a drive or a server; such a name
is never opened. What is found is found inside the chosen folder: under the name itself, under another
unicode form of it, or as the only file in the folder that has its last part, be that coded as in an address,
in another case, behind the mark of an upload, or without its ending. A link in the folder was put there by
its owner: it is the photo that it leads to, wherever that lies.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal, TypeAlias
from urllib.parse import unquote

from msgspec import Struct

from labeler.core.photos.patience import is_folder, is_there, patiently, resolved
from labeler.core.photos.photo_files import PLACEHOLDER, SUFFIXES, photos_below
from labeler.errors import ImageError

Like: TypeAlias = Literal["path", "tail", "name", "address", "case", "prefix", "ending"]

REASONS: dict[Like, str] = {
    "path": "which is the same path",
    "tail": "which ends in the same folder and name",
    "name": "which has the same last part",
    "address": "which is that name without its coding",
    "case": "which differs in upper and lower case",
    "prefix": "which is that name without the mark put before uploaded files",
    "ending": "which is that name with its ending",
}

_LONGEST_PART = 200
_UPLOAD_MARK = re.compile(r"^[0-9a-f]{8}-(?=.)", re.IGNORECASE)
"""What Label Studio puts before the names of uploaded files."""
_PLACES = ("d", "path", "file", "filename", "filepath", "url", "key", "name")
"""Parts of an address's query that name a file."""


class FoundFile(Struct, frozen=True):
    """A file inside the folder."""

    path: str
    """POSIX style, relative to the folder, as the file system spells it."""
    by: Like
    """Whether the whole relative path fits, or what else it has in common with the name."""


class Folder:
    """The images below one folder, by the names that labels files have for them.

    A name is asked of the disk; who asks for many has the folder listed first, by `files`.
    """

    def __init__(self, root: Path) -> None:
        self.root = resolved(root)
        self._known_folders: dict[str, bool] = {}

    def holds(self, name: str) -> bool:
        """Whether there is a file of just that path; nothing is listed for it."""
        relative = self._relative(name)
        return bool(relative) and self._is_inside(relative)

    def find(self, name: str) -> FoundFile | None:
        """The file that a labels file calls `name`; None where there is none, or more than one."""
        relative = self._relative(name)
        if relative and self._is_inside(relative):
            return FoundFile(relative, "path")
        if relative and (path := self._by_path.get(folded(relative))):
            return FoundFile(path, "path")
        for by, key in _likenesses(name):
            alike = self._alike[by].get(key, ())
            if len(alike) == 1:
                return FoundFile(alike[0], by)
            if len(alike) > 1 and by != "tail":
                return None
        return None

    def _relative(self, name: str) -> str:
        """The name as a clean path below the folder; "" where it leads elsewhere."""
        if not name.isprintable():
            return ""
        below = name.removeprefix(self.root.as_posix() + "/")
        return below if is_clean(below) else clean(below)

    def _is_inside(self, relative: str) -> bool:
        """Whether a clean path is a file of the folder, or a link in it to a photo."""
        if (known := self._listed(relative)) is not None:
            return known
        path = self.root / relative
        try:
            if path.suffix.lower() in SUFFIXES:
                return self._has_folder(relative.rpartition("/")[0]) and is_there(path)
            return patiently(path, lambda: self._is_below_root(path.resolve()))
        except (
            ImageError,
            OSError,
            ValueError,
            RuntimeError,
        ):  # a link in a circle is a RuntimeError before Python 3.13
            return False

    def _has_folder(self, relative: str) -> bool:
        """Whether a folder below this one is there; where its disk is silent, who reads in it says so."""
        if relative not in self._known_folders:
            try:
                self._known_folders[relative] = not relative or is_folder(self.root / relative)
            except ImageError:
                return True
        return self._known_folders[relative]

    def _listed(self, relative: str) -> bool | None:
        """Whether a photo is there as far as its folder was listed already; None where that says nothing."""
        if "files" not in self.__dict__ or relative.startswith(".") or "/." in relative:
            return None
        if relative in self._names:
            return True
        is_photo = PurePosixPath(relative).suffix.lower() in SUFFIXES
        return False if is_photo and relative.rpartition("/")[0] in self._folders else None

    def _is_below_root(self, real: Path) -> bool:
        return real.is_relative_to(self.root) and real.is_file()

    @cached_property
    def files(self) -> list[str]:
        """All photos of the folder, relative to it, in natural order; [] where it cannot be read."""
        try:
            return list(photos_below(self.root))
        except OSError:  # what is not found is told name by name
            return []

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def _folders(self) -> frozenset[str]:
        """The folders that have photos; what is not in one of these, no listing says."""
        return frozenset(path.rpartition("/")[0] for path in self.files)

    @cached_property
    def _by_path(self) -> dict[str, str]:
        return {folded(path): path for path in self.files}

    @cached_property
    def _alike(self) -> dict[Like, dict[str, list[str]]]:
        """The files by each thing that they may have in common with a name."""
        found: dict[Like, defaultdict[str, list[str]]] = {by: defaultdict(list) for by in REASONS}
        for path in self.files:
            last = folded(last_part(path))
            if tail := _tail(path):
                found["tail"][tail].append(path)
            found["name"][last].append(path)
            found["case"][last.casefold()].append(path)
            found["ending"][last.rpartition(".")[0].casefold()].append(path)
        found["address"] = found["name"]
        found["prefix"] = found["case"]
        return dict(found)


def _likenesses(name: str) -> Iterator[tuple[Like, str]]:
    """What a file may have in common with a name, the surest first."""
    if not name.isprintable() or not last_part(name):
        return
    if tail := _tail(name):
        yield "tail", tail
    yield "name", folded(last_part(name))
    plain = [name, *_decoded(name)]
    for other in plain[1:]:
        if tail := _tail(other):
            yield "tail", tail
        yield "address", folded(last_part(other))
    lasts = [folded(last_part(other)).casefold() for other in plain]
    for last in lasts:
        yield "case", last
    for last in lasts:
        if _UPLOAD_MARK.match(last):
            yield "prefix", _UPLOAD_MARK.sub("", last)
    for last in lasts:
        short = _UPLOAD_MARK.sub("", last)
        if PurePosixPath(last).suffix not in SUFFIXES:
            yield "ending", last
            yield "ending", short


def _decoded(name: str) -> list[str]:
    """The paths that a name amounts to if it is an address or is coded as in one."""
    found = []
    address, _, query = name.partition("?")
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if value and key.lower() in _PLACES:
            found.append(unquote(value))
    found.append(unquote(address.partition("#")[0]))
    found.append(unquote(name))
    return [one for one in dict.fromkeys(found) if one != name and one.isprintable() and last_part(one)]


def _tail(path: str) -> str:
    """The last folder and the name of a path, "" where it has no folder."""
    parts = path.replace("\\", "/").rstrip("/").rsplit("/", 2)
    return folded("/".join(parts[-2:])) if len(parts) > 1 and all(parts[-2:]) else ""


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
