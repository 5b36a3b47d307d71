"""The files of a VOC data set in its folder, and which photo each is of."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from labeler.core.order import natural_key
from labeler.core.photos.photo_files import SUFFIXES
from labeler.errors import FormatError
from labeler.formats.image_paths import folded, last_part
from labeler.formats.json_text import read_bytes
from labeler.formats.spec import Source

ANNOTATIONS, PHOTOS, SETS = "Annotations", "JPEGImages", "ImageSets"
_LABEL_FOLDERS = frozenset({"annotations", "annotation", "labels", "xml", "xmls"})
_PHOTO_FOLDERS = (PHOTOS, "images", "Images")
_LOOKED_AT = 4000
"""Names that are looked at to find out whether a folder is of this format."""


def files_below(folder: Path, suffix: str, *, most: int | None = None) -> Iterator[PurePosixPath]:
    """Files of an ending below a folder, relative to it, in natural order of each folder.

    Hidden names are left out and links to folders are not followed. `most` limits how many names are looked
    at.
    """
    left = most
    for where, folders, names in os.walk(folder):
        folders[:] = sorted((one for one in folders if not one.startswith(".")), key=natural_key)
        relative = PurePosixPath(Path(where).relative_to(folder).as_posix())
        shown = [name for name in names if name.lower().endswith(suffix) and not name.startswith(".")]
        if left is not None:
            shown = shown[:left]
            left -= len(names) + len(folders)
        for name in sorted(shown, key=natural_key):
            if name.isprintable():
                yield relative / name
        if left is not None and left <= 0:
            return


def some_files(folder: Path, suffix: str) -> Iterator[PurePosixPath]:
    """As `files_below`, of the first names of a folder only."""
    return files_below(folder, suffix, most=_LOOKED_AT)


def home_of(file: PurePosixPath) -> tuple[PurePosixPath, PurePosixPath]:
    """The root of the data set that an XML file belongs to, and the file's folder below its annotations.

    Both are relative to the folder that is read; for a file beside its photo both are as the file's folder.
    """
    folder = file.parent
    for depth, part in enumerate(folder.parts):
        if part.lower() in _LABEL_FOLDERS:
            return PurePosixPath(*folder.parts[:depth]), PurePosixPath(*folder.parts[depth + 1 :])
    return folder, PurePosixPath()


class PhotoNames:
    """Says which photo an XML file is of."""

    def __init__(self, source: Source) -> None:
        self._source = source
        names = source.photos()
        self._names = frozenset(names)
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            self._by_stem.setdefault(folded(str(PurePosixPath(name).with_suffix(""))), []).append(name)

    def of(self, file: PurePosixPath, said: str) -> tuple[str | None, str]:
        """The photo's path, None where there is none, and what else the file calls it, "" if nothing else.

        `said` is what stands in `filename`, perhaps without an ending, with another one, or that of a file
        whose copy this is. So a photo that has the name of the XML file goes before another one.
        """
        name = last_part(said)
        stem = PurePosixPath(name).stem if PurePosixPath(name).suffix.lower() in SUFFIXES else name
        if folded(stem) == folded(file.stem):
            return self._found(file, name), ""
        own = self._found(file, file.stem)
        if own is not None:
            return own, name
        return (self._found(file, name) if name else None), ""

    def _found(self, file: PurePosixPath, name: str) -> str | None:
        root, below = home_of(file)
        folders = [*(root / one / below for one in _PHOTO_FOLDERS), file.parent, root / below, root]
        stem = name.rpartition(".")[0] if PurePosixPath(name).suffix.lower() in SUFFIXES else name
        for folder in folders:
            if str(folder / name) in self._names:
                return str(folder / name)
        for folder in folders:
            alike = self._by_stem.get(folded(str(folder / stem)), [])
            if len(alike) == 1:
                return alike[0]
        return self._source.find(name)


def sets_in(folder: Path) -> dict[tuple[str, str], list[str]]:
    """The lists of `ImageSets` that name each image: by the data set's root and the image's name.

    The lists of a category (cat_train.txt) say nothing of the parts and are left out.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for path in files_below(folder, ".txt"):
        if SETS not in path.parts or "_" in path.stem or path.parts[-2] not in ("Main", "Segmentation", SETS):
            continue
        root = str(PurePosixPath(*path.parts[: path.parts.index(SETS)]))
        try:
            text = read_bytes(folder / path).decode("utf-8-sig", "replace")
        except FormatError:  # an empty list names nobody
            continue
        for line in text.splitlines():
            sets = found.setdefault((root, line.strip()), [])
            if line.strip() and path.stem not in sets:
                sets.append(path.stem)
    return found


def without_unions(sets: Sequence[str]) -> list[str]:
    """The lists that part a data set: "trainval" says nothing beside "train" or "val"."""
    return [one for one in sets if one != "trainval" or not {"train", "val"} & set(sets)]
