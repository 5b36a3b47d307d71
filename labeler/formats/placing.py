"""Which image of a project a labels file means by a name, or which file that is not in the project yet."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from labeler.core.images import Header, read_header
from labeler.core.photo_files import PLACEHOLDER
from labeler.core.records import Image
from labeler.errors import ImageError
from labeler.formats.image_paths import Folder, Found, folded, last_part, placeholder


class Placing:
    """Answers for the images of one project, the files of one folder and the names of one labels file.

    A name whose last part another name of the labels file shares is only matched as a whole path.
    """

    def __init__(self, images: Iterable[Image], *, root: Path, folder: Folder, names: Iterable[str]) -> None:
        self._root = root
        self._folder = folder
        self._headers: dict[str, Header | None] = {}
        self._found: dict[str, Found | None] = {}
        self._uses = Counter(folded(last_part(name)) for name in set(names))
        self._by_path = {folded(image.path): image for image in images}
        self._by_name: defaultdict[str, list[Image]] = defaultdict(list)
        for image in self._by_path.values():
            if not image.path.startswith(f"{PLACEHOLDER}/"):
                self._by_name[folded(last_part(image.path))].append(image)

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
        return alike[0] if len(alike) == 1 and self._is_single(name) else None

    def path(self, name: str) -> str | None:
        """The file that is found for a name, relative to the project's image folder or else absolute."""
        found = self._file(name)
        if found is None:
            return None
        path = self._folder.root / found.path
        return (path.relative_to(self._root) if path.is_relative_to(self._root) else path).as_posix()

    def is_guess(self, name: str) -> bool:
        """Whether what answers to the name has only its last part in common with it."""
        found = self._file(name)
        if found is not None:
            return found.by == "name"
        return self.known(name) is not None and folded(placeholder(name)) not in self._by_path

    def _file(self, name: str) -> Found | None:
        if name not in self._found:
            found = self._folder.find(name)
            self._found[name] = found if found and (found.by == "path" or self._is_single(name)) else None
        return self._found[name]

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

    def _is_single(self, name: str) -> bool:
        return self._uses[folded(last_part(name))] <= 1


def header_of(path: Path) -> Header | None:
    """The header of an image file, None where it cannot be read."""
    try:
        return read_header(path)
    except ImageError:
        return None
