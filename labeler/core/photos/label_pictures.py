"""Pictures that are labels: masks as PNGs beside the photos that they belong to, which are no photos."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

_NAMES = re.compile(
    r"(.*[_\-. ])?(masks?|segmentation(class|object)?(png|raw|aug|visuali[sz]ation)?|visuali[sz]ations?|viz|"
    r"gt|gtfine|gtcoarse|ground[_\- ]?truths?|labels?|labelids|annotations?|annots?|panoptic.*|semantic.*|"
    r"instances?|segs?|trimaps?|mattes?|alphas?)([_\-. ]?\d+)?",
    re.IGNORECASE,
)
"""What makers of data sets call the folders of their masks."""
_PAINTED = re.compile(r"visuali[sz]ation|viz", re.IGNORECASE)
_EXACT = frozenset({".png", ".bmp", ".tif", ".tiff", ".gif"})
"""Endings that keep a mask as it is; only what is there to look at is a JPEG."""
_MARK = re.compile(
    r"[_\-. ](masks?|gt|gtfine|labels?|labelids|labeltrainids|instanceids|color|segs?|segmentation|panoptic|"
    r"trimap|matte|alpha|annotations?|l|p)([_\-. ]?\d+)?$",
    re.IGNORECASE,
)
"""What a mask's name has behind that of its photo; several of them may stand there."""
_BESIDE = re.compile(r"(.+\.\w+)___(?:save|fuse)\.png", re.IGNORECASE)
"""SuperAnnotate's masks, and their pictures to look at, beside the photo whose whole name they begin with."""
_MOST = 0.9
"""So many of a folder's pictures must have a photo of their name elsewhere."""


def label_pictures(paths: Iterable[str], known: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """The pictures among these that are labels of the others, by the folder that holds them.

    `paths` are relative to one folder, POSIX style. A folder is one of labels if it is called so
    ("masks", "SegmentationClass", "panoptic_val2017") and nearly all of its pictures are named like photos
    that lie elsewhere, as they are or with something like "_mask" behind. SuperAnnotate's `a.jpg___save.png`
    lies beside its photo ("" is the folder itself). Those in `known` stay photos: somebody has them in a
    project already.
    """
    paths = tuple(paths)
    there, known = {text.lower() for text in paths}, frozenset(known)
    beside: dict[str, list[str]] = defaultdict(list)
    inside: dict[str, list[PurePosixPath]] = defaultdict(list)
    stems: set[str] = set()
    for text in paths:
        path = PurePosixPath(text)
        folder = labels_folder(path)
        of = _BESIDE.fullmatch(path.name)
        if of and text not in known and str(path.with_name(of[1])).lower() in there:
            beside["" if path.parent == PurePosixPath() else str(path.parent)].append(text)
        elif folder:
            inside[folder].append(path)
        else:
            stems.add(path.stem.lower())
    found = {folder: tuple(pictures) for folder, pictures in beside.items()}
    for folder, pictures in inside.items():
        if not any(str(path) in known for path in pictures) and _are_labels(folder, pictures, stems):
            found[folder] = (*found.get(folder, ()), *map(str, pictures))
    return found


def said_label_pictures(found: Mapping[str, Collection[str]]) -> str:
    """One sentence about them, or ""."""
    if not found:
        return ""
    count = sum(map(len, found.values()))
    folders = sorted(found, key=lambda name: (not name, name))
    some = f"“{folders[0]}”" if folders[0] else "the folder"
    where = some if len(folders) == 1 else f"{len(folders)} folders such as {some}"
    if count == 1:
        return f"1 picture in {where} is the mask of a photo here and is left out."
    return f"{count:,} pictures in {where} are masks of the photos here and are left out."


def labels_folder(path: PurePosixPath) -> str:
    """The outermost folder above a picture that is called like one of labels, or ""."""
    for depth, name in enumerate(path.parts[:-1], 1):
        if _NAMES.fullmatch(name):
            return "/".join(path.parts[:depth])
    return ""


def _are_labels(folder: str, pictures: Collection[PurePosixPath], stems: Collection[str]) -> bool:
    exact = all(path.suffix.lower() in _EXACT for path in pictures)
    if not (exact or _PAINTED.search(folder)):
        return False
    mirrored = sum(bool(own_names(path.stem.lower()) & set(stems)) for path in pictures)
    return mirrored >= _MOST * len(pictures)


def own_names(stem: str) -> set[str]:
    """The name of a mask in lower case, and what is left of it without what stands behind."""
    names = {stem}
    while (shorter := _MARK.sub("", stem)) != stem:
        stem = shorter
        names.add(stem)
    return names
