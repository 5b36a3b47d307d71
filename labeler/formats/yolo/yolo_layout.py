"""Which photo goes with which label file of a YOLO data set, in the layouts that there are.

ultralytics takes the label file of `.../images/a.jpg` from `.../labels/a.txt`, the last folder of that name
being replaced; darknet and labelImg have `a.txt` beside `a.jpg`. What a data.yaml or a list calls a photo is
text of a stranger, often of another computer: it is only ever looked for below the folder that is read.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.photos.photo_files import files_below
from labeler.errors import FormatError, ImageError
from labeler.formats.json_text import read_text
from labeler.formats.report import FieldNote
from labeler.formats.spec import Source
from labeler.formats.yolo.label_texts import head_of
from labeler.formats.yolo.yolo_settings import (
    NAME_FILES,
    YoloSettings,
    darknet_names,
    is_darknet,
    is_yaml_of_a_set,
    names_in,
    settings_files,
    settings_in,
)

_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "photos")
_LABEL_FOLDERS = ("labels", "label", "Labels", "labelTxt", "annfiles", "annotations", "obj_train_data")
_NO_LABELS = ("readme", "license", "requirements", "changelog")
NOT_THERE = "Names “{}”, which is not below the folder that is read."


class Pair(Struct, frozen=True):
    """A photo and its label file."""

    photo: str
    """Its name as the disk has it; without an ending where it is not there."""
    label: str
    """Relative to the folder that is read; "" where there is none."""
    is_there: bool = True
    """Whether the photo is."""
    part: str = ""
    """What the settings say that it is for."""


class YoloLayout(Struct, frozen=True):
    """What a data set consists of."""

    base: Path
    settings: YoloSettings
    pairs: tuple[Pair, ...]
    notes: tuple[FieldNote, ...] = ()


def layout_in(source: Source) -> YoloLayout:
    """The photos, label files and names of a folder, a data.yaml, an obj.data or one label file.

    Raises FormatError where there are no labels.
    """
    is_file = source.path.is_file()
    base = source.path.parent if is_file else source.path
    if is_file and source.path.suffix.lower() == ".txt":
        return _one_file(source, base)
    files = _Files(list(files_below(base)), source)
    if is_file:
        said = settings_in(base, source.path.name, source.encoding)
    else:
        said = _settings_below(base, files, source.encoding)
    settings = _named(said, base, files, source)
    notes: list[FieldNote] = []
    pairs = _by_parts(settings, base, files, notes) if settings.parts else []
    if not pairs:
        pairs = _plain(files)
    if not pairs:
        below = " below its folder; give the folder that has them" if is_file else ""
        raise FormatError(
            f"“{source.path}” cannot be read: it has neither label files nor their photos{below}."
        )
    return YoloLayout(base, settings, tuple(pairs), tuple(notes))


def _one_file(source: Source, base: Path) -> YoloLayout:
    """One label file and its photo, with the names that lie beside it or one folder up."""
    label = source.path.name
    photo = source.find(source.path.stem)
    beside = next((base / name for name in sorted(NAME_FILES) if (base / name).is_file()), None)
    names = names_in(beside, source.encoding) if beside else _names_above(base, source.encoding)
    return YoloLayout(base, YoloSettings(names), (Pair(photo or source.path.stem, label, photo is not None),))


def _settings_below(base: Path, files: "_Files", encoding: str) -> YoloSettings:
    for name in settings_files(files.all):
        text = _head(base / name)
        if is_yaml_of_a_set(text) or (name.lower().endswith(".data") and is_darknet(text)):
            return settings_in(base, name, encoding)
    return YoloSettings()


def _head(path: Path) -> str:
    try:
        return head_of(path)
    except ImageError:
        return ""


def _named(said: YoloSettings, base: Path, files: "_Files", source: Source) -> YoloSettings:
    """The settings with the names of a file of names, where they have none themselves."""
    if said.names:
        return said
    own = darknet_names(base, f"{said.beside}/{said.file}".lstrip("/"), source.encoding) if said.file else ""
    found = [name for entry in [own] if entry for name in files.meant(entry, said) if name in files.texts]
    found += [
        name
        for name in sorted(files.all, key=lambda name: (name.count("/"), name))
        if name.rpartition("/")[2].lower() in NAME_FILES or name.lower().endswith(".names")
    ]
    if found:
        return replace(said, names=names_in(base / found[0], source.encoding))
    return replace(said, names=_names_above(base, source.encoding))


def _names_above(base: Path, encoding: str) -> dict[int, str]:
    """The names that lie beside a folder of labels: `classes.txt` or `data.yaml` beside `labels/train`."""
    for above in (base.parent, base.parent.parent) if _is_of_labels(base) else ():
        for name in ("data.yaml", *sorted(NAME_FILES)):
            if not (above / name).is_file():
                continue
            names = (
                settings_in(above, name, encoding).names
                if name == "data.yaml"
                else names_in(above / name, encoding)
            )
            if names:
                return dict(names)
    return {}


def _is_of_labels(base: Path) -> bool:
    return any(folder.name in _LABEL_FOLDERS for folder in (base, base.parent))


class _Files:
    """The names of all files below a folder, and what is asked of them."""

    def __init__(self, names: Sequence[str], source: Source) -> None:
        self.all = names
        self.texts = {name for name in names if name.lower().endswith((".txt", ".names", ".labels"))}
        self.photos = list(source.photos())
        self.photo_set = set(self.photos)
        self.folders = {""}
        for name in (*self.photos, *self.texts):
            here = name.rpartition("/")[0]
            while here not in self.folders:
                self.folders.add(here)
                here = here.rpartition("/")[0]
        self.find = source.find
        self.encoding = source.encoding
        self.labels = sorted(name for name in self.texts if _may_be_labels(name))
        self._sorted = sorted(self.photos)

    def meant(self, entry: str, settings: YoloSettings) -> Iterator[str]:
        """The paths below the folder that an entry may mean, the likeliest first; "" is the folder itself."""
        parts, root = _steps(entry), _steps(settings.root)
        beside = _steps(settings.beside)
        whole = [[*beside, *root, *parts], [*beside, *parts], [*root, *parts], parts]
        tails = [(root + parts)[start:] for start in range(1, len(root + parts))]
        for steps in (*whole, *([*beside, *tail] for tail in tails), *tails):
            yield "/".join(_walked(steps))

    def label_of(self, photo: str) -> str:
        """The label file of a photo; "" where there is none."""
        stem = photo.rpartition(".")[0] or photo
        names = (name for way in (stem, photo) for name in _label_names(way))  # a.txt, rarely a.jpg.txt
        return next((name for name in names if name in self.texts), "")

    def photos_in(self, folder: str) -> list[str]:
        """The photos below a folder."""
        if not folder:
            return self.photos
        return _with_prefix(self._sorted, f"{folder}/")

    def labels_in(self, folder: str) -> list[str]:
        """The label files that belong to photos below a folder, which need not be there."""
        found = []
        for other in dict.fromkeys((next(_label_names(f"{folder}/x")).rpartition("/")[0], folder)):
            found += _with_prefix(self.labels, f"{other}/" if other else "")
        return found

    def photo_of(self, label: str) -> str | None:
        """The photo of a label file which none of its own folder fits."""
        return self.find(_photo_name(label)) or self.find(_stem(label))


def _with_prefix(names: Sequence[str], prefix: str) -> list[str]:
    """Those of sorted names that begin so."""
    end = bisect_left(names, prefix + "\U0010ffff")
    return list(names[bisect_left(names, prefix) : end])


def _may_be_labels(name: str) -> bool:
    last = name.rpartition("/")[2].lower()
    return last.endswith(".txt") and last not in NAME_FILES and not last.startswith(_NO_LABELS)


def _steps(path: str) -> list[str]:
    """The folders and the name of a path of any system; "" and "." left out."""
    return [one for one in path.replace("\\", "/").split("/") if one not in ("", ".") and ":" not in one]


def _walked(steps: Iterable[str]) -> list[str]:
    """The steps with each ".." gone along; one that leads out is left out, as in Roboflow's files."""
    found: list[str] = []
    for step in steps:
        if step != "..":
            found.append(step)
        elif found:
            found.pop()
    return found


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _label_names(stem: str) -> Iterator[str]:
    """Where the label file of a photo may be, given its path without the ending; ultralytics' rule first."""
    parts = stem.split("/")
    places = [place for place, part in enumerate(parts[:-1]) if part.lower() in _IMAGE_FOLDERS]
    exact = [place for place in places if parts[place] == "images"]
    for place in (exact or places)[-1:]:
        for folder in _LABEL_FOLDERS:
            yield f"{'/'.join([*parts[:place], folder, *parts[place + 1 :]])}.txt"
    yield f"{stem}.txt"
    for depth in range(len(parts) - 1, max(len(parts) - 3, -1), -1):
        yield f"{'/'.join([*parts[:depth], 'labels', *parts[depth:]])}.txt"
        yield f"{'/'.join([*parts[:depth], 'labels', parts[-1]])}.txt"


