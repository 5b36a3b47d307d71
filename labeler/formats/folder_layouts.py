"""Where the images of a labels file are: beside it, below it, or where the makers of data sets put them.

COCO has `annotations/instances_train2017.json` beside `train2017/`, CVAT and Datumaro have
`annotations/instances_default.json` beside `images/default/`, others `labels/train.json` beside
`images/train/`. Only such folders are looked into, never a disk.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from labeler.core.photos.patience import is_folder
from labeler.errors import ImageError
from labeler.formats.door import is_a_folder
from labeler.formats.image_paths import Folder

_IMAGE_FOLDERS = ("images", "image", "img", "imgs", "JPEGImages", "photos", "data", "Images")
_LABEL_FOLDERS = frozenset(
    "annotations annotation labels label json jsons ann anns annots annfiles coco gt masks meta labeltxt xml "
    "xmls".split(" ")
)
_SUBSET = re.compile(r"(?:^|[_.\-])((?:train|val|valid|validation|test|dev|default)\w*)$", re.IGNORECASE)
_SUBSETS = ("train", "val", "valid", "test", "train2017", "val2017", "train2014", "val2014", "default")


class Layout(Struct, frozen=True):
    """A folder, and how many of a labels file's images are in it."""

    folder: Folder
    found: int
    total: int

    @property
    def is_enough(self) -> bool:
        """Whether at least half of the images are there."""
        return self.found * 2 >= self.total


def layout_of(labels: Path, names: Sequence[str], *, first: Path | None = None) -> Layout:
    """The folder that the images of a labels file are in.

    That is `first`, or the file's own folder, if at least half of them are there, else the one of the usual
    folders around the file that has most of them.
    """
    own = [Folder(first)] if first is not None else []
    if is_set := is_a_folder(labels):
        # a format that is a folder names its photos from there, wherever it has them: what lies beside it is
        # another set, unless it is a folder of labels itself
        layout = _exactly(Folder(labels), names)
        if layout.is_enough:
            return layout
        labels = labels / "labels"
    there = labels.resolve().parent
    candidates = dict.fromkeys(_candidates(labels.resolve(), above=not is_set or _is_of_labels(there)))
    around, silent = those_there(candidates)
    wanted = [Folder(there), *around]
    for folder in own or [Folder(there)]:
        layout = _exactly(folder, names)
        if layout.is_enough:
            return layout
    best = max((_exactly(folder, names) for folder in wanted), key=lambda layout: layout.found)
    if best.is_enough and not own:
        return best
    tried = [_roughly(folder, names) for folder in own or [Folder(there)]]
    if tried[0].is_enough:
        return tried[0]
    if best.is_enough:
        return best
    tried += [
        _roughly(folder, names) for folder in wanted if folder.root != _above(labels) or _is_labels(there)
    ]
    best = max(tried, key=lambda layout: layout.found)
    # what nobody can look into may have them: who reads them there says that the disk does not answer
    return Layout(Folder(silent[0]), len(names), len(names)) if silent and not best.found else best


def those_there(paths: Iterable[Path]) -> tuple[list[Folder], list[Path]]:
    """The folders among some paths, and those paths whose disk does not answer."""
    there: list[Folder] = []
    silent: list[Path] = []
    for path in paths:
        try:
            if is_folder(path):
                there.append(Folder(path))
        except ImageError:
            silent.append(path)
    return there, silent


def _above(labels: Path) -> Path:
    return labels.resolve().parent.parent


def _is_labels(folder: Path) -> bool:
    """Whether all below the folder above may be looked through: it is one data set, not somebody's home."""
    above = folder.parent
    return folder.name.lower() in _LABEL_FOLDERS and above not in (Path.home(), Path(above.anchor))


def _is_of_labels(folder: Path) -> bool:
    """Whether a folder is one of labels, or that of a part in one: `labels/train`."""
    return _is_labels(folder) or (folder.name.lower() in _SUBSETS and _is_labels(folder.parent))


def _candidates(labels: Path, *, above: bool) -> Iterator[Path]:
    """The folders that images may be in, the narrowest first; `above` those beside their folder, too."""
    found = _SUBSET.search(labels.stem)
    subsets = [*([found[1]] if found else []), labels.parent.name]
    bases = [labels.parent, *([labels.parent.parent] if above else [])]
    if above and labels.parent.name.lower() in _SUBSETS:
        bases.append(labels.parent.parent.parent)
    for base in bases:
        for images in _IMAGE_FOLDERS:
            for subset in subsets:
                yield base / images / subset
                yield base / subset / images
            yield base / images
        for subset in subsets:
            if base != labels.parent.parent or subset != labels.parent.name:
                yield base / subset
        for subset in _SUBSETS:
            yield base / subset
    if above:
        yield labels.parent.parent


def _exactly(folder: Folder, names: Sequence[str]) -> Layout:
    return Layout(folder, sum(folder.holds(name) for name in names), len(names))


def _roughly(folder: Folder, names: Sequence[str]) -> Layout:
    return Layout(folder, sum(folder.find(name) is not None for name in names), len(names))
