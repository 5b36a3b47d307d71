"""The door of the formats beside COCO: what a file or folder is, found out by content, and what it holds."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TypeVar

from labeler.core.photos.patience import is_folder, patiently
from labeler.errors import FormatError, ImageError, LabelerError
from labeler.formats.photo_folder import PhotoFolder
from labeler.formats.spec import Dataset, FormatSpec, Reading, Source, formats

T = TypeVar("T")

COCO = "coco"
"""The id of the format that everything is read and checked as."""
ARCHIVE = ".zip"


def endings() -> frozenset[str]:
    """The endings of files of labels, in lower case with the dot."""
    return frozenset([".json", ARCHIVE, *(suffix for spec in formats() for suffix in spec.suffixes)])


def format_of(path: Path) -> FormatSpec | None:
    """The format, beside COCO, that knows a file or a folder by its content; None where none does.

    Those whose endings fit are asked first. Raises LabelerError, one sentence, where a format cannot look at
    it or its disk does not answer.
    """
    is_dir = is_a_folder(path)
    asked = [spec for spec in formats() if spec.id != COCO and (spec.folder or not is_dir)]
    suffix = path.suffix.lower()
    asked.sort(key=lambda spec: not is_dir and suffix not in spec.suffixes)
    return next((spec for spec in asked if _knows(spec, path)), None)


def is_a_folder(path: Path) -> bool:
    """Whether there is a folder; False for a name that no disk takes. ImageError where its disk is silent."""
    try:
        return is_folder(path)
    except OSError:
        return False


_LABEL_FOLDERS = ("", "annotations", "Annotations", "labels")
"""Where a data set has the files of its labels, from its folder."""
_MOST_FILES = 200
"""Files of a folder that are looked at for labels."""


def labels_of(path: Path) -> Path:
    """What is to be read when a person points at a file: itself, or the folder of which it is a part.

    So `data.yaml` stands for the data set that it describes. Raises as `format_of`.
    """
    suffix = path.suffix.lower()
    if is_a_folder(path) or suffix == ".json" or format_of(path) is not None:
        return path
    # the other formats are not asked: some of them look at everything below a folder
    asked = [spec for spec in formats() if spec.folder and spec.id != COCO and suffix in spec.suffixes]
    for folder in (path.parent, path.parent.parent):
        if any(_knows(spec, folder) for spec in asked):
            return folder
    return path


def labels_in(folder: Path) -> tuple[Path, ...]:
    """The labels that a folder has, beside its photos or in the usual places: itself, or files in it.

    Files of which each is a set of labels, as COCO's, are all given, so that train and val come in together.
    """
    if format_of(folder) is not None:
        return (folder,)
    for name in _LABEL_FOLDERS:
        if found := tuple(path for path in _files_in(folder / name)[:_MOST_FILES] if _is_labels(path)):
            return found
    return ()


def _files_in(folder: Path) -> list[Path]:
    """Files that may be labels, by their endings and in order; none where the folder cannot be read."""
    known = {".json", *(suffix for spec in formats() for suffix in spec.suffixes)}

    def found() -> list[Path]:
        some = islice(folder.iterdir(), 100 * _MOST_FILES)
        good = (path for path in some if path.suffix.lower() in known and not path.name.startswith("."))
        return sorted(path for path in good if path.is_file())

    try:
        return patiently(folder, found)
    except (OSError, ImageError):
        return []


def _is_labels(path: Path) -> bool:
    """Whether a file is a set of labels of some format, COCO among them."""
    try:
        is_coco = any(spec.id == COCO and spec.sniff(path) for spec in formats())
        return is_coco or format_of(path) is not None
    except (LabelerError, OSError):
        return False


def _knows(spec: FormatSpec, path: Path) -> bool:
    return tried(spec, path, lambda: patiently(path, lambda: spec.sniff(path)))


def format_named(name: str) -> FormatSpec:
    """The format of that id. FormatError, naming those there are, where there is none."""
    for spec in formats():
        if spec.id == name:
            return spec
    known = ", ".join(sorted({COCO, *(spec.id for spec in formats())}))
    raise FormatError(f"There is no format “{name}”; there are: {known}.")


def format_to_write(path: Path, name: str = "") -> FormatSpec | None:
    """The format that labels are to be written in: the named one, else what the ending of `path` says.

    None for COCO as one file, which is `.json` or no ending. FormatError, naming those there are, where
    nothing writes that.
    """
    suffix = path.suffix.lower()
    if name not in ("", COCO):
        spec = format_named(name)
        if spec.write is None:
            raise FormatError(f"{spec.title} is only read; {_writers()}")
        return spec
    if suffix in ("", ".json"):
        return None
    for spec in formats():
        if spec.write is not None and suffix in spec.suffixes and not spec.folder and spec.id != COCO:
            return spec
    raise FormatError(f"“{path.name}” ends in “{suffix}”, which is no format to write; {_writers()}")


def _writers() -> str:
    writers = [spec for spec in formats() if spec.write is not None]
    files = [spec for spec in writers if not spec.folder and spec.id != COCO]
    named = (f"{s} ({spec.title})" for spec in files for s in spec.suffixes)
    folders = ", ".join(spec.id for spec in writers if spec.folder)
    listed = ", ".join(dict.fromkeys([".json (COCO)", *named]))
    return f"there are: {listed}" + (f"; and as folders, by name: {folders}." if folders else ".")


def read_by(
    spec: FormatSpec,
    path: Path,
    *,
    images: Path | None = None,
    encoding: str = "",
    stored: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> Reading:
    """What a format reads in a file or folder; FormatError, one sentence, for whatever it raises.

    Photos are looked for around it, and in `images` where a person has named that. With `stored` the sizes
    of turned photos are those before their EXIF orientation turns them.
    """
    photos = PhotoFolder(path if is_a_folder(path) else path.parent, images, stored=stored)
    source = Source(path, photos.size, photos.find, photos.photos, should_stop, encoding)
    found = tried(spec, path, lambda: spec.read(source))
    if isinstance(found, Dataset):
        return Reading(found)
    if not isinstance(found, Reading):
        raise FormatError(f"“{path}” cannot be read: the format {spec.title} gives no Dataset.")
    return found


def tried(spec: FormatSpec, path: Path, work: Callable[[], T], *, doing: str = "read") -> T:
    """What a format's function gives; a plugin may raise anything, which becomes one sentence."""
    try:
        return work()
    except LabelerError:
        raise
    except OSError as error:
        raise FormatError(f"“{path}” cannot be {doing}: {error.strerror or error}.") from error
    except Exception as error:  # a plugin's own mistake must not end the program
        said = " ".join(f"{type(error).__name__}: {error}".split())  # a sentence has one line
        raise FormatError(f"“{path}” cannot be {doing} as {spec.title} ({said}).") from error