def _photo_name(label: str) -> str:
    """The path of a label file's photo, without its ending."""
    parts = label.rpartition(".")[0].split("/")
    for place in reversed(range(len(parts) - 1)):
        if parts[place] in _LABEL_FOLDERS:
            parts[place] = "images"
            break
    return "/".join(parts)


def _by_parts(settings: YoloSettings, base: Path, files: _Files, notes: list[FieldNote]) -> list[Pair]:
    """The photos that the settings name, with their label files; a photo of two parts once."""
    pairs: dict[str, Pair] = {}
    for part, entries in settings.parts.items():
        for entry in entries:
            found = _entry(entry, settings, base, files)
            if found is None:
                sentence = NOT_THERE.format(entry)
                notes.append(FieldNote("told", "file", None, "", sentence, at=f"{settings.file}: {part}"))
            for pair in found or ():
                pairs.setdefault(pair.photo, replace(pair, part=part))
    return list(pairs.values())


def _entry(entry: str, settings: YoloSettings, base: Path, files: _Files) -> list[Pair] | None:
    """The photos of one entry: a folder, a list or a photo; None where there is nothing of that name."""
    for path in files.meant(entry, settings):
        if path in files.texts and _may_be_labels(path):
            return list(_in_list(path, settings, base, files))
        if path in files.photo_set:
            return [Pair(path, files.label_of(path))]
        if path in files.folders and (photos := files.photos_in(path)):
            pairs = [Pair(photo, files.label_of(photo)) for photo in photos]
            return pairs + _unmatched(files.labels_in(path), pairs, files)
        if path and (labels := files.labels_in(path)):
            return _unmatched(labels, (), files)
    return None


