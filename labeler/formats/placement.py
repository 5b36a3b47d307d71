"""Which image of a project a labels file means by a name, or which file that is not in the project yet."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from labeler.core.photos.doubles import doubled
from labeler.core.photos.images import Header, read_header
from labeler.core.photos.patience import patiently, said_silent, silent_disk
from labeler.core.photos.photo_files import PLACEHOLDER, readable
from labeler.core.photos.photo_kinds import LFS_POINTER, said_of_other
from labeler.core.records import Image
from labeler.errors import ImageError
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import Area, dataset_of
from labeler.formats.coco.frames import Choice
from labeler.formats.coco.image_names import file_names
from labeler.formats.folder_layouts import layout_of
from labeler.formats.image_paths import REASONS, Folder, FoundFile, clean, folded, last_part, placeholder
from labeler.formats.report import Report
from labeler.formats.spec import Dataset

_HEAD = 132
"""Bytes that tell what a file is that is no image."""


class Placing:
    """Answers for the images of one project, the files of one folder and the names of one labels file.

    A file that is only like a name is taken for it when no other name of the labels file may mean it.
    """

    def __init__(
        self,
        images: Iterable[Image],
        *,
        root: Path,
        folder: Folder,
        names: Iterable[str],
        headers: dict[str, Header | None] | None = None,
    ) -> None:
        self._root = root
        self._folder = folder
        self._headers = {} if headers is None else headers
        self._found: dict[str, FoundFile | None] = {}
        self._by_path = {folded(image.path): image for image in images}
        self._by_name: defaultdict[str, list[Image]] = defaultdict(list)
        for image in self._by_path.values():
            if not image.path.startswith(f"{PLACEHOLDER}/"):
                self._by_name[folded(last_part(image.path))].append(image)
        wanted = dict.fromkeys(names)
        self._uses = Counter(folded(last_part(name)) for name in wanted)
        self._find_all(wanted)

    def _find_all(self, names: Iterable[str]) -> None:
        self._found = {name: self._folder.find(name) for name in names}
        certain = {found.path for found in self._found.values() if found and found.by == "path"}
        guesses = Counter(found.path for found in self._found.values() if found and found.by != "path")
        for name, found in self._found.items():
            if found and found.by != "path" and (found.path in certain or guesses[found.path] > 1):
                self._found[name] = None
        self._photos_in = _shared_folder(self._found)

    def known(self, name: str) -> Image | None:
        """The project's image of that name: by the file that is found, by its path, or by its last part."""
        path = self.path(name)
        if path is not None and (image := self._by_path.get(folded(path))):
            return image
        if path is not None:
            return None
        if image := self._by_path.get(folded(placeholder(name))):
            return image
        alike = self._by_name.get(folded(last_part(name)), [])
        return alike[0] if len(alike) == 1 and self._uses[folded(last_part(name))] <= 1 else None

    def path(self, name: str) -> str | None:
        """The file that is found for a name, relative to the project's image folder or else absolute."""
        found = self._file(name)
        if found is None:
            return None
        path = self._folder.root / found.path
        return (path.relative_to(self._root) if path.is_relative_to(self._root) else path).as_posix()

    def is_guess(self, name: str) -> bool:
        """Whether what answers to the name is only like it."""
        found = self._file(name)
        if found is not None:
            return found.by != "path" and (
                self._photos_in is None or found.path != f"{self._photos_in}/{clean(name)}"
            )
        return self.known(name) is not None and folded(placeholder(name)) not in self._by_path

    def reason(self, name: str) -> str:
        """What a guess has in common with the name, as the end of a sentence."""
        found = self._file(name)
        return REASONS[found.by] if found else REASONS["name"]

    def _file(self, name: str) -> FoundFile | None:
        if name not in self._found:
            self._found[name] = self._folder.find(name)
        return self._found[name]

    def doubles(self) -> dict[str, str]:
        """The names whose files are those of other names by a link, each with the first of these."""
        paths = {self._folder.root / one.path: name for name, one in self._found.items() if one}
        return {paths[path]: paths[first] for path, first in doubled(paths)}

    def header(self, name: str) -> Header | None:
        """What the file found for a name says of itself; None where there is none or it cannot be read."""
        if name not in self._headers:
            path = self.path(name)
            self._headers[name] = None if path is None else header_of(self._root / path)
        return self._headers[name]

    def size(self, name: str) -> tuple[int, int] | None:
        """Displayed width and height of the image of that name, where they are known."""
        image = self.known(name)
        if image is not None and image.width:
            return image.width, image.height
        header = self.header(name)
        return (header.width, header.height) if header else None

    def trouble(self, name: str) -> str:
        """Why the file that is found for a name cannot be shown, as a sentence; "" where it can."""
        path = self.path(name)
        if path is None or self.header(name) is not None:
            return ""
        try:
            head = patiently(self._root / path, lambda: _head(self._root / path))
        except ImageError:
            disk = silent_disk(self._root / path)
            return f"The photo cannot be read: {said_silent(disk)}" if disk else "The photo cannot be read."
        is_pointer = head.startswith(LFS_POINTER)
        return (
            f"The photo {said_of_other(head)}" if is_pointer else "The photo is damaged or of another kind."
        )

    def turn(self, name: str) -> int:
        """The EXIF orientation of the image of that name, 1 where it is not known."""
        header = self.header(name)
        return header.turn if header else 1


def _shared_folder(found: dict[str, FoundFile | None]) -> str | None:
    """The folder below which all files of a set have the whole names that it says: CVAT's `images/default`.

    None where they are found in other ways, or in several folders.
    """
    folders = {
        one.path.removesuffix(f"/{clean(name)}") if one.path.endswith(f"/{clean(name) or name}") else None
        for name, one in found.items()
        if one is not None
    }
    return folders.pop() if len(folders) == 1 else None


def _head(path: Path) -> bytes:
    with readable(path) as file:
        return file.read(_HEAD)


def read_placed_coco(
    labels: Path,
    *,
    images: Path | None = None,
    frame: Choice = "auto",
    encoding: str = "",
    area: Area = "shape",
    source_format: str = "",
) -> tuple[Dataset, Report, Folder]:
    """A labels file with its shapes where they are on the displayed images, and the folder these are in.

    They are looked for in `images`, else around the labels as `layouts` says; `frame`, `encoding` and `area`
    are as in `dataset_of` and `open_document`. Raises FormatError when the
    file is not COCO.
    """
    document = open_document(labels, encoding=encoding, format_id=source_format, images=images, frame=frame)
    names = file_names(document)
    folder = Folder(images) if images is not None else layout_of(labels, names).folder
    placing = Placing((), root=folder.root, folder=folder, names=names)
    dataset, report = dataset_of(
        document, image_sizes=placing.size, turns=placing.turn, frame=frame, area=area
    )
    return dataset, report, folder


def header_of(path: Path) -> Header | None:
    """The header of an image file, None where it cannot be read."""
    try:
        return read_header(path)
    except ImageError:
        return None
