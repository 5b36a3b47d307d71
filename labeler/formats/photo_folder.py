"""The photos around a labels file, by the names that a format has for them: what `Source` asks."""

from functools import cached_property
from pathlib import Path, PurePosixPath

from labeler.core.photos.images import read_header
from labeler.errors import ImageError
from labeler.formats.image_paths import Folder, folded

_SINGLY = 64
"""Photos that are looked for one by one, before their folder is listed."""
LYING = 5
"""EXIF orientations from this on swap width and height."""


class PhotoFolder:
    """Finds photos below `base`, and below `more` where a person has named that; headers are read once.

    Sizes are those of photos as displayed, or `stored` those before their EXIF orientation turns them.
    """

    def __init__(self, base: Path, more: Path | None = None, *, stored: bool = False) -> None:
        self._stored = stored
        self._folders = [Folder(base), *([Folder(more)] if more is not None else [])]
        self._found: dict[str, tuple[Path, str] | None] = {}
        self._sizes: dict[Path, tuple[int, int] | None] = {}

    def photos(self) -> list[str]:
        """All photos below the folder that is read, relative to it, in natural order."""
        return self._folders[0].files

    def find(self, name: str) -> str | None:
        """The photo's path below the folder it is in, as the disk spells it; None where there is none.

        A name may lack its ending; then the photo of that path with one is meant, if there is but one.
        """
        found = self._place(name)
        return found[1] if found else None

    def size(self, name: str) -> tuple[int, int] | None:
        """The (width, height) of the photo of that name; None where it is not there or damaged."""
        found = self._place(name)
        if found is None:
            return None
        path = found[0] / found[1]
        if path not in self._sizes:
            self._sizes[path] = _size_of(path, stored=self._stored)
        return self._sizes[path]

    def _place(self, name: str) -> tuple[Path, str] | None:
        if name not in self._found:
            self._found[name] = self._look_for(name)
        return self._found[name]

    def _look_for(self, name: str) -> tuple[Path, str] | None:
        if len(self._found) == _SINGLY:
            for folder in self._folders:
                folder.files  # noqa: B018 - listed once, so that no other name is asked of the disk
        for folder in self._folders:
            if folder.holds(name):
                return folder.root, str(PurePosixPath(name))
        alike = self._by_stem.get(folded(name), [])
        if len(alike) == 1:
            return self._folders[0].root, alike[0]
        for folder in self._folders:
            if (found := folder.find(name)) is not None:
                return folder.root, found.path
        return None

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.photos():
            found.setdefault(folded(str(PurePosixPath(path).with_suffix(""))), []).append(path)
        return found


def _size_of(path: Path, *, stored: bool) -> tuple[int, int] | None:
    try:
        header = read_header(path)
    except ImageError:
        return None
    if stored and header.turn >= LYING:
        return header.height, header.width
    return header.width, header.height