def _in_list(path: str, settings: YoloSettings, base: Path, files: _Files) -> Iterator[Pair]:
    """The photos of a list of paths."""
    beside = replace(settings, beside=path.rpartition("/")[0])
    for line in read_text(base / path, encoding=files.encoding)[0].splitlines():
        entry = line.strip()
        if not entry:
            continue
        names = [name for way in (settings, beside) for name in files.meant(entry, way)]
        photo = next((name for name in names if name in files.photo_set), None) or files.find(entry)
        # a photo that is found elsewhere has its labels where the list would have it
        labelled = next((name for name in (photo, *names) if name and files.label_of(name)), "")
        label = files.label_of(labelled) if labelled else ""
        yield Pair(photo or labelled or entry, label, is_there=photo is not None)


def _unmatched(labels: Iterable[str], pairs: Iterable[Pair], files: _Files) -> list[Pair]:
    """Label files that no photo beside them has, with a photo of that name elsewhere, or none."""
    taken = {pair.label for pair in pairs}
    found = []
    for label in labels:
        if label not in taken:
            photo = files.photo_of(label)
            found.append(Pair(photo or _photo_name(label), label, photo is not None))
    return found


def _plain(files: _Files) -> list[Pair]:
    """The photos with label files and, without labels, those that lie in one folder with them."""
    pairs = [Pair(photo, files.label_of(photo)) for photo in files.photos]
    labelled: defaultdict[str, bool] = defaultdict(bool)
    for pair in pairs:
        labelled[pair.photo.rpartition("/")[0]] |= bool(pair.label)
    kept = [pair for pair in pairs if labelled[pair.photo.rpartition("/")[0]]]
    return kept + _unmatched(files.labels, kept, files)
